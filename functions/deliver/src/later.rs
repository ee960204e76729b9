//! Messages for later: within fifteen minutes by the queue's own delay, beyond by a schedule.

use std::sync::Arc;

use futures::future::{join, join_all};
use tenday_model::delivery::batch::{Failed, Later, Place};
use tenday_model::delivery::decision::Wait;
use tenday_store::{DeliveryMessage, Outgoing, Queue, Schedules, StoreError};

use crate::work::Work;

/// Sends them all, each made of the message that it comes of. Answers which of them were sent.
pub(crate) async fn send_later(
    retries: &Queue,
    schedules: &Schedules,
    later: &[Later],
    work: &[Arc<Work>],
) -> Vec<(Place, Result<(), Failed>)> {
    let message = |later: &Later| DeliveryMessage {
        attempt: later.attempt,
        waits: later.waits,
        taken: u8::try_from(later.taken).unwrap_or(u8::MAX),
        ..work[later.place.index()].message.clone()
    };
    let (mut soon, mut outgoing, mut far) = (Vec::new(), Vec::new(), Vec::new());
    for later in later {
        match later.wait {
            Wait::Delay { seconds: delay_seconds } => {
                outgoing.push(Outgoing { message: message(later), delay_seconds });
                soon.push(later.place);
            }
            Wait::Schedule => far.push((later.place, message(later), later.due)),
        }
    }
    let scheduling = join_all(far.iter().map(|(_, message, due)| schedules.create(message, *due)));
    let (sent, created) = join(retries.send(&outgoing), scheduling).await;
    let places = soon.into_iter().chain(far.iter().map(|(place, ..)| *place));
    let told = |(place, done): (Place, Result<(), StoreError>)| {
        let sent = done.map_err(|error| {
            tracing::error!(%error, event_id = %work[place.index()].message.event, "no message was sent for later");
            Failed
        });
        (place, sent)
    };
    places.zip(sent.into_iter().chain(created)).map(told).collect()
}
