//! API clients: who may ask for a token, for whom, and for what.

use aws_lc_rs::{constant_time, digest};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use tenday_model::ids::{ClientId, DeveloperId};

use crate::aws::services::Aws;
use crate::dynamodb::item::{Item, Reader, b, json, s};
use crate::dynamodb::keys;
use crate::error::StoreError;
use crate::settings::developer::{query_all, transact};

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
        client_from(id, &item).map(Some)
    }

    /// Adds a client, or replaces one of the same owner.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put(&self, client: &Client) -> Result<(), StoreError> {
        let listed = keys::client_of(client.developer.as_ref(), &client.id);
        self.write([self.put_action(client_item(client)?)?, self.put_action(listed)?]).await
    }

    /// Removes a client. It gets no token any more; those that it has hold until they expire.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn delete(&self, client: &Client) -> Result<(), StoreError> {
        let listed = keys::client_of(client.developer.as_ref(), &client.id);
        self.write([self.delete_action(keys::client(&client.id))?, self.delete_action(listed)?]).await
    }

    /// A developer's clients, or the platform's, by their ids.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn list(&self, owner: Option<&DeveloperId>) -> Result<Vec<Client>, StoreError> {
        let items = query_all(&self.dynamodb, &self.table, keys::clients_of(owner), keys::CLIENTS_PREFIX).await?;
        let mut clients = Vec::new();
        for item in &items {
            // One by one: an operator reads this, and there are few.
            clients.extend(self.get(&listed_client(item)?).await?);
        }
        Ok(clients)
    }

    async fn write(&self, actions: [TransactWriteItem; 2]) -> Result<(), StoreError> {
        // No action has a condition, so none can fail.
        transact(&self.dynamodb, "the client", actions.into()).await.map(|_| ())
    }

    fn put_action(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
        let put = put.map_err(|error| StoreError::corrupt("client", error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_action(&self, key: Item) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build();
        let delete = delete.map_err(|error| StoreError::corrupt("client", error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

pub(crate) fn client_item(client: &Client) -> Result<Item, StoreError> {
    let mut item = keys::client(&client.id);
    item.insert("scopes".into(), json(&client.scopes)?);
    item.insert("secretDigest".into(), b(client.secret_digest.clone()));
    if let Some(developer) = &client.developer {
        item.insert("developer".into(), s(developer.as_str()));
    }
    Ok(item)
}

pub(crate) fn client_from(id: &ClientId, item: &Item) -> Result<Client, StoreError> {
    let read = Reader { kind: "client", item };
    Ok(Client {
        id: id.clone(),
        developer: read.optional_parsed("developer")?,
        scopes: read.json("scopes")?,
        secret_digest: read.bytes("secretDigest")?.to_vec(),
    })
}

/// Which client a row of its owner's list names.
pub(crate) fn listed_client(item: &Item) -> Result<ClientId, StoreError> {
    let id = keys::sk(item).and_then(|sort| sort.strip_prefix(keys::CLIENTS_PREFIX)).unwrap_or_default();
    id.parse().map_err(|error| StoreError::corrupt("client", error))
}
