//! What a simulated day was, in words and tables: for a terminal of any width, for the page, and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::report::Cell;
use crate::scale::Played;
use crate::scale::chance::Histogram;
use crate::scale::day::DAY;
use crate::scale::limits::{Limit, Raised};
use crate::scale::outcome::{Day, Hot};
use crate::scale::setting::Setting;
use crate::scale::verdict::{Reached, Turned};

/// Events a day beyond which nothing is said of a limit.
const FAR: f64 = 1e10;
/// What a table needs with a column for each of four sizes.
const WIDE: usize = 100;

/// One row of the table of days.
struct Row {
    name: &'static str,
    of: fn(&Played, &Day) -> String,
}

fn million(dollars: f64, day: &Day) -> String {
    number(dollars / day.delivered.max(1.0), 2)
}

fn thrown(day: &Day, service: &str) -> String {
    number(day.throttled.get(service).copied().unwrap_or(0.0), 0)
}

const ROWS: &[Row] = &[
    Row { name: "developers", of: |played, _| number(played.setting.developers as f64, 0) },
    Row { name: "events published", of: |_, day| number(day.published, 0) },
    Row { name: "events in the busiest second", of: |_, day| number(day.peak, 0) },
    Row { name: "deliveries queue, age: p50", of: |_, day| time(day.age.percentile(0.5)) },
    Row { name: "— p99", of: |_, day| time(day.age.percentile(0.99)) },
    Row { name: "— most", of: |_, day| time(day.age.most()) },
    Row { name: "from the 202 to the first byte: p50", of: |_, day| time(day.lag.percentile(0.5)) },
    Row { name: "— p99", of: |_, day| time(day.lag.percentile(0.99)) },
    Row { name: "— most", of: |_, day| time(day.lag.most()) },
    Row { name: "— p99, but for whom a partition holds back", of: |_, day| time(day.lag_of_others.percentile(0.99)) },
    Row { name: "retries queue, age: p99", of: |_, day| time(day.retries_age.percentile(0.99)) },
    Row { name: "— most", of: |_, day| time(day.retries_age.most()) },
    Row { name: "sandboxes at most: updates", of: |_, day| number(day.sandboxes[0], 0) },
    Row { name: "— first attempts", of: |_, day| number(day.sandboxes[1], 0) },
    Row { name: "— retries", of: |_, day| number(day.sandboxes[2], 0) },
    Row { name: "— all", of: |_, day| number(day.sandboxes[3], 0) },
    Row { name: "hottest partition: write units a second", of: |_, day| number(day.hottest_writes.units, 0) },
    Row { name: "— read units a second", of: |_, day| number(day.hottest_reads.units, 0) },
    Row { name: "throttled: HTTP API", of: |_, day| thrown(day, "HTTP API") },
    Row { name: "— Lambda", of: |_, day| thrown(day, "Lambda") },
    Row { name: "— DynamoDB", of: |_, day| thrown(day, "DynamoDB") },
    Row { name: "— Scheduler", of: |_, day| thrown(day, "Scheduler") },
    Row { name: "the platform asks again for, at most", of: |_, day| time(day.refused_for * 1000.0) },
    Row { name: "schedules at once", of: |_, day| number(day.schedules, 0) },
    Row { name: "put off by open breakers", of: |_, day| number(day.outages.put_off, 0) },
    Row { name: "dropped", of: |_, day| number(day.dropped, 0) },
    Row { name: "not delivered at midnight", of: |_, day| number(day.waiting, 0) },
    Row { name: "dollars for a million delivered: HTTP API", of: |_, day| million(day.bill.gateway, day) },
    Row { name: "— Lambda", of: |_, day| million(day.bill.lambda, day) },
    Row { name: "— DynamoDB", of: |_, day| million(day.bill.tables, day) },
    Row { name: "— SQS", of: |_, day| million(day.bill.queues, day) },
    Row { name: "— Scheduler", of: |_, day| million(day.bill.other, day) },
    Row { name: "— logs", of: |_, day| million(day.bill.logs, day) },
    Row { name: "— all", of: |_, day| million(day.bill.total(), day) },
    Row { name: "dollars for the day", of: |_, day| number(day.bill.total() / 1e6, 2) },
];

