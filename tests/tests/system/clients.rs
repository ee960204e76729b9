//! What every client meets: limits on its requests, and keys that change under its tokens.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use jsonwebtoken::decode_header;
use serde_json::json;
use tenday_local::Options;
use tenday_model::settings::audit::{AuditDays, Who};
use tenday_store::{Author, Aws, Clients};
use tests::{Receiver, System, plain_client};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let parameters = [("RequestsPerSecond".to_owned(), "1".to_owned())].into();
    let system = System::start_with(Options { parameters, ..Options::default() }).await;
    let developer = system.developer();
    let bearer = format!("Bearer {}", developer.token().await);
    let get = async || system.request(Method::GET, "/configuration", &[("authorization", &bearer)], None).await;
    let mut limited = None;
    for _ in 0..100 {
        let answer = get().await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("100 requests in a row were let through");
    assert_eq!(limited.headers["retry-after"], "1");
    let body = limited.expect_error(429, "api_error.rate_limit_exceeded");
    assert_eq!(body["error_message"], "Rate limit exceeded");

    // Others are not.
    system.other().get("/configuration").await.expect_error(404, "configuration_error.not_found");
    system.run.advance(Duration::from_secs(1)).await.unwrap();
    get().await.expect_error(404, "configuration_error.not_found");

    // Nor may anyone try secrets as fast as they like.
    let form = "grant_type=client_credentials&client_id=CLI-local-developer&client_secret=guess";
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 100 {
        statuses.push(system.request(Method::POST, "/auth/token", &[], Some(form)).await.status);
    }
    assert_eq!((statuses[0], statuses.last()), (401, Some(&429)));
}

/// Asks for the configuration with a token, and answers the status.
async fn status(system: &System, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    system.request(Method::GET, "/configuration", &[("authorization", &bearer)], None).await.status
}

#[tokio::test]
async fn tokens_of_a_revoked_client_are_worthless_within_a_minute() {
    let system = System::start().await;
    let clients =
        Clients::new(&Aws::at(system.run.endpoint_url()), system.run.output("SettingsTableName").unwrap().to_owned());
    let by = |at| Author { who: Who::Operator("local".to_owned()), at, kept: AuditDays::default() };
    let now = || jiff::Timestamp::from_millisecond(system.run.now_ms()).unwrap();
    let (developer, other, platform) = (system.developer(), system.other(), system.platform());
    let (token, others) = (developer.token().await, other.token().await);
    // A session that the platform's client opens has a token of its own.
    let session = async |fresh: bool| {
        let opened = platform.post("/dashboard/sessions", json!({ "developerId": "DEV-local-developer" })).await;
        if !fresh {
            return opened.status.to_string();
        }
        let opened = opened.expect(201);
        let code = opened["url"].as_str().unwrap().split_once("#code=").unwrap().1.to_owned();
        let form = format!("grant_type=authorization_code&code={code}");
        let answer = system.request(Method::POST, "/auth/token", &[], Some(&form)).await.expect(200);
        answer["access_token"].as_str().unwrap().to_owned()
    };
    let in_session = session(true).await;
    // A code that whoever has the token keeps for later.
    let kept = developer.post("/dashboard/sessions", json!({ "developerId": "DEV-local-developer" })).await.expect(201);
    for token in [&token, &others, &in_session] {
        assert_eq!(status(&system, token).await, 404, "no configuration yet");
    }

    // No request pays for it: one look in a minute, however many there are.
    system.run.clear_calls();
    for _ in 0..10 {
        status(&system, &token).await;
    }
    assert_eq!(system.calls_of("Configuration", "dynamodb", "Query"), 10, "the configuration's own");

    // The tokens of a client that leaked; the client itself stays, and its next token holds.
    let leaked = "CLI-local-developer".parse().unwrap();
    clients.revoke_tokens(&by(now()), Some(&"DEV-local-developer".parse().unwrap()), &leaked).await.unwrap();
    system.run.advance(Duration::from_secs(60)).await.unwrap();
    system.run.clear_calls();
    let bearer = format!("Bearer {token}");
    let refused = system.request(Method::GET, "/configuration", &[("authorization", &bearer)], None).await;
    refused.expect_error(401, "api_error.auth.unauthorized");
    assert_eq!(system.calls_of("Configuration", "dynamodb", "Query"), 1, "which are revoked, and nothing of theirs");
    let kept = kept["url"].as_str().unwrap().split_once("#code=").unwrap().1;
    let form = format!("grant_type=authorization_code&code={kept}");
    let late = system.request(Method::POST, "/auth/token", &[], Some(&form)).await.expect(200);
    assert_eq!(status(&system, late["access_token"].as_str().unwrap()).await, 401, "as old as what opened it");
    let next = system.developer().token().await;
    for token in [&next, &others, &in_session] {
        assert_eq!(status(&system, token).await, 404);
    }

    // A client that is gone, with the sessions that it opened.
    let gone = clients.get(&"CLI-local-platform".parse().unwrap()).await.unwrap().unwrap();
    clients.delete(&by(now()), &gone).await.unwrap();
    system.run.advance(Duration::from_secs(60)).await.unwrap();
    assert_eq!(status(&system, &in_session).await, 401);
    assert_eq!(session(false).await, "401", "its own");
    for token in [&next, &others] {
        assert_eq!(status(&system, token).await, 404);
    }
    // For as long as any of its tokens could live, and in every sandbox: none that starts later takes them.
    assert_eq!(status(&system, &token).await, 401);
    system.request(Method::GET, "/updates/UPD-x", &[("authorization", &bearer)], None).await.expect(401);
}

