//! Log lines: where they go, from which level on, and how they are written.
//!
//! A line of CloudWatch is paid by the byte, and one is written for every delivery: each says what it has to say once. What
//! `tracing-subscriber` writes has the invocation twice, and `lambda_runtime` brings filters by module: regular expressions
//! that would be a fortieth of every package, for something that nobody sets on a deployed function.

use std::error::Error;
use std::fmt;
use std::io::Write;

use serde::Serialize;
use tenday_model::json_text::write_text;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::request::Ids;

/// The name under which a line says whose request it is about.
const REQUEST_ID: &str = "request_id";

/// Writes log lines to standard output, which Lambda keeps: as JSON if `AWS_LAMBDA_LOG_FORMAT` says so, from the level in
/// `AWS_LAMBDA_LOG_LEVEL` on, or else from `INFO` (the names of Lambda's own logging controls).
pub fn start_log() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let level = variable("AWS_LAMBDA_LOG_LEVEL").parse().unwrap_or(LevelFilter::INFO);
    let json = variable("AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json");
    // Only where there is one already, which a function has not.
    let _ = tracing::subscriber::set_global_default(Log { level, json });
}

/// Writes each event as one line. Spans are nothing to it: what a line is about is known from [`Ids`].
struct Log {
    level: LevelFilter,
    json: bool,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let line = line(event, Ids::current(), self.json);
        // At once, so that no other thread's comes in between. Nobody is there to be told that the log is gone.
        let _ = std::io::stdout().lock().write_all(&line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line without a level is of the level `INFO`. One that does not say itself whose request it is about says so, and in
/// which invocation it was written.
fn line(event: &Event<'_>, ids: Option<Ids>, json: bool) -> Vec<u8> {
    let mut line = Vec::with_capacity(512);
    let level = *event.metadata().level();
    line.extend_from_slice(match (json, level) {
        (true, Level::INFO) => b"{",
        (true, Level::WARN) => br#"{"level":"WARN","#,
        (true, Level::ERROR) => br#"{"level":"ERROR","#,
        (true, _) => br#"{"level":"DEBUG","#,
        (false, Level::INFO) => b"INFO {",
        (false, Level::WARN) => b"WARN {",
        (false, Level::ERROR) => b"ERROR {",
        (false, _) => b"DEBUG {",
    });
    line.extend_from_slice(br#""fields":{"#);
    let mut fields = Fields { line, has_one: false, has_request: false };
    event.record(&mut fields);
    let invocation = ids.filter(|_| !fields.has_request).map(|ids| {
        fields.text(REQUEST_ID, &ids.request);
        ids.invocation
    });
    let mut line = fields.line;
    line.push(b'}');
    if let Some(invocation) = invocation {
        line.extend_from_slice(br#","span":{"requestId":"#);
        write_text(&invocation, &mut line);
        line.push(b'}');
    }
    line.extend_from_slice(b"}\n");
    line
}

/// The members of an object, as they come.
struct Fields {
    line: Vec<u8>,
    has_one: bool,
    has_request: bool,
}

impl Fields {
    /// A name is one of the sources, and has nothing in it to be escaped.
    fn name(&mut self, name: &str) {
        self.line.extend_from_slice(if self.has_one { b",\"" } else { b"\"" });
        self.has_one = true;
        self.has_request |= name == REQUEST_ID;
        self.line.extend_from_slice(name.as_bytes());
        self.line.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, given: &str) {
        self.name(name);
        write_text(given, &mut self.line);
    }

    fn number(&mut self, name: &str, number: &impl Serialize) {
        self.name(name);
        // Neither a vector nor what is written to it here can fail.
        let _ = serde_json::to_writer(&mut self.line, number);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field.name());
        self.line.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field.name(), &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::request::{in_request, in_request_of};

    /// Keeps what would be written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Subscriber for Kept {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(line(event, Ids::current(), true));
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    async fn written(what: impl Future<Output = ()>) -> Vec<Value> {
        let kept = Kept::default();
        let guard = tracing::subscriber::set_default(kept.clone());
        what.await;
        drop(guard);
        let lines = kept.0.lock().unwrap();
        let lines = lines.iter().map(|line| {
            assert!(line.ends_with(b"\n") && line.iter().filter(|byte| **byte == b'\n').count() == 1, "one line");
            serde_json::from_slice(line).unwrap()
        });
        lines.collect()
    }

    #[tokio::test]
    async fn a_line_is_json_whatever_is_in_it_and_says_whose_request_it_is_about() {
        let lines = written(in_request_of("of-the-gateway", "of-lambda", async {
            let broken = std::io::Error::other("\"quoted\",\nand a line more");
            tracing::error!(error = %broken, count = 3_u64, left = -1, yes = true, none = None::<u16>, "it broke {}", 7);
            tracing::info!(request_id = "own", "attempt");
        }));
        assert_eq!(
            lines.await,
            [
                json!({
                    "level": "ERROR",
                    "fields": {
                        "message": "it broke 7",
                        "error": "\"quoted\",\nand a line more",
                        "count": 3,
                        "left": -1,
                        "yes": true,
                        "request_id": "of-the-gateway",
                    },
                    "span": { "requestId": "of-lambda" },
                }),
                json!({ "fields": { "message": "attempt", "request_id": "own" } }),
            ]
        );
    }

    #[tokio::test]
    async fn a_queues_invocation_is_its_own_request_and_outside_of_one_there_is_none() {
        let lines = written(async {
            in_request("lambda", async { tracing::warn!("here") }).await;
            tracing::info!("at the start");
        });
        let expected = [
            json!({
                "level": "WARN",
                "fields": { "message": "here", "request_id": "lambda" },
                "span": { "requestId": "lambda" },
            }),
            json!({ "fields": { "message": "at the start" } }),
        ];
        assert_eq!(lines.await, expected);
    }
}
