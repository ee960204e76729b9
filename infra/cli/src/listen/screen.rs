//! What a running `listen` shows: a line for each event.

use std::cell::{Cell, RefCell};
use std::io;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::ids::WebhookId;
use url::Url;

use super::claim::Claimed;
use super::forward::{Forward, Outcome, Pulled};
use super::pump::pull_path;
use super::that_wait;
use crate::api::Api;
use crate::console::{Console, clean, clean_json};
use crate::error::TendayError;
use crate::settings::shown;

pub(super) struct Screen<'a, 'c> {
    console: RefCell<&'a mut Console<'c>>,
    json: bool,
    again_after: u32,
    /// A terminal that reads single keys does not go to a line's beginning by itself.
    raw: Cell<bool>,
    /// That the API cannot be reached is said once.
    is_lost: Cell<bool>,
    last: RefCell<Option<Last>>,
}

/// The last event that was handed over.
#[derive(Clone)]
struct Last {
    webhook: WebhookId,
    event: Pulled,
    is_taken: bool,
}

impl<'a, 'c> Screen<'a, 'c> {
    pub(super) fn new(console: &'a mut Console<'c>, json: bool, again_after: u32) -> Self {
        Self {
            console: RefCell::new(console),
            json,
            again_after,
            raw: Cell::new(false),
            is_lost: Cell::new(false),
            last: RefCell::default(),
        }
    }

    /// Whether a person looks, who may press keys.
    pub(super) fn is_terminal(&self) -> bool {
        !self.json && self.console.borrow().width().is_some()
    }

    pub(super) fn is_raw(&self, raw: bool) {
        if raw && !self.raw.replace(raw) {
            let _ = self.line("  r sends the last one again, Ctrl-C ends");
        }
        self.raw.set(raw);
    }

    fn line(&self, text: impl AsRef<str>) -> io::Result<()> {
        let mut console = self.console.borrow_mut();
        if self.raw.get() { console.line(format!("{}\r", text.as_ref())) } else { console.line(text) }
    }

    /// One object a line.
    fn object(&self, object: &Value) -> io::Result<()> {
        self.line(clean_json(&object.to_string()))
    }

    pub(super) fn begins(&self, claimed: &Claimed, target: &Url, api: &Url) -> Result<(), TendayError> {
        let secret = claimed.secret.as_ref().map(|secret| secret.as_str());
        let id = claimed.webhook.id();
        if self.json {
            return Ok(self.object(&json!({
                "type": "listening", "time": now(), "webhookId": id, "secret": secret, "forwardTo": target.as_str(),
                "takenUp": claimed.taken_up, "draining": claimed.drained.iter().map(|left| left.id()).collect::<Vec<_>>(),
            }))?);
        }
        self.line(format!("Listening at {}", shown(api)))?;
        self.line(format!("  posting to {target}"))?;
        self.line(format!("  fetching {id}"))?;
        if let Some(waiting) = claimed.taken_up {
            let waiting = that_wait(waiting);
            self.line(format!("  taken up from a listen that was killed, with {waiting} in it"))?;
        }
        for left in &claimed.drained {
            self.line(format!("  handing over what a listen for other events left in {}", left.id()))?;
        }
        if let Some(secret) = secret {
            self.line(format!("  signed with {}", clean(secret)))?;
        }
        Ok(())
    }

    /// Nothing is left in a webhook of an earlier `listen`, which is deleted.
    pub(super) fn drained(&self, webhook: WebhookId) -> Result<(), TendayError> {
        if self.json {
            return Ok(self.object(&json!({ "type": "drained", "time": now(), "webhookId": webhook }))?);
        }
        Ok(self.line(format!("  {webhook} is empty, and deleted"))?)
    }

    pub(super) fn handed_over(&self, webhook: &WebhookId, event: Pulled, outcome: &Outcome) -> Result<(), TendayError> {
        self.event(webhook, &event, outcome, false)?;
        self.last.replace(Some(Last { webhook: *webhook, event, is_taken: outcome.is_taken() }));
        Ok(())
    }

