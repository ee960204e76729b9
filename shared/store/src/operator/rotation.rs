//! Rotating keys while everything goes on: another data key, every secret sealed anew under it, the data keys wrapped for
//! another KMS key, new signing keys. Each step is found undone, and done, when it is run again.

use std::collections::BTreeMap;

use aws_sdk_kms::primitives::Blob;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;
use tenday_model::ids::{DeveloperId, WebhookId};

use crate::dynamodb::item::{Item, Reader, b, m, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::operator::scan::Filter;
use crate::signing::keyring::{
    CONTEXT, DataKeys, Keyring, Sealed, headers_context, keyring_key, missing, secret_context,
};

/// What is sealed in the settings table, by the number of the data key that sealed it.
pub type SealedBy = BTreeMap<u32, u64>;

/// The data keys as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringState {
    /// The one that seals.
    pub current: u32,
    pub numbers: Vec<u32>,
    /// The KMS keys that the data keys are wrapped for beside the first.
    pub rewrapped_for: Vec<String>,
}

/// One sealed value: where it stands in its row, and what it is bound to.
struct Place {
    /// From the row down: an attribute, or one within the map of what was deleted.
    path: Vec<&'static str>,
    context: String,
    sealed: Sealed,
}

impl Keyring {
    /// # Errors
    /// When DynamoDB fails, or the row does not read.
    pub async fn state(&self) -> Result<Option<KeyringState>, StoreError> {
        Ok(self.read().await?.map(|keys| KeyringState {
            current: keys.current,
            numbers: keys.wrapped.into_keys().collect(),
            rewrapped_for: keys.rewrapped.into_keys().collect(),
        }))
    }

    /// Makes another data key, which seals from now on. A sandbox learns of it when it meets what it sealed. Of two
    /// operators at once, one makes it. Answers the number of the key that seals.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails.
    pub async fn add_key(&self) -> Result<u32, StoreError> {
        let was = self.read().await?.ok_or_else(missing)?;
        let number = was.wrapped.keys().max().map_or(1, |newest| newest + 1);
        let (plain, wrapped) = self.generate().await?;
        let mut keys = was.clone();
        keys.current = number;
        keys.wrapped.insert(number, wrapped);
        for (arn, wrapped) in &mut keys.rewrapped {
            wrapped.insert(number, self.wrap(arn, &plain).await?);
        }
        self.replace(&was, &keys).await?;
        self.forget().await;
        Ok(number)
    }

    /// Wraps every data key for another KMS key too, which a deployment then opens them with.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails.
    pub async fn wrap_for(&self, arn: &str) -> Result<(), StoreError> {
        let was = self.read().await?.ok_or_else(missing)?;
        let mut keys = was.clone();
        for number in was.wrapped.keys() {
            let wrapped = was.wrapped(&self.wrapping_key, *number).ok_or_else(missing)?;
            let plain = self.unwrap(wrapped).await?;
            let again = self.wrap(arn, &plain).await?;
            keys.rewrapped.entry(arn.to_owned()).or_default().insert(*number, again);
        }
        self.replace(&was, &keys).await
    }

    async fn wrap(&self, arn: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let wrapped = self.kms.encrypt().key_id(arn).plaintext(Blob::new(plain));
        let wrapped = wrapped.encryption_context(CONTEXT.0, CONTEXT.1).send().await;
        let wrapped = wrapped.map_err(StoreError::aws("kms:Encrypt"))?;
        Ok(wrapped.ciphertext_blob.map(Blob::into_inner).unwrap_or_default())
    }

