//! What schedules put on EventBridge buses. Nothing matches it: it is kept, to be looked at.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

use super::schedule::validation;
use crate::aws::error::AwsError;

/// The events that are kept.
const KEPT: usize = 1_000;
/// What one request may hold.
const MOST_ENTRIES: usize = 10;
/// Bytes of all entries together.
const MOST_BYTES: usize = 1_048_576;

#[derive(Debug, Default)]
pub(super) struct Buses {
    events: Mutex<VecDeque<Value>>,
}

/// `PutEvents`. What Tenday does not say is not known here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    event_bus_name: Option<String>,
    source: String,
    detail_type: String,
    detail: String,
}

impl Entry {
    /// What is wrong with it, in EventBridge's words.
    fn problem(&self) -> Option<String> {
        let bus = |name: &str| {
            let name = name.strip_prefix("arn:").map_or(Some(name), |_| name.split_once(":event-bus/").map(|it| it.1));
            name.is_some_and(|name| {
                (1..=256).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
            })
        };
        if self.event_bus_name.as_deref().is_some_and(|name| !bus(name)) {
            return Some("EventBusName is neither a name nor an ARN of a bus".to_owned());
        }
        if self.source.is_empty() || self.source.starts_with("aws.") {
            return Some(format!("not authorized for the source `{}`", self.source));
        }
        if self.detail_type.is_empty() || self.detail_type.len() > 128 {
            return Some("DetailType must have from 1 to 128 characters".to_owned());
        }
        let is_object = serde_json::from_str::<Value>(&self.detail).is_ok_and(|detail| detail.is_object());
        (!is_object).then(|| "Detail is malformed".to_owned())
    }
}

/// The entries of a request.
fn read(input: Option<&str>) -> Result<Vec<Entry>, AwsError> {
    let input = input.unwrap_or("{}");
    let request: PutEvents = serde_json::from_str(input)
        .map_err(|problem| validation(format!("Invalid RequestJson provided. Reason {problem}")))?;
    if !(1..=MOST_ENTRIES).contains(&request.entries.len()) || input.len() > MOST_BYTES {
        return Err(validation("a request has from 1 to 10 entries, and 1 MiB at most"));
    }
    Ok(request.entries)
}

/// Refuses what would never be put. AWS says so of the request's form when the schedule is made, and of an entry only when
/// it is due; there nobody would hear of it.
pub(super) fn check_input(input: Option<&str>) -> Result<(), AwsError> {
    read(input)?.iter().find_map(Entry::problem).map_or(Ok(()), |problem| Err(validation(problem)))
}

impl Buses {
    /// Does what a schedule is for.
    pub(super) fn put(&self, input: &str, now: i64) -> Result<(), AwsError> {
        check_input(Some(input))?;
        let time = jiff::Timestamp::from_millisecond(now).map(|time| format!("{time:.0}")).unwrap_or_default();
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in read(Some(input))? {
            events.push_back(json!({
                "bus": entry.event_bus_name.as_deref().unwrap_or("default"),
                "event": {
                    "version": "0",
                    "id": uuid::Uuid::new_v4().to_string(),
                    "detail-type": entry.detail_type,
                    "source": entry.source,
                    "account": "000000000000",
                    "time": time,
                    "region": "us-east-1",
                    "resources": [],
                    "detail": serde_json::from_str::<Value>(&entry.detail).unwrap_or_default(),
                },
            }));
        }
        while events.len() > KEPT {
            events.pop_front();
        }
        Ok(())
    }

    pub(super) fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
