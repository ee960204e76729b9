//! Erasing a developer or a link leaves nothing that a look at both tables, the queues and the schedules finds: while they
//! are being delivered to, and whichever of its calls to AWS the command dies after.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value, json};
use tenday_model::settings::audit::{AuditDays, Who};
use tenday_store::{Author, Aws, Client, Clients, secret_digest};
use tests::{Receiver, System, plain_client};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::operator::{assert_policy_fits, operator, operator_json};

/// Stands between the command and the local run, and lets it make so many calls to AWS: the last one is done, and its answer
/// never comes. Each time the command asks for the time, twenty seconds have passed.
struct Cut {
    url: String,
    calls: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
    reached: Arc<Notify>,
}

impl Cut {
    async fn start(system: &System) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (calls, last, reached) =
            (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)), Arc::new(Notify::new()));
        let cut = Self {
            url: url.clone(),
            calls: Arc::clone(&calls),
            last: Arc::clone(&last),
            reached: Arc::clone(&reached),
        };
        let (local, aws) = (system.run.base_url().to_owned(), system.run.endpoint_url().to_owned());
        let http = plain_client().build().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = (local.clone(), aws.clone(), url.clone(), http.clone());
                let (calls, last, reached) = (Arc::clone(&calls), Arc::clone(&last), Arc::clone(&reached));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (local, aws, url, http) = state.clone();
                    let (calls, last, reached) = (Arc::clone(&calls), Arc::clone(&last), Arc::clone(&reached));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
                        if path.starts_with("/_local/") {
                            if path.ends_with("/clock") {
                                let advance = http.post(format!("{local}/_local/clock/advance"));
                                advance.body(r#"{"seconds":20}"#).send().await.unwrap();
                            }
                            let text = http.get(format!("{local}{path}")).send().await.unwrap().text().await.unwrap();
                            let text = if path.ends_with("/endpoint") { text.replace(&aws, &url) } else { text };
                            return Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))));
                        }
                        let number = calls.fetch_add(1, Ordering::SeqCst) + 1;
                        let mut forwarded = http.request(parts.method, format!("{aws}{path}")).body(body);
                        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "host") {
                            forwarded = forwarded.header(name, value);
                        }
                        let answer = forwarded.send().await.unwrap();
                        if number >= last.load(Ordering::SeqCst) {
                            reached.notify_one();
                            std::future::pending::<()>().await;
                        }
                        let mut response = Response::builder().status(answer.status());
                        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
                            response = response.header(name, value);
                        }
                        Ok(response.body(Full::new(answer.bytes().await.unwrap())).unwrap())
                    }
                });
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        cut
    }

    /// Erases, and dies after so many calls; false if it came to its end before.
    async fn erase(&self, developer: &str, more: &[&str], dies_after: Option<u64>) -> bool {
        self.calls.store(0, Ordering::SeqCst);
        self.last.store(dies_after.unwrap_or(u64::MAX), Ordering::SeqCst);
        let local = format!("--local={}", self.url);
        let arguments = ["tenday", "operator", "developers", "erase", developer, "--yes", &local];
        let arguments: Vec<String> = arguments.iter().chain(more).map(|part| (*part).to_owned()).collect();
        let mut output = Vec::new();
        tokio::select! {
            done = tenday::run(arguments, &mut output) => {
                done.unwrap_or_else(|error| panic!("{developer}: {error}"));
                true
            }
            () = self.reached.notified() => false,
        }
    }
}

/// Every row of both tables.
async fn rows(system: &System) -> Vec<Value> {
    let mut rows = Vec::new();
    for table in ["SettingsTableName", "EventsTableName"] {
        let mut start = Value::Null;
        loop {
            let mut scan = json!({ "TableName": system.run.output(table).unwrap() });
            if !start.is_null() {
                scan["ExclusiveStartKey"] = start;
            }
            let page = system.dynamodb("Scan", &scan).await.expect(200);
            rows.extend(page["Items"].as_array().unwrap().iter().cloned());
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
        }
    }
    rows
}

