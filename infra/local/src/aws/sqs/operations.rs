//! SQS's operations: from a request's members to an answer's.

use serde_json::{Map, Value, json};

use super::message::{Draft, md5_of, md5_of_attributes, md5_of_trace};
use super::protocol::{self, batch, entries, integer, integer_in, invalid, missing, required_text, text, texts};
use super::{Inner, SENDER};
use crate::aws::error::AwsError;

/// The most that the messages of one request may have together.
const REQUEST_LIMIT: usize = 1_048_576;

impl Inner {
    pub(super) async fn call(&self, operation: &str, request: &Value) -> Result<Value, AwsError> {
        match operation {
            "SendMessage" => {
                let index = self.by_url(request)?;
                self.send_one(index, request)
            }
            "SendMessageBatch" => self.send_batch(request),
            "ReceiveMessage" => self.receive_message(request).await,
            "DeleteMessage" => {
                let index = self.by_url(request)?;
                self.delete(index, [required_text(request, "ReceiptHandle")?])?;
                Ok(json!({}))
            }
            "DeleteMessageBatch" => {
                let index = self.by_url(request)?;
                let delete = |entry: &Value| {
                    self.delete(index, [required_text(entry, "ReceiptHandle")?])?;
                    Ok(json!({}))
                };
                Ok(batch(entries(request)?.into_iter().map(|(id, entry)| (id, delete(entry))).collect()))
            }
            "ChangeMessageVisibility" => {
                let index = self.by_url(request)?;
                self.change_one(index, request)
            }
            "ChangeMessageVisibilityBatch" => {
                let index = self.by_url(request)?;
                let entries = entries(request)?.into_iter();
                Ok(batch(entries.map(|(id, entry)| (id, self.change_one(index, entry))).collect()))
            }
            "GetQueueUrl" => {
                let name = required_text(request, "QueueName")?;
                let state = self.state();
                let queue = state.queues.iter().find(|queue| queue.settings.name == name);
                let queue = queue.ok_or_else(protocol::no_queue)?;
                Ok(json!({ "QueueUrl": queue.settings.url }))
            }
            "GetQueueAttributes" => self.queue_attributes(request),
            "ListQueues" => self.list(request),
            "PurgeQueue" => {
                self.purge(self.by_url(request)?)?;
                Ok(json!({}))
            }
            other => Err(AwsError::unknown_operation("SQS", other)),
        }
    }

    /// A queue is known by its URL's path; the host is whatever name the caller has for this machine.
    fn by_url(&self, request: &Value) -> Result<usize, AwsError> {
        let url = required_text(request, "QueueUrl")?;
        let path = |url: &str| url.rsplit('/').take(2).map(str::to_owned).collect::<Vec<_>>();
        let state = self.state();
        let wanted = path(url);
        state.queues.iter().position(|queue| path(&queue.settings.url) == wanted).ok_or_else(protocol::no_queue)
    }

    fn send_one(&self, index: usize, request: &Value) -> Result<Value, AwsError> {
        self.send_draft(index, Draft::read(request)?)
    }

    fn send_draft(&self, index: usize, draft: Draft) -> Result<Value, AwsError> {
        let mut answer = json!({ "MD5OfMessageBody": md5_of(&draft.body) });
        if let Some(md5) = md5_of_attributes(draft.attributes.iter()) {
            answer["MD5OfMessageAttributes"] = json!(md5);
        }
        if let Some(md5) = md5_of_trace(draft.trace.as_deref()) {
            answer["MD5OfMessageSystemAttributes"] = json!(md5);
        }
        answer["MessageId"] = json!(self.send(index, draft)?);
        Ok(answer)
    }

    fn send_batch(&self, request: &Value) -> Result<Value, AwsError> {
        let index = self.by_url(request)?;
        let drafts: Vec<_> = entries(request)?.into_iter().map(|(id, entry)| (id, Draft::read(entry))).collect();
        let size: usize = drafts.iter().filter_map(|(_, draft)| draft.as_ref().ok()).map(Draft::size).sum();
        if size > REQUEST_LIMIT {
            let message =
                format!("Batch requests cannot be longer than {REQUEST_LIMIT} bytes. You have sent {size} bytes.");
            let name = "BatchRequestTooLong";
            return Err(protocol::refuse(name, &format!("AWS.SimpleQueueService.{name}"), message));
        }
        let send = |draft: Result<Draft, AwsError>| draft.and_then(|draft| self.send_draft(index, draft));
        Ok(batch(drafts.into_iter().map(|(id, draft)| (id, send(draft))).collect()))
    }

