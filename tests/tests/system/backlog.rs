//! One developer's backlog against a receiver that hangs does not keep another developer's events waiting.
//!
//! TENDAY_BACKLOG=20000 cargo test --workspace --test system backlog -- --nocapture   as large as you have time for

#![expect(clippy::print_stdout, reason = "the figure that a long run is for")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenday_local::Options;
use tests::{Receiver, System};
use tokio::net::TcpListener;

const LATE: &str = "DEV-local-developer";
const PROMPT: &str = "DEV-local-other";
/// Events of the prompt developer, one after the other while the backlog is there.
const LOOKS: usize = 10;

/// Messages of first attempts that are not done with.
fn backlog(system: &System) -> usize {
    let queues = system.run.queues();
    let depth = &queues["tenday-DeliveriesQueue"];
    depth.visible + depth.in_flight
}

#[tokio::test]
async fn a_backlog_against_a_dead_receiver_leaves_others_their_first_attempts() {
    let events: usize = std::env::var("TENDAY_BACKLOG").ok().map_or(3_000, |number| number.parse().unwrap());
    let parameters = [("RequestsPerSecond", "1000"), ("AttemptTimeoutSeconds", "1")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let system = System::start_with(Options { parameters, ..Options::default() }).await;
    // Connections are made, and nothing is ever said on them.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver::start().await;
    let (late, prompt, platform) = (system.developer(), system.other(), system.platform());
    late.subscribe(None, &format!("http://{}/hook", dead.local_addr().unwrap())).await;
    prompt.subscribe(None, &receiver.url()).await;
    system.platform_publish(PROMPT).await;
    receiver.wait_for(1).await;

    let update = |n: usize| json!({ "developerId": LATE, "eventName": "transactions.updated", "data": { "linkId": n.to_string() } });
    let updates: Vec<Value> = (0..events).map(update).collect();
    let mut sending = Vec::new();
    for batch in updates.chunks(100) {
        sending.push(json!({ "updates": batch }));
    }
    let published = Instant::now();
    let (mut waits, mut deepest) = (Vec::new(), 0);
    // Looks that met a backlog, and those of them that were answered before it was done with.
    let (mut met, mut passed) = (0, 0);
    let every = sending.len().div_ceil(LOOKS);
    for (number, batch) in sending.into_iter().enumerate() {
        platform.post("/updates", batch).await.expect(202);
        deepest = deepest.max(backlog(&system));
        if number % every == every - 1 {
            let before = backlog(&system);
            system.platform_publish(PROMPT).await;
            let accepted = Instant::now();
            receiver.wait_for(2 + waits.len()).await;
            waits.push(accepted.elapsed());
            if before >= 100 {
                met += 1;
                passed += usize::from(backlog(&system) > 0);
            }
        }
    }
    waits.sort();
    println!(
        "{events} events against a receiver that hangs, published in {:.1} s, at most {deepest} waiting: another \
         developer's event arrived {:?} after it was accepted in the middle, {:?} at worst",
        published.elapsed().as_secs_f64(),
        waits[waits.len() / 2],
        waits[waits.len() - 1],
    );
    assert!(deepest > 100, "there was a backlog: {deepest}");
    // The receiver's answer may be seen late, when the last of a backlog has just gone; not half of the times.
    assert!(passed * 2 > met, "{passed} of {met} came while the other developer's still waited");
    assert!(waits[waits.len() - 1] < Duration::from_secs(30));
}
