//! What became of each update on its way to each webhook, and what carries it there.
//!
//! [`events`] records events and their webhooks' health, in the rows that [`event_items`] makes; [`history`] looks at
//! them, [`pulled`] lets them be fetched, and [`jobs`] goes through the dropped ones. [`rates`] shares out the slots of a webhook's limit. [`message`] says
//! what a message says, [`queue`] sends it, and [`schedules`] holds it for longer than a queue can.

pub(crate) mod bus;
pub(crate) mod event_items;
pub(crate) mod events;
pub(crate) mod held;
pub(crate) mod history;
pub(crate) mod jobs;
pub(crate) mod message;
pub(crate) mod pulled;
pub(crate) mod queue;
pub(crate) mod rates;
pub(crate) mod schedules;
