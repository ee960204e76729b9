//! One message: what may be in it, its digests, and its two forms (SQS's answer, Lambda's event).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::protocol::{invalid, missing};
use crate::aws::error::AwsError;

/// A message attribute as SQS's JSON protocol carries it; a binary value stays in base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
}

pub(super) type Attributes = BTreeMap<String, Attribute>;

/// A message in a queue. What it says of its visibility is the truth; where the queue files it follows from that.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// Larger for every message sent, over all queues.
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    pub(super) sent: i64,
    /// When it can be received, or received again.
    pub(super) visible_at: i64,
    #[serde(default)]
    pub(super) received: u32,
    #[serde(default)]
    pub(super) first_received: Option<i64>,
    #[serde(default)]
    pub(super) last_received: Option<i64>,
    /// Tells the latest receive from those before it.
    #[serde(default)]
    pub(super) receipt: Option<u64>,
    /// The queue whose redrive brought it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dead_of: Option<String>,
}

/// What a sender gives, checked.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) trace: Option<String>,
    pub(super) group: Option<String>,
    pub(super) delay: Option<i64>,
}

impl Draft {
    /// Reads a SendMessage request, or one entry of a batch.
    pub(super) fn read(request: &Value) -> Result<Draft, AwsError> {
        let body = match request.get("MessageBody").and_then(Value::as_str) {
            None | Some("") => return Err(missing("MessageBody")),
            Some(body) => body.to_owned(),
        };
        check_characters(&body)?;
        let group = match request.get("MessageGroupId").filter(|group| !group.is_null()) {
            None => None,
            Some(group) => Some(check_group(group.as_str().unwrap_or_default())?.to_owned()),
        };
        if request.get("MessageDeduplicationId").is_some_and(|id| !id.is_null()) {
            return Err(invalid("The request include parameter that is not valid for this queue type"));
        }
        let delay = super::protocol::integer(request, "DelaySeconds")?;
        if let Some(delay) = delay
            && !(0..=900).contains(&delay)
        {
            let reason = "Reason: DelaySeconds must be >= 0 and <= 900.";
            return Err(invalid(format!("Value {delay} for parameter DelaySeconds is invalid. {reason}")));
        }
        let attributes = read_attributes(request, "MessageAttributes")?;
        let mut system = read_attributes(request, "MessageSystemAttributes")?;
        let trace = system.remove("AWSTraceHeader").and_then(|attribute| attribute.string_value);
        if let Some(name) = system.keys().next() {
            return Err(invalid(format!("Message system attribute name '{name}' is invalid.")));
        }
        Ok(Draft { body, attributes, trace, group, delay })
    }

    /// Bytes that count against a queue's limit: the body, and every attribute's name, type and value.
    pub(super) fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, attribute)| {
            name.len() + attribute.data_type.len() + attribute.value_bytes().map_or(0, |value| value.len())
        });
        self.body.len() + attributes.sum::<usize>()
    }
}

impl Attribute {
    /// The value as it is counted and digested. None where a binary value is not base64.
    fn value_bytes(&self) -> Option<Vec<u8>> {
        match (&self.string_value, &self.binary_value) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(binary)) => BASE64.decode(binary).ok(),
            (None, None) => None,
        }
    }
}

fn read_attributes(request: &Value, member: &str) -> Result<Attributes, AwsError> {
    let attributes: Attributes = match request.get(member) {
        None | Some(Value::Null) => return Ok(Attributes::new()),
        Some(value) => Attributes::deserialize(value)
            .map_err(|problem| AwsError::new(400, "SerializationException", format!("{member}: {problem}")))?,
    };
    if attributes.len() > 10 {
        return Err(invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [10].",
            attributes.len()
        )));
    }
    for (name, attribute) in &attributes {
        let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let lower = name.to_ascii_lowercase();
        if !(1..=256).contains(&name.len())
            || !name.chars().all(known)
            || name.starts_with('.')
            || name.ends_with('.')
            || name.contains("..")
            || lower.starts_with("aws.")
            || lower.starts_with("amazon.")
        {
            return Err(invalid(format!("The message attribute name '{name}' is invalid.")));
        }
        let kind = attribute.data_type.split('.').next().unwrap_or_default();
        let fits = match kind {
            "String" => attribute.string_value.as_ref().is_some_and(|value| !value.is_empty()),
            "Number" => attribute.string_value.as_ref().is_some_and(|value| value.parse::<f64>().is_ok()),
            "Binary" => {
                attribute.string_value.is_none() && attribute.value_bytes().is_some_and(|value| !value.is_empty())
            }
            _ => {
                let problem = format!("The message attribute '{name}' has an invalid message attribute type");
                return Err(invalid(format!(
                    "{problem}, the set of supported type prefixes is Binary, Number, and String."
                )));
            }
        };
        if !fits || attribute.data_type.len() > 256 {
            return Err(invalid(format!("The message attribute '{name}' must contain a non-empty value of its type.")));
        }
        if let Some(text) = &attribute.string_value {
            check_characters(text)?;
        }
    }
    Ok(attributes)
}

