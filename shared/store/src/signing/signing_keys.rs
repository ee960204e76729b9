//! The keys that sign access tokens and webhooks' JWTs: private halves sealed, public halves for all to read.
//!
//! Any key that is stored verifies; `tenday_model::signing::rotation` tells which of its purpose signs. So two sandboxes that
//! make a key at once do no harm, and a rotation is one more row.

use jiff::Timestamp;
use serde_json::Value;
use tenday_model::signing::rotation;
use tenday_model::signing::signature::{EcSigningKey, SystemRandom};

use crate::aws::services::Aws;
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, b, is_expired, json, n};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::signing::keyring::{Keyring, Sealed};

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    AccessTokens,
    Webhooks,
}

impl KeyPurpose {
    /// In the order in which they are made: nobody has a token before the webhooks can be signed.
    const ALL: [Self; 2] = [Self::Webhooks, Self::AccessTokens];

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
    pub created_at: Timestamp,
    /// From when on nothing that a receiver takes is signed by it, if its successor is known.
    pub unused_from: Option<Timestamp>,
}

/// The stored signing keys.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    rows: Rows,
}

impl SigningKeys {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Rows::of(aws, settings_table) }
    }

    /// Every public key.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn public(&self, now: Timestamp) -> Result<Vec<PublicKey>, StoreError> {
        let items = self.query(now).await?;
        let mut keys = items.iter().map(public_from).collect::<Result<Vec<_>, _>>()?;
        let made: Vec<_> = keys.iter().map(|key| (key.purpose, key.created_at)).collect();
        for key in &mut keys {
            let of_its_purpose: Vec<Timestamp> =
                made.iter().filter(|(purpose, _)| *purpose == key.purpose).map(|(_, created)| *created).collect();
            key.unused_from = rotation::unused_from(key.created_at, &of_its_purpose);
        }
        Ok(keys)
    }

    /// The key that signs now, if there is one.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails, or the key does not read.
    pub async fn signer(
        &self,
        purpose: KeyPurpose,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Result<Option<EcSigningKey>, StoreError> {
        signer_of(&stored(&self.query(now).await?)?, purpose, keyring, now).await
    }

    /// [`Self::signer`] for the function that looks after the keys of every purpose: it makes those that are due, and
    /// sets the end of those that were replaced. A deployment's first call makes the keyring, too.
    ///
    /// # Errors
    /// When there is no key and none can be made. A rotation that fails is only logged: the old key goes on.
    pub async fn rotated_signer(
        &self,
        purpose: KeyPurpose,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Result<Option<EcSigningKey>, StoreError> {
        let mut items = self.query(now).await?;
        match self.rotate(&stored(&items)?, keyring, now).await {
            Ok(false) => {}
            Ok(true) => items = self.query(now).await?,
            Err(error) if items.is_empty() => return Err(error),
            Err(error) => tracing::error!(error = %error, "the signing keys could not be rotated"),
        }
        signer_of(&stored(&items)?, purpose, keyring, now).await
    }

    /// Makes a new key of each purpose now, due or not; the old ones verify on. Nothing is signed by a new key before
    /// everybody may know of it.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails.
    #[cfg(feature = "operator")]
    pub async fn make_anew(&self, keyring: &Keyring, now: Timestamp) -> Result<(), StoreError> {
        for purpose in KeyPurpose::ALL {
            self.create(purpose, keyring, now).await?;
        }
        Ok(())
    }

    /// Takes out every key but the newest of each purpose, because one is known to somebody else: what they signed is
    /// refused by whoever has read the keys since. Answers how many.
    ///
    /// # Errors
    /// When DynamoDB fails or a row does not read.
    #[cfg(feature = "operator")]
    pub async fn end_older(&self, now: Timestamp) -> Result<usize, StoreError> {
        let items = self.query(now).await?;
        let stored = stored(&items)?;
        let mut ended = 0;
        for purpose in KeyPurpose::ALL {
            let keys = || stored.iter().filter(|key| key.is_of(purpose));
            let Some(newest) = keys().map(|key| (key.created_at, key.sort)).max() else { continue };
            for key in keys().filter(|key| (key.created_at, key.sort) < newest) {
                let row = keys::key(keys::SIGNING_KEYS.to_owned(), key.sort.to_owned());
                self.rows.write(Write::delete(row)).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Whether anything changed. Each step is found undone, and done, by the next call if this one dies before it.
    async fn rotate(&self, stored: &[StoredKey<'_>], keyring: &Keyring, now: Timestamp) -> Result<bool, StoreError> {
        if stored.is_empty() {
            keyring.create().await?;
        }
        let mut changed = false;
        for purpose in KeyPurpose::ALL {
            let keys: Vec<_> = stored.iter().filter(|key| key.is_of(purpose)).collect();
            let created: Vec<Timestamp> = keys.iter().map(|key| key.created_at).collect();
            if rotation::is_due(&created, now) {
                self.create(purpose, keyring, now).await?;
                changed = true;
                tracing::info!(purpose = purpose.name(), "a signing key was made");
            }
            // A key that was made just now replaces the others at the next call.
            for key in keys.iter().filter(|key| !key.ends) {
                if let Some(expiry) = rotation::expiry(key.created_at, &created) {
                    self.end(key.sort, expiry).await?;
                }
            }
        }
        Ok(changed)
    }

    async fn create(&self, purpose: KeyPurpose, keyring: &Keyring, now: Timestamp) -> Result<(), StoreError> {
        let made = EcSigningKey::generate(None, SystemRandom::new());
        let (key, private) = made.map_err(|error| StoreError::corrupt("signing key", error))?;
        let sort = format!("{}#{}", purpose.name(), key.kid());
        let sealed = keyring.seal(&sort, &private).await?;
        self.rows.write(Write::put(key_item(sort, &key, &sealed, now)?)).await.map(|_| ())
    }

    /// Sets a key's end, unless another sandbox did.
    async fn end(&self, sort: &str, at: Timestamp) -> Result<(), StoreError> {
        let key = keys::key(keys::SIGNING_KEYS.to_owned(), sort.to_owned());
        let update = Write::change(key, vec![(EXPIRES_AT, n(at.as_second()))], &[])
            .only_if("attribute_exists(pk) AND attribute_not_exists(#expiresAt)");
        self.rows.write(update).await.map(|_| ())
    }

    async fn query(&self, now: Timestamp) -> Result<Vec<Item>, StoreError> {
        let query = Query::of(keys::SIGNING_KEYS.to_owned()).fresh(Freshness::Latest);
        let mut items = self.rows.all(query).await?;
        items.retain(|item| !is_expired(item, now));
        Ok(items)
    }
}

/// A key's row.
pub(crate) struct StoredKey<'a> {
    /// Its purpose and its name.
    pub(crate) sort: &'a str,
    pub(crate) created_at: Timestamp,
    /// Whether its end is set.
    pub(crate) ends: bool,
    pub(crate) private: &'a [u8],
}

impl StoredKey<'_> {
    fn is_of(&self, purpose: KeyPurpose) -> bool {
        self.sort.split_once('#').is_some_and(|(name, _)| name == purpose.name())
    }
}

fn stored(items: &[Item]) -> Result<Vec<StoredKey<'_>>, StoreError> {
    items.iter().map(key_from).collect()
}

pub(crate) fn key_item(
    sort: String,
    key: &EcSigningKey,
    private: &Sealed,
    created_at: Timestamp,
) -> Result<Item, StoreError> {
    let mut item = keys::key(keys::SIGNING_KEYS.to_owned(), sort);
    item.insert("jwk".into(), json(key.jwk())?);
    item.insert("private".into(), b(private.bytes()));
    item.insert("createdAt".into(), n(created_at.as_millisecond()));
    Ok(item)
}

pub(crate) fn key_from(item: &Item) -> Result<StoredKey<'_>, StoreError> {
    let read = Reader { kind: "signing key", item };
    Ok(StoredKey {
        sort: keys::sk(item).unwrap_or_default(),
        created_at: read.moment("createdAt")?,
        ends: item.contains_key(EXPIRES_AT),
        private: read.bytes("private")?,
    })
}

pub(crate) fn public_from(item: &Item) -> Result<PublicKey, StoreError> {
    let read = Reader { kind: "signing key", item };
    let (purpose, kid) = keys::sk(item).and_then(|sk| sk.split_once('#')).unwrap_or_default();
    let purpose = KeyPurpose::ALL.into_iter().find(|known| known.name() == purpose);
    Ok(PublicKey {
        purpose: purpose.ok_or_else(|| StoreError::corrupt("signing key", "unknown purpose"))?,
        kid: kid.to_owned(),
        jwk: read.json("jwk")?,
        created_at: read.moment("createdAt")?,
        // Only beside the others of its purpose.
        unused_from: None,
    })
}

pub(crate) async fn signer_of(
    stored: &[StoredKey<'_>],
    purpose: KeyPurpose,
    keyring: &Keyring,
    now: Timestamp,
) -> Result<Option<EcSigningKey>, StoreError> {
    let keys: Vec<_> = stored.iter().filter(|key| key.is_of(purpose)).collect();
    let Some(key) = rotation::signer(&keys, |key| key.created_at, |key| key.sort, now) else { return Ok(None) };
    let private = keyring.open(key.sort, &Sealed::from_bytes(key.private.to_vec())).await?;
    let kid = key.sort.split_once('#').map(|(_, kid)| kid);
    let key = EcSigningKey::from_pkcs8(kid, &private, SystemRandom::new());
    key.map(Some).map_err(|error| StoreError::corrupt("signing key", error))
}
