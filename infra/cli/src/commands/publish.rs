//! `tenday publish`: what a platform's server does by program, by hand.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};
use tenday_model::ids::DeveloperId;

use super::{count, input};
use crate::api::Api;
use crate::arguments::Common;
use crate::console::{Console, some, word};
use crate::error::TendayError;

/// Publish an update, as the platform
///
/// Its data is JSON of the provider-neutral vocabulary, which docs/events of Tenday lists. A file may hold a whole update, or
/// {"updates": [ … ]} with up to a hundred.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday publish transactions.updated --developer DEV-acme --data '{\"linkId\": \"item-1\", \"newTransactions\": 3}'
  tenday publish item.error --developer DEV-acme --data @error.json --id repair-1
  tenday publish --file updates.json --profile platform")]
pub(crate) struct Publish {
    /// The event's name
    #[arg(required_unless_present = "file", requires = "developer")]
    event: Option<String>,
    /// Whom it concerns
    #[arg(long, value_name = "DEV-…")]
    developer: Option<DeveloperId>,
    /// What happened: JSON, @ and a file that holds it, or - for standard input
    #[arg(long, value_name = "JSON", default_value = "{}")]
    data: String,
    /// Your own id of the update: published again under the same, it is the same
    #[arg(long)]
    id: Option<String>,
    /// When it happened, if not now (ISO 8601)
    #[arg(long, value_name = "MOMENT")]
    occurred_at: Option<String>,
    /// The whole body, from a file, or - for standard input
    #[arg(long, conflicts_with_all = ["event", "developer", "data", "id", "occurred_at"])]
    file: Option<PathBuf>,
    /// Published again under the same key, it is the same
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Publish {
    fn body(&self) -> Result<Value, TendayError> {
        if let Some(file) = &self.file {
            return parsed(&file.display().to_string(), &input(file)?);
        }
        let data = match self.data.strip_prefix('@') {
            Some(file) => parsed(file, &input(file.as_ref())?)?,
            None if self.data == "-" => parsed("standard input", &input("-".as_ref())?)?,
            None => parsed("--data", self.data.as_bytes())?,
        };
        let mut body = Map::new();
        body.insert("developerId".to_owned(), self.developer.as_ref().map(ToString::to_string).into());
        body.insert("eventName".to_owned(), self.event.as_deref().into());
        body.insert("data".to_owned(), data);
        if let Some(id) = &self.id {
            body.insert("id".to_owned(), id.as_str().into());
        }
        if let Some(at) = &self.occurred_at {
            body.insert("occurredAt".to_owned(), at.as_str().into());
        }
        Ok(body.into())
    }
}

fn parsed(from: &str, text: &[u8]) -> Result<Value, TendayError> {
    serde_json::from_slice(text).map_err(|error| TendayError::Input(format!("{from} is not JSON: {error}")))
}

pub(crate) async fn run(publish: Publish, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let body = publish.body()?;
    let headers: Vec<(&'static str, &str)> =
        publish.idempotency_key.as_deref().map(|key| ("idempotency-key", key)).into_iter().collect();
    let answer = api.request(reqwest::Method::POST, "/updates", &[], &headers, Some(&body)).await?;
    let results = answer["updates"].as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
    if publish.common.json {
        console.json(&answer)?;
    } else {
        for result in &results {
            show(result, console)?;
        }
    }
    let refused = results.iter().filter(|result| !result["error_code"].is_null()).count();
    if refused > 0 {
        return Err(TendayError::Failed(format!("{refused} of {} refused", count(results.len(), "update"))));
    }
    Ok(())
}

fn show(result: &Value, console: &mut Console<'_>) -> Result<(), TendayError> {
    if let Some(code) = some(&result["error_code"]) {
        console.line(format!(
            "refused  {} ({code}, {})",
            word(&result["error_message"]),
            word(&result["request_id"])
        ))?;
        return Ok(());
    }
    console.line(word(&result["updateId"]))?;
    for event in result["events"].as_array().into_iter().flatten() {
        console.line(format!("  {}", word(&event["eventId"])))?;
        console.line(format!("    to {}", word(&event["webhookId"])))?;
    }
    if let Some(message) = some(&result["message"]) {
        console.line(format!("  {message}"))?;
    }
    Ok(())
}
