//! Parts of SQS's JSON protocol that several operations share: members of a request, refusals, batches.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::aws::error::{AwsError, Fault};

const NAMESPACE: &str = "com.amazonaws.sqs";

/// A refusal by its modelled name and the code that it had in the XML protocol, which is the one that SDKs read.
pub(super) fn refuse(name: &str, query_code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, name, message).with_namespace(NAMESPACE).with_query_code(query_code)
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    refuse("InvalidParameterValueException", "InvalidParameterValue", message)
}

pub(super) fn missing(member: &str) -> AwsError {
    let message = format!("The request must contain the parameter {member}.");
    refuse("MissingParameterException", "MissingParameter", message)
}

pub(super) fn no_queue() -> AwsError {
    let code = "AWS.SimpleQueueService.NonExistentQueue";
    refuse("QueueDoesNotExist", code, "The specified queue does not exist.")
}

pub(super) fn bad_handle(handle: &str) -> AwsError {
    let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
    refuse("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message)
}

pub(super) fn not_in_flight() -> AwsError {
    let code = "AWS.SimpleQueueService.MessageNotInflight";
    refuse("MessageNotInflight", code, "The specified message isn't in flight.")
}

pub(super) fn purge_in_progress(queue: &str) -> AwsError {
    let message = format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.");
    refuse("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", message)
}

fn ill_typed(member: &str, wanted: &str) -> AwsError {
    AwsError::new(400, "SerializationException", format!("{member} must be {wanted}"))
}

pub(super) fn integer(request: &Value, member: &str) -> Result<Option<i64>, AwsError> {
    match request.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| ill_typed(member, "a whole number")),
    }
}

/// A whole number in a range, if it is there.
pub(super) fn integer_in(request: &Value, member: &str, least: i64, most: i64) -> Result<Option<i64>, AwsError> {
    let value = integer(request, member)?;
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            let reason = format!("Reason: Must be between {least} and {most}, if provided.");
            Err(invalid(format!("Value {value} for parameter {member} is invalid. {reason}")))
        }
        _ => Ok(value),
    }
}

pub(super) fn text<'a>(request: &'a Value, member: &str) -> Result<Option<&'a str>, AwsError> {
    match request.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| ill_typed(member, "a text")),
    }
}

pub(super) fn required_text<'a>(request: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    text(request, member)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(member))
}

/// A list of texts; nothing is an empty one.
pub(super) fn texts<'a>(request: &'a Value, member: &str) -> Result<Vec<&'a str>, AwsError> {
    let wrong = || ill_typed(member, "a list of texts");
    match request.get(member) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => {
            let items = list.as_array().ok_or_else(wrong)?;
            items.iter().map(|item| item.as_str().ok_or_else(wrong)).collect()
        }
    }
}

/// Names one receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) number: u64,
    pub(super) receipt: u64,
}

impl Handle {
    pub(super) fn write(self, queue: &str) -> String {
        BASE64.encode(format!("{queue}:{}:{:x}", self.number, self.receipt))
    }

    pub(super) fn read(queue: &str, text: &str) -> Result<Handle, AwsError> {
        let parse = || {
            let plain = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
            let mut parts = plain.split(':');
            let of = parts.next()?;
            let number = parts.next()?.parse().ok()?;
            let receipt = u64::from_str_radix(parts.next()?, 16).ok()?;
            (of == queue && parts.next().is_none()).then_some(Handle { number, receipt })
        };
        parse().ok_or_else(|| bad_handle(text))
    }
}

/// The entries of a batch with their ids, or the refusal of the whole.
pub(super) fn entries(request: &Value) -> Result<Vec<(&str, &Value)>, AwsError> {
    let list = request.get("Entries").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let code = |name: &str| format!("AWS.SimpleQueueService.{name}");
    if list.is_empty() {
        let message = "There should be at least one entry in the request.";
        return Err(refuse("EmptyBatchRequest", &code("EmptyBatchRequest"), message));
    }
    if list.len() > 10 {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", list.len());
        let name = "TooManyEntriesInBatchRequest";
        return Err(refuse(name, &code(name), message));
    }
    let mut entries: Vec<(&str, &Value)> = Vec::with_capacity(list.len());
    for entry in list {
        let id = required_text(entry, "Id")?;
        let known = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if id.len() > 80 || !id.chars().all(known) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return Err(refuse("InvalidBatchEntryId", &code("InvalidBatchEntryId"), message));
        }
        if entries.iter().any(|(other, _)| *other == id) {
            let name = "BatchEntryIdsNotDistinct";
            return Err(refuse(name, &code(name), format!("Id {id} repeated.")));
        }
        entries.push((id, entry));
    }
    Ok(entries)
}

/// A batch's answer from the fate of each entry.
pub(super) fn batch(results: Vec<(&str, Result<Value, AwsError>)>) -> Value {
    let mut successful = Vec::new();
    let mut failed = Vec::new();
    for (id, result) in results {
        match result {
            Ok(mut answer) => {
                answer["Id"] = json!(id);
                successful.push(answer);
            }
            Err(problem) => {
                let code = problem.query_code.as_ref().unwrap_or(&problem.code);
                failed.push(json!({
                    "Id": id,
                    "Code": code,
                    "Message": problem.message,
                    "SenderFault": problem.fault() == Fault::Sender,
                }));
            }
        }
    }
    let mut answer = json!({ "Successful": successful });
    if !failed.is_empty() {
        answer["Failed"] = json!(failed);
    }
    answer
}
