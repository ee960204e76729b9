//! Messages that could not be handled however often they were taken: what they were for is shown to its owner.

use jiff::Timestamp;

use crate::delivery::event::{DropReason, Event, in_ten_days, records_may_have_expired};
use crate::delivery::job::Job;
use crate::delivery::recording::dropped;
use crate::ids::EventId;

/// The event of a dead letter that asked for automatic attempt `attempt`, as it is to be stored unless more has been
/// recorded of it meanwhile; none if nothing depends on the message. `name` is what the developer's type calls it.
pub fn keep(id: EventId, attempt: u16, stored: Option<Event>, name: String, now: Timestamp) -> Option<Event> {
    let event = match stored {
        // It was delivered or dropped after all, it waits to be fetched, or its attempts went on without this message. What is
        // held is dropped too: this may be the very message that it was sent again by.
        Some(event) if !event.state.takes_attempts() || event.automatic > attempt => return None,
        Some(event) => event,
        // It may have been delivered long ago: what has expired never comes back.
        None if records_may_have_expired(id.update, now) => return None,
        None => Event::new(id, name, 0, in_ten_days(now)),
    };
    Some(dropped(event, DropReason::Internal, now))
}

/// The job of a dead push, stopped for its owner to see; none if it went on without this message, or is over.
pub fn stop(mut job: Job, step: u32, message_id: &str, now: Timestamp) -> Option<Job> {
    if !job.takes(step, message_id) {
        return None;
    }
    job.stop(now);
    Some(job)
}
