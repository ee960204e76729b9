//! The floor under a first answer: a function that does nothing but call AWS, by its SDK as it comes. The event names the
//! calls, one after another; what they answer matters to nobody.

use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, PutRequest, TransactWriteItem, WriteRequest};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// What to call: `{"calls": ["dynamodb:GetItem", …]}`.
#[derive(Deserialize)]
struct Calls {
    calls: Vec<String>,
}

struct Plain {
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    kms: aws_sdk_kms::Client,
    table: String,
    queue: String,
    key: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_target(false).without_time().json().init();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let plain = Plain {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        sqs: aws_sdk_sqs::Client::new(&config),
        kms: aws_sdk_kms::Client::new(&config),
        table: variable("SETTINGS_TABLE"),
        queue: variable("RETRIES_QUEUE_URL"),
        key: variable("KEYRING_KEY"),
    };
    let plain = &plain;
    let answer = async |event: LambdaEvent<Calls>| {
        for call in event.payload.calls {
            plain.call(&call).await?;
        }
        Ok::<Value, Error>(json!({}))
    };
    lambda_runtime::run(service_fn(answer)).await
}

impl Plain {
    async fn call(&self, call: &str) -> Result<(), Error> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let (dynamodb, table) = (&self.dynamodb, self.table.as_str());
        match call {
            "dynamodb:GetItem" => {
                dynamodb.get_item().table_name(table).key("pk", text("floor")).key("sk", text("floor")).send().await?;
            }
            "dynamodb:Query" => {
                let query = dynamodb.query().table_name(table).key_condition_expression("pk = :pk");
                query.expression_attribute_values(":pk", text("floor")).send().await?;
            }
            "dynamodb:BatchGetItem" => {
                let key = [("pk".to_owned(), text("floor")), ("sk".to_owned(), text("floor"))];
                let keys = KeysAndAttributes::builder().keys(key.into()).build()?;
                dynamodb.batch_get_item().request_items(table, keys).send().await?;
            }
            "dynamodb:PutItem" | "dynamodb:UpdateItem" | "dynamodb:DeleteItem" => {
                dynamodb
                    .put_item()
                    .table_name(table)
                    .item("pk", text("floor"))
                    .item("sk", text("floor"))
                    .send()
                    .await?;
            }
            "dynamodb:BatchWriteItem" => {
                let put = PutRequest::builder().item("pk", text("floor")).item("sk", text("floor")).build()?;
                let write = WriteRequest::builder().put_request(put).build();
                dynamodb.batch_write_item().request_items(table, vec![write]).send().await?;
            }
            "dynamodb:TransactWriteItems" => {
                let put = Put::builder().table_name(table).item("pk", text("floor")).item("sk", text("floor"));
                let write = TransactWriteItem::builder().put(put.build()?).build();
                dynamodb.transact_write_items().transact_items(write).send().await?;
            }
            "sqs:SendMessage" | "sqs:SendMessageBatch" => {
                // Refused by whoever reads it: what is sent here is worth nothing to anybody.
                let queue = if self.queue.is_empty() { "http://127.0.0.1/none" } else { self.queue.as_str() };
                let _ = self.sqs.get_queue_attributes().queue_url(queue).send().await;
            }
            "kms:Decrypt" => {
                let _ = self.kms.describe_key().key_id(&self.key).send().await;
            }
            other => return Err(format!("the floor has no call {other}").into()),
        }
        Ok(())
    }
}
