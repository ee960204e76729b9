//! A function's environment, read once at start. All that is missing or wrong is told at once.

use std::num::NonZeroU32;
use std::time::Duration;

use tenday_model::destination::address::AddressPolicy;
use tenday_model::settings::audit::AuditDays;

/// What is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("the function's environment is incomplete: {}", .problems.join("; "))]
pub struct EnvironmentError {
    problems: Vec<String>,
}

/// Reads variables and remembers what was wrong with them.
#[derive(Debug, Default)]
pub struct Environment {
    problems: Vec<String>,
}

impl Environment {
    pub fn new() -> Self {
        Self::default()
    }

    /// A variable that must be there. An empty text stands in for one that is missing, until [`Self::finish`].
    pub fn text(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// A variable that may be missing; an empty one counts as missing.
    pub fn optional(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// A variable that holds a whole number, not 0.
    pub fn number(&mut self, name: &str) -> u32 {
        let text = self.text(name);
        text.parse().ok().filter(|number| *number > 0).unwrap_or_else(|| {
            if !text.is_empty() {
                self.problems.push(format!("{name} is `{text}`, not a whole number above 0"));
            }
            1
        })
    }

    /// A variable that holds whole seconds, not 0.
    pub fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(u64::from(self.number(name)))
    }

    /// Where callbacks may lead. The local run takes both its own variable and an endpoint on this machine in place of
    /// AWS, so no deployment can switch it on by one mistake.
    pub fn address_policy(&self) -> AddressPolicy {
        let loopback = |url: String| url.starts_with("http://127.0.0.1:") || url.starts_with("http://[::1]:");
        let local = self.optional("TENDAY_LOCAL").as_deref() == Some("1")
            && self.optional("AWS_ENDPOINT_URL").is_some_and(loopback);
        if local { AddressPolicy::Local } else { AddressPolicy::Deployed }
    }

    /// For how long changes of settings are kept, `AUDIT_DAYS`.
    pub fn audit_days(&mut self) -> AuditDays {
        AuditDays(NonZeroU32::new(self.number("AUDIT_DAYS")).unwrap_or(NonZeroU32::MIN))
    }

    /// Gives the function's metrics the name of its deployment, `METRICS_SERVICE`.
    pub fn name_metrics(&self) {
        tenday_telemetry::metrics::start(self.optional("METRICS_SERVICE").unwrap_or_else(|| "tenday".to_owned()));
    }

    /// # Errors
    /// When any variable that was read was missing or wrong.
    pub fn finish(self) -> Result<(), EnvironmentError> {
        if self.problems.is_empty() { Ok(()) } else { Err(EnvironmentError { problems: self.problems }) }
    }
}
