//! Developers who come from elsewhere keep their receivers: they bring their signing secrets along.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const WEBHOOKS: &str = "/configuration/webhooks";

fn secret_of(bytes: usize) -> String {
    format!("whsec_{}", STANDARD.encode(vec![7; bytes]))
}

#[tokio::test]
async fn a_secret_that_is_brought_along_signs_what_is_delivered() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    for (number, bytes) in [24, 25, 32, 63, 64].into_iter().enumerate() {
        let secret = secret_of(bytes);
        let body = json!({ "callbackURL": receiver.url(), "secret": secret });
        let created = developer.post(WEBHOOKS, body).await.expect(201)["webhook"].clone();
        assert_eq!(created["secret"], secret);
        let path = format!("{WEBHOOKS}/{}", created["id"].as_str().unwrap());
        assert_eq!(developer.get(&format!("{path}/secret")).await.expect(200)["secret"], secret);
        system.platform_publish(DEVELOPER).await;
        let received = receiver.wait_for(number + 1).await.remove(number);
        let verifier = standardwebhooks::Webhook::new(&secret).unwrap();
        verifier.verify(&received.body, &received.headers).unwrap();
        system.settle().await;
        developer.delete(&path).await.expect(200);
        for line in system.run.logs() {
            assert!(!line.text.contains(secret.trim_start_matches("whsec_")), "{}", line.text);
        }
    }
}

#[tokio::test]
async fn what_is_no_secret_is_refused_with_what_one_looks_like_and_not_repeated() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let unpadded = secret_of(25).trim_end_matches('=').to_owned();
    for secret in [
        json!(secret_of(23)),
        json!(secret_of(65)),
        json!(secret_of(200_000 / 4)),
        json!(STANDARD.encode([7; 32])),
        json!(unpadded),
        json!("whsec_not base64, but long enough to be one"),
        json!(""),
        json!(7),
    ] {
        let body = json!({ "callbackURL": "https://example.com/", "secret": secret });
        let answer = developer.post(WEBHOOKS, body).await.expect_error(400, "api_error.request.validation_failed");
        let problem = &answer["validation_errors"][0];
        assert_eq!(problem["location"], json!(["body", "secret"]), "{answer:#}");
        if let Some(text) = secret.as_str() {
            let asked = "whsec_ and the base64 of 24 to 64 bytes";
            assert!(problem["message"].as_str().unwrap().contains(asked), "{answer:#}");
            assert!(text.is_empty() || !answer.to_string().contains(text), "it is repeated");
        }
    }
    assert_eq!(developer.get(WEBHOOKS).await.expect(200)["webhooks"], json!([]));
}
