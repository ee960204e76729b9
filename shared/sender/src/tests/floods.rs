//! Receivers that flood: whatever it is that they send, and as fast as they can, it costs their own attempt, and neither
//! the thread nor the memory that others live on.

use std::time::Instant;

use super::flooder::{Deed, Identity, Over, flooder, ordinary};
use super::frames::{self, END_HEADERS, END_STREAM, STATUS_200, frame, settings};
use super::receiver::OK;
use super::*;

/// The hostile attempt's time limit, and what it may take beyond.
const LIMIT: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_millis(500);

/// Attempts at an ordinary receiver on the same thread, meanwhile.
const NEIGHBOURS: usize = 9;

/// What all floods together may add to the process's memory, in KB, flooders included.
const MEMORY: u64 = 24 * 1024;

/// Set in the process that runs the floods alone.
const CHILD: &str = "TENDAY_TEST_FLOODS";

type Flood = (&'static str, Over, Deed, &'static [Outcome]);

const OK_200: Outcome = Outcome::Answered { status: 200, retry_after: None };
const HEAD: Outcome = Outcome::Excessive(Excess::Head);
const FIELDS: Outcome = Outcome::Excessive(Excess::Fields);
const FRAMES: Outcome = Outcome::Excessive(Excess::Frames);
const HANDSHAKE: Outcome = Outcome::Excessive(Excess::Handshake);
const INTERIM: Outcome = Outcome::Excessive(Excess::Interim);

fn repeat(first: impl AsRef<[u8]>, again: impl AsRef<[u8]>) -> Deed {
    Deed::Repeat(first.as_ref().to_vec(), again.as_ref().to_vec())
}

/// What an answer over HTTP/1.1 can be drowned in, with TLS and without.
fn over_http_1() -> Vec<Flood> {
    let head = "HTTP/1.1 200 OK\r\n";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let large = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "x".repeat(8_000));
    let deeds: [(&str, Deed, &'static [Outcome]); 11] = [
        ("interim answers", repeat("", "HTTP/1.1 100 Continue\r\n\r\n"), &[INTERIM]),
        ("large interim answers", repeat("", large), &[HEAD, INTERIM]),
        ("fields", repeat(head, "a: b\r\n"), &[FIELDS, HEAD]),
        ("one field", repeat(format!("{head}a: "), "b"), &[HEAD]),
        ("a status line", repeat("HTTP/1.1 200 ", "b"), &[HEAD]),
        ("empty lines", repeat("", "\r\n"), &[HEAD]),
        ("a body", repeat(format!("{head}content-length: 99999999999\r\n\r\n"), "b"), &[OK_200]),
        ("a body without end", repeat(format!("{head}\r\n"), "b"), &[OK_200]),
        ("chunks of a byte", repeat(chunked, "1\r\nb\r\n"), &[OK_200]),
        ("a chunk's extension", repeat(format!("{chunked}1;"), "e=e;"), &[OK_200]),
        ("trailers", repeat(format!("{chunked}0\r\n"), "a: b\r\n"), &[OK_200]),
    ];
    let both = deeds
        .into_iter()
        .flat_map(|(name, deed, outcomes)| [Over::Plain, Over::Tls].map(|over| (name, over, deed.clone(), outcomes)));
    both.collect()
}

