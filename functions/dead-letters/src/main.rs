//! The dead-letters function.

use dead_letters::DeadLetters;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use tenday_store::{BatchResponse, Environment, SqsEvent};
use tenday_telemetry::{in_request, metrics};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tenday_telemetry::start_log();
    let mut environment = Environment::new();
    environment.name_metrics();
    let dead_letters = DeadLetters::from_environment(&mut environment);
    environment.finish()?;
    let dead_letters = &dead_letters;
    let handle = |event: LambdaEvent<SqsEvent>| async move {
        let handled = Box::pin(dead_letters.handle(event.payload));
        let answer = in_request(event.context.request_id.as_str(), handled).await;
        metrics::flush();
        Ok::<BatchResponse, Error>(answer)
    };
    Runtime::new(service_fn(handle)).run().await
}
