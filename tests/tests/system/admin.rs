//! The operator's way in, as an operator uses it: against a running system, by the command's own arguments.

use http::Method;
use serde_json::Value;
use tests::System;

/// What `tenday operator` prints.
async fn admin(system: &System, arguments: &str) -> Result<String, String> {
    let local = format!("--local={}", system.run.base_url());
    let arguments = ["tenday", "operator"].into_iter().chain(arguments.split_whitespace()).chain([local.as_str()]);
    let mut output = Vec::new();
    let done = tenday::run(arguments, &mut output).await;
    let output = String::from_utf8(output).unwrap();
    done.map(|()| output).map_err(|error| error.to_string())
}

async fn admin_json(system: &System, arguments: &str) -> Value {
    serde_json::from_str(&admin(system, &format!("--json {arguments}")).await.unwrap()).unwrap()
}

async fn token(system: &System, client: &Value) -> (u16, Value) {
    let (id, secret) = (client["clientId"].as_str().unwrap(), client["clientSecret"].as_str().unwrap());
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = system.request(Method::POST, "/auth/token", &[], Some(&form)).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_client_gets_tokens_until_it_is_revoked() {
    let system = System::start().await;
    let arguments = "clients create --developer DEV-acme --scope configuration:read --scope links:test";
    let first = admin_json(&system, arguments).await;
    let second = admin_json(&system, "clients create --developer DEV-acme").await;
    assert_eq!(first["developerId"], "DEV-acme");

    // It works, for what it was given and for its own developer.
    let (status, answer) = token(&system, &first).await;
    assert_eq!((status, answer["scope"].as_str()), (200, Some("configuration:read links:test")), "{answer:#}");
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let read = system.request(Method::GET, "/configuration", &headers, None).await;
    read.expect_error(404, "configuration_error.not_found");
    let written = system.request(Method::POST, "/configuration", &headers, Some("{}")).await;
    written.expect_error(403, "api_error.auth.insufficient_scope");

    // Both are listed, oldest first, and the secrets are nowhere.
    let list = admin_json(&system, "clients list --developer DEV-acme").await;
    let ids: Vec<&Value> = list.as_array().unwrap().iter().map(|client| &client["clientId"]).collect();
    assert_eq!(ids, [&first["clientId"], &second["clientId"]]);
    assert!(list[0]["createdAt"].as_str().unwrap().ends_with('Z'), "{list:#}");
    assert!(!list.to_string().contains(first["clientSecret"].as_str().unwrap()));

    // Revoked, it gets no token any more; the other does.
    let id = first["clientId"].as_str().unwrap();
    let said = admin(&system, &format!("clients revoke {id}")).await.unwrap();
    assert!(said.contains(&format!("revoked {id} of DEV-acme")), "{said}");
    assert_eq!(token(&system, &first).await.0, 401);
    assert_eq!(token(&system, &second).await.0, 200);
    assert_eq!(admin_json(&system, "clients list --developer DEV-acme").await.as_array().unwrap().len(), 1);
    let again = admin(&system, &format!("clients revoke {id}")).await.unwrap_err();
    assert_eq!(again, format!("client {id} not found"));
}

#[tokio::test]
async fn the_platforms_clients_are_apart_from_the_developers() {
    let system = System::start().await;
    let client = admin_json(&system, "clients create --platform --scope updates:publish").await;
    assert_eq!((&client["developerId"], &client["scopes"]), (&Value::Null, &serde_json::json!(["updates:publish"])));
    let (status, answer) = token(&system, &client).await;
    assert_eq!((status, answer["scope"].as_str()), (200, Some("updates:publish")));
    let listed = admin(&system, "clients list --platform").await.unwrap();
    assert!(listed.contains("CLI-local-platform") && listed.contains(client["clientId"].as_str().unwrap()), "{listed}");
    assert!(!listed.contains("CLI-local-developer"), "{listed}");

    let refused = admin(&system, "clients create --developer DEV-acme --scope updates:publish").await.unwrap_err();
    assert!(refused.starts_with("a developer's client cannot have the scope `updates:publish`"), "{refused}");
    assert_eq!(admin_json(&system, "clients list --developer DEV-acme").await, serde_json::json!([]));
}

#[tokio::test]
async fn what_does_not_run_is_said() {
    let mut output = Vec::new();
    let arguments = ["tenday", "operator", "clients", "list", "--platform", "--local=http://127.0.0.1:9"];
    let error = tenday::run(arguments, &mut output).await.unwrap_err().to_string();
    assert!(error.starts_with("no local run answers at http://127.0.0.1:9: "), "{error}");
}
