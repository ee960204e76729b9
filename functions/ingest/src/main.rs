//! The ingest function.

use ingest::Ingest;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use tenday_store::{BatchResponse, Environment, SqsEvent};
use tenday_telemetry::in_request;

/// Every event passes here, with hundreds of allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tenday_telemetry::start_log();
    let mut environment = Environment::new();
    let ingest = Ingest::from_environment(&mut environment);
    environment.finish()?;
    let ingest = &ingest;
    let handle = |event: LambdaEvent<SqsEvent>| async move {
        let handled = ingest.handle(event.payload);
        Ok::<BatchResponse, Error>(in_request(event.context.request_id.as_str(), handled).await)
    };
    Runtime::new(service_fn(handle)).run().await
}
