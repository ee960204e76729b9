//! What was gathered, as lines of the embedded metric format: one for all metrics without a dimension of their own, and
//! one for each value of such a dimension, since a line has one value of each.

use std::collections::BTreeMap;

use metrique_writer_core::config::AllowSplitEntries;
use metrique_writer_core::format::Format;
use metrique_writer_core::unit::NegativeScale;
use metrique_writer_core::{Entry, EntryWriter, MetricFlags, Observation, Unit, Value, ValueWriter};
use metrique_writer_format_emf::Emf;

const NAMESPACE: &str = "Tenday";
const SERVICE: &str = "Service";

/// What is counted; where it has a dimension of its own, with that one's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sum {
    Attempts(&'static str),
    Dropped(&'static str),
    Disabled,
    BreakerChanges(&'static str),
    Duplicates,
    KeyringFailures,
    SchedulesCreated,
    SchedulesFired,
}

impl Sum {
    fn name(self) -> &'static str {
        match self {
            Self::Attempts(_) => "Attempts",
            Self::Dropped(_) => "Dropped",
            Self::Disabled => "Disabled",
            Self::BreakerChanges(_) => "BreakerChanges",
            Self::Duplicates => "Duplicates",
            Self::KeyringFailures => "KeyringFailures",
            Self::SchedulesCreated => "SchedulesCreated",
            Self::SchedulesFired => "SchedulesFired",
        }
    }

    /// Closed sets only: each value is a metric of its own, and billed as one.
    fn dimension(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Attempts(outcome) => Some(("Outcome", outcome)),
            Self::Dropped(reason) => Some(("Reason", reason)),
            Self::BreakerChanges(to) => Some(("To", to)),
            Self::Disabled
            | Self::Duplicates
            | Self::KeyringFailures
            | Self::SchedulesCreated
            | Self::SchedulesFired => None,
        }
    }
}

/// What an invocation has measured so far.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    sums: BTreeMap<Sum, u64>,
    pub(crate) first_attempt_lags: Vec<u64>,
    pub(crate) publish_latencies: Vec<u64>,
}

impl Gathered {
    pub(crate) const fn new() -> Self {
        Self { sums: BTreeMap::new(), first_attempt_lags: Vec::new(), publish_latencies: Vec::new() }
    }

    pub(crate) fn add(&mut self, sum: Sum) {
        *self.sums.entry(sum).or_default() += 1;
    }

    /// Nothing of it happened, which is worth a number of its own.
    pub(crate) fn note(&mut self, sum: Sum) {
        self.sums.entry(sum).or_default();
    }

    /// Nothing when nothing was measured.
    pub(crate) fn lines(&self, service: &str) -> Vec<u8> {
        let mut lines = Vec::new();
        if self.sums.is_empty() && self.first_attempt_lags.is_empty() && self.publish_latencies.is_empty() {
            return lines;
        }
        let mut format = Emf::builder(NAMESPACE.to_owned(), vec![vec![SERVICE.to_owned()]]).build();
        // Neither a vector nor what is written to it can fail.
        let _ = format.format(&Entries { gathered: self, service }, &mut lines);
        lines
    }
}

struct Entries<'a> {
    gathered: &'a Gathered,
    service: &'a str,
}

impl Entry for Entries<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        const SPLIT: AllowSplitEntries = AllowSplitEntries::new();
        writer.config(&SPLIT);
        writer.value(SERVICE, self.service);
        for (sum, count) in &self.gathered.sums {
            writer.value(sum.name(), &Count { count: *count, dimension: sum.dimension() });
        }
        for (name, values) in [
            ("FirstAttemptLag", &self.gathered.first_attempt_lags),
            ("PublishLatency", &self.gathered.publish_latencies),
        ] {
            if !values.is_empty() {
                writer.value(name, &Milliseconds(values));
            }
        }
    }
}

struct Count {
    count: u64,
    dimension: Option<(&'static str, &'static str)>,
}

impl Value for Count {
    fn write(&self, writer: impl ValueWriter) {
        let count = [Observation::Unsigned(self.count)];
        writer.metric(count, Unit::Count, self.dimension, MetricFlags::empty());
    }
}

struct Milliseconds<'a>(&'a [u64]);

impl Value for Milliseconds<'_> {
    fn write(&self, writer: impl ValueWriter) {
        let values = self.0.iter().map(|value| Observation::Unsigned(*value));
        writer.metric(values, Unit::Second(NegativeScale::Milli), [], MetricFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn lines(gathered: &Gathered) -> Vec<Json> {
        let lines = String::from_utf8(gathered.lines("tenday-a")).unwrap();
        assert!(lines.is_empty() || lines.ends_with('\n'), "{lines}");
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn directive(line: &Json) -> &Json {
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert_eq!(directives.len(), 1, "{line:#}");
        &directives[0]
    }

    #[test]
    fn an_invocation_that_measured_nothing_writes_nothing() {
        assert_eq!(lines(&Gathered::new()), Vec::<Json>::new());
    }

    #[test]
    fn what_has_no_dimension_of_its_own_is_one_line_with_the_service() {
        let mut gathered = Gathered::new();
        gathered.add(Sum::Duplicates);
        gathered.add(Sum::Duplicates);
        gathered.add(Sum::Disabled);
        gathered.first_attempt_lags = vec![12, 40];
        gathered.publish_latencies = vec![7];
        let lines = lines(&gathered);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let line = &lines[0];
        assert!(line["_aws"]["Timestamp"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds: {line:#}");
        assert_eq!(
            directive(line),
            &json!({
                "Namespace": "Tenday",
                "Dimensions": [["Service"]],
                "Metrics": [
                    { "Name": "Disabled", "Unit": "Count" },
                    { "Name": "Duplicates", "Unit": "Count" },
                    { "Name": "FirstAttemptLag", "Unit": "Milliseconds" },
                    { "Name": "PublishLatency", "Unit": "Milliseconds" },
                ],
            })
        );
        assert_eq!(
            (&line["Service"], &line["Duplicates"], &line["Disabled"]),
            (&json!("tenday-a"), &json!(2), &json!(1))
        );
        assert_eq!(line["FirstAttemptLag"], json!({ "Values": [12, 40], "Counts": [1, 1] }));
        assert_eq!(line["PublishLatency"], 7);
    }

    #[test]
    fn each_value_of_a_dimension_is_a_line() {
        let mut gathered = Gathered::new();
        for outcome in ["success", "timeout", "success"] {
            gathered.add(Sum::Attempts(outcome));
        }
        let mut found: Vec<_> = lines(&gathered)
            .iter()
            .map(|line| {
                assert_eq!(directive(line)["Dimensions"], json!([["Service", "Outcome"]]));
                assert_eq!(directive(line)["Metrics"], json!([{ "Name": "Attempts", "Unit": "Count" }]));
                (line["Outcome"].as_str().unwrap().to_owned(), line["Attempts"].as_u64().unwrap())
            })
            .collect();
        found.sort();
        assert_eq!(found, [("success".to_owned(), 2), ("timeout".to_owned(), 1)]);
    }
}
