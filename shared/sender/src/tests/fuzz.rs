//! Arbitrary bytes as a receiver's answer: over HTTP/1.1, and as frames of HTTP/2. Whatever they are, the attempt ends, and
//! nothing panics.
//!
//! It starts from the answers in `fuzz/`, changes them at random, and goes on from those that came to something new. It
//! looks for two seconds, or as long as `TENDAY_FUZZ_SECONDS` says; `TENDAY_SEED` makes it look elsewhere, and
//! `TENDAY_FUZZ_KEEP` names a directory for what came to something new.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::floods::memory;
use super::frames::holds_a_request;
use super::*;
use crate::connection::{Connection, over};

/// A receiver that ends its connection ends the attempt. Generous: a machine may be busy.
const HANG: Duration = Duration::from_secs(20);

/// What a long look may add to the process's memory, in KB. The corpus is in it.
const MEMORY: u64 = 48 * 1024;

/// The largest answer that is tried: more than is read of any.
const LARGEST: usize = 256 * 1024;

/// The most answers that are gone on from, beside those that are kept in `fuzz/`.
const CORPUS: usize = 400;

/// What means something to a parser of HTTP/1.1.
const WORDS: &[&[u8]] = &[
    b"HTTP/1.1 ",
    b"HTTP/1.0 ",
    b"100 Continue\r\n\r\n",
    b"101 Switching\r\n\r\n",
    b"200 OK\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 18446744073709551615\r\n",
    b"content-length: 1\r\n",
    b"connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"retry-after: 99999999999999999999\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"\0",
    b"\xff",
];

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// What is tried, and what it can be made of.
struct Fuzz {
    shared: bool,
    corpus: Vec<Vec<u8>>,
    seen: HashSet<String>,
    cases: u64,
}

