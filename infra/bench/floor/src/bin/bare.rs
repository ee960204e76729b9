//! The floor under a delivery: a loop that signs and POSTs the same bytes with the same client, and does nothing else; with
//! the calls of AWS that a batch needs, if they are ordered. A process of its own, which tells how much CPU time it took.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use tenday_floor::{Cpu, Order, call, cpu};
use tenday_model::signing::signature::{EcSigningKey, Secret, SystemRandom, jwt, standard_webhooks};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Before anything is measured.
const WARM_UP: usize = 20;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "its answer")]
async fn main() -> Result<()> {
    let order: Order = serde_json::from_reader(std::io::stdin())?;
    println!("{}", serde_json::to_string(&deliver(&order).await?)?);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "what the sender is measured against")]
async fn deliver(order: &Order) -> Result<Cpu> {
    // With the sender's settings, without the care for addresses and for what a receiver sends.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .tcp_nodelay(true)
        .timeout(Duration::from_secs(10))
        .build()?;
    let secret = Secret::parse(&order.secret)?;
    let (key, _) = EcSigningKey::generate(None, SystemRandom::new())?;
    let mut headers = HeaderMap::new();
    for (name, value) in &order.headers {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let body = Bytes::from(order.body.clone());
    let one = async || -> Result<()> {
        let mut headers = headers.clone();
        let now = jiff::Timestamp::now().as_second();
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let signature = standard_webhooks(&[&secret], id, now, &body);
        headers.insert("webhook-signature", HeaderValue::try_from(signature)?);
        headers.insert("webhook-timestamp", HeaderValue::from(now));
        if order.token {
            headers.insert("plaid-verification", HeaderValue::try_from(jwt(&key, None, now, &body)?)?);
        }
        let answer = client.post(&order.url).headers(headers).body(body.clone()).send().await?;
        answer.error_for_status()?.bytes().await?;
        Ok(())
    };
    let batches = async |count: usize| -> Result<()> {
        for _ in 0..count {
            for sent in join_all((0..order.batch).map(|_| one())).await {
                sent?;
            }
            for order in &order.calls {
                call(&client, order).await?;
            }
        }
        Ok(())
    };
    batches(WARM_UP).await?;
    let before = cpu("self")?;
    batches(order.batches).await?;
    Ok(cpu("self")?.since(before))
}
