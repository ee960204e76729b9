//! Tables and queues.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::intrinsics::{ACCOUNT, arn};
use super::parse::Node;
use super::resources::Context;
use super::{Problem, Queue, Redrive, Table};

const TABLE: &str = "AWS::DynamoDB::Table";
const QUEUE: &str = "AWS::SQS::Queue";

/// A table, with the body of the CreateTable request that makes it.
pub(super) fn table(context: &Context<'_>, properties: &Node) -> Result<Table, Problem> {
    let acted_on = [
        "TableName",
        "AttributeDefinitions",
        "KeySchema",
        "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes",
        "BillingMode",
        "ProvisionedThroughput",
        "TimeToLiveSpecification",
    ];
    let without_effect = [
        "DeletionProtectionEnabled",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "Tags",
        "ContributorInsightsSpecification",
        "OnDemandThroughput",
        "WarmThroughput",
        "TableClass",
        "ResourcePolicy",
    ];
    context.check(properties, TABLE, &acted_on, &without_effect)?;
    let mut body = Map::new();
    body.insert("TableName".to_owned(), json!(context.name));
    let mut defined = BTreeSet::new();
    let definitions = context.required(properties, "AttributeDefinitions")?;
    let mut attributes = Vec::new();
    for definition in definitions.items("AttributeDefinitions")? {
        context.check(definition, "an attribute definition", &["AttributeName", "AttributeType"], &[])?;
        let name = context.required(definition, "AttributeName")?.as_text("AttributeName")?;
        let kind = context.required(definition, "AttributeType")?;
        if !matches!(kind.as_text("AttributeType")?, "S" | "N" | "B") {
            return Err(context.wrong(kind.line, format!("gives `{name}` another type than S, N or B")));
        }
        defined.insert(name.to_owned());
        attributes.push(json!({ "AttributeName": name, "AttributeType": kind.as_text("AttributeType")? }));
    }
    body.insert("AttributeDefinitions".to_owned(), Value::Array(attributes));
    let mut keys = Keys { defined, used: BTreeSet::new() };
    body.insert("KeySchema".to_owned(), keys.schema(context, context.required(properties, "KeySchema")?)?);
    let billing = match properties.get("BillingMode") {
        Some(node) => match node.as_text("BillingMode")? {
            mode @ ("PAY_PER_REQUEST" | "PROVISIONED") => mode,
            other => {
                let problem = format!("has the BillingMode `{other}`; there are PAY_PER_REQUEST and PROVISIONED");
                return Err(context.wrong(node.line, problem));
            }
        },
        None => "PROVISIONED",
    };
    body.insert("BillingMode".to_owned(), json!(billing));
    let provisioned = billing == "PROVISIONED";
    throughput(context, properties, provisioned, &mut body)?;
    for (name, global) in [("GlobalSecondaryIndexes", true), ("LocalSecondaryIndexes", false)] {
        if let Some(node) = properties.get(name) {
            let mut indexes = Vec::new();
            for index in node.items(name)? {
                indexes.push(keys.index(context, index, global && provisioned)?);
            }
            body.insert(name.to_owned(), Value::Array(indexes));
        }
    }
    if let Some(unused) = keys.defined.difference(&keys.used).next() {
        let problem = format!("defines the attribute `{unused}`, which no key uses; DynamoDB refuses that");
        return Err(context.wrong(definitions.line, problem));
    }
    Ok(Table {
        logical_id: context.id.to_owned(),
        name: context.name.to_owned(),
        arn: arn("dynamodb", &format!("table/{}", context.name)),
        create_table: Value::Object(body),
        ttl_attribute: ttl(context, properties)?,
    })
}

/// Which attributes are defined, and which the keys have used.
struct Keys {
    defined: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Keys {
    fn schema(&mut self, context: &Context<'_>, node: &Node) -> Result<Value, Problem> {
        let mut schema = Vec::new();
        let elements = node.items("KeySchema")?;
        for (element, expected) in elements.iter().zip(["HASH", "RANGE"]) {
            context.check(element, "a key", &["AttributeName", "KeyType"], &[])?;
            let name = context.required(element, "AttributeName")?;
            let text = name.as_text("AttributeName")?;
            let kind = context.required(element, "KeyType")?;
            if kind.as_text("KeyType")? != expected {
                return Err(
                    context.wrong(kind.line, format!("needs the KeyType {expected} here (HASH first, then RANGE)"))
                );
            }
            if !self.defined.contains(text) {
                let problem = format!("has `{text}` in a key, which is not under AttributeDefinitions");
                return Err(context.wrong(name.line, problem));
            }
            self.used.insert(text.to_owned());
            schema.push(json!({ "AttributeName": text, "KeyType": expected }));
        }
        if !(1..=2).contains(&elements.len()) {
            return Err(context.wrong(node.line, "has a KeySchema that is not one HASH key and at most one RANGE key"));
        }
        Ok(Value::Array(schema))
    }

    fn index(&mut self, context: &Context<'_>, node: &Node, provisioned: bool) -> Result<Value, Problem> {
        let acted_on = ["IndexName", "KeySchema", "Projection", "ProvisionedThroughput"];
        let without_effect = ["ContributorInsightsSpecification", "OnDemandThroughput", "WarmThroughput"];
        context.check(node, "an index", &acted_on, &without_effect)?;
        let mut body = Map::new();
        body.insert("IndexName".to_owned(), json!(context.required(node, "IndexName")?.as_text("IndexName")?));
        body.insert("KeySchema".to_owned(), self.schema(context, context.required(node, "KeySchema")?)?);
        let projection = context.required(node, "Projection")?;
        context.check(projection, "a projection", &["ProjectionType", "NonKeyAttributes"], &[])?;
        let kind = context.required(projection, "ProjectionType")?;
        if !matches!(kind.as_text("ProjectionType")?, "ALL" | "KEYS_ONLY" | "INCLUDE") {
            return Err(context.wrong(kind.line, "has another ProjectionType than ALL, KEYS_ONLY or INCLUDE"));
        }
        let mut projected = json!({ "ProjectionType": kind.as_text("ProjectionType")? });
        if let Some(attributes) = projection.get("NonKeyAttributes") {
            let names = attributes.items("NonKeyAttributes")?.iter().map(|name| name.as_text("an attribute"));
            projected["NonKeyAttributes"] = json!(names.collect::<Result<Vec<_>, _>>()?);
        }
        body.insert("Projection".to_owned(), projected);
        throughput(context, node, provisioned, &mut body)?;
        Ok(Value::Object(body))
    }
}

fn throughput(
    context: &Context<'_>,
    node: &Node,
    provisioned: bool,
    body: &mut Map<String, Value>,
) -> Result<(), Problem> {
    let Some(units) = node.get("ProvisionedThroughput") else {
        if provisioned {
            return Err(context.wrong(node.line, "needs ProvisionedThroughput here, or `BillingMode: PAY_PER_REQUEST`"));
        }
        return Ok(());
    };
    if !provisioned {
        return Err(context.wrong(units.line, "has ProvisionedThroughput, which does not go with its BillingMode"));
    }
    context.check(units, "ProvisionedThroughput", &["ReadCapacityUnits", "WriteCapacityUnits"], &[])?;
    let read = context.required(units, "ReadCapacityUnits")?.as_number("ReadCapacityUnits", 1, u32::MAX)?;
    let write = context.required(units, "WriteCapacityUnits")?.as_number("WriteCapacityUnits", 1, u32::MAX)?;
    body.insert("ProvisionedThroughput".to_owned(), json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write }));
    Ok(())
}

