//! `tenday trigger`: has an event's documented example sent.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tenday_model::ids::WebhookId;

use super::webhooks::PATH;
use crate::api::Api;
use crate::arguments::Common;
use crate::console::{Console, word};
use crate::error::TendayError;

/// How long --wait looks for an outcome, and how often.
const PATIENCE: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(500);

/// Have an event's documented example sent to your webhooks, marked as a test
///
/// The event is one of your type's, by its full name; another is refused with a list of those that there are. Without --webhook
/// it goes to each enabled webhook that gets such events.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday trigger TRANSACTIONS.DEFAULT_UPDATE
  tenday trigger ITEM.ERROR --webhook WBK-… --wait")]
pub(crate) struct Trigger {
    event: String,
    /// To this webhook alone
    #[arg(long, value_name = "WBK-…")]
    webhook: Option<WebhookId>,
    /// Wait for what becomes of it, for 20 seconds at most
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(trigger: Trigger, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let webhooks = match trigger.webhook {
        Some(webhook) => vec![webhook],
        None => takers(&trigger.event, &api.get(PATH).await?),
    };
    if webhooks.is_empty() {
        return Err(TendayError::Failed(format!("no enabled webhook gets {}: tenday webhooks list", trigger.event)));
    }
    let mut sent = Vec::new();
    let mut all_well = true;
    for webhook in webhooks {
        let body = json!({ "eventName": trigger.event });
        let mut answer = api.post(&format!("{PATH}/{webhook}/examples"), &body).await?;
        answer["webhookId"] = webhook.to_string().into();
        if trigger.wait {
            let event = outcome(&answer, api).await?;
            all_well &= event["status"] == "delivered";
            answer["status"] = event["status"].clone();
            answer["lastAttempt"] = event["lastAttempt"].clone();
        }
        if !trigger.common.json {
            let status = match &answer["status"] {
                Value::Null => "sent".to_owned(),
                status => console.painted(&word(status)),
            };
            console.line(format!("{}  {status} to {webhook}", word(&answer["eventId"])))?;
        }
        sent.push(answer);
    }
    if trigger.common.json {
        console.json(&json!({ "events": sent }))?;
    }
    if all_well { Ok(()) } else { Err(TendayError::Failed("not delivered yet: tenday events show EVT-…".to_owned())) }
}

/// The enabled webhooks that get such events.
fn takers(event: &str, list: &Value) -> Vec<WebhookId> {
    let group = event.split('.').next().unwrap_or(event);
    let is_it = |name: &Value| name == event || name == group;
    let gets = |webhook: &Value| match (&webhook["eventName"], webhook["eventNames"].as_array()) {
        (Value::Null, None) => true,
        (Value::Null, Some(names)) => names.iter().any(is_it),
        (name, _) => is_it(name),
    };
    let webhooks = list["webhooks"].as_array().into_iter().flatten();
    let takers = webhooks.filter(|webhook| webhook["status"] != "disabled" && gets(webhook));
    takers.filter_map(|webhook| webhook["id"].as_str()?.parse().ok()).collect()
}

/// The event, once something became of it, or as it is when patience ends.
async fn outcome(answer: &Value, api: &Api) -> Result<Value, TendayError> {
    let started = Instant::now();
    loop {
        let mut found = api.get(&format!("/configuration/events/{}", word(&answer["eventId"]))).await?;
        let event = found["event"].take();
        if event["status"] != "pending" || !event["lastAttempt"].is_null() || started.elapsed() > PATIENCE {
            return Ok(event);
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_goes_to_those_who_get_such_events() {
        let webhook = |number: u32, names: Value, status: &str| {
            let mut webhook = json!({ "id": format!("WBK-01a2004e-6267-7204-b19f-{number:012}"), "status": status });
            webhook["eventName"] = if names.is_array() { Value::Null } else { names.clone() };
            if names.is_array() {
                webhook["eventNames"] = names;
            }
            webhook
        };
        let list = json!({ "webhooks": [
            webhook(1, Value::Null, "active"),
            webhook(2, json!("ITEM"), "failing"),
            webhook(3, json!("ITEM.ERROR"), "disabled"),
            webhook(4, json!(["ITEM.ERROR", "X"]), "active"),
            webhook(5, json!("TRANSACTIONS"), "active"),
        ]});
        let numbers = |event: &str| -> Vec<String> {
            takers(event, &list).iter().map(|id| id.to_string().split_off(39)).collect()
        };
        assert_eq!(numbers("ITEM.ERROR"), ["1", "2", "4"]);
        assert_eq!(numbers("TRANSACTIONS.DEFAULT_UPDATE"), ["1", "5"]);
    }
}
