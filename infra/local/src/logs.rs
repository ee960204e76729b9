//! The one log stream: every line that a function writes, and what the run itself has to say, with the function's
//! name and the request id. For people, for machines, or kept in memory for a test.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{IsTerminal, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value, json};

/// Where the log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogSink {
    /// One readable line each on standard output, coloured on a terminal.
    #[default]
    Human,
    /// One JSON object per line on standard output.
    Json,
    /// Kept for [`crate::LocalRun::logs`].
    Memory,
}

/// One line, as it was written or as this run wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// The system's (movable) clock.
    pub at_ms: i64,
    /// None for what the run itself says.
    pub function: Option<String>,
    pub request_id: Option<String>,
    pub level: String,
    pub message: String,
    /// What a structured line carried besides its message.
    pub fields: Map<String, Value>,
    /// All of it, as it was written.
    pub text: String,
}

/// What tells CloudWatch which fields of a line are metrics: nothing that a person wants to read.
const METRICS: &str = "_aws";

#[derive(Clone)]
pub(crate) struct Log {
    sink: LogSink,
    colour: bool,
    lines: Arc<Mutex<Vec<LogLine>>>,
    attempts: Arc<Mutex<VecDeque<Value>>>,
}

/// The lines that tell of one attempt, and of an event that its developer fetched.
const ATTEMPT: &str = "attempt";
const FETCHED: &str = "acknowledged";
/// How many of these lines are kept for whoever asks what was delivered to whom.
const MOST_ATTEMPTS: usize = 100_000;

impl Log {
    pub(crate) fn new(sink: LogSink) -> Self {
        let colour =
            sink == LogSink::Human && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { sink, colour, lines: Arc::default(), attempts: Arc::default() }
    }

    /// What the run itself has to say, perhaps about one function.
    pub(crate) fn own(
        &self,
        at_ms: i64,
        level: &str,
        function: Option<&str>,
        request_id: Option<&str>,
        message: String,
    ) {
        self.write(LogLine {
            at_ms,
            function: function.map(Into::into),
            request_id: request_id.map(Into::into),
            level: level.into(),
            text: message.clone(),
            message,
            fields: Map::new(),
        });
    }

    /// A line that a function wrote to its standard output or error.
    pub(crate) fn function(&self, at_ms: i64, function: &str, request_id: Option<String>, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let (level, message, fields) = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(record)) => structured(record),
            _ => ("INFO".into(), text.into(), Map::new()),
        };
        if message == ATTEMPT || message == FETCHED {
            self.attempted(at_ms, &fields, message == FETCHED);
        }
        self.write(LogLine {
            at_ms,
            function: Some(function.into()),
            request_id,
            level,
            message,
            fields,
            text: text.into(),
        });
    }

    fn attempted(&self, at_ms: i64, fields: &Map<String, Value>, fetched: bool) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() == MOST_ATTEMPTS {
            attempts.pop_front();
        }
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let (developer, attempt, bytes) = (field("developer"), field("attempt"), field("bytes"));
        let line = json!({
            "atMs": at_ms, "developer": developer, "attempt": attempt, "bytes": bytes, "fetched": fetched,
        });
        attempts.push_back(line);
    }

    /// The newest lines of attempts, oldest first.
    pub(crate) fn attempts(&self) -> Vec<Value> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.kept().clone()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: LogLine) {
        let mut text = match self.sink {
            LogSink::Memory => return self.kept().push(line),
            LogSink::Json => machine(&line),
            LogSink::Human => human(&line, self.colour),
        };
        text.push('\n');
        // Nobody reads it any more: not a reason to stop.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}

/// The parts of a JSON record as `tracing` and Lambda's own runtimes write it.
fn structured(mut record: Map<String, Value>) -> (String, String, Map<String, Value>) {
    let level = match record.remove("level") {
        Some(Value::String(level)) => level.to_uppercase(),
        _ => "INFO".into(),
    };
    for time in ["timestamp", "time", "target", "span", "spans", "requestId"] {
        record.remove(time);
    }
    let mut fields = match record.remove("fields") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.extend(record);
    let message = match fields.remove("message") {
        Some(Value::String(message)) => message,
        Some(other) => other.to_string(),
        // In CloudWatch's embedded metric format.
        None if fields.contains_key(METRICS) => "metrics".into(),
        None => String::new(),
    };
    (level, message, fields)
}

fn time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map(|at| format!("{at:.3}")).unwrap_or_default()
}

fn machine(line: &LogLine) -> String {
    let mut record = json!({
        "time": time(line.at_ms),
        "level": line.level,
        "function": line.function,
        "requestId": line.request_id,
        "message": line.message,
    });
    if !line.fields.is_empty() {
        record["fields"] = Value::Object(line.fields.clone());
    }
    record.to_string()
}

fn human(line: &LogLine, colour: bool) -> String {
    let paint = |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let code = match line.level.as_str() {
        "ERROR" => "31",
        "WARN" => "33",
        "INFO" => "32",
        _ => "2",
    };
    let time = time(line.at_ms);
    // The day is on the line only where it matters, in --json.
    let time = time.split_once('T').map_or(time.as_str(), |(_, clock)| clock);
    let mut text = format!(
        "{} {} {}",
        paint("2", time),
        paint(code, &format!("{:5}", line.level)),
        paint("36", &format!("{:13}", line.function.as_deref().unwrap_or("local"))),
    );
    if let Some(request_id) = &line.request_id {
        let short = request_id.get(..8).unwrap_or(request_id);
        let _ = write!(text, " {}", paint("2", short));
    }
    let _ = write!(text, " {}", line.message);
    for (name, value) in line.fields.iter().filter(|(name, _)| *name != METRICS) {
        let value = match value {
            Value::String(plain) if !plain.is_empty() && !plain.contains([' ', '"', '=']) => plain.clone(),
            other => other.to_string(),
        };
        let _ = write!(text, " {}{value}", paint("2", &format!("{name}=")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structured_line_keeps_its_fields() {
        let log = Log::new(LogSink::Memory);
        log.function(
            0,
            "Deliver",
            Some("one".into()),
            r#"{"level":"warn","fields":{"message":"no answer","eventId":"EVT-1"},"span":{"name":"x"}}"#,
        );
        log.function(0, "Deliver", None, "plain text");
        let lines = log.lines();
        assert_eq!((lines[0].level.as_str(), lines[0].message.as_str()), ("WARN", "no answer"));
        assert_eq!(lines[0].fields["eventId"], "EVT-1");
        assert_eq!(lines[1].message, "plain text");
        assert_eq!(human(&lines[0], false), "00:00:00.000Z WARN  Deliver       one no answer eventId=EVT-1");
        assert_eq!(serde_json::from_str::<Value>(&machine(&lines[0])).unwrap()["time"], "1970-01-01T00:00:00.000Z");
    }
}
