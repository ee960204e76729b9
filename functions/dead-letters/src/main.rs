//! The dead-letters function.

use dead_letters::DeadLetters;
use deliver::{BatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tenday_store::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let mut environment = Environment::new();
    let dead_letters = DeadLetters::from_environment(&mut environment);
    environment.finish()?;
    let handle =
        |event: LambdaEvent<SqsEvent>| async { Ok::<BatchResponse, Error>(dead_letters.handle(event.payload).await) };
    lambda_runtime::run(service_fn(handle)).await
}
