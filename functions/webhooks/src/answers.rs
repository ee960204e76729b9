//! What the function answers with: what a developer sees of a webhook (docs/sources.md, S1.4).

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tenday_api::{Date, EventView, event_view};
use tenday_model::delivery::health::{Health, WebhookError};
use tenday_model::delivery::outcome::OutcomeClass;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::{EventId, RequestId, WebhookId};
use tenday_model::settings::configuration::{Configuration, RetrySchedule};
use tenday_model::settings::filter::{EventNames, LinkIds};
use tenday_model::settings::webhook::{Kind, Origin, Status, Webhook};
use tenday_model::signing::signature::Secret;
use tenday_store::{DeveloperSettings, EventPage, WebhookChanges};
use utoipa::ToSchema;

/// How many dropped events are shown inside a webhook, newest first.
const RETRIEVALS_SHOWN: usize = 100;
/// How many are counted at most: beyond that the count is this, and `moreRetrievals` is true.
pub(crate) const RETRIEVALS_COUNTED: usize = 1000;

/// The answer to a creation. Nothing has been sent yet, and the signing secret is shown here only.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    webhook: CreatedWebhook,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CreatedWebhook {
    id: WebhookId,
    /// Null takes every event, or those of `eventNames`.
    #[schema(required)]
    event_name: Option<String>,
    kind: Kind,
    /// Where its events are sent. One whose events are fetched has none.
    #[serde(rename = "callbackURL", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    callback_url: Option<CallbackUrl>,
    #[schema(required)]
    last_event: Option<EventId>,
    #[schema(required)]
    last_event_time: Option<Date>,
    /// Only there if the webhook takes several events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EventNames, required = false)]
    event_names: Option<EventNames>,
    /// Only there if the webhook hears of some links only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LinkIds, required = false)]
    link_ids: Option<LinkIds>,
    /// Signs what is delivered, by Standard Webhooks.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = String, examples("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))]
    secret: Secret,
}

/// The answer to a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    webhook: ChangedWebhook,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ChangedWebhook {
    #[schema(required)]
    event_name: Option<String>,
    id: WebhookId,
    /// One whose events are fetched has none.
    #[serde(rename = "callbackURL", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    callback_url: Option<CallbackUrl>,
    /// Only there if the webhook takes several events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EventNames, required = false)]
    event_names: Option<EventNames>,
    /// Only there if the webhook hears of some links only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LinkIds, required = false)]
    link_ids: Option<LinkIds>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneWebhook {
    pub(crate) webhook: WebhookView,
}

/// A webhook in full.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
pub(crate) struct WebhookView {
    id: WebhookId,
    /// Null takes every event, or those of `eventNames`.
    #[schema(required)]
    event_name: Option<String>,
    kind: Kind,
    /// Where its events are sent. One whose events are fetched has none.
    #[serde(rename = "callbackURL", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    callback_url: Option<CallbackUrl>,
    /// The last event that was attempted, or acknowledged.
    #[schema(required)]
    last_event: Option<EventId>,
    #[schema(required)]
    last_event_time: Option<Date>,
    status: Status,
    /// While it is failing: until when its attempts are put off. Null otherwise.
    #[schema(required)]
    next_attempt_time: Option<Date>,
    /// Only there, and `link`, if the webhook was made for the callback of a link. It takes the events of the links that
    /// are bound to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Origin, required = false)]
    origin: Option<Origin>,
    /// How many links are bound to it, if any: links whose callback is its address. It takes all of their events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, minimum = 1)]
    bound_links: Option<u64>,
    /// Why it is disabled, or that it waits for an address, then its newest failures since the last success.
    errors: Vec<ErrorView>,
    /// Its dropped events, newest first.
    #[schema(max_items = 100)]
    retrievals: Vec<EventView>,
    /// How many dropped events there are, at most 1000.
    retrieval_count: usize,
    /// Only there, and true, if there are more than were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    more_retrievals: bool,
    /// Only there if the webhook takes several events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EventNames, required = false)]
    event_names: Option<EventNames>,
    /// Only there if the webhook hears of some links only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LinkIds, required = false)]
    link_ids: Option<LinkIds>,
    /// Only there if the webhook has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RetrySchedule, required = false)]
    retry_schedule: Option<RetrySchedule>,
    /// Only there if the webhook has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RateLimit, required = false)]
    rate_limit: Option<RateLimit>,
    /// The webhook's own headers, if it has any. Values are write-only: null, which no value can be, so that sending
    /// back what was read is refused.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object, required = false)]
    headers: BTreeMap<String, ()>,
}