/// What is there of a developer, but for the mark and the receipts.
async fn left_of(system: &System, developer: &str) -> Vec<Value> {
    let of = |row: &Value| {
        let whose = row.to_string();
        let own = [format!("\"{developer}\""), format!("\"{developer}#")].iter().any(|id| whose.contains(id));
        own && row["pk"]["S"] != "ERASURES" && row.get("erasedAt").is_none()
    };
    rows(system).await.into_iter().filter(of).collect()
}

/// Far enough away for no schedule to fire before a test is over.
const RETRY: u64 = 80_000;

/// A developer with something of everything.
struct Stage<'a> {
    system: &'a System,
    developer: String,
    bearer: String,
}

impl<'a> Stage<'a> {
    /// One webhook that works, and one that fails and whose event waits in a schedule.
    async fn set(system: &'a System, developer: &str, receivers: [&Receiver; 2], retry: u64) -> Self {
        let aws = Aws::at(system.run.endpoint_url());
        let clients = Clients::new(&aws, system.run.output("SettingsTableName").unwrap().to_owned());
        let id = developer.replace("DEV-", "CLI-");
        let scopes = ["configuration:read", "configuration:write", "links:test"].map(str::to_owned).to_vec();
        let client = Client {
            id: id.parse().unwrap(),
            developer: Some(developer.parse().unwrap()),
            scopes,
            secret_digest: secret_digest("secret"),
        };
        let by =
            Author { who: Who::Operator("local".to_owned()), at: jiff::Timestamp::now(), kept: AuditDays::default() };
        clients.put(&by, &client).await.unwrap();
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret=secret");
        let token = system.request(Method::POST, "/auth/token", &[], Some(&form)).await.expect(200);
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let stage = Self { system, developer: developer.to_owned(), bearer };
        stage.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": [retry] })).await;
        for receiver in receivers {
            stage.post("/configuration/webhooks", json!({ "callbackURL": receiver.url(), "rateLimit": 500 })).await;
        }
        stage.publish("item-1").await;
        stage
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> tests::Answer {
        let headers = [("authorization", self.bearer.as_str())];
        self.system.request(method, path, &headers, body.map(|body| body.to_string()).as_deref()).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, Some(body)).await.expect(201)
    }

    async fn publish(&self, link: &str) -> Value {
        let data = json!({ "linkId": link });
        self.system.platform().publish(&self.developer, "transactions.updated", data).await
    }
}

fn update_for(developer: &str) -> Value {
    json!({ "developerId": developer, "eventName": "transactions.updated", "data": { "linkId": "item-1" } })
}

#[tokio::test]
async fn nothing_of_an_erased_developer_is_left_whatever_call_the_command_dies_after() {
    let system = System::start().await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answer(500);
    let cut = Cut::start(&system).await;
    Stage::set(&system, "DEV-stays", [&good, &bad], RETRY).await;
    system.settle().await;
    let stays = left_of(&system, "DEV-stays").await.len();

    let stage = Stage::set(&system, "DEV-first", [&good, &bad], RETRY).await;
    system.settle().await;
    assert_eq!(system.run.schedules(), 2);
    assert!(left_of(&system, "DEV-first").await.len() > 8);
    assert!(cut.erase("DEV-first", &[], None).await);
    let calls = cut.calls.load(Ordering::SeqCst);
    assert!(calls > 10, "{calls}");
    assert_eq!(left_of(&system, "DEV-first").await, Vec::<Value>::new());
    assert_eq!(system.run.schedules(), 1);
    // The token is worthless, and so is the client.
    stage.send(Method::GET, "/configuration", None).await.expect_error(401, "api_error.auth.unauthorized");

    for kill in 1..=calls {
        let developer = format!("DEV-killed-{kill}");
        Stage::set(&system, &developer, [&good, &bad], RETRY).await;
        system.settle().await;
        assert!(!cut.erase(&developer, &[], Some(kill)).await, "{kill} of {calls}");
        assert!(cut.erase(&developer, &[], None).await);
        assert_eq!(left_of(&system, &developer).await, Vec::<Value>::new(), "killed after call {kill}");
        assert_eq!(system.run.schedules(), 1, "killed after call {kill}");
        let receipts = operator_json(&system, &["developers", "erase", &developer, "--receipts"]).await;
        let receipts = receipts.as_array().unwrap();
        // Dead after its very last call, it was done, and looked once more.
        assert_eq!(receipts.len(), 1 + usize::from(kill == calls), "killed after call {kill}: {receipts:#?}");
        assert_eq!(receipts[0]["by"], "local");
        assert!(receipts[0]["finishedAt"].is_string(), "{receipts:#?}");
    }
    assert_eq!(left_of(&system, "DEV-stays").await.len(), stays, "nobody else lost anything");
}

