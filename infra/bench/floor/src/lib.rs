//! What the benchmark and its bare loop share: the loop's order, its answer, and the CPU time of a process. A crate of
//! its own, so that what Tenday is compared with is compiled as the functions are, whatever the benchmark itself is.

mod signed;

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

pub use signed::call;

/// `USER_HZ`, which Linux has fixed at 100 on every architecture that Lambda and this benchmark run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that a process and its threads, the ended ones included, have spent on a CPU.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
}

impl Cpu {
    #[must_use]
    pub fn total(&self) -> f64 {
        self.user + self.system
    }

    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self { user: self.user - before.user, system: self.system - before.system }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }
}

/// The CPU time of one process; `self` is this one.
///
/// # Errors
/// When there is no such process, or this is not Linux.
pub fn cpu(process: &str) -> io::Result<Cpu> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the program's name in brackets, which may hold anything.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let seconds = |index: usize| {
        let ticks = fields.get(index).and_then(|field| field.parse::<f64>().ok());
        ticks.map(|ticks| ticks / TICKS_PER_SECOND).ok_or_else(|| io::Error::other(format!("it reads {text}")))
    };
    Ok(Cpu { user: seconds(11)?, system: seconds(12)? })
}

/// What the bare loop sends, on its standard input as JSON. It answers with its [`Cpu`] time, as JSON too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub secret: String,
    /// Whether an ES256 token goes with it, as Plaid's does.
    pub token: bool,
    pub batches: usize,
    /// Requests at once.
    pub batch: usize,
    /// Of AWS, after each batch, one after another.
    #[serde(default)]
    pub calls: Vec<Call>,
}

/// A call of DynamoDB or SQS: what is POSTed, signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    pub url: String,
    /// The service's name, as signatures have it.
    pub service: String,
    /// `DynamoDB_20120810.BatchGetItem`.
    pub target: String,
    pub body: String,
}
