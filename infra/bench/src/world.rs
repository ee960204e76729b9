//! The system under measurement: the local run with the functions to measure, and what every part does with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ::tests::{Caller, System};
use serde_json::{Value, json};
use tenday_local::{Options, Profile};

use crate::problem::{Problem, Result};

/// Each function's logical id, and the name of its binary.
pub(crate) const FUNCTIONS: [(&str, &str); 10] = [
    ("Auth", "auth"),
    ("Configuration", "configuration"),
    ("Webhooks", "webhooks"),
    ("Events", "events"),
    ("Updates", "updates"),
    ("Ingest", "ingest"),
    ("Links", "links"),
    ("DeveloperDashboard", "dashboard"),
    ("Deliver", "deliver"),
    ("DeadLetters", "dead-letters"),
];

pub(crate) const DEVELOPER: &str = "DEV-local-developer";

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// A directory with binaries that were built before.
    pub(crate) binaries: Option<PathBuf>,
    pub(crate) optimised: bool,
}

impl Subject {
    pub(crate) fn describe(&self) -> String {
        match (&self.binaries, self.optimised) {
            (Some(directory), _) => format!("as found in {}", directory.display()),
            (None, true) => "release profile".to_owned(),
            (None, false) => "NOT OPTIMISED".to_owned(),
        }
    }

    pub(crate) fn options(&self) -> Options {
        let binaries = self.binaries.iter().flat_map(|directory| {
            FUNCTIONS
                .map(|(function, name)| (function.to_owned(), directory.join(name)))
                .into_iter()
                // What is not there is built, unoptimised: a part that measures one function needs one only.
                .filter(|(_, binary)| binary.is_file())
        });
        let parameters = [("RequestsPerSecond", "1000"), ("LogLevel", "info"), ("IngestIsOn", "true")];
        Options {
            binaries: binaries.collect::<BTreeMap<_, _>>(),
            build: self.binaries.is_some(),
            profile: if self.optimised && self.binaries.is_none() { Profile::Release } else { Profile::Dev },
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Options::default()
        }
    }

    /// A system whose DynamoDB counts request units, if asked. What is wrong with it ends the part with a panic, as in
    /// the tests whose harness this is.
    pub(crate) async fn start(&self, units: bool) -> System {
        System::start_with(Options { units, ..self.options() }).await
    }
}

/// A path of the workspace.
pub(crate) fn workspace(path: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root).join(path)
}

/// What is published: the longest list that an update has, so that any size can be asked for.
pub(crate) const EVENT_NAME: &str = "transactions.removed";

/// The `data` of an update whose whole request to publish it takes so many bytes, from 200 up.
pub(crate) fn data(bytes: usize) -> Value {
    let of = |ids: &[String]| json!({ "linkId": "item-1", "transactionIds": ids });
    let request = json!({ "developerId": DEVELOPER, "eventName": EVENT_NAME, "data": of(&[String::new()]) });
    let mut left = bytes.saturating_sub(request.to_string().len()).max(1);
    let mut random = 1_u64;
    let mut ids = Vec::new();
    // An id of Plaid's length takes 40 bytes, with its quotes and its comma; a thousand are the most.
    let length = if left > 900 * 40 { 80 } else { 37 };
    while left > 2 * (length + 3) {
        ids.push(id(&mut random, length));
        left -= length + 3;
    }
    ids.push(id(&mut random, left));
    of(&ids)
}

/// Letters and digits without any order, as ids are: they do not compress well.
fn id(random: &mut u64, length: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        char::from(letters[(*random % 62) as usize])
    };
    (0..length).map(letter).collect()
}

/// Another webhook for a developer that has a configuration.
pub(crate) async fn add_webhook(caller: &Caller<'_>, url: &str) -> Value {
    let created = caller.post("/configuration/webhooks", json!({ "callbackURL": url })).await.expect(201);
    created["webhook"].clone()
}

/// `count` updates in one request, at most a hundred. Answers the events' ids.
pub(crate) async fn publish(platform: &Caller<'_>, count: usize, data: &Value) -> Vec<String> {
    publish_to(platform, DEVELOPER, count, data).await
}

pub(crate) async fn publish_to(platform: &Caller<'_>, developer: &str, count: usize, data: &Value) -> Vec<String> {
    let update = json!({ "developerId": developer, "eventName": EVENT_NAME, "data": data });
    let body = if count == 1 { update } else { json!({ "updates": vec![update; count] }) };
    let answer = platform.post("/updates", body).await.expect(202);
    let updates = match &answer["updates"] {
        Value::Array(updates) => updates.clone(),
        _ => vec![answer.clone()],
    };
    let events = updates.iter().flat_map(|update| update["events"].as_array().cloned().unwrap_or_default());
    events.filter_map(|event| event["eventId"].as_str().map(str::to_owned)).collect()
}

/// Waits until nothing runs any more.
pub(crate) async fn settle(system: &System, limit: Duration) -> Result<()> {
    match system.run.wait_idle(limit).await {
        true => Ok(()),
        false => Err(Problem::not_measured(format!("the system is not at rest within {limit:?}"))),
    }
}

/// The bytes that functions have logged, after the first `from` lines, as they are billed.
pub(crate) fn log_bytes(system: &System, from: usize, wanted: impl Fn(&str) -> bool) -> usize {
    let lines = system.run.logs();
    let theirs = lines.iter().skip(from).filter(|line| line.function.as_deref().is_some_and(&wanted));
    theirs.map(|line| line.text.len() + crate::prices::LOG_LINE).sum()
}

/// Says how far a part is.
#[expect(clippy::print_stderr, reason = "progress is for whoever waits, not for a file")]
pub(crate) fn progress(words: impl AsRef<str>) {
    eprintln!("  {}", words.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_large_as_it_is_said_to_be() {
        for bytes in [1024, 10 * 1024, 60 * 1024] {
            let request = json!({ "developerId": DEVELOPER, "eventName": EVENT_NAME, "data": data(bytes) });
            assert_eq!(request.to_string().len(), bytes);
        }
    }
}
