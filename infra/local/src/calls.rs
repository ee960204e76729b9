//! Who called what of AWS, how often and with how many bytes: what a delivery costs is counted, not guessed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::Value;

/// The calls of one operation by one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    pub count: u64,
    pub request_bytes: u64,
    /// What the calls of a batch operation carried in all; equal to `count` for the others.
    pub entries: u64,
}

/// By function (logical id; `external` is everyone else, `mappings` what Lambda's pollers do), service and operation.
pub type Calls = BTreeMap<String, BTreeMap<String, BTreeMap<String, Count>>>;

/// Calls that are not signed with a sandbox's keys.
pub(crate) const EXTERNAL: &str = "external";
/// What the event source mappings receive and delete. Empty receives are not counted: locally there are none.
pub(crate) const MAPPINGS: &str = "mappings";

#[derive(Default)]
pub(crate) struct Ledger {
    calls: Mutex<Calls>,
}

impl Ledger {
    pub(crate) fn add(&self, caller: &str, service: &str, operation: &str, request_bytes: usize, entries: u64) {
        let mut calls = self.calls();
        let of_caller = calls.entry(caller.to_owned()).or_default();
        let count = of_caller.entry(service.to_owned()).or_default().entry(operation.to_owned()).or_default();
        count.count += 1;
        count.request_bytes += request_bytes as u64;
        count.entries += entries;
    }

    pub(crate) fn snapshot(&self) -> Calls {
        self.calls().clone()
    }

    pub(crate) fn clear(&self) {
        self.calls().clear();
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many entries a request of a batch operation carries.
pub(crate) fn entries(operation: &str, body: &[u8]) -> u64 {
    let count = |value: &Value| value.as_array().map_or(0, |entries| entries.len() as u64);
    let member = match operation {
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => "Entries",
        "TransactWriteItems" | "TransactGetItems" => "TransactItems",
        "BatchGetItem" | "BatchWriteItem" => "RequestItems",
        _ => return 1,
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return 0 };
    match (&body[member], operation) {
        (Value::Object(tables), "BatchGetItem") => tables.values().map(|table| count(&table["Keys"])).sum(),
        (Value::Object(tables), _) => tables.values().map(count).sum(),
        (list, _) => count(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_batches_are_counted() {
        assert_eq!(entries("PutItem", b"{}"), 1);
        assert_eq!(entries("SendMessageBatch", br#"{"Entries":[{},{}]}"#), 2);
        assert_eq!(entries("BatchGetItem", br#"{"RequestItems":{"a":{"Keys":[{},{}]},"b":{"Keys":[{}]}}}"#), 3);
        assert_eq!(entries("BatchWriteItem", br#"{"RequestItems":{"a":[{}],"b":[{},{}]}}"#), 3);
        assert_eq!(entries("TransactWriteItems", br#"{"TransactItems":[{},{}]}"#), 2);
    }
}