/// What TLS itself can be drowned in: before its handshake is complete, and after.
fn over_tls() -> Vec<Flood> {
    let hello = |length: u16| [&[2, 0][..], &length.to_be_bytes(), &[3, 3]].concat();
    let record = |kind: u8, payload: &[u8]| {
        [&[kind, 3, 3][..], &u16::try_from(payload.len()).unwrap().to_be_bytes(), payload].concat()
    };
    let interim = Deed::Drops(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
    vec![
        ("no TLS at all", Over::Raw, repeat("", "x"), &[Outcome::Tls]),
        (
            "a greeting that does not end",
            Over::Raw,
            repeat(record(22, &hello(65_535)), record(22, &[0; 16_000])),
            &[HANDSHAKE, Outcome::Tls],
        ),
        (
            "a greeting in records of a byte",
            Over::Raw,
            repeat(record(22, &hello(65_535)), record(22, &[0])),
            &[HANDSHAKE, Outcome::Tls],
        ),
        ("changes of the cipher", Over::Raw, repeat("", record(20, &[1])), &[HANDSHAKE, Outcome::Tls]),
        ("warnings", Over::Raw, repeat("", record(21, &[1, 90])), &[HANDSHAKE, Outcome::Tls]),
        ("empty records", Over::Raw, repeat("", record(22, &[])), &[HANDSHAKE, Outcome::Tls]),
        ("a chain of certificates", Over::Tls, Deed::Chain, &[HANDSHAKE, Outcome::Tls, Outcome::Timeout]),
        ("a maze of authorities", Over::Tls, Deed::Maze, &[Outcome::Tls]),
        ("session tickets", Over::Tls, Deed::Tickets, &[HEAD, Outcome::Tls]),
        ("key updates", Over::Tls, Deed::KeyUpdates, &[Outcome::Tls]),
        ("records of a byte", Over::Tls, interim, &[INTERIM, HEAD]),
    ]
}

/// What an HTTP/2 connection can be drowned in.
fn over_http_2() -> Vec<Flood> {
    use frames::*;
    let after = |first: Vec<u8>, again: Vec<u8>| Deed::Repeat([settings(), first].concat(), again);
    let alone = |again: Vec<u8>| after(Vec::new(), again);
    let head = |flags: u8| frame(HEADERS, flags, 1, STATUS_200);
    let many_settings = [0, 4, 0, 0, 0xff, 0xff].repeat(1_000);
    let tables = [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0x10, 0].repeat(1_000);
    let push = [&[0, 0, 0, 2][..], &[0x82, 0x87, 0x84]].concat();
    let protocol: &'static [Outcome] = &[Outcome::Connection, FRAMES, HEAD];
    let deeds: Vec<(&str, Deed, &'static [Outcome])> = vec![
        ("PING", alone(frame(PING, 0, 0, &[0; 8])), &[HEAD]),
        ("PING answers that nobody asked for", alone(frame(PING, 1, 0, &[0; 8])), &[HEAD]),
        ("SETTINGS", alone(settings()), &[HEAD]),
        ("SETTINGS that change the window", alone(frame(SETTINGS, 0, 0, &many_settings)), &[HEAD]),
        ("SETTINGS that change the table", alone(frame(SETTINGS, 0, 0, &tables)), &[HEAD]),
        ("SETTINGS answers that nobody asked for", alone(frame(SETTINGS, 1, 0, &[])), protocol),
        ("WINDOW_UPDATE of the connection", alone(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])), &[HEAD]),
        ("WINDOW_UPDATE of the stream", alone(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])), &[HEAD]),
        ("WINDOW_UPDATE of a stream that is not", alone(frame(WINDOW_UPDATE, 0, 7, &[0, 0, 0, 1])), protocol),
        ("PRIORITY", alone(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])), &[HEAD]),
        ("frames of no known type", alone(frame(UNKNOWN, 0, 1, &[])), &[HEAD]),
        ("RST_STREAM", alone(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])), protocol),
        ("GOAWAY", alone(frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])), &[HEAD]),
        ("PUSH_PROMISE", alone(frame(PUSH_PROMISE, END_HEADERS, 1, &push)), protocol),
        ("CONTINUATION", after(frame(HEADERS, 0, 1, STATUS_200), frame(CONTINUATION, 0, 1, &[])), &[HEAD, FRAMES]),
        (
            "CONTINUATION with fields",
            after(frame(HEADERS, 0, 1, STATUS_200), frame(CONTINUATION, 0, 1, &[0x90; 100])),
            &[HEAD, FRAMES, FIELDS, Outcome::Connection],
        ),
        (
            "a head whose bytes stand for more",
            after(frame(HEADERS, END_HEADERS | END_STREAM, 1, &amplified(4)), frame(PING, 0, 0, &[0; 8])),
            &[FIELDS, HEAD],
        ),
        (
            "a head whose bytes stand for very much more",
            after(frame(HEADERS, END_HEADERS | END_STREAM, 1, &amplified(8_000)), frame(PING, 0, 0, &[0; 8])),
            &[FRAMES],
        ),
        ("interim answers", alone(frame(HEADERS, END_HEADERS, 1, STATUS_100)), &[HEAD, Outcome::Connection]),
        ("DATA before the head", alone(frame(DATA, 0, 1, &[])), protocol),
        ("empty DATA", after(head(END_HEADERS), frame(DATA, 0, 1, &[])), &[OK_200]),
        ("DATA of a byte", after(head(END_HEADERS), frame(DATA, 0, 1, b"b")), &[OK_200]),
        (
            "DATA of nothing but padding",
            after(head(END_HEADERS), frame(DATA, 8, 1, &[vec![255], vec![0; 255]].concat())),
            &[OK_200],
        ),
        ("a body", after(head(END_HEADERS), frame(DATA, 0, 1, &[b'b'; 16_000])), &[OK_200]),
        ("trailers", after(head(END_HEADERS), frame(HEADERS, END_HEADERS, 1, &[0x90])), &[OK_200]),
        ("PING in a body", after(head(END_HEADERS), frame(PING, 0, 0, &[0; 8])), &[OK_200]),
    ];
    deeds.into_iter().map(|(name, deed, outcomes)| (name, Over::Http2, deed, outcomes)).collect()
}

