//! Sessions of the dashboard. The platform, which knows who sits in front of a browser, opens one for a developer, or a
//! developer's own client does; the answer is a link with a code in the fragment, which no browser sends to anybody. The page behind the link exchanges the
//! code for a token: RFC 6749's authorization code grant (section 4.1.3), without the redirect.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use jiff::SignedDuration;
use tenday_api::{ApiError, Body, Opener, RequestId, Shared};
use tenday_model::dates::iso;
use tenday_model::ids::{ClientId, DeveloperId};
use tenday_store::{Session, random, secret_digest};

use crate::Auth;
use crate::answers::{Opened, Refusal};
use crate::requests::Open;

/// How long a code can be exchanged.
const CODE_HOLDS: SignedDuration = SignedDuration::from_mins(5);

/// What a session is exchanged for: whose it is, and 256 random bits. Whoever has it is let in, so it shows itself nowhere.
pub(crate) struct Code {
    developer: DeveloperId,
    text: String,
}

impl Code {
    fn new(developer: DeveloperId, random: [u8; 32]) -> Self {
        let text = format!("{developer}.{}", URL_SAFE_NO_PAD.encode(random));
        Self { developer, text }
    }

    /// None if no session has such a code.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (developer, _) = text.split_once('.')?;
        Some(Self { developer: developer.parse().ok()?, text: text.to_owned() })
    }

    /// What is kept of it. It is random and long, so a plain digest is enough.
    fn digest(&self) -> Vec<u8> {
        secret_digest(&self.text)
    }
}

pub(crate) async fn open(
    State(auth): State<Shared<Auth>>,
    opener: Opener,
    body: Body<Open>,
) -> Result<impl IntoResponse, ApiError> {
    let session = body.value.session(opener, auth.api.now(), CODE_HOLDS)?;
    let code = Code::new(session.developer.clone(), random()?);
    auth.sessions.open(&session, &code.digest()).await?;
    tracing::info!(
        developer = %session.developer,
        opened_by = %session.opened_by,
        scope = session.scopes.join(" "),
        seconds = session.seconds,
        "opened a session"
    );
    let opened = Opened {
        url: RequestId::url(&format!("/dashboard#code={}", code.text)),
        expires_time: iso(session.expires_at),
    };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(opened)))
}

impl Auth {
    /// The client of a session's token, and the session, whose code is spent by this. The client is the session's own: its
    /// requests are counted apart, and told apart in the log.
    pub(crate) async fn exchange(&self, code: &str) -> Result<(ClientId, Session), Refusal> {
        let code = Code::parse(code).ok_or(Refusal::InvalidGrant)?;
        let client = ClientId::random(random().map_err(ApiError::from)?);
        let spent = self.sessions.spend(&code.developer, &code.digest(), &client, self.api.now()).await;
        let session = spent.map_err(ApiError::from)?.ok_or(Refusal::InvalidGrant)?;
        tracing::info!(
            developer = %session.developer,
            opened_by = %session.opened_by,
            client = %client,
            "exchanged the code of a session"
        );
        Ok((client, session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_its_developers_and_nobody_guesses_it() {
        let developer: DeveloperId = "DEV-a".parse().unwrap();
        let code = Code::new(developer.clone(), [7; 32]);
        let read = Code::parse(&code.text).unwrap();
        assert_eq!((&read.developer, read.digest()), (&developer, code.digest()));
        assert_ne!(Code::parse(&code.text.replace("DEV-a", "DEV-b")).unwrap().digest(), code.digest());
        for none in ["", "x", ".", "DEV-a", "CLI-a.x", "DEV-.x", "DEV-a#.x", "dev-a.x"] {
            assert!(Code::parse(none).is_none(), "{none}");
        }
    }
}
