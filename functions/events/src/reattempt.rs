//! Reattempting dropped events by hand: synchronous, and answered with what the receiver said (docs/sources.md,
//! S3.4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::value::RawValue;
use tenday_api::{ApiError, ErrorCode};
use tenday_attempts::{AttemptFault, OneByHand};
use tenday_model::delivery::batch::Made;
use tenday_model::delivery::job::{Filter, Job};
use tenday_model::delivery::outcome::OutcomeClass;
use tenday_model::delivery::page::OnFault;
use tenday_model::ids::{DeveloperId, EventId, JobId, WebhookId};
use tenday_model::publishing::render::{RenderContext, render_content};
use tenday_store::{DeveloperSettings, JobMessage, MessageContent, random};

use crate::answers::{AllReattempted, Response};
use crate::{Functions, not_found, own_webhook};

/// How long a single reattempt waits for its webhook's rate limit: whoever asked waits for the answer.
const ASKED_WAIT: Duration = Duration::from_secs(5);
/// Within this everything that can be answered directly is.
const DIRECTLY: Duration = Duration::from_secs(20);
/// What of it is kept for what comes after the last attempt: counting the rest, and starting its job.
const KEPT: Duration = Duration::from_secs(2);
/// The longest that the rest is counted.
const COUNTING: Duration = Duration::from_secs(1);
/// The most responses in one answer, which may not become too large for the gateway.
const MOST_RESPONSES: usize = 1000;

impl Functions {
    pub(crate) async fn reattempt(&self, developer: &DeveloperId, id: EventId) -> Result<Response, ApiError> {
        let settings = self.read(developer).await?;
        let webhook = settings.webhooks.iter().find(|stored| stored.webhook.id == id.webhook).ok_or_else(not_found)?;
        if let Some(disabled) = &webhook.webhook.disabled {
            let why = disabled.reason.message();
            return Err(ApiError::new(ErrorCode::WebhookDisabled, format!("The webhook is disabled: {why}.")));
        }
        refuse_if_paused(&settings)?;
        if !self.reattempts.admit(developer, webhook, settings.control, ASKED_WAIT).await? {
            let message =
                "The webhook's own rate limit, or the one of all webhooks, is used up. Try again in a moment.";
            return Err(ApiError::new(ErrorCode::RateLimitExceeded, message).retry_after(1));
        }
        let configuration = Arc::new(settings.configuration.clone());
        match self.reattempts.one(developer, &configuration, webhook, id, None).await.map_err(refusal)? {
            OneByHand::Made(made) => Ok(response(None, callback_url(&settings, id.webhook), &made)),
            OneByHand::Waits(name) => Ok(waits(None, name)),
            OneByHand::Impossible(fault) => Err(refusal(fault)),
            OneByHand::Busy => {
                let message = "Another reattempt of this event is under way.";
                Err(ApiError::new(ErrorCode::ReattemptInProgress, message))
            }
            OneByHand::NotDropped(Some(event)) => Err(ApiError::new(
                ErrorCode::EventNotDropped,
                format!("Only a dropped event can be reattempted; this one is {}.", event.status().name()),
            )),
            OneByHand::NotDropped(None) | OneByHand::Before(_) | OneByHand::NoSlot => Err(not_found()),
        }
    }

    /// Reattempts all dropped events: as many as there is time for now, the rest in a job.
    pub(crate) async fn reattempt_all(
        &self,
        developer: &DeveloperId,
        filter: Filter,
    ) -> Result<AllReattempted, ApiError> {
        let started = Instant::now();
        let stop_at = started + DIRECTLY.saturating_sub(self.reattempts.timeout() + KEPT);
        let settings = self.read(developer).await?;
        if let Some(webhook) = filter.webhook {
            own_webhook(&settings, &webhook.to_string())?;
        }
        refuse_if_paused(&settings)?;
        let now = self.api.now();
        let mut job = Job::new(JobId::new(now, random()?), filter, now);
        let mut responses = Vec::new();
        while !job.last_page || !job.page.is_empty() {
            if job.page.is_empty() {
                self.reattempts.turn(developer, &settings, &mut job).await?;
            }
            let before = job.page.len();
            // What another reattempt has is answered there.
            let done = self.reattempts.page(developer, &settings, &mut job, stop_at, OnFault::Stop, false).await;
            responses.extend(done.made.into_iter().filter_map(|(id, result)| one_of_all(&settings, id, result)));
            match done.fault {
                Some(fault) if responses.is_empty() => return Err(refusal(fault)),
                Some(fault) => {
                    tracing::error!(error = %fault, "a reattempt could not be made; a job takes up the rest");
                    break;
                }
                None => {}
            }
            // Nothing was done, so the page waits for its rate limit, which the job does better.
            let stuck = !job.page.is_empty() && job.page.len() == before;
            if stuck || responses.len() >= MOST_RESPONSES || Instant::now() >= stop_at {
                break;
            }
        }
        if job.last_page && job.page.is_empty() {
            return Ok(AllReattempted { responses, job_id: None });
        }
        let rest = if job.last_page {
            0
        } else {
            let until = Instant::now() + COUNTING;
            self.reattempts.jobs().count(developer, &job.filter, job.cursor, until).await?
        };
        // The job counts what it does itself; what is answered here is not its business.
        job.queued = rest + u64::try_from(job.page.len()).unwrap_or(u64::MAX);
        (job.succeeded, job.failed) = (0, 0);
        // The row, then the message: a job that nobody pushes was never promised to anyone.
        self.reattempts.jobs().create(developer, &job).await?;
        self.retries.push(&JobMessage::new(developer.clone(), job.id, job.step), 0).await?;
        Ok(AllReattempted { responses, job_id: Some(job.id) })
    }
}

