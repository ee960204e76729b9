//! Pulls one webhook, hands over what comes, and acknowledges what was taken.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use tenday_model::ids::WebhookId;
use tokio::sync::watch;

use super::forward::{Forward, Pulled};
use super::screen::Screen;
use super::webhook;
use crate::api::Api;
use crate::commands::webhooks::PATH;
use crate::error::TendayError;

/// How long the API is to wait for an event: as long as it can, for each answer costs a request.
const WAIT: u32 = 20;
const AT_ONCE: usize = 10;
/// An acknowledgement waits so long for the next pull, which takes it along.
const UNTOLD: Duration = Duration::from_secs(2);
/// After an empty answer that came at once.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a webhook that is drained is looked at.
const DRAINED_EVERY: Duration = Duration::from_secs(5);
/// While the API cannot be reached: so long at first, then twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So long the local server may go on with an event when the command is to end.
const GRACE: Duration = Duration::from_secs(3);

/// How long it is pulled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Stopped,
    /// Or stopped.
    Empty,
}

pub(super) struct Pump<'a, 'c> {
    api: &'a Api,
    webhook: WebhookId,
    forward: &'a Forward,
    screen: &'a Screen<'a, 'c>,
    again_after: u32,
    until: Until,
    stopped: watch::Receiver<bool>,
    /// What was taken, and is not acknowledged yet.
    taken: RefCell<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    events: Vec<Pulled>,
}

impl<'a, 'c> Pump<'a, 'c> {
    pub(super) fn new(
        api: &'a Api,
        webhook: WebhookId,
        forward: &'a Forward,
        screen: &'a Screen<'a, 'c>,
        again_after: u32,
        until: Until,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self { api, webhook, forward, screen, again_after, until, stopped, taken: RefCell::default() }
    }

    /// # Errors
    /// What no waiting mends: the webhook is gone, or the sign-in is over.
    pub(super) async fn run(&self) -> Result<(), TendayError> {
        let mut pause = FIRST_PAUSE;
        while !self.is_stopped() {
            let wait = if self.until == Until::Empty { 0 } else { WAIT };
            let asked = Instant::now();
            let pulled = tokio::select! {
                pulled = self.pull(AT_ONCE, wait) => pulled,
                () = self.stop() => break,
            };
            match pulled {
                Ok(events) => {
                    pause = FIRST_PAUSE;
                    self.screen.reached()?;
                    let is_empty = events.is_empty();
                    self.hand_over(events).await?;
                    if is_empty && self.until == Until::Empty {
                        if webhook::waiting(self.api, self.webhook).await? == 0 {
                            return Ok(());
                        }
                        self.rest(DRAINED_EVERY).await;
                    } else if is_empty && asked.elapsed() < PAUSE {
                        self.rest(PAUSE).await;
                    }
                }
                Err(error) if error.is_passing() => {
                    self.screen.lost(&error)?;
                    self.rest(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        // What cannot be told now comes again.
        let _ = self.tell().await;
        Ok(())
    }

    async fn hand_over(&self, events: Vec<Pulled>) -> Result<(), TendayError> {
        let mut told = Instant::now();
        for event in events {
            if self.is_stopped() {
                break;
            }
            let outcome = tokio::select! {
                outcome = self.forward.post(&event) => outcome,
                () = self.grace() => break,
            };
            if outcome.is_taken() {
                self.taken.borrow_mut().push(event.event_id.clone());
            }
            self.screen.handed_over(&self.webhook, event, &outcome)?;
            if told.elapsed() > UNTOLD {
                // Untold, what was taken would come again if the command were killed now, or once its time is over.
                match self.tell().await {
                    Err(error) if !error.is_passing() => return Err(error),
                    _ => told = Instant::now(),
                }
            }
        }
        Ok(())
    }

    /// Acknowledges, and fetches nothing.
    async fn tell(&self) -> Result<(), TendayError> {
        if self.taken.borrow().is_empty() { Ok(()) } else { self.pull(0, 0).await.map(drop) }
    }

    /// Acknowledges what was taken, and fetches so many.
    async fn pull(&self, most: usize, wait: u32) -> Result<Vec<Pulled>, TendayError> {
        let taken = self.taken.borrow().clone();
        let body = json!({
            "maxEvents": most, "waitSeconds": wait, "visibilitySeconds": self.again_after, "ack": taken,
        });
        let answer = self.api.post(&pull_path(&self.webhook), &body).await?;
        self.taken.borrow_mut().retain(|id| !taken.contains(id));
        let answer: Answer = serde_json::from_value(answer)
            .map_err(|error| TendayError::NotTheApi { url: self.api.url().to_string(), cause: error.to_string() })?;
        Ok(answer.events)
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    async fn stop(&self) {
        // An error means that nobody is there to stop it: the command is at its end.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    async fn grace(&self) {
        self.stop().await;
        tokio::time::sleep(GRACE).await;
    }

    async fn rest(&self, long: Duration) {
        tokio::select! {
            () = tokio::time::sleep(long) => {}
            () = self.stop() => {}
        }
    }
}

pub(super) fn pull_path(webhook: &WebhookId) -> String {
    format!("{PATH}/{webhook}/pull")
}
