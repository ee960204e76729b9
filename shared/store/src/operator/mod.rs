//! What only an operator's tool does: finding a deployment by its stack, and looking at, moving and removing what no
//! function ever lists. Nothing of it is compiled into a function.
//!
//! [`signed`] asks the services that nothing else here speaks to, [`stack`], [`functions`], [`alarms`] and [`logs`] what
//! is asked of them; [`tables`], [`queues`], [`schedules`] look at what there is. [`directory`] lists the developers,
//! [`export`] tells what is stored of one and [`erase`] removes it, and [`rotation`] replaces keys.

pub(crate) mod alarms;
pub(crate) mod directory;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod functions;
pub(crate) mod leftovers;
pub(crate) mod logs;
pub(crate) mod queues;
pub(crate) mod rotation;
pub(crate) mod scan;
pub(crate) mod schedules;
pub(crate) mod signed;
pub(crate) mod stack;
pub(crate) mod tables;
pub(crate) mod xml;
