//! What an attempt's payload costs: rendering about 1 KB in the shape of each type, and each of the signatures over
//! 1 KB. Prints microseconds and asserts nothing (`cargo bench -p tenday-model`); 20 each are the budget.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark: it prints, and may panic")]
#![allow(clippy::disallowed_methods, reason = "a benchmark is at the edge: it has a clock and a generator")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tenday_model::ids::{EventId, UpdateId, WebhookId};
use tenday_model::publishing::render::{RenderContext, render};
use tenday_model::publishing::update::parse;
use tenday_model::settings::integration::Integration;
use tenday_model::signing::signature::{EcSigningKey, MONEYKIT_ISSUER, Secret, SystemRandom, jwt, standard_webhooks};
use uuid::Uuid;

/// How large a payload is to be, about.
const SIZE: usize = 1024;
/// The best of so many rounds: what else the machine does only ever adds to one.
const ROUNDS: u32 = 20;
const ROUND: Duration = Duration::from_millis(50);

/// An update's data with a list, or a record, of so many entries.
type Data<'a> = &'a dyn Fn(usize) -> Value;

fn main() {
    let event = EventId { update: UpdateId::from_uuid(Uuid::now_v7()), webhook: WebhookId::from_uuid(Uuid::now_v7()) };
    // What each type can say at such a length, with entries until the payload is long enough.
    let removed = |n: usize| json!({ "linkId": "item-1", "transactionIds": ids(n), "environment": "sandbox" });
    let balances = |n: usize| {
        let accounts: Vec<_> = ids(n).iter().map(|id| json!({ "accountId": id, "status": "SUCCESS" })).collect();
        json!({ "linkId": "10", "userId": "USR-1", "accounts": accounts })
    };
    let state = |n: usize| json!({ "linkId": "mk_1", "linkTags": ids(n), "state": "connected" });
    let cases: [(&str, Integration, &str, Data<'_>); 5] = [
        ("generic", Integration::Generic, "transactions.removed", &removed),
        ("plaid", Integration::Plaid, "transactions.removed", &removed),
        ("mx", Integration::Mx, "record.changed", &record),
        ("yodlee", Integration::Yodlee, "balances.updated", &balances),
        ("moneykit", Integration::Generic, "link.state_changed", &state),
    ];
    for (name, integration, update, data) in cases {
        let context = RenderContext {
            event_id: event,
            occurred_at: "2026-11-21T18:16:00.123Z".parse().unwrap(),
            date_format: integration.date_format(),
            idempotency_key: None,
        };
        let of = |n| parse(update, &RawValue::from_string(data(n).to_string()).unwrap()).unwrap();
        let size = |n| render(integration, &of(n), &context).unwrap().len();
        let count = (1..200).find(|n| size(*n) >= SIZE).unwrap();
        let content = of(count);
        let took = measure(|| render(integration, black_box(&content), &context).unwrap());
        println!("render {name:<9} {took:6.2} µs  {update}, {} bytes", size(count));
    }

    let body = vec![b'x'; SIZE];
    let (current, previous) = (Secret::from_random([1; 32]), Secret::from_random([2; 32]));
    let id = event.to_string();
    let now = 1_795_284_960;
    let one = measure(|| standard_webhooks(&[&current], &id, now, black_box(&body)));
    println!("sign HMAC        {one:6.2} µs  one secret");
    let two = measure(|| standard_webhooks(&[&current, &previous], &id, now, black_box(&body)));
    println!("sign HMAC        {two:6.2} µs  two secrets");
    let (key, _) = EcSigningKey::generate(None, SystemRandom::new()).unwrap();
    let plaid = measure(|| jwt(&key, None, now, black_box(&body)).unwrap());
    println!("sign ES256       {plaid:6.2} µs  plaid");
    let moneykit = measure(|| jwt(&key, Some(MONEYKIT_ISSUER), now, black_box(&body)).unwrap());
    println!("sign ES256       {moneykit:6.2} µs  moneykit");
}

/// Ids of fifteen digits: yodlee writes them as numbers.
fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| (100_000_000_000_000 + n).to_string()).collect()
}

/// A record with so many members. It is passed on as it is.
fn record(members: usize) -> Value {
    let attributes = (0..members).map(|n| (format!("member_{n}"), json!("a value of one")));
    json!({ "action": "created", "kind": "transaction", "record": Value::Object(attributes.collect()) })
}

/// Microseconds of one call, in the best round.
fn measure<T>(call: impl Fn() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut calls = 0_u32;
        while began.elapsed() < ROUND {
            // The clock is not what is measured.
            for _ in 0..64 {
                black_box(call());
            }
            calls += 64;
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
    }
    best
}
