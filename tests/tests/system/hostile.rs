//! Receivers that hang, drip, flood, reset and point elsewhere: each costs one time limit at most, all at once no more
//! than one alone, and what came of each is told to its owner in those words.

mod batch;
mod faults;
mod floods;
mod neighbours;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tenday_local::Options;
use tests::{Receiver, System};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DEVELOPER: &str = "DEV-local-developer";
const LIMIT: Duration = Duration::from_secs(1);

/// A server that treats each connection as it is told to once a request has come. Answers its callback URL.
async fn server<F, T>(treat: F) -> String
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Small enough to come in one piece.
            let mut request = vec![0; 64 * 1024];
            if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                tokio::spawn(treat(stream));
            }
        }
    });
    url
}

/// Says `first`, then `again` for as long as anyone listens, with a pause in between.
async fn say(mut stream: TcpStream, first: &str, again: &str, pause: Duration) {
    let mut written = stream.write_all(first.as_bytes()).await;
    while written.is_ok() && !again.is_empty() {
        tokio::time::sleep(pause).await;
        written = stream.write_all(again.as_bytes()).await;
    }
    let _ = stream.shutdown().await;
}

async fn reset(mut stream: TcpStream, first: &str) {
    let _ = stream.write_all(first.as_bytes()).await;
    let _ = stream.set_zero_linger();
}

#[tokio::test]
async fn no_receiver_costs_more_than_its_time_limit_and_all_at_once_no_more_than_one() {
    let parameters = BTreeMap::from([("AttemptTimeoutSeconds".to_owned(), LIMIT.as_secs().to_string())]);
    let system = System::start_with(Options { parameters, ..Options::default() }).await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let pause = Duration::from_millis(50);
    let private = Receiver::start().await;
    let elsewhere = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", private.url());
    let metadata = "HTTP/1.1 307 Temporary\r\nlocation: http://169.254.169.254/latest/\r\ncontent-length: 0\r\n\r\n";
    let receivers = [
        ("hangs", server(|stream| say(stream, "", ".", LIMIT * 60)).await, "timeout", None),
        (
            "drips headers",
            server(move |stream| say(stream, "HTTP/1.1 200 OK\r\n", "a: b\r\n", pause)).await,
            "timeout",
            None,
        ),
        (
            "drips its body",
            server(move |stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", ".", pause)).await,
            "timeout",
            None,
        ),
        (
            "never stops",
            server(|stream| async move {
                let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
                say(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &chunk, Duration::ZERO).await;
            })
            .await,
            "success",
            Some("200"),
        ),
        ("resets before headers", server(|stream| reset(stream, "")).await, "connection", None),
        (
            "resets after headers",
            server(|stream| reset(stream, "HTTP/1.1 200 OK\r\ncontent-le")).await,
            "connection",
            None,
        ),
        (
            "says nothing but 204",
            server(move |stream| say(stream, "HTTP/1.1 204 No\r\n\r\n", "", pause)).await,
            "success",
            Some("204"),
        ),
        (
            "redirects",
            server(move |stream| {
                let elsewhere = elsewhere.clone();
                async move { say(stream, &elsewhere, "", pause).await }
            })
            .await,
            "http_status",
            Some("302"),
        ),
        (
            "redirects to metadata",
            server(move |stream| say(stream, metadata, "", pause)).await,
            "http_status",
            Some("307"),
        ),
        (
            "speaks another protocol",
            server(move |stream| say(stream, "SSH-2.0-OpenSSH_9.9\r\n", "", pause)).await,
            "connection",
            None,
        ),
    ];
    let mut webhooks = BTreeMap::new();
    for (name, url, ..) in &receivers {
        let created = developer.post("/configuration/webhooks", json!({ "callbackURL": url })).await.expect(201);
        webhooks.insert(*name, created["webhook"]["id"].as_str().unwrap().to_owned());
    }
    // So that no process starts while the time is taken.
    system.other().subscribe(None, &private.url()).await;
    system.platform_publish("DEV-local-other").await;
    system.settle().await;
    assert_eq!(private.received().len(), 1);

    let update = system.platform_publish(DEVELOPER).await;
    system.settle().await;
    let mut began: Vec<Timestamp> = Vec::new();
    for (name, _, outcome, code) in &receivers {
        let events = update["events"].as_array().unwrap();
        let event = events.iter().find(|event| event["webhookId"] == webhooks[name].as_str()).unwrap();
        let path = format!("/configuration/events/{}", event["eventId"].as_str().unwrap());
        let attempt = developer.get(&path).await.expect(200)["event"]["lastAttempt"].clone();
        assert_eq!(
            (&attempt["outcome"], &attempt["responseCode"]),
            (&json!(outcome), &json!(code)),
            "{name}: {attempt:#}"
        );
        assert!(attempt["responseBody"].as_str().unwrap_or_default().len() <= 512, "{name}");
        assert!(attempt["milliseconds"].as_u64().unwrap() <= 1500, "{name}: {attempt:#}");
        began.push(attempt["time"].as_str().unwrap().parse().unwrap());
    }
    let apart = began.iter().max().unwrap().duration_since(*began.iter().min().unwrap());
    assert!(apart < LIMIT.try_into().unwrap(), "none waits for another: {apart:#}");
    assert_eq!(private.received().len(), 1, "no redirect is followed");
}
