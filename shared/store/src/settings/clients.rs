//! API clients: who may ask for a token, for whom, and for what.

use aws_lc_rs::{constant_time, digest};
use tenday_model::ids::{ClientId, DeveloperId};
use tenday_model::settings::audit::Change;

use crate::aws::services::Aws;
use crate::dynamodb::item::{Item, Reader, b, json, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::Freshness;
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::settings::audit::{Audited, Author, Entry};
use crate::signing::revocations::revoke;

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
    rows: Audited,
}

impl Clients {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Audited::of(aws, settings_table) }
    }

    /// # Errors
    /// When DynamoDB fails.
    pub async fn get(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.rows.get(keys::client(id), Freshness::Recent).await?;
        found.map(|item| client_from(id, &item)).transpose()
    }

    /// Adds a client, or replaces one of the same owner.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put(&self, by: &Author, client: &Client) -> Result<(), StoreError> {
        let listed = keys::client_of(client.developer.as_ref(), &client.id);
        let mut writes = vec![Write::put(client_item(client)?), Write::put(listed)];
        // A developer exists from their first client on.
        writes.extend(client.developer.as_ref().map(|developer| Write::put(keys::listed_developer(developer))));
        self.change(by, client, Change::ClientCreated, writes).await
    }

    /// Removes a client. It gets no token any more, and those that it has are worthless within a minute.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn delete(&self, by: &Author, client: &Client) -> Result<(), StoreError> {
        let listed = keys::client_of(client.developer.as_ref(), &client.id);
        let revoked = revoke(&client.id, by.at, true);
        let writes = vec![Write::delete(keys::client(&client.id)), Write::delete(listed), revoked];
        self.change(by, client, Change::ClientRevoked, writes).await
    }

    /// Makes the tokens worthless, within a minute, that a client was given until now, and those of the sessions of the
    /// dashboard that it opened. The client stays, and its next tokens hold; so there need not be one of this id: a
    /// session's token has one that is stored nowhere. `owner` is whose it is; none is the platform.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn revoke_tokens(
        &self,
        by: &Author,
        owner: Option<&DeveloperId>,
        client: &ClientId,
    ) -> Result<(), StoreError> {
        let entry = Entry::of(owner, Change::TokensRevoked, client);
        self.rows.change(by, entry, "the client", vec![revoke(client, by.at, false)]).await.map(|_| ())
    }

    /// A developer's clients, or the platform's, by their ids.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn list(&self, owner: Option<&DeveloperId>) -> Result<Vec<Client>, StoreError> {
        let query = Query::of(keys::clients_of(owner)).beginning_with(keys::CLIENTS_PREFIX);
        let items = self.rows.all(query.fresh(Freshness::Latest)).await?;
        let mut clients = Vec::new();
        for item in &items {
            // One by one: an operator reads this, and there are few.
            clients.extend(self.get(&listed_client(item)?).await?);
        }
        Ok(clients)
    }

    async fn change(&self, by: &Author, client: &Client, change: Change, writes: Vec<Write>) -> Result<(), StoreError> {
        let entry = Entry::of(client.developer.as_ref(), change, &client.id);
        // None has a condition, so none can be refused.
        self.rows.change(by, entry, "the client", writes).await.map(|_| ())
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
