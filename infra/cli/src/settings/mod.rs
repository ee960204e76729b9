//! Who is signed in, and where: what the environment says, and else the profiles that `tenday login` wrote.

mod files;
mod profiles;

use std::path::PathBuf;

use directories::ProjectDirs;
use jiff::Timestamp;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::error::TendayError;

pub(crate) use files::{claim, read_private, write_private};
pub(crate) use profiles::{Profile, Profiles};

/// What the environment says. It wins over every profile.
#[derive(Default)]
pub(crate) struct Environment {
    url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Zeroizing<String>>,
    config_dir: Option<PathBuf>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            url: text("TENDAY_URL"),
            client_id: text("TENDAY_CLIENT_ID"),
            client_secret: text("TENDAY_CLIENT_SECRET").map(Zeroizing::new),
            config_dir: text("TENDAY_CONFIG_DIR").map(PathBuf::from),
        }
    }

    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Where the profiles are kept.
    pub(crate) fn profiles(&self) -> Result<PathBuf, TendayError> {
        let directory = match &self.config_dir {
            Some(directory) => directory.clone(),
            None => project()?.config_dir().to_owned(),
        };
        Ok(directory.join("config.toml"))
    }

    /// Where a command keeps what it has to find again, and nobody has to read.
    pub(crate) fn state(&self) -> Result<PathBuf, TendayError> {
        match &self.config_dir {
            Some(directory) => Ok(directory.join("state")),
            None => {
                let project = project()?;
                Ok(project.state_dir().unwrap_or_else(|| project.data_local_dir()).to_owned())
            }
        }
    }

    /// Where to, and as whom, a command goes.
    pub(crate) fn account(&self, profile: &str) -> Result<Account, TendayError> {
        let kept = Profiles::read(&self.profiles()?)?.take(profile);
        let given = match (&self.client_id, &self.client_secret) {
            (Some(id), Some(secret)) => Some(Credentials::Client { id: id.clone(), secret: secret.clone() }),
            (None, None) => None,
            (Some(_), None) => return Err(half("TENDAY_CLIENT_ID", "TENDAY_CLIENT_SECRET")),
            (None, Some(_)) => return Err(half("TENDAY_CLIENT_SECRET", "TENDAY_CLIENT_ID")),
        };
        let url = match (&self.url, &kept) {
            (Some(url), _) => base_url(url)?,
            (None, Some(kept)) => base_url(&kept.url)?,
            (None, None) => return Err(not_signed_in(profile)),
        };
        if let Some(credentials) = given {
            return Ok(Account { url, credentials });
        }
        let kept = kept.ok_or_else(|| not_signed_in(profile))?;
        if base_url(&kept.url)? != url {
            // A secret goes where its owner signed in with it, and nowhere else.
            return Err(TendayError::NotSignedIn(format!(
                "profile {profile} is signed in at {}, and TENDAY_URL says {}: sign in there too (tenday login --profile NAME), or give TENDAY_CLIENT_ID and TENDAY_CLIENT_SECRET",
                kept.url,
                shown(&url)
            )));
        }
        Ok(Account { url, credentials: kept.credentials(profile)? })
    }
}

fn half(given: &str, missing: &str) -> TendayError {
    TendayError::Input(format!("{given} is set, and {missing} is not; a client has both"))
}

fn not_signed_in(profile: &str) -> TendayError {
    TendayError::NotSignedIn(format!(
        "profile {profile} is not signed in: tenday login{}",
        if profile == "default" { String::new() } else { format!(" --profile {profile}") }
    ))
}

fn project() -> Result<ProjectDirs, TendayError> {
    ProjectDirs::from("", "", "tenday").ok_or_else(|| {
        TendayError::Input("there is no home directory; say with TENDAY_CONFIG_DIR where profiles are kept".to_owned())
    })
}

/// Where to, and as whom.
pub(crate) struct Account {
    pub(crate) url: Url,
    pub(crate) credentials: Credentials,
}

pub(crate) enum Credentials {
    Client {
        id: String,
        secret: Zeroizing<String>,
    },
    /// Of a link to the dashboard. It cannot be renewed.
    Session {
        token: Zeroizing<String>,
        expires: Timestamp,
    },
}

/// The API's URL: https, for it is told secrets, or this machine.
pub(crate) fn base_url(text: &str) -> Result<Url, TendayError> {
    let wrong = |why: &str| TendayError::Input(format!("{text:?} is not the URL of an API: {why}"));
    let mut url: Url = text.trim().parse().map_err(|error: url::ParseError| wrong(&error.to_string()))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(wrong("it has to begin with https://, but for this machine")),
        _ => return Err(wrong("it has to begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("only a host and a path belong in it"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// A URL as it is shown.
pub(crate) fn shown(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(directory: &std::path::Path) -> Environment {
        Environment { config_dir: Some(directory.to_owned()), ..Environment::default() }
    }

    fn signed_in(directory: &std::path::Path) -> Environment {
        let environment = environment(directory);
        let path = environment.profiles().unwrap();
        let mut profiles = Profiles::default();
        profiles.put("default", Profile::of_client("https://a.example".to_owned(), "CLI-kept".to_owned(), "kept"));
        profiles.write(&path).unwrap();
        environment
    }

    fn client(account: &Account) -> (&str, &str) {
        match &account.credentials {
            Credentials::Client { id, secret } => (id, secret.as_str()),
            Credentials::Session { .. } => panic!("a session"),
        }
    }

    #[test]
    fn the_environment_wins_over_the_profile() {
        let directory = tempfile::tempdir().unwrap();
        let mut environment = signed_in(directory.path());
        let account = environment.account("default").unwrap();
        assert_eq!((account.url.as_str(), client(&account)), ("https://a.example/", ("CLI-kept", "kept")));

        environment.client_id = Some("CLI-given".to_owned());
        assert!(environment.account("default").is_err(), "an id without its secret");
        environment.client_secret = Some(Zeroizing::new("given".to_owned()));
        assert_eq!(client(&environment.account("default").unwrap()), ("CLI-given", "given"));
        environment.url = Some("https://b.example".to_owned());
        assert_eq!(environment.account("default").unwrap().url.as_str(), "https://b.example/");
        assert_eq!(client(&environment.account("nobody").unwrap()), ("CLI-given", "given"));
    }

    #[test]
    fn a_kept_secret_goes_nowhere_but_where_it_was_kept_for() {
        let directory = tempfile::tempdir().unwrap();
        let mut environment = signed_in(directory.path());
        environment.url = Some("https://b.example".to_owned());
        let refused = environment.account("default").err().unwrap().to_string();
        assert!(refused.contains("https://a.example") && refused.contains("https://b.example"), "{refused}");
        environment.url = Some("https://a.example/".to_owned());
        assert!(environment.account("default").is_ok());
        assert!(matches!(environment.account("nobody"), Err(TendayError::NotSignedIn(_))));
    }

    #[test]
    fn secrets_travel_by_https_or_not_at_all() {
        for good in [
            "https://a.example",
            "https://a.example/stage/",
            "http://127.0.0.1:4310",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "ftp://a",
            "a.example",
            "https://u:p@a.example",
            "https://a/?x=1",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
