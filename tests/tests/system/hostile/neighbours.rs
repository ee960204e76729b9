//! A receiver that floods, drips or hangs costs others nothing: nine events of another developer that come in one batch with
//! its own are sent once, and recorded while its attempt still runs.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::batch::{LIMIT, NO_RETRY, Stage, system};
use super::floods::{Certificate, plain};
use super::{say, server};

/// How much more than in calm times a process of Deliver may have in memory at most, in KB.
const MEMORY_KB: u64 = 24 * 1024;

/// What a receiver does, where, and which outcomes tell its owner so.
struct Case {
    name: &'static str,
    url: String,
    outcomes: &'static [&'static str],
    /// Whether its attempt takes all of its time.
    lasts: bool,
}

/// Every bound of ours says "excessive". Over HTTP/2 the protocol has bounds of its own, and meeting one is a broken connection.
const EXCESSIVE: &[&str] = &["excessive"];
const EXCESSIVE_OR_BROKEN: &[&str] = &["excessive", "connection"];
/// Its status came, and was a 2xx: whatever follows is not read.
const ANSWER_STANDS: &[&str] = &["success"];

async fn cases(certificate: &Certificate) -> Vec<Case> {
    let case = |name, url, outcomes, lasts| Case { name, url, outcomes, lasts };
    let quick = |name, url, outcomes| case(name, url, outcomes, false);
    let second = std::time::Duration::from_secs(1);
    let byte_a_second =
        server(move |stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", ".", second)).await;
    let silent = server(|stream| say(stream, "", ".", 60 * LIMIT)).await;
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    let head = b"HTTP/1.1 200 OK\r\nx-endless: ";
    let body = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    vec![
        quick("interim responses", plain(b"", interim), EXCESSIVE),
        quick("a header's bytes", plain(head, b"x"), EXCESSIVE),
        quick("header lines", plain(b"HTTP/1.1 200 OK\r\n", b"x-one-more: and another\r\n"), EXCESSIVE_OR_BROKEN),
        quick("a body", plain(body, b"10\r\nxxxxxxxxxxxxxxxx\r\n"), ANSWER_STANDS),
        case("a byte a second", byte_a_second, &["timeout"], true),
        case("silence", silent, &["timeout"], true),
        quick("interim responses over TLS", certificate.http1(b"", interim), EXCESSIVE),
        quick("a header's bytes over TLS", certificate.http1(head, b"x"), EXCESSIVE),
        quick("PING", certificate.http2(SETTINGS, b"\0\0\x08\x06\0\0\0\0\0pingping"), EXCESSIVE_OR_BROKEN),
        quick("SETTINGS", certificate.http2(SETTINGS, SETTINGS), EXCESSIVE_OR_BROKEN),
        quick("WINDOW_UPDATE", certificate.http2(SETTINGS, b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01"), EXCESSIVE_OR_BROKEN),
        quick("empty DATA", certificate.http2(ANSWERED, b"\0\0\0\0\0\0\0\0\x01"), ANSWER_STANDS),
        quick("CONTINUATION", certificate.http2(BEGUN, b"\0\0\0\x09\0\0\0\0\x01"), EXCESSIVE_OR_BROKEN),
    ]
}

const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
/// SETTINGS, and the head of a 200 to the first request.
const ANSWERED: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88";
/// SETTINGS, and the beginning of that head.
const BEGUN: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x88";

/// Plays every case. Nothing may be wrong with any.
async fn assert_neighbours_notice_nothing(stage: &Stage<'_>, certificate: &Certificate) {
    let calm = stage.memory_kb();
    let mut wrong = Vec::new();
    for case in cases(certificate).await {
        let webhook = stage.webhook(&case.url).await;
        let mut problems = match stage.play_in_time().await {
            Err(problem) => vec![problem],
            Ok(played) => {
                let mut problems = stage.late(&played);
                if !case.outcomes.iter().any(|outcome| played.attempt["outcome"] == *outcome) {
                    problems.push(format!("its outcome is none of {:?}: {:#}", case.outcomes, played.attempt));
                }
                if case.lasts && !played.still_ran {
                    problems.push("the neighbours' outcomes waited for its end".to_owned());
                }
                problems
            }
        };
        let memory = stage.memory_kb();
        if memory > calm + MEMORY_KB {
            problems.push(format!("{memory} KB of memory, {calm} KB in calm times"));
        }
        wrong.extend(problems.into_iter().map(|problem| format!("{}: {problem}", case.name)));
        stage.remove(&webhook).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    stage.assert_queues_are_empty("all receivers");
}

fn trusting(certificate: &Certificate) -> BTreeMap<String, String> {
    [("SSL_CERT_FILE".to_owned(), certificate.bundle().to_string_lossy().into_owned())].into()
}

#[tokio::test]
async fn a_receiver_that_floods_drips_or_hangs_costs_its_neighbours_nothing() {
    let certificate = Certificate::new();
    let system = system(trusting(&certificate)).await;
    let stage = Stage::set(&system, NO_RETRY).await;
    assert_neighbours_notice_nothing(&stage, &certificate).await;
}

#[tokio::test]
async fn nor_does_it_where_the_function_has_a_seventh_of_a_core() {
    let certificate = Certificate::new();
    let system = system(trusting(&certificate)).await;
    let mut stage = Stage::set(&system, NO_RETRY).await;
    stage.control(Method::POST, "throttle", &seventh()).await;
    stage.compare().await;
    assert_neighbours_notice_nothing(&stage, &certificate).await;
}

/// What 256 MB of memory get.
fn seventh() -> Value {
    json!({ "function": "Deliver", "on": 10, "off": 60 })
}
