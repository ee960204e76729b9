//! API clients: who may ask for a token, for whom, and for what.

use aws_lc_rs::{constant_time, digest};
use aws_sdk_dynamodb::Client as DynamoDb;
use tenday_model::ids::{ClientId, DeveloperId};

use crate::aws::Aws;
use crate::error::StoreError;
use crate::item::{Reader, b, json, s};
use crate::keys;

/// One API client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    /// None for the platform's own clients, which may name a developer.
    pub developer: Option<DeveloperId>,
    pub scopes: Vec<String>,
    pub secret_digest: Vec<u8>,
}

/// What is stored of a client's secret. The secret is random and long, so a plain digest is enough.
pub fn secret_digest(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

impl Client {
    /// Compares in constant time.
    pub fn has_secret(&self, secret: &str) -> bool {
        constant_time::verify_slices_are_equal(&self.secret_digest, &secret_digest(secret)).is_ok()
    }
}

/// The stored clients.
#[derive(Debug, Clone)]
pub struct Clients {
    dynamodb: DynamoDb,
    table: String,
}

impl Clients {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { dynamodb: aws.dynamodb(), table: settings_table }
    }

    /// # Errors
    /// When DynamoDB fails.
    pub async fn get(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.dynamodb.get_item().table_name(&self.table).set_key(Some(keys::client(id))).send().await;
        let Some(item) = found.map_err(StoreError::aws("dynamodb:GetItem"))?.item else { return Ok(None) };
        let read = Reader { kind: "client", item: &item };
        Ok(Some(Client {
            id: id.clone(),
            developer: read.optional_parsed("developer")?,
            scopes: read.json("scopes")?,
            secret_digest: read.bytes("secretDigest")?.to_vec(),
        }))
    }

    /// Adds or replaces a client.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put(&self, client: &Client) -> Result<(), StoreError> {
        let mut item = keys::client(&client.id);
        item.insert("scopes".into(), json(&client.scopes)?);
        item.insert("secretDigest".into(), b(client.secret_digest.clone()));
        if let Some(developer) = &client.developer {
            item.insert("developer".into(), s(developer.as_str()));
        }
        let put = self.dynamodb.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map(|_| ()).map_err(StoreError::aws("dynamodb:PutItem"))
    }
}
