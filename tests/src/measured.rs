//! What the functions measured, read off their log as CloudWatch reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::System;

/// Metrics by name and, where they have one, the dimension besides the service: `Attempts Outcome=success`.
#[derive(Debug, Default)]
pub struct Measured(BTreeMap<String, Vec<u64>>);

impl Measured {
    /// The sum of a metric's values.
    pub fn sum(&self, metric: &str) -> u64 {
        self.values(metric).iter().sum()
    }

    pub fn values(&self, metric: &str) -> &[u64] {
        self.0.get(metric).map_or(&[], Vec::as_slice)
    }

    /// The names of all that was measured.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn add(&mut self, line: &Map<String, Value>) {
        let Some(aws) = line.get("_aws") else { return };
        assert!(aws["Timestamp"].is_u64(), "{line:#?}");
        for directive in aws["CloudWatchMetrics"].as_array().expect("directives") {
            assert_eq!(directive["Namespace"], "Tenday", "{line:#?}");
            let sets = directive["Dimensions"].as_array().expect("sets of dimensions");
            assert_eq!(sets.len(), 1, "{line:#?}");
            let names: Vec<&str> = sets[0].as_array().expect("a set").iter().filter_map(Value::as_str).collect();
            assert_eq!(names[0], "Service", "{line:#?}");
            assert_eq!(line["Service"], "tenday-tenday", "the stack's name: {line:#?}");
            let own: Vec<String> =
                names[1..].iter().map(|name| format!(" {name}={}", line[*name].as_str().expect("a text"))).collect();
            assert!(own.len() <= 1, "{line:#?}");
            for metric in directive["Metrics"].as_array().expect("metrics") {
                let name = metric["Name"].as_str().expect("a name");
                let milliseconds = ["FirstAttemptLag", "PublishLatency"].contains(&name);
                assert_eq!(metric["Unit"], if milliseconds { "Milliseconds" } else { "Count" }, "{line:#?}");
                self.0.entry(format!("{name}{}", own.concat())).or_default().extend(values(&line[name]));
            }
        }
    }
}

/// A number, or up to a hundred.
fn values(value: &Value) -> Vec<u64> {
    if let Some(number) = value.as_u64() {
        return vec![number];
    }
    let numbers: Vec<u64> = value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    assert!((1..=100).contains(&numbers.len()), "{value}");
    numbers
}

impl System {
    pub fn measured(&self) -> Measured {
        let mut measured = Measured::default();
        for line in self.run.logs() {
            measured.add(&line.fields);
        }
        measured
    }

    /// Waits until each of these metrics has been measured so many times over; a log is read a moment after it is
    /// written. Then nothing else of the same names may have been measured either.
    pub async fn wait_for_measured(&self, wanted: &[(&str, u64)]) -> Measured {
        self.settle().await;
        for _ in 0..1000 {
            let measured = self.measured();
            if wanted.iter().all(|(metric, sum)| measured.sum(metric) >= *sum) {
                let sums: Vec<_> = wanted.iter().map(|(metric, _)| (*metric, measured.sum(metric))).collect();
                assert_eq!(sums, wanted, "{measured:#?}");
                return measured;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{wanted:?} are not among {:#?}", self.measured());
    }
}
