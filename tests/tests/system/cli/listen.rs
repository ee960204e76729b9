//! `listen`: a local server that is slow, down or restarted, and a command that is killed, lose nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Receiver, System};

use super::desk::Desk;

const DEVELOPER: &str = "DEV-local-developer";

async fn plaid(desk: &Desk) {
    assert_eq!(desk.run("config set --type plaid").await.code, 0);
}

async fn publish(system: &System, number: u64) {
    let data = json!({ "linkId": "item-1", "newTransactions": number, "environment": "sandbox" });
    let answer = system.platform().publish(DEVELOPER, "transactions.updated", data).await;
    assert_ne!(answer["events"], json!([]), "{answer:#}");
}

async fn webhooks(desk: &Desk) -> Vec<String> {
    let list = desk.json("webhooks list").await;
    list["webhooks"].as_array().unwrap().iter().map(|webhook| webhook["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn events_come_to_the_local_server_as_a_receiver_would_get_them() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let server = Receiver::start().await;
    let mut listening = desk.listen(&format!("--forward-to {}", server.url())).await;
    publish(&system, 3).await;
    let received = server.wait_for(1).await.remove(0);
    assert_eq!(received.json()["new_transactions"], 3);
    let secret = listening.began["secret"].as_str().unwrap().to_owned();
    let verifier = standardwebhooks::Webhook::new(&secret).unwrap();
    verifier.verify(&received.body, &received.headers).expect("the signature is over these bytes");
    assert!(!received.header("plaid-verification").is_empty());
    assert_eq!(received.header("content-type"), "application/json");

    // The same request, written down, is verified with the secret and the keys that the command asks for itself.
    let headers: String =
        received.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
    let request = format!("POST /hook HTTP/1.1\r\n{headers}\r\n{}", String::from_utf8_lossy(&received.body));
    let verified = desk.give("verify --any-age --json", &request).await;
    assert_eq!(verified.code, 0, "{verified:?}");
    let forged = desk.give("verify --any-age", &request.replace(":3", ":4")).await;
    assert_eq!(forged.code, 1, "{forged:?}");

    let event = listening.next("event").await;
    assert_eq!((&event["status"], &event["taken"], &event["fetches"]), (&json!(204), &json!(true), &json!(1)));
    assert_eq!(event["eventId"], received.header("webhook-id"));
    let webhook = listening.webhook().to_owned();
    let ended = listening.end().await;
    assert_eq!((&ended["deletedWebhookId"], &ended["waiting"]), (&json!(webhook), &json!(0)));
    assert!(webhooks(&desk).await.is_empty());
    assert_eq!(server.received().len(), 1);

    // The next signs with the same secret: nobody has to change their server's settings.
    let next = desk.listen(&format!("--forward-to {} --events TRANSACTIONS,ITEM.ERROR", server.url())).await;
    assert_eq!(next.began["secret"].as_str().unwrap(), secret);
    assert_ne!(next.webhook(), webhook);
    next.end().await;
}

#[tokio::test]
async fn what_the_local_server_does_not_take_comes_again() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let server = Receiver::start().await;
    server.answer_next([500, 302]);
    let mut listening = desk.listen(&format!("--forward-to {} --again-after 30", server.url())).await;
    publish(&system, 1).await;
    let refused = listening.next("event").await;
    assert_eq!((&refused["status"], &refused["taken"]), (&json!(500), &json!(false)));
    system.run.advance(Duration::from_secs(31)).await.unwrap();
    // A redirect is not followed.
    assert_eq!(listening.next("event").await["status"], 302);

    server.down().await;
    system.run.advance(Duration::from_secs(31)).await.unwrap();
    let down = listening.next("event").await;
    assert_eq!((&down["status"], &down["taken"]), (&Value::Null, &json!(false)));
    assert!(down["said"].as_str().unwrap().contains("refused"), "{down:#}");

    // Restarted, and slow: it is waited for.
    server.up().await;
    server.hold();
    system.run.advance(Duration::from_secs(31)).await.unwrap();
    server.wait_for(3).await;
    server.release();
    let taken = listening.next("event").await;
    assert_eq!((&taken["status"], &taken["taken"], &taken["fetches"]), (&json!(204), &json!(true), &json!(4)));
    assert_eq!(listening.end().await["waiting"], 0);
}

#[tokio::test]
async fn a_killed_listen_loses_nothing() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let server = Receiver::start().await;
    let forward = format!("--forward-to {}", server.url());
    // It is killed while the server has the first of two.
    server.hold();
    let listening = desk.listen(&forward).await;
    let webhook = listening.webhook().to_owned();
    publish(&system, 1).await;
    publish(&system, 2).await;
    server.wait_for(1).await;
    listening.kill().await;
    server.release();
    // And one is published while nothing listens.
    publish(&system, 3).await;
    system.settle().await;

    let mut again = desk.listen(&forward).await;
    assert_eq!((again.webhook(), &again.began["takenUp"]), (webhook.as_str(), &json!(3)));
    let mut seen = Vec::new();
    while !(1..=3).all(|number| seen.contains(&number)) {
        again.event(&system).await;
        seen = server.received().iter().filter_map(|request| request.json()["new_transactions"].as_i64()).collect();
    }
    assert_eq!(again.end().await["waiting"], 0);
    assert!(webhooks(&desk).await.is_empty());
}

