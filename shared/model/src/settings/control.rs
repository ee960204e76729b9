//! What whoever operates Tenday has set of a developer: that their attempts are held, and how many there are at most.

use jiff::Timestamp;

use crate::delivery::rate::RateLimit;

/// What is set of a developer. It is no setting of theirs: nothing that they do takes it away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Control {
    /// Since when no attempt is made of any of their events, if none is.
    pub paused_since: Option<Timestamp>,
    /// How many attempts a second all of their webhooks get together.
    pub limit: Option<RateLimit>,
}

impl Control {
    pub fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }
}
