//! The keyring: data keys, wrapped by KMS and stored wrapped, the newest of which seals every secret at rest.
//!
//! Each is unwrapped once per sandbox, so a delivery costs no call to KMS. What is sealed is bound to what it is, and to
//! whose (developer and webhook): moved to another row it does not open. What is opened is wiped when it is dropped.
//!
//! There is one data key until an operator makes another. What a later one seals begins with that key's number; a sandbox
//! that meets a number it does not know reads the keyring once more, and so learns of the new key.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::settings::custom_headers::CustomHeaders;
use tenday_model::signing::signature::Secret;
use tenday_telemetry::metrics;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::aws::random::random;
use crate::aws::services::Aws;
use crate::dynamodb::item::{Item, Reader, b, m, n};
use crate::dynamodb::keys;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;

/// A secret as it is stored: a nonce, then what AES-256-GCM made of the secret; before both, the number of the data key,
/// if that is not the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// As it was stored.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which data key sealed it, and what that made; none if it does not name one. A nonce that happens to look like a
    /// name is told by its not opening.
    fn named(&self) -> Option<(u32, &[u8])> {
        let rest = self.0.strip_prefix(&NAMED)?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*number), rest)).filter(|(number, _)| *number > FIRST)
    }

    /// Which data key sealed it, as far as can be told without opening it.
    #[cfg(feature = "operator")]
    pub(crate) fn key_number(&self) -> u32 {
        self.named().map_or(FIRST, |(number, _)| number)
    }
}

/// How a secret begins that names its data key.
const NAMED: [u8; 4] = *b"tdk\x01";

/// The number of the first data key, which what it seals does not name: it was all there was.
const FIRST: u32 = 1;

/// Seals and opens secrets.
#[derive(Debug)]
pub struct Keyring {
    pub(crate) rows: Rows,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) wrapping_key: String,
    known: Mutex<Known>,
}

/// What a sandbox knows of the data keys.
#[derive(Debug, Default)]
struct Known {
    stored: Option<DataKeys>,
    opened: BTreeMap<u32, Arc<LessSafeKey>>,
}

/// The data keys as they are stored: wrapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DataKeys {
    /// The one that seals.
    pub(crate) current: u32,
    /// By number, wrapped by the KMS key that the deployment began with.
    pub(crate) wrapped: BTreeMap<u32, Vec<u8>>,
    /// By another KMS key's ARN, and then by number, wrapped by that one.
    pub(crate) rewrapped: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
}

impl DataKeys {
    /// A data key as this KMS key wrapped it.
    pub(crate) fn wrapped(&self, wrapping_key: &str, number: u32) -> Option<&Vec<u8>> {
        let own = self.rewrapped.get(wrapping_key).and_then(|wrapped| wrapped.get(&number));
        own.or_else(|| self.wrapped.get(&number))
    }
}

/// KMS binds the wrapped key to this context too.
pub(crate) const CONTEXT: (&str, &str) = ("tenday", "keyring");

impl Keyring {
    /// `wrapping_key`: the KMS key's ARN.
    pub fn new(aws: &Aws, table: String, wrapping_key: String) -> Self {
        Self { rows: Rows::of(aws, table), kms: aws.kms(), wrapping_key, known: Mutex::default() }
    }

    /// With a data key that is known, so that nothing is asked of anybody.
    #[cfg(test)]
    pub(crate) fn with_key(key: &[u8]) -> Self {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
        let nowhere = Aws::at("http://127.0.0.1:9");
        let stored = DataKeys { current: FIRST, wrapped: BTreeMap::from([(FIRST, Vec::new())]), ..DataKeys::default() };
        let known = Known { stored: Some(stored), opened: BTreeMap::from([(FIRST, Arc::new(key))]) };
        Self { known: Mutex::new(known), ..Self::new(&nowhere, String::new(), String::new()) }
    }

    /// Makes the data key if there is none yet. Of two sandboxes that do so at once, one wins and both use its key.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails.
    pub async fn create(&self) -> Result<(), StoreError> {
        if self.read().await?.is_some() {
            return Ok(());
        }
        let (_, wrapped) = self.generate().await?;
        let keys = DataKeys { current: FIRST, wrapped: BTreeMap::from([(FIRST, wrapped)]), ..DataKeys::default() };
        self.rows.write(Write::put(keyring_item(&keys)).only_if_new()).await.map(|_| ())
    }

