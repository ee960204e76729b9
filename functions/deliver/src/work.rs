//! The messages of a batch, and what is recorded of the events that they are for.

use jiff::Timestamp;
use tenday_model::delivery::event::{DropReason, Event};
use tenday_model::delivery::recording;
use tenday_model::publishing::render::content_event_name;
use tenday_model::publishing::update::parse_content;
use tenday_store::{Deliveries, DeliveryMessage, JobMessage, Message, Record};
use tenday_telemetry::metrics;

use crate::attempts::{AttemptFault, Made};
use crate::later::Later;

/// A message of the batch.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) message_id: String,
    pub(crate) message: DeliveryMessage,
}

/// A batch that was read.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) work: Vec<Work>,
    pub(crate) pushes: Vec<Push>,
}

/// A message that pushes a job on.
pub(crate) struct Push {
    pub(crate) message_id: String,
    pub(crate) message: JobMessage,
    /// How often it was taken.
    pub(crate) receives: u32,
}

/// Reads the batch's messages. One that does not read stays with the queue, whose dead letters somebody looks at.
pub(crate) fn read(records: Vec<Record>) -> Read {
    let mut read = Read::default();
    for record in records {
        let receives = record.receives();
        let Record { message_id, body, .. } = record;
        match Message::parse(&body) {
            Ok(Message::Delivery(mut message)) if message.attempt > 0 => {
                // Taken off it here: the next message comes of this one, and may not wait in a schedule.
                if std::mem::take(&mut message.scheduled) {
                    metrics::schedule_fired();
                }
                read.work.push(Work { message_id, message });
            }
            Ok(Message::Delivery(_)) => tracing::error!(message_id, "a message that asks for no attempt"),
            Ok(Message::Job(message)) => read.pushes.push(Push { message_id, message, receives }),
            Err(error) => tracing::error!(message_id, error = %error, "a message that does not read"),
        }
    }
    read
}

/// The message for the attempt after that which `work` asked for, which was made at `since`.
pub(crate) fn next_attempt(work: Work, since: Timestamp, due: Timestamp) -> Later {
    let message = DeliveryMessage { attempt: work.message.attempt + 1, waits: 0, ..work.message };
    Later { message_id: work.message_id, message, since, due }
}

pub(crate) fn reason_of(fault: &AttemptFault) -> DropReason {
    match fault {
        AttemptFault::Inexpressible(_) => DropReason::Inexpressible,
        AttemptFault::Expired => DropReason::Expired,
        _ => DropReason::Internal,
    }
}

/// The stored event with one more automatic attempt.
pub(crate) fn attempted(work: &Work, made: &Made, loaded: &Deliveries) -> Event {
    let DeliveryMessage { developer, event, attempt, .. } = &work.message;
    let stored = loaded.events.get(&(developer.clone(), *event)).cloned();
    let event = stored.unwrap_or_else(|| recording::unattempted(*event, String::new(), *attempt, made.attempt.at));
    recording::attempted(event, *attempt, &work.message_id, made.event_name, made.attempt.clone())
}

/// The stored event, or a new one that nothing was done with yet.
pub(crate) fn unattempted(work: &Work, loaded: &Deliveries, now: Timestamp) -> Event {
    let DeliveryMessage { developer, event, attempt, content, .. } = &work.message;
    if let Some(stored) = loaded.events.get(&(developer.clone(), *event)) {
        return stored.clone();
    }
    let name = content.as_ref().map_or_else(String::new, |content| {
        // The name in the developer's type, as an attempt would record it.
        let parsed = parse_content(&content.event_name, content.data.as_deref(), content.raw.as_deref()).ok();
        let configuration = loaded.configurations.get(developer).map(|(configuration, _)| configuration);
        let name = parsed.zip(configuration).and_then(|(parsed, configuration)| {
            content_event_name(configuration.integration, &parsed).ok().map(str::to_owned)
        });
        name.unwrap_or_else(|| content.event_name.clone())
    });
    recording::unattempted(*event, name, *attempt, now)
}

/// What a webhook's `errors` say of a failed attempt.
pub(crate) fn explain(made: &Made) -> String {
    let attempt = &made.attempt;
    let head = match attempt.status {
        Some(status) => format!("the receiver answered {status}"),
        None => format!("no answer ({})", attempt.class.name()),
    };
    if attempt.answer.is_empty() { head } else { format!("{head}: {}", attempt.answer) }
}
