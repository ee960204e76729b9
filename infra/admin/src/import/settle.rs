//! What becomes of a line: judged whole by the rules of the routes, and only then written.
//!
//! An import has no memory. A webhook is the same as one that is there if its developer, address, events and links are the
//! same, and it is made under an id that follows from these and from the life of its configuration: a second import, at
//! once or after the first was killed, makes nothing twice.

use std::collections::HashMap;

use jiff::Timestamp;
use tenday_api::ApiError;
use tenday_model::destination::address::AddressPolicy;
use tenday_model::destination::callback_url::UrlRules;
use tenday_model::ids::{ConfigurationId, DeveloperId, WebhookId};
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::custom_headers::CustomHeaders;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::obstacle::another_webhook;
use tenday_model::settings::webhook::{Disabled, DisabledReason, Origin, Webhook};
use tenday_model::signing::signature::Secret;
use tenday_store::{
    DeveloperSettings, Keyring, Settings, StoreError, StoredWebhook, Tries, digest, generation, random, secret_digest,
};

use crate::import::record::{Problem, Record, Wanted};
use crate::place::Operating;

/// Whether something that a line asks for was made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Made,
    There,
}

/// What came of a line.
#[derive(Debug)]
pub(super) enum Verdict {
    Taken { configuration: Option<Came>, webhook: Option<Came> },
    Refused(Vec<Problem>),
}

/// Where the import goes, and by which rules.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) settings: Settings,
    pub(crate) operating: Operating,
    pub(crate) keyring: Keyring,
    pub(crate) policy: AddressPolicy,
    /// The host names of the deployment's own API.
    pub(crate) own_hosts: Vec<String>,
    /// Judges everything, and writes nothing.
    pub(crate) dry_run: bool,
}

/// What the developers have, as far as the import has come across them; none for those without a configuration.
pub(super) type Known = HashMap<DeveloperId, Option<Life>>;

/// A configuration and its webhooks.
#[derive(Debug)]
pub(super) struct Life {
    configuration: Configuration,
    generation: u64,
    /// Digests of the secrets that each signs with.
    webhooks: HashMap<WebhookId, Vec<Vec<u8>>>,
    /// What tells them apart.
    identities: HashMap<Vec<u8>, WebhookId>,
}

/// A webhook that may be made.
struct Judged {
    webhook: Webhook,
    headers: Option<CustomHeaders>,
    identity: Vec<u8>,
}

impl Life {
    fn new(configuration: Configuration, generation: u64) -> Self {
        Self { configuration, generation, webhooks: HashMap::new(), identities: HashMap::new() }
    }

    fn add(&mut self, webhook: &Webhook, secrets: Vec<Vec<u8>>) {
        self.webhooks.insert(webhook.id, secrets);
        // One that was made for links hears of these alone, whatever its address.
        if webhook.origin == Origin::Developer {
            self.identities.insert(identity(webhook), webhook.id);
        }
    }

    /// The webhook that is the same, wherever its developer may have moved it since it was imported.
    fn same(&self, judged: &Judged) -> Option<WebhookId> {
        let moved = || self.webhooks.contains_key(&judged.webhook.id).then_some(judged.webhook.id);
        self.identities.get(&judged.identity).copied().or_else(moved)
    }

    fn signs_with(&self, webhook: WebhookId, secret: &Secret) -> bool {
        let digest = secret_digest(&secret.reveal());
        self.webhooks.get(&webhook).is_some_and(|secrets| secrets.contains(&digest))
    }
}

impl Target {
    /// Does what a line asks for, if it is right and not done yet.
    ///
    /// # Errors
    /// When AWS fails. The line may be half done then; doing it again does the rest.
    pub(super) async fn settle(&self, known: &mut Known, record: &Record) -> Result<Verdict, StoreError> {
        let mut failed = StoreError::Contended { what: "the configuration" };
        let mut tries = Tries::default();
        while tries.again().await {
            if !known.contains_key(&record.developer) {
                let life = self.read(&record.developer).await?;
                known.insert(record.developer.clone(), life);
            }
            match self.try_once(known, record).await {
                Ok(Some(verdict)) => return Ok(verdict),
                // Somebody changed what the developer has: it is read anew.
                Ok(None) => {
                    known.remove(&record.developer);
                }
                Err(error @ StoreError::Throttled { .. }) => failed = error,
                Err(error) => return Err(error),
            }
        }
        Err(failed)
    }

