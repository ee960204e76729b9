//! The keys that sign access tokens and webhooks' JWTs: private halves sealed, public halves for all to read.
//!
//! Any key that is stored verifies; the newest of its purpose signs. So two sandboxes that make the first key at once
//! do no harm, and a rotation is one more row.

use aws_sdk_dynamodb::Client;
use jiff::Timestamp;
use serde_json::Value;
use tenday_model::signature::EcSigningKey;

use crate::aws::Aws;
use crate::error::StoreError;
use crate::item::{Item, Reader, b, is_expired, json, n, s};
use crate::keyring::{Keyring, Sealed};
use crate::keys;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    AccessTokens,
    Webhooks,
}

impl KeyPurpose {
    fn name(self) -> &'static str {
        match self {
            Self::AccessTokens => "TOKEN",
            Self::Webhooks => "WEBHOOK",
        }
    }
}

/// The public half of a key, as a JWK (RFC 7517).
#[derive(Debug, Clone, PartialEq)]
pub struct PublicKey {
    pub purpose: KeyPurpose,
    pub kid: String,
    pub jwk: Value,
}

/// The stored signing keys.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    dynamodb: Client,
    table: String,
}

impl SigningKeys {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { dynamodb: aws.dynamodb(), table: settings_table }
    }

    /// Every public key.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn public(&self, now: Timestamp) -> Result<Vec<PublicKey>, StoreError> {
        let items = self.query(now).await?;
        items
            .iter()
            .map(|item| {
                let read = Reader { kind: "signing key", item };
                let (purpose, kid) = keys::sk(item).and_then(|sk| sk.split_once('#')).unwrap_or_default();
                let purpose =
                    [KeyPurpose::AccessTokens, KeyPurpose::Webhooks].into_iter().find(|p| p.name() == purpose);
                Ok(PublicKey {
                    purpose: purpose.ok_or_else(|| StoreError::corrupt("signing key", "unknown purpose"))?,
                    kid: kid.to_owned(),
                    jwk: read.json("jwk")?,
                })
            })
            .collect()
    }

    /// Makes and stores a key.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails.
    pub async fn create(&self, purpose: KeyPurpose, keyring: &Keyring, now: Timestamp) -> Result<(), StoreError> {
        let (key, private) = EcSigningKey::generate(None).map_err(|error| StoreError::corrupt("signing key", error))?;
        let sort = format!("{}#{}", purpose.name(), key.kid());
        let sealed = keyring.seal(&sort, &private).await?;
        let mut item = keys::key(keys::SIGNING_KEYS.to_owned(), sort);
        item.insert("jwk".into(), json(key.jwk())?);
        item.insert("private".into(), b(sealed.0));
        item.insert("createdAt".into(), n(now.as_millisecond()));
        let put = self.dynamodb.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map(|_| ()).map_err(StoreError::aws("dynamodb:PutItem"))
    }

    /// The key that signs now: the newest of its purpose, if there is one.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails, or the key does not read.
    pub async fn signer(
        &self,
        purpose: KeyPurpose,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Result<Option<EcSigningKey>, StoreError> {
        let items = self.query(now).await?;
        let mut newest: Option<(Timestamp, &str, &[u8])> = None;
        for item in &items {
            let read = Reader { kind: "signing key", item };
            let sort = keys::sk(item).unwrap_or_default();
            let candidate = (read.moment("createdAt")?, sort, read.bytes("private")?);
            let of_purpose = sort.split_once('#').is_some_and(|(name, _)| name == purpose.name());
            if of_purpose && newest.is_none_or(|newest| candidate > newest) {
                newest = Some(candidate);
            }
        }
        let Some((_, sort, sealed)) = newest else { return Ok(None) };
        let private = keyring.open(sort, &Sealed(sealed.to_vec())).await?;
        let kid = sort.split_once('#').map(|(_, kid)| kid);
        let key = EcSigningKey::from_pkcs8(kid, &private);
        key.map(Some).map_err(|error| StoreError::corrupt("signing key", error))
    }

    async fn query(&self, now: Timestamp) -> Result<Vec<Item>, StoreError> {
        let found = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(keys::SIGNING_KEYS))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::aws("dynamodb:Query"))?;
        let mut items = found.items.unwrap_or_default();
        items.retain(|item| !is_expired(item, now));
        Ok(items)
    }
}
