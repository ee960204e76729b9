//! Tenants are apart: another developer's ids are as good as none.

use http::Method;
use serde_json::json;
use tests::{Receiver, System};

#[tokio::test]
async fn no_route_shows_or_changes_another_developers_things() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, other) = (system.developer(), system.other());
    let webhook = developer.subscribe(None, &receiver.url()).await;
    receiver.answer(410);
    let update =
        system.platform().publish("DEV-local-developer", "transactions.updated", json!({ "linkId": "a" })).await;
    receiver.wait_for(1).await;
    system.settle().await;
    let webhook = webhook["id"].as_str().unwrap().to_owned();
    let event = update["events"][0]["eventId"].as_str().unwrap().to_owned();

    // The other one has a configuration of its own, so that nothing is refused for want of one.
    other.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let attempts = [
        (Method::GET, format!("/configuration/webhooks/{webhook}"), None),
        (Method::PATCH, format!("/configuration/webhooks/{webhook}"), Some(json!({ "status": "active" }))),
        (Method::DELETE, format!("/configuration/webhooks/{webhook}"), None),
        (Method::GET, format!("/configuration/webhooks/{webhook}/secret"), None),
        (Method::POST, format!("/configuration/webhooks/{webhook}/secret/rotate"), None),
        (Method::GET, format!("/configuration/webhooks/{webhook}/events"), None),
        (Method::GET, format!("/configuration/events/{event}"), None),
        (Method::POST, format!("/configuration/webhooks/retrievals/{event}"), None),
    ];
    for (method, path, body) in attempts {
        let answer = other.send(method.clone(), &path, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {:#}", answer.body);
    }
    let deletion = developer.delete(&format!("/configuration/webhooks/{webhook}")).await.expect(200);
    let request = deletion["requestId"].as_str().unwrap();
    for path in ["/configuration/webhooks/restore/", "/configuration/restore/"] {
        other.post_nothing(&format!("{path}{request}")).await.expect_error(404, "deletion_error.not_found");
    }
    let list = other.get("/configuration/webhooks").await.expect(200);
    assert_eq!((&list["webhooks"], &list["metadata"]["allRetrievals"]), (&json!([]), &json!([])));
    let list = other.get("/configuration/webhooks/retrievals").await.expect(200);
    assert_eq!(list["events"], json!([]));

    // Developers cannot publish, and the platform has no configuration.
    let update =
        json!({ "developerId": "DEV-local-other", "eventName": "transactions.updated", "data": { "linkId": "a" } });
    developer.post("/updates", update).await.expect_error(403, "api_error.auth.insufficient_scope");
    system.platform().get("/configuration").await.expect_error(403, "api_error.auth.insufficient_scope");
    assert_eq!(receiver.received().len(), 1);
}
