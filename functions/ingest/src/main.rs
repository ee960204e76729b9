//! The ingest function.

use deliver::{BatchResponse, SqsEvent};
use ingest::Ingest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tenday_store::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tenday_telemetry::start_log();
    let mut environment = Environment::new();
    let ingest = Ingest::from_environment(&mut environment);
    environment.finish()?;
    let handle =
        |event: LambdaEvent<SqsEvent>| async { Ok::<BatchResponse, Error>(ingest.handle(event.payload).await) };
    lambda_runtime::run(service_fn(handle)).await
}
