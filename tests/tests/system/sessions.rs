//! Sessions of the dashboard: the platform lets a developer in by a link, which works once and for what it says.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};
use tests::{Answer, System, plain_client};

const DEVELOPER: &str = "DEV-local-developer";

/// Opens a session, and answers the code of its link.
async fn open(system: &System, session: Value) -> String {
    let answer = system.platform().post("/dashboard/sessions", session).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let url = answer.expect(201)["url"].as_str().unwrap().to_owned();
    let place = format!("{}/dashboard#code=", system.run.base_url());
    url.strip_prefix(&place).unwrap_or_else(|| panic!("{url}")).to_owned()
}

async fn exchange(system: &System, code: &str) -> Answer {
    let form = format!("grant_type=authorization_code&code={code}");
    system.request(Method::POST, "/auth/token", &[], Some(&form)).await
}

#[track_caller]
fn refused(answer: Answer) {
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_grant")), "{:#}", answer.body);
}

async fn get(system: &System, token: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    system.request(Method::GET, path, &[("authorization", &bearer)], None).await
}

fn token(answer: &Value) -> String {
    answer["access_token"].as_str().unwrap().to_owned()
}

/// What a token says.
fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_link_lets_its_developer_in_with_all_that_a_developer_may() {
    let system = System::start().await;
    let code = open(&system, json!({ "developerId": DEVELOPER })).await;
    let answer = exchange(&system, &code).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let answer = answer.expect(200);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(answer["scope"], "configuration:read configuration:write links:test");

    let bearer = format!("Bearer {}", token(&answer));
    let signed = [("authorization", bearer.as_str())];
    let made = system.request(Method::POST, "/configuration", &signed, Some("{\"name\":\"of the session\"}")).await;
    made.expect(201);
    // It is the same developer as the one with a client.
    let seen = system.developer().get("/configuration").await.expect(200);
    assert_eq!(seen["configuration"]["name"], "of the session");
    // And nobody of the platform's.
    let publish = system.request(Method::POST, "/updates", &signed, Some("{}")).await;
    publish.expect_error(403, "api_error.auth.insufficient_scope");
    system.other().get("/configuration").await.expect_error(404, "configuration_error.not_found");

    // JSON does, too; and nobody has to have done anything before.
    let code = open(&system, json!({ "developerId": "DEV-nobody-yet" })).await;
    let body = json!({ "grant_type": "authorization_code", "code": code }).to_string();
    let answer = system.request(Method::POST, "/auth/token", &[], Some(&body)).await.expect(200);
    get(&system, &token(&answer), "/configuration").await.expect_error(404, "configuration_error.not_found");
}

#[tokio::test]
async fn a_session_to_look_changes_nothing() {
    let system = System::start().await;
    let code = open(&system, json!({ "developerId": DEVELOPER, "scopes": ["configuration:read"] })).await;
    let answer = exchange(&system, &code).await.expect(200);
    assert_eq!(answer["scope"], "configuration:read");
    let bearer = format!("Bearer {}", token(&answer));
    let make = system.request(Method::POST, "/configuration", &[("authorization", &bearer)], Some("{}")).await;
    make.expect_error(403, "api_error.auth.insufficient_scope");
    system.developer().post("/configuration", json!({})).await.expect(201);
    get(&system, &token(&answer), "/configuration").await.expect(200);
}

#[tokio::test]
async fn a_code_lets_in_once_however_many_come_with_it_at_once() {
    let system = System::start().await;
    for _ in 0..5 {
        let code = open(&system, json!({ "developerId": DEVELOPER })).await;
        let form = format!("grant_type=authorization_code&code={code}");
        let answers = system.at_once(8, Method::POST, "/auth/token", &[], Some(&form)).await;
        let (granted, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(granted.len(), 1);
        others.into_iter().for_each(refused);
        refused(exchange(&system, &code).await);
    }
}

#[tokio::test]
async fn a_code_ends_after_five_minutes_and_a_session_when_it_was_said_to() {
    let system = System::start().await;
    let answer = system.platform().post("/dashboard/sessions", json!({ "developerId": DEVELOPER })).await.expect(201);
    let expires: jiff::Timestamp = answer["expiresTime"].as_str().unwrap().parse().unwrap();
    let left = expires.as_millisecond() - system.run.now_ms();
    assert!((290_000..=300_000).contains(&left), "{left}");

    let (early, late) = (json!({ "developerId": DEVELOPER, "expiresIn": 60 }), json!({ "developerId": DEVELOPER }));
    let (early, late) = (open(&system, early).await, open(&system, late).await);
    system.advance(Duration::from_secs(290)).await;
    let answer = exchange(&system, &early).await.expect(200);
    assert_eq!(answer["expires_in"], 60);
    system.advance(Duration::from_secs(11)).await;
    refused(exchange(&system, &late).await);
    system.developer().post("/configuration", json!({})).await.expect(201);
    get(&system, &token(&answer), "/configuration").await.expect(200);
    system.advance(Duration::from_secs(50)).await;
    let over = get(&system, &token(&answer), "/configuration").await;
    over.expect_error(401, "api_error.auth.expired_access_token");

    let longest = open(&system, json!({ "developerId": DEVELOPER, "expiresIn": 43_200 })).await;
    let answer = exchange(&system, &longest).await.expect(200);
    system.advance(Duration::from_secs(11 * 3600)).await;
    get(&system, &token(&answer), "/configuration").await.expect(200);
}

#[tokio::test]
async fn what_is_no_code_of_a_session_lets_nobody_in() {
    let system = System::start().await;
    let code = open(&system, json!({ "developerId": DEVELOPER })).await;
    let secret = code.split_once('.').unwrap().1;
    let others = [
        // Another developer's name on it.
        format!("DEV-local-other.{secret}"),
        format!("{code}A"),
        code[..code.len() - 1].to_owned(),
        secret.to_owned(),
        format!("{DEVELOPER}.{}", URL_SAFE_NO_PAD.encode([0; 32])),
        format!("{DEVELOPER}."),
        "x".to_owned(),
        String::new(),
        "%00".to_owned(),
        "DEV-a%23b.x".to_owned(),
        "x".repeat(7000),
    ];
    for other in others {
        refused(exchange(&system, &other).await);
    }
    let missing = system.request(Method::POST, "/auth/token", &[], Some("grant_type=authorization_code")).await;
    assert_eq!((missing.status, &missing.body["error"]), (400, &json!("invalid_request")));
    // None of them has used it up.
    exchange(&system, &code).await.expect(200);
}

#[tokio::test]
async fn only_the_platform_opens_sessions_and_only_for_what_a_developer_may() {
    let system = System::start().await;
    let platform = system.platform();
    for (body, location) in [
        (json!({}), ""),
        (json!({ "developerId": "x" }), "developerId"),
        (json!({ "developerId": DEVELOPER, "scopes": [] }), "scopes"),
        (json!({ "developerId": DEVELOPER, "scopes": ["admin"] }), "scopes"),
        (json!({ "developerId": DEVELOPER, "scopes": ["configuration:read", "updates:publish"] }), "scopes"),
        (json!({ "developerId": DEVELOPER, "scopes": ["dashboard:open"] }), "scopes"),
        (json!({ "developerId": DEVELOPER, "scopes": "configuration:read" }), "scopes"),
        (json!({ "developerId": DEVELOPER, "expiresIn": 59 }), "expiresIn"),
        (json!({ "developerId": DEVELOPER, "expiresIn": 43_201 }), "expiresIn"),
        (json!({ "developerId": DEVELOPER, "expiresIn": "60" }), "expiresIn"),
        (json!({ "developerId": DEVELOPER, "expires": 60 }), "expires"),
    ] {
        let error = platform.post("/dashboard/sessions", body.clone()).await;
        let error = error.expect_error(400, "api_error.request.validation_failed");
        let found = error["validation_errors"][0]["location"].get(1).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(found, location, "{body}: {error:#}");
    }
    let session = json!({ "developerId": DEVELOPER });
    let form = "grant_type=client_credentials&client_id=CLI-local-platform&client_secret=local-platform-secret&scope=updates:publish";
    let lesser = system.request(Method::POST, "/auth/token", &[], Some(form)).await.expect(200);
    let bearer = format!("Bearer {}", token(&lesser));
    let headers = [("authorization", bearer.as_str())];
    let refused = system.request(Method::POST, "/dashboard/sessions", &headers, Some(&session.to_string())).await;
    refused.expect_error(403, "api_error.auth.insufficient_scope");
}

/// A developer's client, as `tenday open` uses it: for itself, for no more than it may, and not without end.
#[tokio::test]
async fn a_developers_own_client_opens_sessions_for_itself_and_for_no_more_than_it_may() {
    let system = System::start().await;
    let form = "grant_type=client_credentials&client_id=CLI-local-developer&client_secret=local-developer-secret";
    let reads = format!("{form}&scope=configuration:read");
    let own = token(&system.request(Method::POST, "/auth/token", &[], Some(form)).await.expect(200));
    let reader = token(&system.request(Method::POST, "/auth/token", &[], Some(&reads)).await.expect(200));
    let post = async |bearer: &str, session: Value| {
        let bearer = format!("Bearer {bearer}");
        let headers = [("authorization", bearer.as_str())];
        system.request(Method::POST, "/dashboard/sessions", &headers, Some(&session.to_string())).await
    };
    let of = async |opened: Answer| {
        let url = opened.expect(201)["url"].as_str().unwrap().to_owned();
        let answer = exchange(&system, url.split_once("#code=").unwrap().1).await.expect(200);
        (token(&answer), answer["scope"].as_str().unwrap().to_owned())
    };

    let session = json!({ "developerId": DEVELOPER });
    let asked = json!({ "developerId": DEVELOPER, "expiresIn": 43_200 });
    let (first, scopes) = of(post(&own, asked).await).await;
    let ends = |token: &str| claims(token)["exp"].as_i64().unwrap();
    assert!(ends(&first) - ends(&own) < 60, "a token gets no more time by it than it has");
    assert_eq!(scopes, "configuration:read configuration:write links:test");
    assert_eq!(claims(&first)["developer_id"], DEVELOPER);
    let (_, scopes) = of(post(&reader, session.clone()).await).await;
    assert_eq!(scopes, "configuration:read", "no more than the token that asked");

    for (bearer, session) in [
        (&reader, json!({ "developerId": DEVELOPER, "scopes": ["configuration:read", "configuration:write"] })),
        (&own, json!({ "developerId": "DEV-somebody-else" })),
        (&first, session.clone()),
    ] {
        post(bearer, session).await.expect_error(403, "api_error.auth.insufficient_scope");
    }
}

#[tokio::test]
async fn each_session_is_a_client_of_its_own_and_its_code_is_kept_nowhere() {
    let system = System::start().await;
    let mut clients = BTreeSet::new();
    let mut codes = Vec::new();
    for _ in 0..3 {
        let code = open(&system, json!({ "developerId": DEVELOPER })).await;
        let answer = exchange(&system, &code).await.expect(200);
        let claims = claims(&token(&answer));
        assert_eq!(claims["developer_id"], DEVELOPER);
        assert!(clients.insert(claims["sub"].as_str().unwrap().to_owned()));
        codes.push(code);
    }
    codes.push(open(&system, json!({ "developerId": DEVELOPER })).await);
    assert!(!clients.contains("CLI-local-developer") && !clients.contains("CLI-local-platform"));

    // The operator sees who opened which.
    let lines = system.run.logs();
    for client in &clients {
        let line = lines.iter().find(|line| line.text.contains(client.as_str()));
        let line = line.unwrap_or_else(|| panic!("no line tells of {client}"));
        assert!(line.text.contains("CLI-local-platform") && line.text.contains(DEVELOPER), "{}", line.text);
    }
    let table = json!({ "TableName": system.run.output("SettingsTableName").unwrap() });
    let rows = system.dynamodb("Scan", &table).await.expect(200);
    let sessions = rows["Items"].as_array().unwrap().iter().filter(|row| row.get("openedBy").is_some()).count();
    assert_eq!(sessions, codes.len());
    for code in codes {
        let secret = code.split_once('.').unwrap().1;
        assert!(lines.iter().all(|line| !line.text.contains(secret)), "a log line holds a code");
        assert!(!rows.to_string().contains(secret), "a row holds a code");
    }
}

#[tokio::test]
async fn the_local_run_leads_its_developer_in_as_often_as_asked() {
    let system = System::start().await;
    let browser = plain_client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for _ in 0..2 {
        let led = browser.get(format!("{}/_local/dashboard", system.run.base_url())).send().await.unwrap();
        let place = led.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(led.status(), 303);
        let code = place.strip_prefix(&format!("{}/dashboard#code=", system.run.base_url())).unwrap();
        let answer = exchange(&system, code).await.expect(200);
        assert_eq!(claims(&token(&answer))["developer_id"], DEVELOPER);
    }
}
