//! The least that a function can be: the floor under every function's cold start, size and memory.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_target(false).without_time().json().init();
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| Ok::<Value, Error>(json!({})))).await
}
