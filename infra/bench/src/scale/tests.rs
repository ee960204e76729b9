//! What a simulated day keeps to, whatever its size: nothing is lost or made up, the same seed plays the same day, more
//! events never ask for less, a limit that is exceeded is told, and the small end costs what was counted.

use serde_json::Value;

use crate::prices::Prices;
use crate::scale::costs::LogBytes;
use crate::scale::day::play;
use crate::scale::limits::{Limit, Values};
use crate::scale::outcome::Day;
use crate::scale::setting::{Knobs, Setting};
use crate::scale::{check, verdict};

fn setting(given: &[(&str, &str)]) -> Setting {
    let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Setting::read(&given).unwrap()
}

fn played(setting: &Setting) -> Day {
    play(setting, &LogBytes::counted().unwrap(), &Prices::load().unwrap())
}

#[test]
fn every_event_is_delivered_dropped_or_still_waiting() {
    for (events, developers, given) in [
        (2e5, 100, vec![]),
        (3e7, 3000, vec![("webhooks", "3"), ("updatesPerRequest", "10")]),
        (1e9, 100_000, vec![]),
        (1e9, 1000, vec![("zipf", "1.4"), ("down", "0.05"), ("seen", "0")]),
    ] {
        let day = played(&setting(&given).sized(events, developers));
        let ended = day.delivered + day.dropped + day.waiting;
        assert!((day.published / events - 1.0).abs() < 0.15, "{}", day.published);
        assert!((ended / day.published - 1.0).abs() < 1e-6, "{events}: {ended} of {}", day.published);
        assert!(day.delivered >= 0.0 && day.waiting >= -1e-3, "{events}: {}", day.waiting);
    }
}

#[test]
fn the_same_seed_plays_the_same_day() {
    let setting = setting(&[]).sized(2e6, 1000);
    let other = Setting { seed: 2, ..setting.clone() };
    let [first, again, other] = [played(&setting), played(&setting), played(&other)];
    assert_eq!(format!("{first:?}"), format!("{again:?}"));
    assert_ne!(first.published, other.published);
}

/// What days of growing size ask for, each with twice the events of the one before.
fn growing(given: &[(&str, &str)], least: f64, doublings: i32) -> Vec<Values> {
    let setting = setting(given).unlimited();
    (0..=doublings).map(|doubling| played(&setting.sized(least * 2_f64.powi(doubling), 5000)).asked).collect()
}

#[test]
fn twice_as_many_events_never_ask_for_less() {
    // Evenly, and all receivers well: to the last digit. The peak that a table has seen before grows along.
    let well = growing(&[("noise", "0"), ("down", "0")], 1e6, 5);
    // Receivers that are down come with whole events, and with breakers: where more events come these open sooner, and what
    // they put off needs no schedule, and no sandbox that grows for it.
    let ill = growing(&[("noise", "0")], 2e7, 3);
    let ramps = [Limit::LambdaRamp, Limit::PollerRamp];
    let scheduler = [Limit::CreateSchedule, Limit::FiredSchedules, Limit::Schedules];
    for (days, room, but) in [(well, 0.999, vec![]), (ill, 0.97, [&ramps[..], &scheduler[..]].concat())] {
        for (pair, limit) in days.windows(2).flat_map(|pair| Limit::ALL.map(|limit| (pair, limit))) {
            let (less, more) = (pair[0].get(limit), pair[1].get(limit));
            let grows = limit != Limit::Doubling && !but.contains(&limit);
            assert!(!grows || more >= less * room, "{limit:?}: {less} before, {more} after");
        }
    }
}

