//! Telling developers how their webhooks fare, as ordinary updates of theirs, on the ordinary way; and their platform, on the
//! bus that it named, if it did.

use jiff::Timestamp;
use tenday_model::delivery::batch::Owed;
use tenday_model::ids::DeveloperId;
use tenday_model::publishing::matching::matching;
use tenday_model::publishing::notice::Notice;
use tenday_store::{
    Accepted, Bus, BusNotice, Clock, DeveloperSettings, Events, MessageContent, NewUpdate, PublishError, Publishing,
    Schedules, Settings, StoreError, digest,
};

/// What telling needs.
pub(crate) struct Teller<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) events: &'a Events,
    pub(crate) publishing: &'a Publishing,
    pub(crate) schedules: &'a Schedules,
    /// Of the platform.
    pub(crate) bus: Option<&'a Bus>,
    pub(crate) clock: &'a Clock,
}

impl Teller<'_> {
    /// Publishes what is owed for a webhook, if any other of its developer's hears of it, and writes down that it was.
    ///
    /// # Errors
    /// When AWS fails. Then it is owed still.
    pub(crate) async fn tell(&self, owed: &Owed) -> Result<(), StoreError> {
        let Owed { webhook: (developer, webhook), notices, told, disabled, error } = owed;
        let now = self.clock.now();
        let settings = self.settings.read(developer, now).await?;
        for notice in notices {
            if let Some(settings) = &settings {
                self.publish(developer, settings, notice, now).await?;
            }
            if let Some(bus) = self.bus {
                let (disabled, error) = (*disabled, error.as_ref());
                let on_bus = BusNotice { developer, notice, disabled, error, at: now };
                self.schedules.create_notice(bus, &on_bus, now).await?;
            }
            tracing::info!(%developer, webhook_id = %webhook, notice = notice.kind.name(), "told");
        }
        self.events.record_told(developer, *webhook, told, now).await
    }

    async fn publish(
        &self,
        developer: &DeveloperId,
        settings: &DeveloperSettings,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let corrupt = |cause: String| StoreError::Corrupt { kind: "notice", cause };
        let name = notice.kind.name();
        let content = MessageContent::of_notice(notice, now)?;
        let parsed = content.parse().map_err(|problems| corrupt(format!("{problems:?}")))?;
        let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
        let webhooks = matching(settings.configuration.integration, webhooks, &parsed);
        let webhooks = webhooks.map_err(|error| corrupt(error.to_string()))?;
        if webhooks.is_empty() {
            return Ok(());
        }
        // No key that the platform publishes under begins like this.
        let key = format!("notice/{}/{name}/{}", notice.about.webhook_id, notice.about.since.as_millisecond());
        let new = NewUpdate {
            developer,
            settings: Some(settings),
            webhooks,
            content,
            is_test: false,
            digest: digest(&[key.as_bytes()]),
            key: Some(key),
            earlier_digest: None,
        };
        let Accepted { to_send, .. } = self.publishing.store(new, now).await.map_err(|error| match error {
            PublishError::Conflict => StoreError::Contended { what: "a notice" },
            PublishError::Store(error) => error,
        })?;
        for sent in self.publishing.queue(&to_send).await {
            sent?;
        }
        Ok(())
    }
}
