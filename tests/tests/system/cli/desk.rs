//! A developer's desk: the program, a home of its own, and what was signed in there.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tests::{System, built};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

pub(super) struct Desk {
    pub(super) home: Arc<TempDir>,
    environment: Vec<(String, String)>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Desk {
    /// Nobody is signed in.
    pub(super) fn new(system: &System) -> Self {
        let environment = vec![("TENDAY_URL".to_owned(), system.run.base_url().to_owned())];
        Self { home: Arc::new(tempfile::tempdir().unwrap()), environment }
    }

    /// Signed in as the local developer.
    pub(super) async fn of_developer(self) -> Self {
        let done = self.give("login --client-id CLI-local-developer --secret-stdin", "local-developer-secret").await;
        assert_eq!(done.code, 0, "{done:?}");
        self
    }

    /// Signed in as the local platform.
    pub(super) async fn of_platform(self) -> Self {
        let done = self.give("login --client-id CLI-local-platform --secret-stdin", "local-platform-secret").await;
        assert_eq!(done.code, 0, "{done:?}");
        self
    }

    /// The same desk with other variables.
    pub(super) fn with(&self, variables: &[(&str, &str)]) -> Self {
        let mut environment = self.environment.clone();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { home: Arc::clone(&self.home), environment }
    }

    pub(super) fn environment(&self, id: &str, secret: &str) -> Self {
        self.with(&[("TENDAY_CLIENT_ID", id), ("TENDAY_CLIENT_SECRET", secret)])
    }

    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(built("tenday"));
        command.args(line.split_whitespace()).env("TENDAY_CONFIG_DIR", self.home.path());
        for name in ["TENDAY_PROFILE", "TENDAY_CLIENT_ID", "TENDAY_CLIENT_SECRET"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(super) async fn run(&self, line: &str) -> Ran {
        self.give(line, "").await
    }

    /// Runs a command that is given something by standard input.
    pub(super) async fn give(&self, line: &str, stdin: &str) -> Ran {
        let mut child = self.command(line).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // One that does not read it has ended already.
        let _ = pipe.write_all(stdin.as_bytes()).await;
        drop(pipe);
        let ended = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("tenday {line} does not end")).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: ended.status.code().unwrap_or(-1), out: text(ended.stdout), err: text(ended.stderr) }
    }

    /// Runs a command that has to go well, and reads its JSON.
    #[track_caller]
    pub(super) fn json(&self, line: &str) -> impl Future<Output = Value> {
        let line = format!("{line} --json");
        async move {
            let ran = self.run(&line).await;
            assert_eq!(ran.code, 0, "{line}: {ran:?}");
            serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{line}: {error}: {ran:?}"))
        }
    }

    /// Starts a `listen`.
    pub(super) async fn listen(&self, arguments: &str) -> Listening {
        let mut command = self.command(&format!("listen --json {arguments}"));
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listening = Listening { child, lines, began: Value::Null };
        listening.began = listening.next("listening").await;
        listening
    }
}

/// A `listen` that runs.
pub(super) struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it said first.
    pub(super) began: Value,
}

impl Listening {
    pub(super) fn webhook(&self) -> &str {
        self.began["webhookId"].as_str().unwrap()
    }

    /// The next that it says of a kind.
    pub(super) async fn next(&mut self, kind: &str) -> Value {
        let next = async {
            loop {
                let line = self.lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended without {kind}"));
                let said: Value = serde_json::from_str(&line).unwrap();
                if said["type"] == kind {
                    return said;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), next).await.unwrap_or_else(|_| panic!("{kind} does not come"))
    }

    /// The next event that it hands over, however late by the system's clock: a fetch that nobody waited for any more, of a
    /// process that is gone, may have taken it just before.
    pub(super) async fn event(&mut self, system: &System) -> Value {
        for _ in 0..10 {
            if let Ok(event) = tokio::time::timeout(Duration::from_secs(5), self.next("event")).await {
                return event;
            }
            system.run.advance(Duration::from_secs(61)).await.unwrap();
        }
        panic!("no event comes");
    }

    /// Asks it to end, and answers what it says last.
    pub(super) async fn end(mut self) -> Value {
        let id = rustix::process::Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let ended = self.next("ended").await;
        assert!(self.child.wait().await.unwrap().success());
        ended
    }

    /// Ends it in the midst of whatever it does.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
