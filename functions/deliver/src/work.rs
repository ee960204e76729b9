//! The messages of a batch, as they were taken off their queues.

use tenday_model::delivery::batch;
use tenday_store::{DeliveryMessage, JobMessage, Message, Record, ReleaseMessage, SweepMessage};
use tenday_telemetry::metrics;

/// A message that asks for an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) message_id: String,
    pub(crate) message: DeliveryMessage,
    /// How often it was taken.
    pub(crate) receives: u32,
    pub(crate) origin: Origin,
}

impl Work {
    /// What the rules of delivery need to know of it.
    pub(crate) fn asked(&self) -> batch::Message {
        batch::Message {
            id: self.message_id.clone(),
            developer: self.message.developer.clone(),
            event: self.message.event,
            attempt: self.message.attempt,
            waits: self.message.waits,
            taken: self.taken(),
        }
    }

    /// Whether its last invocation may have died of it.
    pub(crate) fn is_suspect(&self) -> bool {
        batch::is_suspect(self.taken())
    }

    fn taken(&self) -> u32 {
        self.receives.saturating_add(self.message.taken.into())
    }
}

/// Where a message was taken from, and by which handle it is deleted there.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) retries: bool,
    pub(crate) receipt: String,
}

/// A batch that was read.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) work: Vec<Work>,
    pub(crate) pushes: Vec<Push>,
    pub(crate) sweeps: Vec<Sweep>,
    pub(crate) releases: Vec<Releasing>,
}

/// A message that says that a day is over, with what was published on it to be fetched.
pub(crate) struct Sweep {
    pub(crate) message_id: String,
    pub(crate) message: SweepMessage,
}

/// A message that says that what was held of a developer's events is to be sent again.
pub(crate) struct Releasing {
    pub(crate) message_id: String,
    pub(crate) message: ReleaseMessage,
}

/// A message that pushes a job on.
pub(crate) struct Push {
    pub(crate) message_id: String,
    pub(crate) message: JobMessage,
    /// How often it was taken.
    pub(crate) receives: u32,
    pub(crate) origin: Origin,
}

impl Push {
    /// Whether its last invocation may have died of it.
    pub(crate) fn is_suspect(&self) -> bool {
        batch::is_suspect(self.receives)
    }
}

/// Reads the batch's messages. One that does not read stays with the queue, whose dead letters somebody looks at.
pub(crate) fn read(records: Vec<Record>, retries_queue: &str) -> Read {
    let mut read = Read::default();
    for record in records {
        let receives = record.receives();
        let Record { message_id, body, receipt_handle: receipt, event_source_arn, .. } = record;
        let origin = Origin { retries: event_source_arn == retries_queue, receipt };
        match Message::parse(&body) {
            Ok(Message::Delivery(mut message)) if message.attempt > 0 => {
                // Taken off it here: the next message comes of this one, and may not wait in a schedule.
                if std::mem::take(&mut message.scheduled) {
                    metrics::schedule_fired();
                }
                read.work.push(Work { message_id, message, receives, origin });
            }
            Ok(Message::Delivery(_)) => tracing::error!(message_id, "a message that asks for no attempt"),
            Ok(Message::Job(message)) => read.pushes.push(Push { message_id, message, receives, origin }),
            Ok(Message::Sweep(message)) => read.sweeps.push(Sweep { message_id, message }),
            Ok(Message::Release(message)) => read.releases.push(Releasing { message_id, message }),
            Err(error) => tracing::error!(message_id, error = %error, "a message that does not read"),
        }
    }
    read
}
