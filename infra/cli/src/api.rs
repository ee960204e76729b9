//! The API, as its client: tokens that renew themselves, and errors with what the API said.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::error::{Refusal, TendayError};
use crate::settings::{Account, Credentials, is_loopback, shown};

/// The API takes at most 29 seconds for an answer.
const PATIENCE: Duration = Duration::from_secs(40);
const CONNECTING: Duration = Duration::from_secs(10);
/// A token is renewed this long before its end.
const EARLY: Duration = Duration::from_secs(60);
/// How often a request is made that the API puts off, and the longest wait that is waited out.
const TRIES: u32 = 4;
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

pub(crate) struct Api {
    http: reqwest::Client,
    url: Url,
    credentials: Credentials,
    token: RefCell<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: Zeroizing<String>,
    until: Instant,
}

/// What a token was given for.
#[derive(Deserialize)]
pub(crate) struct Granted {
    access_token: Hidden,
    expires_in: u64,
    pub(crate) scope: String,
}

/// A secret of an answer.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Hidden(Zeroizing<String>);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Granted {
    pub(crate) fn token(&self) -> &Zeroizing<String> {
        &self.access_token.0
    }

    pub(crate) fn expires(&self) -> Timestamp {
        let lasts = Duration::from_secs(self.expires_in);
        Timestamp::now().checked_add(lasts).unwrap_or(Timestamp::MAX)
    }
}

/// Whose a token is. Read, not verified: the API does that.
pub(crate) fn developer_of(token: &str) -> Option<String> {
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).ok()?.claims;
    claims["developer_id"].as_str().map(str::to_owned)
}