#[tokio::test]
async fn a_developer_is_erased_while_they_are_being_delivered_to() {
    let system = System::start().await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answer(500);
    let cut = Cut::start(&system).await;
    let developer = "DEV-busy";
    let stage = Stage::set(&system, developer, [&good, &bad], 1200).await;
    let link = "mk_YSAtdSxLqwzyTwX5oR3ZNR";
    let registered = json!({
        "developerId": developer, "environment": "sandbox", "state": "connected", "products": ["transactions"], "callbackURL": good.url(),
    });
    system.platform().put(&format!("/links/{link}"), registered).await.expect(200);
    let session = json!({ "developerId": developer });
    system.platform().post("/dashboard/sessions", session).await.expect(201);
    let gone = stage.post("/configuration/webhooks", json!({ "callbackURL": good.url() })).await;
    let gone = format!("/configuration/webhooks/{}", gone["webhook"]["id"].as_str().unwrap());
    stage.send(Method::DELETE, &gone, None).await.expect(200);
    let another = Stage::set(&system, "DEV-busy-too", [&good, &bad], 1200).await;
    system.settle().await;

    let platform = system.platform();
    let publishing = async {
        let mut refused = 0;
        // Until it is refused several times, which is long before the end.
        while refused < 5 {
            let answer = platform.post("/updates", update_for(developer)).await;
            if answer.status == 400 {
                let error = answer.expect_error(400, "api_error.request.validation_failed");
                assert_eq!(error["validation_errors"][0]["location"], json!(["body", "developerId"]), "{error:#}");
                refused += 1;
            } else {
                answer.expect(202);
            }
            // Beside one whom nobody erases, which is still published.
            let both = json!({ "updates": [update_for(developer), update_for("DEV-busy-too")] });
            let both = platform.post("/updates", both).await.expect(202);
            assert!(both["updates"][1]["updateId"].is_string(), "{both:#}");
        }
    };
    let (done, ()) = tokio::join!(cut.erase(developer, &[], None), publishing);
    assert!(done);
    system.settle().await;
    assert_eq!(left_of(&system, developer).await, Vec::<Value>::new());
    let of_link: Vec<Value> = rows(&system).await.into_iter().filter(|row| row.to_string().contains(link)).collect();
    assert_eq!(of_link, Vec::<Value>::new());

    // Nothing comes back: whatever was in a queue or a schedule has come by then, and found nothing to do.
    for _ in 0..30 {
        system.advance(Duration::from_secs(120)).await;
    }
    assert_eq!(left_of(&system, developer).await, Vec::<Value>::new());
    assert_eq!(
        another.send(Method::GET, "/configuration", None).await.status,
        401,
        "its token has expired, that is all"
    );
    assert!(left_of(&system, "DEV-busy-too").await.len() > 8);

    // Nothing of theirs comes to be by hand, either, until thirty days are over.
    let refused = operator(&system, &["clients", "create", "--developer", developer]).await.unwrap_err();
    assert!(refused.contains("is being erased, or was"), "{refused}");
    let refused = operator(&system, &["developers", "erase", developer]).await.unwrap_err();
    assert!(refused.contains("--yes"), "{refused}");
    system.advance(Duration::from_secs(31 * 86_400)).await;
    operator(&system, &["clients", "create", "--developer", developer]).await.unwrap();
    let nobody = operator(&system, &["developers", "erase", "DEV-nobody", "--yes"]).await.unwrap_err();
    assert!(nobody.starts_with("there is no trace of DEV-nobody"), "{nobody}");
}

