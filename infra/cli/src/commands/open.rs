//! `tenday open`: the dashboard, signed in.

use clap::Args;
use serde_json::{Value, json};
use tenday_model::ids::DeveloperId;

use crate::api::Api;
use crate::arguments::Common;
use crate::console::{Console, clean, word};
use crate::error::TendayError;

/// Open the dashboard in a browser
///
/// By a link that works once and for five minutes. The platform's client, if it has the scope dashboard:open, is signed in as
/// any developer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday open
  tenday open --print
  tenday open --profile platform --developer DEV-acme --read-only")]
pub(crate) struct Open {
    /// Whose dashboard, if you are the platform
    #[arg(long, value_name = "DEV-…")]
    developer: Option<DeveloperId>,
    /// Only look
    #[arg(long)]
    read_only: bool,
    /// For how many seconds, up to 43200 [default: an hour]
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u32>,
    /// Print the link instead: whoever has it is let in
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(open: Open, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let developer = match (open.developer, api.developer().await?) {
        (Some(developer), _) => developer.to_string(),
        (None, Some(own)) => own,
        (None, None) => {
            return Err(TendayError::Input("you are the platform; say whose dashboard: --developer DEV-…".to_owned()));
        }
    };
    let mut body = json!({ "developerId": developer });
    if open.read_only {
        body["scopes"] = json!(["configuration:read"]);
    }
    if let Some(seconds) = open.expires_in {
        body["expiresIn"] = seconds.into();
    }
    let answer = api.post("/dashboard/sessions", &body).await?;
    let link = link(&answer, api)?;
    if open.common.json {
        return Ok(console.json(&answer)?);
    }
    if open.print {
        return Ok(console.line(clean(&link))?);
    }
    match open::that_detached(&link) {
        Ok(()) => Ok(console.line(format!("Opened the dashboard of {} in your browser.", clean(&developer)))?),
        Err(error) => Err(TendayError::Failed(format!("no browser can be started ({error}): tenday open --print"))),
    }
}

/// A browser is sent to the API that was asked, and nowhere else.
fn link(answer: &Value, api: &Api) -> Result<String, TendayError> {
    let wrong = || TendayError::NotTheApi { url: api.url().to_string(), cause: word(&answer["url"]) };
    let link: url::Url = answer["url"].as_str().unwrap_or_default().parse().map_err(|_| wrong())?;
    if matches!(link.scheme(), "https" | "http") && link.host() == api.url().host() {
        Ok(link.to_string())
    } else {
        Err(wrong())
    }
}
