//! `tenday webhooks`: who gets which events, and with which secret.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tenday_model::ids::{RequestId, WebhookId};

use super::config::{schedule_json, schedule_text};
use super::{count, headers, secret};
use crate::api::Api;
use crate::arguments::Common;
use crate::console::{Console, some, word};
use crate::error::TendayError;

pub(crate) const PATH: &str = "/configuration/webhooks";

/// Your webhooks: who gets which events
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday webhooks list
  tenday webhooks create --url https://example.com/hook --event TRANSACTIONS
  tenday webhooks create --pull
  tenday webhooks delete WBK-…")]
pub(crate) struct Webhooks {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    command: WebhooksCommand,
}

#[derive(Debug, Subcommand)]
enum WebhooksCommand {
    /// List them, with what is wrong with any
    #[command(after_help = "Examples:
  tenday webhooks list
  tenday webhooks list --deleted")]
    List {
        /// What was deleted within ten days, instead, and whether it can be restored
        #[arg(long)]
        deleted: bool,
    },
    /// Make one, and show its signing secret
    #[command(after_help = "Examples:
  tenday webhooks create --url https://example.com/hook
  tenday webhooks create --url https://example.com/hook --event TRANSACTIONS,ITEM.ERROR --link item-7
  tenday webhooks create --pull --secret-stdin")]
    Create(Box<Create>),
    /// Show one, with its errors and what was dropped
    #[command(after_help = "Example:\n  tenday webhooks show WBK-…")]
    Show { webhook: WebhookId },
    /// Change one
    #[command(after_help = "Examples:
  tenday webhooks set WBK-… --url https://example.com/new-hook
  tenday webhooks set WBK-… --enable
  tenday webhooks set WBK-… --rate-limit 10 --retry-schedule none")]
    Set(Box<Set>),
    /// See whether its address would be connected to, without doing so
    #[command(after_help = "Example:\n  tenday webhooks check WBK-…")]
    Check { webhook: WebhookId },
    /// Show its signing secret
    #[command(after_help = "Example:\n  tenday webhooks secret WBK-…")]
    Secret { webhook: WebhookId },
    /// Replace its signing secret; the old one signs beside it for a while
    #[command(after_help = "Examples:
  tenday webhooks rotate WBK-…
  tenday webhooks rotate WBK-… --overlap 0")]
    Rotate {
        webhook: WebhookId,
        /// For how many seconds the old secret signs too [default: a day]
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u32>,
    },
    /// Delete one; for ten days it can be restored
    #[command(after_help = "Example:\n  tenday webhooks delete WBK-…")]
    Delete { webhook: WebhookId },
    /// Undo a deletion
    #[command(after_help = "Example:\n  tenday webhooks restore REQ-…")]
    Restore {
        /// What deleting it printed; tenday webhooks list --deleted has it too
        #[arg(value_name = "REQ-…")]
        request: RequestId,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// Where its events are sent
    #[arg(long, required_unless_present = "pull", conflicts_with = "pull")]
    url: Option<String>,
    /// Have its events wait to be fetched, instead
    #[arg(long)]
    pull: bool,
    /// Only these events; may be given several times [default: all]
    #[arg(long = "event", visible_alias = "events", value_name = "EVENT,…", value_delimiter = ',')]
    events: Vec<String>,
    /// Only what is about these links; may be given several times [default: all]
    #[arg(long = "link", value_name = "LINK,…", value_delimiter = ',')]
    links: Vec<String>,
    /// The seconds between attempts
    #[arg(long, value_name = "SECONDS,…", value_parser = schedule_text, conflicts_with = "pull")]
    retry_schedule: Option<String>,
    /// Requests a second at most
    #[arg(long, value_name = "NUMBER", conflicts_with = "pull")]
    rate_limit: Option<u32>,
    /// Read headers that every request has, lines of `Name: value`, from standard input
    #[arg(long, conflicts_with = "secret_stdin")]
    headers_stdin: bool,
    /// Sign with a secret that its receiver has already (whsec_…), asked for or read from standard input
    #[arg(long)]
    secret_stdin: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
struct Set {
    webhook: WebhookId,
    /// Where its events are sent from now on
    #[arg(long, group = "change")]
    url: Option<String>,
    /// Let it get events again; its old failures are forgotten
    #[arg(long, group = "change", conflicts_with = "disable")]
    enable: bool,
    /// Send it nothing; its events are kept ten days
    #[arg(long, group = "change")]
    disable: bool,
    /// Only what is about these links from now on; may be given several times
    #[arg(long = "link", value_name = "LINK,…", value_delimiter = ',', group = "change")]
    links: Vec<String>,
    /// What is about any link
    #[arg(long, group = "change", conflicts_with = "links")]
    all_links: bool,
    /// The seconds between attempts; none for the configuration's
    #[arg(long, value_name = "SECONDS,…", value_parser = schedule_text, group = "change")]
    retry_schedule: Option<String>,
    /// Requests a second at most; none for no limit
    #[arg(long, value_name = "NUMBER", value_parser = limit, group = "change")]
    rate_limit: Option<String>,
    /// Read the headers that every request has, lines of `Name: value`, from standard input
    #[arg(long, group = "change")]
    headers_stdin: bool,
    /// Take its headers away
    #[arg(long, group = "change", conflicts_with = "headers_stdin")]
    no_headers: bool,
}

fn limit(text: &str) -> Result<String, String> {
    let is_number = text.parse::<u32>().is_ok();
    if text == "none" || is_number { Ok(text.to_owned()) } else { Err("a whole number, or none".to_owned()) }
}

/// The events and the links of a new webhook, in the API's words.
pub(crate) fn subscription(body: &mut Map<String, Value>, events: &[String], links: &[String]) {
    match events {
        [] => {}
        [one] => {
            body.insert("eventName".to_owned(), one.as_str().into());
        }
        several => {
            body.insert("eventNames".to_owned(), several.into());
        }
    }
    if !links.is_empty() {
        body.insert("linkIds".to_owned(), links.into());
    }
}

impl Create {
    fn body(&self) -> Result<Value, TendayError> {
        let mut body = Map::new();
        match &self.url {
            Some(url) => body.insert("callbackURL".to_owned(), url.as_str().into()),
            None => body.insert("kind".to_owned(), "pull".into()),
        };
        subscription(&mut body, &self.events, &self.links);
        if let Some(schedule) = &self.retry_schedule {
            body.insert("retrySchedule".to_owned(), schedule_json(schedule));
        }
        if let Some(limit) = self.rate_limit {
            body.insert("rateLimit".to_owned(), limit.into());
        }
        if self.headers_stdin {
            body.insert("headers".to_owned(), headers()?);
        }
        if self.secret_stdin {
            body.insert("secret".to_owned(), secret("signing secret")?.as_str().into());
        }
        Ok(body.into())
    }
}

impl Set {
    fn body(&self) -> Result<Value, TendayError> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        if let Some(url) = &self.url {
            put("callbackURL", url.as_str().into());
        }
        if self.enable || self.disable {
            put("status", if self.enable { "active" } else { "disabled" }.into());
        }
        if self.all_links {
            put("linkIds", Value::Null);
        } else if !self.links.is_empty() {
            put("linkIds", self.links.clone().into());
        }
        if let Some(schedule) = &self.retry_schedule {
            put("retrySchedule", schedule_json(schedule));
        }
        if let Some(limit) = &self.rate_limit {
            put("rateLimit", limit.parse::<u32>().map_or(Value::Null, Value::from));
        }
        if self.no_headers {
            put("headers", Value::Null);
        } else if self.headers_stdin {
            put("headers", headers()?);
        }
        Ok(body.into())
    }
}

pub(crate) async fn run(webhooks: Webhooks, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let json = webhooks.common.json;
    let answer = match &webhooks.command {
        WebhooksCommand::List { deleted: false } => api.get(PATH).await?,
        WebhooksCommand::List { deleted: true } => api.get("/configuration/deletions").await?,
        WebhooksCommand::Create(create) => api.post(PATH, &create.body()?).await?,
        WebhooksCommand::Show { webhook } => api.get(&format!("{PATH}/{webhook}")).await?,
        WebhooksCommand::Set(set) => api.patch(&format!("{PATH}/{}", set.webhook), &set.body()?).await?,
        WebhooksCommand::Check { webhook } => api.post(&format!("{PATH}/{webhook}/check"), &json!({})).await?,
        WebhooksCommand::Secret { webhook } => api.get(&format!("{PATH}/{webhook}/secret")).await?,
        WebhooksCommand::Rotate { webhook, overlap } => {
            let body = overlap.map_or_else(|| json!({}), |seconds| json!({ "overlapSeconds": seconds }));
            api.post(&format!("{PATH}/{webhook}/secret/rotate"), &body).await?
        }
        WebhooksCommand::Delete { webhook } => api.delete(&format!("{PATH}/{webhook}")).await?,
        WebhooksCommand::Restore { request } => api.post(&format!("{PATH}/restore/{request}"), &json!({})).await?,
    };
    if json {
        console.json(&answer)?;
    } else {
        shown(&webhooks.command, &answer, console)?;
    }
    match webhooks.command {
        WebhooksCommand::Check { .. } if answer["ok"] != true => {
            Err(TendayError::Failed("an attempt would not get through".to_owned()))
        }
        _ => Ok(()),
    }
}

fn shown(command: &WebhooksCommand, answer: &Value, console: &mut Console<'_>) -> Result<(), TendayError> {
    let webhook = &answer["webhook"];
    match command {
        WebhooksCommand::List { deleted: false } => list(answer, console),
        WebhooksCommand::List { deleted: true } => deletions(answer, console),
        WebhooksCommand::Create(_) => {
            console.fields(&fields(webhook))?;
            console.line("\nThe secret signs what is sent; tenday webhooks secret shows it again.")?;
            Ok(())
        }
        WebhooksCommand::Show { .. } => {
            console.fields(&fields(webhook))?;
            problems(webhook, usize::MAX, console)
        }
        WebhooksCommand::Set(_) | WebhooksCommand::Restore { .. } => Ok(console.fields(&fields(webhook))?),
        WebhooksCommand::Check { .. } => check(answer, console),
        WebhooksCommand::Secret { .. } => Ok(console.line(word(&answer["secret"]))?),
        WebhooksCommand::Rotate { .. } => Ok(console.fields(&[
            ("secret", some(&answer["secret"])),
            ("old one signs until", some(&answer["oldSecretsSignUntil"])),
        ])?),
        WebhooksCommand::Delete { webhook } => {
            let request = word(&answer["requestId"]);
            console.line(format!("Deleted {webhook}. For ten days this brings it back:"))?;
            Ok(console.line(format!("  tenday webhooks restore {request}"))?)
        }
    }
}

/// Which events a webhook gets, in a few words.
pub(crate) fn events_of(webhook: &Value) -> String {
    let names = match (&webhook["eventName"], &webhook["eventNames"]) {
        (Value::Null, Value::Null) => "all".to_owned(),
        (Value::Null, names) => word(names),
        (name, _) => word(name),
    };
    match webhook["linkIds"].as_array() {
        Some(links) => format!("{names}, of {}", count(links.len(), "link")),
        None => names,
    }
}

/// Where a webhook's events go.
pub(crate) fn target_of(webhook: &Value) -> String {
    if webhook["kind"] == "pull" { "(fetched)".to_owned() } else { word(&webhook["callbackURL"]) }
}

/// What needs to be known of each webhook, a row for each.
pub(crate) fn rows(webhooks: &[Value]) -> Vec<Vec<String>> {
    let row = |webhook: &Value| {
        let dropped = match (webhook["retrievalCount"].as_u64(), &webhook["moreRetrievals"]) {
            (Some(0) | None, _) => "-".to_owned(),
            (Some(number), Value::Bool(true)) => format!("{number}+"),
            (Some(number), _) => number.to_string(),
        };
        vec![
            word(&webhook["id"]),
            word(&webhook["status"]),
            events_of(webhook),
            target_of(webhook),
            word(&webhook["lastEventTime"]),
            dropped,
        ]
    };
    webhooks.iter().map(row).collect()
}

/// How many errors of a webhook are shown among others.
pub(crate) const NEWEST: usize = 3;

pub(crate) const HEADS: [&str; 6] = ["WEBHOOK", "STATUS", "EVENTS", "TO", "LAST EVENT", "DROPPED"];

fn list(answer: &Value, console: &mut Console<'_>) -> Result<(), TendayError> {
    let webhooks = answer["webhooks"].as_array().cloned().unwrap_or_default();
    if webhooks.is_empty() {
        return Ok(console.line("There are none: tenday webhooks create")?);
    }
    console.table(&HEADS, &rows(&webhooks))?;
    for webhook in webhooks.iter().filter(|webhook| webhook["status"] != "active") {
        console.line("")?;
        console.line(word(&webhook["id"]))?;
        problems(webhook, NEWEST, console)?;
    }
    Ok(())
}

/// What is wrong with a webhook: the newest of it, where there are others to show, too.
pub(crate) fn problems(webhook: &Value, most: usize, console: &mut Console<'_>) -> Result<(), TendayError> {
    for error in webhook["errors"].as_array().into_iter().flatten().take(most) {
        console.line(format!("  {}  {}: {}", word(&error["time"]), word(&error["code"]), word(&error["message"])))?;
    }
    if let Some(until) = some(&webhook["nextAttemptTime"]) {
        console.line(format!("  attempts are put off until {until}"))?;
    }
    let dropped = webhook["retrievalCount"].as_u64().unwrap_or_default();
    if dropped > 0 {
        let more = if webhook["moreRetrievals"] == true { " or more" } else { "" };
        let dropped = count(usize::try_from(dropped).unwrap_or(usize::MAX), "dropped event");
        console.line(format!("  {dropped}{more}: tenday dropped list --webhook {}", word(&webhook["id"])))?;
    }
    Ok(())
}

fn fields(webhook: &Value) -> Vec<(&'static str, Option<String>)> {
    let names = webhook["headers"].as_object().map(|headers| {
        let names: Vec<Value> = headers.keys().map(|name| name.as_str().into()).collect();
        word(&Value::from(names))
    });
    vec![
        ("id", some(&webhook["id"])),
        ("to", Some(target_of(webhook))),
        ("events", Some(events_of(webhook))),
        ("links", some(&webhook["linkIds"])),
        ("status", some(&webhook["status"])),
        ("secret", some(&webhook["secret"])),
        ("headers", names),
        ("retries", some(&webhook["retrySchedule"]).map(|seconds| format!("after {seconds} s"))),
        ("rate limit", some(&webhook["rateLimit"]).map(|limit| format!("{limit} a second"))),
        ("made for", some(&webhook["origin"])),
        ("bound links", some(&webhook["boundLinks"])),
        ("last event", some(&webhook["lastEvent"])),
        ("at", some(&webhook["lastEventTime"])),
    ]
}

fn deletions(answer: &Value, console: &mut Console<'_>) -> Result<(), TendayError> {
    let deletions = answer["deletions"].as_array().cloned().unwrap_or_default();
    if deletions.is_empty() {
        return Ok(console.line("Nothing was deleted within ten days.")?);
    }
    let row = |deletion: &Value| {
        let what = match deletion["kind"].as_str() {
            Some("webhook") => format!("webhook to {}", target_of(&deletion["webhook"])),
            _ => "configuration".to_owned(),
        };
        let can = match (&deletion["restorable"], &deletion["reason"]) {
            (Value::Bool(true), _) => "yes".to_owned(),
            (_, reason) => format!("no: {}", word(reason)),
        };
        vec![word(&deletion["requestId"]), what, word(&deletion["deletedTime"]), word(&deletion["expiresTime"]), can]
    };
    let rows: Vec<Vec<String>> = deletions.iter().map(row).collect();
    console.table(&["DELETION", "OF", "DELETED", "GONE", "RESTORABLE"], &rows)?;
    if answer["moreDeletions"] == true {
        console.line("There are more, which are older.")?;
    }
    Ok(())
}

fn check(answer: &Value, console: &mut Console<'_>) -> Result<(), TendayError> {
    console.line(word(&answer["host"]))?;
    for address in answer["addresses"].as_array().into_iter().flatten() {
        let verdict = match &address["reason"] {
            Value::Null => "allowed".to_owned(),
            reason => word(reason),
        };
        console.line(format!("  {}  {verdict}", word(&address["address"])))?;
    }
    if let Some(error) = some(&answer["error"]) {
        console.line(format!("  {error}"))?;
    }
    let entries = answer["allowlistEntries"].as_array().cloned().unwrap_or_default();
    if !entries.is_empty() {
        let entries: Vec<String> = entries.iter().map(word).collect();
        console.line(format!("  to do: tenday config allow {}", entries.join(" ")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_for_one_event_for_several_or_for_all() {
        let body = |events: &[&str], links: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            let mut body = Map::new();
            subscription(&mut body, &owned(events), &owned(links));
            Value::from(body)
        };
        assert_eq!(body(&[], &[]), json!({}));
        assert_eq!(body(&["A"], &[]), json!({ "eventName": "A" }));
        assert_eq!(body(&["A", "B"], &["l"]), json!({ "eventNames": ["A", "B"], "linkIds": ["l"] }));
        assert_eq!(events_of(&json!({ "eventName": null })), "all");
        assert_eq!(
            events_of(&json!({ "eventName": null, "eventNames": ["A", "B"], "linkIds": ["l"] })),
            "A, B, of 1 link"
        );
    }
}