/// What is wrong with a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookError)]
pub(crate) struct ErrorView {
    webhook_id: WebhookId,
    code: ErrorKind,
    message: String,
    time: Date,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Failure)]
    failure: Option<Failure>,
}

/// `disabled`, `allowlist_empty`, or the outcome of an attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum ErrorKind {
    Webhook(WebhookWord),
    Attempt(OutcomeClass),
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WebhookWord {
    Disabled,
    /// It waits for an address: the configuration's `ipAllowlist` has none.
    AllowlistEmpty,
}

/// What only an attempt has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Failure {
    #[schema(required = false)]
    event_id: EventId,
    /// The receiver's status code, as text; null if it did not answer.
    response_code: Option<String>,
}

/// All webhooks, and what is wrong with any of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookList {
    /// Not there with `displayAll=false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<WebhookView>, required = false, max_items = 100)]
    webhooks: Option<Vec<WebhookView>>,
    metadata: Metadata,
}

/// What concerns all webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    all_errors: Vec<ErrorView>,
    /// The dropped events of all webhooks, newest first.
    #[schema(max_items = 100)]
    all_retrievals: Vec<EventView>,
    /// How many dropped events there are, at most 1000.
    retrieval_count: usize,
    /// Only there, and true, if there are more than were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    more_retrievals: bool,
}

/// The answer to a deletion.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Deleted)]
pub(crate) struct Deleted {
    /// Undoes the deletion, for ten days.
    pub(crate) request_id: RequestId,
}

/// The secret that signs a webhook's deliveries, by Standard Webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretView {
    #[serde(serialize_with = "shown")]
    #[schema(value_type = String, examples("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))]
    pub(crate) secret: Secret,
}

/// The new secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rotated {
    #[serde(serialize_with = "shown")]
    #[schema(value_type = String, examples("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))]
    pub(crate) secret: Secret,
    /// Until when the old secret signs beside the new one.
    pub(crate) old_secrets_sign_until: Date,
}

/// To its owner a secret is its text; whoever else prints it gets none.
fn shown<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&secret.reveal())
}

pub(crate) fn created(webhook: &Webhook, secret: Secret) -> Created {
    Created {
        webhook: CreatedWebhook {
            id: webhook.id,
            event_name: webhook.event_name().map(str::to_owned),
            kind: webhook.way.kind(),
            callback_url: webhook.callback_url().cloned(),
            last_event: None,
            last_event_time: None,
            event_names: webhook.several_events().cloned(),
            link_ids: webhook.link_ids.clone(),
            secret,
        },
    }
}

/// The webhook with what was changed of it.
pub(crate) fn changed(webhook: Webhook, changes: WebhookChanges) -> Changed {
    Changed {
        webhook: ChangedWebhook {
            event_name: webhook.event_name().map(str::to_owned),
            id: webhook.id,
            event_names: webhook.several_events().cloned(),
            link_ids: changes.link_ids.unwrap_or(webhook.link_ids.clone()),
            callback_url: changes.callback_url.or(webhook.callback_url().cloned()),
        },
    }
}