/// The process that this test starts has one thread for all attempts, and nothing else to do with its memory.
#[test]
fn a_flood_costs_its_own_attempt_and_no_thread_and_no_memory() {
    if std::env::var_os(CHILD).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "tests::floods::a_flood_costs_its_own_attempt_and_no_thread_and_no_memory";
        let output = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        eprintln!("{told}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let identity = Identity::of_localhost();
        let tls = SharedTls::trusting(vec![identity.certificate.to_vec()]);
        let neighbour = ordinary();
        let before = memory();
        for (name, over, deed, outcomes) in [over_http_1(), over_tls(), over_http_2()].concat() {
            let url = flooder(&identity, over, Vec::new(), deed);
            let sender = Sender::new(SenderSettings { tls: tls.clone(), ..local(LIMIT) });
            let neighbours = async {
                let mut slowest = Duration::ZERO;
                for _ in 0..NEIGHBOURS {
                    let attempted = send(&sender, &neighbour, &["127.0.0.1"]).await;
                    assert_eq!(attempted.outcome, answered(200), "beside: {name} over {over:?}");
                    slowest = slowest.max(attempted.duration);
                }
                slowest
            };
            let (spent, began) = (cpu(), Instant::now());
            let (attempted, slowest) = tokio::join!(send(&sender, &url, &["127.0.0.1"]), neighbours);
            let (spent, took) = (cpu() - spent, began.elapsed());
            eprintln!(
                "{name} over {over:?}: {:?} after {took:.1?}, {spent:.1?} of CPU; slowest neighbour {slowest:.1?}",
                attempted.outcome
            );
            assert!(outcomes.contains(&attempted.outcome), "{name} over {over:?}: {:?}", attempted.outcome);
            assert!(took < LIMIT + GRACE, "{name} over {over:?} took {took:?}");
        }
        let grown = memory() - before;
        eprintln!("memory: {grown} KB more at most");
        assert!(grown < MEMORY, "{grown} KB");
    });
}

#[tokio::test]
async fn a_flood_between_two_attempts_costs_its_connection() {
    let identity = Identity::of_localhost();
    let tls = SharedTls::trusting(vec![identity.certificate.to_vec()]);
    let frames = [settings(), frame(frames::HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200)].concat();
    let interim = repeat("", "HTTP/1.1 100 Continue\r\n\r\n");
    let ping = repeat("", frame(frames::PING, 0, 0, &[0; 8]));
    for (over, answer, deed) in [
        (Over::Plain, OK.as_bytes().to_vec(), interim.clone()),
        (Over::Tls, OK.as_bytes().to_vec(), interim),
        (Over::Http2, frames, ping),
    ] {
        let url = flooder(&identity, over, vec![answer], deed);
        let sender = Sender::new(SenderSettings { tls: tls.clone(), ..local(LONG) });
        for _ in 0..3 {
            let attempted = send(&sender, &url, &["127.0.0.1"]).await;
            // The flood may come before the connection was looked at: then it is what came of the attempt.
            assert!([answered(200), HEAD, INTERIM].contains(&attempted.outcome), "{over:?}: {attempted:?}");
        }
    }
}

#[tokio::test]
async fn a_head_is_bounded_by_what_its_bytes_stand_for() {
    let identity = Identity::of_localhost();
    for (times, outcome) in [(2, answered(200)), (4, FIELDS), (8_000, FRAMES)] {
        let head = frame(frames::HEADERS, END_HEADERS | END_STREAM, 1, &frames::amplified(times));
        let url = flooder(&identity, Over::Http2, vec![[settings(), head].concat()], Deed::Nothing);
        let tls = SharedTls::trusting(vec![identity.certificate.to_vec()]);
        let sender = Sender::new(SenderSettings { tls, ..local(LONG) });
        assert_eq!(send(&sender, &url, &["127.0.0.1"]).await.outcome, outcome, "{times} times");
    }
}

/// The most memory that this process had so far, in KB.
pub(super) fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// How long this thread has been on a CPU.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or_default())
}
