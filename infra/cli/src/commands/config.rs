//! `tenday config`: the developer's one configuration.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::arguments::{Common, schedule};
use crate::console::{Console, some, word};
use crate::error::TendayError;

/// Your configuration: the type of your payloads, and where webhooks may be sent
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday config get
  tenday config set --type plaid --name production
  tenday config allow 203.0.113.7 198.51.100.0/24")]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show it
    #[command(after_help = "Example:\n  tenday config get --json")]
    Get,
    /// Change it, or make it if there is none
    #[command(after_help = "Examples:
  tenday config set --type plaid
  tenday config set --type generic --date-format unix --retry-schedule 60,300,3600
  tenday config set --name none --retry-schedule none")]
    Set(Change),
    /// Allow webhooks to be sent to addresses: IPv4, IPv6, or blocks of them
    #[command(after_help = "Example:\n  tenday config allow 203.0.113.7 2001:db8::/32")]
    Allow {
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
    /// Take addresses off the allowlist
    #[command(after_help = "Example:\n  tenday config forbid 203.0.113.7")]
    Forbid {
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Change {
    /// Whose payloads you get: plaid, mx, yodlee, fdx, finicity, teller or generic
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// How moments are written: ISO, UTC or unix
    #[arg(long, value_name = "FORMAT")]
    date_format: Option<String>,
    /// What you call it; none for nothing
    #[arg(long)]
    name: Option<String>,
    /// The seconds between attempts; none for the type's own
    #[arg(long, value_name = "SECONDS,…", value_parser = schedule_text)]
    retry_schedule: Option<String>,
}

pub(crate) fn schedule_text(text: &str) -> Result<String, String> {
    schedule(text).map(|_| text.to_owned())
}

/// A schedule as the API takes it: null is whoever's own comes next.
pub(crate) fn schedule_json(text: &str) -> Value {
    if text == "none" { Value::Null } else { schedule(text).unwrap_or_default().into() }
}

fn or_null(text: String) -> Value {
    if text == "none" { Value::Null } else { text.into() }
}

impl Change {
    fn body(self) -> Value {
        let mut body = Map::new();
        if let Some(kind) = self.kind {
            body.insert("type".to_owned(), if kind == "generic" { Value::Null } else { kind.into() });
        }
        if let Some(format) = self.date_format {
            body.insert("dateFormat".to_owned(), format.into());
        }
        if let Some(name) = self.name {
            body.insert("name".to_owned(), or_null(name));
        }
        if let Some(schedule) = self.retry_schedule {
            body.insert("retrySchedule".to_owned(), schedule_json(&schedule));
        }
        body.into()
    }
}

pub(crate) async fn run(config: Config, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    const PATH: &str = "/configuration";
    let answer = match config.command {
        ConfigCommand::Get => api.get(PATH).await?,
        ConfigCommand::Set(change) => {
            let body = change.body();
            match api.patch(PATH, &body).await {
                Err(error) if error.is("configuration_error.not_found") => api.post(PATH, &made(body)).await?,
                answer => answer?,
            }
        }
        ConfigCommand::Allow { addresses } => api.patch(PATH, &json!({ "ipAllowlist": addresses })).await?,
        ConfigCommand::Forbid { addresses } => api.patch(PATH, &json!({ "removeFromIpAllowlist": addresses })).await?,
    };
    if config.common.json {
        return Ok(console.json(&answer)?);
    }
    show(&answer["configuration"], console)
}

/// What a new configuration is made of: nothing of it is cleared.
fn made(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, value| name == "type" || !value.is_null());
    }
    body
}

fn show(configuration: &Value, console: &mut Console<'_>) -> Result<(), TendayError> {
    let kind = some(&configuration["type"]).unwrap_or_else(|| "generic".to_owned());
    let retries = some(&configuration["retrySchedule"]).map(|seconds| format!("after {seconds} s"));
    let webhooks = configuration["webhookIds"].as_array().map_or(0, Vec::len);
    console.fields(&[
        ("id", some(&configuration["id"])),
        ("name", some(&configuration["name"])),
        ("type", Some(kind)),
        ("dates", some(&configuration["dateFormat"])),
        ("retries", Some(retries.unwrap_or_else(|| "the type's own".to_owned()))),
        ("allowlist", Some(word(&configuration["ipAllowlist"]))),
        ("webhooks", Some(webhooks.to_string())),
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cleared_is_null_and_what_is_left_out_stays() {
        let change = Change {
            kind: Some("generic".to_owned()),
            date_format: None,
            name: Some("none".to_owned()),
            retry_schedule: Some("60, 300".to_owned()),
        };
        let body = change.body();
        assert_eq!(body, json!({ "type": null, "name": null, "retrySchedule": [60, 300] }));
        assert_eq!(made(body), json!({ "type": null, "retrySchedule": [60, 300] }));
    }
}
