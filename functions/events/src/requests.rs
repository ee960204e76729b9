//! What the function takes: the queries, and the body of a pull.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use tenday_api::new_webhook::invalid;
use tenday_api::{ApiError, Cursor, ErrorCode, Limit};
use tenday_model::delivery::event::EventStatus;
use tenday_model::delivery::job::{Filter, moment};
use tenday_model::delivery::outcome::ANSWER_KEPT;
use tenday_model::delivery::pulling::{LONGEST_VISIBILITY, MOST_EVENTS, Report, VISIBILITY};
use tenday_model::error::ValidationError;
use tenday_model::ids::EventId;
use tenday_model::whole::Whole;
use utoipa::ToSchema;

/// Which page of a list is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

/// A page: at most so many events, after one.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) after: Option<EventId>,
}

/// A page of a webhook's events.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryQuery {
    status: Option<String>,
    #[serde(flatten)]
    pub(crate) page: PageQuery,
}

/// A page of the dropped events.
#[derive(Debug, Deserialize)]
pub(crate) struct DroppedQuery {
    #[serde(flatten)]
    pub(crate) page: PageQuery,
    #[serde(flatten)]
    pub(crate) filter: FilterQuery,
}

/// Which dropped events are meant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilterQuery {
    since: Option<String>,
    until: Option<String>,
    event_name: Option<String>,
    webhook_id: Option<String>,
}

impl PageQuery {
    pub(crate) fn read(&self) -> Result<Page, ApiError> {
        let Limit(limit) = Limit::parse(self.limit.as_deref())?;
        Ok(Page { limit, after: Cursor::parse(self.cursor.as_deref())? })
    }
}

impl HistoryQuery {
    pub(crate) fn status(&self) -> Result<Option<EventStatus>, ApiError> {
        let known = |name| {
            EventStatus::from_name(name).ok_or_else(|| {
                let known = EventStatus::NAMES.join(", ");
                let message = format!("The query parameter `status` must be one of {known}.");
                ApiError::new(ErrorCode::MalformedRequest, message)
            })
        };
        self.status.as_deref().map(known).transpose()
    }
}

impl FilterQuery {
    pub(crate) fn read(self) -> Result<Filter, ApiError> {
        let time = |name: &str, text: Option<&str>, end| {
            let invalid = || {
                let message = format!("The query parameter `{name}` must be an ISO 8601 date or moment.");
                ApiError::new(ErrorCode::MalformedRequest, message)
            };
            text.map(|text| moment(text, end).ok_or_else(invalid)).transpose()
        };
        let webhook = self.webhook_id.map(|id| id.parse()).transpose();
        Ok(Filter {
            webhook: webhook.map_err(|_| ApiError::new(ErrorCode::WebhookNotFound, "You have no such webhook."))?,
            event_name: self.event_name,
            since: time("since", self.since.as_deref(), false)?,
            until: time("until", self.until.as_deref(), true)?,
        })
    }
}

/// What is fetched unless asked otherwise.
const EVENTS: usize = 10;
/// The longest that a call waits, in seconds: API Gateway waits for no function longer than thirty.
const LONGEST_WAIT: i64 = 20;

/// What to fetch, and what to report of what was fetched before. Every field may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pull {
    /// The most events to fetch; unless given, 10. With 0 the call only reports.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100)]
    max_events: Option<Whole>,
    /// How long to wait for an event if none is there, in seconds; unless given, not at all.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 20)]
    wait_seconds: Option<Whole>,
    /// For how long nobody else gets what is fetched, in seconds; unless given, a minute. What was not reported by then comes
    /// again.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 43_200)]
    visibility_seconds: Option<Whole>,
    /// Ids of events that were taken: each ends as delivered.
    #[serde(default)]
    #[schema(max_items = 100)]
    ack: Vec<String>,
    /// Events that could not be taken: each ends as dropped, to be reattempted by hand.
    #[serde(default)]
    #[schema(max_items = 100)]
    failed: Vec<FailedEvent>,
}

/// An event that could not be taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FailedEvent {
    id: String,
    /// Why, to be shown with the event.
    #[schema(max_length = 512)]
    message: Option<String>,
}

/// What to do, once it is read.
#[derive(Debug)]
pub(crate) struct Pulling {
    pub(crate) max_events: usize,
    pub(crate) wait: Duration,
    pub(crate) visibility: SignedDuration,
    /// By event, as it was named.
    pub(crate) taken: Vec<(String, Report)>,
    pub(crate) failed: Vec<(String, Report)>,
}

impl Default for Pulling {
    fn default() -> Self {
        Self {
            max_events: EVENTS,
            wait: Duration::ZERO,
            visibility: SignedDuration::from_secs(VISIBILITY),
            taken: Vec::new(),
            failed: Vec::new(),
        }
    }
}

impl Pull {
    pub(crate) fn read(self) -> Result<Pulling, ApiError> {
        let Self { max_events, wait_seconds, visibility_seconds, ack, failed } = self;
        let mut errors = Vec::new();
        let most = i64::try_from(MOST_EVENTS).unwrap_or(i64::MAX);
        let unless = Pulling::default();
        let max_events = whole("maxEvents", max_events, 0, most, &mut errors);
        let wait = whole("waitSeconds", wait_seconds, 0, LONGEST_WAIT, &mut errors);
        let visibility = whole("visibilitySeconds", visibility_seconds, 1, LONGEST_VISIBILITY, &mut errors);
        for (field, length) in [("ack", ack.len()), ("failed", failed.len())] {
            if length > MOST_EVENTS {
                errors.push(invalid(field, "value", format!("must be at most {MOST_EVENTS} events")));
            }
        }
        for (index, event) in failed.iter().enumerate() {
            // Characters, as JSON Schema counts; what is kept is counted in bytes.
            if event.message.as_ref().is_some_and(|message| message.chars().count() > ANSWER_KEPT) {
                let location: &[&str] = &["body", "failed", &index.to_string(), "message"];
                errors.push(ValidationError::new(
                    location,
                    "value",
                    format!("must be at most {ANSWER_KEPT} characters"),
                ));
            }
        }
        if !errors.is_empty() {
            return Err(ApiError::validation(errors));
        }
        Ok(Pulling {
            max_events: max_events.and_then(|most| usize::try_from(most).ok()).unwrap_or(unless.max_events),
            wait: wait.and_then(|wait| u64::try_from(wait).ok()).map_or(unless.wait, Duration::from_secs),
            visibility: visibility.map_or(unless.visibility, SignedDuration::from_secs),
            taken: ack.into_iter().map(|id| (id, Report::Taken)).collect(),
            failed: failed
                .into_iter()
                .map(|FailedEvent { id, message }| (id, Report::Failed { message: message.unwrap_or_default() }))
                .collect(),
        })
    }
}

fn whole(field: &str, given: Option<Whole>, least: i64, most: i64, errors: &mut Vec<ValidationError>) -> Option<i64> {
    let Whole(number) = given?;
    if !(least..=most).contains(&number) {
        errors.push(invalid(field, "value", format!("must be {least} to {most}")));
    }
    Some(number)
}
