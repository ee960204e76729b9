//! The limits that a growing system meets: the template's own, and those that AWS publishes; what each is, whether AWS
//! raises it, and what to turn.

use std::collections::BTreeMap;

use crate::problem::{Problem, Result};

/// How a limit is raised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raised {
    /// By this parameter of the template, up to its `MaxValue`.
    By(&'static str, f64),
    /// By AWS, who is asked for it (Service Quotas).
    OnRequest,
    /// By warming the table ahead of what is to come.
    Ahead,
    /// By nobody.
    Never,
}

macro_rules! limits {
    ($($limit:ident = $key:literal, $name:literal, $default:expr, $raised:expr, $turn:literal, $source:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Limit { $($limit),+ }

        impl Limit {
            pub(crate) const ALL: [Self; [$($key),+].len()] = [$(Self::$limit),+];

            fn row(self) -> &'static Row {
                match self { $(Self::$limit => &Row {
                    key: $key, name: $name, default: $default, raised: $raised, turn: $turn, source: $source,
                }),+ }
            }
        }
    };
}

/// What is known of a limit.
struct Row {
    /// Its name on the command line.
    key: &'static str,
    name: &'static str,
    default: Default,
    raised: Raised,
    /// What to do when it is met.
    turn: &'static str,
    source: &'static str,
}

enum Default {
    /// A parameter of the template.
    Parameter(&'static str),
    /// What AWS publishes for us-east-1, on 2026-11-29.
    Published(f64),
    /// The same, for each sandbox of the account's concurrency.
    ForEachSandbox(f64),
}

use Default::{ForEachSandbox, Parameter, Published};
use Raised::{Ahead, By, Never, OnRequest};

limits! {
    ApiStage = "ApiRequestsPerSecond", "HTTP API: requests a second of this stage", Parameter("ApiRequestsPerSecond"),
        By("ApiRequestsPerSecond", f64::INFINITY), "ApiRequestsPerSecond and ApiBurst; or publish more updates in a request (up to 100)", "template.yaml";
    ApiAccount = "apiAccountRequests", "HTTP API: requests a second of the account", Published(10_000.0),
        OnRequest, "ask AWS; or publish more updates in a request, or by the queue (IngestIsOn)", "API Gateway quotas (developerguide/limits.html)";
    ClientRate = "RequestsPerSecond", "one client's requests a second to one sandbox", Parameter("RequestsPerSecond"),
        By("RequestsPerSecond", 1_000.0), "RequestsPerSecond", "template.yaml";
    Concurrency = "AccountConcurrency", "Lambda: sandboxes of the account at once", Parameter("AccountConcurrency"),
        OnRequest, "ask AWS, then AccountConcurrency, whose alarm knows by it", "Lambda quotas (dg/gettingstarted-limits.html)";
    LambdaRequests = "lambdaRequests", "Lambda: synchronous requests a second", ForEachSandbox(10.0),
        OnRequest, "ask AWS for concurrency, by ten times of which this goes; or publish more updates in a request", "Lambda quotas (dg/lambda-concurrency.html)";
    LambdaRamp = "lambdaSandboxesInTenSeconds", "Lambda: new sandboxes of one function in ten seconds", Published(1_000.0),
        Never, "nothing; what comes faster waits, or is throttled and tried again", "Lambda scaling (dg/scaling-behavior.html)";
    FirstAttempts = "DeliverConcurrency", "sandboxes for first attempts", Parameter("DeliverConcurrency"),
        By("DeliverConcurrency", 1_000.0), "DeliverConcurrency, up to 1,000; beyond, a second deliveries queue", "template.yaml; Lambda (dg/services-sqs-scaling.html)";
    Retries = "retriesConcurrency", "sandboxes for retries", Parameter("DeliverConcurrency"),
        By("DeliverConcurrency", 1_000.0), "DeliverConcurrency, which retries have their own allowance of", "template.yaml; Lambda (dg/services-sqs-scaling.html)";
    PollerRamp = "pollersInAMinute", "Lambda: more sandboxes for one queue in a minute", Published(300.0),
        Never, "nothing here; provisioned pollers take the place of MaximumConcurrency", "Lambda (dg/services-sqs-scaling.html)";
    InFlight = "messagesInFlight", "SQS: messages of one queue in flight", Published(120_000.0),
        OnRequest, "ask AWS; or a second queue", "SQS quotas (quotas-queues.html)";
    EventWrites = "tableWrites", "DynamoDB: write units a second of the events table", Published(40_000.0),
        OnRequest, "ask AWS", "DynamoDB quotas (developerguide/ServiceQuotas.html)";
    EventReads = "tableReads", "DynamoDB: read units a second of the events table", Published(40_000.0),
        OnRequest, "ask AWS", "DynamoDB quotas (developerguide/ServiceQuotas.html)";
    SettingReads = "settingsReads", "DynamoDB: read units a second of the settings table", Published(40_000.0),
        OnRequest, "ask AWS", "DynamoDB quotas (developerguide/ServiceQuotas.html)";
    Doubling = "timesThePeakBefore", "DynamoDB: the events table's writes, as times its peak of before", Published(2.0),
        Ahead, "warm throughput, ahead of the day", "DynamoDB on demand (on-demand-capacity-mode.html); 4,000 at first";
    PartitionWrites = "partitionWrites", "DynamoDB: write units a second of one partition", Published(1_000.0),
        Never, "split that developer's events over more webhooks, by event name or link; in code: a suffix in the key of a webhook's events", "DynamoDB partitions (bp-partition-key-design.html)";
    PartitionReads = "partitionReads", "DynamoDB: read units a second of one partition", Published(3_000.0),
        Never, "the same as for writes; of settings: more updates in a request", "DynamoDB partitions (bp-partition-key-design.html)";
    CreateSchedule = "schedulesASecond", "Scheduler: schedules made in a second", Published(5_000.0),
        OnRequest, "ask AWS", "Scheduler quotas (scheduler-quotas.html); 250 in smaller regions";
    FiredSchedules = "firedASecond", "Scheduler: schedules fired in a second", Published(1_000.0),
        OnRequest, "ask AWS; what is more fires later", "Scheduler quotas (scheduler-quotas.html)";
    Schedules = "schedules", "Scheduler: schedules at once", Published(10_000_000.0),
        OnRequest, "ask AWS", "Scheduler quotas (scheduler-quotas.html)";
}

impl Limit {
    pub(crate) fn key(self) -> &'static str {
        self.row().key
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether the command line's word for it is a parameter of the template.
    pub(crate) fn is_parameter(self) -> bool {
        matches!(self.row().default, Parameter(name) if name == self.key())
    }

