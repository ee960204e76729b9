//! What was changed of a developer's settings: what a page of it is asked for with, and what it shows.

use serde::{Deserialize, Serialize};
use tenday_api::{ApiError, Cursor, Date, Limit};
use tenday_model::dates::DateFormat;
use tenday_model::ids::{AuditId, ClientId};
use tenday_model::settings::audit::{AuditEntry, Change, Who};
use tenday_store::AuditPage;
use utoipa::ToSchema;

/// A page of the changes.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

/// The page that is asked for.
pub(crate) struct AuditPageAsked {
    pub(crate) limit: usize,
    pub(crate) after: Option<AuditId>,
}

impl AuditQuery {
    pub(crate) fn read(&self) -> Result<AuditPageAsked, ApiError> {
        let Limit(limit) = Limit::parse(self.limit.as_deref())?;
        Ok(AuditPageAsked { limit, after: Cursor::parse(self.cursor.as_deref())? })
    }
}

/// What was changed, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditList {
    #[schema(max_items = 100)]
    changes: Vec<AuditedChange>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A change of settings. What it was changed to is not kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditedChange {
    id: AuditId,
    time: Date,
    change: Change,
    by: By,
    /// What was changed; after it, what was made or changed along with it, and a deletion's `requestId`.
    ids: Vec<String>,
    /// The names of the fields that had other values from then on; empty for what was made, deleted or restored as a
    /// whole.
    fields: Vec<String>,
    /// The request that did it, as `request_id` of an error's body names one. Null if it was no request.
    #[serde(rename = "request_id")]
    #[schema(required)]
    request_id: Option<String>,
}

/// Who changed it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct By {
    kind: Kind,
    /// With the kind `developer` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ClientId, required = false)]
    client_id: Option<ClientId>,
}

/// Whose client it was, or that it was whoever operates Tenday, or Tenday by its own rules.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuthorKind)]
enum Kind {
    Developer,
    Platform,
    Operator,
    Tenday,
}

impl AuditList {
    pub(crate) fn of(page: &AuditPage, format: DateFormat) -> Self {
        Self {
            changes: page.entries.iter().map(|entry| AuditedChange::of(entry, format)).collect(),
            next_cursor: page.next.map(Cursor::encode),
        }
    }
}

impl AuditedChange {
    fn of(entry: &AuditEntry, format: DateFormat) -> Self {
        // Of the platform and its operators a developer learns that it was they, and not who of them.
        let by = match &entry.who {
            Who::Developer(client) => By { kind: Kind::Developer, client_id: Some(client.clone()) },
            Who::Platform(_) => By { kind: Kind::Platform, client_id: None },
            Who::Operator(_) => By { kind: Kind::Operator, client_id: None },
            Who::Tenday => By { kind: Kind::Tenday, client_id: None },
        };
        Self {
            id: entry.id,
            time: Date::new(format, entry.id.changed_at()),
            change: entry.change,
            by,
            ids: entry.ids.clone(),
            fields: entry.fields.clone(),
            request_id: Some(entry.request_id.clone()).filter(|id| !id.is_empty()),
        }
    }
}