    async fn read(&self, developer: &DeveloperId) -> Result<Option<Life>, StoreError> {
        let Some(settings) = self.settings.read(developer, Timestamp::now()).await? else { return Ok(None) };
        let DeveloperSettings { configuration, webhooks, generation, .. } = settings;
        let mut life = Life::new(configuration, generation);
        for StoredWebhook { webhook, secret, old_secrets, .. } in &webhooks {
            let mut secrets = Vec::new();
            for sealed in std::iter::once(secret).chain(old_secrets.iter().map(|old| &old.secret)) {
                let secret = self.keyring.open_webhook_secret(developer, webhook.id, sealed).await?;
                secrets.push(secret_digest(&secret.reveal()));
            }
            life.add(webhook, secrets);
        }
        Ok(Some(life))
    }

    /// None when what is known of the developer holds no more.
    async fn try_once(&self, known: &mut Known, record: &Record) -> Result<Option<Verdict>, StoreError> {
        let developer = &record.developer;
        let life = known.get(developer).and_then(Option::as_ref);
        let id = ConfigurationId::new(Timestamp::now(), random()?);
        let new = match self.new_configuration(life, record, id) {
            Ok(new) => new,
            Err(problems) => return Ok(Some(Verdict::Refused(problems))),
        };
        let (configuration, generation) = match (&new, life) {
            (Some(new), _) => (new, generation(new.created_at)),
            (None, Some(life)) => (&life.configuration, life.generation),
            (None, None) => {
                let message = "the developer has no configuration: give one in this line, or in one before it";
                return Ok(Some(Verdict::Refused(vec![Problem::new("configuration", message)])));
            }
        };
        let judged = match self.webhook(developer, record, configuration.integration, generation) {
            Ok(judged) => judged,
            Err(problems) => return Ok(Some(Verdict::Refused(problems))),
        };
        let same = life.zip(judged.as_ref()).and_then(|(life, judged)| life.same(judged));
        if let Some(problem) = obstacle(life, configuration, record, judged.as_ref(), same) {
            return Ok(Some(Verdict::Refused(vec![problem])));
        }

        let asked = record.configuration.is_some().then_some(Came::There);
        let came = if new.is_some() { Some(Came::Made) } else { asked };
        if let Some(new) = new {
            let life = if self.dry_run {
                Life::new(new, generation)
            } else {
                let Some(made) = self.settings.create(&self.operating.author(), developer, new).await? else {
                    return Ok(None);
                };
                Life::new(made.configuration, made.generation)
            };
            known.insert(developer.clone(), Some(life));
        }
        let webhook = match (judged, same) {
            (None, _) => None,
            (Some(_), Some(_)) => Some(Came::There),
            (Some(judged), None) => {
                let Some(Some(life)) = known.get_mut(developer) else { return Ok(None) };
                if !self.make(developer, life, record, judged).await? {
                    return Ok(None);
                }
                Some(Came::Made)
            }
        };
        Ok(Some(Verdict::Taken { configuration: came, webhook }))
    }

    /// The configuration that is to be made, if any is.
    fn new_configuration(
        &self,
        life: Option<&Life>,
        record: &Record,
        id: ConfigurationId,
    ) -> Result<Option<Configuration>, Vec<Problem>> {
        let (wanted, exactly) = match &record.configuration {
            None => return Ok(None),
            Some(Wanted::IfMissing(_)) if life.is_some() => return Ok(None),
            Some(Wanted::IfMissing(wanted)) => (wanted, false),
            Some(Wanted::Exactly(wanted)) => (wanted, true),
        };
        let configuration = wanted.configuration(id, Timestamp::now(), self.policy);
        let configuration = configuration.map_err(|error| Problem::all_of("configuration", &error))?;
        match life {
            None => Ok(Some(configuration)),
            Some(life) if !exactly || are_alike(&configuration, &life.configuration) => Ok(None),
            Some(_) => {
                let message = "the developer has another configuration already: an import changes none";
                Err(vec![Problem::new("configuration", message)])
            }
        }
    }

