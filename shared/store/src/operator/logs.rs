//! Questions to the functions' logs, by CloudWatch Logs Insights.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::services::Aws;
use crate::error::StoreError;
use crate::operator::signed::Request;

const START: &str = "logs:StartQuery";
const RESULTS: &str = "logs:GetQueryResults";
/// The most rows that a query answers.
pub const MOST_ROWS: usize = 10_000;
/// Between two looks, and how many there are: ten minutes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS: u32 = 1200;

/// What a query found, and what it read to find it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogAnswer {
    /// Each with its fields by name.
    pub rows: Vec<BTreeMap<String, String>>,
    /// Bytes that it looked at, which is what it is billed by.
    pub scanned: f64,
}

impl Aws {
    /// Asks the logs of these groups, from a moment to another, and waits for the answer.
    ///
    /// # Errors
    /// When Logs fails or may not be asked, or the query does not end.
    pub async fn ask_logs(
        &self,
        groups: &[String],
        query: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<LogAnswer, StoreError> {
        let body = json!({
            "logGroupNames": groups,
            "queryString": query,
            "startTime": from.as_second(),
            "endTime": to.as_second(),
            "limit": MOST_ROWS,
        });
        let started = self.ask_json(&Request::json("logs", START, "Logs_20140328.StartQuery", &body)).await;
        let started = started.map_err(|refusal| refusal.into_error(START))?;
        let asking = json!({ "queryId": started["queryId"] });
        for _ in 0..LOOKS {
            let request = Request::json("logs", RESULTS, "Logs_20140328.GetQueryResults", &asking);
            let answer = self.ask_json(&request).await.map_err(|refusal| refusal.into_error(RESULTS))?;
            match answer["status"].as_str().unwrap_or_default() {
                "Complete" => return Ok(read(&answer)),
                "Scheduled" | "Running" => tokio::time::sleep(LOOK_EVERY).await,
                other => {
                    let cause = format!("the query ended as {other}");
                    return Err(StoreError::Unavailable { operation: RESULTS, cause });
                }
            }
        }
        Err(StoreError::Unavailable { operation: RESULTS, cause: "the query does not end".to_owned() })
    }
}

fn read(answer: &Value) -> LogAnswer {
    let field = |field: &Value| {
        let text = |name: &str| field[name].as_str().unwrap_or_default().to_owned();
        (text("field"), text("value"))
    };
    let row = |row: &Value| row.as_array().into_iter().flatten().map(field).collect();
    LogAnswer {
        rows: answer["results"].as_array().into_iter().flatten().map(row).collect(),
        scanned: answer["statistics"]["bytesScanned"].as_f64().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_rows_of_fields() {
        let answer = json!({
            "status": "Complete",
            "results": [[{ "field": "developer", "value": "DEV-a" }, { "field": "attempts", "value": "3" }]],
            "statistics": { "bytesScanned": 2048.0 },
        });
        let read = read(&answer);
        assert_eq!((read.rows[0]["attempts"].as_str(), read.scanned as u64), ("3", 2048));
    }
}
