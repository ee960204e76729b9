//! Who gets an update: a developer's webhooks, by the name that the developer's type gives it, and by its link.

use std::borrow::Cow;
use std::cell::LazyCell;

use crate::publishing::render::{Inexpressible, content_event_name, is_subscribable, link_of, subscription_matches};
use crate::publishing::update::Content;
use crate::settings::integration::Integration;
use crate::settings::webhook::{Origin, Webhook};

/// The webhooks that get an update: those that subscribe to the name which the developer's type gives it, and hear of
/// its link, and those that the link is bound to. A disabled one is among them; its event is kept for the day it is enabled.
///
/// # Errors
/// When the developer's type cannot express the update.
pub fn matching<'a>(
    integration: Integration,
    webhooks: impl IntoIterator<Item = &'a Webhook>,
    content: &Content,
) -> Result<Vec<&'a Webhook>, Inexpressible> {
    if let Content::Notice(notice) = content {
        return Ok(notice.heard_by(webhooks));
    }
    let name = content_event_name(integration, content)?;
    // Looked for only if some webhook goes by it.
    let link: LazyCell<Option<Cow<'_, str>>, _> = LazyCell::new(|| link_of(content));
    let subscribes = |webhook: &&Webhook| {
        webhook.origin == Origin::Developer
            && takes(webhook, name)
            && webhook.link_ids.as_ref().is_none_or(|ids| link.as_ref().is_some_and(|link| ids.has(link)))
    };
    let webhooks: Vec<&Webhook> = webhooks.into_iter().collect();
    let mut gets: Vec<&Webhook> = webhooks.iter().copied().filter(subscribes).collect();
    for bound in webhooks.into_iter().filter(|webhook| !webhook.links.is_empty() && !subscribes(webhook)) {
        // Once per address: what another webhook there takes has arrived.
        let arrives = |other: &&Webhook| {
            other.disabled.is_none() && bound.callback_url().is_some_and(|address| other.is_at(address))
        };
        if link.as_ref().is_some_and(|link| bound.links.take(link)) && !gets.iter().any(arrives) {
            gets.push(bound);
        }
    }
    Ok(gets)
}

/// Whether a webhook subscribes to an event by its name, whichever link the event is about.
pub fn takes(webhook: &Webhook, name: &str) -> bool {
    let names = webhook.event_names.as_ref();
    names.is_none_or(|names| names.iter().any(|own| subscription_matches(own, name)))
}

