//! The order of publishing: read who subscribes, store the update, queue its events, answer.
//!
//! A crash after the update is stored leaves it without some of its messages. Nobody was told 202 then, so the
//! platform publishes it again, with the same key; that finds the stored update and sends what is missing.

use std::collections::HashMap;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenday_api::{ApiError, ErrorCode};
use tenday_model::configuration::effective_delays;
use tenday_model::error::ValidationError;
use tenday_model::event::TEN_DAYS;
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};
use tenday_model::render::{content_event_name, subscription_matches};
use tenday_model::update::{Content, parse_content};
use tenday_store::{DeliveryMessage, DeveloperSettings, MessageContent, Outgoing, StoredUpdate, random};

use crate::Functions;
use crate::request::{Published, Request, Update, digest};

/// How much longer than its schedule an event may have to wait: its breaker may be open until the webhook is disabled,
/// five days after its first failure.
const MOST_PUT_OFF: SignedDuration = SignedDuration::from_hours(6 * 24);

/// An update that is stored, and the events still to be queued.
struct Accepted {
    update: StoredUpdate,
    to_send: Vec<Outgoing>,
    configured: bool,
}

impl Functions {
    pub(crate) async fn publish(&self, published: Published, key: Option<String>) -> Result<Value, ApiError> {
        let (updates, many) = match published.request().map_err(ApiError::validation)? {
            Request::One(update) => (vec![update], false),
            Request::Many(updates) => (updates, true),
        };
        let now = self.api.now();
        let settings = self.settings_of(&updates, now).await?;
        let accepted = join_all(updates.iter().enumerate().map(|(index, update)| {
            // One header stands for the whole request: each of its updates has a key of its own.
            let key = match (&update.id, &key) {
                (Some(id), _) => Some(format!("id/{id}")),
                (None, Some(key)) => Some(format!("key/{index}/{key}")),
                (None, None) => None,
            };
            let location =
                if many { vec!["body".into(), "updates".into(), index.to_string()] } else { vec!["body".into()] };
            let settings = settings.get(&update.developer_id).and_then(Option::as_ref);
            self.accept(update, key, settings, location, now)
        }))
        .await;
        let results = self.send(accepted).await;
        if many {
            let results: Vec<Value> =
                results.into_iter().map(|result| result.unwrap_or_else(|error| problem(&error))).collect();
            return Ok(json!({ "updates": results }));
        }
        results.into_iter().next().unwrap_or_else(|| Ok(Value::Null))
    }

    /// Each developer's settings, read once however many of the updates are for them.
    async fn settings_of(
        &self,
        updates: &[Update],
        now: Timestamp,
    ) -> Result<HashMap<DeveloperId, Option<DeveloperSettings>>, ApiError> {
        let mut developers: Vec<&DeveloperId> = updates.iter().map(|update| &update.developer_id).collect();
        developers.sort_unstable();
        developers.dedup();
        let read = join_all(developers.iter().map(|developer| self.settings.read(developer, now))).await;
        let mut settings = HashMap::new();
        for (developer, read) in developers.into_iter().zip(read) {
            settings.insert(developer.clone(), read?);
        }
        Ok(settings)
    }

    async fn accept(
        &self,
        update: &Update,
        key: Option<String>,
        settings: Option<&DeveloperSettings>,
        location: Vec<String>,
        now: Timestamp,
    ) -> Result<Accepted, ApiError> {
        let located = |problems: Vec<ValidationError>| {
            let problems = problems.into_iter().map(|problem| ValidationError {
                location: location.iter().cloned().chain(problem.location).collect(),
                ..problem
            });
            ApiError::validation(problems.collect())
        };
        let problems = update.problems();
        if !problems.is_empty() {
            return Err(located(problems));
        }
        let parsed =
            parse_content(&update.event_name, update.data.as_deref(), update.raw.as_deref()).map_err(&located)?;
        let webhooks = match settings {
            Some(settings) => matching(settings, &parsed).map_err(|problem| located(vec![problem]))?,
            None => Vec::new(),
        };
        let tail = match &key {
            Some(key) => {
                let digest = digest(&[update.developer_id.as_str(), key]);
                let mut tail = [0; 10];
                tail.copy_from_slice(&digest[..10]);
                tail
            }
            None => random()?,
        };
        let new = StoredUpdate {
            id: UpdateId::new(now, tail),
            developer: update.developer_id.clone(),
            content: MessageContent {
                event_name: update.event_name.clone(),
                data: update.data.clone(),
                raw: update.raw.clone(),
                occurred_at: update.occurred_at.unwrap_or(now),
            },
            webhooks,
            digest: update.digest(),
            expires_at: expiry(settings, now),
        };
        let configured = settings.is_some();
        let Some(stored) = self.updates.put(&new, now).await? else {
            let to_send = messages(&new, |_| true);
            return Ok(Accepted { update: new, to_send, configured });
        };
        if stored.digest != new.digest {
            return Err(ApiError::new(
                ErrorCode::UpdateConflict,
                "Another update was published under this id or Idempotency-Key. Use a new one for a new update.",
            ));
        }
        let recorded = self.events.of_update(&stored.developer, stored.id, &stored.webhooks, now).await?;
        let to_send = messages(&stored, |event| !recorded.contains_key(event));
        Ok(Accepted { update: stored, to_send, configured })
    }

