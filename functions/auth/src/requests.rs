//! A request for a token: RFC 6749's client credentials grant (section 4.4), by form or by HTTP Basic, or as JSON, which
//! LinkMoney's own clients send; or the code of a session. And the body that opens a session.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tenday_api::{ApiError, ErrorCode, LIFETIME, LONGEST_LIFETIME, Opener, scopes};
use tenday_model::error::ValidationError;
use tenday_model::ids::DeveloperId;
use tenday_model::whole::Whole;
use tenday_store::Session;
use utoipa::ToSchema;

use crate::answers::Refusal;

/// The largest body that is read.
const MAX_FORM: usize = 8 * 1024;

/// What a token is asked for with.
pub(crate) enum Grant {
    Client(Credentials),
    /// A session's.
    Code(String),
}

/// A client's id and secret, and the scopes that it asks for.
pub(crate) struct Credentials {
    pub(crate) client: String,
    pub(crate) secret: String,
    scope: Option<String>,
}

/// The client credentials grant of RFC 6749, or its authorization code grant. What is not listed here is ignored, as the
/// RFC says.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = TokenRequest)]
pub(crate) struct Form {
    #[schema(value_type = GrantType)]
    grant_type: Option<String>,
    /// Unless the client's id and secret are in the Authorization header.
    #[schema(value_type = String, required = false, examples("CLI-local-developer"))]
    client_id: Option<String>,
    #[schema(value_type = String, required = false, format = Password)]
    client_secret: Option<String>,
    /// Scopes, separated by spaces; unless given, all that the client has.
    #[schema(value_type = String, required = false)]
    scope: Option<String>,
    /// With `authorization_code`: what follows `#code=` in a link to the dashboard.
    #[schema(value_type = String, required = false, format = Password)]
    code: Option<String>,
}

/// The grants there are.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only stands in the document")]
enum GrantType {
    ClientCredentials,
    AuthorizationCode,
}

/// Whom to let into the dashboard, and what for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewSession)]
pub(crate) struct Open {
    developer_id: DeveloperId,
    /// Unless given, all that a developer's client may have.
    #[schema(value_type = Option<Vec<DeveloperScope>>, min_items = 1)]
    scopes: Option<Vec<String>>,
    /// How long the session lasts, in seconds; unless given, an hour.
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 43_200, default = 3600)]
    expires_in: Option<Whole>,
}

/// A scope that a developer's client may have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only stands in the document")]
enum DeveloperScope {
    #[schema(rename = "configuration:read")]
    ConfigurationRead,
    #[schema(rename = "configuration:write")]
    ConfigurationWrite,
    #[schema(rename = "links:test")]
    LinksTest,
}

impl Open {
    const SHORTEST: i64 = 60;
    const LONGEST: i64 = LONGEST_LIFETIME;

    /// The session that it asks for, whose code holds for so long from now on.
    ///
    /// # Errors
    /// When the body makes no sense, or a developer's client asks for another developer or for more than it may itself.
    pub(crate) fn session(
        self,
        opener: Opener,
        now: Timestamp,
        code_holds: SignedDuration,
    ) -> Result<Session, ApiError> {
        const ALL: &[&str] = &scopes::DEVELOPER;
        let mut problems = Vec::new();
        let Opener { client: opened_by, issued_at, own } = opener;
        let theirs = |scope: &str| own.as_ref().is_none_or(|own| own.scopes.iter().any(|own| own == scope));
        let all = || ALL.iter().filter(|scope| theirs(scope)).map(|scope| (*scope).to_owned()).collect();
        let asked: Vec<String> = self.scopes.unwrap_or_else(all);
        if asked.is_empty() {
            let message = format!("give at least one of {}, or leave it out for all", ALL.join(", "));
            problems.push(ValidationError::new(&["body", "scopes"], "length", message));
        }
        // A scope of the platform's would let a developer name any other.
        for (place, _) in asked.iter().enumerate().filter(|(_, scope)| !ALL.contains(&scope.as_str())) {
            let message = format!("must be one of {}", ALL.join(", "));
            problems.push(ValidationError::new(&["body", "scopes", &place.to_string()], "value", message));
        }
        let seconds = self.expires_in.map_or(LIFETIME, |seconds| seconds.0);
        if !(Self::SHORTEST..=Self::LONGEST).contains(&seconds) {
            let message = format!("must be {} to {} seconds", Self::SHORTEST, Self::LONGEST);
            problems.push(ValidationError::new(&["body", "expiresIn"], "value", message));
        }
        if !problems.is_empty() {
            return Err(ApiError::validation(problems));
        }
        if own.as_ref().is_some_and(|own| own.developer != self.developer_id) {
            let message = "A developer's client lets in its own developer alone.";
            return Err(ApiError::new(ErrorCode::InsufficientScope, message));
        }
        if let Some(scope) = asked.iter().find(|scope| !theirs(scope)) {
            let message = format!("The access token lacks the scope `{scope}`, so it opens no session that has it.");
            return Err(ApiError::new(ErrorCode::InsufficientScope, message));
        }
        let scopes = ALL.iter().filter(|scope| asked.iter().any(|asked| asked == *scope));
        Ok(Session {
            developer: self.developer_id,
            scopes: scopes.map(|scope| (*scope).to_owned()).collect(),
            // Whoever has but a token has no more time by it, either.
            seconds: own.map_or(seconds, |own| seconds.min(own.expires_at - now.as_second())),
            opened_by,
            opened_with: Some(issued_at),
            expires_at: now.checked_add(code_holds).unwrap_or(Timestamp::MAX),
        })
    }
}