#[tokio::test]
async fn two_listens_leave_each_others_webhooks_alone() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let own = desk.json("webhooks create --pull").await;
    let own = own["webhook"]["id"].as_str().unwrap().to_owned();
    let (one, two) = (Receiver::start().await, Receiver::start().await);
    let first = desk.listen(&format!("--forward-to {}", one.url())).await;
    let second = desk.listen(&format!("--forward-to {}", two.url())).await;
    assert_ne!(first.webhook(), second.webhook());
    assert_eq!(webhooks(&desk).await.len(), 3);
    publish(&system, 1).await;
    one.wait_for(1).await;
    two.wait_for(1).await;
    first.end().await;
    publish(&system, 2).await;
    two.wait_for(2).await;
    second.end().await;
    // What the developer made by hand is nobody else's.
    assert_eq!(webhooks(&desk).await, [own]);
    assert_eq!(one.received().len(), 1);
}

#[tokio::test]
async fn what_a_listen_for_other_events_left_is_handed_over_first_and_then_deleted() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let server = Receiver::start().await;
    let left = desk.listen(&format!("--forward-to {} --events TRANSACTIONS", server.url())).await;
    let webhook = left.webhook().to_owned();
    left.kill().await;
    publish(&system, 7).await;
    system.settle().await;
    let mut next = desk.listen(&format!("--forward-to {} --events ITEM", server.url())).await;
    assert_eq!(next.began["draining"], json!([webhook]));
    assert_eq!(next.event(&system).await["webhookId"], json!(webhook));
    assert_eq!(server.received()[0].json()["new_transactions"], 7);
    while next.next("drained").await["webhookId"] != json!(webhook) {}
    assert_eq!(webhooks(&desk).await, [next.webhook()]);
    next.end().await;
    assert!(webhooks(&desk).await.is_empty());
}

#[tokio::test]
async fn events_that_were_not_taken_come_back_with_the_deleted_webhook() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let server = Receiver::start().await;
    server.down().await;
    let mut listening = desk.listen(&format!("--forward-to {}", server.url())).await;
    publish(&system, 9).await;
    assert_eq!(listening.next("event").await["taken"], false);
    let webhook = listening.webhook().to_owned();
    let ended = listening.end().await;
    assert_eq!(ended["waiting"], 1, "{ended:#}");

    let restored = desk.run(&format!("webhooks restore {}", ended["requestId"].as_str().unwrap())).await;
    assert_eq!(restored.code, 0, "{restored:?}");
    server.up().await;
    let mut back = desk.listen(&format!("--forward-to {} --webhook {webhook}", server.url())).await;
    assert_eq!(back.event(&system).await["taken"], true);
    assert_eq!(server.received()[0].json()["new_transactions"], 9);
    // It is the developer's own by now, and stays.
    assert_eq!(back.end().await["deletedWebhookId"], Value::Null);
    assert_eq!(webhooks(&desk).await, [webhook]);
}

#[tokio::test]
async fn an_expired_token_is_renewed() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let server = Receiver::start().await;
    let mut listening = desk.listen(&format!("--forward-to {}", server.url())).await;
    system.run.advance(Duration::from_secs(7200)).await.unwrap();
    publish(&system, 1).await;
    assert_eq!(listening.next("event").await["taken"], true);
    listening.end().await;
}

/// A way to the API that breaks when it is dropped.
struct Way {
    address: std::net::SocketAddr,
    carries: tokio::task::JoinHandle<()>,
}

impl Way {
    /// At an address of before, or at a free one.
    async fn open(system: &System, address: Option<std::net::SocketAddr>) -> Self {
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = tokio::net::TcpListener::bind(address.unwrap_or(any)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = system.run.base_url().trim_start_matches("http://").to_owned();
        let carries = tokio::spawn(async move {
            // They end with the task.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let api = api.clone();
                connections.spawn(async move {
                    #[expect(clippy::disallowed_methods, reason = "a wire between a caller and the API")]
                    let mut far = tokio::net::TcpStream::connect(api).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { address, carries }
    }

    async fn breaks(self) -> std::net::SocketAddr {
        self.carries.abort();
        let _ = self.carries.await;
        self.address
    }
}

#[tokio::test]
async fn a_listen_outlives_the_way_to_the_api() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    plaid(&desk).await;
    let server = Receiver::start().await;
    let way = Way::open(&system, None).await;
    let url = format!("http://{}", way.address);
    let away = desk.with(&[("TENDAY_URL", &url)]).environment("CLI-local-developer", "local-developer-secret");
    let mut listening = away.listen(&format!("--forward-to {}", server.url())).await;
    let address = way.breaks().await;
    let lost = listening.next("lost").await;
    assert_eq!(lost["error"]["exitCode"], 6, "{lost:#}");
    publish(&system, 4).await;
    let _way = Way::open(&system, Some(address)).await;
    listening.next("back").await;
    assert_eq!(listening.event(&system).await["taken"], true);
    assert_eq!(server.received()[0].json()["new_transactions"], 4);
    listening.end().await;
    assert!(webhooks(&desk).await.is_empty());
}