#[test]
fn whatever_an_answer_is_the_attempt_ends_and_nothing_panics() {
    let seconds: u64 = number("TENDAY_FUZZ_SECONDS").unwrap_or(2);
    let mut chance = Chance(number("TENDAY_SEED").unwrap_or(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // A task of HTTP/2 that panics takes only its connection with it: nobody would notice.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        usual(info);
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut fuzzes = [Fuzz::of("http_1", false), Fuzz::of("http_2", true)];
    let (began, mut before) = (Instant::now(), 0);
    for fuzz in &mut fuzzes {
        for answer in fuzz.corpus.clone() {
            runtime.block_on(fuzz.attempt(&answer, &mut chance));
        }
    }
    while began.elapsed() < Duration::from_secs(seconds) {
        for fuzz in &mut fuzzes {
            let answer = fuzz.changed(&mut chance);
            runtime.block_on(fuzz.attempt(&answer, &mut chance));
        }
        if before == 0 && fuzzes[0].cases > 1_000 {
            before = memory();
        }
    }
    let cases = fuzzes.each_ref().map(|fuzz| (fuzz.cases, fuzz.seen.len()));
    let grown = if before == 0 { 0 } else { memory() - before };
    eprintln!("answers tried, and kinds of what came of them, HTTP/1.1 and HTTP/2: {cases:?}; memory: {grown} KB more");
    // In a short look other tests share the memory.
    assert!(seconds < 60 || grown < MEMORY, "{grown} KB");
}

impl Fuzz {
    fn of(name: &str, shared: bool) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fuzz").join(name);
        let mut paths: Vec<PathBuf> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let corpus = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        Self { shared, corpus, seen: HashSet::new(), cases: 0 }
    }

    /// One attempt that gets this answer.
    async fn attempt(&mut self, answer: &[u8], chance: &mut Chance) {
        self.cases += 1;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let cuts = [chance.below(answer.len() + 1), chance.below(answer.len() + 1)];
        let receiver = async {
            let (stream, _) = listener.accept().await.unwrap();
            // Errors are the sender's having closed the connection.
            let _ = receive(stream, answer, cuts, self.shared).await;
        };
        let sender = async {
            #[expect(clippy::disallowed_methods, reason = "to itself")]
            let stream = TcpStream::connect(to).await.unwrap();
            let mut connection = over(stream, self.shared).await;
            let (url, allowlist) = (url("http://127.0.0.1/"), allowlist(&["127.0.0.1"]));
            let body = Bytes::from_static(br#"{"n":1}"#);
            let request = OutboundRequest { url: &url, allowlist: &allowlist, headers: HeaderMap::new(), body };
            match connection.exchange(&request).await {
                Ok((outcome, text)) => {
                    let kept = matches!(connection, Connection::One(_)) && connection.is_alive().await;
                    let class = outcome.status().unwrap_or_default() / 100;
                    format!("{class} {kept} {:?}", text.len().checked_ilog2())
                }
                Err(lost) => format!("{:?} {}", lost.outcome, lost.dead),
            }
        };
        let came = timeout(HANG, async { tokio::join!(receiver, sender).1 }).await;
        let told = || answer.escape_ascii().to_string();
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a panic, of: {}", told());
        let Ok(came) = came else { panic!("no end, of: {}", told()) };
        if self.seen.insert(came) && self.corpus.len() < CORPUS {
            self.corpus.push(answer.to_vec());
            if let Some(directory) = std::env::var_os("TENDAY_FUZZ_KEEP") {
                let name = format!("{}-{}", if self.shared { "http_2" } else { "http_1" }, self.cases);
                std::fs::write(Path::new(&directory).join(name), answer).unwrap();
            }
        }
    }

    /// An answer made of those that there are.
    fn changed(&self, chance: &mut Chance) -> Vec<u8> {
        let mut answer = chance.of(&self.corpus).clone();
        for _ in 0..=chance.below(6) {
            self.change(&mut answer, chance);
        }
        answer.truncate(LARGEST);
        answer
    }

    fn change(&self, answer: &mut Vec<u8>, chance: &mut Chance) {
        let at = chance.below(answer.len() + 1);
        let part = at..(at + chance.below(32)).min(answer.len());
        match chance.below(9) {
            0 => drop(answer.drain(part)),
            1 if at < answer.len() => answer[at] ^= 1 << chance.below(8),
            2 if at < answer.len() => answer[at] = *chance.of(&[0, 1, 0x7f, 0x80, 0xff, b'\r', b'\n', b':', b' ']),
            3 => answer.insert(at, chance.byte()),
            4 => answer.truncate(at),
            5 => {
                let other = chance.of(&self.corpus);
                let from = chance.below(other.len() + 1);
                answer.splice(at..at, other[from..].iter().copied());
            }
            6 => {
                // Much of the same, now and then as much as is too much.
                let most = if chance.below(8) == 0 { 14 } else { 5 };
                let times = 1 << chance.below(most);
                let again = answer[part.clone()].repeat(times);
                answer.splice(part, again);
            }
            7 if self.shared => {
                let payload: Vec<u8> = (0..chance.below(24)).map(|_| chance.byte()).collect();
                let kind = u8::try_from(chance.below(11)).unwrap();
                let stream = *chance.of(&[0, 1, 1, 1, 2, 3, 0x7fff_ffff]);
                let made = frames::frame(kind, chance.byte() & 0x2d, stream, &payload);
                answer.splice(at..at, made);
            }
            _ => {
                let word = *chance.of(WORDS);
                answer.splice(at..at, word.iter().copied());
            }
        }
    }
}

/// A receiver that reads the request, writes the answer in parts, and ends its side.
async fn receive(mut stream: TcpStream, answer: &[u8], mut cuts: [usize; 2], shared: bool) -> std::io::Result<()> {
    let mut sent = Vec::new();
    loop {
        if stream.read_buf(&mut sent).await? == 0 {
            return Ok(());
        }
        if if shared { holds_a_request(&sent) } else { sent.ends_with(br#"{"n":1}"#) } {
            break;
        }
    }
    cuts.sort_unstable();
    for part in [&answer[..cuts[0]], &answer[cuts[0]..cuts[1]], &answer[cuts[1]..]] {
        stream.write_all(part).await?;
        tokio::task::yield_now().await;
    }
    stream.shutdown().await?;
    // Until the sender has ended its own.
    let mut sink = [0; 4096];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Xorshift: the same seed, the same answers.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[2]
    }

    fn of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }
}
