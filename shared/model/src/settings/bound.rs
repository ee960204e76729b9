//! The links that are bound to a webhook, because its address is their callback.
//!
//! What a webhook knows of them is bounded, however many there are: publishing reads it with each update, and may not make
//! another call for a link's own row. So up to a hundred links are named, and the webhook hears of these alone; of more
//! only the number is kept, and it hears of every link of its developer until nobody is bound to it any more.

use serde::{Deserialize, Serialize};

use crate::settings::link::LinkId;

/// How many links a webhook names at most.
pub const MAX_NAMED: usize = 100;

/// The links that are bound to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundLinks {
    Named(Vec<LinkId>),
    /// So many, more than could be named at some time.
    Many(u64),
}

impl Default for BoundLinks {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl BoundLinks {
    pub fn count(&self) -> u64 {
        match self {
            Self::Named(links) => links.len() as u64,
            Self::Many(count) => *count,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether an update about this link is for the webhook.
    pub fn take(&self, link: &str) -> bool {
        match self {
            Self::Named(links) => links.iter().any(|bound| bound.as_str() == link),
            Self::Many(_) => true,
        }
    }

    /// With one more link, which was not bound to it before.
    pub fn with(&self, link: &LinkId) -> Self {
        match self {
            Self::Named(links) if links.contains(link) => self.clone(),
            Self::Named(links) if links.len() < MAX_NAMED => Self::Named(links.iter().chain([link]).cloned().collect()),
            Self::Named(_) | Self::Many(_) => Self::Many(self.count() + 1),
        }
    }

    /// Without a link that was bound to it. The last of many leaves a webhook that names its links again.
    pub fn without(&self, link: &LinkId) -> Self {
        match self {
            Self::Named(links) => Self::Named(links.iter().filter(|bound| *bound != link).cloned().collect()),
            Self::Many(0 | 1) => Self::default(),
            Self::Many(count) => Self::Many(count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(number: usize) -> LinkId {
        format!("mk_{number:022}").parse().unwrap()
    }

    #[test]
    fn a_hundred_links_are_named_and_more_are_counted_until_the_last_is_gone() {
        let mut bound = BoundLinks::default();
        for number in 0..100 {
            bound = bound.with(&link(number));
            assert_eq!(bound.with(&link(number)), bound, "nothing is bound twice");
        }
        assert!(bound.take(link(99).as_str()) && !bound.take(link(100).as_str()));
        assert!(!bound.without(&link(7)).take(link(7).as_str()));
        for number in 100..1_000 {
            bound = bound.with(&link(number));
        }
        assert_eq!(bound, BoundLinks::Many(1_000));
        assert!(bound.take("item-1"));
        for number in 0..999 {
            bound = bound.without(&link(number));
            assert!(bound.take(link(999).as_str()));
        }
        bound = bound.without(&link(999));
        assert!(bound.is_empty() && !bound.take(link(999).as_str()));
    }
}
