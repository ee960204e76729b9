//! Who made how much work: events, attempts and bytes by developer, from the lines that attempts leave in the log.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::delivery::job;
use tenday_model::ids::DeveloperId;
use tenday_store::MOST_ROWS;

use crate::arguments::Usage;
use crate::error::AdminError;
use crate::place::{Deployment, Place};
use crate::show::{columns, moment};

/// Dollars for each gigabyte that CloudWatch Logs Insights reads (us-east-1).
const DOLLARS_A_GIGABYTE: f64 = 0.005;
const GIGABYTE: f64 = 1_000_000_000.0;
/// The functions that make attempts.
const ATTEMPTING: [&str; 2] = ["Deliver", "Events"];

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Used {
    events: u64,
    attempts: u64,
    bytes: u64,
}

/// By developer.
type All = BTreeMap<String, Used>;

pub(crate) async fn run(place: Place, usage: Usage, as_json: bool, output: &mut impl Write) -> Result<(), AdminError> {
    let read = |text: &str, end| job::moment(text, end).ok_or_else(|| AdminError::NoMoment(text.to_owned()));
    let from = read(&usage.from, false)?;
    let to = usage.to.as_deref().map(|to| read(to, true)).transpose()?;
    let found = place.find("operator-usage").await?;
    let to = match to {
        Some(to) => to,
        None => found.now().await?,
    };
    let (mut all, scanned) = match found.of_local("attempts").await? {
        Some(attempts) => (of_lines(&attempts, from, to), 0.0),
        None => of_logs(&found, usage.developer.as_ref(), from, to).await?,
    };
    if let Some(developer) = &usage.developer {
        all.retain(|name, _| name == developer.as_str());
    }
    let truncated = all.len() >= MOST_ROWS;
    let dollars = scanned / GIGABYTE * DOLLARS_A_GIGABYTE;
    let mut rows: Vec<(&String, &Used)> = all.iter().collect();
    rows.sort_by_key(|(name, used)| (std::cmp::Reverse(used.attempts), *name));
    if as_json {
        let developers: Vec<Value> = rows
            .iter()
            .map(|(name, used)| {
                json!({ "developerId": name, "events": used.events, "attempts": used.attempts, "bytes": used.bytes })
            })
            .collect();
        let shown = json!({
            "from": moment(from), "to": moment(to), "developers": developers,
            "complete": !truncated, "scannedBytes": scanned, "dollars": dollars,
        });
        writeln!(output, "{shown:#}")?;
        return Ok(());
    }
    let head = ["developer", "events", "attempts", "bytes"].map(str::to_owned).to_vec();
    let rows = rows.iter().map(|(name, used)| {
        vec![(*name).clone(), used.events.to_string(), used.attempts.to_string(), used.bytes.to_string()]
    });
    columns(output, &std::iter::once(head).chain(rows).collect::<Vec<_>>())?;
    if truncated {
        writeln!(output, "There are more than {MOST_ROWS}: ask for a shorter time, or for one developer.")?;
    }
    if scanned > 0.0 {
        writeln!(output, "Logs Insights read {:.3} GB for it: ${dollars:.4}.", scanned / GIGABYTE)?;
    }
    Ok(())
}

/// From the lines that a local run has kept.
fn of_lines(attempts: &Value, from: Timestamp, to: Timestamp) -> All {
    let mut all = All::new();
    for line in attempts["attempts"].as_array().into_iter().flatten() {
        let at = line["atMs"].as_i64().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        if at.is_none_or(|at| at < from || at >= to) {
            continue;
        }
        let used = all.entry(line["developer"].as_str().unwrap_or_default().to_owned()).or_default();
        let fetched = line["fetched"] == true;
        used.attempts += u64::from(!fetched);
        used.events += u64::from(fetched || line["attempt"] == 1);
        used.bytes += line["bytes"].as_u64().unwrap_or_default();
    }
    all
}

async fn of_logs(
    found: &Deployment,
    developer: Option<&DeveloperId>,
    from: Timestamp,
    to: Timestamp,
) -> Result<(All, f64), AdminError> {
    let groups = found.log_groups(&ATTEMPTING);
    let only = developer.map(|developer| format!(" and fields.developer = \"{developer}\"")).unwrap_or_default();
    let attempts = format!(
        "filter fields.message = \"attempt\"{only} \
         | stats count(*) as attempts, sum(fields.bytes) as bytes by fields.developer as developer \
         | sort attempts desc | limit {MOST_ROWS}"
    );
    let events = format!(
        "filter ((fields.message = \"attempt\" and fields.attempt = 1) or fields.message = \"acknowledged\"){only} \
         | stats count(*) as events by fields.developer as developer | sort events desc | limit {MOST_ROWS}"
    );
    let (mut all, mut scanned) = (All::new(), 0.0);
    for query in [attempts, events] {
        let answer = found.aws.ask_logs(&groups, &query, from, to).await?;
        scanned += answer.scanned;
        for row in answer.rows {
            let number = |name: &str| row.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
            let used = all.entry(row.get("developer").cloned().unwrap_or_default()).or_default();
            // As Insights writes numbers: whole ones, now and then with a point.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
            let whole = |name: &str| number(name) as u64;
            used.attempts += whole("attempts");
            used.bytes += whole("bytes");
            used.events += whole("events");
        }
    }
    Ok((all, scanned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_counted_by_its_first_attempt_or_by_being_fetched() {
        let line = |at: i64, developer: &str, attempt: u64| json!({ "atMs": at, "developer": developer, "attempt": attempt, "bytes": 100 });
        let fetched = json!({ "atMs": 9, "developer": "DEV-b", "fetched": true });
        let lines = json!({ "attempts": [fetched, line(0, "DEV-a", 1), line(5, "DEV-a", 2), line(9, "DEV-b", 1), line(10, "DEV-b", 1)] });
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let all = of_lines(&lines, at(0), at(10));
        assert_eq!(all["DEV-a"], Used { events: 1, attempts: 2, bytes: 200 });
        assert_eq!(all["DEV-b"], Used { events: 2, attempts: 1, bytes: 100 }, "the end is not part of it");
    }
}