    /// Stores the data keys over those that were read. Those that are there stay in any case.
    async fn replace(&self, was: &DataKeys, keys: &DataKeys) -> Result<(), StoreError> {
        let by_number = |keys: &BTreeMap<u32, Vec<u8>>| -> Item {
            keys.iter().map(|(number, wrapped)| (number.to_string(), b(wrapped.clone()))).collect()
        };
        let later: BTreeMap<u32, Vec<u8>> =
            keys.wrapped.iter().filter(|(number, _)| **number > 1).map(|(n, w)| (*n, w.clone())).collect();
        let mut set = vec![("current", n(keys.current)), ("later", m(by_number(&later)))];
        if !keys.rewrapped.is_empty() {
            let by_key = keys.rewrapped.iter().map(|(arn, keys)| (arn.clone(), m(by_number(keys))));
            set.push(("rewrapped", m(by_key.collect())));
        }
        let change = Write::change(keyring_key(), set, &[]).value(":was", n(was.current));
        let first = if was.current == 1 { "attribute_not_exists(#current) OR " } else { "" };
        let change = change.only_if(format!("attribute_exists(pk) AND ({first}#current = :was)"));
        if self.rows.write(change).await?.is_done() {
            Ok(())
        } else {
            Err(StoreError::Contended { what: "the keyring" })
        }
    }

    /// Seals anew whatever a scan of the settings finds under another data key than the one that seals now. What was changed
    /// meanwhile is found by the next scan. Answers how many values were sealed anew.
    ///
    /// # Errors
    /// When DynamoDB or KMS fails, or something does not open.
    pub async fn reseal(&self) -> Result<u64, StoreError> {
        let current = self.state().await?.ok_or_else(missing)?.current;
        let (mut done, mut after) = (0, None);
        loop {
            let page = self.rows.scan(&sealing(), after).await?;
            for item in &page.items {
                for place in places(item)? {
                    if place.sealed.key_number() == current {
                        continue;
                    }
                    let secret = self.open(&place.context, &place.sealed).await?;
                    let sealed = self.seal(&place.context, &secret).await?;
                    done += u64::from(self.put_back(item, &place, &sealed).await?);
                }
                done += self.reseal_old_secrets(item, current).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(done);
            }
        }
    }

    /// Over the very value that was opened.
    async fn put_back(&self, item: &Item, place: &Place, sealed: &Sealed) -> Result<bool, StoreError> {
        let names: Vec<String> = (0..place.path.len()).map(|at| format!("#p{at}")).collect();
        let path = names.join(".");
        let mut update = Write::update(keys::key_of(item), &format!("SET {path} = :sealed"))
            .only_if(format!("{path} = :was"))
            .value(":sealed", b(sealed.bytes()))
            .value(":was", b(place.sealed.bytes()));
        for (name, attribute) in names.iter().zip(&place.path) {
            update = update.name(name, attribute);
        }
        Ok(self.rows.write(update).await?.is_done())
    }

    /// The secrets that still sign beside a webhook's own: a list, which is replaced as a whole.
    async fn reseal_old_secrets(&self, item: &Item, current: u32) -> Result<u64, StoreError> {
        let Some((path, row, context)) = webhook_of(item) else { return Ok(0) };
        let Some(text) = (Reader { kind: "webhook", item: row }).optional_text("oldSecrets") else { return Ok(0) };
        let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt("webhook", error);
        let mut list: Vec<Value> = serde_json::from_str(text).map_err(|error| corrupt(&error))?;
        let mut done = 0;
        for old in &mut list {
            let bytes = BASE64_STANDARD.decode(old["sealed"].as_str().unwrap_or_default());
            let sealed = Sealed::from_bytes(bytes.map_err(|error| corrupt(&error))?);
            if sealed.key_number() != current {
                let secret = self.open(&context, &sealed).await?;
                old["sealed"] = BASE64_STANDARD.encode(self.seal(&context, &secret).await?.bytes()).into();
                done += 1;
            }
        }
        if done == 0 {
            return Ok(0);
        }
        let path = if path.is_empty() { "#old" } else { "#was.#old" };
        let list = serde_json::to_string(&list).map_err(|error| corrupt(&error))?;
        let mut update = Write::update(keys::key_of(item), &format!("SET {path} = :list"))
            .only_if(format!("{path} = :before"))
            .name("#old", "oldSecrets")
            .value(":list", s(list))
            .value(":before", s(text));
        if path.starts_with("#was") {
            update = update.name("#was", "was");
        }
        Ok(if self.rows.write(update).await?.is_done() { done } else { 0 })
    }

