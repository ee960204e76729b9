//! `tenday dropped`: the events that nobody took, for the ten days that they are kept.

use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tenday_model::ids::{EventId, JobId, WebhookId};

use super::events::{RETRIEVALS, list, reattempted, resend};
use crate::api::{Api, pages};
use crate::arguments::Common;
use crate::console::Console;
use crate::error::TendayError;

/// How often a job is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The events that nobody took: they are kept ten days, and can be sent again
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday dropped list
  tenday dropped resend EVT-…
  tenday dropped resend --all --webhook WBK-…")]
pub(crate) struct Dropped {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    command: DroppedCommand,
}

#[derive(Debug, Subcommand)]
enum DroppedCommand {
    /// List them, newest first
    #[command(after_help = "Examples:
  tenday dropped list
  tenday dropped list --event TRANSACTIONS.DEFAULT_UPDATE --since 2026-11-21 --limit 500")]
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Send some again, or all of them, and show what their receivers say
    ///
    /// Ends with 1 if any was not taken: it stays dropped.
    #[command(after_help = "Examples:
  tenday dropped resend EVT-… EVT-…
  tenday dropped resend --all --since 2026-11-21")]
    Resend {
        #[arg(value_name = "EVT-…", required_unless_present = "all", conflicts_with_all = ["all", "webhook", "event", "since", "until"])]
        events: Vec<EventId>,
        /// All of them, or all that are chosen
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only of this webhook
    #[arg(long, value_name = "WBK-…")]
    webhook: Option<WebhookId>,
    /// Only of this name
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Only what was published at that moment, or that day, or later
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// Only what was published before
    #[arg(long, value_name = "MOMENT")]
    until: Option<String>,
}

impl Which {
    fn query(self) -> Vec<(&'static str, String)> {
        let webhook = self.webhook.map(|webhook| webhook.to_string());
        let fields = [("webhookId", webhook), ("eventName", self.event), ("since", self.since), ("until", self.until)];
        fields.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }
}

pub(crate) async fn run(dropped: Dropped, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let json = dropped.common.json;
    match dropped.command {
        DroppedCommand::List { which, limit } => {
            let found = pages(api, RETRIEVALS, "events", &which.query(), limit as usize).await?;
            list(&found, json, "Nothing was dropped within ten days.", console)
        }
        DroppedCommand::Resend { events, all: false, .. } => resend(&events, json, api, console).await,
        DroppedCommand::Resend { which, .. } => resend_all(which, json, api, console).await,
    }
}

/// All of them. What the first answer does not hold is a job's, which is followed to its end.
async fn resend_all(which: Which, json: bool, api: &Api, console: &mut Console<'_>) -> Result<(), TendayError> {
    let answer = api.request(reqwest::Method::POST, RETRIEVALS, &which.query(), &[], None).await?;
    let responses = answer["responses"].as_array().cloned().unwrap_or_default();
    if !json {
        for response in &responses {
            console.line(reattempted(response, console))?;
        }
    }
    let job = match answer["jobId"].as_str().map(str::parse::<JobId>) {
        Some(Ok(job)) => follow(&job, api).await?,
        _ => Value::Null,
    };
    let untaken = responses.iter().filter(|response| response["success"] == false).count() as u64;
    let counted = |name: &str| job[name].as_u64().unwrap_or_default();
    let all = responses.len() as u64 + counted("succeeded") + counted("failed") + counted("queued");
    let untaken = untaken + counted("failed") + counted("queued");
    if json {
        console.json(&json!({ "responses": responses, "job": job }))?;
    } else if all == 0 {
        console.line("Nothing that was dropped is like that.")?;
    } else {
        console.line(format!("{} of {all} taken", all - untaken))?;
    }
    if untaken > 0 {
        return Err(TendayError::Failed(format!("{untaken} of {all} not taken; what was not taken stays dropped")));
    }
    Ok(())
}

/// Waits for a job's end, with a bar where somebody looks.
async fn follow(job: &JobId, api: &Api) -> Result<Value, TendayError> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} sent again, {msg}, {elapsed} so far") {
        bar.set_style(style);
    }
    loop {
        let state = api.get(&format!("{RETRIEVALS}/jobs/{job}")).await?;
        let counted = |name: &str| state[name].as_u64().unwrap_or_default();
        let ended = counted("succeeded") + counted("failed");
        bar.set_length(ended + counted("queued"));
        bar.set_position(ended);
        bar.set_message(format!("{} not taken", counted("failed")));
        if state["status"] != "running" {
            bar.finish_and_clear();
            return Ok(state);
        }
        tokio::time::sleep(EVERY).await;
    }
}