fn check_characters(text: &str) -> Result<(), AwsError> {
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    match text.chars().find(|c| !allowed(*c)) {
        None => Ok(()),
        Some(c) => {
            let problem = format!("Invalid binary character '#x{:X}' was found in the message body", u32::from(c));
            let rule = "the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";
            Err(AwsError::new(400, "InvalidMessageContents", format!("{problem}, {rule}"))
                .with_query_code("InvalidMessageContents"))
        }
    }
}

pub(super) fn check_group(group: &str) -> Result<&str, AwsError> {
    if (1..=128).contains(&group.len()) && group.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(group);
    }
    let reason = "Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
    Err(invalid(format!("Value {group} for parameter MessageGroupId is invalid. {reason}")))
}

pub(super) fn md5_of(text: &str) -> String {
    format!("{:x}", md5::compute(text))
}

/// SQS's digest over attributes: by name, each part with its length before it.
pub(super) fn md5_of_attributes<'a>(attributes: impl Iterator<Item = (&'a String, &'a Attribute)>) -> Option<String> {
    let mut bytes = Vec::new();
    let part = |bytes: &mut Vec<u8>, part: &[u8]| {
        // No part is longer than a message.
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(part);
    };
    for (name, attribute) in attributes {
        part(&mut bytes, name.as_bytes());
        part(&mut bytes, attribute.data_type.as_bytes());
        bytes.push(if attribute.string_value.is_some() { 1 } else { 2 });
        part(&mut bytes, &attribute.value_bytes().unwrap_or_default());
    }
    (!bytes.is_empty()).then(|| format!("{:x}", md5::compute(bytes)))
}

/// The digest over system attributes, of which there is one.
pub(super) fn md5_of_trace(trace: Option<&str>) -> Option<String> {
    let name = "AWSTraceHeader".to_owned();
    let attribute =
        Attribute { data_type: "String".to_owned(), string_value: Some(trace?.to_owned()), binary_value: None };
    md5_of_attributes(std::iter::once((&name, &attribute)))
}

impl Message {
    /// The attributes that SQS itself keeps, by their names.
    pub(super) fn system_attributes(&self, sender: &str) -> Map<String, Value> {
        let mut attributes = Map::new();
        let mut put = |name: &str, value: String| attributes.insert(name.to_owned(), Value::String(value));
        put("ApproximateReceiveCount", self.received.to_string());
        put("SentTimestamp", self.sent.to_string());
        put("SenderId", sender.to_owned());
        if let Some(first) = self.first_received {
            put("ApproximateFirstReceiveTimestamp", first.to_string());
        }
        if let Some(group) = &self.group {
            put("MessageGroupId", group.clone());
        }
        if let Some(source) = &self.dead_of {
            put("DeadLetterQueueSourceArn", source.clone());
        }
        if let Some(trace) = &self.trace {
            put("AWSTraceHeader", trace.clone());
        }
        attributes
    }

    /// The sender's attributes in the form of Lambda's SQS event.
    pub(super) fn lambda_attributes(&self) -> Map<String, Value> {
        let attribute = |attribute: &Attribute| {
            let mut form = json!({ "dataType": attribute.data_type, "stringListValues": [], "binaryListValues": [] });
            if let Some(text) = &attribute.string_value {
                form["stringValue"] = json!(text);
            }
            if let Some(binary) = &attribute.binary_value {
                form["binaryValue"] = json!(binary);
            }
            form
        };
        self.attributes.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
    }

    /// The message in ReceiveMessage's answer, with the attributes that were asked for.
    pub(super) fn answer(&self, handle: &str, sender: &str, system: &[&str], own: &[&str]) -> Value {
        let mut answer = json!({
            "MessageId": self.id,
            "ReceiptHandle": handle,
            "MD5OfBody": md5_of(&self.body),
            "Body": self.body,
        });
        let mut attributes = self.system_attributes(sender);
        attributes.retain(|name, _| system.contains(&"All") || system.contains(&name.as_str()));
        if !attributes.is_empty() {
            answer["Attributes"] = Value::Object(attributes);
        }
        let wanted = |name: &str| {
            own.iter().any(|asked| match asked.strip_suffix(".*") {
                Some(prefix) => {
                    prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
                }
                None => *asked == "All" || *asked == name,
            })
        };
        let chosen: Vec<_> = self.attributes.iter().filter(|(name, _)| wanted(name)).collect();
        if let Some(md5) = md5_of_attributes(chosen.iter().copied()) {
            answer["MD5OfMessageAttributes"] = json!(md5);
            answer["MessageAttributes"] = json!(chosen.into_iter().collect::<BTreeMap<_, _>>());
        }
        answer
    }
}
