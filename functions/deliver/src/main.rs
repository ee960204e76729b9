//! The deliver function.

use std::sync::Arc;

use deliver::{BatchResponse, Deliver, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tenday_store::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let mut environment = Environment::new();
    let deliver = Arc::new(Deliver::from_environment(&mut environment));
    environment.finish()?;
    deliver.warm().await;
    let handle = |event: LambdaEvent<SqsEvent>| {
        let deliver = Arc::clone(&deliver);
        async move { Ok::<BatchResponse, Error>(deliver.handle(event.payload, event.context.deadline()).await) }
    };
    lambda_runtime::run(service_fn(handle)).await
}