    async fn receive_message(&self, request: &Value) -> Result<Value, AwsError> {
        let index = self.by_url(request)?;
        let max = integer_in(request, "MaxNumberOfMessages", 1, 10)?.unwrap_or(1);
        let visibility = integer_in(request, "VisibilityTimeout", 0, 43_200)?;
        let wait = match integer_in(request, "WaitTimeSeconds", 0, 20)? {
            Some(seconds) => seconds * 1000,
            None => self.state().queues.get(index).map_or(0, |queue| super::millis(queue.settings.receive_wait)),
        };
        let mut system = texts(request, "MessageSystemAttributeNames")?;
        system.extend(texts(request, "AttributeNames")?);
        let own = texts(request, "MessageAttributeNames")?;
        let max = usize::try_from(max).unwrap_or(1);
        let taken = self.receive(index, max, visibility, wait).await?;
        let messages: Vec<Value> =
            taken.iter().map(|(message, handle)| message.answer(handle, SENDER, &system, &own)).collect();
        Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
    }

    fn change_one(&self, index: usize, request: &Value) -> Result<Value, AwsError> {
        let handle = required_text(request, "ReceiptHandle")?;
        let seconds = integer(request, "VisibilityTimeout")?.ok_or_else(|| missing("VisibilityTimeout"))?;
        if !(0..=43_200).contains(&seconds) {
            let reason = "Reason: VisibilityTimeout must be between 0 and 43200.";
            return Err(invalid(format!("Value {seconds} for parameter VisibilityTimeout is invalid. {reason}")));
        }
        self.change_visibility(index, handle, seconds)?;
        Ok(json!({}))
    }

    fn queue_attributes(&self, request: &Value) -> Result<Value, AwsError> {
        let index = self.by_url(request)?;
        let asked = texts(request, "AttributeNames")?;
        let now = self.clock.now_ms();
        let mut state = self.state();
        let queue = state.queues.get_mut(index).ok_or_else(protocol::no_queue)?;
        queue.tick(now);
        let depth = queue.depth();
        let settings = &queue.settings;
        let started = (self.started / 1000).to_string();
        let mut all = Map::new();
        let mut put = |name: &str, value: String| all.insert(name.to_owned(), Value::String(value));
        put("ApproximateNumberOfMessages", depth.visible.to_string());
        put("ApproximateNumberOfMessagesNotVisible", depth.in_flight.to_string());
        put("ApproximateNumberOfMessagesDelayed", depth.delayed.to_string());
        put("CreatedTimestamp", started.clone());
        put("LastModifiedTimestamp", started);
        put("DelaySeconds", settings.delay.as_secs().to_string());
        put("MaximumMessageSize", settings.max_message_size.to_string());
        put("MessageRetentionPeriod", settings.retention.as_secs().to_string());
        put("QueueArn", settings.arn.clone());
        put("ReceiveMessageWaitTimeSeconds", settings.receive_wait.as_secs().to_string());
        put("SqsManagedSseEnabled", "true".to_owned());
        put("VisibilityTimeout", settings.visibility_timeout.as_secs().to_string());
        if let Some(redrive) = &settings.redrive {
            let policy = json!({
                "deadLetterTargetArn": redrive.dead_letter_arn,
                "maxReceiveCount": redrive.max_receive_count,
            });
            put("RedrivePolicy", policy.to_string());
        }
        let optional =
            ["RedrivePolicy", "Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "RedriveAllowPolicy"];
        let unknown = |name: &&&str| **name != "All" && !all.contains_key(**name) && !optional.contains(*name);
        if let Some(name) = asked.iter().find(unknown) {
            let message = format!("Unknown Attribute {name}.");
            return Err(protocol::refuse("InvalidAttributeName", "InvalidAttributeName", message));
        }
        if !asked.contains(&"All") {
            all.retain(|name, _| asked.contains(&name.as_str()));
        }
        Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
    }

    fn list(&self, request: &Value) -> Result<Value, AwsError> {
        let prefix = text(request, "QueueNamePrefix")?.unwrap_or_default();
        let most = integer_in(request, "MaxResults", 1, 1000)?;
        let after = text(request, "NextToken")?.unwrap_or_default();
        let state = self.state();
        let mut queues: Vec<_> = state.queues.iter().map(|queue| &queue.settings).collect();
        queues.retain(|queue| queue.name.starts_with(prefix) && (after.is_empty() || queue.name.as_str() > after));
        queues.sort_by(|left, right| left.name.cmp(&right.name));
        let page = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(1000);
        let urls: Vec<_> = queues.iter().take(page).map(|queue| queue.url.as_str()).collect();
        let mut answer = json!({});
        if !urls.is_empty() {
            answer["QueueUrls"] = json!(urls);
        }
        // AWS pages only for those who asked for a page's size.
        if most.is_some() && queues.len() > page {
            answer["NextToken"] = json!(queues.get(page - 1).map(|queue| &queue.name));
        }
        Ok(answer)
    }
}
