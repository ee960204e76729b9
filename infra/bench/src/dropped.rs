//! Dropped events for the parts that need many of them: published for a webhook that is disabled, or copied.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenday_model::ids::UpdateId;
use tests::{Caller, System};

use crate::problem::{Problem, Result};
use crate::world::{DEVELOPER, data, progress, publish, settle};

/// So many are published; more are copies of one of them.
pub(crate) const PUBLISHED: usize = 1_000;
const LIMIT: Duration = Duration::from_secs(300);
/// Copies that are written at once.
const AT_ONCE: usize = 10_000;
/// Copies were published so long ago, and later.
const FROM: SignedDuration = SignedDuration::from_hours(9 * 24);
/// No more copies are made than this, so that they fit into the time since.
const MOST: i64 = 1_100_000;

pub(crate) async fn disable(developer: &Caller<'_>, webhook: &Value, disabled: bool) {
    let id = webhook["id"].as_str().unwrap_or_default();
    let status = if disabled { "disabled" } else { "active" };
    developer.patch(&format!("/configuration/webhooks/{id}"), json!({ "status": status })).await.expect(200);
}

/// Publishes for a webhook that is disabled. For at most [`PUBLISHED`], as nobody is told how far it is.
pub(crate) async fn drop_events(system: &System, platform: &Caller<'_>, count: usize) -> Result<()> {
    let data = data(1024);
    let mut left = count;
    while left > 0 {
        let some = left.min(100);
        publish(platform, some, &data).await;
        left -= some;
    }
    settle(system, LIMIT).await
}

/// Dropped events that are made faster than they can be published: rows of one that was, under other ids.
pub(crate) struct Copies {
    webhook: String,
    began: Timestamp,
    made: u32,
}

impl Copies {
    pub(crate) fn new(system: &System, webhook: &str) -> Self {
        let now = Timestamp::from_millisecond(system.run.now_ms()).unwrap_or_default();
        Self { webhook: webhook.to_owned(), began: now.checked_sub(FROM).unwrap_or_default(), made: 0 }
    }

    /// Events alone, for lists: their updates are not there, so they cannot be sent.
    pub(crate) async fn of_events(&mut self, system: &System, count: usize) -> Result<()> {
        self.make(system, count, false).await
    }

    /// Events that can be sent.
    pub(crate) async fn of_events_and_updates(&mut self, system: &System, count: usize) -> Result<()> {
        self.make(system, count, true).await
    }

    async fn make(&mut self, system: &System, count: usize, updates: bool) -> Result<()> {
        let developer = system.developer();
        let newest =
            developer.get(&format!("/configuration/webhooks/{}/events?limit=1", self.webhook)).await.expect(200);
        let original: UpdateId = newest["events"][0]["updateId"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Problem::not_measured(format!("no event to copy: {newest}")))?;
        let table = system.run.output("EventsTableName").unwrap_or_default();
        let wrong = || Problem::io("the events table");
        let mut left = count;
        while left > 0 {
            let some = left.min(AT_ONCE);
            let ids: Vec<UpdateId> = (0..some).map(|_| self.next()).collect();
            let events = ids.iter().map(|id| self.event(*id)).collect();
            system.run.copy_item(table, self.event_key(original), events).await.map_err(wrong())?;
            if updates {
                let updates = ids.into_iter().map(update).collect();
                system.run.copy_item(table, update_key(original), updates).await.map_err(wrong())?;
            }
            left -= some;
            if left.is_multiple_of(10 * AT_ONCE) {
                progress(format!("{left} events still to be made"));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> UpdateId {
        self.made += 1;
        let apart = i64::try_from(FROM.as_millis()).unwrap_or(MOST) / MOST;
        let at = self.began.checked_add(SignedDuration::from_millis(apart * i64::from(self.made)));
        let mut random = [0; 10];
        random[6..].copy_from_slice(&self.made.to_be_bytes());
        UpdateId::new(at.unwrap_or(self.began), random)
    }

    fn event_key(&self, update: UpdateId) -> Value {
        json!({ "pk": { "S": format!("{DEVELOPER}#{}", self.webhook) }, "sk": { "S": update.to_string() } })
    }

    /// What is an event's own in its row.
    fn event(&self, update: UpdateId) -> Vec<(&'static str, Value)> {
        let text = |text: String| json!({ "S": text });
        vec![("sk", text(update.to_string())), ("droppedKey", text(format!("{update}#{}", self.webhook)))]
    }
}

fn update_partition(update: UpdateId) -> Value {
    let tail: String = update.tail().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "S": format!("UPD#{tail}") })
}

fn update_key(update: UpdateId) -> Value {
    json!({ "pk": update_partition(update), "sk": { "S": DEVELOPER } })
}

/// What is an update's own in its row.
fn update(update: UpdateId) -> Vec<(&'static str, Value)> {
    let id = BASE64_STANDARD.encode(update.uuid().as_bytes());
    vec![("pk", update_partition(update)), ("id", json!({ "B": id }))]
}
