//! Reattempting a dropped event by hand: synchronous, and answered with what the receiver said (seed S3).

use deliver::{AttemptFault, Target};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenday_api::{ApiError, ErrorCode};
use tenday_model::event::{Event, EventStatus, TEN_DAYS};
use tenday_model::ids::{DeveloperId, EventId};
use tenday_model::outcome::{Outcome, OutcomeClass};
use tenday_model::render::{RenderContext, render_content};
use tenday_model::update::parse_content;
use tenday_model::webhook::Health;
use tenday_store::{Claim, DeveloperSettings, MessageContent, StoredWebhook};

use crate::{Functions, not_found};

/// How long a reattempt keeps others of the same event away: longer than the function can run.
const CLAIM: SignedDuration = SignedDuration::from_secs(30);

impl Functions {
    pub(crate) async fn reattempt(&self, developer: &DeveloperId, id: EventId) -> Result<Value, ApiError> {
        let now = self.api.now();
        let settings = self.read(developer).await?;
        let webhook = settings.webhooks.iter().find(|stored| stored.webhook.id == id.webhook).ok_or_else(not_found)?;
        if let Some(disabled) = &webhook.webhook.disabled {
            let why = disabled.reason.message();
            return Err(ApiError::new(ErrorCode::WebhookDisabled, format!("The webhook is disabled: {why}.")));
        }
        let until = now.checked_add(CLAIM).unwrap_or(Timestamp::MAX);
        let event = match self.events.claim(developer, id, now, until).await? {
            Claim::Claimed(event) => event,
            Claim::Busy => {
                return Err(ApiError::new(
                    ErrorCode::ReattemptInProgress,
                    "Another reattempt of this event is under way.",
                ));
            }
            Claim::NotDropped(None) => return Err(not_found()),
            Claim::NotDropped(Some(event)) => {
                return Err(ApiError::new(
                    ErrorCode::EventNotDropped,
                    format!("Only a dropped event can be reattempted; this one is {}.", event.status.name()),
                ));
            }
        };
        let update = self.updates.get(developer, id.update, now).await?.ok_or_else(not_found)?;
        let target = Target {
            developer,
            configuration: &settings.configuration,
            webhook,
            event: id,
            content: &update.content,
            before: event.attempts.len(),
            manual: true,
        };
        let made = match self.attempts.make(&target).await {
            Ok(made) => made,
            Err(fault) => {
                // Nothing was sent: the claim ends at once, and the event stays as it was.
                self.events.record_reattempt(developer, &event).await?;
                return Err(refusal(fault));
            }
        };
        let success = made.outcome.is_success();
        let stored = after(event, &made, self.api.now());
        if success {
            // Its success also closes an open breaker.
            let health = Health::succeeded(id, made.attempt.at);
            let (developer, webhook) = (developer.clone(), id.webhook);
            let rows = [(developer.clone(), stored)];
            self.events.record_delivered(&rows, &[(developer, webhook, health)], self.api.now()).await?;
        } else {
            self.events.record_reattempt(developer, &stored).await?;
        }
        Ok(answer(webhook, &made))
    }
}

fn after(mut event: Event, made: &deliver::Made, now: Timestamp) -> Event {
    event.attempts.push(made.attempt.clone());
    event.event_name = made.event_name.to_owned();
    if made.outcome.is_success() {
        event.status = EventStatus::Delivered;
        event.dropped = None;
        event.expires_at = now.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX);
    }
    event
}

/// Seed S3's answer. `responseCode` is text there.
fn answer(webhook: &StoredWebhook, made: &deliver::Made) -> Value {
    let attempt = &made.attempt;
    let message = match attempt.status {
        Some(status) => {
            let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            reason.unwrap_or_default().to_owned()
        }
        None if attempt.answer.is_empty() => format!("no answer ({})", attempt.class.name()),
        None => format!("no answer ({}): {}", attempt.class.name(), attempt.answer),
    };
    json!({
        "responseCode": attempt.status.map(|status| status.to_string()),
        "responseMessage": message,
        "callbackUrl": webhook.webhook.callback_url,
        "eventName": made.event_name,
        "timeout": attempt.class == OutcomeClass::Timeout || matches!(made.outcome, Outcome::Timeout),
        "success": made.outcome.is_success(),
    })
}

fn refusal(fault: AttemptFault) -> ApiError {
    match fault {
        AttemptFault::Inexpressible(why) => ApiError::new(ErrorCode::UpdateInexpressible, format!("{why}.")),
        AttemptFault::Store(error) => error.into(),
        other => {
            tracing::error!(error = %other, "no attempt could be made");
            ApiError::new(ErrorCode::Internal, "The event could not be sent. The fault is on our side.")
        }
    }
}

/// The payload as it would be sent now.
pub(crate) fn payload(settings: &DeveloperSettings, id: EventId, content: &MessageContent) -> Option<Value> {
    let parsed = parse_content(&content.event_name, content.data.as_deref(), content.raw.as_deref()).ok()?;
    let configuration = &settings.configuration;
    let context = RenderContext {
        event_id: id,
        occurred_at: content.occurred_at,
        date_format: configuration.date_format,
        idempotency_key: None,
    };
    let body = render_content(configuration.integration, &parsed, &context).ok()?;
    serde_json::from_slice(&body).ok()
}
