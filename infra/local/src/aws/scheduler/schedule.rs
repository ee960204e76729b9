//! One schedule: what a request may say, when it is due, what it sends.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bus;
use crate::aws::error::AwsError;

const QUEUE_PREFIX: &str = "arn:aws:sqs:";
const PUT_EVENTS: &str = "arn:aws:scheduler:::aws-sdk:eventbridge:putEvents";

/// What a schedule does when it is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Target {
    /// Sends to a queue, by its ARN.
    Queue(String),
    /// Makes the call with its input.
    PutEvents,
}

impl Target {
    fn read(arn: &str) -> Result<Self, AwsError> {
        if arn == PUT_EVENTS { Ok(Self::PutEvents) } else { queue(arn).map(Self::Queue) }
    }

    fn arn(&self) -> &str {
        match self {
            Self::Queue(arn) => arn,
            Self::PutEvents => PUT_EVENTS,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub(super) group: String,
    pub(super) name: String,
    /// The request as it was made, for the members that are only given back.
    request: Value,
    pub(super) at: i64,
    pub(super) enabled: bool,
    pub(super) delete_after: bool,
    pub(super) target: Target,
    pub(super) message_group: Option<String>,
    pub(super) dead_letter_arn: Option<String>,
    retries: u32,
    event_age_ms: i64,
    pub(super) created: i64,
    modified: i64,
    /// Sendings that failed.
    pub(super) attempts: u32,
    pub(super) retry_at: Option<i64>,
    /// It has fired, and stays for its `ActionAfterCompletion`.
    pub(super) done: bool,
}

pub(super) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationException", message)
}

fn not_here(what: &str) -> AwsError {
    validation(format!("the local run's Scheduler has no {what}"))
}

pub(super) fn missing_group(group: &str) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", format!("Schedule group {group} does not exist."))
}

pub(super) fn missing_schedule(name: &str) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", format!("Schedule {name} does not exist."))
}

pub(super) fn check_name(member: &str, name: &str) -> Result<(), AwsError> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(known) {
        return Ok(());
    }
    let rule =
        "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$ and have length less than or equal to 64";
    Err(validation(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: {rule}"
    )))
}

fn text<'a>(request: &'a Value, member: &str) -> Result<Option<&'a str>, AwsError> {
    match &request[member] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(AwsError::new(400, "SerializationException", format!("{member} must be a text"))),
    }
}

fn required<'a>(request: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    text(request, member)?.ok_or_else(|| {
        validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

fn one_of(request: &Value, member: &str, first: &str, second: &str) -> Result<bool, AwsError> {
    match text(request, member)? {
        None => Ok(true),
        Some(value) if value == first => Ok(true),
        Some(value) if value == second => Ok(false),
        Some(value) => Err(validation(format!("Value '{value}' at '{member}' must be one of {first}, {second}"))),
    }
}

fn bounded(request: &Value, member: &str, least: i64, most: i64, default: i64) -> Result<i64, AwsError> {
    match &request[member] {
        Value::Null => Ok(default),
        value => match value.as_i64() {
            Some(value) if (least..=most).contains(&value) => Ok(value),
            _ => Err(validation(format!("Value {value} at '{member}' must be from {least} to {most}"))),
        },
    }
}

impl Schedule {
    pub(super) fn read(name: &str, request: &Value, now: i64) -> Result<Schedule, AwsError> {
        let group = text(request, "GroupName")?.unwrap_or(super::DEFAULT_GROUP).to_owned();
        check_name("groupName", &group)?;
        let at = due(request)?;
        flexible_window(&request["FlexibleTimeWindow"])?;
        let target = &request["Target"];
        if target.is_null() {
            return Err(validation("1 validation error detected: Value null at 'target' must not be null"));
        }
        required(target, "RoleArn")?;
        let what = Target::read(required(target, "Arn")?)?;
        if what == Target::PutEvents {
            bus::check_input(text(target, "Input")?)?;
        }
        let dead_letter_arn = match text(&target["DeadLetterConfig"], "Arn")? {
            Some(arn) => Some(queue(arn)?),
            None => None,
        };
        if text(target, "Input")?.is_some_and(|input| input.is_empty() || input.len() > 256 * 1024) {
            return Err(validation("Target.Input must have from 1 to 262144 bytes"));
        }
        let retry = &target["RetryPolicy"];
        let retries = bounded(retry, "MaximumRetryAttempts", 0, 185, 185)?;
        let event_age_ms = bounded(retry, "MaximumEventAgeInSeconds", 60, 86_400, 86_400)? * 1000;
        Ok(Schedule {
            group,
            name: name.to_owned(),
            at,
            enabled: one_of(request, "State", "ENABLED", "DISABLED")?,
            delete_after: !one_of(request, "ActionAfterCompletion", "NONE", "DELETE")?,
            target: what,
            message_group: text(&target["SqsParameters"], "MessageGroupId")?.map(str::to_owned),
            dead_letter_arn,
            retries: u32::try_from(retries).unwrap_or_default(),
            event_age_ms,
            created: now,
            modified: now,
            attempts: 0,
            retry_at: None,
            done: false,
            request: request.clone(),
        })
    }

    pub(super) fn id(&self) -> (String, String) {
        (self.group.clone(), self.name.clone())
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:scheduler:us-east-1:000000000000:schedule/{}/{}", self.group, self.name)
    }

