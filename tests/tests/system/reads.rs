//! What reading costs: calls to DynamoDB, counted where they arrive.

use serde_json::json;
use tests::{Receiver, System};

use crate::reattempt_all::drop_events;

/// How many calls to DynamoDB a function made since the calls were cleared.
fn dynamodb_calls(system: &System, function: &str) -> u64 {
    let calls = system.run.calls();
    let operations = calls.get(function).and_then(|services| services.get("dynamodb"));
    operations.into_iter().flatten().map(|(_, count)| count.count).sum()
}

#[tokio::test]
async fn a_warm_get_of_a_configuration_makes_one_call() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    for _ in 0..10 {
        developer.post("/configuration/webhooks", json!({ "callbackURL": "https://example.com/" })).await.expect(201);
    }
    developer.get("/configuration").await.expect(200);
    system.run.clear_calls();
    let configuration = developer.get("/configuration").await.expect(200);
    assert_eq!(configuration["configuration"]["webhookIds"].as_array().unwrap().len(), 10);
    assert_eq!(dynamodb_calls(&system, "Configuration"), 1);
}

#[tokio::test]
async fn listing_a_hundred_webhooks_makes_three_calls_at_most() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    for _ in 1..100 {
        developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    }
    // Each has its health, an error and a retrieval of its own.
    receiver.answer(410);
    system.platform_publish("DEV-local-developer").await;
    receiver.wait_for(100).await;
    system.settle().await;
    developer.get("/configuration/webhooks").await.expect(200);
    system.run.clear_calls();
    for query in ["", "?displayAll=true", "?displayAll=false"] {
        let listed = developer.get(&format!("/configuration/webhooks{query}")).await.expect(200);
        let calls = dynamodb_calls(&system, "Webhooks");
        assert!((1..=3).contains(&calls), "{query}: {calls}");
        assert!(listed["metadata"]["allErrors"].as_array().unwrap().len() >= 100, "{query}");
        assert_eq!(listed["metadata"]["retrievalCount"], 100, "{query}");
        system.run.clear_calls();
    }
}

#[tokio::test]
async fn a_page_of_one_status_costs_no_more_for_a_long_history_of_others() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    system.platform_publish("DEV-local-developer").await;
    receiver.wait_for(1).await;
    system.settle().await;
    drop_events(&system, &webhook, 1_100).await;
    developer.get(&format!("{path}/events?limit=1")).await.expect(200);
    let mut next = format!("{path}/events?status=delivered&limit=10");
    let (mut found, mut pages) = (0, 0);
    loop {
        system.run.clear_calls();
        let page = developer.get(&next).await.expect(200);
        // The settings, and one look at the history.
        assert_eq!(dynamodb_calls(&system, "Events"), 2);
        found += page["events"].as_array().unwrap().len();
        pages += 1;
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        next = format!("{path}/events?status=delivered&limit=10&cursor={cursor}");
    }
    assert_eq!((found, pages), (1, 2));
}

#[test]
fn no_function_may_scan_a_table() {
    // What a role does not allow, no route does; the template's other reader runs every route under these roles.
    let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    assert!(template.contains("dynamodb:Query"));
    for scanning in ["dynamodb:Scan", "dynamodb:*", "dynamodb:PartiQL", "DynamoDBCrudPolicy", "DynamoDBReadPolicy"] {
        assert!(!template.contains(scanning), "{scanning}");
    }
}
