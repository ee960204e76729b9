//! One attempt, from the stored webhook to the receiver's answer: the same for an automatic attempt and for one by
//! hand. What needs AWS is read first, on the thread that may; the rest happens on the receiver's lane.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::batch::{Attempted, Made};
use tenday_model::delivery::event::{Attempt, DropReason};
use tenday_model::delivery::outcome::Outcome;
use tenday_model::destination::address::AddressPolicy;
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_model::ids::{DeveloperId, EventId};
use tenday_model::publishing::render::{Inexpressible, content_event_name};
use tenday_model::publishing::trace::TraceContext;
use tenday_model::publishing::update::Content;
use tenday_model::settings::configuration::Configuration;
use tenday_model::signing::request::{CannotCompose, Composed, Composition, compose};
use tenday_model::signing::signature::{EcSigningKey, Secret};
use tenday_sender::{OutboundRequest, Sender, SenderFault, SenderSettings};
use tenday_store::{
    Aws, Clock, Environment, KeyPurpose, Keyring, MessageContent, OpenedSecrets, SigningKeys, StoreError, StoredWebhook,
};
use tenday_telemetry::{metrics, request_id};
use tokio::sync::Mutex;

use crate::lanes::{LaneFault, Lanes, Receiver};
use crate::local_faults::LocalFaults;

/// How long a sandbox goes on with a signing key before it looks for a newer one.
const KEY_KEPT: SignedDuration = SignedDuration::from_mins(5);

/// As many as most requests have, once they are sent.
const USUAL_HEADERS: usize = 12;

/// Makes attempts.
pub struct Attempts {
    keyring: Keyring,
    secrets: OpenedSecrets,
    signing_keys: SigningKeys,
    key: Mutex<Option<(Timestamp, Arc<EcSigningKey>)>>,
    lanes: Lanes,
    clock: Clock,
    policy: AddressPolicy,
    own_hosts: Vec<String>,
    faults: LocalFaults,
    /// These, and what API Gateway calls the API, where each request says it and the template cannot.
    all_own_hosts: OnceLock<Vec<String>>,
}

/// What an attempt is made at.
pub struct Target<'a> {
    pub developer: &'a DeveloperId,
    pub configuration: &'a Arc<Configuration>,
    pub webhook: &'a StoredWebhook,
    pub event: EventId,
    pub content: &'a MessageContent,
    /// How many attempts were made before, by hand or not.
    pub before: usize,
    /// By hand.
    pub manual: bool,
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
    #[error("the attempt panicked")]
    Panicked,
    #[error("no thread could be started for the attempt")]
    NoThread,
}

impl AttemptFault {
    /// Why the event is dropped at once, if another try would end the same way.
    pub fn drop_reason(&self) -> Option<DropReason> {
        match self {
            Self::Inexpressible(_) => Some(DropReason::Inexpressible),
            Self::Content(_) => Some(DropReason::Internal),
            Self::Expired => Some(DropReason::Expired),
            Self::NoKey | Self::Compose(_) | Self::Store(_) | Self::Sender(_) | Self::Panicked | Self::NoThread => None,
        }
    }

    /// What the rules of delivery make of it.
    pub fn attempted(&self) -> Attempted {
        self.drop_reason().map_or(Attempted::Fault, Attempted::Never)
    }
}

impl From<CannotCompose> for AttemptFault {
    fn from(error: CannotCompose) -> Self {
        match error {
            CannotCompose::Inexpressible(error) => Self::Inexpressible(error),
            CannotCompose::Key(error) => Self::Compose(error.to_string()),
        }
    }
}

/// What a request is composed of.
pub(crate) struct Parts {
    configuration: Arc<Configuration>,
    content: Content,
    event: EventId,
    idempotency_key: Option<String>,
    occurred_at: Timestamp,
    now: Timestamp,
    number: usize,
    secrets: Vec<Secret>,
    key: Arc<EcSigningKey>,
}

/// All that an attempt needs once it is on its lane.
struct Outbound {
    parts: Parts,
    url: CallbackUrl,
    /// The developer's own, and the trace's.
    headers: HeaderMap,
    faults: LocalFaults,
}

/// What came of a request.
struct Sent {
    outcome: Outcome,
    milliseconds: u32,
    answer: String,
    /// The name that the developer's type gives the event.
    event_name: &'static str,
    /// Of the body, as it was sent: none if there was none to be sent.
    bytes: usize,
}