    /// How many sealed values there are under each data key: a scan of the settings.
    ///
    /// # Errors
    /// When DynamoDB fails, or a row does not read.
    pub async fn sealed_by(&self) -> Result<SealedBy, StoreError> {
        let (mut by, mut after) = (SealedBy::new(), None);
        loop {
            let page = self.rows.scan(&sealing(), after).await?;
            for item in &page.items {
                for place in places(item)? {
                    *by.entry(place.sealed.key_number()).or_default() += 1;
                }
                let old = webhook_of(item).and_then(|(_, row, _)| {
                    let list = (Reader { kind: "webhook", item: row }).optional_text("oldSecrets")?;
                    serde_json::from_str::<Vec<Value>>(list).ok()
                });
                for old in old.into_iter().flatten() {
                    let bytes = BASE64_STANDARD.decode(old["sealed"].as_str().unwrap_or_default()).unwrap_or_default();
                    *by.entry(Sealed::from_bytes(bytes).key_number()).or_default() += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(by);
            }
        }
    }
}

/// Rows that hold something sealed.
fn sealing() -> Filter {
    Filter {
        expression: "attribute_exists(#secret) OR attribute_exists(#was.#secret) OR attribute_exists(#private)"
            .to_owned(),
        names: vec![("#secret", "secret"), ("#was", "was"), ("#private", "private")],
        values: Vec::new(),
        only: Vec::new(),
    }
}

/// The webhook that a row is, or that a deletion holds: where it is, itself, and what its secrets are bound to.
fn webhook_of(item: &Item) -> Option<(Vec<&'static str>, &Item, String)> {
    let developer: DeveloperId = keys::pk(item)?.parse().ok()?;
    let id = |row: &Item| keys::sk(row)?.strip_prefix(keys::SETTINGS_PREFIX)?.parse::<WebhookId>().ok();
    if let Some(webhook) = id(item) {
        return Some((Vec::new(), item, secret_context(&developer, webhook)));
    }
    let was = item.get("was")?.as_m().ok()?;
    id(was).map(|webhook| (vec!["was"], was, secret_context(&developer, webhook)))
}

/// Everything that is sealed in a row, but for old secrets.
fn places(item: &Item) -> Result<Vec<Place>, StoreError> {
    let mut places = Vec::new();
    let of = |row: &Item, name: &str| {
        (Reader { kind: "sealed", item: row }).optional_bytes(name).map(|bytes| Sealed::from_bytes(bytes.to_vec()))
    };
    if keys::pk(item) == Some(keys::SIGNING_KEYS) {
        if let Some(sealed) = of(item, "private") {
            let context = keys::sk(item).unwrap_or_default().to_owned();
            places.push(Place { path: vec!["private"], context, sealed });
        }
        return Ok(places);
    }
    let Some((path, row, secret)) = webhook_of(item) else { return Ok(places) };
    let developer: DeveloperId = keys::pk(item)
        .and_then(|pk| pk.parse().ok())
        .ok_or_else(|| StoreError::corrupt("webhook", "it has no developer"))?;
    let webhook: Option<WebhookId> =
        keys::sk(row).and_then(|sk| sk.strip_prefix(keys::SETTINGS_PREFIX)).and_then(|id| id.parse().ok());
    let headers = webhook.map(|webhook| headers_context(&developer, webhook)).unwrap_or_default();
    for (name, context) in [("secret", secret), ("headers", headers)] {
        if let Some(sealed) = of(row, name) {
            let path = path.iter().copied().chain([name]).collect();
            places.push(Place { path, context, sealed });
        }
    }
    Ok(places)
}
