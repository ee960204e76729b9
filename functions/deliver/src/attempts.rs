//! One attempt, from the stored webhook to the receiver's answer: the same for an automatic attempt and for one by
//! hand.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::event::Attempt;
use tenday_model::delivery::outcome::Outcome;
use tenday_model::destination::address::AddressPolicy;
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_model::ids::{DeveloperId, EventId};
use tenday_model::publishing::render::Inexpressible;
use tenday_model::publishing::trace::TraceContext;
use tenday_model::publishing::update::{Content, parse_content};
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::custom_headers::CustomHeaders;
use tenday_model::signing::request::{CannotCompose, Composed, Composition, compose};
use tenday_model::signing::signature::{EcSigningKey, Secret};
use tenday_sender::{OutboundRequest, Sender, SenderFault, SenderSettings};
use tenday_store::{
    Aws, Clock, Environment, KeyPurpose, Keyring, MessageContent, Sealed, SigningKeys, StoreError, StoredWebhook,
    random,
};
use tenday_telemetry::{metrics, request_id};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// How long a sandbox goes on with a signing key before it looks for a newer one.
const KEY_KEPT: SignedDuration = SignedDuration::from_mins(5);

/// Makes attempts.
pub struct Attempts {
    keyring: Keyring,
    signing_keys: SigningKeys,
    key: Mutex<Option<(Timestamp, Arc<EcSigningKey>)>>,
    sender: Sender,
    clock: Clock,
    local: bool,
    own_hosts: Vec<String>,
    /// What API Gateway calls the API, where each request says it and the template cannot.
    api_host: OnceLock<String>,
    timeout: Duration,
}

/// What an attempt is made at.
pub struct Target<'a> {
    pub developer: &'a DeveloperId,
    pub configuration: &'a Configuration,
    pub webhook: &'a StoredWebhook,
    pub event: EventId,
    pub content: &'a MessageContent,
    /// How many attempts were made before, by hand or not.
    pub before: usize,
    /// By hand.
    pub manual: bool,
}

/// An attempt that was made.
#[derive(Debug, Clone)]
pub struct Made {
    pub attempt: Attempt,
    pub outcome: Outcome,
    /// The name that the developer's type gives the event.
    pub event_name: &'static str,
}

/// Why no attempt was made. None of these is the receiver's fault.
#[derive(Debug, thiserror::Error)]
pub enum AttemptFault {
    /// The developer's type has no shape for the update any more.
    #[error(transparent)]
    Inexpressible(Inexpressible),
    #[error("the stored update does not read: {0}")]
    Content(String),
    /// There is nothing left to send.
    #[error("the update is not kept any more")]
    Expired,
    #[error("there is no key to sign webhooks with")]
    NoKey,
    #[error("the request could not be composed: {0}")]
    Compose(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sender(#[from] SenderFault),
}

impl AttemptFault {
    /// Whether another try would end the same way.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Inexpressible(_) | Self::Content(_) | Self::Expired => true,
            Self::NoKey | Self::Compose(_) | Self::Store(_) | Self::Sender(_) => false,
        }
    }
}

impl Attempts {
    pub fn from_environment(environment: &mut Environment, aws: &Aws, clock: Clock) -> Self {
        let settings_table = environment.text("SETTINGS_TABLE");
        let local = environment.is_local();
        let own_hosts = ["PUBLIC_HOST", "API_HOST"].into_iter().filter_map(|name| environment.optional(name));
        let own_hosts: Vec<String> = own_hosts.collect();
        let timeout = environment.seconds("ATTEMPT_TIMEOUT_SECONDS");
        let policy = if local { AddressPolicy::Local } else { AddressPolicy::Deployed };
        let mut settings = SenderSettings::new(policy, own_hosts.clone());
        settings.timeout = timeout;
        Self {
            keyring: Keyring::new(aws, settings_table.clone(), environment.text("KEYRING_KEY")),
            signing_keys: SigningKeys::new(aws, settings_table),
            key: Mutex::default(),
            sender: Sender::new(settings),
            clock,
            local,
            own_hosts,
            api_host: OnceLock::new(),
            timeout,
        }
    }

    /// Makes no attempt at this host from now on: it is the API's own. It is the same at every request.
    pub(crate) fn refuse_api_host(&self, name: &str) {
        self.api_host.get_or_init(|| name.to_owned());
    }

