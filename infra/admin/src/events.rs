//! Why an event arrived, or did not: all that is known of it on one page, in a dozen reads at most.

use std::collections::HashMap;
use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenday_model::delivery::batch::Known;
use tenday_model::delivery::event::{
    Attempt, DropReason, Event, EventStatus, State, Waiting, records_may_have_expired,
};
use tenday_model::delivery::health::Health;
use tenday_model::ids::{DeveloperId, EventId};
use tenday_model::settings::webhook::Webhook;
use tenday_store::{Deliveries, QueueDepth, StoredUpdate};

use crate::arguments::EventsCommand;
use crate::error::AdminError;
use crate::place::{Deployment, Place};
use crate::show::{clean, columns, moment, span};
use crate::webhooks;

/// Longer than a message that is due may take on its way: the queue's hiding time, should its first taker have died.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(4);
/// The functions whose lines name an event.
const LOGGING: [&str; 4] = ["Updates", "Deliver", "Events", "DeadLetters"];

pub(crate) async fn run(
    place: Place,
    command: EventsCommand,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    let EventsCommand::Why { event, developer } = command;
    let found = place.find("operator-events-why").await?;
    let page = page(&found, event, developer).await?;
    if as_json {
        writeln!(output, "{:#}", page.view())?;
        return Ok(());
    }
    page.write(output)
}

/// Where the message is that asks for an event's next attempt, as far as can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    /// Nothing asks for an attempt any more.
    None,
    Schedule,
    /// In a queue, hidden until it is due or until somebody takes it.
    Queue,
    /// Nothing is found of it, though it is due.
    Missing,
}

impl Carrier {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Schedule => "schedule",
            Self::Queue => "queue",
            Self::Missing => "missing",
        }
    }
}

