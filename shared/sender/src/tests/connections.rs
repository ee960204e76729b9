//! Kept connections: used again by those who may, and only by them; and given up when dead.

use super::dns_server::{DnsServer, Reply, fleeting};
use super::receiver::{OK, Receiver};
use super::*;

#[tokio::test]
async fn a_kept_connection_is_used_only_by_those_who_may_connect_to_its_address_now() {
    let [first, second] = Receiver::answering_at_both(["127.0.0.2", "127.0.0.3"], OK).await;
    let dns = DnsServer::with(&["127.0.0.2"]).await;
    let sender = Sender::new(SenderSettings { name_servers: vec![dns.address], ..local(LONG) });
    let to = format!("http://shared.example.test:{}/", first.port());
    let attempt = |allowed: &'static [&'static str]| {
        let (sender, to) = (&sender, &to);
        async move { send(sender, to, allowed).await.outcome }
    };
    let not_listed = blocked(Blocked::NotInAllowlist);
    assert_eq!(attempt(&["127.0.0.2"]).await, answered(200));
    assert_eq!(attempt(&["127.0.0.2/31"]).await, answered(200));
    assert_eq!((first.connections(), first.requests()), (1, 2), "two developers may share one");
    assert_eq!(attempt(&["127.0.0.3"]).await, not_listed, "another developer, same host, open connection");
    assert_eq!(attempt(&[]).await, not_listed, "the first developer, whose allowlist is empty by now");
    dns.change(fleeting(&["127.0.0.3"]));
    assert_eq!(attempt(&["127.0.0.2"]).await, not_listed, "the open connection is no way around a changed name");
    assert_eq!(attempt(&["127.0.0.3"]).await, answered(200));
    assert_eq!((first.requests(), second.requests()), (2, 1));
    dns.change(fleeting(&["127.0.0.3", "127.0.0.2"]));
    assert_eq!(attempt(&["127.0.0.2/31"]).await, answered(200));
    assert_eq!(first.connections() + second.connections(), 2, "addresses with a connection come first");
}

#[tokio::test]
async fn another_address_is_tried_when_one_cannot_be_connected_to() {
    let receiver = Receiver::answering("127.0.0.2", OK).await;
    let dns = DnsServer::with(&["127.0.0.8", "127.0.0.9", "127.0.0.2"]).await;
    let sender = Sender::new(SenderSettings { name_servers: vec![dns.address], ..local(LONG) });
    let to = format!("http://several.example.test:{}/", receiver.port());
    for _ in 0..2 {
        assert_eq!(send(&sender, &to, &["127.0.0.0/8"]).await.outcome, answered(200));
    }
    assert_eq!((receiver.connections(), receiver.requests()), (1, 2));
    dns.change(fleeting(&["127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.9"]));
    assert_eq!(send(&sender, &to, &["127.0.0.0/8"]).await.outcome, Outcome::Connection);
}

/// Answers the first request of the first connection, and ends that connection when it sees another.
async fn dying(reset: bool, later: &'static str) -> Receiver {
    Receiver::start("127.0.0.1", move |mut connection| async move {
        connection.request().await;
        let answer = if connection.number == 0 { OK } else { later };
        connection.write(answer).await.unwrap();
        if !answer.is_empty() {
            connection.request().await;
        }
        if reset {
            connection.reset();
        }
    })
    .await
}

#[tokio::test]
async fn a_dead_kept_connection_costs_one_request_more_and_no_attempt() {
    for reset in [true, false] {
        let receiver = dying(reset, OK).await;
        let sender = Sender::new(local(LONG));
        for _ in 0..2 {
            assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, answered(200));
        }
        assert_eq!((receiver.connections(), receiver.requests()), (2, 3));
    }
}

#[tokio::test]
async fn there_is_one_such_retry_and_no_second() {
    for reset in [true, false] {
        let receiver = dying(reset, "").await;
        let sender = Sender::new(local(LONG));
        assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, answered(200));
        assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, Outcome::Connection);
        assert_eq!((receiver.connections(), receiver.requests()), (2, 3));
    }
}

#[tokio::test]
async fn a_slow_answer_on_a_kept_connection_is_not_asked_for_twice() {
    let receiver = Receiver::start("127.0.0.1", |mut connection| async move {
        connection.request().await;
        connection.write(OK).await.unwrap();
        connection.request().await;
        std::future::pending::<()>().await;
    })
    .await;
    // Not too short for the first answer, on a busy machine.
    let sender = Sender::new(local(Duration::from_secs(1)));
    assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, answered(200));
    assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, Outcome::Timeout);
    assert_eq!((receiver.connections(), receiver.requests()), (1, 2));
}

#[tokio::test]
async fn connections_do_not_outlive_a_pause() {
    let receiver = Receiver::answering("127.0.0.1", OK).await;
    let sender = Sender::new(local(LONG));
    assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, answered(200));
    sender.pretend_idle_for(Duration::from_secs(60));
    assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, answered(200));
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn the_connections_that_are_kept_are_bounded() {
    let receiver = Receiver::answering("127.0.0.1", OK).await;
    let dns = DnsServer::start(Reply::Addresses(vec![ip("127.0.0.1")], 60)).await;
    let sender = Sender::new(SenderSettings { name_servers: vec![dns.address], ..local(LONG) });
    let to = |host: usize| format!("http://host-{host}.example.test:{}/", receiver.port());
    let one_of_each = async |hosts: std::ops::Range<usize>| {
        for host in hosts {
            assert_eq!(send(&sender, &to(host), &["127.0.0.1"]).await.outcome, answered(200));
        }
    };
    one_of_each(0..150).await;
    assert_eq!(receiver.connections(), 150);
    one_of_each(140..150).await;
    assert_eq!(receiver.connections(), 150, "those that were used last are kept");
    one_of_each(0..1).await;
    assert_eq!(receiver.connections(), 151, "those that were used long ago are not");
}

#[tokio::test]
async fn nothing_of_a_sender_outlives_it() {
    let (closed, mut is_closed) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start("127.0.0.1", move |mut connection| {
        let closed = closed.clone();
        async move {
            while connection.request().await.is_some() {
                connection.write(OK).await.unwrap();
            }
            closed.send(()).unwrap();
        }
    })
    .await;
    let sender = Sender::new(local(LONG));
    assert_eq!(send(&sender, &receiver.url(), &["127.0.0.1"]).await.outcome, answered(200));
    drop(sender);
    is_closed.recv().await.unwrap();
}

const CHILD: &str = "TENDAY_TEST_BEHIND_PROXY";

/// The environment is the process's, so a second process has the proxies in it, and runs this same test.
#[tokio::test]
async fn proxies_from_the_environment_are_ignored() {
    if let Ok(to) = std::env::var(CHILD) {
        assert_eq!(once(LONG, &to).await.outcome, answered(200));
        return;
    }
    let receiver = Receiver::answering("127.0.0.1", OK).await;
    let proxy = Receiver::answering("127.0.0.1", OK).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "tests::connections::proxies_from_the_environment_are_ignored"]).env(CHILD, receiver.url());
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, format!("http://{}", proxy.address));
    }
    let output = child.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((receiver.requests(), proxy.connections()), (1, 0));
}
