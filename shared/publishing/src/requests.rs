//! What the platform publishes: one update, or up to a hundred.

use serde::Deserialize;
use serde_json::value::RawValue;
use tenday_api::Object;
use tenday_model::dates::Moment;
use tenday_model::error::ValidationError;
use tenday_model::ids::DeveloperId;
use tenday_model::publishing::canonical::canonical;
use tenday_model::publishing::update::Content;
use tenday_store::digest;
use utoipa::ToSchema;

use crate::schema::{RawPayload, UpdateEventName};

/// The largest `data` or `raw` of one update, in bytes.
pub(crate) const MAX_DATA: usize = 64 * 1024;
/// The most updates in one request.
pub(crate) const MAX_UPDATES: usize = 100;

/// The body of `POST /updates`: the fields of one update, or `updates`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Published {
    developer_id: Option<DeveloperId>,
    event_name: Option<String>,
    data: Option<Box<RawValue>>,
    raw: Option<Box<RawValue>>,
    occurred_at: Option<Moment>,
    id: Option<String>,
    updates: Option<Vec<Object<Update>>>,
}

/// One update: what happened, either as `data`, which any type renders, or as `raw`. The document has it for each event name
/// (`schema.rs`).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    pub(crate) developer_id: DeveloperId,
    /// What happened, in the provider-neutral vocabulary.
    #[schema(value_type = UpdateEventName)]
    pub(crate) event_name: String,
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Box<RawValue>>,
    #[schema(value_type = Option<RawPayload>)]
    pub(crate) raw: Option<Box<RawValue>>,
    /// When it happened; unless given, now.
    #[schema(value_type = Option<String>, format = DateTime, examples("2026-11-21T18:16:00Z"))]
    pub(crate) occurred_at: Option<Moment>,
    /// The platform's own name for this update: publishing it again makes no new events.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) id: Option<String>,
}

/// One update, or a list of them, which is answered as a list.
#[derive(Debug)]
pub(crate) enum Request {
    One(Update),
    Many(Vec<Update>),
}

impl Published {
    pub(crate) fn request(self) -> Result<Request, Vec<ValidationError>> {
        let invalid = |field: &str, kind, message: &str| ValidationError::new(&["body", field], kind, message);
        let Some(updates) = self.updates else {
            return match (self.developer_id, self.event_name) {
                (Some(developer_id), Some(event_name)) => Ok(Request::One(Update {
                    developer_id,
                    event_name,
                    data: self.data,
                    raw: self.raw,
                    occurred_at: self.occurred_at,
                    id: self.id,
                })),
                (developer, name) => {
                    let mut errors = Vec::new();
                    if developer.is_none() {
                        errors.push(invalid("developerId", "missing", "this field is required"));
                    }
                    if name.is_none() {
                        errors.push(invalid("eventName", "missing", "this field is required"));
                    }
                    Err(errors)
                }
            };
        };
        let alone = self.developer_id.is_none()
            && self.event_name.is_none()
            && self.data.is_none()
            && self.raw.is_none()
            && self.occurred_at.is_none()
            && self.id.is_none();
        if !alone {
            return Err(vec![invalid("updates", "conflict", "give either updates, or the fields of one update")]);
        }
        if !(1..=MAX_UPDATES).contains(&updates.len()) {
            return Err(vec![invalid("updates", "value", "give 1 to 100 updates")]);
        }
        Ok(Request::Many(updates.into_iter().map(|Object(update)| update).collect()))
    }
}

impl Update {
    /// What one update's bounds say of it.
    pub(crate) fn problems(&self) -> Vec<ValidationError> {
        let mut problems = Vec::new();
        for (field, value) in [("data", &self.data), ("raw", &self.raw)] {
            if value.as_ref().is_some_and(|value| value.get().len() > MAX_DATA) {
                let message = format!("must be at most {MAX_DATA} bytes of JSON");
                problems.push(ValidationError::new(&[field], "too_long", message));
            }
        }
        if self.id.as_ref().is_some_and(|id| !(1..=200).contains(&id.chars().count())) {
            problems.push(ValidationError::new(&["id"], "value", "must be 1 to 200 characters"));
        }
        problems
    }

    /// Tells a repetition from another update under the same key, by what it says.
    pub(crate) fn digest(&self, content: &Content) -> [u8; 32] {
        let (developer, name) = (self.developer_id.as_str().as_bytes(), self.event_name.as_bytes());
        digest(&[developer, name, &canonical(content), self.occurred().as_bytes()])
    }

    /// By how it is written, as the first release told it. Its updates may still be stored.
    pub(crate) fn digest_as_written(&self) -> [u8; 32] {
        let written = |value: &Option<Box<RawValue>>| value.as_ref().map_or("", |value| value.get()).to_owned();
        let (developer, name) = (self.developer_id.as_str().as_bytes(), self.event_name.as_bytes());
        let (data, raw) = (written(&self.data), written(&self.raw));
        digest(&[developer, name, data.as_bytes(), raw.as_bytes(), self.occurred().as_bytes()])
    }

    fn occurred(&self) -> String {
        self.occurred_at.map(|Moment(at)| at.to_string()).unwrap_or_default()
    }
}