fn refuse_if_paused(settings: &DeveloperSettings) -> Result<(), ApiError> {
    if settings.control.is_paused() {
        let message = "Your platform holds all of your deliveries for now. Nothing is lost: try again when they go on.";
        return Err(ApiError::new(ErrorCode::DeliveriesPaused, message));
    }
    Ok(())
}

/// One of the responses of all; none for what was not dropped any more.
fn one_of_all(settings: &DeveloperSettings, id: EventId, result: OneByHand) -> Option<Response> {
    let url = callback_url(settings, id.webhook);
    match result {
        OneByHand::Made(made) => Some(response(Some(id), url, &made)),
        OneByHand::Waits(name) => Some(waits(Some(id), name)),
        OneByHand::Impossible(fault) => Some(Response {
            event_id: Some(id),
            response_code: None,
            response_message: format!("not sent: {fault}"),
            callback_url: url,
            event_name: None,
            timeout: false,
            success: false,
        }),
        OneByHand::Busy | OneByHand::NoSlot | OneByHand::NotDropped(_) | OneByHand::Before(_) => None,
    }
}

fn callback_url(settings: &DeveloperSettings, webhook: WebhookId) -> Option<String> {
    let stored = settings.webhooks.iter().find(|stored| stored.webhook.id == webhook)?;
    stored.webhook.callback_url().map(|url| url.as_given().to_owned())
}

/// What is answered of an event that is not sent.
fn waits(event_id: Option<EventId>, event_name: String) -> Response {
    Response {
        event_id,
        response_code: None,
        response_message: "It waits to be fetched again.".to_owned(),
        callback_url: None,
        event_name: Some(event_name),
        timeout: false,
        success: true,
    }
}

/// A reattempt's answer, in which `responseCode` is text (docs/sources.md, S3.4).
fn response(event_id: Option<EventId>, callback_url: Option<String>, made: &Made) -> Response {
    let attempt = &made.attempt;
    let message = match attempt.status {
        Some(status) => {
            let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            reason.unwrap_or_default().to_owned()
        }
        None => made.explain(),
    };
    Response {
        event_id,
        response_code: attempt.status.map(|status| status.to_string()),
        response_message: message,
        callback_url,
        event_name: Some(made.event_name.to_owned()),
        timeout: attempt.class == OutcomeClass::Timeout,
        success: made.outcome.is_success(),
    }
}

pub(crate) fn refusal(fault: AttemptFault) -> ApiError {
    match fault {
        AttemptFault::Inexpressible(why) => ApiError::new(ErrorCode::UpdateInexpressible, format!("{why}.")),
        AttemptFault::Expired => not_found(),
        AttemptFault::Store(error) => error.into(),
        other => {
            tracing::error!(error = %other, "no attempt could be made");
            ApiError::new(ErrorCode::Internal, "The event could not be sent. The fault is on our side.")
        }
    }
}

/// The payload as it would be sent now.
pub(crate) fn payload(settings: &DeveloperSettings, id: EventId, content: &MessageContent) -> Option<Box<RawValue>> {
    let parsed = content.parse().ok()?;
    let configuration = &settings.configuration;
    let context = RenderContext {
        event_id: id,
        occurred_at: content.occurred_at,
        date_format: configuration.date_format,
        idempotency_key: content.idempotency_key.as_deref(),
    };
    let (_, body) = render_content(configuration.integration, &parsed, &context).ok()?;
    // Byte for byte: read as a value, it would lose the order of its members and digits of its numbers.
    RawValue::from_string(String::from_utf8(body).ok()?).ok()
}