    pub(crate) fn raised(self) -> Raised {
        self.row().raised
    }

    pub(crate) fn turn(self) -> &'static str {
        self.row().turn
    }

    pub(crate) fn source(self) -> &'static str {
        self.row().source
    }

    /// The service that throttles beyond it.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::ApiStage | Self::ApiAccount => "HTTP API",
            Self::ClientRate => "updates",
            Self::Concurrency | Self::LambdaRequests | Self::LambdaRamp => "Lambda",
            Self::FirstAttempts | Self::Retries | Self::PollerRamp | Self::InFlight => "queues",
            Self::CreateSchedule | Self::FiredSchedules | Self::Schedules => "Scheduler",
            _ => "DynamoDB",
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// A value for each limit: what is allowed, or what is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values([f64; Limit::ALL.len()]);

impl Values {
    /// By the template's parameters and what AWS publishes.
    pub(crate) fn of(parameters: &BTreeMap<String, String>) -> Result<Self> {
        let mut values = Self::all(0.0);
        for limit in Limit::ALL {
            let parameter = |name: &str| {
                let number = parameters.get(name).and_then(|value| value.parse::<f64>().ok());
                number.ok_or_else(|| Problem::not_measured(format!("template.yaml has no number called {name}")))
            };
            let value = match limit.row().default {
                Published(value) => value,
                ForEachSandbox(value) => value * parameter(Limit::Concurrency.key())?,
                Parameter(name) => parameter(name)?,
            };
            values.set(limit, value);
        }
        Ok(values)
    }

    pub(crate) fn all(value: f64) -> Self {
        Self([value; Limit::ALL.len()])
    }

    /// Nothing is throttled.
    pub(crate) fn unlimited() -> Self {
        Self::all(f64::INFINITY)
    }

    pub(crate) fn get(&self, limit: Limit) -> f64 {
        self.0[limit.index()]
    }

    pub(crate) fn set(&mut self, limit: Limit, value: f64) {
        self.0[limit.index()] = value;
    }

    /// Keeps the highest.
    pub(crate) fn reach(&mut self, limit: Limit, value: f64) {
        let kept = &mut self.0[limit.index()];
        *kept = kept.max(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_of_its_own_and_says_where_it_is_from() {
        for limit in Limit::ALL {
            assert_eq!(Limit::ALL.iter().filter(|other| other.key() == limit.key()).count(), 1, "{limit:?}");
            assert!(!limit.source().is_empty() && !limit.turn().is_empty());
        }
    }
}
