//! What goes wrong at attempts, for tests of what a broken attempt costs others: whenever a function is about to attempt a
//! certain event, its process is killed, or the attempt's thread spins, blocks or panics.
//!
//! The functions do that themselves, and only in a local run: `TENDAY_FAULTS` names a file that they read before each
//! attempt. It has one line for each event or webhook, `EVT-… kill` or `WBK-… spin`, and is replaced as a whole, so that a
//! reader sees all of one state.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tenday_model::ids::{EventId, WebhookId};

/// Which attempts go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Victim {
    Event(EventId),
    /// Every event of it: an event has no name before it is published.
    Webhook(WebhookId),
}

/// How they go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Does {
    /// The process ends at once, and nothing of it gets to finish.
    Kill,
    /// The attempt's thread computes for ever.
    Spin,
    /// The attempt's thread sleeps for ever.
    Block,
    /// The attempt panics.
    Panic,
}

/// The file, and what is in it.
pub(crate) struct AttemptFaults {
    file: PathBuf,
    set: Mutex<BTreeMap<Victim, Does>>,
}

impl AttemptFaults {
    /// None at first, whatever an earlier run left there.
    pub(crate) fn create(file: PathBuf) -> io::Result<Self> {
        let faults = Self { file, set: Mutex::default() };
        faults.clear()?;
        Ok(faults)
    }

    /// From now on, until they are cleared. A victim suffers what was said last.
    pub(crate) fn add(&self, victim: Victim, does: Does) -> io::Result<()> {
        let mut set = self.set();
        set.insert(victim, does);
        self.write(&set)
    }

    pub(crate) fn clear(&self) -> io::Result<()> {
        let mut set = self.set();
        set.clear();
        self.write(&set)
    }

    pub(crate) fn list(&self) -> Vec<(Victim, Does)> {
        self.set().iter().map(|(victim, does)| (*victim, *does)).collect()
    }

    /// Beside the file and renamed: a reader must not see half a line.
    fn write(&self, set: &BTreeMap<Victim, Does>) -> io::Result<()> {
        let lines: String = set.iter().map(|(victim, does)| format!("{victim} {does}\n")).collect();
        let beside = self.file.with_extension("new");
        fs::write(&beside, lines)?;
        fs::rename(&beside, &self.file)
    }

    /// Held while the file is written, so that it never falls behind.
    fn set(&self) -> MutexGuard<'_, BTreeMap<Victim, Does>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(id) => id.fmt(f),
            Self::Webhook(id) => id.fmt(f),
        }
    }
}

impl fmt::Display for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Spin => "spin",
            Self::Block => "block",
            Self::Panic => "panic",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410";

    #[test]
    fn functions_read_one_line_for_each_victim() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("faults");
        fs::write(&file, "EVT-of-an-earlier-run kill\n").unwrap();
        let faults = AttemptFaults::create(file.clone()).unwrap();
        let read = || fs::read_to_string(&file).unwrap();
        assert_eq!(read(), "", "the functions find it from the start");
        let event: EventId = EVENT.parse().unwrap();
        let webhook = event.webhook;
        faults.add(Victim::Event(event), Does::Kill).unwrap();
        faults.add(Victim::Webhook(webhook), Does::Panic).unwrap();
        assert_eq!(read(), format!("{EVENT} kill\n{webhook} panic\n"));
        for (does, word) in [(Does::Spin, "spin"), (Does::Block, "block")] {
            faults.add(Victim::Event(event), does).unwrap();
            assert_eq!(read(), format!("{EVENT} {word}\n{webhook} panic\n"), "what was said last");
        }
        assert_eq!(faults.list(), [(Victim::Event(event), Does::Block), (Victim::Webhook(webhook), Does::Panic)]);
        faults.clear().unwrap();
        assert_eq!((read().as_str(), faults.list()), ("", Vec::new()));
    }
}