    /// A new data key, as it is and wrapped.
    pub(crate) async fn generate(&self) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), StoreError> {
        let made = self
            .kms
            .generate_data_key()
            .key_id(&self.wrapping_key)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT.0, CONTEXT.1)
            .send()
            .await
            .map_err(StoreError::aws("kms:GenerateDataKey"))?;
        let bytes = |blob: Option<Blob>| blob.map(Blob::into_inner).unwrap_or_default();
        Ok((Zeroizing::new(bytes(made.plaintext)), bytes(made.ciphertext_blob)))
    }

    /// Has the data key opened ahead; false if there is none yet.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails, or the key may not be used.
    pub async fn is_ready(&self) -> Result<bool, StoreError> {
        let Some(stored) = self.read().await? else { return Ok(false) };
        self.known.lock().await.stored = Some(stored);
        self.current().await.map(|_| true)
    }

    /// Seals a webhook's signing secret.
    ///
    /// # Errors
    /// When the keyring cannot be read, or randomness fails.
    pub async fn seal_webhook_secret(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        secret: &Secret,
    ) -> Result<Sealed, StoreError> {
        self.seal(&secret_context(developer, webhook), secret.reveal().as_bytes()).await
    }

    /// Opens a signing secret of this webhook, the current one or an old one.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it is another's.
    pub async fn open_webhook_secret(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        sealed: &Sealed,
    ) -> Result<Secret, StoreError> {
        let opened = self.open(&secret_context(developer, webhook), sealed).await?;
        let text = std::str::from_utf8(&opened).map_err(|error| StoreError::corrupt("signing secret", error))?;
        Secret::parse(text).map_err(|error| StoreError::corrupt("signing secret", error))
    }

    /// Seals the headers that a developer adds to a webhook's requests.
    ///
    /// # Errors
    /// When the keyring cannot be read, or randomness fails.
    pub async fn seal_webhook_headers(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        headers: &CustomHeaders,
    ) -> Result<Sealed, StoreError> {
        self.seal(&headers_context(developer, webhook), &headers.reveal()).await
    }

    /// Opens the headers of this webhook.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when they are another's.
    pub async fn open_webhook_headers(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        sealed: &Sealed,
    ) -> Result<CustomHeaders, StoreError> {
        let opened = self.open(&headers_context(developer, webhook), sealed).await?;
        CustomHeaders::from_revealed(&opened)
            .ok_or_else(|| StoreError::corrupt("webhook's headers", "they do not read"))
    }

    /// # Errors
    /// When the keyring cannot be read, or randomness fails.
    pub(crate) async fn seal(&self, context: &str, secret: &[u8]) -> Result<Sealed, StoreError> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = secret.to_vec();
        let (number, key) = self.current().await?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(|_| StoreError::Sealed)?;
        sealed.splice(0..0, nonce);
        if number > FIRST {
            sealed.splice(0..0, NAMED.into_iter().chain(number.to_be_bytes()));
        }
        Ok(Sealed(sealed))
    }

    /// # Errors
    /// [`StoreError::Sealed`] when the secret was sealed under another key or context.
    pub(crate) async fn open(&self, context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        if let Some((number, bytes)) = sealed.named()
            && let Some(key) = self.key(number).await?
            && let Ok(secret) = open_with(&key, context, bytes)
        {
            return Ok(secret);
        }
        let key = self.key(FIRST).await?.ok_or(StoreError::Sealed);
        key.and_then(|key| open_with(&key, context, &sealed.0)).inspect_err(|_| metrics::keyring_failure())
    }

    /// The data key that seals, and its number.
    async fn current(&self) -> Result<(u32, Arc<LessSafeKey>), StoreError> {
        let mut known = self.known.lock().await;
        let opened = async {
            let stored = match &known.stored {
                Some(stored) => stored.clone(),
                None => self.read().await?.ok_or_else(missing)?,
            };
            let number = stored.current;
            known.stored = Some(stored);
            self.opened(&mut known, number).await?.map(|key| (number, key)).ok_or_else(missing)
        };
        opened.await.inspect_err(|_| metrics::keyring_failure())
    }

    /// The data key of this number. One that is not known is looked for in the keyring as it is now, once.
    async fn key(&self, number: u32) -> Result<Option<Arc<LessSafeKey>>, StoreError> {
        let mut known = self.known.lock().await;
        let opened = async {
            if let Some(key) = self.opened(&mut known, number).await? {
                return Ok(Some(key));
            }
            // Rare, and large: an attempt is not made larger by it.
            known.stored = Some(Box::pin(self.read()).await?.ok_or_else(missing)?);
            self.opened(&mut known, number).await
        };
        opened.await.inspect_err(|_| metrics::keyring_failure())
    }

    /// A data key that is known; none if this sandbox has not read of it.
    async fn opened(&self, known: &mut Known, number: u32) -> Result<Option<Arc<LessSafeKey>>, StoreError> {
        if let Some(key) = known.opened.get(&number) {
            return Ok(Some(Arc::clone(key)));
        }
        let wrapped = known.stored.as_ref().and_then(|stored| stored.wrapped(&self.wrapping_key, number));
        let Some(wrapped) = wrapped else { return Ok(None) };
        // As rare, and as large.
        let key = Box::pin(self.unwrap(wrapped)).await?;
        let key = UnboundKey::new(&AES_256_GCM, &key).map(LessSafeKey::new);
        let key = Arc::new(key.map_err(|_| StoreError::corrupt("keyring", "the data key is not 32 bytes"))?);
        known.opened.insert(number, Arc::clone(&key));
        Ok(Some(key))
    }

    pub(crate) async fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self
            .kms
            .decrypt()
            .key_id(&self.wrapping_key)
            .ciphertext_blob(Blob::new(wrapped))
            .encryption_context(CONTEXT.0, CONTEXT.1)
            .send()
            .await
            .map_err(StoreError::aws("kms:Decrypt"))?;
        Ok(Zeroizing::new(opened.plaintext.map(Blob::into_inner).unwrap_or_default()))
    }

    /// Has what is known of the data keys read again.
    #[cfg(feature = "operator")]
    pub(crate) async fn forget(&self) {
        *self.known.lock().await = Known::default();
    }

    pub(crate) async fn read(&self) -> Result<Option<DataKeys>, StoreError> {
        self.rows.get(keyring_key(), Freshness::Latest).await?.map(|item| keyring_from(&item)).transpose()
    }
}

