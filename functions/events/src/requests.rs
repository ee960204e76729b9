//! What the function takes: all of it is in the query.

use serde::Deserialize;
use tenday_api::{ApiError, Cursor, ErrorCode, Limit};
use tenday_model::delivery::event::EventStatus;
use tenday_model::delivery::job::{Filter, moment};
use tenday_model::ids::EventId;

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
