//! Who called what of AWS, how often, with how many bytes and for how many units of what AWS bills: what a delivery
//! costs is counted, not guessed. And on which table, queue or key: what a function may touch is then compared with what
//! it does touch (`infra/checks/policies.py`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::{Value, json};

/// The calls of one operation by one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    pub count: u64,
    pub request_bytes: u64,
    /// What the calls of a batch operation carried in all; equal to `count` for the others.
    pub entries: u64,
    /// SQS: requests as they are billed, one for each 64 KB of messages.
    pub requests: u64,
    /// DynamoDB, with [`crate::Options::units`]: read request units. What fails reports none.
    pub read_units: f64,
    /// The same for write request units.
    pub write_units: f64,
    /// Lambda: milliseconds from an event to its answer, a cold start included.
    pub busy_ms: f64,
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
    pub(crate) fn add(&self, caller: &str, service: &str, operation: &str, one: Count) {
        let mut calls = self.calls();
        let of_caller = calls.entry(caller.to_owned()).or_default();
        let sum = of_caller.entry(service.to_owned()).or_default().entry(operation.to_owned()).or_default();
        *sum = Count {
            count: sum.count + one.count,
            request_bytes: sum.request_bytes + one.request_bytes,
            entries: sum.entries + one.entries,
            requests: sum.requests + one.requests,
            read_units: sum.read_units + one.read_units,
            write_units: sum.write_units + one.write_units,
            busy_ms: sum.busy_ms + one.busy_ms,
        };
    }

    /// One invocation, counted when its answer is there.
    pub(crate) fn add_invocation(&self, function: &str, request_bytes: usize, entries: u64, took: Duration) {
        let busy_ms = took.as_secs_f64() * 1000.0;
        self.add(function, "lambda", "Invoke", Count { busy_ms, ..Count::one(request_bytes, entries) });
    }

    /// Remembers what one request does to what. Unlike the counts, that is never cleared.
    pub(crate) fn touch(&self, caller: &str, service: &str, operation: &str, body: &Value) {
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

impl Count {
    /// One call.
    pub(crate) fn one(request_bytes: usize, entries: u64) -> Self {
        Self { count: 1, request_bytes: request_bytes as u64, entries, ..Self::default() }
    }
}

/// How SQS bills a call with messages of so many bytes in all.
pub(crate) fn sqs_requests(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(64 * 1024).max(1)
}

/// The bytes of the messages that a request sends; 0 for other operations.
pub(crate) fn sent_bytes(body: &Value) -> usize {
    let entries = body["Entries"].as_array().into_iter().flatten();
    let bodies = entries.chain([body]).filter_map(|message| message["MessageBody"].as_str());
    bodies.map(str::len).sum()
}

/// Has a request ask DynamoDB for what it bills.
pub(crate) fn ask_for_units(request: &mut Value) {
    if let Some(members) = request.as_object_mut() {
        members.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
    }
}

/// The read and the write units that DynamoDB reports with its answer to `operation`.
pub(crate) fn units(operation: &str, answer: &[u8]) -> (f64, f64) {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let units = match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or(0.0),
    };
    let writes = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];
    if writes.contains(&operation) { (0.0, units) } else { (units, 0.0) }
}

/// How many entries a request of a batch operation carries.
pub(crate) fn entries(operation: &str, body: &Value) -> u64 {
    let count = |value: &Value| value.as_array().map_or(0, |entries| entries.len() as u64);
    let member = match operation {
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => "Entries",
        "TransactWriteItems" | "TransactGetItems" => "TransactItems",
        "BatchGetItem" | "BatchWriteItem" => "RequestItems",
        _ => return 1,
    };
    match (&body[member], operation) {
        (Value::Object(tables), "BatchGetItem") => tables.values().map(|table| count(&table["Keys"])).sum(),
        (Value::Object(tables), _) => tables.values().map(count).sum(),
        (list, _) => count(list),
    }
}

/// What a request does, part by part, and to which resource.
fn parts(operation: &str, body: &Value) -> Vec<(String, String)> {
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
        let count = |operation: &str, body: Value| entries(operation, &body);
        assert_eq!(count("PutItem", json!({})), 1);
        assert_eq!(count("SendMessageBatch", json!({ "Entries": [{}, {}] })), 2);
        let keys = json!({ "RequestItems": { "a": { "Keys": [{}, {}] }, "b": { "Keys": [{}] } } });
        assert_eq!(count("BatchGetItem", keys), 3);
        assert_eq!(count("BatchWriteItem", json!({ "RequestItems": { "a": [{}], "b": [{}, {}] } })), 3);
        assert_eq!(count("TransactWriteItems", json!({ "TransactItems": [{}, {}] })), 2);
    }

    #[test]
    fn each_part_of_a_request_touches_something() {
        let touched = |operation: &str, body: &str| {
            let parts = parts(operation, &serde_json::from_str(body).unwrap()).into_iter();
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

    #[test]
    fn queues_bill_by_64_kilobytes_of_messages() {
        let entry = |body: &str| json!({ "Id": "0", "MessageBody": body });
        assert_eq!(sent_bytes(&json!({ "QueueUrl": "q", "Entries": [entry("four"), entry("fiver")] })), 9);
        assert_eq!(sent_bytes(&json!({ "QueueUrl": "q", "MessageBody": "four" })), 4);
        assert_eq!([0, 65_536, 65_537].map(sqs_requests), [1, 1, 2]);
    }

    #[test]
    fn units_are_told_apart_by_operation() {
        let many = br#"{"ConsumedCapacity":[{"CapacityUnits":1.5},{"CapacityUnits":2.0}]}"#;
        assert_eq!(units("BatchGetItem", many), (3.5, 0.0));
        assert_eq!(units("BatchWriteItem", many), (0.0, 3.5));
        assert_eq!(units("PutItem", br#"{"ConsumedCapacity":{"CapacityUnits":2.0}}"#), (0.0, 2.0));
        assert_eq!(units("PutItem", b"{}"), (0.0, 0.0));
    }
}
