//! A request for a token: RFC 6749's client credentials grant (section 4.4), by form or by HTTP Basic, or as JSON, which
//! LinkMoney's own clients send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answers::Refusal;

/// The largest body that is read.
const MAX_FORM: usize = 8 * 1024;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) client: String,
    pub(crate) secret: String,
    scope: Option<String>,
}

/// The client credentials grant of RFC 6749. What is not listed here is ignored, as the RFC says.
#[derive(Debug, Default, Deserialize, ToSchema)]
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
}

/// The one grant there is.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only stands in the document")]
enum GrantType {
    ClientCredentials,
}

impl Grant {
    pub(crate) fn read(authorization: Option<&str>, body: &str) -> Result<Self, Refusal> {
        if body.len() > MAX_FORM {
            return Err(Refusal::InvalidRequest("the body is larger than 8192 bytes"));
        }
        let form = read_form(body)?;
        match form.grant_type.as_deref() {
            Some("client_credentials") => {}
            Some(_) => return Err(Refusal::UnsupportedGrantType),
            None => return Err(Refusal::InvalidRequest("grant_type is missing; it must be client_credentials")),
        }
        let (client, secret) = match (authorization, form.client_id, form.client_secret) {
            (Some(_), _, Some(_)) => {
                return Err(Refusal::InvalidRequest("give the client's secret once, in the header or in the body"));
            }
            (Some(header), _, None) => basic(header).ok_or(Refusal::InvalidClient)?,
            (None, Some(client), Some(secret)) => (client, secret),
            (None, _, _) => return Err(Refusal::NoClient),
        };
        Ok(Self { client, secret, scope: form.scope.filter(|scope| !scope.trim().is_empty()) })
    }

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
    use super::*;

    fn allowed() -> Vec<String> {
        ["configuration:read", "links:test"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_form_basic_and_json_ask_for_the_same() {
        let form = "grant_type=client_credentials&client_id=CLI-a&client_secret=s%2B1+x";
        let json = r#"{"grant_type":"client_credentials","client_id":"CLI-a","client_secret":"s+1 x","audience":"x"}"#;
        let header = format!("Basic {}", STANDARD.encode("CLI-a:s%2B1+x"));
        for grant in [
            Grant::read(None, form),
            Grant::read(None, json),
            Grant::read(Some(&header), "grant_type=client_credentials"),
        ] {
            let grant = grant.unwrap();
            assert_eq!((grant.client.as_str(), grant.secret.as_str()), ("CLI-a", "s+1 x"));
            assert_eq!(grant.scope(&allowed()).unwrap(), "configuration:read links:test");
        }
    }

    #[test]
    fn each_mistake_has_the_error_that_the_rfc_gives_it() {
        let read = |body: &str| Grant::read(None, body);
        assert!(matches!(read(""), Err(Refusal::InvalidRequest(_))));
        assert!(matches!(read("grant_type=password"), Err(Refusal::UnsupportedGrantType)));
        for nobody in ["", "&client_id=CLI-a", "&client_secret=s"] {
            let body = format!("grant_type=client_credentials{nobody}");
            assert!(matches!(read(&body), Err(Refusal::NoClient)), "{nobody}");
        }
        assert!(matches!(read("grant_type=a&grant_type=b"), Err(Refusal::InvalidRequest(_))));
        assert!(matches!(read("scope=%zz"), Err(Refusal::InvalidRequest(_))));
        assert!(matches!(read("{"), Err(Refusal::InvalidRequest(_))));
        assert!(matches!(Grant::read(Some("Bearer x"), "grant_type=client_credentials"), Err(Refusal::InvalidClient)));
    }

    #[test]
    fn a_token_never_has_a_scope_that_its_client_lacks() {
        let asked = |scope: &str| {
            let body = format!("grant_type=client_credentials&client_id=a&client_secret=b&scope={scope}");
            Grant::read(None, &body).unwrap().scope(&allowed())
        };
        assert_eq!(asked("links:test").unwrap(), "links:test");
        assert!(matches!(asked("links:test+updates:publish"), Err(Refusal::InvalidScope(_))));
    }
}
