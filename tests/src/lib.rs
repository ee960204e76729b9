//! What the tests of the whole system share: a system of its own for each test, the callers of its API, and a receiver
//! that does as it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod measured;
mod receiver;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tenday_local::seed::{DEVELOPER, OTHER, PLATFORM, SeededClient};
use tenday_local::{LocalRun, Options, cargo_in};

pub use measured::Measured;
pub use receiver::{Received, Receiver};

/// For a client that speaks to this machine, and never in TLS: it does not read and parse all of the machine's certificates.
pub fn plain_client() -> reqwest::ClientBuilder {
    #[expect(clippy::disallowed_methods, reason = "a caller of the API, not the sender")]
    let client = reqwest::Client::builder();
    client.no_proxy().tls_certs_only([])
}

/// A program of the workspace, built once for all tests of a process, with the features that the tests have: cargo looks at
/// the whole workspace whenever it is asked to run one.
pub fn built(program: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap();
    let build = || {
        let mut cargo = cargo_in(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
        cargo.args(["build", "--workspace", "--locked", "--bin", program, "--message-format=json"]);
        cargo.stderr(Stdio::inherit());
        let lines = String::from_utf8(cargo.output().unwrap().stdout).unwrap();
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let programs = messages.filter(|message| message["target"]["name"] == program);
        let path = programs.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
        path.unwrap_or_else(|| panic!("{program} is not built"))
    };
    built.entry(program.to_owned()).or_insert_with(build).clone()
}

/// A whole system on free ports, which nothing else uses.
pub struct System {
    pub run: LocalRun,
    http: reqwest::Client,
}

impl System {
    /// In memory, gone with the test.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let run =
            LocalRun::start(options).await.unwrap_or_else(|error| panic!("the local run does not start: {error}"));
        let http = plain_client().build().expect("a client");
        Self { run, http }
    }

    pub fn developer(&self) -> Caller<'_> {
        Caller::new(self, &DEVELOPER)
    }

    pub fn other(&self) -> Caller<'_> {
        Caller::new(self, &OTHER)
    }

    pub fn platform(&self) -> Caller<'_> {
        Caller::new(self, &PLATFORM)
    }

    /// Waits until no function runs and no message can be taken.
    pub async fn settle(&self) {
        assert!(self.run.wait_idle(Duration::from_secs(60)).await, "the system does not come to rest");
    }

    /// Moves the system's clock, and waits until what became due is done.
    pub async fn advance(&self, by: Duration) {
        self.settle().await;
        self.run.advance(by).await.expect("the clock moves");
        self.settle().await;
    }

    /// A request without a token, or with headers of its own.
    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.run.base_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        Answer::of(request).await
    }

    /// The same request from so many callers at once, each over a connection of its own.
    pub async fn at_once(
        &self,
        times: usize,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Vec<Answer> {
        join_all((0..times).map(|_| self.request(method.clone(), path, headers, body))).await
    }

    /// A call to the emulated AWS itself.
    pub async fn aws(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = self.http.post(self.run.endpoint_url()).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    /// An operation of the emulated DynamoDB, past all functions.
    pub async fn dynamodb(&self, operation: &str, body: &Value) -> Answer {
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-date", "20261121T000000Z"),
            // The emulation wants a signature to be there, and does not check it.
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
            ),
        ];
        self.aws(&headers, &body.to_string()).await
    }

    /// Publishes an update that the generic type and plaid can express.
    pub async fn platform_publish(&self, developer: &str) -> Value {
        self.platform().publish(developer, "transactions.updated", serde_json::json!({ "linkId": "item-1" })).await
    }

    /// Counts the AWS calls that a function made since the last `clear_calls`, by service and operation.
    pub fn calls_of(&self, function: &str, service: &str, operation: &str) -> u64 {
        let calls = serde_json::to_value(self.run.calls()).expect("counts");
        calls.pointer(&format!("/{function}/{service}/{operation}/count")).and_then(Value::as_u64).unwrap_or(0)
    }
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    /// As it came.
    pub text: String,
    /// As JSON, or a string of what is none.
    pub body: Value,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        Self { status, headers, text, body }
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// Checks an error's status, its code, and that its body is whole.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["error_code"].as_str()), (status, Some(code)), "{:#}", self.body);
        for field in ["error_message", "documentation_url", "request_id"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {:#}", self.body);
        }
        self.body
    }
}

/// One of the seeded clients. Its token is renewed when the system's clock has run past it.
pub struct Caller<'a> {
    system: &'a System,
    client: &'a SeededClient,
    token: Mutex<Option<(i64, String)>>,
}

impl<'a> Caller<'a> {
    fn new(system: &'a System, client: &'a SeededClient) -> Self {
        Self { system, client, token: Mutex::default() }
    }

    pub async fn token(&self) -> String {
        let now = self.system.run.now_ms();
        let kept = self.token.lock().expect("the token").clone();
        if let Some((_, token)) = kept.filter(|(until, _)| *until > now) {
            return token;
        }
        let form =
            format!("grant_type=client_credentials&client_id={}&client_secret={}", self.client.id, self.client.secret);
        let answer = self.system.request(Method::POST, "/auth/token", &[], Some(&form)).await.expect(200);
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        *self.token.lock().expect("the token") = Some((now + 3_000_000, token.clone()));
        token
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.send_with(method, path, body, &[]).await
    }

    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let bearer = format!("Bearer {}", self.token().await);
        let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        all.extend_from_slice(headers);
        let body = body.map(Value::to_string);
        self.system.request(method, path, &all, body.as_deref()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&body)).await
    }

    pub async fn post_nothing(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// A configuration of a type, with this machine in its allowlist, and a webhook for all events at `url`. Answers
    /// the webhook as its creation showed it, its secret included.
    pub async fn subscribe(&self, integration: Option<&str>, url: &str) -> Value {
        let configuration = serde_json::json!({ "type": integration, "ipAllowlist": ["127.0.0.1"] });
        self.post("/configuration", configuration).await.expect(201);
        let created = self.post("/configuration/webhooks", serde_json::json!({ "callbackURL": url })).await.expect(201);
        created["webhook"].clone()
    }

    /// The webhook as it stands.
    pub async fn webhook(&self, webhook: &Value) -> Value {
        let id = webhook["id"].as_str().expect("an id");
        let answer = self.get(&format!("/configuration/webhooks/{id}")).await.expect(200);
        answer["webhook"].clone()
    }

    /// Publishes to a developer, and answers the update.
    pub async fn publish(&self, developer: &str, event_name: &str, data: Value) -> Value {
        let update = serde_json::json!({ "developerId": developer, "eventName": event_name, "data": data });
        self.post("/updates", update).await.expect(202)
    }
}