/// What is known of an event.
struct Page {
    id: EventId,
    developer: DeveloperId,
    now: Timestamp,
    update: Option<StoredUpdate>,
    event: Option<Event>,
    /// The developer's settings of this webhook, as they are now.
    loaded: Deliveries,
    /// How the update's other events stand.
    others: HashMap<EventId, Event>,
    next_free: Option<Timestamp>,
    carrier: Carrier,
    depths: Vec<(&'static str, QueueDepth)>,
    groups: Vec<String>,
}

/// At most twelve reads: the update, what it is delivered by (twice if its webhook is gone), its other events, the rate limit,
/// a schedule, and four queues.
async fn page(found: &Deployment, id: EventId, developer: Option<DeveloperId>) -> Result<Page, AdminError> {
    let now = found.now().await?;
    let update = found.updates()?.find(id.update, now).await?;
    let nobodys = |why| AdminError::NobodysEvent { event: id, why };
    let owner = update.as_ref().map(|update| update.developer.clone());
    if let (Some(said), Some(owner)) = (&developer, &owner)
        && said != owner
    {
        return Err(nobodys("its update is another developer's"));
    }
    let developer = owner.or(developer).ok_or_else(|| {
        nobodys("its update was never published here, or is not kept any more. With --developer its row is still looked for")
    })?;
    let events = found.events()?;
    let loaded = events.load(&[(developer.clone(), id)], now).await?;
    let event = loaded.event(&developer, id).cloned();
    if event.is_none() && update.as_ref().is_none_or(|update| !update.webhooks.contains(&id.webhook)) {
        return Err(match &update {
            Some(_) => nobodys("its update was published, and this webhook did not subscribe to it at that moment"),
            None => nobodys("there is no row of it, and its update is not kept any more: its ten days are over"),
        });
    }
    let others = match &update {
        Some(update) => events.of_update(&developer, id.update, &update.webhooks, now).await?,
        None => HashMap::new(),
    };
    let limited = loaded.webhook(&developer, id.webhook).is_some_and(|webhook| webhook.rate_limit.is_some());
    let next_free = if limited { found.rates()?.next_free(&developer, id.webhook).await? } else { None };
    let mut depths = Vec::new();
    for (name, queue) in [
        ("deliveries", "DeliveriesQueue"),
        ("retries", "RetriesQueue"),
        ("dead letters of deliveries", "DeliveriesDeadLetters"),
        ("dead letters of retries", "RetriesDeadLetters"),
    ] {
        depths.push((name, found.queue(queue)?.depth().await?));
    }
    let carrier = carrier(found, id, event.as_ref(), update.is_some(), now, &depths).await?;
    let groups = found.log_groups(&LOGGING);
    Ok(Page { id, developer, now, update, event, loaded, others, next_free, carrier, depths, groups })
}

async fn carrier(
    found: &Deployment,
    id: EventId,
    event: Option<&Event>,
    is_kept: bool,
    now: Timestamp,
    depths: &[(&'static str, QueueDepth)],
) -> Result<Carrier, AdminError> {
    let Some(event) = event else {
        // No attempt has ended yet.
        let young = !records_may_have_expired(id.update, now) && is_kept;
        let queued = depths.iter().take(2).any(|(_, depth)| depth.all() > 0);
        return Ok(match (young, queued) {
            (false, _) => Carrier::None,
            (true, true) => Carrier::Queue,
            (true, false) => Carrier::Missing,
        });
    };
    let State::Pending { due } = event.state else { return Ok(Carrier::None) };
    let Some(due) = due else { return Ok(Carrier::Queue) };
    if found.schedules()?.is_there(id, event.automatic.saturating_add(1), due).await? {
        return Ok(Carrier::Schedule);
    }
    let late = now.duration_since(due) > ON_ITS_WAY;
    let queued = depths.iter().take(2).any(|(_, depth)| depth.all() > 0);
    Ok(if late && !queued { Carrier::Missing } else { Carrier::Queue })
}

impl Page {
    fn webhook(&self) -> Option<&Webhook> {
        self.loaded.webhook(&self.developer, self.id.webhook)
    }

    fn health(&self) -> Option<&Health> {
        self.loaded.health(&self.developer, self.id.webhook)
    }

    fn status(&self) -> &'static str {
        match &self.event {
            Some(event) => event.status().name(),
            None if self.carrier == Carrier::None => "expired",
            None => EventStatus::Pending.name(),
        }
    }

    fn is_pending(&self) -> bool {
        self.status() == EventStatus::Pending.name()
    }

    /// In one sentence.
    fn why(&self) -> String {
        let Some(event) = &self.event else {
            return match self.carrier {
                Carrier::None => "its ten days are over, and what became of it is not kept".to_owned(),
                Carrier::Missing => {
                    "no attempt has ended, and both queues are empty: it is being attempted at this moment, or its message \
                     was never sent and publishing the update again under its key sends it"
                        .to_owned()
                }
                Carrier::Schedule | Carrier::Queue => "no attempt has ended yet: its message is in a queue".to_owned(),
            };
        };
        match event.state {
            State::Delivered => {
                let last = event.attempts.last().map(|attempt| format!(" at {}", moment(attempt.at)));
                format!("the receiver took it{}", last.unwrap_or_default())
            }
            State::Dropped { reason, at } => format!("dropped at {}: {}", moment(at), of_drop(reason)),
            State::Waiting { why: Waiting::Held { attempt, since, .. }, until } => format!(
                "held since {}, before attempt {attempt}: the developer is paused, or was, and `developers resume` sends it; \
                 after {} it is dropped",
                moment(since),
                moment(until)
            ),
            State::Waiting { why: Waiting::ForPull { visible_at }, until } => format!(
                "it waits until {} for its developer to fetch it; fetched {} times so far{}",
                moment(until),
                event.fetches,
                if visible_at > self.now {
                    format!(", the last time without an answer yet: it comes again at {}", moment(visible_at))
                } else {
                    String::new()
                }
            ),
            State::Pending { .. } => self.waits_for().join("; "),
        }
    }

    /// What the next attempt waits for.
    fn waits_for(&self) -> Vec<String> {
        let mut why = Vec::new();
        if let Some(since) = self.loaded.control(&self.developer).paused_since {
            why.push(format!("its developer is paused since {}: `developers resume` goes on", moment(since)));
        }
        if self.loaded.is_erased(&self.developer) {
            why.push("its developer was erased: nothing is attempted any more".to_owned());
        } else if self.webhook().is_none() {
            why.push(
                "its webhook is deleted: it will be dropped when its message comes, and returns with the webhook"
                    .to_owned(),
            );
        } else if self.webhook().is_some_and(|webhook| webhook.disabled.is_some()) {
            why.push("its webhook is disabled: it will be dropped when its message comes".to_owned());
        }
        if let Some(until) = self.health().and_then(|health| health.put_off_until(self.now)) {
            let failures = self.health().map_or(0, |health| health.failures);
            why.push(format!(
                "the breaker is open after {failures} failures in a row: the next probe is due {} ({})",
                moment(until),
                span(self.now, until)
            ));
        }
        if let Some(free) = self.next_free.filter(|free| *free > self.now) {
            why.push(format!("the webhook's rate limit is taken until {}", moment(free)));
        }
        let due = self.event.as_ref().and_then(Event::due);
        match due {
            Some(due) if due > self.now => {
                why.push(format!("the next attempt is due {} ({})", moment(due), span(self.now, due)));
            }
            Some(due) if self.carrier == Carrier::Missing => why.push(format!(
                "the attempt of {} is overdue and nothing carries it: look for its message among the dead letters",
                moment(due)
            )),
            Some(due) => why.push(format!("the attempt of {} is on its way", moment(due))),
            None => {}
        }
        if why.is_empty() {
            why.push("its message is in a queue".to_owned());
        }
        why
    }

    /// What Logs Insights is asked for the rest.
    fn query(&self) -> String {
        let trace = self.update.as_ref().and_then(|update| update.content.trace);
        let trace = trace.map(|trace| format!(" or fields.trace_id = \"{}\"", trace.trace_id())).unwrap_or_default();
        format!("filter fields.event_id = \"{}\"{trace} | sort @timestamp", self.id)
    }

    fn view(&self) -> Value {
        let update = self.update.as_ref().map(|update| {
            json!({
                "updateId": update.id,
                "eventName": update.content.event_name,
                "publishedAt": moment(update.id.published_at()),
                "matched": update.webhooks.iter().map(|webhook| {
                    let id = EventId { update: update.id, webhook: *webhook };
                    let status = self.others.get(&id).map_or("no attempt ended", |event| event.status().name());
                    json!({ "webhookId": webhook, "eventId": id, "status": status })
                }).collect::<Vec<_>>(),
                "keptUntil": moment(update.expires_at),
            })
        });
        let attempts = self.event.iter().flat_map(|event| &event.attempts).map(|attempt| {
            json!({
                "at": moment(attempt.at),
                "milliseconds": attempt.milliseconds,
                "outcome": attempt.class.name(),
                "status": attempt.status,
                "answer": attempt.answer,
                "manual": attempt.manual,
            })
        });
        let queue = |(name, depth): &(&str, QueueDepth)| {
            let depth = json!({ "waiting": depth.waiting, "taken": depth.taken, "delayed": depth.delayed });
            ((*name).to_owned(), depth)
        };
        json!({
            "eventId": self.id,
            "developerId": self.developer,
            "status": self.status(),
            "why": self.why(),
            "update": update,
            "webhook": self.webhook().map(|webhook| webhooks::view(&self.developer, webhook, self.health())),
            "attempts": attempts.collect::<Vec<_>>(),
            "nextAttemptAt": self.event.as_ref().and_then(Event::due).map(moment),
            "carriedBy": self.carrier.name(),
            "queues": Value::Object(self.depths.iter().map(queue).collect()),
            "logGroups": self.groups,
            "logQuery": self.query(),
        })
    }

    fn write(&self, output: &mut impl Write) -> Result<(), AdminError> {
        writeln!(output, "{}  {}", self.id, self.status())?;
        writeln!(output, "  {}", clean(&self.why()))?;
        writeln!(output, "\ndeveloper  {}", self.developer)?;
        match &self.update {
            Some(update) => {
                let published = update.id.published_at();
                let (at, ago) = (moment(published), span(self.now, published));
                writeln!(output, "published  {at} ({ago}), {} as {}", clean(&update.content.event_name), update.id)?;
                let matched = update.webhooks.len();
                writeln!(output, "matched    {matched} webhook{}", if matched == 1 { "" } else { "s" })?;
                let rows = update.webhooks.iter().take(20).map(|webhook| {
                    let id = EventId { update: update.id, webhook: *webhook };
                    let status = self.others.get(&id).map_or("no attempt ended", |event| event.status().name());
                    vec!["          ".to_owned(), webhook.to_string(), status.to_owned()]
                });
                columns(output, &rows.collect::<Vec<_>>())?;
            }
            None => writeln!(
                output,
                "published  {}: its update is not kept any more",
                moment(self.id.update.published_at())
            )?,
        }
        match self.webhook() {
            Some(webhook) => {
                let row = webhooks::row(&webhooks::view(&self.developer, webhook, self.health()), self.now, 0);
                writeln!(output, "webhook    {}", row[1..].join("  ").trim_end())?;
            }
            None => writeln!(output, "webhook    {} is not there any more", self.id.webhook)?,
        }
        let attempts: Vec<Vec<String>> =
            self.event.iter().flat_map(|event| &event.attempts).enumerate().map(attempt).collect();
        writeln!(output, "attempts   {}", if attempts.is_empty() { "none that ended" } else { "" }.trim_end())?;
        columns(output, &attempts)?;
        if self.is_pending() {
            let carrier = match self.carrier {
                Carrier::Schedule => "in a schedule until then",
                Carrier::Queue => "in a queue",
                Carrier::Missing => "nowhere that can be looked at",
                Carrier::None => "none",
            };
            writeln!(output, "message    {carrier}")?;
        }
        let depths = self.depths.iter().map(|(name, depth)| {
            let QueueDepth { waiting, taken, delayed } = depth;
            format!("{name} {waiting} waiting, {taken} taken, {delayed} delayed")
        });
        writeln!(output, "queues     {}", depths.collect::<Vec<_>>().join("\n           "))?;
        writeln!(output, "\nThe rest is in the logs of {}:", self.groups.join(", "))?;
        writeln!(output, "  {}", self.query())?;
        Ok(())
    }
}

fn attempt((number, attempt): (usize, &Attempt)) -> Vec<String> {
    let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
    vec![
        format!("  {:>3}", number + 1),
        moment(attempt.at),
        format!("{} ms", attempt.milliseconds),
        format!("{}{status}{}", attempt.class.name(), if attempt.manual { ", by hand" } else { "" }),
        clean(&attempt.answer),
    ]
}

/// What a reason means, and what to do.
fn of_drop(reason: DropReason) -> &'static str {
    match reason {
        DropReason::AttemptsSpent => {
            "every attempt of its schedule failed. `dropped reattempt` when the receiver is back"
        }
        DropReason::Gone => "the receiver answered 410 Gone, which disables the webhook",
        DropReason::WebhookDisabled => "its webhook was disabled. Enabled again, it can be reattempted",
        DropReason::WebhookDeleted => "its webhook, or the whole configuration, was deleted",
        DropReason::AllowlistEmpty => "the configuration has no address that events may be sent to",
        DropReason::Inexpressible => "the developer's type has no shape for this update",
        DropReason::Expired => {
            "put off for so long that nothing more is attempted by itself; it can be reattempted by hand"
        }
        DropReason::Rejected => "its developer fetched it, and reported that it failed",
        DropReason::Internal => "a fault of ours: see docs/runbooks/dropped-by-us.md",
    }
}
