//! The one clock of the local run: real time plus an offset that only grows.
//!
//! The offset is also kept in a file, as milliseconds in decimal, which the functions' processes read (their
//! `TENDAY_CLOCK_FILE`), so that everybody agrees on the time after an advance and after a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use tokio::sync::watch;

#[derive(Clone, Debug)]
pub(crate) struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    offset_ms: AtomicI64,
    /// Serialises advances, so that the file never falls behind the memory.
    file: std::sync::Mutex<Option<PathBuf>>,
    /// Carries the offset to everyone who sleeps, so that they count anew.
    advanced: watch::Sender<i64>,
}

impl Clock {
    /// A clock whose offset is kept in `offset_file`. An offset that is there already is taken over; without a file
    /// the clock starts at real time and forgets.
    pub(crate) fn new(offset_file: Option<PathBuf>) -> io::Result<Clock> {
        let offset = match &offset_file {
            Some(file) => match fs::read_to_string(file) {
                Ok(text) => parse_offset(file, &text)?,
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                    write_offset(file, 0)?;
                    0
                }
                Err(other) => return Err(other),
            },
            None => 0,
        };
        let (advanced, _) = watch::channel(offset);
        Ok(Clock {
            inner: Arc::new(Inner {
                offset_ms: AtomicI64::new(offset),
                file: std::sync::Mutex::new(offset_file),
                advanced,
            }),
        })
    }

    /// Milliseconds since 1970, in the system's time.
    pub(crate) fn now_ms(&self) -> i64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
        real.saturating_add(self.inner.offset_ms.load(Ordering::Acquire))
    }

    /// How far the system's time is ahead of the real one.
    pub(crate) fn offset(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.inner.offset_ms.load(Ordering::Acquire)).unwrap_or(0))
    }

    /// Moves the clock forward, for good. The file is written first: a function that is woken by the change already
    /// reads the new time.
    pub(crate) fn advance(&self, by: Duration) -> io::Result<()> {
        let file = self.inner.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let offset = self.inner.offset_ms.load(Ordering::Acquire).saturating_add(millis(by));
        if let Some(file) = &*file {
            write_offset(file, offset)?;
        }
        self.inner.offset_ms.store(offset, Ordering::Release);
        self.inner.advanced.send_replace(offset);
        Ok(())
    }

    /// Returns when `now_ms()` has reached `at_ms`; an advance that passes it wakes the sleeper at once.
    pub(crate) async fn sleep_until(&self, at_ms: i64) {
        let mut advanced = self.inner.advanced.subscribe();
        loop {
            let left = at_ms.saturating_sub(self.now_ms());
            let Ok(left) = u64::try_from(left) else { return };
            if left == 0 {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
                // The sender lives as long as `self`; an error cannot come, and would only mean counting anew.
                _ = advanced.changed() => {}
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn parse_offset(file: &Path, text: &str) -> io::Result<i64> {
    text.trim().parse().ok().filter(|offset| *offset >= 0).ok_or_else(|| {
        let problem =
            format!("{}: not a number of milliseconds; delete the file to start at real time", file.display());
        io::Error::new(io::ErrorKind::InvalidData, problem)
    })
}

/// Writes beside the file and renames, so that a reader sees the old number or the new one.
fn write_offset(file: &Path, offset: i64) -> io::Result<()> {
    let beside = file.with_extension("new");
    fs::write(&beside, offset.to_string())?;
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_advance_wakes_a_sleeper_at_once() {
        let clock = Clock::new(None).unwrap();
        let at = clock.now_ms() + 3_600_000;
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        clock.advance(Duration::from_secs(1800)).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!sleeper.is_finished(), "half the time is not the time");
        clock.advance(Duration::from_secs(1800)).unwrap();
        tokio::time::timeout(Duration::from_secs(5), sleeper).await.unwrap().unwrap();
        assert!(clock.now_ms() >= at);
    }

    #[tokio::test]
    async fn the_past_is_not_waited_for() {
        let clock = Clock::new(None).unwrap();
        tokio::time::timeout(Duration::from_secs(5), clock.sleep_until(clock.now_ms() - 1)).await.unwrap();
    }

    #[test]
    fn the_offset_is_kept_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        let clock = Clock::new(Some(file.clone())).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "0", "the functions find it from the start");
        clock.advance(Duration::from_secs(90)).unwrap();
        clock.advance(Duration::from_millis(5)).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "90005");
        let again = Clock::new(Some(file)).unwrap();
        assert_eq!(again.offset(), Duration::from_millis(90_005));
    }

    #[test]
    fn a_spoilt_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        fs::write(&file, "-5").unwrap();
        let problem = Clock::new(Some(file.clone())).unwrap_err().to_string();
        assert!(problem.contains(&*file.to_string_lossy()), "{problem}");
    }
}