/// All that was found, in Markdown that a terminal of so many columns shows well.
pub(crate) fn text(all: &[Played], reached: &[Reached], width: usize) -> String {
    let mut text = String::from("### As it is by default\n\n");
    days(&mut text, all, width, |played| &played.day);
    text.push_str("\nThe hottest partitions:\n\n");
    for played in all {
        let (writes, reads) = (&played.day.hottest_writes.key, &played.day.hottest_reads.key);
        let which = if writes == reads { writes.clone() } else { format!("{writes}, for writes; {reads}, for reads") };
        item(&mut text, &format!("- {}: {which}.", size(played.setting.events)), width);
    }
    text.push_str("\n### Which limit comes first\n\n");
    for (place, found) in reached.iter().filter(|found| found.at <= FAR).enumerate() {
        let how = if found.between { "" } else { ", in proportion" };
        let line = format!(
            "{}. From {} events a day{how}: {}, {}. Turn: {}.",
            place + 1,
            size(found.at),
            found.limit.name(),
            amount(found.allowed),
            found.limit.turn()
        );
        item(&mut text, &line, width);
    }
    let met: Vec<Limit> = reached.iter().filter(|found| found.at <= FAR).map(|found| found.limit).collect();
    let others: Vec<&str> = Limit::ALL.iter().filter(|limit| !met.contains(limit)).map(|limit| limit.name()).collect();
    text.push('\n');
    item(&mut text, &format!("Not met up to {} events a day: {}.", size(FAR), others.join("; ")), width);
    text.push_str("\n### With everything turned that can be\n\n");
    days(&mut text, all, width, |played| &played.raised);
    text.push_str("\nWhat was turned, and what is left:\n\n");
    for played in all {
        item(&mut text, &format!("- {}: {}.", size(played.setting.events), turned(&played.turned)), width);
    }
    text
}

fn turned(turned: &[Turned]) -> String {
    if turned.is_empty() {
        return "nothing had to be".to_owned();
    }
    let (done, left): (Vec<&Turned>, Vec<&Turned>) = turned.iter().partition(|turned| turned.suffices());
    let done: Vec<String> = done
        .iter()
        .map(|turned| format!("{} {} → {}", turned.limit.key(), amount(turned.from), amount(turned.to)))
        .collect();
    let left: Vec<String> = left
        .iter()
        .map(|turned| {
            let most = amount(turned.to);
            format!("**{}**, {most} of {}", turned.limit.name(), amount(turned.asked))
        })
        .collect();
    let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
    if left.is_empty() { done } else { format!("{done}; not enough: {}", left.join(", ")) }
}

/// One table for all sizes, or where there is no room for it one for each.
fn days(text: &mut String, all: &[Played], width: usize, day: impl Fn(&Played) -> &Day) {
    let each = if width < WIDE { 1 } else { 4 };
    for (place, some) in all.chunks(each).enumerate() {
        if place > 0 {
            text.push('\n');
        }
        let mut rows = vec![vec!["events a day".to_owned()]];
        rows[0].extend(some.iter().map(|played| size(played.setting.events)));
        for row in ROWS {
            let mut cells = vec![row.name.to_owned()];
            cells.extend(some.iter().map(|played| (row.of)(played, day(played))));
            rows.push(cells);
        }
        table(text, &rows, true);
    }
}

/// Of figures, but for the first column, or of words.
fn table(text: &mut String, rows: &[Vec<String>], figures: bool) {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for (place, row) in rows.iter().enumerate() {
        let mut line = String::from("|");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 || !figures {
                write!(line, " {cell:<width$} |")
            } else {
                write!(line, " {cell:>width$} |")
            };
        }
        let _ = writeln!(text, "{line}");
        if place == 0 {
            let rule = widths.iter().enumerate().map(|(column, width)| {
                let dashes = "-".repeat(*width);
                if column == 0 || !figures { format!(" {dashes} |") } else { format!(" {dashes}:|") }
            });
            let _ = writeln!(text, "|{}", rule.collect::<String>());
        }
    }
}

