//! Alarms and metrics, as CloudWatch has them.

use jiff::{SignedDuration, Timestamp};

use crate::aws::services::Aws;
use crate::error::StoreError;
use crate::operator::signed::Request;

const VERSION: &str = "2010-08-01";
const ALARMS: &str = "cloudwatch:DescribeAlarms";
const STATISTICS: &str = "cloudwatch:GetMetricStatistics";
/// As many names as one call takes.
const BATCH: usize = 100;

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// Whether it calls anybody.
    pub is_on: bool,
    pub reason: String,
}

impl Aws {
    /// The alarms of these names that there are.
    ///
    /// # Errors
    /// When CloudWatch fails or may not be asked.
    pub async fn alarms(&self, names: &[String]) -> Result<Vec<Alarm>, StoreError> {
        let mut alarms = Vec::new();
        for names in names.chunks(BATCH) {
            let keys: Vec<String> = (1..=names.len()).map(|number| format!("AlarmNames.member.{number}")).collect();
            let mut parameters: Vec<(&str, &str)> =
                keys.iter().zip(names).map(|(key, name)| (key.as_str(), name.as_str())).collect();
            parameters.push(("MaxRecords", "100"));
            let request = Request::query("monitoring", ALARMS, VERSION, &parameters);
            let answer = self.ask_xml(&request).await.map_err(|refusal| refusal.into_error(ALARMS))?;
            alarms.extend(answer.members(&["DescribeAlarmsResult", "MetricAlarms"]).map(|member| Alarm {
                name: member.text(&["AlarmName"]).to_owned(),
                state: member.text(&["StateValue"]).to_owned(),
                is_on: member.text(&["ActionsEnabled"]) == "true",
                reason: member.text(&["StateReason"]).to_owned(),
            }));
        }
        Ok(alarms)
    }

    /// How old the oldest message of a queue was in the last quarter of an hour; none if nothing was measured, as of a
    /// queue that is not used.
    ///
    /// # Errors
    /// When CloudWatch fails or may not be asked.
    pub async fn oldest_message(&self, queue: &str, now: Timestamp) -> Result<Option<SignedDuration>, StoreError> {
        let from = now.checked_sub(SignedDuration::from_mins(15)).unwrap_or(now);
        let (from, to) = (format!("{from:.0}"), format!("{now:.0}"));
        let parameters = [
            ("Namespace", "AWS/SQS"),
            ("MetricName", "ApproximateAgeOfOldestMessage"),
            ("Dimensions.member.1.Name", "QueueName"),
            ("Dimensions.member.1.Value", queue),
            ("StartTime", &from),
            ("EndTime", &to),
            ("Period", "60"),
            ("Statistics.member.1", "Maximum"),
        ];
        let request = Request::query("monitoring", STATISTICS, VERSION, &parameters);
        let answer = self.ask_xml(&request).await.map_err(|refusal| refusal.into_error(STATISTICS))?;
        let points = answer.members(&["GetMetricStatisticsResult", "Datapoints"]);
        let newest = points.max_by(|a, b| a.text(&["Timestamp"]).cmp(b.text(&["Timestamp"])));
        let seconds = newest.and_then(|point| point.text(&["Maximum"]).parse::<f64>().ok());
        Ok(seconds.and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok()))
    }
}