    /// Queues the events of all updates together, ten in each call.
    async fn send(&self, accepted: Vec<Result<Accepted, ApiError>>) -> Vec<Result<Value, ApiError>> {
        let outgoing: Vec<Outgoing> =
            accepted.iter().flatten().flat_map(|accepted| accepted.to_send.iter().cloned()).collect();
        let mut sent = self.deliveries.send(&outgoing).await.into_iter();
        accepted
            .into_iter()
            .map(|accepted| {
                let accepted = accepted?;
                let failed = sent.by_ref().take(accepted.to_send.len()).filter_map(Result::err).last();
                match failed {
                    Some(error) => Err(error.into()),
                    None => Ok(answer(&accepted)),
                }
            })
            .collect()
    }
}

/// The webhooks that get an update: those that subscribe to the name which the developer's type gives it. A disabled
/// one is among them; its event is kept for the day it is enabled.
fn matching(settings: &DeveloperSettings, content: &Content) -> Result<Vec<WebhookId>, ValidationError> {
    let name = content_event_name(settings.configuration.integration, content);
    let name = name.map_err(|inexpressible| inexpressible.validation_error())?;
    let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
    let matching = webhooks.filter(|webhook| subscription_matches(webhook.event_name.as_deref(), name));
    Ok(matching.map(|webhook| webhook.id).collect())
}

/// An update is kept for as long as any of its events may need it: the longest schedule, then ten days.
fn expiry(settings: Option<&DeveloperSettings>, now: Timestamp) -> Timestamp {
    let longest = settings.and_then(|settings| {
        let configuration = &settings.configuration;
        let own = settings.webhooks.iter().map(|stored| stored.webhook.retry_schedule.as_ref());
        own.chain([None])
            .map(|own| effective_delays(own, configuration.retry_schedule.as_ref(), configuration.integration))
            // A receiver may ask for up to four hours before each.
            .map(|delays| delays.iter().map(|delay| (delay.as_secs() * 6 / 5).max(4 * 3600)).sum::<u64>())
            .max()
    });
    let longest = SignedDuration::from_secs(i64::try_from(longest.unwrap_or(0)).unwrap_or(0));
    let kept = TEN_DAYS + MOST_PUT_OFF + longest;
    now.checked_add(kept).unwrap_or(Timestamp::MAX)
}

fn messages(update: &StoredUpdate, wanted: impl Fn(&EventId) -> bool) -> Vec<Outgoing> {
    let events = update.webhooks.iter().map(|webhook| EventId { update: update.id, webhook: *webhook });
    let message = |event| DeliveryMessage::new(update.developer.clone(), event, 1, &update.content);
    events.filter(wanted).map(|event| Outgoing { message: message(event), delay_seconds: 0 }).collect()
}

fn answer(accepted: &Accepted) -> Value {
    let update = &accepted.update;
    let events: Vec<Value> = update
        .webhooks
        .iter()
        .map(|webhook| json!({ "eventId": EventId { update: update.id, webhook: *webhook }, "webhookId": webhook }))
        .collect();
    let mut answer = json!({ "updateId": update.id, "events": events });
    if update.webhooks.is_empty() {
        answer["message"] = json!(if accepted.configured {
            "No webhook of this developer subscribes to this event, so nothing will be sent."
        } else {
            "This developer has no configuration, so nothing will be sent."
        });
    }
    answer
}

/// One update's error among other updates' results.
fn problem(error: &ApiError) -> Value {
    json!({
        "error_code": error.code().name(),
        "error_message": error.message(),
        "validation_errors": error.validation_errors(),
    })
}
