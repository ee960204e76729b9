//! Faults at attempts, for tests of the local run: what an attempt may do to its thread and to its process.
//!
//! The local run alone sets `TENDAY_FAULTS`, the path of a file with a line for each fault: an event or a webhook, and a word.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tenday_model::ids::EventId;

/// The file, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct LocalFaults(pub(crate) Option<PathBuf>);

impl LocalFaults {
    /// Does to this thread what the file says of the event.
    #[expect(clippy::panic, reason = "a panic is one of the faults")]
    pub(crate) fn strike(&self, event: EventId) {
        match self.0.as_deref().and_then(|path| word(path, event)).as_deref() {
            Some("kill") => std::process::abort(),
            Some("spin") => loop {
                std::hint::spin_loop();
            },
            Some("block") => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            Some("panic") => panic!("the local run asked for a panic at {event}"),
            Some(_) | None => {}
        }
    }
}

fn word(path: &Path, event: EventId) -> Option<String> {
    let (event, webhook) = (event.to_string(), event.webhook.to_string());
    let text = std::fs::read_to_string(path).ok()?;
    let mut faults = text.lines().filter_map(|line| line.split_once(' '));
    faults.find(|(name, _)| *name == event || *name == webhook).map(|(_, word)| word.trim().to_owned())
}
