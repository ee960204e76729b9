//! What was gathered, as lines of CloudWatch's embedded metric format (its specification is a page of the CloudWatch
//! guide): one line with all metrics, unless a dimension has several values, since a line has one value of each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

const NAMESPACE: &str = "Tenday";
const SERVICE: &str = "Service";
/// The most values that a metric may have in one line.
pub(crate) const MOST_VALUES: usize = 100;

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
    /// When such were written last, since 1970.
    pub(crate) publishing_written: Duration,
}

impl Gathered {
    pub(crate) const fn new() -> Self {
        Self {
            sums: BTreeMap::new(),
            first_attempt_lags: Vec::new(),
            publish_latencies: Vec::new(),
            publishing_written: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, sum: Sum) {
        *self.sums.entry(sum).or_default() += 1;
    }

    /// Nothing of it happened, which is worth a number of its own.
    pub(crate) fn note(&mut self, sum: Sum) {
        self.sums.entry(sum).or_default();
    }

    /// Nothing when nothing was measured. `at` is in milliseconds since 1970.
    pub(crate) fn lines(&self, service: &str, at: u64) -> Vec<u8> {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (name, values) in
            [("FirstAttemptLag", &self.first_attempt_lags), ("PublishLatency", &self.publish_latencies)]
        {
            for (index, values) in values.chunks(MOST_VALUES).enumerate() {
                line_of(&mut lines, index, service, at).milliseconds.push((name, values));
            }
        }
        let mut values: BTreeMap<&str, usize> = BTreeMap::new();
        for (sum, count) in &self.sums {
            // As a metric of its own name, so that the first line takes the first value of each.
            let index = values.entry(sum.name()).or_default();
            line_of(&mut lines, *index, service, at).counts.push((*sum, *count));
            *index += 1;
        }
        let mut text = Vec::new();
        for line in &lines {
            // Neither a vector nor what is written to it can fail.
            let _ = serde_json::to_writer(&mut text, line);
            text.push(b'\n');
        }
        text
    }
}

fn line_of<'a, 'b>(lines: &'b mut Vec<Line<'a>>, index: usize, service: &'a str, at: u64) -> &'b mut Line<'a> {
    while lines.len() <= index {
        lines.push(Line { service, at, counts: Vec::new(), milliseconds: Vec::new() });
    }
    &mut lines[index]
}

/// Metrics that fit into one line: no two of one name.
struct Line<'a> {
    service: &'a str,
    at: u64,
    counts: Vec<(Sum, u64)>,
    milliseconds: Vec<(&'static str, &'a [u64])>,
}

impl Line<'_> {
    /// What tells CloudWatch which members of the line are metrics: those that share their dimensions together.
    fn directives(&self) -> Vec<Directive> {
        let count = |name| Metric { name, unit: "Count" };
        let plain = self.counts.iter().filter(|(sum, _)| sum.dimension().is_none()).map(|(sum, _)| count(sum.name()));
        let timed = self.milliseconds.iter().map(|(name, _)| Metric { name, unit: "Milliseconds" });
        let metrics: Vec<Metric> = plain.chain(timed).collect();
        let shared = (!metrics.is_empty()).then(|| Directive::of(vec![SERVICE], metrics));
        let own = self.counts.iter().filter_map(|(sum, _)| {
            let (dimension, _) = sum.dimension()?;
            Some(Directive::of(vec![SERVICE, dimension], vec![count(sum.name())]))
        });
        shared.into_iter().chain(own).collect()
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_aws", &Head { timestamp: self.at, directives: self.directives() })?;
        map.serialize_entry(SERVICE, self.service)?;
        for (sum, count) in &self.counts {
            if let Some((dimension, value)) = sum.dimension() {
                map.serialize_entry(dimension, value)?;
            }
            map.serialize_entry(sum.name(), count)?;
        }
        for (name, values) in &self.milliseconds {
            map.serialize_entry(name, values)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Head {
    #[serde(rename = "Timestamp")]
    timestamp: u64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: Vec<Directive>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [Vec<&'static str>; 1],
    metrics: Vec<Metric>,
}

impl Directive {
    fn of(dimensions: Vec<&'static str>, metrics: Vec<Metric>) -> Self {
        Self { namespace: NAMESPACE, dimensions: [dimensions], metrics }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    const AT: u64 = 1_764_380_000_000;

    fn lines(gathered: &Gathered) -> Vec<Json> {
        let lines = String::from_utf8(gathered.lines("tenday-a", AT)).unwrap();
        assert!(lines.is_empty() || lines.ends_with('\n'), "{lines}");
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_invocation_that_measured_nothing_writes_nothing() {
        assert_eq!(lines(&Gathered::new()), Vec::<Json>::new());
    }

    #[test]
    fn all_that_fits_is_one_line_in_which_what_shares_its_dimensions_is_told_together() {
        let mut gathered = Gathered::new();
        gathered.add(Sum::Duplicates);
        gathered.add(Sum::Duplicates);
        gathered.add(Sum::Disabled);
        gathered.add(Sum::Attempts("success"));
        gathered.add(Sum::Dropped("gone"));
        gathered.first_attempt_lags = vec![12, 40];
        gathered.publish_latencies = vec![7];
        let expected = json!({
            "_aws": {
                "Timestamp": AT,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Tenday",
                        "Dimensions": [["Service"]],
                        "Metrics": [
                            { "Name": "Disabled", "Unit": "Count" },
                            { "Name": "Duplicates", "Unit": "Count" },
                            { "Name": "FirstAttemptLag", "Unit": "Milliseconds" },
                            { "Name": "PublishLatency", "Unit": "Milliseconds" },
                        ],
                    },
                    {
                        "Namespace": "Tenday",
                        "Dimensions": [["Service", "Outcome"]],
                        "Metrics": [{ "Name": "Attempts", "Unit": "Count" }],
                    },
                    {
                        "Namespace": "Tenday",
                        "Dimensions": [["Service", "Reason"]],
                        "Metrics": [{ "Name": "Dropped", "Unit": "Count" }],
                    },
                ],
            },
            "Service": "tenday-a",
            "Outcome": "success",
            "Attempts": 1,
            "Reason": "gone",
            "Dropped": 1,
            "Disabled": 1,
            "Duplicates": 2,
            "FirstAttemptLag": [12, 40],
            "PublishLatency": [7],
        });
        assert_eq!(lines(&gathered), [expected]);
    }

    #[test]
    fn each_further_value_of_a_dimension_is_a_line() {
        let mut gathered = Gathered::new();
        for outcome in ["success", "timeout", "success"] {
            gathered.add(Sum::Attempts(outcome));
        }
        let mut found: Vec<_> = lines(&gathered)
            .iter()
            .map(|line| {
                let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
                assert_eq!(directives.len(), 1, "{line:#}");
                assert_eq!(directives[0]["Dimensions"], json!([["Service", "Outcome"]]));
                assert_eq!(directives[0]["Metrics"], json!([{ "Name": "Attempts", "Unit": "Count" }]));
                (line["Outcome"].as_str().unwrap().to_owned(), line["Attempts"].as_u64().unwrap())
            })
            .collect();
        found.sort();
        assert_eq!(found, [("success".to_owned(), 2), ("timeout".to_owned(), 1)]);
    }

    #[test]
    fn a_line_has_no_more_values_of_a_metric_than_are_read() {
        let mut gathered = Gathered::new();
        gathered.publish_latencies = (0..250).collect();
        let numbers: Vec<usize> =
            lines(&gathered).iter().map(|line| line["PublishLatency"].as_array().unwrap().len()).collect();
        assert_eq!(numbers, [100, 100, 50]);
    }
}
