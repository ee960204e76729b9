//! What receivers can answer, and how long they can take for it.

use super::receiver::{Connection, OK, Receiver};
use super::*;

#[tokio::test]
async fn a_post_arrives_as_it_was_given_and_the_answer_comes_back() {
    let answer = "HTTP/1.1 503 Later\r\nretry-after: 120\r\nset-cookie: a=b\r\ncontent-length: 7\r\n\r\nsor\x01ry!";
    let mut receiver = Receiver::answering("127.0.0.1", answer).await;
    let sender = Sender::new(local(LONG));
    for _ in 0..2 {
        let attempted = send(&sender, &receiver.url(), &["127.0.0.1"]).await;
        assert_eq!(attempted.outcome, Outcome::Answered { status: 503, retry_after: Some("120".to_owned()) });
        assert_eq!(attempted.answer, "sor ry!");
        assert!(attempted.duration < LONG);
        let request = receiver.next().await;
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines.remove(0), "POST /hook?token=s3cret HTTP/1.1");
        lines.sort_unstable();
        let host = format!("host: {}", receiver.address);
        // No cookies, referer or user agent, and nothing that invites compression.
        assert_eq!(lines, ["accept: */*", "content-length: 7", "content-type: application/json", &host]);
        assert_eq!(body, r#"{"n":1}"#);
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn every_status_is_an_answer() {
    for (answer, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", 202),
        ("HTTP/1.1 410 Gone\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 410),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", 500),
    ] {
        let receiver = Receiver::answering("127.0.0.1", answer).await;
        assert_eq!(once(LONG, &receiver.url()).await.outcome, answered(status));
    }
}

#[tokio::test]
async fn redirects_are_never_followed() {
    let target = Receiver::answering("127.0.0.1", OK).await;
    let to = format!("http://{}/", target.address);
    for status in [301, 302, 303, 307, 308] {
        for location in [to.as_str(), "http://169.254.169.254/", "/elsewhere"] {
            let answer = format!("HTTP/1.1 {status} There\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let receiver = Receiver::start("127.0.0.1", move |mut connection| {
                let answer = answer.clone();
                async move {
                    while connection.request().await.is_some() {
                        connection.write(&answer).await.unwrap();
                    }
                }
            })
            .await;
            assert_eq!(once(LONG, &receiver.url()).await.outcome, answered(status));
            assert_eq!(receiver.requests(), 1);
        }
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn silence_and_dripping_end_at_the_deadline() {
    async fn hang(mut connection: Connection) {
        connection.request().await;
        std::future::pending::<()>().await;
    }
    async fn drip(mut connection: Connection, before: &str, drop: &str) {
        connection.request().await;
        let mut written = connection.write(before).await;
        while written.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            written = connection.write(drop).await;
        }
    }
    let ok = "HTTP/1.1 200 OK\r\n";
    let receivers = [
        Receiver::start("127.0.0.1", hang).await,
        Receiver::start("127.0.0.1", |connection| drip(connection, "", "H")).await,
        Receiver::start("127.0.0.1", move |connection| drip(connection, ok, "a: b\r\n")).await,
        // The status is there, the last byte is not: too late is too late.
        Receiver::start("127.0.0.1", |connection| {
            drip(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", ".")
        })
        .await,
        Receiver::start("127.0.0.1", |connection| {
            drip(connection, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n.\r\n")
        })
        .await,
    ];
    for (number, receiver) in receivers.iter().enumerate() {
        let attempted = once(SHORT, &receiver.url()).await;
        // Dripped headers may also become too many before the time is up.
        let too_many = Outcome::Excessive(Excess::Fields);
        let expected = if number == 2 { &[Outcome::Timeout, too_many][..] } else { &[Outcome::Timeout] };
        assert!(expected.contains(&attempted.outcome), "{number}: {:?}", attempted.outcome);
        assert!(number == 2 || attempted.answer.is_empty());
        assert!(number == 2 || attempted.duration >= SHORT);
        assert_eq!(receiver.requests(), 1, "a timeout is no reason for another request");
    }
}

#[tokio::test]
async fn an_endless_body_is_left_after_64_kb_and_its_connection_closed() {
    let (closed, mut is_closed) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::start("127.0.0.1", move |mut connection| {
        let closed = closed.clone();
        async move {
            connection.request().await;
            let mut written = connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
            while written.is_ok() {
                written = connection.write(&chunk).await;
            }
            closed.send(()).unwrap();
        }
    })
    .await;
    let attempted = once(LONG, &receiver.url()).await;
    assert_eq!(attempted.outcome, answered(200));
    assert_eq!(attempted.answer, "x".repeat(512));
    is_closed.recv().await.unwrap();
    assert_eq!(receiver.requests(), 1);
}

#[tokio::test]
async fn an_answer_that_is_cut_short_keeps_its_status_and_one_that_never_began_has_none() {
    let cut = |answer: &'static str, reset: bool| {
        Receiver::start("127.0.0.1", move |mut connection| async move {
            connection.request().await;
            connection.write(answer).await.unwrap();
            if reset {
                connection.reset();
            }
        })
    };
    for reset in [true, false] {
        let receiver = cut("", reset).await;
        assert_eq!(once(LONG, &receiver.url()).await.outcome, Outcome::Connection);
        assert_eq!(receiver.requests(), 1, "the connection was new: no second try");
        let receiver = cut("HTTP/1.1 200 OK\r\ncontent-le", reset).await;
        assert_eq!(once(LONG, &receiver.url()).await.outcome, Outcome::Connection);
    }
    let receiver = cut("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", false).await;
    let attempted = once(LONG, &receiver.url()).await;
    assert_eq!((attempted.outcome, attempted.answer.as_str()), (answered(200), "half"));
    assert_eq!(receiver.requests(), 1);
}

#[tokio::test]
async fn a_head_is_bounded_and_what_is_no_head_is_no_answer() {
    let heads = [
        (
            format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "a: b\r\n".repeat(101)),
            Outcome::Excessive(Excess::Fields),
        ),
        (
            format!("HTTP/1.1 200 OK\r\na: {}\r\ncontent-length: 0\r\n\r\n", "b".repeat(1 << 20)),
            Outcome::Excessive(Excess::Head),
        ),
        (
            format!("HTTP/1.1 200 {}\r\ncontent-length: 0\r\n\r\n", "b".repeat(1 << 20)),
            Outcome::Excessive(Excess::Head),
        ),
        ("SSH-2.0-OpenSSH_9.9\r\n".to_owned(), Outcome::Connection),
        ("\0".repeat(100), Outcome::Connection),
        // As much as there may be.
        (format!("HTTP/1.1 200 OK\r\na: {}\r\ncontent-length: 0\r\n\r\n", "b".repeat(60 << 10)), answered(200)),
    ];
    for (head, outcome) in heads {
        let receiver = Receiver::start("127.0.0.1", move |mut connection| {
            let head = head.clone();
            async move {
                connection.request().await;
                let _ = connection.write(head).await;
                connection.request().await;
            }
        })
        .await;
        let attempted = once(LONG, &receiver.url()).await;
        assert_eq!(attempted.outcome, outcome);
        // The developer reads which bound it was.
        assert_eq!(attempted.answer.is_empty(), !matches!(outcome, Outcome::Excessive(_)));
        assert_eq!(receiver.requests(), 1);
    }
}

#[tokio::test]
async fn a_compressed_body_stays_compressed() {
    let receiver = Receiver::start("127.0.0.1", |mut connection| async move {
        connection.request().await;
        // The beginning of a gzip stream, which a decoder would fail on.
        let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 6\r\n\r\n";
        connection.write([&head[..], &[0x1f, 0x8b, 8, 0, b'o', b'k']].concat()).await.unwrap();
        connection.request().await;
    })
    .await;
    let attempted = once(LONG, &receiver.url()).await;
    assert_eq!(attempted.outcome, answered(200));
    assert!(attempted.answer.ends_with("ok"));
}

#[tokio::test]
async fn nothing_listening_is_a_failed_connection() {
    let receiver = Receiver::answering("127.0.0.2", OK).await;
    let url = format!("http://127.0.0.3:{}/", receiver.port());
    assert_eq!(once(LONG, &url).await.outcome, Outcome::Connection);
}
