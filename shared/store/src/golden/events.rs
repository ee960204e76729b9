//! The rows of the events table.

use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::delivery::event::{Attempt, Event, State, TEN_DAYS, Waiting};
use tenday_model::delivery::health::{Health, WebhookError};
use tenday_model::delivery::job::{Filter, Job};
use tenday_model::ids::DeveloperId;

use super::messages::content_meaning;
use super::{check, expires_at};
use crate::delivery::event_items::{event_from, event_item, health_from, health_item};
use crate::delivery::jobs::{job_from, job_item};
use crate::dynamodb::item::{Item, Reader};
use crate::dynamodb::keys;
use crate::publishing::updates::{StoredUpdate, update_from, update_item};

const ROWS: &str = include_str!("events.json");

fn owner(item: &Item) -> DeveloperId {
    keys::pk(item).and_then(|pk| pk.split('#').next()).unwrap().parse().unwrap()
}

#[test]
fn an_update_means_what_it_meant() {
    check(ROWS, "update", |item| {
        let update = update_from(item)?;
        let StoredUpdate { id, developer, content, webhooks, digest, expires_at } = &update;
        let meaning = json!({
            "id": id,
            "developer": developer,
            "content": content_meaning(content),
            "webhooks": webhooks,
            "digest": BASE64_STANDARD.encode(digest),
            "expiresAt": expires_at,
        });
        // How well the same text is compressed is the compressor's affair.
        let written = update_item(&update)?;
        let compressed = item["content"].is_b();
        assert_eq!(compressed, written["content"].is_b());
        Ok((meaning, (!compressed).then_some(written)))
    });
}

fn event_meaning(event: &Event) -> Value {
    let Event { id, event_name, state, attempts, automatic, fetches, recorded_by, expires_at } = event;
    let (next, waiting, dropped) = match *state {
        State::Pending { due } => (due, None, None),
        State::Waiting { why: Waiting::ForPull { visible_at }, until } => {
            (None, Some(json!({ "for": "pull", "visibleAt": visible_at, "until": until })), None)
        }
        State::Waiting { why: Waiting::Held { attempt, taken, since }, until } => (
            None,
            Some(json!({ "for": "attempts", "attempt": attempt, "taken": taken, "since": since, "until": until })),
            None,
        ),
        State::Delivered => (None, None, None),
        State::Dropped { reason, at } => (None, None, Some((reason, at))),
    };
    json!({
        "id": id,
        "eventName": event_name,
        "status": state.status(),
        "attempts": attempts.iter().map(attempt_meaning).collect::<Vec<_>>(),
        "automatic": automatic,
        "fetches": fetches,
        "nextAttemptAt": next,
        "waiting": waiting,
        "dropped": dropped,
        "recordedBy": recorded_by,
        "expiresAt": expires_at,
    })
}

fn attempt_meaning(attempt: &Attempt) -> Value {
    let Attempt { at, milliseconds, class, status, answer, manual } = attempt;
    json!({
        "at": at,
        "milliseconds": milliseconds,
        "class": class,
        "status": status,
        "answer": answer,
        "manual": manual,
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
        let Health { last_event, last_event_at, failures, failing_since, probe_at, errors, told } = &health;
        let meaning = json!({
            "webhook": webhook,
            "lastEvent": last_event,
            "lastEventAt": last_event_at,
            "failures": failures,
            "failingSince": failing_since,
            "probeAt": probe_at,
            "errors": errors.iter().map(error_meaning).collect::<Vec<_>>(),
            "told": told,
            "until": expires,
        });
        Ok((meaning, Some(health_item(&owner(item), webhook, &health, expires - TEN_DAYS)?)))
    });
}

fn error_meaning(error: &WebhookError) -> Value {
    let WebhookError { event, at, class, status, message } = error;
    json!({ "event": event, "at": at, "class": class, "status": status, "message": message })
}

#[test]
fn a_rate_limits_next_slot_means_what_it_meant() {
    check(ROWS, "rate", |item| {
        let next = Reader { kind: "rate", item }.number("nextFree")?;
        let of = keys::sk(item).unwrap();
        let key = match of {
            "WAITS" => keys::waits(&owner(item)),
            "ALL" => keys::rate(&owner(item), None),
            webhook => keys::rate(&owner(item), Some(webhook.parse().unwrap())),
        };
        assert!(key.iter().all(|(name, value)| item.get(name) == Some(value)), "it is looked for under its key");
        Ok((json!({ "nextFree": Timestamp::from_microsecond(next).unwrap(), "until": expires_at(item) }), None))
    });
}

#[test]
fn a_job_means_what_it_meant() {
    check(ROWS, "job", |item| {
        let job = job_from(item)?;
        Ok((job_meaning(&job), Some(job_item(&owner(item), &job)?)))
    });
}

fn job_meaning(job: &Job) -> Value {
    let Job {
        id,
        status,
        filter: Filter { webhook, event_name, since, until },
        started_at,
        finished_at,
        queued,
        succeeded,
        failed,
        step,
        advanced_by,
        page,
        cursor,
        last_page,
        unanswered,
        trying,
        careful,
        expires_at,
    } = job;
    json!({
        "id": id,
        "status": status,
        "filter": { "webhook": webhook, "eventName": event_name, "since": since, "until": until },
        "startedAt": started_at,
        "finishedAt": finished_at,
        "queued": queued,
        "succeeded": succeeded,
        "failed": failed,
        "step": step,
        "advancedBy": advanced_by,
        "page": page,
        "cursor": cursor,
        "lastPage": last_page,
        "unanswered": unanswered,
        "trying": trying,
        "careful": careful.then_some(true),
        "expiresAt": expires_at,
    })
}
