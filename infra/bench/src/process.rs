//! What Linux tells of processes: CPU time and memory, from /proc.

use std::collections::BTreeMap;
use std::fs;

use tenday_floor::Cpu;

use crate::problem::{Problem, Result};

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(Problem::io(path))
}

/// Of one process. `self` is this one.
pub(crate) fn cpu(process: &str) -> Result<Cpu> {
    tenday_floor::cpu(process).map_err(Problem::io(format!("/proc/{process}/stat")))
}

/// Of several processes together.
pub(crate) fn cpu_of_all(processes: &[u32]) -> Result<Cpu> {
    let mut sum = Cpu::default();
    for process in processes {
        sum = sum.plus(cpu(&process.to_string())?);
    }
    Ok(sum)
}

/// Nanosecond-exact seconds of a process's living threads.
pub(crate) fn exact_cpu(process: u32) -> Result<f64> {
    let directory = format!("/proc/{process}/task");
    let mut sum = 0.0;
    for thread in fs::read_dir(&directory).map_err(Problem::io(directory.clone()))? {
        let path = thread.map_err(Problem::io(directory.clone()))?.path().join("schedstat");
        sum += nanoseconds(&path.to_string_lossy())?;
    }
    Ok(sum / 1e9)
}

/// Seconds that this process's living threads have spent on a CPU, by the thread's name.
pub(crate) fn own_threads() -> Result<BTreeMap<String, f64>> {
    let mut threads: BTreeMap<String, f64> = BTreeMap::new();
    for thread in fs::read_dir("/proc/self/task").map_err(Problem::io("/proc/self/task"))? {
        let path = thread.map_err(Problem::io("/proc/self/task"))?.path();
        let path = path.to_string_lossy();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(spent)) = (read(&format!("{path}/comm")), nanoseconds(&format!("{path}/schedstat"))) else {
            continue;
        };
        *threads.entry(name.trim().to_owned()).or_default() += spent / 1e9;
    }
    Ok(threads)
}

/// Seconds that the calling thread has spent on a CPU.
pub(crate) fn this_thread() -> Result<f64> {
    Ok(nanoseconds("/proc/thread-self/schedstat")? / 1e9)
}

fn nanoseconds(path: &str) -> Result<f64> {
    let text = read(path)?;
    let spent = text.split_whitespace().next().and_then(|field| field.parse().ok());
    spent.ok_or_else(|| Problem::not_measured(format!("{path} reads {text}")))
}

/// Resident memory in MiB: now, and at its highest.
pub(crate) fn memory(process: u32) -> Result<(f64, f64)> {
    let text = read(&format!("/proc/{process}/status"))?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
        let kilobytes: f64 = kilobytes.ok_or_else(|| Problem::not_measured(format!("no {name} of {process}")))?;
        Ok::<f64, Problem>(kilobytes / 1024.0)
    };
    Ok((of("VmRSS:")?, of("VmHWM:")?))
}

/// How busy the machine is with others: the mean number of processes that want a CPU, over the last minute.
pub(crate) fn load() -> String {
    read("/proc/loadavg").ok().and_then(|text| text.split(' ').next().map(str::to_owned)).unwrap_or_default()
}

/// The processor, as the kernel names it, and how many of them there are.
pub(crate) fn machine() -> String {
    let text = read("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split(": ").nth(1)));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = read("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let gigabytes = kilobytes.unwrap_or(0) / 1_000_000;
    format!("{}, {cores} cores, {gigabytes} GB, {}", name.unwrap_or("unknown processor"), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_is_seen_to_be_busy() {
        let before = cpu("self").unwrap();
        let began = std::time::Instant::now();
        while began.elapsed() < std::time::Duration::from_millis(300) {
            std::hint::spin_loop();
        }
        assert!(cpu("self").unwrap().since(before).total() > 0.0);
        assert!(exact_cpu(std::process::id()).unwrap() > 0.0);
        assert!(memory(std::process::id()).unwrap().1 > 1.0);
        assert!(cpu("0").is_err(), "what cannot be read is not a figure");
    }
}
