//! Messages for later: within fifteen minutes by the queue's own delay, beyond by a schedule.

use futures::future::{join, join_all};
use jiff::Timestamp;
use tenday_model::delivery::decision::{Wait, wait};
use tenday_store::{DeliveryMessage, Outgoing, Queue, Schedules};

/// A message for later, and the message that it comes of.
pub(crate) struct Later {
    pub(crate) message_id: String,
    pub(crate) message: DeliveryMessage,
    /// When the wait began.
    pub(crate) since: Timestamp,
    pub(crate) due: Timestamp,
}

/// Sends them all. Answers which of the messages that they come of are finished with.
pub(crate) async fn send_later(
    retries: &Queue,
    schedules: &Schedules,
    later: Vec<Later>,
    now: Timestamp,
) -> Vec<String> {
    let (mut soon, mut outgoing, mut far) = (Vec::new(), Vec::new(), Vec::new());
    for later in later {
        match wait(later.since, later.due, now) {
            Wait::Delay { seconds: delay_seconds } => {
                outgoing.push(Outgoing { message: later.message.clone(), delay_seconds });
                soon.push(later);
            }
            Wait::Schedule => far.push(later),
        }
    }
    let scheduling = join_all(far.iter().map(|later| schedules.create(&later.message, later.due)));
    let (sent, created) = join(retries.send(&outgoing), scheduling).await;
    let mut finished = Vec::new();
    for (later, done) in soon.into_iter().zip(sent).chain(far.into_iter().zip(created)) {
        match done {
            Ok(()) => finished.push(later.message_id),
            Err(error) => tracing::error!(error = %error, event_id = %later.message.event, "no retry was sent"),
        }
    }
    finished
}
