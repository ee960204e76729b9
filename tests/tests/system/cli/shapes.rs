//! What programs rely on: the JSON that each command prints has one shape.

use serde_json::{Map, Value, json};
use tests::{Receiver, System};

use super::desk::Desk;

/// The names in a value, and the kind of what each holds: of a list, of what its first item is.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Array(items) => items.first().map(shape).into_iter().collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect::<Map<_, _>>().into()
        }
    }
}

#[tokio::test]
async fn json_has_one_shape_for_each_command() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    let platform = desk.environment("CLI-local-platform", "local-platform-secret");
    let receiver = Receiver::start().await;
    let mut shapes = Map::new();
    let mut keep = |name: &str, value: &Value| shapes.insert(name.to_owned(), shape(value));

    keep("config set", &desk.json("config set --type plaid --name a --retry-schedule 1").await);
    keep("config allow", &desk.json("config allow 127.0.0.1").await);
    keep("config get", &desk.json("config get").await);
    let made = desk.json(&format!("webhooks create --url {}", receiver.url())).await;
    keep("webhooks create", &made);
    let webhook = made["webhook"]["id"].as_str().unwrap();
    keep("webhooks set", &desk.json(&format!("webhooks set {webhook} --rate-limit 50")).await);
    keep("webhooks check", &desk.json(&format!("webhooks check {webhook}")).await);
    keep("webhooks secret", &desk.json(&format!("webhooks secret {webhook}")).await);
    keep("webhooks rotate", &desk.json(&format!("webhooks rotate {webhook} --overlap 60")).await);
    receiver.answer(500);
    let data = r#"{"linkId":"item-1","newTransactions":3}"#;
    let update = format!("publish transactions.updated --developer DEV-local-developer --data {data}");
    let published = platform.json(&update).await;
    keep("publish", &published);
    for _ in 0..2 {
        system.advance(std::time::Duration::from_secs(5)).await;
    }
    let event = published["events"][0]["eventId"].as_str().unwrap();
    keep("webhooks list", &desk.json("webhooks list").await);
    keep("webhooks show", &desk.json(&format!("webhooks show {webhook}")).await);
    keep("status", &desk.json("status").await);
    keep("events list", &desk.json("events list").await);
    let mut shown = desk.json(&format!("events show {event}")).await;
    shown["event"]["payload"] = json!({});
    keep("events show", &shown);
    keep("dropped list", &desk.json("dropped list").await);
    receiver.answer(204);
    keep("events resend", &desk.json(&format!("events resend {event}")).await);
    keep("dropped resend --all", &desk.json("dropped resend --all").await);
    keep("trigger --wait", &desk.json("trigger TRANSACTIONS.DEFAULT_UPDATE --wait").await);
    let deleted = desk.json(&format!("webhooks delete {webhook}")).await;
    keep("webhooks delete", &deleted);
    keep("webhooks list --deleted", &desk.json("webhooks list --deleted").await);
    let request = deleted["requestId"].as_str().unwrap();
    keep("webhooks restore", &desk.json(&format!("webhooks restore {request}")).await);
    keep("open", &platform.json("open --developer DEV-local-developer").await);
    keep("logout", &desk.json("logout").await);
    insta::assert_json_snapshot!(Value::from(shapes));
}
