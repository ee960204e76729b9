//! Events that their developer fetches: what he reports of those that he has, then those that wait, each as an attempt would
//! have sent it.
//!
//! One call reads the settings, the index of what waits, and the updates; then it claims each event with a write of its own,
//! whose condition decides between two that fetch at once. While nothing waits it looks again every half a second, in a sandbox
//! that nobody else has meanwhile: for that time a developer's calls have a limit together, which only those cost a write.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use futures::StreamExt;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use tenday_api::scopes::ConfigurationWrite;
use tenday_api::{ApiError, Body, Date, Developer, ErrorCode, Path, Shared};
use tenday_attempts::{AttemptFault, Target};
use tenday_model::delivery::event::{DropReason, Event, State as EventState, Waiting};
use tenday_model::delivery::outcome::OutcomeClass;
use tenday_model::delivery::pulling::{Report, Reported};
use tenday_model::delivery::recording::dropped;
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};
use tenday_model::settings::configuration::Configuration;
use tenday_store::{DeveloperSettings, StoreError, StoredUpdate, StoredWebhook, VisibleEvent, random};
use tenday_telemetry::metrics;

use crate::answers::{PullAnswer, PullResult, PulledEvent, ReportStatus};
use crate::requests::{Pull, Pulling};
use crate::{Functions, webhook_not_found};

/// Between two looks at what waits.
const LOOK: Duration = Duration::from_millis(500);

/// Writes that are made at once: each has a connection of its own.
const AT_ONCE: usize = 8;

/// The most that events may take in one answer, of the six megabytes that Lambda lets a function answer with.
const MOST_BYTES: usize = 5 * 1024 * 1024;

/// What an event takes in an answer beside its body: headers, above all the developer's own.
const HEADERS_BYTES: usize = 16 * 1024;