impl Attempts {
    pub fn from_environment(environment: &mut Environment, aws: &Aws, clock: Clock) -> Self {
        let settings_table = environment.text("SETTINGS_TABLE");
        let policy = environment.address_policy();
        let own_hosts =
            ["PUBLIC_HOST", "API_HOST", "FRONT_HOST"].into_iter().filter_map(|name| environment.optional(name));
        let own_hosts: Vec<String> = own_hosts.collect();
        let mut settings = SenderSettings::new(policy, own_hosts.clone());
        settings.timeout = environment.seconds("ATTEMPT_TIMEOUT_SECONDS");
        Self {
            keyring: Keyring::new(aws, settings_table.clone(), environment.text("KEYRING_KEY")),
            secrets: OpenedSecrets::default(),
            signing_keys: SigningKeys::new(aws, settings_table),
            key: Mutex::default(),
            lanes: Lanes::new(settings),
            clock,
            policy,
            own_hosts,
            faults: LocalFaults(if policy == AddressPolicy::Local {
                environment.optional("TENDAY_FAULTS").map(Into::into)
            } else {
                None
            }),
            all_own_hosts: OnceLock::new(),
        }
    }

    /// Makes no attempt at this host from now on: it is the API's own. It is the same at every request.
    pub(crate) fn refuse_api_host(&self, name: &str) {
        self.all_own_hosts.get_or_init(|| self.own_hosts.iter().cloned().chain([name.to_owned()]).collect());
    }

