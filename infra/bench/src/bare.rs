//! The floor under a delivery: a loop that signs and POSTs the same bytes with the same client, and does nothing else.
//! A process of its own, which tells how much CPU time it took.

use std::io::Read as _;

use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tenday_model::signature::{EcSigningKey, Secret, jwt, standard_webhooks};

use crate::problem::{Problem, Result};
use crate::process::{self, Cpu};

/// What to send, on the standard input as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) secret: String,
    /// Whether an ES256 token goes with it, as Plaid's does.
    pub(crate) token: bool,
    pub(crate) batches: usize,
    pub(crate) batch: usize,
}

/// What it took, on the standard output as JSON.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Took {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

/// The process's whole work.
#[expect(clippy::print_stdout, reason = "its answer")]
pub(crate) fn run() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Problem::io("the order"))?;
    let wrong = |error: String| Problem::not_measured(format!("the bare loop's order: {error}"));
    let order: Order = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let took = runtime.map_err(Problem::io("a runtime"))?.block_on(deliver(&order))?;
    let took = serde_json::to_string(&took).map_err(|error| wrong(error.to_string()))?;
    println!("{took}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "what the sender is measured against")]
async fn deliver(order: &Order) -> Result<Took> {
    let wrong = |error: String| Problem::not_measured(format!("the bare loop: {error}"));
    // As the sender makes its client, without the care for addresses.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .tcp_nodelay(true)
        .timeout(std::time::Duration::from_secs(10))
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    let secret = Secret::parse(&order.secret).map_err(|error| wrong(error.to_string()))?;
    let (key, _) = EcSigningKey::generate(None).map_err(|error| wrong(error.to_string()))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &order.headers {
        let name = HeaderName::try_from(name).map_err(|error| wrong(error.to_string()))?;
        headers.insert(name, HeaderValue::try_from(value).map_err(|error| wrong(error.to_string()))?);
    }
    let body = Bytes::from(order.body.clone());
    let one = async || -> std::result::Result<(), String> {
        let mut headers = headers.clone();
        let now = jiff::Timestamp::now().as_second();
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let signature = standard_webhooks(&[&secret], id, now, &body);
        headers.insert("webhook-signature", HeaderValue::try_from(signature).map_err(|error| error.to_string())?);
        headers.insert("webhook-timestamp", HeaderValue::from(now));
        if order.token {
            let token = jwt(&key, None, now, &body).map_err(|error| error.to_string())?;
            headers.insert("plaid-verification", HeaderValue::try_from(token).map_err(|error| error.to_string())?);
        }
        let sent = client.post(&order.url).headers(headers).body(body.clone()).send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("the receiver answered {}", answer.status()));
        }
        answer.bytes().await.map(drop).map_err(|error| error.to_string())
    };
    let batches = async |count: usize| -> Result<()> {
        for _ in 0..count {
            for sent in join_all((0..order.batch).map(|_| one())).await {
                sent.map_err(wrong)?;
            }
        }
        Ok(())
    };
    batches(20).await?;
    let before = process::cpu("self")?;
    batches(order.batches).await?;
    let Cpu { user, system } = process::cpu("self")?.since(before);
    Ok(Took { user, system })
}