pub(crate) async fn pull(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    Path(webhook): Path<String>,
    body: Option<Body<Pull>>,
) -> Result<Json<PullAnswer>, ApiError> {
    let pulling = body.map_or_else(|| Ok(Pulling::default()), |body| body.value.read())?;
    let started = Instant::now();
    let developer = &developer.id;
    let mut settings = functions.read(developer).await?;
    let id = pulled_webhook(&settings, &webhook)?.webhook.id;
    let results = functions.reports(developer, id, &pulling).await?;
    let mut answer = PullAnswer { events: Vec::new(), more_available: false, results };
    let (mut wait, mut is_granted) = (pulling.wait, false);
    if pulling.max_events == 0 {
        return Ok(Json(answer));
    }
    loop {
        let now = functions.api.now();
        let found = functions.events.visible(developer, id, pulling.max_events, now).await?;
        answer.more_available = found.more;
        if !found.events.is_empty() {
            if started.elapsed() >= LOOK {
                // The webhook may have been changed or deleted while nothing came.
                settings = functions.read(developer).await?;
            }
            let stored = pulled_webhook(&settings, &webhook)?;
            let fetch = Fetch { functions: &functions, developer, settings: &settings, webhook: stored, now };
            let fetched = fetch.all(&found.events, pulling.visibility).await?;
            answer.more_available |= fetched.left;
            answer.events = fetched.events;
        }
        // Of what was found others may have been first, or its ten days may be over.
        if !answer.events.is_empty() || started.elapsed() + LOOK > wait {
            return Ok(Json(answer));
        }
        if !is_granted {
            wait = functions.may_wait(developer, wait).await?;
            is_granted = true;
            if wait.is_zero() {
                // What was reported is noted, and has to be answered.
                return if answer.results.is_empty() { Err(too_many_wait()) } else { Ok(Json(answer)) };
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn too_many_wait() -> ApiError {
    let message = "Too many of your calls wait for events at once. Wait with fewer, or ask without waitSeconds.";
    ApiError::new(ErrorCode::RateLimitExceeded, message).retry_after(1)
}

/// A webhook whose events are fetched.
fn pulled_webhook<'a>(settings: &'a DeveloperSettings, id: &str) -> Result<&'a StoredWebhook, ApiError> {
    let own = settings.webhooks.iter().find(|stored| stored.webhook.id.to_string() == id);
    let own = own.ok_or_else(webhook_not_found)?;
    if own.webhook.is_pull() {
        return Ok(own);
    }
    let message = "This webhook's events are sent to its callbackURL. Only those of one of the kind pull are fetched.";
    Err(ApiError::new(ErrorCode::WebhookOfOtherKind, message))
}

impl Functions {
    /// For how long a call may wait that would for so long: shorter while many do, and not at all while too many do.
    async fn may_wait(&self, developer: &DeveloperId, wanted: Duration) -> Result<Duration, ApiError> {
        let seconds = usize::try_from(wanted.as_secs()).unwrap_or(usize::MAX);
        let granted = self.reattempts.rates().take_waits(developer, seconds, self.api.now()).await?;
        Ok(Duration::from_secs(u64::try_from(granted).unwrap_or(u64::MAX)))
    }

    /// Takes note of what a developer reports, each event once, and answers in the order in which it was reported.
    async fn reports(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        pulling: &Pulling,
    ) -> Result<Vec<PullResult>, ApiError> {
        let mut results = Vec::with_capacity(pulling.taken.len() + pulling.failed.len());
        let mut newest: Option<EventId> = None;
        // What was acknowledged is so before anything of it is reported as failed.
        for reports in [&pulling.taken, &pulling.failed] {
            let mut seen = HashSet::new();
            let first: Vec<bool> = reports.iter().map(|(id, _)| seen.insert(id.as_str())).collect();
            let once = reports.iter().zip(&first).filter(|(_, first)| **first);
            let each: Vec<_> =
                once.map(|((id, report), _)| self.report(developer, webhook, id.clone(), report)).collect();
            let made: HashMap<String, Result<ReportStatus, StoreError>> =
                stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
            for ((id, _), first) in reports.iter().zip(first) {
                let status = match made.get(id) {
                    Some(Ok(status)) if first => *status,
                    Some(Ok(status)) => status.again(),
                    Some(Err(error)) => return Err(error.clone().into()),
                    None => ReportStatus::Unknown,
                };
                if status == ReportStatus::Acknowledged {
                    newest = newest.max(id.parse().ok());
                }
                results.push(PullResult { id: id.clone(), status });
            }
        }
        if let Some(newest) = newest {
            self.events.record_taken(developer, newest, self.api.now()).await?;
        }
        Ok(results)
    }

    async fn report(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        id: String,
        report: &Report,
    ) -> (String, Result<ReportStatus, StoreError>) {
        let status = self.report_one(developer, webhook, &id, report).await;
        (id, status)
    }

    /// An id that is none, or another webhook's, is unknown: whose it is is nobody else's business.
    async fn report_one(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        id: &str,
        report: &Report,
    ) -> Result<ReportStatus, StoreError> {
        let Some(id) = id.parse::<EventId>().ok().filter(|id| id.webhook == webhook) else {
            return Ok(ReportStatus::Unknown);
        };
        let reported = self.events.report(developer, id, report, self.api.now()).await?;
        Ok(match (reported, report) {
            (Reported::Ends(_), Report::Taken) => {
                metrics::attempt(OutcomeClass::Success);
                tracing::info!(%developer, event_id = %id, outcome = OutcomeClass::Success.name(), "acknowledged");
                ReportStatus::Acknowledged
            }
            (Reported::Ends(_), Report::Failed { .. }) => {
                metrics::attempt(OutcomeClass::Rejected);
                metrics::dropped(DropReason::Rejected);
                tracing::info!(%developer, event_id = %id, outcome = OutcomeClass::Rejected.name(), "acknowledged");
                ReportStatus::Failed
            }
            (Reported::AlreadyDelivered, _) => ReportStatus::AlreadyDelivered,
            (Reported::AlreadyDropped, _) => ReportStatus::AlreadyDropped,
            (Reported::Unknown, _) => ReportStatus::Unknown,
        })
    }
}

/// Fetching what was found.
struct Fetch<'a> {
    functions: &'a Functions,
    developer: &'a DeveloperId,
    settings: &'a DeveloperSettings,
    webhook: &'a StoredWebhook,
    now: Timestamp,
}

/// What was fetched.
struct Fetched {
    events: Vec<PulledEvent>,
    /// Some of what was found is still there to be fetched.
    left: bool,
}

impl Fetch<'_> {
    async fn all(&self, found: &[VisibleEvent], visibility: SignedDuration) -> Result<Fetched, ApiError> {
        let events = &self.functions.events;
        let updates = events.updates(self.developer, found.iter().map(|seen| seen.id.update), self.now).await?;
        let updates: HashMap<UpdateId, StoredUpdate> = updates.into_iter().map(|update| (update.id, update)).collect();
        let content = |seen: &VisibleEvent| updates.get(&seen.id.update).map_or(0, |update| update.content.size());
        let fit = fit(found.iter().map(content));
        let until = self.now.checked_add(visibility).unwrap_or(Timestamp::MAX);
        let (mark, configuration) = (random::<12>()?, Arc::new(self.settings.configuration.clone()));
        let each = found.iter().take(fit).map(|seen| {
            let update = updates.get(&seen.id.update);
            self.one(*seen, update, &configuration, until, mark)
        });
        // In the order in which they were found.
        let each: Vec<_> = each.collect();
        let fetched: Vec<Result<Option<PulledEvent>, ApiError>> = stream::iter(each).buffered(AT_ONCE).collect().await;
        let (mut events, mut fault) = (Vec::new(), None);
        for fetched in fetched {
            match fetched {
                Ok(event) => events.extend(event),
                Err(error) => fault = Some(error),
            }
        }
        match fault {
            Some(error) if events.is_empty() => Err(error),
            // What could not be fetched now comes again; what was fetched has to get to its developer.
            fault => Ok(Fetched { events, left: fault.is_some() || fit < found.len() }),
        }
    }

    /// One of what was found, unless somebody else is first.
    async fn one(
        &self,
        seen: VisibleEvent,
        update: Option<&StoredUpdate>,
        configuration: &Arc<Configuration>,
        until: Timestamp,
        mark: [u8; 12],
    ) -> Result<Option<PulledEvent>, ApiError> {
        let fetched = self.functions.events.fetch(self.developer, seen, self.now, until, mark).await?;
        let Some(event) = fetched else { return Ok(None) };
        self.show(configuration, event, update).await
    }

    /// An event that was fetched, as its developer gets it; none if it can never be sent, and is dropped.
    async fn show(
        &self,
        configuration: &Arc<Configuration>,
        event: Event,
        update: Option<&StoredUpdate>,
    ) -> Result<Option<PulledEvent>, ApiError> {
        let EventState::Waiting { why: Waiting::ForPull { visible_at }, .. } = event.state else { return Ok(None) };
        let made = match update {
            Some(update) => {
                let before = usize::try_from(event.fetches.saturating_sub(1)).unwrap_or(usize::MAX - 1);
                let target = Target {
                    developer: self.developer,
                    configuration,
                    webhook: self.webhook,
                    event: event.id,
                    content: &update.content,
                    before,
                    manual: false,
                };
                self.functions.reattempts.attempts().request(&target, self.now).await
            }
            None => Err(AttemptFault::Expired),
        };
        let request = match made {
            Ok(request) => request,
            Err(fault) => {
                tracing::error!(event_id = %event.id, error = %fault, "an event could not be fetched");
                if let Some(reason) = fault.drop_reason() {
                    let dropped = dropped(event, reason, self.now);
                    if self.functions.events.drop_fetched(self.developer, &dropped, visible_at).await? {
                        metrics::dropped(reason);
                    }
                    return Ok(None);
                }
                return Err(crate::reattempt::refusal(fault));
            }
        };
        let body = String::from_utf8(request.body).map_err(|_| {
            tracing::error!(event_id = %event.id, "a body is not UTF-8");
            ApiError::new(ErrorCode::Internal, "The event could not be fetched. The fault is on our side.")
        })?;
        let headers: BTreeMap<String, String> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let format = self.settings.configuration.date_format;
        Ok(Some(PulledEvent {
            event_id: event.id,
            event_name: request.event_name.to_owned(),
            body,
            headers,
            fetches: event.fetches,
            visible_until: Date::new(format, visible_at),
            published_at: Date::new(format, event.id.update.published_at()),
        }))
    }
}

/// How many events with so much content fit into one answer: the first always does.
fn fit(contents: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |content: &usize| {
        // As JSON text within the answer, which is JSON text within what Lambda takes: a quotation mark takes four bytes.
        bytes += 4 * content + HEADERS_BYTES;
        bytes <= MOST_BYTES
    };
    contents.take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_as_many_events_as_fit_and_one_at_least() {
        assert_eq!(fit([1024; 100].into_iter()), 100);
        // The largest that can be published.
        let largest = 256 * 1024;
        assert_eq!(fit([largest; 100].into_iter()), 4);
        assert_eq!(fit([10 * 1024 * 1024].into_iter()), 1);
    }

    #[test]
    fn no_content_takes_more_of_an_answer_than_is_counted() {
        for text in ["plain", "\"", "\\\"", "\u{1}", "é"] {
            let content = serde_json::to_string(&vec![text; 1000]).unwrap();
            let in_answer = serde_json::to_string(&content).unwrap();
            let for_lambda = serde_json::to_string(&in_answer).unwrap();
            assert!(for_lambda.len() <= 4 * content.len() + HEADERS_BYTES, "{text:?}");
        }
    }
}
