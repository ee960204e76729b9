//! What a log never holds: a secret, a token, a body or a query string. `info` is the most that a deployment can write:
//! what is below is not compiled into it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

/// What must not be found, each under the name by which a failure tells of it.
#[derive(Default)]
struct Needles(Vec<(&'static str, String)>);

impl Needles {
    fn add(&mut self, what: &'static str, text: impl Into<String>) {
        let text = text.into();
        assert!(text.len() >= 8, "{what} is too short to be looked for: {text:?}");
        self.0.push((what, text));
    }
}

/// The main path, with a failure, a reattempt by hand, a rotation and some bad requests, from every function.
#[tokio::test]
async fn no_log_line_holds_a_secret_a_body_or_a_query_string() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(500, vec![("x-answer", "response-header-marker".to_owned())]);
    let (developer, platform) = (system.developer(), system.platform());
    let mut needles = Needles::default();
    needles.add("a client's secret", "local-developer-secret");
    needles.add("a client's secret", "local-platform-secret");
    // A token's signature: its first parts are the same in all tokens.
    for token in [developer.token().await, platform.token().await] {
        needles.add("an access token", token.rsplit('.').next().unwrap());
    }
    // The link to the dashboard that a developer has not opened yet, and what one was exchanged for.
    let session = json!({ "developerId": DEVELOPER });
    let mut codes = Vec::new();
    for _ in 0..2 {
        let opened = platform.post("/dashboard/sessions", session.clone()).await.expect(201);
        codes.push(opened["url"].as_str().unwrap().rsplit('.').next().unwrap().to_owned());
        needles.add("a session's code", codes.last().unwrap());
    }
    for code in [format!("{DEVELOPER}.{}", codes[0]), "wrong-code-marker".to_owned()] {
        let form = format!("grant_type=authorization_code&code={code}");
        let answer = system.request(http::Method::POST, "/auth/token", &[], Some(&form)).await;
        if let Some(token) = answer.body["access_token"].as_str() {
            needles.add("a session's token", token.rsplit('.').next().unwrap());
        }
    }
    needles.add("a wrong code", "wrong-code-marker");
    needles.add("a callback's query", "callback-query-marker");
    needles.add("a request's query", "request-query-marker");
    needles.add("a published body", "published-body-marker");
    needles.add("a body that does not parse", "broken-body-marker");
    needles.add("a header of a webhook's own", "header-value-marker");
    needles.add("a receiver's answer", "response-header-marker");
    needles.add("a wrong client secret", "wrong-secret-marker");
    needles.add("a token that is none", "wrong-token-marker");

    let configuration = json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"], "retrySchedule": [1] });
    developer.post("/configuration", configuration).await.expect(201);
    let body = json!({
        "callbackURL": format!("{}?key=callback-query-marker", receiver.url()),
        "headers": { "Authorization": "Bearer header-value-marker" },
    });
    let created = developer.post("/configuration/webhooks", body).await.expect(201);
    let webhook = created["webhook"]["id"].as_str().unwrap().to_owned();
    let secret = |answer: &Value| answer["secret"].as_str().unwrap().trim_start_matches("whsec_").to_owned();
    needles.add("a signing secret", secret(&created["webhook"]));
    let path = format!("/configuration/webhooks/{webhook}");
    let rotated = developer.post_nothing(&format!("{path}/secret/rotate")).await.expect(200);
    needles.add("a rotated signing secret", secret(&rotated));
    developer.get(&format!("{path}/secret")).await.expect(200);

    let data = json!({ "linkId": "published-body-marker", "newTransactions": 3, "environment": "sandbox" });
    let update = platform.publish(DEVELOPER, "transactions.updated", data).await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(2)).await;
    receiver.wait_for(2).await;
    receiver.answer(204);
    let event = update["events"][0]["eventId"].as_str().unwrap();
    let retrieval = format!("/configuration/webhooks/retrievals/{event}");
    assert_eq!(developer.post_nothing(&retrieval).await.expect(200)["success"], true);
    for request in receiver.received() {
        assert_eq!(request.header("authorization"), "Bearer header-value-marker");
        for signature in request.header("webhook-signature").split(' ') {
            needles.add("a signature", signature.trim_start_matches("v1,"));
        }
        needles.add("a signed token", request.header("plaid-verification").rsplit('.').next().unwrap());
    }

    // Each function, with a query; and requests that are refused.
    let id = update["updateId"].as_str().unwrap();
    for (caller, path) in [
        (&developer, "/configuration".to_owned()),
        (&developer, "/configuration/webhooks".to_owned()),
        (&developer, format!("{path}/events")),
        (&platform, format!("/updates/{id}")),
        (&platform, "/links/mk_unknown".to_owned()),
    ] {
        let answer = caller.get(&format!("{path}?marker=request-query-marker")).await;
        answer.expect_error(400, "api_error.request.malformed");
    }
    developer.get("/configuration/webhooks/retrievals?eventName=request-query-marker").await.expect(200);
    let form = "grant_type=client_credentials&client_id=CLI-local-developer&client_secret=wrong-secret-marker";
    system.request(http::Method::POST, "/auth/token", &[], Some(form)).await.expect(401);
    let wrong = [("authorization", "Bearer wrong.token.wrong-token-marker")];
    system.request(http::Method::GET, "/configuration", &wrong, None).await.expect(401);
    let bearer = format!("Bearer {}", platform.token().await);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    system.request(http::Method::POST, "/updates", &headers, Some("{\"broken-body-marker\":")).await.expect(400);
    // A dead letter, for the function that takes them.
    let queue = system.run.output("DeliveriesQueueUrl").expect("an output");
    let message = json!({ "v": 9, "content": "published-body-marker" }).to_string();
    let body = json!({ "QueueUrl": queue, "MessageBody": message }).to_string();
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    system.aws(&headers, &body).await.expect(200);
    for _ in 0..6 {
        system.advance(Duration::from_secs(181)).await;
    }

    let lines = system.run.logs();
    for function in ["Auth", "Configuration", "Webhooks", "Events", "Updates", "Links", "Deliver", "DeadLetters"] {
        assert!(lines.iter().any(|line| line.function.as_deref() == Some(function)), "{function} said nothing");
    }
    for line in &lines {
        for (what, needle) in &needles.0 {
            assert!(!line.text.contains(needle.as_str()), "{what} is in a line of {:?}: {}", line.function, line.text);
        }
    }
}