    fn webhook(
        &self,
        developer: &DeveloperId,
        record: &Record,
        integration: Integration,
        generation: u64,
    ) -> Result<Option<Judged>, Vec<Problem>> {
        let Some(new) = &record.webhook else { return Ok(None) };
        let problems = |error: ApiError| Problem::all_of("webhook", &error);
        let (now, rules) = (Timestamp::now(), UrlRules { policy: self.policy, own_hosts: &self.own_hosts });
        let since = i64::try_from(generation).ok().and_then(|since| Timestamp::from_millisecond(since).ok());
        let since = since.unwrap_or(now);
        // What it is tells its id.
        let (mut webhook, headers) =
            new.webhook(WebhookId::new(since, [0; 10]), now, integration, &rules).map_err(problems)?;
        let identity = identity(&webhook);
        let mut tail = [0; 10];
        let own = digest(&[developer.as_str().as_bytes(), &identity]);
        tail.copy_from_slice(&own[..10]);
        webhook.id = WebhookId::new(since, tail);
        if record.disabled {
            webhook.disabled = Some(Disabled { reason: DisabledReason::Developer, since: now });
        }
        Ok(Some(Judged { webhook, headers, identity }))
    }

    /// Makes a webhook; false when somebody has changed what the developer has.
    async fn make(
        &self,
        developer: &DeveloperId,
        life: &mut Life,
        record: &Record,
        judged: Judged,
    ) -> Result<bool, StoreError> {
        let given = record.webhook.as_ref().and_then(|webhook| webhook.secret.clone());
        let secret = given.map_or_else(|| random().map(Secret::from_random), Ok)?;
        let Judged { webhook, headers, .. } = judged;
        if !self.dry_run {
            let (keyring, generation) = (&self.keyring, life.generation);
            let made =
                StoredWebhook::made(keyring, developer, webhook.clone(), &secret, headers.as_ref(), generation).await?;
            let by = self.operating.author();
            if !self.settings.create_webhook(&by, developer, &made, life.configuration.version).await? {
                return Ok(false);
            }
        }
        life.add(&webhook, vec![secret_digest(&secret.reveal())]);
        Ok(true)
    }
}

/// What stands in a webhook's way that is right in itself.
fn obstacle(
    life: Option<&Life>,
    configuration: &Configuration,
    record: &Record,
    judged: Option<&Judged>,
    same: Option<WebhookId>,
) -> Option<Problem> {
    let judged = judged?;
    let given = record.webhook.as_ref().and_then(|webhook| webhook.secret.as_ref());
    match (same, life, given) {
        (Some(same), Some(life), Some(secret)) if !life.signs_with(same, secret) => {
            let message =
                "the developer has this webhook already, and it signs with another secret: an import changes none";
            Some(Problem::new("webhook.secret", message))
        }
        (Some(_), ..) => None,
        (None, ..) => {
            let webhooks = life.map_or(0, |life| life.webhooks.len());
            let kind = judged.webhook.way.kind();
            let obstacle = another_webhook(configuration, webhooks, kind).err()?;
            Some(Problem::new("webhook", obstacle.to_string()))
        }
    }
}

/// What tells a developer's webhooks apart: address, events and links, in whatever order and spelling they were given.
fn identity(webhook: &Webhook) -> Vec<u8> {
    let sorted = |names: Option<Vec<String>>| {
        names.map(|mut names| {
            names.sort_unstable();
            names
        })
    };
    let events = sorted(webhook.event_names.clone().map(Vec::from));
    let links = sorted(webhook.link_ids.clone().map(Vec::from));
    let address = webhook.callback_url().map_or("", |url| url.url().as_str());
    // Debug tells texts and lists apart, and every character of a text.
    digest(&[address.as_bytes(), format!("{events:?}").as_bytes(), format!("{links:?}").as_bytes()]).to_vec()
}

/// Whether a developer would see no difference.
fn are_alike(one: &Configuration, other: &Configuration) -> bool {
    let allowlist = |configuration: &Configuration| {
        let mut entries: Vec<String> = configuration.allowlist.iter().map(ToString::to_string).collect();
        entries.sort_unstable();
        entries
    };
    one.integration == other.integration
        && one.date_format == other.date_format
        && one.name == other.name
        && one.retry_schedule == other.retry_schedule
        && allowlist(one) == allowlist(other)
}
