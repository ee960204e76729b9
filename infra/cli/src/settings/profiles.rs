//! The profiles: where `tenday login` signed in, and with what.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Credentials;
use super::files::{read_private, write_private};
use crate::error::TendayError;

const HEAD: &str = "# Written by `tenday login`. It holds secrets: nobody else may read it.\n\n";

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// One sign-in: a client's id and secret, or the token of a session.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl Profile {
    pub(crate) fn of_client(url: String, id: String, secret: &str) -> Self {
        Self { url, client_id: Some(id), client_secret: Some(secret.to_owned()), token: None, expires: None }
    }

    pub(crate) fn of_session(url: String, token: &str, expires: Timestamp) -> Self {
        Self { url, client_id: None, client_secret: None, token: Some(token.to_owned()), expires: Some(expires) }
    }

    pub(super) fn credentials(self, name: &str) -> Result<Credentials, TendayError> {
        match self {
            Self { client_id: Some(id), client_secret: Some(secret), .. } => {
                Ok(Credentials::Client { id, secret: Zeroizing::new(secret) })
            }
            Self { token: Some(token), expires: Some(expires), .. } => {
                Ok(Credentials::Session { token: Zeroizing::new(token), expires })
            }
            _ => Err(TendayError::NotSignedIn(format!("profile {name} is incomplete: tenday login --profile {name}"))),
        }
    }
}

impl Profiles {
    /// None yet is as good as empty.
    pub(crate) fn read(path: &Path) -> Result<Self, TendayError> {
        let Some(text) = read_private(path)? else { return Ok(Self::default()) };
        // The cause alone: the whole message would repeat the line that is wrong, and a secret may be in it.
        toml::from_str(&text)
            .map_err(|error| TendayError::File { path: path.to_owned(), cause: error.message().to_owned() })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), TendayError> {
        let text = toml::to_string(self)
            .map_err(|error| TendayError::File { path: path.to_owned(), cause: error.to_string() })?;
        write_private(path, &Zeroizing::new(format!("{HEAD}{}", *Zeroizing::new(text))))
    }

    pub(crate) fn put(&mut self, name: &str, profile: Profile) {
        self.profiles.insert(name.to_owned(), profile);
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Profile> {
        self.profiles.remove(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.profiles.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        assert!(Profiles::read(&path).unwrap().names().is_empty());
        let mut profiles = Profiles::default();
        let secret = "s\"é\n";
        profiles.put("a", Profile::of_client("https://a".to_owned(), "CLI-a".to_owned(), secret));
        profiles.put("b", Profile::of_session("https://b".to_owned(), secret, Timestamp::UNIX_EPOCH));
        profiles.write(&path).unwrap();
        let mut read = Profiles::read(&path).unwrap();
        assert_eq!(read.names(), ["a", "b"]);
        let kept = read.take("a").unwrap().credentials("a").unwrap();
        assert!(matches!(kept, Credentials::Client { id, secret: kept } if id == "CLI-a" && kept.as_str() == secret));
        let kept = read.take("b").unwrap().credentials("b").unwrap();
        assert!(matches!(kept, Credentials::Session { token, .. } if token.as_str() == secret));
    }

    #[test]
    fn a_profile_that_cannot_be_read_shows_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, "[profiles.a]\nurl = \"https://a\"\nclient_secret = \"hidden\" x\n").unwrap();
        let error = Profiles::read(&path).err().unwrap().to_string();
        assert!(error.contains("config.toml") && !error.contains("hidden"), "{error}");
    }
}
