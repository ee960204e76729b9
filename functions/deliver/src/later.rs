//! Messages for later: within fifteen minutes by the queue's own delay, beyond by a schedule.

use futures::future::join_all;
use jiff::Timestamp;
use tenday_store::{DeliveryMessage, LONGEST_DELAY, Outgoing, Queue, Schedules};

/// A message for later, and the message that it comes of.
pub(crate) struct Later {
    pub(crate) message_id: String,
    pub(crate) message: DeliveryMessage,
    pub(crate) due: Timestamp,
}

/// Sends them all. Answers which of the messages that they come of are finished with.
pub(crate) async fn send_later(
    retries: &Queue,
    schedules: &Schedules,
    later: Vec<Later>,
    now: Timestamp,
) -> Vec<String> {
    let mut finished = Vec::new();
    let (soon, far): (Vec<_>, Vec<_>) = later.into_iter().partition(|later| delay(later.due, now) <= LONGEST_DELAY);
    let outgoing: Vec<_> = soon
        .iter()
        .map(|later| Outgoing { message: later.message.clone(), delay_seconds: delay(later.due, now) })
        .collect();
    for (later, sent) in soon.into_iter().zip(retries.send(&outgoing).await) {
        match sent {
            Ok(()) => finished.push(later.message_id),
            Err(error) => tracing::error!(error = %error, event_id = %later.message.event, "no retry was sent"),
        }
    }
    let created = join_all(far.iter().map(|later| schedules.create(&later.message, later.due))).await;
    for (later, created) in far.into_iter().zip(created) {
        match created {
            Ok(()) => finished.push(later.message_id),
            Err(error) => tracing::error!(error = %error, event_id = %later.message.event, "no retry was scheduled"),
        }
    }
    finished
}

fn delay(due: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(due.duration_since(now).as_secs_f64().ceil() as i64).unwrap_or(0)
}