pub(crate) fn missing() -> StoreError {
    StoreError::corrupt("keyring", "there is no data key yet")
}

fn open_with(key: &LessSafeKey, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(StoreError::Sealed)?;
    let mut secret = Zeroizing::new(ciphertext.to_vec());
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut secret)
        .map_err(|_| StoreError::Sealed)?
        .len();
    secret.truncate(length);
    Ok(secret)
}

/// What a webhook's signing secrets are sealed in.
pub(crate) fn secret_context(developer: &DeveloperId, webhook: WebhookId) -> String {
    [developer.as_str(), "/", &webhook.to_string()].concat()
}

/// What a webhook's own headers are sealed in.
pub(crate) fn headers_context(developer: &DeveloperId, webhook: WebhookId) -> String {
    format!("{developer}/{webhook}/headers")
}

pub(crate) fn keyring_key() -> Item {
    keys::key(keys::KEYRING.to_owned(), "DATA-KEY".to_owned())
}

/// The attribute that holds the first data key; the others are in a map beside it.
const WRAPPED: &str = "wrapped";

pub(crate) fn keyring_item(keys: &DataKeys) -> Item {
    let mut item = keyring_key();
    let by_number = |keys: &BTreeMap<u32, Vec<u8>>| -> Item {
        keys.iter().map(|(number, wrapped)| (number.to_string(), b(wrapped.clone()))).collect()
    };
    let mut later = keys.wrapped.clone();
    if let Some(first) = later.remove(&FIRST) {
        item.insert(WRAPPED.into(), b(first));
    }
    if !later.is_empty() {
        item.insert("later".into(), m(by_number(&later)));
        item.insert("current".into(), n(keys.current));
    }
    if !keys.rewrapped.is_empty() {
        let by_key = keys.rewrapped.iter().map(|(arn, keys)| (arn.clone(), m(by_number(keys))));
        item.insert("rewrapped".into(), m(by_key.collect()));
    }
    item
}

pub(crate) fn keyring_from(item: &Item) -> Result<DataKeys, StoreError> {
    let read = Reader { kind: "keyring", item };
    let corrupt = || StoreError::corrupt("keyring", "a data key does not read");
    let by_number = |map: &Item| -> Result<BTreeMap<u32, Vec<u8>>, StoreError> {
        map.iter()
            .map(|(number, wrapped)| {
                let number = number.parse().map_err(|_| corrupt())?;
                Ok((number, wrapped.as_b().map_err(|_| corrupt())?.as_ref().to_vec()))
            })
            .collect()
    };
    let map = |name: &str| item.get(name).and_then(|value| value.as_m().ok());
    let mut wrapped = map("later").map(by_number).transpose()?.unwrap_or_default();
    wrapped.insert(FIRST, read.bytes(WRAPPED)?.to_vec());
    let mut rewrapped = BTreeMap::new();
    for (arn, keys) in map("rewrapped").into_iter().flatten() {
        rewrapped.insert(arn.clone(), by_number(keys.as_m().map_err(|_| corrupt())?)?);
    }
    Ok(DataKeys { current: read.optional_number("current")?.unwrap_or(FIRST), wrapped, rewrapped })
}