impl Grant {
    pub(crate) fn read(authorization: Option<&str>, body: &str) -> Result<Self, Refusal> {
        if body.len() > MAX_FORM {
            return Err(Refusal::InvalidRequest("the body is larger than 8192 bytes"));
        }
        let form = read_form(body)?;
        match form.grant_type.as_deref() {
            Some("client_credentials") => {}
            Some("authorization_code") => {
                return form.code.map(Self::Code).ok_or(Refusal::InvalidRequest("code is missing"));
            }
            Some(_) => return Err(Refusal::UnsupportedGrantType),
            None => {
                let message = "grant_type is missing; it must be client_credentials or authorization_code";
                return Err(Refusal::InvalidRequest(message));
            }
        }
        let (client, secret) = match (authorization, form.client_id, form.client_secret) {
            (Some(_), _, Some(_)) => {
                return Err(Refusal::InvalidRequest("give the client's secret once, in the header or in the body"));
            }
            (Some(header), _, None) => basic(header).ok_or(Refusal::InvalidClient)?,
            (None, Some(client), Some(secret)) => (client, secret),
            (None, _, _) => return Err(Refusal::NoClient),
        };
        let scope = form.scope.filter(|scope| !scope.trim().is_empty());
        Ok(Self::Client(Credentials { client, secret, scope }))
    }
}

impl Credentials {
    /// The scopes of the token: those asked for, or all that the client has.
    pub(crate) fn scope(&self, allowed: &[String]) -> Result<String, Refusal> {
        let Some(asked) = &self.scope else { return Ok(allowed.join(" ")) };
        let asked: Vec<&str> = asked.split_whitespace().collect();
        match asked.iter().find(|scope| !allowed.iter().any(|allowed| allowed == *scope)) {
            Some(scope) => {
                let shown: String = scope.chars().filter(|c| c.is_ascii_graphic() && *c != '"').take(60).collect();
                Err(Refusal::InvalidScope(format!("the client does not have {shown}; it has {}", allowed.join(" "))))
            }
            None => Ok(asked.join(" ")),
        }
    }
}

fn read_form(body: &str) -> Result<Form, Refusal> {
    if body.trim_start().starts_with('{') {
        return serde_json::from_str(body).map_err(|_| Refusal::InvalidRequest("the body is not valid JSON"));
    }
    let mut form = Form::default();
    for pair in body.trim().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value).ok_or(Refusal::InvalidRequest("the form is not percent-encoded UTF-8"))?;
        let field = match name {
            "grant_type" => &mut form.grant_type,
            "client_id" => &mut form.client_id,
            "client_secret" => &mut form.client_secret,
            "scope" => &mut form.scope,
            "code" => &mut form.code,
            _ => continue,
        };
        if field.replace(value).is_some() {
            return Err(Refusal::InvalidRequest("a parameter is given twice"));
        }
    }
    Ok(form)
}

/// `application/x-www-form-urlencoded`: plus is a space, and percent escapes.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// RFC 6749, section 2.3.1: both halves are form-encoded before they are put together.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    Some((decode(client)?, decode(secret)?))
}

#[cfg(test)]
mod tests {
    use tenday_api::Own;

    use super::*;

    fn allowed() -> Vec<String> {
        ["configuration:read", "links:test"].map(str::to_owned).to_vec()
    }

    fn credentials(authorization: Option<&str>, body: &str) -> Result<Credentials, Refusal> {
        Grant::read(authorization, body).map(|grant| match grant {
            Grant::Client(credentials) => credentials,
            Grant::Code(_) => panic!("{body} is a code"),
        })
    }

