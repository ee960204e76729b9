//! The time that Tenday goes by: the system's, or in the local run the system's moved forward.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// A file that holds how many milliseconds to add. Read at every call, for it may change while a function runs.
    offset: Option<Arc<PathBuf>>,
}

impl Clock {
    /// The system's clock, unless `TENDAY_CLOCK_FILE` names a file with an offset, as only the local run sets it.
    pub fn from_environment() -> Self {
        Self { offset: std::env::var_os("TENDAY_CLOCK_FILE").map(|path| Arc::new(PathBuf::from(path))) }
    }

    pub fn now(&self) -> Timestamp {
        let offset = self
            .offset
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path.as_path()).ok())
            .and_then(|text| text.trim().parse().ok())
            .map_or(SignedDuration::ZERO, SignedDuration::from_millis);
        Timestamp::now().checked_add(offset).unwrap_or(Timestamp::MAX)
    }
}