    /// The longest that one attempt may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Reads the signing key ahead of the first attempt. A failure is left for that attempt to meet.
    pub async fn warm(&self) {
        if let Err(error) = self.key().await {
            tracing::info!(error = %error, "the signing key could not be read ahead");
        }
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// Only for faults of ours: whatever the receiver does is an outcome.
    pub async fn make(&self, target: &Target<'_>) -> Result<Made, AttemptFault> {
        let now = self.clock.now();
        let content = content_of(target.content)?;
        let secrets = self.secrets(target, now).await?;
        let key = self.key().await?;
        let composed = compose(&Composition {
            integration: target.configuration.integration,
            date_format: target.configuration.date_format,
            content: &content,
            event: target.event,
            idempotency_key: target.content.idempotency_key.as_deref(),
            occurred_at: target.content.occurred_at,
            now,
            attempt: target.before + 1,
            secrets: &secrets,
            key: &key,
        })
        .map_err(|error| match error {
            CannotCompose::Inexpressible(error) => AttemptFault::Inexpressible(error),
            CannotCompose::Key(error) => AttemptFault::Compose(error.to_string()),
        })?;
        let event_name = composed.event_name;
        let trace = match target.content.trace {
            Some(trace) => trace.child(random()?),
            None => TraceContext::new(random()?),
        };
        let (outcome, milliseconds, answer) = self.send(target, composed, trace).await?;
        metrics::attempt(outcome.class());
        // The one line of an attempt. No body, address or header: each may hold what is nobody else's business.
        tracing::info!(
            request_id = %request_id(),
            developer = %target.developer,
            event_id = %target.event,
            attempt = target.before + 1,
            manual = target.manual,
            trace_id = trace.trace_id(),
            span_id = trace.span_id(),
            outcome = outcome.class().name(),
            status = outcome.status(),
            milliseconds,
            "attempt"
        );
        let attempt = Attempt {
            at: now,
            milliseconds,
            class: outcome.class(),
            status: outcome.status(),
            answer,
            manual: target.manual,
        };
        Ok(Made { attempt, outcome, event_name })
    }

    async fn send(
        &self,
        target: &Target<'_>,
        composed: Composed,
        trace: TraceContext,
    ) -> Result<(Outcome, u32, String), AttemptFault> {
        let own_hosts: Vec<String> = self.own_hosts.iter().chain(self.api_host.get()).cloned().collect();
        let rules = UrlRules { local: self.local, own_hosts: &own_hosts };
        // Judged again at every attempt: what was allowed when it was stored may not be any more.
        let url = match CallbackUrl::parse(&target.webhook.webhook.callback_url, &rules) {
            Ok(url) => url,
            Err(problem) => return Ok((Outcome::Blocked(problem.blocked()), 0, problem.to_string())),
        };
        let mut headers = HeaderMap::with_capacity(composed.headers.len() + 1);
        for (name, value) in composed.headers {
            let value = HeaderValue::try_from(value).map_err(|error| AttemptFault::Compose(error.to_string()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let trace =
            HeaderValue::try_from(trace.to_string()).map_err(|error| AttemptFault::Compose(error.to_string()))?;
        headers.insert(HeaderName::from_static("traceparent"), trace);
        self.add_own_headers(target, &mut headers).await?;
        let request = OutboundRequest {
            url: &url,
            allowlist: &target.configuration.allowlist,
            headers,
            body: composed.body.into(),
        };
        let attempted = self.sender.send(request).await?;
        let milliseconds = u32::try_from(attempted.duration.as_millis()).unwrap_or(u32::MAX);
        Ok((attempted.outcome, milliseconds, attempted.answer))
    }

    /// Adds the headers that the developer gave the webhook. Ours stand already, and always win.
    async fn add_own_headers(&self, target: &Target<'_>, headers: &mut HeaderMap) -> Result<(), AttemptFault> {
        let Some(sealed) = &target.webhook.headers else { return Ok(()) };
        let context = StoredWebhook::headers_context(target.developer, target.event.webhook);
        let opened = Zeroizing::new(self.keyring.open(&context, sealed).await?);
        let unreadable = || AttemptFault::Compose("the webhook's own headers do not read".to_owned());
        for (name, value) in CustomHeaders::from_revealed(&opened).ok_or_else(unreadable)?.iter() {
            let name = HeaderName::try_from(name).map_err(|_| unreadable())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| unreadable())?;
            value.set_sensitive(true);
            headers.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// The secrets that sign now: the current one, and those that a rotation has not retired yet.
    async fn secrets(&self, target: &Target<'_>, now: Timestamp) -> Result<Vec<Secret>, AttemptFault> {
        let stored = target.webhook;
        let old = stored.old_secrets.iter().filter(|old| old.until > now).map(|old| &old.secret);
        let mut secrets = Vec::with_capacity(1);
        for sealed in std::iter::once(&stored.secret).chain(old) {
            secrets.push(self.secret(target, sealed).await?);
        }
        Ok(secrets)
    }

    async fn secret(&self, target: &Target<'_>, sealed: &Sealed) -> Result<Secret, AttemptFault> {
        let context = StoredWebhook::secret_context(target.developer, target.event.webhook);
        let opened = self.keyring.open(&context, sealed).await?;
        let text = std::str::from_utf8(&opened).unwrap_or_default();
        Secret::parse(text).map_err(|error| AttemptFault::Compose(error.to_string()))
    }

    async fn key(&self) -> Result<Arc<EcSigningKey>, AttemptFault> {
        let now = self.clock.now();
        let mut kept = self.key.lock().await;
        if let Some((_, key)) = kept.as_ref().filter(|(at, _)| now.duration_since(*at) < KEY_KEPT) {
            return Ok(Arc::clone(key));
        }
        let key = self.signing_keys.signer(KeyPurpose::Webhooks, &self.keyring, now).await?;
        let key = Arc::new(key.ok_or(AttemptFault::NoKey)?);
        *kept = Some((now, Arc::clone(&key)));
        Ok(key)
    }
}

fn content_of(content: &MessageContent) -> Result<Content, AttemptFault> {
    parse_content(&content.event_name, content.data.as_deref(), content.raw.as_deref()).map_err(|problems| {
        AttemptFault::Content(problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; "))
    })
}
