//! What the function takes beside [`tenday_api::NewWebhook`]: the body that changes a webhook, how its secret is rotated,
//! and the query of the list. `callbackURL` is that of docs/sources.md, S1; `status`, `retrySchedule`, `rateLimit`,
//! `headers` and the overlap of a rotation are ours.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tenday_api::new_webhook::{self, OwnHeaders};
use tenday_api::{ApiError, ErrorCode, absent_or};
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::callback_url::UrlRules;
use tenday_model::error::ValidationError;
use tenday_model::publishing::matching::can_match;
use tenday_model::settings::configuration::RetrySchedule;
use tenday_model::settings::custom_headers::HeadersInput;
use tenday_model::settings::filter::LinkIds;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::webhook::{Disabled, DisabledReason, Origin, Webhook};
use tenday_model::whole::Whole;
use tenday_store::WebhookChanges;
use utoipa::ToSchema;

/// What to change of a webhook: at least one field. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WebhookChange, min_properties = 1)]
pub(crate) struct Change {
    #[serde(rename = "callbackURL")]
    #[schema(
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://.",
        max_length = 2048,
        examples("https://example.com/new-callback-url")
    )]
    callback_url: Option<String>,
    // Only there to be refused: a webhook's event is changed by making another webhook (docs/sources.md, S1.7).
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(ignore)]
    event_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(ignore)]
    event_names: Option<Option<IgnoredAny>>,
    /// Holds for what is published from then on. `null` takes every link's.
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<LinkIds>, required = false)]
    link_ids: Option<Option<LinkIds>>,
    /// `active` enables a disabled webhook, whose failures are forgotten.
    status: Option<ChangedStatus>,
    /// `null` goes back to the configuration's, or the type's own.
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<RetrySchedule>, required = false)]
    retry_schedule: Option<Option<RetrySchedule>>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<RateLimit>, required = false)]
    rate_limit: Option<Option<RateLimit>>,
    /// All of them: those that are not given are gone.
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<HeadersInput>, required = false)]
    headers: Option<Option<HeadersInput>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ChangedStatus {
    Active,
    Disabled,
}

/// The query of the list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListQuery {
    display_all: Option<String>,
}

impl ListQuery {
    /// Whether the webhooks themselves are asked for.
    pub(crate) fn display_all(&self) -> Result<bool, ApiError> {
        match self.display_all.as_deref() {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(ApiError::new(
                ErrorCode::MalformedRequest,
                "The query parameter `displayAll` must be true or false.",
            )),
        }
    }
}

/// How to rotate a secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Rotation)]
pub(crate) struct Rotate {
    /// How long the old secret signs beside the new one; unless given, a day.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<Whole>,
}

impl Rotate {
    /// A day.
    pub(crate) const DEFAULT_OVERLAP: i64 = 86_400;
    const LONGEST: i64 = 7 * 86_400;

    /// How long the old secret signs beside the new one, in seconds.
    pub(crate) fn overlap(&self) -> Result<i64, ApiError> {
        let overlap = self.overlap_seconds.map_or(Self::DEFAULT_OVERLAP, |seconds| seconds.0);
        if (0..=Self::LONGEST).contains(&overlap) {
            return Ok(overlap);
        }
        let message = format!("must be 0 to {} seconds", Self::LONGEST);
        Err(ApiError::validation(vec![new_webhook::invalid("overlapSeconds", "value", message)]))
    }
}

impl Change {
    pub(crate) fn changes(
        self,
        webhook: &Webhook,
        integration: Integration,
        now: Timestamp,
        rules: &UrlRules<'_>,
    ) -> Result<(WebhookChanges, Option<OwnHeaders>), ApiError> {
        let mut errors = Vec::new();
        for (field, given) in [("eventName", self.event_name.is_some()), ("eventNames", self.event_names.is_some())] {
            if given {
                let message = "a webhook's event cannot be changed; make another webhook for the other event";
                errors.push(new_webhook::invalid(field, "immutable", message));
            }
        }
        let nothing = self.callback_url.is_none()
            && self.link_ids.is_none()
            && self.status.is_none()
            && self.retry_schedule.is_none()
            && self.rate_limit.is_none()
            && self.headers.is_none();
        if nothing && errors.is_empty() {
            let fields = "callbackURL, linkIds, status, retrySchedule, rateLimit, headers";
            let message = format!("nothing would change; give at least one of {fields}");
            errors.push(ValidationError::new(&["body"], "missing", message));
        }
        if self.link_ids.is_some() && webhook.origin == Origin::Link {
            let message = "this webhook was made for links, and takes the events of those that are bound to it";
            errors.push(new_webhook::invalid("linkIds", "immutable", message));
        }
        if webhook.is_pull() {
            let given = [
                ("callbackURL", self.callback_url.is_some()),
                ("retrySchedule", self.retry_schedule.is_some()),
                ("rateLimit", self.rate_limit.is_some()),
            ];
            new_webhook::refuse_on_pull(&given, &mut errors);
        }
        let callback_url = self.callback_url.and_then(|url| new_webhook::callback_url(&url, rules, &mut errors));
        if let (Some(ChangedStatus::Active), Some(names)) = (self.status, &webhook.event_names)
            && !can_match(integration, webhook)
        {
            let names = names.iter().collect::<Vec<_>>().join(", ");
            let message = format!("this webhook is for {names}: {}", new_webhook::unknown_event(integration));
            errors.push(new_webhook::invalid("eventName", "value", message));
        }
        let headers = self.headers.map(|headers| new_webhook::own_headers(headers, &mut errors));
        if !errors.is_empty() {
            return Err(ApiError::validation(errors));
        }
        let disabled = self.status.map(|status| match status {
            ChangedStatus::Active => None,
            ChangedStatus::Disabled => Some(Disabled { reason: DisabledReason::Developer, since: now }),
        });
        let changes = WebhookChanges {
            callback_url,
            link_ids: self.link_ids,
            disabled,
            retry_schedule: self.retry_schedule,
            rate_limit: self.rate_limit,
            // They are sealed first.
            headers: None,
        };
        Ok((changes, headers))
    }
}