    fn event(&self, webhook: &WebhookId, event: &Pulled, outcome: &Outcome, by_hand: bool) -> Result<(), TendayError> {
        let milliseconds = u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX);
        if self.json {
            return Ok(self.object(&json!({
                "type": "event", "time": now(), "eventId": event.event_id, "eventName": event.event_name,
                "webhookId": webhook, "fetches": event.fetches, "status": outcome.status, "taken": outcome.is_taken(),
                "milliseconds": milliseconds, "said": outcome.said, "byHand": by_hand,
            }))?);
        }
        let (colours, width) = {
            let console = self.console.borrow();
            (console.colours(), console.width())
        };
        let status = outcome.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
        let status = match (colours, outcome.is_taken()) {
            (false, _) => status,
            (true, true) => format!("\u{1b}[32m{status}\u{1b}[0m"),
            (true, false) => format!("\u{1b}[31m{status}\u{1b}[0m"),
        };
        let name = clean(event.event_name.as_deref().unwrap_or("-"));
        let time = Timestamp::now().strftime("%H:%M:%SZ");
        let mut line = format!("{time}  {status}  {milliseconds:>5} ms  {name:<28}");
        let id = clean(&event.event_id);
        // Where it does not fit, an event that is done is not worth a second line; tenday events list has its id.
        let fits = width.is_none_or(|width| width >= 110);
        if fits {
            line = format!("{line}  {id}");
        }
        if by_hand {
            line = format!("{}  sent by hand", line.trim_end());
        }
        self.line(line.trim_end())?;
        if outcome.is_taken() {
            return Ok(());
        }
        if let Some(said) = &outcome.said {
            let said = clean(said.lines().next().unwrap_or_default());
            self.line(format!("           {said}"))?;
        }
        let after = self.again_after;
        let id = if fits { String::new() } else { format!("{id} ") };
        Ok(self.line(format!("           {id}not taken: it comes again in {after} seconds"))?)
    }

    /// The API cannot be reached.
    pub(super) fn lost(&self, error: &TendayError) -> Result<(), TendayError> {
        if self.is_lost.replace(true) {
            return Ok(());
        }
        if self.json {
            return Ok(self.object(&json!({ "type": "lost", "time": now(), "error": error.json()["error"] }))?);
        }
        let time = Timestamp::now().strftime("%H:%M:%SZ");
        Ok(self.line(format!("{time}  {}: trying again until it is back", clean(&error.to_string())))?)
    }

    /// The API answers.
    pub(super) fn reached(&self) -> Result<(), TendayError> {
        if !self.is_lost.replace(false) {
            return Ok(());
        }
        if self.json {
            return Ok(self.object(&json!({ "type": "back", "time": now() }))?);
        }
        let time = Timestamp::now().strftime("%H:%M:%SZ");
        Ok(self.line(format!("{time}  back again"))?)
    }

    /// Sends the last event again. If it is taken only now, it is acknowledged.
    pub(super) async fn again(&self, api: &Api, forward: &Forward) -> Result<(), TendayError> {
        let Some(last) = self.last.borrow().clone() else {
            return Ok(self.line("           nothing came yet")?);
        };
        let outcome = forward.post(&last.event).await;
        self.event(&last.webhook, &last.event, &outcome, true)?;
        if outcome.is_taken() && !last.is_taken {
            let body = json!({ "maxEvents": 0, "ack": [last.event.event_id] });
            // What cannot be told now comes again.
            if api.post(&pull_path(&last.webhook), &body).await.is_ok() {
                self.last.replace(Some(Last { is_taken: true, ..last }));
            }
        }
        Ok(())
    }

    /// The webhook was deleted, with so many events in it.
    pub(super) fn ends(&self, deleted: Option<(&WebhookId, &str, usize)>) -> Result<(), TendayError> {
        if self.json {
            let (webhook, request, waiting) = match deleted {
                Some((webhook, request, waiting)) => (Some(webhook), Some(request), Some(waiting)),
                None => (None, None, None),
            };
            return Ok(self.object(&json!({
                "type": "ended", "time": now(), "deletedWebhookId": webhook, "requestId": request, "waiting": waiting,
            }))?);
        }
        let Some((webhook, request, waiting)) = deleted else {
            return Ok(self.line("Ended. The webhook is as it was.")?);
        };
        if waiting == 0 {
            return Ok(self.line(format!("Ended, and deleted {webhook}."))?);
        }
        let waiting = that_wait(waiting);
        self.line(format!("Ended, and deleted {webhook}"))?;
        self.line(format!("with {waiting} that your server did not take. For ten days these bring them back:"))?;
        self.line(format!("  tenday webhooks restore {}", clean(request)))?;
        Ok(self.line(format!("  tenday listen --webhook {webhook} --forward-to URL"))?)
    }
}

fn now() -> String {
    format!("{:.3}", Timestamp::now())
}
