//! The rows of the events table.

use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::delivery::event::{Event, TEN_DAYS};
use tenday_model::ids::DeveloperId;

use super::{check, expires_at};
use crate::delivery::event_items::{event_from, event_item, health_from, health_item};
use crate::delivery::jobs::{job_from, job_item};
use crate::dynamodb::item::{Item, Reader};
use crate::dynamodb::keys;
use crate::publishing::updates::{update_from, update_item};

const ROWS: &str = include_str!("events.json");

fn owner(item: &Item) -> DeveloperId {
    keys::pk(item).and_then(|pk| pk.split('#').next()).unwrap().parse().unwrap()
}

#[test]
fn an_update_means_what_it_meant() {
    check(ROWS, "update", |item| {
        let update = update_from(item)?;
        let meaning = json!({
            "id": update.id,
            "developer": update.developer,
            "content": update.content,
            "webhooks": update.webhooks,
            "digest": BASE64_STANDARD.encode(update.digest),
            "expiresAt": update.expires_at,
        });
        // How well the same text is compressed is the compressor's affair.
        let written = update_item(&update)?;
        let compressed = item["content"].is_b();
        assert_eq!(compressed, written["content"].is_b());
        Ok((meaning, (!compressed).then_some(written)))
    });
}

fn event_meaning(event: &Event) -> Value {
    json!({
        "id": event.id,
        "eventName": event.event_name,
        "status": event.status(),
        "attempts": event.attempts,
        "automatic": event.automatic,
        "nextAttemptAt": event.due(),
        "dropped": event.dropped(),
        "recordedBy": event.recorded_by,
        "expiresAt": event.expires_at,
    })
}

#[test]
fn an_event_means_what_it_meant() {
    check(ROWS, "event", |item| {
        let event = event_from(item)?;
        Ok((event_meaning(&event), Some(event_item(&owner(item), &event)?)))
    });
}

#[test]
fn a_webhooks_health_means_what_it_meant() {
    check(ROWS, "health", |item| {
        let health = health_from(item)?;
        let webhook = keys::sk(item).unwrap().parse().unwrap();
        let expires = Timestamp::from_second(expires_at(item)).unwrap();
        let meaning = json!({
            "webhook": webhook,
            "lastEvent": health.last_event,
            "lastEventAt": health.last_event_at,
            "failures": health.failures,
            "failingSince": health.failing_since,
            "probeAt": health.probe_at,
            "errors": health.errors,
            "until": expires,
        });
        Ok((meaning, Some(health_item(&owner(item), webhook, &health, expires - TEN_DAYS)?)))
    });
}

#[test]
fn a_rate_limits_next_slot_means_what_it_meant() {
    check(ROWS, "rate", |item| {
        let next = Reader { kind: "rate", item }.number("nextFree")?;
        let key = keys::rate(&owner(item), keys::sk(item).unwrap().parse().unwrap());
        assert!(key.iter().all(|(name, value)| item.get(name) == Some(value)), "it is looked for under its key");
        Ok((json!({ "nextFree": Timestamp::from_microsecond(next).unwrap(), "until": expires_at(item) }), None))
    });
}

#[test]
fn a_job_means_what_it_meant() {
    check(ROWS, "job", |item| {
        let job = job_from(item)?;
        let mut meaning = json!({
            "id": job.id,
            "status": job.status,
            "filter": job.filter,
            "startedAt": job.started_at,
            "finishedAt": job.finished_at,
            "queued": job.queued,
            "succeeded": job.succeeded,
            "failed": job.failed,
            "step": job.step,
            "advancedBy": job.advanced_by,
            "page": job.page,
            "cursor": job.cursor,
            "lastPage": job.last_page,
            "unanswered": job.unanswered,
            "expiresAt": job.expires_at,
        });
        if let Some(trying) = job.trying {
            meaning["trying"] = json!(trying);
        }
        if job.careful {
            meaning["careful"] = json!(true);
        }
        Ok((meaning, Some(job_item(&owner(item), &job)?)))
    });
}
