//! The deliver function.

use std::sync::Arc;

use deliver::Deliver;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use tenday_attempts::end_if_stuck;
use tenday_store::{BatchResponse, Environment, SqsEvent};
use tenday_telemetry::{in_request, metrics};
use tower::util::MapResponseLayer;

/// Every event passes here, with hundreds of allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tenday_telemetry::start_log();
    let mut environment = Environment::new();
    environment.name_metrics();
    let deliver = Arc::new(Deliver::from_environment(&mut environment));
    environment.finish()?;
    deliver.warm().await;
    let handle = |event: LambdaEvent<SqsEvent>| {
        let deliver = Arc::clone(&deliver);
        async move {
            let handled = Box::pin(deliver.handle(event.payload, event.context.deadline()));
            let answer = in_request(event.context.request_id.as_str(), handled).await;
            metrics::flush();
            Ok::<BatchResponse, Error>(answer)
        }
    };
    // After the answer: a process with a stuck thread is replaced.
    Runtime::new(service_fn(handle)).layer(MapResponseLayer::new(end_if_stuck)).run().await
}