fn ttl(context: &Context<'_>, properties: &Node) -> Result<Option<String>, Problem> {
    let Some(node) = properties.get("TimeToLiveSpecification") else { return Ok(None) };
    context.check(node, "TimeToLiveSpecification", &["AttributeName", "Enabled"], &[])?;
    let name = context.required(node, "AttributeName")?.as_text("AttributeName")?;
    let enabled = context.required(node, "Enabled")?.as_bool("Enabled")?;
    Ok(enabled.then(|| name.to_owned()))
}

pub(super) fn queue(context: &Context<'_>, properties: &Node) -> Result<Queue, Problem> {
    let acted_on = [
        "QueueName",
        "VisibilityTimeout",
        "MessageRetentionPeriod",
        "DelaySeconds",
        "MaximumMessageSize",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
        "FifoQueue",
    ];
    let without_effect =
        ["SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "RedriveAllowPolicy", "Tags"];
    context.check(properties, QUEUE, &acted_on, &without_effect)?;
    if let Some(fifo) = properties.get("FifoQueue")
        && fifo.as_bool("FifoQueue")?
    {
        return Err(context.wrong(fifo.line, "is a FIFO queue, which the local run does not have"));
    }
    let name = context.name;
    if !(1..=80).contains(&name.len()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        let problem = format!("has the name `{name}`; a name has 1 to 80 letters, digits, `-` and `_`");
        return Err(context.wrong(context.line, problem));
    }
    let seconds = |name: &str, least: u32, most: u32, default: u32| {
        Ok(Duration::from_secs(context.number(properties, name, least, most, default)?.into()))
    };
    let known = context.scope.resources.get(context.id);
    Ok(Queue {
        logical_id: context.id.to_owned(),
        name: name.to_owned(),
        url: known.map_or_else(|| format!("/{ACCOUNT}/{name}"), |known| known.reference.clone()),
        arn: arn("sqs", name),
        visibility_timeout: seconds("VisibilityTimeout", 0, 43_200, 30)?,
        delay: seconds("DelaySeconds", 0, 900, 0)?,
        retention: seconds("MessageRetentionPeriod", 60, 1_209_600, 345_600)?,
        max_message_size: context.number(properties, "MaximumMessageSize", 1024, 1_048_576, 1_048_576)? as usize,
        receive_wait: seconds("ReceiveMessageWaitTimeSeconds", 0, 20, 0)?,
        redrive: redrive(context, properties)?,
    })
}

fn redrive(context: &Context<'_>, properties: &Node) -> Result<Option<Redrive>, Problem> {
    let Some(policy) = properties.get("RedrivePolicy") else { return Ok(None) };
    context.check(policy, "a RedrivePolicy", &["deadLetterTargetArn", "maxReceiveCount"], &[])?;
    let target = context.required(policy, "deadLetterTargetArn")?;
    let dead_letter_arn = target.as_text("deadLetterTargetArn")?.to_owned();
    let is_queue = context.scope.resources.values().any(|known| {
        known.attributes.contains_key("QueueUrl") && known.attributes.get("Arn") == Some(&dead_letter_arn)
    });
    if !is_queue {
        let problem =
            format!("has the dead-letter queue `{dead_letter_arn}`, which is not the ARN of a queue of this template");
        return Err(context.wrong(target.line, problem));
    }
    if dead_letter_arn == arn("sqs", context.name) {
        return Err(context.wrong(target.line, "is its own dead-letter queue"));
    }
    let count = context.required(policy, "maxReceiveCount")?;
    let max_receive_count = count.as_number(&format!("maxReceiveCount of {}", context.whom), 1, 1000)?;
    Ok(Some(Redrive { dead_letter_arn, max_receive_count }))
}
