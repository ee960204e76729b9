//! The shape of an SQS batch, as Lambda hands it over and takes the answer back.

use serde::{Deserialize, Serialize};

/// A batch of messages. Fields that are not needed are not read.
#[derive(Debug, Clone, Deserialize)]
pub struct SqsEvent {
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub message_id: String,
    /// By which this very receipt of the message is deleted.
    pub receipt_handle: String,
    pub body: String,
    /// The queue's ARN.
    #[serde(default, rename = "eventSourceARN")]
    pub event_source_arn: String,
    #[serde(default)]
    attributes: Attributes,
}

/// What SQS says of a message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    /// How often it was taken from its queue, this time included; a number in a string.
    #[serde(default)]
    approximate_receive_count: Option<String>,
    /// In X-Ray's form; only of a message whose sender gave it.
    #[serde(default, rename = "AWSTraceHeader")]
    trace: Option<String>,
}

impl Record {
    /// How often the message was taken from its queue, this time included.
    pub fn receives(&self) -> u32 {
        self.attributes.approximate_receive_count.as_deref().and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    /// The trace that its sender sent it in, in the form of `X-Amzn-Trace-Id`.
    pub fn trace(&self) -> Option<&str> {
        self.attributes.trace.as_deref()
    }
}

/// Which messages go back to their queue. An empty list means that all are done with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    pub batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    pub item_identifier: String,
}

impl BatchResponse {
    /// Lambda takes an id that is not of the batch for a failure of the whole batch: give only ids that came in it.
    pub fn failures(ids: impl IntoIterator<Item = String>) -> Self {
        let failures = ids.into_iter().map(|item_identifier| BatchItemFailure { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }
}
