//! Who called what of AWS, how often and with how many bytes: what a delivery costs is counted, not guessed. And on which
//! table, queue or key: what a function may touch is then compared with what it does touch (`infra/checks/policies.py`).

use std::{
    collections::{BTreeMap, BTreeSet},
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

/// One thing that a caller did to one resource. Batches and transactions are taken apart, for IAM judges their parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Touched {
    pub(crate) caller: String,
    pub(crate) service: String,
    /// `PutItem`; `TransactWriteItems.Put` for a part of a transaction.
    pub(crate) operation: String,
    /// As the request names it: a table, `table/index/name`, a queue's URL, a key, a schedule group, a role's ARN.
    pub(crate) resource: String,
}

#[derive(Default)]
pub(crate) struct Ledger {
    calls: Mutex<Calls>,
    touched: Mutex<BTreeSet<Touched>>,
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

    /// Remembers what one request does to what. Unlike the counts, that is never cleared.
    pub(crate) fn touch(&self, caller: &str, service: &str, operation: &str, body: &[u8]) {
        let mut known = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        for (operation, resource) in parts(operation, body) {
            known.insert(Touched { caller: caller.to_owned(), service: service.to_owned(), operation, resource });
        }
    }

    pub(crate) fn touched(&self) -> BTreeSet<Touched> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// What a request does, part by part, and to which resource.
fn parts(operation: &str, body: &[u8]) -> Vec<(String, String)> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |resource: String| vec![(operation.to_owned(), resource)];
    match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.keys());
            tables.map(|table| (operation.to_owned(), table.clone())).collect()
        }
        "TransactWriteItems" | "TransactGetItems" => {
            let actions = body["TransactItems"].as_array().into_iter().flatten();
            let actions = actions.filter_map(Value::as_object).flatten();
            actions.map(|(kind, action)| (format!("{operation}.{kind}"), text(&action["TableName"]))).collect()
        }
        "CreateSchedule" | "UpdateSchedule" => {
            let role = (format!("{operation}.RoleArn"), text(&body["Target"]["RoleArn"]));
            vec![(operation.to_owned(), text(&body["GroupName"])), role]
        }
        _ if body["TableName"].is_string() => {
            let table = text(&body["TableName"]);
            one(body["IndexName"].as_str().map_or(table.clone(), |index| format!("{table}/index/{index}")))
        }
        _ if body["QueueUrl"].is_string() => one(text(&body["QueueUrl"])),
        // Decrypt may leave the key out; there is one.
        _ => one(text(&body["KeyId"])),
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

    #[test]
    fn each_part_of_a_request_touches_something() {
        let touched = |operation: &str, body: &str| {
            let parts = parts(operation, body.as_bytes()).into_iter();
            parts.map(|(operation, resource)| format!("{operation} {resource}")).collect::<Vec<_>>()
        };
        assert_eq!(touched("PutItem", r#"{"TableName":"a"}"#), ["PutItem a"]);
        assert_eq!(touched("Query", r#"{"TableName":"a","IndexName":"b"}"#), ["Query a/index/b"]);
        assert_eq!(
            touched("BatchGetItem", r#"{"RequestItems":{"a":{"Keys":[{},{}]},"b":{}}}"#),
            ["BatchGetItem a", "BatchGetItem b"]
        );
        let transaction = r#"{"TransactItems":[{"Put":{"TableName":"a"}},{"ConditionCheck":{"TableName":"b"}}]}"#;
        assert_eq!(
            touched("TransactWriteItems", transaction),
            ["TransactWriteItems.Put a", "TransactWriteItems.ConditionCheck b"]
        );
        assert_eq!(
            touched("SendMessageBatch", r#"{"QueueUrl":"http://q","Entries":[{}]}"#),
            ["SendMessageBatch http://q"]
        );
        assert_eq!(touched("Decrypt", r#"{"KeyId":"k"}"#), ["Decrypt k"]);
        assert_eq!(
            touched("CreateSchedule", r#"{"GroupName":"g","Target":{"RoleArn":"r"}}"#),
            ["CreateSchedule g", "CreateSchedule.RoleArn r"]
        );
    }
}
