//! Events whose automatic attempts are spent: which there are, and another attempt at all of them.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenday_model::delivery::job::{Filter, Job};
use tenday_model::ids::JobId;
use tenday_store::{JobMessage, random};

use crate::arguments::DroppedCommand;
use crate::error::AdminError;
use crate::place::Place;
use crate::show::{clean, columns, moment};

/// Events of one query.
const PAGE: usize = 500;
/// The longest that what a job will do is counted.
const COUNTING: Duration = Duration::from_secs(5);

pub(crate) async fn run(
    place: Place,
    command: DroppedCommand,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    match command {
        DroppedCommand::List { developer, webhook, limit } => {
            let found = place.find("operator-dropped-list").await?;
            let (now, events) = (found.now().await?, found.events()?);
            let (mut dropped, mut next) = (Vec::new(), None);
            while dropped.len() < limit {
                let most = (limit - dropped.len()).min(PAGE);
                let page = events.dropped(&developer, webhook, most, next, now).await?;
                dropped.extend(page.events);
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
            if as_json {
                let shown = dropped.iter().map(|event| {
                    let (reason, at) = event.dropped().map(|(reason, at)| (reason.name(), moment(at))).unzip();
                    json!({
                        "eventId": event.id,
                        "webhookId": event.id.webhook,
                        "eventName": event.event_name,
                        "dropReason": reason,
                        "droppedAt": at,
                        "attempts": event.attempts.len(),
                        "lastOutcome": event.attempts.last().map(|attempt| attempt.class.name()),
                        "lastStatus": event.attempts.last().and_then(|attempt| attempt.status),
                    })
                });
                let shown = json!({ "events": shown.collect::<Vec<Value>>(), "more": next.is_some() });
                writeln!(output, "{shown:#}")?;
                return Ok(());
            }
            let rows = dropped.iter().map(|event| {
                let (reason, at) = event.dropped().map(|(reason, at)| (reason.name(), moment(at))).unzip();
                let last = event.attempts.last();
                let last =
                    last.map(|last| format!("{} {}", last.class.name(), clean(&last.answer))).unwrap_or_default();
                let at = at.unwrap_or_default();
                vec![event.id.to_string(), at, reason.unwrap_or_default().to_owned(), clean(&event.event_name), last]
            });
            columns(output, &rows.collect::<Vec<_>>())?;
            if dropped.is_empty() {
                writeln!(output, "{developer} has no dropped events.")?;
            }
            if next.is_some() {
                writeln!(output, "There are more: --limit")?;
            }
            Ok(())
        }
        DroppedCommand::Reattempt { developer, webhook } => {
            let found = place.find("operator-dropped-reattempt").await?;
            found.same_version()?;
            let (now, jobs, retries) = (found.now().await?, found.jobs()?, found.queue("RetriesQueue")?);
            let filter = Filter { webhook, ..Filter::default() };
            let queued = jobs.count(&developer, &filter, None, Instant::now() + COUNTING).await?;
            if queued == 0 {
                if as_json {
                    writeln!(output, "{:#}", json!({ "jobId": null, "queued": 0 }))?;
                } else {
                    writeln!(output, "{developer} has no dropped events.")?;
                }
                return Ok(());
            }
            let job = Job { queued, ..Job::new(JobId::new(now, random()?), filter, now) };
            // The row, then the message, as the route does it.
            jobs.create(&developer, &job).await?;
            retries.push(&JobMessage::new(developer.clone(), job.id, job.step), 0).await?;
            if as_json {
                writeln!(output, "{:#}", json!({ "jobId": job.id, "queued": queued }))?;
            } else {
                writeln!(output, "{} reattempts {queued} events of {developer}, by itself.", job.id)?;
                writeln!(output, "How far it is: GET /configuration/webhooks/retrievals/jobs/{}", job.id)?;
            }
            Ok(())
        }
    }
}