/// Whoever floods the tokens, with a new made-up client and another claim of where they are in each request, uses up what
/// their own address may ask for, costs no read, and keeps nobody else from a token.
#[tokio::test]
async fn a_stranger_who_floods_the_tokens_keeps_nobody_from_theirs() {
    // In one sandbox: another, which a busy machine may start, would have buckets of its own.
    let parameters = [("RequestsPerSecond", "1"), ("TokenConcurrency", "1")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let system = System::start_with(Options { parameters, ..Options::default() }).await;
    let form = "grant_type=client_credentials&client_id=CLI-local-developer&client_secret=local-developer-secret";
    system.request(Method::POST, "/auth/token", &[], Some(form)).await.expect(200);
    // From another address of this machine.
    let stranger = plain_client().local_address("127.0.0.2".parse().ok()).build().unwrap();
    let reads = || system.calls_of("Auth", "dynamodb", "GetItem");
    let (before, began) = (reads(), system.run.now_ms());
    let mut let_through = 0;
    for number in 0..200 {
        let answer = stranger
            .post(format!("{}/auth/token", system.run.base_url()))
            .header("x-forwarded-for", format!("198.51.100.{number}"))
            .body(format!("grant_type=client_credentials&client_id=CLI-{number}&client_secret=guess"))
            .send()
            .await
            .unwrap();
        match answer.status().as_u16() {
            401 => let_through += 1,
            429 => assert!(answer.headers().contains_key("retry-after")),
            other => panic!("a guess is a {other}"),
        }
    }
    // A burst, and what the bucket took in meanwhile; on the slowest machine most are still refused.
    let most = 2 + (system.run.now_ms() - began) / 1_000 + 1;
    assert!((2..=most.min(150)).contains(&let_through), "{let_through} guesses of 200, not {most}");
    // A few are the sandbox's own, of keys.
    let read = i64::try_from(reads() - before).unwrap();
    assert!(read <= let_through + 10, "what is refused costs a read: {read} for {let_through}");
    system.request(Method::POST, "/auth/token", &[], Some(form)).await.expect(200);
}

/// The names of the published keys.
async fn published(system: &System) -> BTreeSet<String> {
    let keys = system.request(Method::GET, "/.well-known/jwks.json", &[], None).await.expect(200);
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn publish(system: &System) {
    let data = json!({ "linkId": "item-1", "newTransactions": 1 });
    system.platform().publish("DEV-local-developer", "transactions.updated", data).await;
}

fn signer(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn keys_are_replaced_every_ninety_days_and_nothing_stops_working() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(Some("plaid"), &receiver.url()).await;
    let first = signer(&developer.token().await);
    let before = published(&system).await;
    system.advance(89 * DAY).await;
    assert_eq!(signer(&developer.token().await), first);
    assert_eq!(published(&system).await, before);

    // The next ones are published, and do not sign yet.
    system.advance(DAY + Duration::from_secs(1)).await;
    let token = developer.token().await;
    assert_eq!(signer(&token), first);
    let both = published(&system).await;
    assert_eq!((both.len(), both.is_superset(&before)), (2 * before.len(), true));
    publish(&system).await;
    let received = receiver.wait_for(1).await;
    assert!(before.contains(&signer(received[0].header("plaid-verification"))));

    // Then they sign, and what the old ones signed holds.
    system.advance(Duration::from_secs(11 * 60)).await;
    let fresh = system.developer();
    assert!(!before.contains(&signer(&fresh.token().await)));
    fresh.get("/configuration").await.expect(200);
    let bearer = format!("Bearer {token}");
    system.request(Method::GET, "/configuration", &[("authorization", &bearer)], None).await.expect(200);
    publish(&system).await;
    let received = receiver.wait_for(2).await;
    let signer = signer(received[1].header("plaid-verification"));
    assert!(both.contains(&signer) && !before.contains(&signer));

    // In the end the old ones go.
    system.advance(7 * DAY).await;
    developer.token().await;
    assert_eq!(published(&system).await, both);
    system.advance(DAY).await;
    developer.token().await;
    let after = published(&system).await;
    assert_eq!((after.len(), after.is_disjoint(&before)), (before.len(), true));
}