#[tokio::test]
async fn two_operators_erase_at_once_and_one_receipt_stays() {
    let system = System::start().await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answer(500);
    Stage::set(&system, "DEV-a", [&good, &bad], RETRY).await;
    system.settle().await;
    let (one, two) = (Cut::start(&system).await, Cut::start(&system).await);
    let (first, second) = tokio::join!(one.erase("DEV-a", &[], None), two.erase("DEV-a", &[], None));
    assert!(first && second);
    assert_eq!(left_of(&system, "DEV-a").await, Vec::<Value>::new());
    let receipts = operator_json(&system, &["developers", "erase", "DEV-a", "--receipts"]).await;
    assert_eq!(receipts.as_array().unwrap().len(), 1, "{receipts:#}");
}

#[tokio::test]
async fn nothing_is_left_of_an_erased_link_and_everything_of_the_others() {
    let system = System::start().await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answer(500);
    bad.say("about whom?");
    let cut = Cut::start(&system).await;
    let stage = Stage::set(&system, "DEV-a", [&good, &bad], 1200).await;
    let link = "mk_YSAtdSxLqwzyTwX5oR3ZNR";
    let registered = json!({
        "developerId": "DEV-a", "environment": "sandbox", "state": "connected", "products": ["transactions"], "callbackURL": good.url(),
    });
    system.platform().put(&format!("/links/{link}"), registered).await.expect(200);
    let about = stage.publish(link).await;
    stage.publish("item-2").await;
    system.settle().await;
    let about_it = |rows: Vec<Value>| -> usize { rows.iter().filter(|row| row.to_string().contains(link)).count() };
    assert!(about_it(rows(&system).await) >= 3);
    let answers = |rows: &[Value]| rows.iter().filter(|row| row.to_string().contains("about whom?")).count();
    let before = rows(&system).await;

    assert!(cut.erase("DEV-a", &["--link", link], None).await);
    let after = rows(&system).await;
    assert_eq!(about_it(after.clone()), 0);
    assert!(answers(&after) < answers(&before) && answers(&after) > 0, "{} of {}", answers(&after), answers(&before));
    let receipt = operator_json(&system, &["developers", "erase", "DEV-a", "--receipts"]).await;
    assert_eq!(receipt[0]["removed"]["updates"], 1, "{receipt:#}");
    assert!(!receipt.to_string().contains(link) && receipt[0]["linkDigest"].is_string(), "{receipt:#}");

    // That there were events stays. None of them is ever sent, and the others are.
    let events: BTreeSet<&str> =
        about["events"].as_array().unwrap().iter().map(|event| event["eventId"].as_str().unwrap()).collect();
    assert_eq!(events.len(), 2);
    let received = bad.received().len();
    bad.answer(204);
    for _ in 0..15 {
        system.advance(Duration::from_secs(120)).await;
    }
    let late: Vec<_> = bad.received().split_off(received);
    assert!(!late.is_empty(), "the events of other links");
    assert!(late.iter().all(|request| !events.contains(request.header("webhook-id"))));
    assert_eq!(about_it(rows(&system).await), 0);

    // It takes no right that its policy does not grant, and needs each that it does.
    assert!(cut.erase("DEV-a", &[], None).await);
    assert_eq!(left_of(&system, "DEV-a").await, Vec::<Value>::new());
    assert_policy_fits(&system, "developers erase", "operator-developers-erase").await;
}