#[cfg(test)]
mod tests {
    use tenday_model::ids::WebhookId;
    use tenday_model::settings::custom_headers::{CustomHeaders, HeadersInput};

    use super::*;

    fn keyring() -> Keyring {
        Keyring::with_key(&[7; 32])
    }

    fn developer(name: &str) -> DeveloperId {
        name.parse().unwrap()
    }

    fn webhook(seed: u8) -> WebhookId {
        WebhookId::new(jiff::Timestamp::UNIX_EPOCH, [seed; 10])
    }

    #[tokio::test]
    async fn a_secret_opens_for_its_own_webhook_and_for_no_other() {
        let secret = Secret::from_random([1; 32]);
        let (keyring, own) = (keyring(), developer("DEV-a"));
        let sealed = keyring.seal_webhook_secret(&own, webhook(1), &secret).await.unwrap();
        assert_eq!(keyring.open_webhook_secret(&own, webhook(1), &sealed).await.unwrap(), secret);
        for (developer, webhook) in [(own.clone(), webhook(2)), (developer("DEV-b"), webhook(1))] {
            let moved = keyring.open_webhook_secret(&developer, webhook, &sealed).await;
            assert!(matches!(moved, Err(StoreError::Sealed)), "{developer} {webhook}");
        }
        let another = Keyring::with_key(&[8; 32]);
        assert!(matches!(another.open_webhook_secret(&own, webhook(1), &sealed).await, Err(StoreError::Sealed)));
    }

    /// As a sandbox has it that knows both keys, and seals with the second.
    fn rotated() -> Keyring {
        let key = |byte| Arc::new(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[byte; 32]).unwrap()));
        let wrapped = BTreeMap::from([(1, Vec::new()), (2, Vec::new())]);
        let stored = DataKeys { current: 2, wrapped, ..DataKeys::default() };
        let known = Known { stored: Some(stored), opened: BTreeMap::from([(1, key(7)), (2, key(9))]) };
        Keyring { known: Mutex::new(known), ..keyring() }
    }

    #[tokio::test]
    async fn a_second_data_key_seals_and_the_first_opens_what_it_sealed() {
        let (before, after) = (keyring(), rotated());
        let old = before.seal("a/b", b"a secret").await.unwrap();
        let new = after.seal("a/b", b"a secret").await.unwrap();
        assert_eq!((old.named(), new.named().map(|(number, _)| number)), (None, Some(2)));
        for sealed in [&old, &new] {
            assert_eq!(after.open("a/b", sealed).await.unwrap().as_slice(), b"a secret");
            assert!(matches!(after.open("a/c", sealed).await, Err(StoreError::Sealed)));
        }
        // By chance, what the first key sealed looks as if another had.
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&NAMED);
        nonce[7] = 2;
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map(LessSafeKey::new).unwrap();
        let mut sealed = b"a secret".to_vec();
        let nonce_of = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_of, Aad::from("a/b"), &mut sealed).unwrap();
        sealed.splice(0..0, nonce);
        let sealed = Sealed(sealed);
        assert!(sealed.named().is_some());
        assert_eq!(after.open("a/b", &sealed).await.unwrap().as_slice(), b"a secret");
    }

    #[tokio::test]
    async fn headers_open_as_headers_and_not_as_a_secret() {
        let input: HeadersInput = serde_json::from_str(r#"{"x-key": "a \"quoted\" value"}"#).unwrap();
        let headers = CustomHeaders::check(input).unwrap().unwrap();
        let (keyring, own) = (keyring(), developer("DEV-a"));
        let sealed = keyring.seal_webhook_headers(&own, webhook(1), &headers).await.unwrap();
        assert_eq!(keyring.open_webhook_headers(&own, webhook(1), &sealed).await.unwrap(), headers);
        assert!(keyring.open_webhook_headers(&own, webhook(2), &sealed).await.is_err());
        assert!(matches!(keyring.open_webhook_secret(&own, webhook(1), &sealed).await, Err(StoreError::Sealed)));
    }
}
