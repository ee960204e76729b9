//! `tenday events`: what became of each event.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tenday_model::ids::{EventId, WebhookId};

use super::webhooks::PATH as WEBHOOKS;
use crate::api::{Api, pages};
use crate::arguments::Common;
use crate::console::{Console, clean, some, word};
use crate::error::TendayError;

pub(crate) const RETRIEVALS: &str = "/configuration/webhooks/retrievals";

/// The events of the last ten days, and what became of each
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday events list --status dropped
  tenday events show EVT-…
  tenday events resend EVT-…")]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// List them, newest first: of one webhook, or of all
    #[command(after_help = "Examples:
  tenday events list
  tenday events list WBK-… --status pending --limit 100")]
    List {
        webhook: Option<WebhookId>,
        /// Only those that stand so
        #[arg(long)]
        status: Option<Status>,
        /// How many at most
        #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show one: its attempts, and what was sent
    #[command(after_help = "Example:\n  tenday events show EVT-…")]
    Show { event: EventId },
    /// Send a dropped event again, and show what its receiver says
    #[command(after_help = "Example:\n  tenday events resend EVT-…")]
    Resend { event: EventId },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Pending,
    Delivered,
    Dropped,
}

pub(crate) async fn run(events: Events, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let json = events.common.json;
    match events.command {
        EventsCommand::List { webhook, status, limit } => {
            let status = status.and_then(|status| status.to_possible_value()).map(|value| value.get_name().to_owned());
            let found = listed(webhook, status.as_deref(), limit as usize, api).await?;
            list(&found, json, "None is recorded.", console)
        }
        EventsCommand::Show { event } => {
            let answer = api.get(&format!("/configuration/events/{event}")).await?;
            if json { Ok(console.json(&answer)?) } else { show(&answer["event"], console) }
        }
        EventsCommand::Resend { event } => resend(&[event], json, api, console).await,
    }
}

/// The newest events of one webhook, or of all of them together.
async fn listed(
    webhook: Option<WebhookId>,
    status: Option<&str>,
    limit: usize,
    api: &Api,
) -> Result<Value, TendayError> {
    let query: Vec<(&str, String)> = status.map(|status| ("status", status.to_owned())).into_iter().collect();
    if let Some(webhook) = webhook {
        return pages(api, &format!("{WEBHOOKS}/{webhook}/events"), "events", &query, limit).await;
    }
    let webhooks = api.get(WEBHOOKS).await?;
    let mut all: Vec<Value> = Vec::new();
    for webhook in webhooks["webhooks"].as_array().into_iter().flatten() {
        let Some(id) = webhook["id"].as_str().and_then(|id| id.parse::<WebhookId>().ok()) else { continue };
        let mut found = pages(api, &format!("{WEBHOOKS}/{id}/events"), "events", &query, limit).await?;
        if let Some(found) = found["events"].as_array_mut() {
            all.append(found);
        }
    }
    // An event's id begins with the moment of publishing.
    all.sort_by(|one, other| other["id"].as_str().cmp(&one["id"].as_str()));
    all.truncate(limit);
    Ok(json!({ "events": all, "nextCursor": null }))
}

/// Shows a list of events.
pub(crate) fn list(answer: &Value, json: bool, none: &str, console: &mut Console<'_>) -> Result<(), TendayError> {
    if json {
        return Ok(console.json(answer)?);
    }
    let events = answer["events"].as_array().cloned().unwrap_or_default();
    if events.is_empty() {
        return Ok(console.line(none)?);
    }
    let row = |event: &Value| {
        let name = if event["test"] == true { "(test)" } else { "" };
        vec![
            word(&event["id"]),
            word(&event["status"]),
            format!("{} {name}", word(&event["eventName"])).trim_end().to_owned(),
            word(&event["publishedTime"]),
            why(event),
        ]
    };
    let rows: Vec<Vec<String>> = events.iter().map(row).collect();
    console.table(&["EVENT", "STATUS", "NAME", "PUBLISHED", "WHY"], &rows)?;
    if !answer["nextCursor"].is_null() {
        console.line("There are more: --limit NUMBER")?;
    }
    Ok(())
}

/// How an event came to stand as it does.
fn why(event: &Value) -> String {
    let last = &event["lastAttempt"];
    let answered = match (&last["responseCode"], &last["outcome"]) {
        (Value::Null, Value::Null) => None,
        (Value::Null, outcome) => Some(word(outcome)),
        (code, _) => Some(word(code)),
    };
    let mut why: Vec<String> = some(&event["dropReason"]).into_iter().collect();
    why.extend(answered);
    match event["attemptCount"].as_u64() {
        Some(attempts) if attempts > 1 => why.push(format!("{attempts} attempts")),
        _ => {}
    }
    if let Some(next) = some(&event["nextAttemptTime"]) {
        why.push(format!("next at {next}"));
    }
    if why.is_empty() { "-".to_owned() } else { why.join(", ") }
}

