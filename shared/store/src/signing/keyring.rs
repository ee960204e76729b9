//! The keyring: one data key, wrapped by KMS and stored wrapped, that seals every secret at rest.
//!
//! It is unwrapped once per sandbox, so a delivery costs no call to KMS. What is sealed is bound to what it is, and to
//! whose (developer and webhook): moved to another row it does not open. What is opened is wiped when it is dropped.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::settings::custom_headers::CustomHeaders;
use tenday_model::signing::signature::Secret;
use tenday_telemetry::metrics;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::aws::random::random;
use crate::aws::services::Aws;
use crate::dynamodb::item::{Item, Reader, b};
use crate::dynamodb::keys;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;

/// A secret as it is stored: a nonce, then what AES-256-GCM made of the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// As it was stored.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Seals and opens secrets.
#[derive(Debug)]
pub struct Keyring {
    rows: Rows,
    kms: aws_sdk_kms::Client,
    wrapping_key: String,
    key: OnceCell<LessSafeKey>,
}

/// KMS binds the wrapped key to this context too.
const CONTEXT: (&str, &str) = ("tenday", "keyring");

impl Keyring {
    /// `wrapping_key`: the KMS key's ARN.
    pub fn new(aws: &Aws, table: String, wrapping_key: String) -> Self {
        Self { rows: Rows::of(aws, table), kms: aws.kms(), wrapping_key, key: OnceCell::new() }
    }

    /// With a data key that is known, so that nothing is asked of anybody.
    #[cfg(test)]
    pub(crate) fn with_key(key: &[u8]) -> Self {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
        let nowhere = Aws::at("http://127.0.0.1:9");
        Self { key: OnceCell::new_with(Some(key)), ..Self::new(&nowhere, String::new(), String::new()) }
    }

    /// Makes the data key if there is none yet. Of two sandboxes that do so at once, one wins and both use its key.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails.
    pub async fn create(&self) -> Result<(), StoreError> {
        if self.wrapped().await?.is_some() {
            return Ok(());
        }
        let made = self
            .kms
            .generate_data_key()
            .key_id(&self.wrapping_key)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT.0, CONTEXT.1)
            .send()
            .await
            .map_err(StoreError::aws("kms:GenerateDataKey"))?;
        let wrapped = made.ciphertext_blob().map(|blob| blob.as_ref().to_vec()).unwrap_or_default();
        self.rows.write(Write::put(keyring_item(wrapped)).only_if_new()).await.map(|_| ())
    }

    /// Has the data key opened ahead; false if there is none yet.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails, or the key may not be used.
    pub async fn is_ready(&self) -> Result<bool, StoreError> {
        if self.wrapped().await?.is_none() {
            return Ok(false);
        }
        self.key().await.map(|_| true)
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
        self.key()
            .await?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(|_| StoreError::Sealed)?;
        sealed.splice(0..0, nonce);
        Ok(Sealed(sealed))
    }

    /// # Errors
    /// [`StoreError::Sealed`] when the secret was sealed under another key or context.
    pub(crate) async fn open(&self, context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (nonce, ciphertext) = sealed.0.split_first_chunk::<NONCE_LEN>().ok_or(StoreError::Sealed)?;
        let mut secret = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .key()
            .await?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut secret)
            .map_err(|_| {
                metrics::keyring_failure();
                StoreError::Sealed
            })?
            .len();
        secret.truncate(length);
        Ok(secret)
    }

    async fn key(&self) -> Result<&LessSafeKey, StoreError> {
        self.key
            .get_or_try_init(|| async {
                let missing = || StoreError::corrupt("keyring", "there is no data key yet");
                let wrapped = self.wrapped().await?.ok_or_else(missing)?;
                let opened = self
                    .kms
                    .decrypt()
                    .key_id(&self.wrapping_key)
                    .ciphertext_blob(Blob::new(wrapped))
                    .encryption_context(CONTEXT.0, CONTEXT.1)
                    .send()
                    .await
                    .map_err(StoreError::aws("kms:Decrypt"))?;
                let key = Zeroizing::new(opened.plaintext.map(Blob::into_inner).unwrap_or_default());
                UnboundKey::new(&AES_256_GCM, &key)
                    .map(LessSafeKey::new)
                    .map_err(|_| StoreError::corrupt("keyring", "the data key is not 32 bytes"))
            })
            .await
            .inspect_err(|_| metrics::keyring_failure())
    }

    async fn wrapped(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let key = keys::key(keys::KEYRING.to_owned(), "DATA-KEY".to_owned());
        self.rows.get(key, Freshness::Latest).await?.map(|item| wrapped_from(&item)).transpose()
    }
}

/// What a webhook's signing secrets are sealed in.
fn secret_context(developer: &DeveloperId, webhook: WebhookId) -> String {
    format!("{developer}/{webhook}")
}

/// What a webhook's own headers are sealed in.
fn headers_context(developer: &DeveloperId, webhook: WebhookId) -> String {
    format!("{developer}/{webhook}/headers")
}

pub(crate) fn keyring_item(wrapped: Vec<u8>) -> Item {
    let mut item = keys::key(keys::KEYRING.to_owned(), "DATA-KEY".to_owned());
    item.insert("wrapped".into(), b(wrapped));
    item
}

pub(crate) fn wrapped_from(item: &Item) -> Result<Vec<u8>, StoreError> {
    Reader { kind: "keyring", item }.bytes("wrapped").map(<[u8]>::to_vec)
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
