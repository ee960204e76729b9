//! Making a client.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tenday_api::scopes;
use tenday_model::ids::{ClientId, DeveloperId};
use tenday_store::{Client, StoreError, random, secret_digest};
use uuid::Uuid;

use crate::error::AdminError;

/// A new client and its secret, which nothing keeps.
pub(crate) fn new(developer: Option<DeveloperId>, asked: &[String]) -> Result<(Client, String), AdminError> {
    let scopes = allowed(developer.is_some(), asked)?;
    // Ordered by time, so that a list of them is too, and the time of creation can be read back.
    let id = format!("{}{}", ClientId::PREFIX, Uuid::now_v7());
    let id = id.parse().map_err(|error| StoreError::Corrupt { kind: "client", cause: format!("{error}") })?;
    let secret = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let client = Client { id, developer, scopes, secret_digest: secret_digest(&secret) };
    Ok((client, secret))
}

/// When a client was created, if it was created here: the clients of a local run have ids that say nothing of it.
pub(crate) fn created_at(id: &ClientId) -> Option<Timestamp> {
    let uuid = Uuid::try_parse(id.as_str().strip_prefix(ClientId::PREFIX)?).ok()?;
    let (seconds, nanoseconds) = uuid.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

/// The scopes that were asked for, each once, or all that the owner may have. A developer's client can never have one
/// of the platform's, whose bearer may name any developer; and the platform's clients have no configuration.
fn allowed(is_developer: bool, asked: &[String]) -> Result<Vec<String>, AdminError> {
    const DEVELOPER: &[&str] = &scopes::DEVELOPER;
    const PLATFORM: &[&str] = &scopes::PLATFORM;
    let (owner, all) =
        if is_developer { ("a developer's client", DEVELOPER) } else { ("the platform's client", PLATFORM) };
    if let Some(wrong) = asked.iter().find(|scope| !all.contains(&scope.as_str())) {
        return Err(AdminError::Scope { owner, scope: wrong.clone(), allowed: all });
    }
    let wanted = |scope: &str| asked.is_empty() || asked.iter().any(|asked| asked == scope);
    Ok(all.iter().filter(|scope| wanted(scope)).map(|scope| (*scope).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn a_developers_client_never_has_a_scope_of_the_platforms() {
        for scope in scopes::PLATFORM {
            assert!(matches!(allowed(true, &asked(&["configuration:read", scope])), Err(AdminError::Scope { .. })));
        }
        for scope in scopes::DEVELOPER {
            assert!(matches!(allowed(false, &asked(&[scope])), Err(AdminError::Scope { .. })));
        }
        let error = allowed(true, &asked(&["admin"])).unwrap_err().to_string();
        assert!(error.contains("`admin`") && error.contains("links:test"), "{error}");
    }

    #[test]
    fn a_client_has_what_was_asked_for_or_all() {
        assert_eq!(allowed(true, &[]).unwrap(), scopes::DEVELOPER);
        assert_eq!(allowed(false, &[]).unwrap(), scopes::PLATFORM);
        assert_eq!(allowed(true, &asked(&["links:test", "links:test"])).unwrap(), ["links:test"]);
    }

    #[test]
    fn a_secret_is_long_fits_in_a_form_and_is_not_stored() {
        let (client, secret) = new(Some("DEV-a".parse().unwrap()), &[]).unwrap();
        assert_eq!(secret.len(), 43);
        assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert!(client.has_secret(&secret) && !client.has_secret(""));
        assert!(!format!("{client:?}").contains(&secret));
        assert_ne!(new(None, &[]).unwrap().1, secret);
    }

    #[test]
    fn an_id_tells_when_its_client_was_created() {
        let (client, _) = new(None, &[]).unwrap();
        let age = Timestamp::now().duration_since(created_at(&client.id).unwrap());
        assert!((0..60).contains(&age.as_secs()), "{age}");
        assert_eq!(created_at(&"CLI-local-platform".parse().unwrap()), None);
    }
}
