//! The floor under a publication: a function that answers a request of an HTTP API with 202, after the calls of AWS that
//! publishing needs, each signed and sent and nothing else. It finds them as JSON in the file that `TENDAY_FLOOR_CALLS` names:
//! stages, one after another, each with calls that are made at once.

use futures::future::try_join_all;
use lambda_http::{Error, Request, Response, run, service_fn};
use tenday_floor::{Call, call};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "what the SDK is measured against")]
async fn main() -> Result<(), Error> {
    let stages: Vec<Vec<Call>> = serde_json::from_slice(&std::fs::read(std::env::var("TENDAY_FLOOR_CALLS")?)?)?;
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let (stages, client) = (&stages, &client);
    run(service_fn(async |_: Request| {
        for stage in stages {
            try_join_all(stage.iter().map(|order| call(client, order))).await?;
        }
        Ok::<_, Error>(Response::builder().status(202).body("{}".to_owned())?)
    }))
    .await
}
