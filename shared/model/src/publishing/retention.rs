//! How long an update is kept: for as long as any of its events may need it. How long what was recorded of those is kept
//! is [`crate::delivery::event::records_may_have_expired`]'s to say, and is shorter.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::decision::{MOST_PUT_OFF, longest_wait};
use crate::delivery::event::TEN_DAYS;
use crate::settings::configuration::{Configuration, effective_delays};
use crate::settings::webhook::Webhook;

/// Until when an update that is published `now` is kept: the longest schedule of any of its developer's webhooks, as
/// long as an event may be put off beside, or the ten days that one waits to be fetched; and then ten days for reattempts
/// by hand. `configuration` is none if the developer has none.
pub fn kept_until<'a>(
    configuration: Option<&Configuration>,
    webhooks: impl IntoIterator<Item = &'a Webhook>,
    now: Timestamp,
) -> Timestamp {
    let mut is_pulled = false;
    let longest = configuration.and_then(|configuration| {
        let own = webhooks.into_iter().map(|webhook| {
            is_pulled |= webhook.is_pull();
            webhook.retry_schedule.as_ref()
        });
        own.chain([None])
            .map(|own| effective_delays(own, configuration.retry_schedule.as_ref(), configuration.integration))
            .map(|delays| delays.into_iter().map(longest_wait).sum::<Duration>())
            .max()
    });
    let longest = SignedDuration::try_from(longest.unwrap_or_default()).unwrap_or_default();
    let sent = MOST_PUT_OFF + longest;
    let needed = if is_pulled { sent.max(TEN_DAYS) } else { sent };
    now.checked_add(needed + TEN_DAYS).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dates::DateFormat;
    use crate::destination::address::Allowlist;
    use crate::ids::{ConfigurationId, WebhookId};
    use crate::settings::bound::BoundLinks;
    use crate::settings::configuration::RetrySchedule;
    use crate::settings::integration::Integration;
    use crate::settings::webhook::{Origin, Way};

    fn schedule(seconds: &[u32]) -> Option<RetrySchedule> {
        Some(RetrySchedule::try_from(seconds.to_vec()).unwrap())
    }

    #[test]
    fn an_update_outlives_the_longest_schedule_by_what_it_may_be_put_off_and_ten_days() {
        let now: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
        let configuration = |retry_schedule| Configuration {
            id: ConfigurationId::new(now, [0; 10]),
            integration: Integration::Generic,
            date_format: DateFormat::Iso,
            name: None,
            allowlist: Allowlist::default(),
            retry_schedule,
            created_at: now,
            version: 1,
        };
        let webhook = |retry_schedule| Webhook {
            id: WebhookId::new(now, [0; 10]),
            origin: Origin::Developer,
            links: BoundLinks::default(),
            event_names: None,
            link_ids: None,
            way: Way::Push("https://example.com/".parse().unwrap()),
            disabled: None,
            retry_schedule,
            rate_limit: None,
            header_names: Vec::new(),
            created_at: now,
        };
        let kept = |configuration: Option<Configuration>, webhooks: &[Webhook]| {
            let until = kept_until(configuration.as_ref(), webhooks, now);
            until.duration_since(now) - TEN_DAYS - MOST_PUT_OFF
        };
        let (hours, day) = (SignedDuration::from_hours, schedule(&[86_400, 86_400]));
        assert_eq!(kept(None, &[]), SignedDuration::ZERO);
        // A receiver may ask for four hours before each of the three.
        assert_eq!(kept(Some(configuration(None)), &[webhook(None)]), hours(12));
        assert_eq!(kept(Some(configuration(schedule(&[1]))), &[]), hours(4));
        // A day moved by a fifth is longer than that.
        let own = [webhook(None), webhook(day.clone()), webhook(schedule(&[5]))];
        assert_eq!(kept(Some(configuration(None)), &own), SignedDuration::from_secs(2 * 86_400 * 6 / 5));
        // What is fetched waits for ten days, six of which are there already.
        let pulled = Webhook { way: Way::Pull, ..webhook(None) };
        assert_eq!(kept(Some(configuration(None)), &[webhook(None), pulled]), TEN_DAYS - MOST_PUT_OFF);
        assert_eq!(
            kept(Some(configuration(day)), &[webhook(schedule(&[5]))]),
            SignedDuration::from_secs(2 * 86_400 * 6 / 5)
        );
    }
}