    /// When it is to be fired, if it is.
    pub(super) fn next_at(&self) -> Option<i64> {
        (self.enabled && !self.done).then(|| self.retry_at.unwrap_or(self.at))
    }

    pub(super) fn may_retry(&self, now: i64) -> bool {
        self.attempts <= self.retries && now - self.at.max(self.modified) < self.event_age_ms
    }

    /// Whether `other` is this schedule's own request once more: all the same, the ClientToken included.
    pub(super) fn is_repeated_by(&self, other: &Schedule) -> bool {
        !self.request["ClientToken"].is_null() && self.request == other.request
    }

    /// What its target gets.
    pub(super) fn input(&self) -> String {
        let time = jiff::Timestamp::from_millisecond(self.at)
            .map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let execution = uuid::Uuid::new_v4().to_string();
        match self.request["Target"]["Input"].as_str() {
            Some(input) => input
                .replace("<aws.scheduler.schedule-arn>", &self.arn())
                .replace("<aws.scheduler.scheduled-time>", &time)
                .replace("<aws.scheduler.execution-id>", &execution)
                .replace("<aws.scheduler.attempt-number>", &(self.attempts + 1).to_string()),
            None => json!({
                "version": "0",
                "id": execution,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": "000000000000",
                "time": time,
                "region": "us-east-1",
                "resources": [self.arn()],
                "detail": "{}",
            })
            .to_string(),
        }
    }

    pub(super) fn answer(&self) -> Value {
        let mut answer = json!({
            "ActionAfterCompletion": if self.delete_after { "DELETE" } else { "NONE" },
            "Arn": self.arn(),
            "CreationDate": seconds(self.created),
            "FlexibleTimeWindow": self.request["FlexibleTimeWindow"],
            "GroupName": self.group,
            "LastModificationDate": seconds(self.modified),
            "Name": self.name,
            "ScheduleExpression": self.request["ScheduleExpression"],
            "ScheduleExpressionTimezone": self.request["ScheduleExpressionTimezone"].as_str().unwrap_or("UTC"),
            "State": self.state(),
            "Target": self.request["Target"],
        });
        for member in ["Description", "StartDate", "EndDate", "KmsKeyArn"] {
            if !self.request[member].is_null() {
                answer[member] = self.request[member].clone();
            }
        }
        answer
    }

    pub(super) fn summary(&self) -> Value {
        json!({
            "Arn": self.arn(),
            "CreationDate": seconds(self.created),
            "GroupName": self.group,
            "LastModificationDate": seconds(self.modified),
            "Name": self.name,
            "State": self.state(),
            "Target": { "Arn": self.target.arn() },
        })
    }

    fn state(&self) -> &'static str {
        if self.enabled { "ENABLED" } else { "DISABLED" }
    }
}

/// REST-JSON's form of a time.
fn seconds(ms: i64) -> Value {
    let (whole, rest) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    serde_json::from_str(&format!("{whole}.{rest:03}")).unwrap_or(Value::Null)
}

/// When `at(...)` is, in UTC.
fn due(request: &Value) -> Result<i64, AwsError> {
    let expression = required(request, "ScheduleExpression")?;
    if expression.starts_with("rate(") || expression.starts_with("cron(") {
        return Err(not_here("recurring schedules (rate, cron); it has at(yyyy-mm-ddThh:mm:ss)"));
    }
    match text(request, "ScheduleExpressionTimezone")? {
        None | Some("UTC") => {}
        Some(zone) => return Err(not_here(&format!("time zone `{zone}`; it has UTC"))),
    }
    let invalid = || validation(format!("Invalid Schedule Expression {expression}."));
    let inner = expression.strip_prefix("at(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(invalid)?;
    // The parser is more lenient than AWS: each field has its full width.
    if inner.len() != "yyyy-mm-ddThh:mm:ss".len() || inner.as_bytes().get(10) != Some(&b'T') {
        return Err(invalid());
    }
    let time = DateTime::strptime("%Y-%m-%dT%H:%M:%S", inner).map_err(|_| invalid())?;
    let time = time.to_zoned(TimeZone::UTC).map_err(|_| invalid())?;
    Ok(time.timestamp().as_millisecond())
}

fn flexible_window(window: &Value) -> Result<(), AwsError> {
    if window.is_null() {
        return Err(validation("1 validation error detected: Value null at 'flexibleTimeWindow' must not be null"));
    }
    let minutes = !window["MaximumWindowInMinutes"].is_null();
    match required(window, "Mode")? {
        "OFF" if !minutes => Ok(()),
        "OFF" => Err(validation("MaximumWindowInMinutes must not be set when the flexible time window is OFF")),
        "FLEXIBLE" if minutes => bounded(window, "MaximumWindowInMinutes", 1, 1440, 1).map(|_| ()),
        "FLEXIBLE" => Err(validation("MaximumWindowInMinutes must be set when the flexible time window is FLEXIBLE")),
        mode => Err(validation(format!("Value '{mode}' at 'flexibleTimeWindow.mode' must be one of OFF, FLEXIBLE"))),
    }
}

fn queue(arn: &str) -> Result<String, AwsError> {
    if arn.starts_with(QUEUE_PREFIX) {
        return Ok(arn.to_owned());
    }
    if arn.starts_with("arn:") {
        return Err(not_here(&format!("target `{arn}`; it sends to SQS queues, by their ARN, and puts events")));
    }
    Err(validation(format!("Provided Arn is not in correct format: {arn}")))
}