    /// What a URL has to keep to.
    pub(crate) fn rules(&self) -> UrlRules<'_> {
        UrlRules { policy: self.policy, own_hosts: self.all_own_hosts.get().unwrap_or(&self.own_hosts) }
    }

    pub(crate) fn policy(&self) -> AddressPolicy {
        self.policy
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// The longest that one attempt may take.
    pub fn timeout(&self) -> Duration {
        self.lanes.limit()
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
        let trace = trace_of(target);
        let Sent { outcome, milliseconds, answer, event_name, bytes } = self.send(target, trace, now).await?;
        metrics::attempt(outcome.class());
        // The one line of an attempt. No body, address or header: each may hold what is nobody else's business.
        tracing::info!(
            request_id = &*request_id(),
            developer = target.developer.as_str(),
            event_id = target.event.to_string(),
            attempt = target.before + 1,
            manual = target.manual,
            trace_id = trace.trace_id(),
            span_id = trace.span_id(),
            outcome = outcome.class().name(),
            status = outcome.status(),
            milliseconds,
            bytes,
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

    async fn send(&self, target: &Target<'_>, trace: TraceContext, now: Timestamp) -> Result<Sent, AttemptFault> {
        let content = content_of(target.content)?;
        let name = |content: &Content| {
            content_event_name(target.configuration.integration, content).map_err(AttemptFault::Inexpressible)
        };
        let rules = self.rules();
        // Judged again at every attempt: what was allowed when it was stored may not be any more.
        let not_sent = || AttemptFault::Content("its webhook's events are not sent".to_owned());
        let url = target.webhook.webhook.callback_url().cloned().ok_or_else(not_sent)?;
        if let Err(problem) = url.judge(&rules) {
            let (outcome, answer) = (Outcome::Blocked(problem.blocked()), problem.to_string());
            return Ok(Sent { outcome, milliseconds: 0, answer, event_name: name(&content)?, bytes: 0 });
        }
        if url.url().scheme() == "https" {
            self.lanes.prepare()?;
        }
        let authority = url.url().authority();
        let receiver = Receiver { developer: target.developer.clone(), authority: authority.to_owned() };
        let headers = self.headers(target, trace).await?;
        let parts = self.parts(target, content, now).await?;
        let outbound = Outbound { parts, url, headers, faults: self.faults.clone() };
        match self.lanes.run(receiver, |sender| outbound.send(sender)).await {
            Ok(sent) => sent,
            Err(LaneFault::Panicked) => Err(AttemptFault::Panicked),
            Err(LaneFault::NoThread) => Err(AttemptFault::NoThread),
            Err(LaneFault::Stuck) => {
                tracing::error!(event_id = %target.event, "an attempt did not end by itself; this process ends");
                let milliseconds = u32::try_from(self.timeout().as_millis()).unwrap_or(u32::MAX);
                let event_name = name(&content_of(target.content)?)?;
                Ok(Sent { outcome: Outcome::Timeout, milliseconds, answer: String::new(), event_name, bytes: 0 })
            }
        }
    }

    /// The request that an attempt at this moment would make, with all of its headers: for whoever fetches the event.
    ///
    /// # Errors
    /// When it cannot be made, and for faults of ours.
    pub async fn request(&self, target: &Target<'_>, now: Timestamp) -> Result<Request, AttemptFault> {
        let content = content_of(target.content)?;
        let headers = self.headers(target, trace_of(target)).await?;
        Request::of(headers, &self.parts(target, content, now).await?)
    }

    /// The headers of a request that nothing is composed for: the developer's own, and the trace's.
    async fn headers(&self, target: &Target<'_>, trace: TraceContext) -> Result<HeaderMap, AttemptFault> {
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        self.add_own_headers(target, &mut headers).await?;
        let trace = HeaderValue::try_from(trace.header()).map_err(|error| AttemptFault::Compose(error.to_string()))?;
        headers.insert(HeaderName::from_static("traceparent"), trace);
        Ok(headers)
    }

    /// What the request of an attempt at this moment is composed of.
    pub(crate) async fn parts(
        &self,
        target: &Target<'_>,
        content: Content,
        now: Timestamp,
    ) -> Result<Parts, AttemptFault> {
        Ok(Parts {
            configuration: Arc::clone(target.configuration),
            content,
            event: target.event,
            idempotency_key: target.content.idempotency_key.clone(),
            occurred_at: target.content.occurred_at,
            now,
            number: target.before + 1,
            secrets: self.secrets(target, now).await?,
            key: self.key().await?,
        })
    }

    /// Adds the headers that the developer gave the webhook. Ours come later, and always win.
    async fn add_own_headers(&self, target: &Target<'_>, headers: &mut HeaderMap) -> Result<(), AttemptFault> {
        let Some(sealed) = &target.webhook.headers else { return Ok(()) };
        let own = self.keyring.open_webhook_headers(target.developer, target.event.webhook, sealed).await?;
        let unreadable = || AttemptFault::Compose("the webhook's own headers do not read".to_owned());
        for (name, value) in own.iter() {
            let name = HeaderName::try_from(name).map_err(|_| unreadable())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| unreadable())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(())
    }

    /// The secrets that sign now: the current one, and those that a rotation has not retired yet.
    async fn secrets(&self, target: &Target<'_>, now: Timestamp) -> Result<Vec<Secret>, AttemptFault> {
        let stored = target.webhook;
        let old = stored.old_secrets.iter().filter(|old| old.until > now).map(|old| &old.secret);
        let mut secrets = Vec::with_capacity(1);
        for sealed in std::iter::once(&stored.secret).chain(old) {
            let secret = self.secrets.of(&self.keyring, target.developer, target.event.webhook, sealed);
            secrets.push(secret.await?);
        }
        Ok(secrets)
    }

    async fn key(&self) -> Result<Arc<EcSigningKey>, AttemptFault> {
        let now = self.clock.now();
        let mut kept = self.key.lock().await;
        if let Some((_, key)) = kept.as_ref().filter(|(at, _)| now.duration_since(*at) < KEY_KEPT) {
            return Ok(Arc::clone(key));
        }
        // Rare, and large: an attempt is not made larger by it.
        let key = Box::pin(self.signing_keys.signer(KeyPurpose::Webhooks, &self.keyring, now)).await?;
        let key = Arc::new(key.ok_or(AttemptFault::NoKey)?);
        *kept = Some((now, Arc::clone(&key)));
        Ok(key)
    }
}

/// A request, as a receiver gets it but for what HTTP itself adds.
#[derive(Debug)]
pub struct Request {
    /// The name that the developer's type gives the event.
    pub event_name: &'static str,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Request {
    /// What is composed comes later than the other headers, and always wins.
    fn of(mut headers: HeaderMap, parts: &Parts) -> Result<Self, AttemptFault> {
        let Composed { event_name, headers: composed, body } = parts.compose()?;
        for (name, value) in composed {
            let value = HeaderValue::try_from(value).map_err(|error| AttemptFault::Compose(error.to_string()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(Self { event_name, headers, body })
    }
}

impl Parts {
    pub(crate) fn compose(&self) -> Result<Composed, CannotCompose> {
        compose(&Composition {
            integration: self.configuration.integration,
            date_format: self.configuration.date_format,
            content: &self.content,
            event: self.event,
            idempotency_key: self.idempotency_key.as_deref(),
            occurred_at: self.occurred_at,
            now: self.now,
            attempt: self.number,
            secrets: &self.secrets,
            key: &self.key,
        })
    }
}

impl Outbound {
    /// Composes and sends, on the receiver's lane.
    async fn send(self, sender: Arc<Sender>) -> Result<Sent, AttemptFault> {
        self.faults.strike(self.parts.event);
        let Request { event_name, headers, body } = Request::of(self.headers, &self.parts)?;
        let bytes = body.len();
        let request = OutboundRequest {
            url: &self.url,
            allowlist: &self.parts.configuration.allowlist,
            headers,
            body: body.into(),
        };
        let attempted = sender.send(request).await?;
        let milliseconds = u32::try_from(attempted.duration.as_millis()).unwrap_or(u32::MAX);
        Ok(Sent { outcome: attempted.outcome, milliseconds, answer: attempted.answer, event_name, bytes })
    }
}

/// The span of one attempt, below the trace of whoever published the update.
pub(crate) fn trace_of(target: &Target<'_>) -> TraceContext {
    let trace = target.content.trace.unwrap_or_else(|| TraceContext::of_update(target.event.update));
    trace.attempt(target.event, target.before + 1)
}

pub(crate) fn content_of(content: &MessageContent) -> Result<Content, AttemptFault> {
    content.parse().map_err(|problems| {
        AttemptFault::Content(problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; "))
    })
}
