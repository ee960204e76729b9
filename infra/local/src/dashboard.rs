//! `/_local/dashboard`: leads to the dashboard, signed in as the local developer. The platform's own client asks for the
//! link, as a platform would, each time anew: a code works once, and for five minutes only.

use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::{
    gateway,
    seed::{DEVELOPER, PLATFORM},
    serve::{self, Answer},
    system::System,
};

pub(crate) async fn redirect(system: &System) -> Answer {
    let link = match link(system).await {
        Ok(link) => link,
        Err(problem) => return serve::json(StatusCode::BAD_GATEWAY, &json!({ "message": problem })),
    };
    match HeaderValue::from_str(&link) {
        Ok(location) => {
            let mut answer = serve::json(StatusCode::SEE_OTHER, &json!({ "url": link }));
            answer.headers_mut().insert(header::LOCATION, location);
            answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
        Err(error) => serve::json(StatusCode::BAD_GATEWAY, &json!({ "message": error.to_string() })),
    }
}

async fn link(system: &System) -> Result<String, String> {
    let (id, secret) = (PLATFORM.id, PLATFORM.secret);
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=dashboard:open");
    let token = ask(system, "/auth/token", &[], form, "access_token").await?;
    let signed = [(header::AUTHORIZATION, format!("Bearer {token}"))];
    let session = json!({ "developerId": DEVELOPER.developer });
    ask(system, "/dashboard/sessions", &signed, session.to_string(), "url").await
}

/// One member of the answer to a POST.
async fn ask(
    system: &System,
    path: &str,
    headers: &[(header::HeaderName, String)],
    body: String,
    member: &str,
) -> Result<String, String> {
    let answer = gateway::post(system, path, headers, body).await.map_err(|error| error.to_string())?;
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let found = answer[member].as_str().filter(|_| parts.status.is_success()).map(str::to_owned);
    found.ok_or_else(|| format!("{path} answered {}: {answer}", parts.status))
}
