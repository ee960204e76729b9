//! A part of a processor, as Lambda gives it to an invocation: by a control group, where this machine lets one make it.

use std::fs;
use std::path::{Path, PathBuf};

/// Microseconds in which the part is given out.
const PERIOD: u64 = 20_000;

/// A control group that is taken away again.
pub(crate) struct Limiter {
    group: PathBuf,
}

impl Limiter {
    /// None where the machine has no control groups, or lets nobody make one.
    pub(crate) fn new(part: f64) -> Option<Self> {
        let name = format!("tenday-bench-{}", std::process::id());
        let quota = (PERIOD as f64 * part) as u64;
        // Of the first kind and of the second.
        let first = (
            Path::new("/sys/fs/cgroup/cpu"),
            vec![("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", quota.to_string())],
        );
        let second = (Path::new("/sys/fs/cgroup"), vec![("cpu.max", format!("{quota} {PERIOD}"))]);
        for (root, settings) in [first, second] {
            if !root.join("cgroup.procs").is_file() {
                continue;
            }
            let limiter = Self { group: root.join(&name) };
            if fs::create_dir(&limiter.group).is_err() {
                continue;
            }
            let mut set = settings.into_iter().map(|(name, value)| fs::write(limiter.group.join(name), value));
            if set.all(|done| done.is_ok()) {
                return Some(limiter);
            }
        }
        None
    }

    /// From now on the process has that part, with all its threads.
    pub(crate) fn take(&self, process: u32) -> std::io::Result<()> {
        fs::write(self.group.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        // Nothing that was measured depends on it, and an empty group costs nobody anything.
        let _ = fs::remove_dir(&self.group);
    }
}