#[test]
fn a_limit_that_is_exceeded_is_told_and_one_that_is_not_is_not() {
    let ordinary = setting(&[]).sized(1e6, 1000);
    let calm = played(&ordinary);
    assert!(calm.throttled.values().all(|count| *count == 0.0), "{:?}", calm.throttled);
    assert_eq!(calm.refused_for, 0.0);
    let asked = played(&ordinary.unlimited()).asked;
    for (limit, value, service) in [
        (Limit::ApiStage, 5.0, "HTTP API"),
        (Limit::Concurrency, 2.0, "Lambda"),
        (Limit::PartitionWrites, 1.0, "DynamoDB"),
        (Limit::EventWrites, 20.0, "DynamoDB"),
    ] {
        let mut small = ordinary.clone();
        small.limits.set(limit, value);
        small.api_burst = small.api_burst.min(20.0);
        let day = played(&small);
        assert!(day.throttled.get(service).is_some_and(|count| *count > 0.0), "{limit:?}: {:?}", day.throttled);
        let first = verdict::reached(&small.limits, &[(ordinary.events, asked.clone())]);
        assert!(first[0].limit == limit && first[0].at < ordinary.events, "{limit:?}: {first:?}");
        let (_, turned) = verdict::raised(&small, &asked);
        assert!(turned.iter().any(|turned| turned.limit == limit), "{limit:?}");
    }
}

#[test]
fn what_can_be_turned_is_turned_far_enough() {
    let setting = setting(&[]).sized(1e8, 20_000);
    let asked = played(&setting.unlimited()).asked;
    let (raised, turned) = verdict::raised(&setting, &asked);
    assert!(turned.iter().any(|turned| turned.limit == Limit::ApiStage), "{turned:?}");
    let day = played(&raised);
    assert!(day.throttled.get("HTTP API").is_none_or(|count| *count == 0.0), "{:?}", day.throttled);
    assert!(day.lag.percentile(0.99) < 2000.0, "{}", day.lag.percentile(0.99));
}

/// Dollars for a million of what the part `work` counted, line by line; but for Lambda, whose time is another there.
#[test]
fn the_small_end_costs_what_was_counted_and_a_large_day_what_was_counted_in_tens() {
    let report: Value = serde_json::from_str(include_str!("../../../../docs/benchmarks/work.json")).unwrap();
    let rows: Vec<&Value> =
        report["tables"].as_array().unwrap().iter().flat_map(|table| table["rows"].as_array().unwrap()).collect();
    let well = setting(&[("down", "0"), ("noise", "0"), ("burst", "1")]);
    // So busy that batches are full, of one developer: `work` has one.
    let mut full = Setting { knobs: Knobs { peak: 1.0, ..well.knobs }, ..well.sized(1.35e8, 1).unlimited() };
    full.limits.set(Limit::FirstAttempts, 40.0);
    for (delivered, setting, near) in [("alone", well.sized(1e4, 1), 0.001), ("in tens", full, 0.1)] {
        let counted = rows.iter().find(|row| row["delivered"] == delivered && row["HTTP API"].is_number()).unwrap();
        let day = played(&setting);
        let bill = |dollars: f64| dollars / day.published;
        for (line, reckoned) in [
            ("HTTP API", bill(day.bill.gateway)),
            ("DynamoDB", bill(day.bill.tables)),
            ("SQS", bill(day.bill.queues)),
            ("logs", bill(day.bill.logs)),
        ] {
            let counted = counted[line].as_f64().unwrap();
            assert!((reckoned / counted - 1.0).abs() <= near, "{delivered}, {line}: {reckoned}, counted {counted}");
        }
    }
}

#[test]
fn a_setting_takes_the_templates_parameters_and_refuses_what_it_does_not_know() {
    let setting = setting(&[("DeliverConcurrency", "123"), ("tableWrites", "77"), ("webhooks", "2")]);
    assert_eq!(setting.limits.get(Limit::FirstAttempts), 123.0);
    assert_eq!(setting.limits.get(Limit::EventWrites), 77.0);
    assert_eq!(setting.knobs.webhooks, 2.0);
    for (name, value) in [("nonsense", "1"), ("DeliverConcurrency", "1001"), ("webhooks", "many"), ("down", "2")] {
        assert!(Setting::read(&[(name.to_owned(), value.to_owned())]).is_err(), "{name}={value}");
    }
}

/// The formulas are the code's: the same few events through the real functions cost what is reckoned, and fare so.
#[tokio::test]
async fn the_local_run_costs_and_does_what_is_reckoned() {
    let compared = check::run().await.unwrap();
    assert!(compared.iter().all(check::Compared::agrees), "{}", check::text(&compared));
}