fn show(event: &Value, console: &mut Console<'_>) -> Result<(), TendayError> {
    let status = console.painted(&word(&event["status"]));
    console.fields(&[
        ("id", some(&event["id"])),
        ("name", some(&event["eventName"])),
        ("status", Some(status)),
        ("why", some(&event["dropReason"])),
        ("webhook", some(&event["webhookId"])),
        ("update", some(&event["updateId"])),
        ("published", some(&event["publishedTime"])),
        ("next attempt", some(&event["nextAttemptTime"])),
        ("dropped", some(&event["droppedTime"])),
        ("kept until", some(&event["expiresTime"])),
    ])?;
    let attempts = event["attempts"].as_array().cloned().unwrap_or_default();
    if !attempts.is_empty() {
        console.line("")?;
        let row = |attempt: &Value| {
            vec![
                word(&attempt["time"]),
                format!("{} ms", word(&attempt["milliseconds"])),
                word(&attempt["outcome"]),
                word(&attempt["responseCode"]),
                word(&attempt["responseBody"]),
            ]
        };
        let rows: Vec<Vec<String>> = attempts.iter().map(row).collect();
        console.table(&["ATTEMPT", "TOOK", "OUTCOME", "CODE", "ANSWER"], &rows)?;
    }
    console.line("")?;
    let request = &event["request"];
    if request.is_null() {
        if let Some(why) = some(&event["noRequest"]) {
            console.line(format!("The request is not shown: {why}"))?;
        }
        if !event["payload"].is_null() {
            console.json(&event["payload"])?;
        }
        return Ok(());
    }
    console.line(format!("{} {}", word(&request["method"]), word(&request["url"])))?;
    for header in request["headers"].as_array().into_iter().flatten() {
        let value = some(&header["value"]).unwrap_or_else(|| "(not shown)".to_owned());
        console.line(format!("{}: {value}", word(&header["name"])))?;
    }
    console.line("")?;
    // Its line breaks are the payload's own.
    for line in request["body"].as_str().unwrap_or_default().lines() {
        console.line(clean(line))?;
    }
    Ok(())
}

/// Sends dropped events again, one after the other. Fails if any was not taken.
pub(crate) async fn resend(
    events: &[EventId],
    json: bool,
    api: &Api,
    console: &mut Console<'_>,
) -> Result<(), TendayError> {
    let mut answers = Vec::new();
    let mut untaken = 0;
    for event in events {
        let mut answer = api.post(&format!("{RETRIEVALS}/{event}"), &json!({})).await?;
        answer["eventId"] = event.to_string().into();
        untaken += usize::from(answer["success"] == false);
        if !json {
            console.line(reattempted(&answer, console))?;
        }
        answers.push(answer);
    }
    if json {
        console.json(&json!({ "responses": answers }))?;
    }
    if untaken > 0 {
        let of = events.len();
        return Err(TendayError::Failed(format!("{untaken} of {of} not taken; what was not taken stays dropped")));
    }
    Ok(())
}

/// What a receiver said to an event that was sent again, or that it waits to be fetched.
pub(crate) fn reattempted(answer: &Value, console: &Console<'_>) -> String {
    let verdict = match answer["success"].as_bool().filter(|_| !answer["callbackUrl"].is_null()) {
        Some(true) => console.painted("taken"),
        Some(false) => console.painted("not taken"),
        None => "waits".to_owned(),
    };
    let said = match &answer["responseCode"] {
        Value::Null => word(&answer["responseMessage"]),
        code => format!("{} {}", word(code), word(&answer["responseMessage"])),
    };
    format!("{}  {verdict}  {said}", word(&answer["eventId"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_an_event_stands_so_is_said_in_few_words() {
        let event = json!({
            "dropReason": "attempts_spent", "attemptCount": 4, "nextAttemptTime": null,
            "lastAttempt": { "responseCode": "500", "outcome": "refused" },
        });
        assert_eq!(why(&event), "attempts_spent, 500, 4 attempts");
        let event = json!({ "attemptCount": 1, "lastAttempt": { "responseCode": null, "outcome": "timeout" }, "nextAttemptTime": "t" });
        assert_eq!(why(&event), "timeout, next at t");
        assert_eq!(why(&json!({ "attemptCount": 0, "lastAttempt": null })), "-");
    }
}
