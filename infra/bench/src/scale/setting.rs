//! What a day is played with: what the platform and the receivers do, what AWS takes its time for, what the template
//! says, and the limits. Each has a name, by which the command line changes it.

use std::collections::BTreeMap;

use tenday_local::Sizes;

use crate::problem::{Problem, Result};
use crate::scale::limits::{Limit, Values};

macro_rules! knobs {
    ($($field:ident = $name:literal, $default:literal, $what:literal;)+) => {
        /// Numbers that neither the template nor AWS's documentation has.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) struct Knobs { $(#[doc = $what] pub(crate) $field: f64),+ }

        impl Default for Knobs {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl Knobs {
            /// Each one's name on the command line, its default, and what it is.
            pub(crate) const ALL: &[(&'static str, f64, &'static str)] = &[$(($name, $default, $what)),+];

            /// False if there is none of that name.
            fn set(&mut self, name: &str, value: f64) -> bool {
                match name {
                    $($name => self.$field = value,)+
                    _ => return false,
                }
                true
            }
        }
    };
}

knobs! {
    zipf = "zipf", 1.0, "how unequal developers are: the nth has 1/n^zipf of the first one's events";
    webhooks = "webhooks", 1.0, "webhooks of a developer that get each update";
    updates = "updatesPerRequest", 1.0, "updates of one developer in each request that publishes";
    peak = "peak", 3.0, "the busiest hour's rate, as times the day's mean";
    burst = "burst", 10.0, "one developer's burst at the peak, as times their ordinary rate";
    burst_rank = "burstRank", 10.0, "which developer that is, from 1, by size";
    burst_minutes = "burstMinutes", 10.0, "minutes of the burst";
    down = "down", 0.01, "share of receivers that are down for some of the day";
    down_hours = "downHours", 4.0, "hours that each of them is down";
    hanging = "hanging", 0.5, "share of those that hang; the others refuse at once";
    receiver_ms = "receiverMs", 100.0, "milliseconds in which half of the receivers answer";
    receiver_spread = "receiverSpread", 0.6, "their spread: sigma of a lognormal distribution";
    store_ms = "storeMs", 8.0, "milliseconds of one call to DynamoDB or SQS";
    cpu_ms = "cpuMs", 0.15, "milliseconds of a whole processor for one delivery (docs/benchmarks.md)";
    publish_ms = "publishMs", 30.0, "milliseconds of a sandbox for one request that publishes";
    poll_ms = "pollMs", 30.0, "milliseconds from a message's arrival to an idle poller's invocation";
    cold_ms = "coldMs", 300.0, "milliseconds that a new sandbox takes longer";
    seen = "seen", 1.0, "1 if the tables have seen such a day before, 0 if they are new";
    noise = "noise", 1.0, "1 if events come by chance, 0 if they come evenly";
}

/// How a queue's messages are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taking {
    /// Messages of one invocation, at most.
    pub(crate) batch: f64,
    /// Seconds that they are waited for.
    pub(crate) window: f64,
}

/// All that one day is played with.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) events: f64,
    pub(crate) developers: usize,
    pub(crate) seed: u64,
    pub(crate) knobs: Knobs,
    pub(crate) limits: Values,
    pub(crate) api_burst: f64,
    /// Megabytes of deliver and of updates.
    pub(crate) memory: f64,
    /// Seconds.
    pub(crate) attempt_timeout: f64,
    pub(crate) first: Taking,
    pub(crate) retries: Taking,
}

impl Setting {
    /// By the template, and by what is given in its place: `KEY=VALUE` for parameters of the template, knobs and limits.
    pub(crate) fn read(given: &[(String, String)]) -> Result<Self> {
        let mut knobs = Knobs::default();
        let mut limits = Vec::new();
        let mut parameters = BTreeMap::new();
        for (name, value) in given {
            let number = || {
                value.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0).ok_or_else(|| {
                    Problem::not_measured(format!("{name} takes a number from 0 up, which `{value}` is not"))
                })
            };
            let published = Limit::ALL.iter().find(|limit| limit.key() == name && !limit.is_parameter());
            if let Some(limit) = published {
                limits.push((*limit, number()?));
            } else if Knobs::ALL.iter().any(|(knob, ..)| knob == name) {
                knobs.set(name, number()?);
            } else {
                parameters.insert(name.clone(), value.clone());
            }
        }
        let sizes = Sizes::read(&parameters).map_err(|error| Problem::not_measured(error.to_string()))?;
        let mut setting = Self::of(&sizes)?;
        setting.knobs = knobs;
        limits.into_iter().for_each(|(limit, value)| setting.limits.set(limit, value));
        setting.check()?;
        Ok(setting)
    }

    fn of(sizes: &Sizes) -> Result<Self> {
        let missing = |what: &str| Problem::not_measured(format!("template.yaml does not say {what}"));
        let number =
            |name: &str| sizes.parameters.get(name).and_then(|it| it.parse().ok()).ok_or_else(|| missing(name));
        let polling = |queue: &str| {
            let mut found = sizes.pollings.iter().filter(|it| it.function == "Deliver" && it.queue == queue);
            found.next().ok_or_else(|| missing(&format!("how Deliver takes messages of {queue}")))
        };
        let (first, retries) = (polling("DeliveriesQueue")?, polling("RetriesQueue")?);
        let mut limits = Values::of(&sizes.parameters)?;
        // As the mappings have it, whatever parameter it comes from.
        for (limit, polling) in [(Limit::FirstAttempts, first), (Limit::Retries, retries)] {
            // Without a ceiling of its own, a mapping has Lambda's.
            limits.set(limit, polling.concurrency.map_or(1_000.0, f64::from));
        }
        let taking = |it: &tenday_local::Polling| Taking { batch: it.batch as f64, window: it.window.as_secs_f64() };
        Ok(Self {
            events: 1e6,
            developers: 1000,
            seed: 1,
            knobs: Knobs::default(),
            limits,
            api_burst: number("ApiBurst")?,
            memory: f64::from(*sizes.memory.get("Deliver").ok_or_else(|| missing("Deliver's memory"))?),
            attempt_timeout: number("AttemptTimeoutSeconds")?,
            first: taking(first),
            retries: taking(retries),
        })
    }

    /// What would make no sense of a day.
    fn check(&self) -> Result<()> {
        let Knobs { webhooks, updates, peak, down, hanging, seen, noise, burst_rank, .. } = self.knobs;
        let wrong = |what: &str| Err(Problem::not_measured(what.to_owned()));
        match () {
            () if !(1.0..=100.0).contains(&webhooks) => wrong("webhooks is from 1 to 100"),
            () if !(1.0..=100.0).contains(&updates) => wrong("updatesPerRequest is from 1 to 100"),
            () if !(1.0..=20.0).contains(&peak) => wrong("peak is from 1 to 20"),
            () if burst_rank < 1.0 => wrong("burstRank is from 1 up"),
            () if [down, hanging, seen, noise].iter().any(|share| !(0.0..=1.0).contains(share)) => {
                wrong("down, hanging, seen and noise are from 0 to 1")
            }
            () => Ok(()),
        }
    }

    /// The same day at another size.
    pub(crate) fn sized(&self, events: f64, developers: usize) -> Self {
        Self { events, developers, ..self.clone() }
    }

    /// The same day with no limit at all, which tells what it asks for.
    pub(crate) fn unlimited(&self) -> Self {
        Self { limits: Values::unlimited(), api_burst: f64::INFINITY, ..self.clone() }
    }
}