/// One item of a list, broken into lines.
fn item(text: &mut String, line: &str, width: usize) {
    let mut column = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            text.push_str("\n  ");
            column = 2;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

/// The limits, as the page has them.
pub(crate) fn limits() -> String {
    let mut rows = vec![["limit", "by default", "who raises it", "source"].map(str::to_owned).to_vec()];
    let Ok(setting) = Setting::read(&[]) else { return String::new() };
    for limit in Limit::ALL {
        let raised = match limit.raised() {
            Raised::By(name, most) if most.is_finite() => format!("`{name}`, up to {}", amount(most)),
            Raised::By(name, _) => format!("`{name}`"),
            Raised::OnRequest => "AWS, when asked".to_owned(),
            Raised::Ahead => "you, ahead".to_owned(),
            Raised::Never => "nobody".to_owned(),
        };
        let allowed = amount(setting.limits.get(limit));
        rows.push(vec![limit.name().to_owned(), allowed, raised, limit.source().to_owned()]);
    }
    let mut text = String::new();
    table(&mut text, &rows, false);
    text
}

pub(crate) fn json(all: &[Played], reached: &[Reached]) -> Value {
    let sizes: Vec<Value> = all
        .iter()
        .map(|played| {
            let turned: Map<String, Value> =
                played.turned.iter().map(|turned| (turned.limit.key().to_owned(), json!(turned.to))).collect();
            let left = played.turned.iter().filter(|turned| !turned.suffices()).map(|turned| turned.limit.key());
            json!({
                "eventsPerDay": played.setting.events,
                "developers": played.setting.developers,
                "seed": played.setting.seed,
                "asItIs": day(&played.day),
                "raised": day(&played.raised),
                "turned": turned,
                "left": left.collect::<Vec<_>>(),
                "asked": Limit::ALL.map(|limit| (limit.key().to_owned(), json!(played.asked.get(limit))))
                    .into_iter().collect::<Map<_, _>>(),
            })
        })
        .collect();
    let limits = reached.iter().map(|found| {
        json!({
            "limit": found.limit.key(),
            "name": found.limit.name(),
            "allowed": found.allowed,
            "eventsPerDay": found.at,
            "turn": found.limit.turn(),
            "source": found.limit.source(),
        })
    });
    json!({ "sizes": sizes, "limits": limits.collect::<Vec<_>>() })
}

fn day(day: &Day) -> Value {
    let ages = |it: &Histogram| json!({ "p50": it.percentile(0.5), "p99": it.percentile(0.99), "most": it.most() });
    let hot = |it: &Hot| json!({ "unitsPerSecond": it.units, "key": it.key });
    json!({
        "published": day.published,
        "delivered": day.delivered,
        "dropped": day.dropped,
        "waiting": day.waiting,
        "busiestSecond": day.peak,
        "meanRate": day.published / DAY as f64,
        "queueAgeMs": ages(&day.age),
        "lagMs": ages(&day.lag),
        "lagOfOthersMs": ages(&day.lag_of_others),
        "retriesAgeMs": ages(&day.retries_age),
        "refusedForSeconds": day.refused_for,
        "sandboxes": {
            "updates": day.sandboxes[0], "firstAttempts": day.sandboxes[1], "retries": day.sandboxes[2],
            "all": day.sandboxes[3],
        },
        "hottestWrites": hot(&day.hottest_writes),
        "hottestReads": hot(&day.hottest_reads),
        "throttled": day.throttled,
        "schedules": day.schedules,
        "putOff": day.outages.put_off,
        "dollarsPerDay": day.bill.total() / 1e6,
        "dollarsPerMillion": day.bill.total() / day.delivered.max(1.0),
    })
}

pub(crate) fn number(number: f64, digits: usize) -> String {
    // Nothing is less than nothing.
    Cell::Number(if number.abs() < 1e-9 { 0.0 } else { number }, digits).show()
}

/// A limit, with a digit behind the point where there is one.
fn amount(amount: f64) -> String {
    number(amount, usize::from(amount < 100.0 && amount.fract().abs() > 1e-9))
}

/// Events a day.
pub(crate) fn size(events: f64) -> String {
    let millions = events / 1e6;
    let digits = if millions >= 99.5 || (millions.fract()).abs() < 1e-9 { 0 } else { 1 };
    format!("{} M", number(millions, digits))
}

/// Milliseconds, in the unit in which they are read best.
fn time(ms: f64) -> String {
    match ms {
        _ if ms <= 0.0 => "0".to_owned(),
        _ if ms < 1e3 => format!("{ms:.0} ms"),
        _ if ms < 120e3 => format!("{:.1} s", ms / 1e3),
        _ if ms < 2.0 * 3600e3 => format!("{:.0} min", ms / 60e3),
        _ => format!("{:.1} h", ms / 3600e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_well() {
        let times = [0.0, 35.4, 1500.0, 300_000.0, 9_000_000.0].map(time);
        assert_eq!(times, ["0", "35 ms", "1.5 s", "5 min", "2.5 h"]);
        assert_eq!([1e6, 1e9, 27.34e6].map(size), ["1 M", "1,000 M", "27.3 M"]);
    }

    #[test]
    fn no_line_of_a_list_is_wider_than_it_may_be() {
        let mut text = String::new();
        item(&mut text, &"word ".repeat(40), 30);
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
    }
}