pub(crate) fn webhook(
    webhook: &Webhook,
    health: &Health,
    dropped: &EventPage,
    configuration: &Configuration,
    now: Timestamp,
) -> WebhookView {
    let format = configuration.date_format;
    let put_off = health.put_off_until(now).filter(|_| webhook.disabled.is_none());
    let own = dropped.events.iter().filter(|event| event.id.webhook == webhook.id);
    WebhookView {
        id: webhook.id,
        event_name: webhook.event_name().map(str::to_owned),
        kind: webhook.way.kind(),
        callback_url: webhook.callback_url().cloned(),
        last_event: health.last_event,
        last_event_time: health.last_event_at.map(|at| Date::new(format, at)),
        status: health.status(webhook),
        next_attempt_time: put_off.map(|at| Date::new(format, at)),
        origin: (webhook.origin == Origin::Link).then_some(webhook.origin),
        bound_links: Some(webhook.links.count()).filter(|count| *count > 0),
        errors: errors(webhook, health, configuration),
        retrievals: own.clone().take(RETRIEVALS_SHOWN).map(|event| event_view(event, format)).collect(),
        retrieval_count: own.count(),
        more_retrievals: dropped.next.is_some(),
        event_names: webhook.several_events().cloned(),
        link_ids: webhook.link_ids.clone(),
        retry_schedule: webhook.retry_schedule.clone(),
        rate_limit: webhook.rate_limit,
        headers: webhook.header_names.iter().map(|name| (name.clone(), ())).collect(),
    }
}

pub(crate) fn list(
    settings: &DeveloperSettings,
    health: &HashMap<WebhookId, Health>,
    dropped: &EventPage,
    display_all: bool,
    now: Timestamp,
) -> WebhookList {
    let format = settings.configuration.date_format;
    let healthy = Health::default();
    let of = |webhook: &Webhook| health.get(&webhook.id).unwrap_or(&healthy);
    let webhooks = || settings.webhooks.iter().map(|stored| &stored.webhook);
    // A deleted webhook's events wait for its return; until then they are not listed.
    let live: Vec<_> =
        dropped.events.iter().filter(|event| webhooks().any(|webhook| webhook.id == event.id.webhook)).collect();
    let metadata = Metadata {
        all_errors: webhooks().flat_map(|webhook| errors(webhook, of(webhook), &settings.configuration)).collect(),
        all_retrievals: live.iter().take(RETRIEVALS_SHOWN).map(|event| event_view(event, format)).collect(),
        retrieval_count: live.len(),
        more_retrievals: dropped.next.is_some(),
    };
    let shown = || webhooks().map(|shown| webhook(shown, of(shown), dropped, &settings.configuration, now)).collect();
    WebhookList { webhooks: display_all.then(shown), metadata }
}

fn errors(webhook: &Webhook, health: &Health, configuration: &Configuration) -> Vec<ErrorView> {
    let format = configuration.date_format;
    let waits = configuration.allowlist.is_empty() && !webhook.is_pull();
    let waiting = waits.then(|| ErrorView {
        webhook_id: webhook.id,
        code: ErrorKind::Webhook(WebhookWord::AllowlistEmpty),
        message:
            "the webhook waits for an address: PATCH ipAllowlist of the configuration adds one; what is dropped until \
                  then can be reattempted"
                .to_owned(),
        time: Date::new(format, webhook.created_at),
        failure: None,
    });
    let disabled = webhook.disabled.map(|disabled| ErrorView {
        webhook_id: webhook.id,
        code: ErrorKind::Webhook(WebhookWord::Disabled),
        message: disabled.reason.message().to_owned(),
        time: Date::new(format, disabled.since),
        failure: None,
    });
    let failures = health.errors.iter().map(|error: &WebhookError| ErrorView {
        webhook_id: webhook.id,
        code: ErrorKind::Attempt(error.class),
        message: error.message.clone(),
        time: Date::new(format, error.at),
        failure: Some(Failure { event_id: error.event, response_code: error.status.map(|status| status.to_string()) }),
    });
    disabled.into_iter().chain(waiting).chain(failures).collect()
}