/// Whether a webhook can get anything under a type. One that subscribes only to events which the type does not have would
/// wait for ever.
pub fn can_match(integration: Integration, webhook: &Webhook) -> bool {
    let names = webhook.event_names.as_ref();
    names.is_none_or(|names| names.iter().any(|name| is_subscribable(integration, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WebhookId;
    use crate::publishing::update::parse_content;
    use crate::settings::bound::BoundLinks;
    use crate::settings::webhook::{Disabled, DisabledReason, Way};
    use jiff::Timestamp;
    use serde_json::value::RawValue;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn webhook(number: u8, event_names: &[&str], link_ids: &[&str]) -> Webhook {
        Webhook {
            id: WebhookId::new(Timestamp::UNIX_EPOCH, [number; 10]),
            origin: Origin::Developer,
            links: BoundLinks::default(),
            event_names: texts(event_names).try_into().ok(),
            link_ids: texts(link_ids).try_into().ok(),
            way: Way::Push("https://example.com/".parse().unwrap()),
            disabled: None,
            retry_schedule: None,
            rate_limit: None,
            header_names: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn content(event: &str, data: &str) -> Content {
        let data = RawValue::from_string(data.into()).unwrap();
        parse_content(event, Some(&data), None).unwrap()
    }

    fn raw(event: &str, raw: &str) -> Content {
        let raw = RawValue::from_string(raw.into()).unwrap();
        parse_content(event, None, Some(&raw)).unwrap()
    }

    /// The places of the webhooks that get it.
    fn matched(integration: Integration, webhooks: &[Webhook], content: &Content) -> Vec<usize> {
        let matched = matching(integration, webhooks, content).unwrap();
        let place = |webhook: &Webhook| webhooks.iter().position(|other| other.id == webhook.id).unwrap();
        matched.into_iter().map(place).collect()
    }

    #[test]
    fn an_update_goes_to_the_webhooks_that_the_types_name_for_it_is_for() {
        let webhooks = [
            webhook(1, &[], &[]),
            webhook(2, &["DATA_UPDATES"], &[]),
            webhook(3, &["TRANSACTIONS"], &[]),
            webhook(4, &["ITEM.ERROR", "TRANSACTIONS.DEFAULT_UPDATE"], &[]),
        ];
        let content = content("transactions.updated", r#"{"linkId":"item-1","newTransactions":1}"#);
        assert_eq!(matched(Integration::Generic, &webhooks, &content), [0, 1]);
        assert_eq!(matched(Integration::Plaid, &webhooks, &content), [0, 2, 3]);
        assert!(takes(&webhooks[0], "AGGREGATION"), "one without names takes all");
    }

    #[test]
    fn a_webhook_with_link_ids_hears_of_these_links_and_of_nothing_that_names_none() {
        let webhooks = [webhook(1, &[], &["a", "b"]), webhook(2, &["ITEM.ERROR"], &["a"]), webhook(3, &[], &["c"])];
        let about = |link: &str| content("item.new_accounts", &format!(r#"{{"linkId":"{link}"}}"#));
        assert_eq!(matched(Integration::Plaid, &webhooks, &about("a")), [0]);
        assert_eq!(matched(Integration::Plaid, &webhooks, &about("c")), [2]);
        assert!(matched(Integration::Plaid, &webhooks, &about("d")).is_empty());
        let nobodys =
            content("data.updated", r#"{"userIds":["a"],"from":"2026-11-21T18:00:00Z","to":"2026-11-21T18:15:00Z"}"#);
        assert!(matched(Integration::Yodlee, &webhooks, &nobodys).is_empty());
    }

    const LINK: &str = "mk_0000000000000000000001";

    #[test]
    fn an_update_of_a_bound_link_goes_to_its_callback_and_to_the_other_subscriptions_once_per_address() {
        let named = || BoundLinks::default().with(&LINK.parse().unwrap());
        let made = |number, links| Webhook { origin: Origin::Link, links, ..webhook(number, &[], &[]) };
        let at = |url: &str, webhook: Webhook| Webhook { way: Way::Push(url.parse().unwrap()), ..webhook };
        let about = |link: &str| content("item.new_accounts", &format!(r#"{{"linkId":"{link}"}}"#));
        let matched = |webhooks: &[Webhook], link| matched(Integration::Plaid, webhooks, &about(link));

        // Made for the link, beside a subscription elsewhere.
        let other = at("https://example.com/other", webhook(1, &[], &[]));
        let webhooks = [other.clone(), made(2, named())];
        assert_eq!(matched(&webhooks, LINK), [0, 1]);
        assert_eq!(matched(&webhooks, "mk_0000000000000000000002"), [0]);
        // To the developer's own webhook, whatever it subscribes to.
        let own = Webhook { links: named(), ..webhook(3, &["TRANSACTIONS"], &["x"]) };
        assert_eq!(matched(&[other.clone(), own.clone()], LINK), [0, 1]);
        // Once at one address, however it is written, and whether by one webhook or two.
        let all = at("HTTPS://EXAMPLE.com:443", webhook(4, &[], &[]));
        assert_eq!(matched(&[all.clone(), own.clone(), made(5, named())], LINK), [0]);
        assert_eq!(matched(&[own.clone(), made(5, named())], LINK), [0]);
        // One that is disabled takes nothing from another.
        let disabled = Disabled { reason: DisabledReason::Developer, since: Timestamp::UNIX_EPOCH };
        let all = Webhook { disabled: Some(disabled), ..all };
        assert_eq!(matched(&[all, made(5, named())], LINK), [0, 1]);
        // Of many it names none, and takes those of every link.
        let many = [made(6, BoundLinks::Many(101))];
        assert_eq!(matched(&many, "mk_0000000000000000000002"), [0]);
        // Nobody is bound to it.
        assert!(matched(&[made(7, BoundLinks::default())], LINK).is_empty());
    }

    #[test]
    fn a_ready_made_payload_tells_its_link_in_its_types_own_way() {
        let webhooks = [webhook(1, &[], &["10"])];
        for (integration, event, payload) in [
            (Integration::Generic, "item.error", r#"{"type":null,"payload":{"data":{"linkId":"10"}}}"#),
            (Integration::Plaid, "item.error", r#"{"type":"plaid","payload":{"item_id":"10"}}"#),
            (Integration::Plaid, "link.state_changed", r#"{"type":"plaid","payload":{"link_id":"10"}}"#),
            (Integration::Mx, "balances.updated", r#"{"type":"mx","payload":{"member_guid":"10"}}"#),
            (
                Integration::Yodlee,
                "refresh.finished",
                r#"{"type":"yodlee","payload":{"event":{"data":{"providerAccount":[{"id":10}]}}}}"#,
            ),
            (
                Integration::Yodlee,
                "auto_refresh.changed",
                r#"{"type":"yodlee","payload":{"event":{"data":[{"providerAccountId":10}]}}}"#,
            ),
            (
                Integration::Yodlee,
                "balances.updated",
                r#"{"type":"yodlee","payload":{"event":{"data":{"providerAccountId":10}}}}"#,
            ),
        ] {
            assert_eq!(matched(integration, &webhooks, &raw(event, payload)), [0], "{payload}");
            let other = payload.replace("10", "11");
            assert!(matched(integration, &webhooks, &raw(event, &other)).is_empty(), "{other}");
        }
        let silent = raw("item.error", r#"{"type":"plaid","payload":{"item_id":null}}"#);
        assert!(matched(Integration::Plaid, &webhooks, &silent).is_empty());
    }

    #[test]
    fn a_webhook_for_what_the_type_does_not_have_can_match_nothing() {
        let webhooks = [
            webhook(1, &[], &["a"]),
            webhook(2, &["DATA_UPDATES"], &[]),
            webhook(3, &["TRANSACTIONS"], &[]),
            webhook(4, &["TRANSACTIONS", "DATA_UPDATES"], &[]),
        ];
        let can = |integration| webhooks.each_ref().map(|webhook| can_match(integration, webhook));
        assert_eq!(can(Integration::Generic), [true, true, false, true]);
        assert_eq!(can(Integration::Plaid), [true, false, true, true]);
    }
}