impl Api {
    pub(crate) fn new(account: Account) -> Result<Self, TendayError> {
        let Account { url, credentials } = account;
        let http = client(is_loopback(&url), PATIENCE)?;
        Ok(Self { http, url, credentials, token: RefCell::default() })
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Whom the command is signed in as: a developer, or None for the platform.
    pub(crate) async fn developer(&self) -> Result<Option<String>, TendayError> {
        Ok(developer_of(&self.bearer().await?))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, TendayError> {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, query: &[(&str, String)]) -> Result<Value, TendayError> {
        self.request(Method::GET, path, query, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, TendayError> {
        self.request(Method::POST, path, &[], &[], Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, TendayError> {
        self.request(Method::PATCH, path, &[], &[], Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, TendayError> {
        self.request(Method::DELETE, path, &[], &[], None).await
    }

    /// A request with a token. What the API puts off is done again, and a token that is over is renewed.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, TendayError> {
        let mut url = self.at(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut renewed = false;
        let mut tries = 1;
        loop {
            let token = self.bearer().await?;
            let mut request = self.http.request(method.clone(), url.clone()).header(AUTHORIZATION, bearer(&token));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let (status, headers, body) = self.ask(request).await?;
            if status.is_success() {
                return self.read(&body);
            }
            let is_over = status == StatusCode::UNAUTHORIZED && matches!(self.credentials, Credentials::Client { .. });
            if is_over && !renewed {
                // Its clock and ours differ, or the machine slept.
                self.token.replace(None);
                renewed = true;
                continue;
            }
            // A 429 has done nothing; of a 503, that is certain for reading alone.
            let put_off = status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::SERVICE_UNAVAILABLE && method == Method::GET;
            let wait = seconds(&headers).unwrap_or(Duration::from_secs(1));
            if put_off && tries < TRIES && wait <= LONGEST_WAIT {
                tries += 1;
                tokio::time::sleep(wait).await;
                continue;
            }
            return Err(self.refusal(status, &headers, &body));
        }
    }

    fn at(&self, path: &str) -> Url {
        joined(&self.url, path)
    }

    async fn bearer(&self) -> Result<Zeroizing<String>, TendayError> {
        let kept = self.token.borrow().clone();
        if let Some(token) = kept.filter(|token| Instant::now() < token.until) {
            return Ok(token.text);
        }
        match &self.credentials {
            Credentials::Session { token, expires } if *expires > Timestamp::now() => Ok(token.clone()),
            Credentials::Session { .. } => {
                let text = "the session is over; sign in with another link: tenday login --link";
                Err(TendayError::NotSignedIn(text.to_owned()))
            }
            Credentials::Client { id, secret } => {
                let granted = self.grant(&client_credentials(id, secret)).await?;
                let lasts = Duration::from_secs(granted.expires_in).saturating_sub(EARLY);
                let token = Token { text: granted.token().clone(), until: Instant::now() + lasts };
                self.token.replace(Some(token));
                Ok(granted.token().clone())
            }
        }
    }

    /// Asks for a token, with a form of RFC 6749.
    pub(crate) async fn grant(&self, form: &[(&str, &str)]) -> Result<Granted, TendayError> {
        let (status, headers, body) = self.ask(self.http.post(self.at("/auth/token")).form(form)).await?;
        if !status.is_success() {
            return Err(self.refusal(status, &headers, &body));
        }
        serde_json::from_slice(&body).map_err(|error| self.not_the_api(error.to_string()))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, HeaderMap, Vec<u8>), TendayError> {
        let failed = |error| unreachable(&self.url, &error);
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok((status, headers, whole(response, &self.url).await?))
    }

    fn read(&self, body: &[u8]) -> Result<Value, TendayError> {
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(body).map_err(|error| self.not_the_api(error.to_string()))
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> TendayError {
        let request_id = headers.get("apigw-requestid").and_then(|id| id.to_str().ok()).map(str::to_owned);
        match Refusal::read(status.as_u16(), request_id, body) {
            Some(refusal) => TendayError::Api(Box::new(refusal)),
            None if status.is_server_error() => {
                TendayError::Unreachable { url: shown(&self.url).to_owned(), cause: format!("it answers {status}") }
            }
            None => self.not_the_api(format!("it answers {status}")),
        }
    }

    fn not_the_api(&self, cause: String) -> TendayError {
        TendayError::NotTheApi { url: shown(&self.url).to_owned(), cause }
    }
}

/// The public keys of the deployment at a URL. They are for everybody: no token goes along.
pub(crate) async fn keys_at(url: &Url) -> Result<Value, TendayError> {
    let asked = client(is_loopback(url), PATIENCE)?.get(joined(url, "/.well-known/jwks.json")).send().await;
    let response = asked.map_err(|error| unreachable(url, &error))?;
    let status = response.status();
    let wrong = |cause: String| TendayError::NotTheApi { url: url.to_string(), cause };
    if !status.is_success() {
        return Err(wrong(format!("it answers {status}")));
    }
    serde_json::from_slice(&whole(response, url).await?).map_err(|error| wrong(error.to_string()))
}

fn joined(url: &Url, path: &str) -> Url {
    let mut joined = url.clone();
    let whole = format!("{}{path}", url.path().trim_end_matches('/'));
    joined.set_path(&whole);
    joined
}

/// An HTTP client that follows nothing. On this machine no proxy stands between.
pub(crate) fn client(direct: bool, patience: Duration) -> Result<reqwest::Client, TendayError> {
    #[expect(clippy::disallowed_methods, reason = "a caller of the API, on a developer's own machine")]
    let builder = reqwest::Client::builder();
    let builder = builder.redirect(reqwest::redirect::Policy::none()).timeout(patience).connect_timeout(CONNECTING);
    let builder = if direct { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| TendayError::Failed(format!("no connection can be made: {}", chain(&error))))
}

async fn whole(mut response: Response, url: &Url) -> Result<Vec<u8>, TendayError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(url, &error))? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER {
            let cause = format!("its answer is larger than {LARGEST_ANSWER} bytes");
            return Err(TendayError::NotTheApi { url: url.to_string(), cause });
        }
    }
    Ok(body)
}

fn unreachable(url: &Url, error: &reqwest::Error) -> TendayError {
    TendayError::Unreachable { url: shown(url).to_owned(), cause: innermost(error) }
}

/// The cause that says most: what the system, or TLS, said.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn chain(error: &reqwest::Error) -> String {
    format!("{error}: {}", innermost(error))
}

/// The form by which a client asks for a token.
pub(crate) fn client_credentials<'a>(id: &'a str, secret: &'a str) -> [(&'static str, &'a str); 3] {
    [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)]
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn seconds(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// All pages of a list, or as many as hold `limit` items. `name` is the list's own.
pub(crate) async fn pages(
    api: &Api,
    path: &str,
    name: &str,
    query: &[(&str, String)],
    limit: usize,
) -> Result<Value, TendayError> {
    const PAGE: usize = 100;
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", limit.saturating_sub(items.len()).clamp(1, PAGE).to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page = api.get_with(path, &query).await?;
        if let Some(found) = page[name].as_array_mut() {
            items.append(found);
        }
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() || items.len() >= limit {
            return Ok(json!({ name: items, "nextCursor": cursor }));
        }
    }
}
