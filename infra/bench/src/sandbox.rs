//! One process of a function, driven by a Runtime API of the benchmark's own: what is in an invocation is then exact,
//! and nothing but the function runs in its process.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::problem::{Problem, Result};

/// How long a process may take to its first poll. Valgrind makes it fifty times slower.
const START_LIMIT: Duration = Duration::from_secs(120);
const INVOCATION: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// What the process says to its Runtime API.
enum Said {
    Polls(Instant),
    Answers(Bytes),
    Fails(Bytes),
}

struct Conversation {
    says: mpsc::Sender<Said>,
    events: Mutex<mpsc::Receiver<Bytes>>,
    budget: Duration,
}

pub(crate) struct Sandbox {
    pub(crate) process: u32,
    /// From the start of the process to its first poll.
    pub(crate) started_in: Duration,
    child: Child,
    serving: JoinHandle<()>,
    events: mpsc::Sender<Bytes>,
    said: mpsc::Receiver<Said>,
}

impl Sandbox {
    /// Starts a binary and waits for its first poll. With a `prefix`, that command runs the binary.
    pub(crate) async fn start(
        binary: &Path,
        environment: &BTreeMap<String, String>,
        prefix: &[String],
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Problem::io("a port for the Runtime API"))?;
        let address = listener.local_addr().map_err(Problem::io("the Runtime API's address"))?;
        let (says, mut said) = mpsc::channel(4);
        let (events, inbox) = mpsc::channel(1);
        // A slower process is given its time: what is counted then is not time.
        let budget = if prefix.is_empty() { INVOCATION } else { INVOCATION * 20 };
        let conversation = Arc::new(Conversation { says, events: Mutex::new(inbox), budget });
        let serving = tokio::spawn(serve(listener, conversation));
        let mut command = match prefix.split_first() {
            None => Command::new(binary),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
        };
        command
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{address}/bench"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .env("AWS_ACCESS_KEY_ID", "LOCALBench.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let began = Instant::now();
        let mut child = command.spawn().map_err(Problem::io(binary.display().to_string()))?;
        if let Some(mut out) = child.stdout.take() {
            // Somebody reads a function's log on AWS, too.
            tokio::spawn(async move { tokio::io::copy(&mut out, &mut tokio::io::sink()).await });
        }
        let first = tokio::time::timeout(START_LIMIT, said.recv()).await;
        let Ok(Some(Said::Polls(polled))) = first else {
            return Err(Problem::not_measured(format!("{} does not start", binary.display())));
        };
        let process = child.id().ok_or_else(|| Problem::not_measured("the process ended at once"))?;
        Ok(Self { process, started_in: polled - began, child, serving, events, said })
    }

    /// Hands over an event, and waits for the answer.
    pub(crate) async fn invoke(&mut self, event: Bytes) -> Result<Bytes> {
        self.hand_over(event).await?;
        self.answer().await
    }

    pub(crate) async fn hand_over(&mut self, event: Bytes) -> Result<()> {
        self.events.send(event).await.map_err(|_| Problem::not_measured("the Runtime API stopped"))
    }

    pub(crate) async fn answer(&mut self) -> Result<Bytes> {
        loop {
            let said = tokio::time::timeout(ANSWER_LIMIT, self.said.recv()).await;
            match said.map_err(|_| Problem::not_measured("the function does not answer"))? {
                Some(Said::Answers(body)) => return Ok(body),
                Some(Said::Polls(_)) => {}
                Some(Said::Fails(error)) => {
                    return Err(Problem::not_measured(format!("it failed: {}", String::from_utf8_lossy(&error))));
                }
                None => return Err(Problem::not_measured("the Runtime API stopped")),
            }
        }
    }

    /// Ends the process: asked to by a signal it may act on (valgrind writes its counts then), else at once.
    pub(crate) async fn end(mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.process.to_string()).status().await;
        if tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
        self.serving.abort();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, conversation: Arc<Conversation>) {
    while let Ok((stream, _)) = listener.accept().await {
        let conversation = Arc::clone(&conversation);
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service = service_fn(|request| runtime_api(Arc::clone(&conversation), request));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The process will not be told anything more.
#[derive(Debug, thiserror::Error)]
#[error("the benchmark is over")]
struct Over;

async fn runtime_api(
    conversation: Arc<Conversation>,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Over> {
    let at = Instant::now();
    if request.method() == Method::GET {
        conversation.says.send(Said::Polls(at)).await.map_err(|_| Over)?;
        let event = conversation.events.lock().await.recv().await.ok_or(Over)?;
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + conversation.budget;
        let mut response = Response::new(Full::new(event));
        let deadline = HeaderValue::from_str(&deadline.as_millis().to_string()).map_err(|_| Over)?;
        let headers = response.headers_mut();
        headers.insert("lambda-runtime-deadline-ms", deadline);
        for (name, value) in [
            ("content-type", "application/json"),
            ("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000000"),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench"),
            ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        return Ok(response);
    }
    let failed = request.uri().path().ends_with("/error");
    let body = request.into_body().collect().await.map_err(|_| Over)?.to_bytes();
    let said = if failed { Said::Fails(body) } else { Said::Answers(body) };
    conversation.says.send(said).await.map_err(|_| Over)?;
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