    fn refusal(body: &str) -> Option<Refusal> {
        Grant::read(None, body).err()
    }

    #[test]
    fn a_form_basic_and_json_ask_for_the_same() {
        let form = "grant_type=client_credentials&client_id=CLI-a&client_secret=s%2B1+x";
        let json = r#"{"grant_type":"client_credentials","client_id":"CLI-a","client_secret":"s+1 x","audience":"x"}"#;
        let header = format!("Basic {}", STANDARD.encode("CLI-a:s%2B1+x"));
        for grant in [
            credentials(None, form),
            credentials(None, json),
            credentials(Some(&header), "grant_type=client_credentials"),
        ] {
            let grant = grant.unwrap_or_else(|refusal| panic!("{refusal:?}"));
            assert_eq!((grant.client.as_str(), grant.secret.as_str()), ("CLI-a", "s+1 x"));
            assert_eq!(grant.scope(&allowed()).unwrap(), "configuration:read links:test");
        }
    }

    #[test]
    fn a_code_is_all_that_its_grant_takes() {
        for body in [
            "grant_type=authorization_code&code=DEV-a.x%2By&redirect_uri=x",
            r#"{"grant_type":"authorization_code","code":"DEV-a.x+y"}"#,
        ] {
            assert!(matches!(Grant::read(None, body), Ok(Grant::Code(code)) if code == "DEV-a.x+y"), "{body}");
        }
        assert!(matches!(refusal("grant_type=authorization_code"), Some(Refusal::InvalidRequest(_))));
        assert!(matches!(refusal("grant_type=authorization_code&code=a&code=b"), Some(Refusal::InvalidRequest(_))));
    }

    #[test]
    fn each_mistake_has_the_error_that_the_rfc_gives_it() {
        assert!(matches!(refusal(""), Some(Refusal::InvalidRequest(_))));
        assert!(matches!(refusal("grant_type=password"), Some(Refusal::UnsupportedGrantType)));
        for nobody in ["", "&client_id=CLI-a", "&client_secret=s"] {
            let body = format!("grant_type=client_credentials{nobody}");
            assert!(matches!(refusal(&body), Some(Refusal::NoClient)), "{nobody}");
        }
        assert!(matches!(refusal("grant_type=a&grant_type=b"), Some(Refusal::InvalidRequest(_))));
        assert!(matches!(refusal("scope=%zz"), Some(Refusal::InvalidRequest(_))));
        assert!(matches!(refusal("{"), Some(Refusal::InvalidRequest(_))));
        assert!(matches!(Grant::read(Some("Bearer x"), "grant_type=client_credentials"), Err(Refusal::InvalidClient)));
    }

    #[test]
    fn a_token_never_has_a_scope_that_its_client_lacks() {
        let asked = |scope: &str| {
            let body = format!("grant_type=client_credentials&client_id=a&client_secret=b&scope={scope}");
            credentials(None, &body).unwrap_or_else(|refusal| panic!("{refusal:?}")).scope(&allowed())
        };
        assert_eq!(asked("links:test").unwrap(), "links:test");
        assert!(matches!(asked("links:test+updates:publish"), Err(Refusal::InvalidScope(_))));
    }

    #[test]
    fn a_session_never_has_a_scope_of_the_platforms() {
        let open = |body: serde_json::Value| {
            let open: Open = serde_json::from_value(body).unwrap();
            let scopes = scopes::DEVELOPER.map(str::to_owned).to_vec();
            let own = Own { developer: "DEV-a".parse().unwrap(), scopes, expires_at: 3600 };
            let opener = Opener { client: "CLI-p".parse().unwrap(), issued_at: 0, own: Some(own) };
            open.session(opener, Timestamp::UNIX_EPOCH, SignedDuration::from_mins(5))
        };
        let asked = |scopes: &[&str]| open(serde_json::json!({ "developerId": "DEV-a", "scopes": scopes }));
        assert_eq!(asked(&["links:test", "configuration:read", "links:test"]).unwrap().scopes, allowed());
        for scope in scopes::PLATFORM.into_iter().chain(["", "admin"]) {
            let error = asked(&["configuration:read", scope]).unwrap_err();
            assert!(error.message().contains("body.scopes.1"), "{scope}: {}", error.message());
        }
        assert!(asked(&[]).is_err());
        let all = open(serde_json::json!({ "developerId": "DEV-a" })).unwrap();
        assert_eq!((all.scopes, all.seconds), (scopes::DEVELOPER.map(str::to_owned).to_vec(), 3600));
    }
}
