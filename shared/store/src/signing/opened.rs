//! Webhooks' signing secrets, opened: a sandbox signs for the same webhooks again and again, often for one ten times in a
//! batch, and opening a secret and making its key takes as long as hashing a third of a usual body.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::signing::signature::Secret;

use crate::error::StoreError;
use crate::signing::keyring::{Keyring, Sealed};

/// So many are kept at most, of some two kilobytes each. Then all are forgotten: which of them come again, nobody knows.
const MOST: usize = 500;

/// The secrets that a sandbox has opened, wiped with it.
#[derive(Default)]
pub struct OpenedSecrets(Mutex<BTreeMap<Sealed, Opened>>);

/// A secret, and whose it is: what is sealed for one webhook does not open for another, known or not.
struct Opened {
    developer: DeveloperId,
    webhook: WebhookId,
    secret: Secret,
}

impl OpenedSecrets {
    /// The secret of this webhook that was sealed so.
    ///
    /// # Errors
    /// When it does not open, or the keyring cannot be read.
    pub async fn of(
        &self,
        keyring: &Keyring,
        developer: &DeveloperId,
        webhook: WebhookId,
        sealed: &Sealed,
    ) -> Result<Secret, StoreError> {
        if let Some(secret) = self.known(developer, webhook, sealed) {
            return Ok(secret);
        }
        let secret = keyring.open_webhook_secret(developer, webhook, sealed).await?;
        let opened = Opened { developer: developer.clone(), webhook, secret: secret.clone() };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(sealed.clone(), opened);
        Ok(secret)
    }

    fn known(&self, developer: &DeveloperId, webhook: WebhookId, sealed: &Sealed) -> Option<Secret> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = known.get(sealed)?;
        (opened.webhook == webhook && opened.developer == *developer).then(|| opened.secret.clone())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn webhook(number: u8) -> WebhookId {
        WebhookId::new(Timestamp::UNIX_EPOCH, [number; 10])
    }

    #[tokio::test]
    async fn a_secret_that_was_opened_before_opens_for_its_own_webhook_and_for_no_other() {
        let (keyring, opened) = (Keyring::with_key(&[7; 32]), OpenedSecrets::default());
        let (own, other): (DeveloperId, DeveloperId) = ("DEV-a".parse().unwrap(), "DEV-b".parse().unwrap());
        let secret = Secret::from_random([1; 32]);
        let sealed = keyring.seal_webhook_secret(&own, webhook(1), &secret).await.unwrap();
        for _ in 0..2 {
            assert_eq!(opened.of(&keyring, &own, webhook(1), &sealed).await.unwrap(), secret);
            for (developer, webhook) in [(&own, webhook(2)), (&other, webhook(1))] {
                let moved = opened.of(&keyring, developer, webhook, &sealed).await;
                assert!(matches!(moved, Err(StoreError::Sealed)), "{moved:?}");
            }
        }
        // Known: the keyring is not asked again, and this one could not open it.
        let without = Keyring::with_key(&[8; 32]);
        assert_eq!(opened.of(&without, &own, webhook(1), &sealed).await.unwrap(), secret);
    }

    #[tokio::test]
    async fn no_more_are_kept_than_there_is_room_for() {
        let (keyring, opened) = (Keyring::with_key(&[7; 32]), OpenedSecrets::default());
        let own: DeveloperId = "DEV-a".parse().unwrap();
        for number in 0..=MOST {
            let secret = Secret::from_random([u8::try_from(number % 251).unwrap(); 32]);
            let sealed = keyring.seal_webhook_secret(&own, webhook(1), &secret).await.unwrap();
            assert_eq!(opened.of(&keyring, &own, webhook(1), &sealed).await.unwrap(), secret);
            assert!(opened.0.lock().unwrap().len() <= MOST);
        }
    }
}
