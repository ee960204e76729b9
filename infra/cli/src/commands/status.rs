//! `tenday status`: on one screen what arrives, what does not, and why.

use clap::Args;
use serde_json::{Value, json};

use super::count;
use super::webhooks::{HEADS, NEWEST, PATH, problems, rows};
use crate::api::Api;
use crate::arguments::Common;
use crate::console::{Console, clean, some, word};
use crate::error::TendayError;
use crate::settings::shown;

/// Show on one screen what arrives, what does not, and why
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday status
  tenday status --json")]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(status: &Status, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let Some(developer) = api.developer().await? else {
        let text = "this is the platform's client, and status is a developer's: tenday status --profile NAME";
        return Err(TendayError::NotSignedIn(text.to_owned()));
    };
    let configuration = match api.get("/configuration").await {
        Ok(mut answer) => answer["configuration"].take(),
        Err(error) if error.is("configuration_error.not_found") => Value::Null,
        Err(error) => return Err(error),
    };
    let list = if configuration.is_null() { json!({ "webhooks": [] }) } else { api.get(PATH).await? };
    if status.common.json {
        let answer = json!({
            "url": shown(api.url()),
            "developerId": developer,
            "configuration": configuration,
            "webhooks": list["webhooks"],
            "metadata": list["metadata"],
        });
        return Ok(console.json(&answer)?);
    }
    console.line(format!("{} at {}", clean(&developer), shown(api.url())))?;
    if configuration.is_null() {
        return Ok(console.line("No configuration yet: tenday config set --type plaid")?);
    }
    console.line(about(&configuration))?;
    let webhooks = list["webhooks"].as_array().cloned().unwrap_or_default();
    console.line("")?;
    if webhooks.is_empty() {
        return Ok(console.line("No webhooks yet: tenday webhooks create, or tenday listen")?);
    }
    console.table(&HEADS, &rows(&webhooks))?;
    // Those that need somebody; the others say enough by their line.
    for webhook in webhooks.iter().filter(|webhook| needs_somebody(webhook)) {
        console.line("")?;
        console.line(format!("{} {}", word(&webhook["id"]), console.painted(&word(&webhook["status"]))))?;
        problems(webhook, NEWEST, console)?;
        if webhook["status"] == "disabled" {
            console.line(format!("  to do: tenday webhooks set {} --enable", word(&webhook["id"])))?;
        }
    }
    let dropped = list["metadata"]["retrievalCount"].as_u64().unwrap_or_default();
    if dropped > 0 {
        let more = if list["metadata"]["moreRetrievals"] == true { " or more" } else { "" };
        let dropped = count(usize::try_from(dropped).unwrap_or(usize::MAX), "dropped event");
        console.line(format!("\n{dropped}{more} in all; to have them sent again: tenday dropped resend --all"))?;
    }
    Ok(())
}

fn about(configuration: &Value) -> String {
    let kind = some(&configuration["type"]).unwrap_or_else(|| "generic".to_owned());
    let name = some(&configuration["name"]).map(|name| format!("{name}: ")).unwrap_or_default();
    let addresses = configuration["ipAllowlist"].as_array().map_or(0, Vec::len);
    let allowed = match addresses {
        0 => "no address allowed".to_owned(),
        1 => "1 address or block allowed".to_owned(),
        several => format!("{several} addresses or blocks allowed"),
    };
    format!("{name}{kind} payloads, {} dates, {allowed}", word(&configuration["dateFormat"]))
}

fn needs_somebody(webhook: &Value) -> bool {
    let has = |name: &str| webhook[name].as_array().is_some_and(|list| !list.is_empty());
    webhook["status"] != "active" || has("errors") || webhook["retrievalCount"].as_u64().unwrap_or_default() > 0
}
