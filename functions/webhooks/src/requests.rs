//! What the function takes: the bodies that make and change a webhook, and the query of their list. `eventName` and
//! `callbackURL` are those of docs/sources.md, S1; `status`, `retrySchedule`, `rateLimit`, `headers`, `secret` and the
//! overlap of a rotation are ours.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tenday_api::{ApiError, ErrorCode, absent_or};
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_model::error::ValidationError;
use tenday_model::ids::WebhookId;
use tenday_model::publishing::matching::can_match;
use tenday_model::publishing::render::{is_subscribable, subscribable};
use tenday_model::settings::bound::BoundLinks;
use tenday_model::settings::configuration::RetrySchedule;
use tenday_model::settings::custom_headers::{CustomHeaders, HeadersInput};
use tenday_model::settings::filter::{EventNames, LinkIds};
use tenday_model::settings::integration::Integration;
use tenday_model::settings::webhook::{Disabled, DisabledReason, Origin, Webhook};
use tenday_model::signing::signature::Secret;
use tenday_model::whole::Whole;
use tenday_store::WebhookChanges;
use utoipa::ToSchema;

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct Create {
    /// One of the names that the configuration's type has, or what stands before the full stop of some of them. Left
    /// out, the webhook takes every event.
    #[schema(examples("DATA_UPDATES"))]
    event_name: Option<String>,
    /// In place of `eventName`, for several events.
    event_names: Option<EventNames>,
    /// The links of which the webhook hears; left out, of all. An update that is about no link is none of theirs.
    link_ids: Option<LinkIds>,
    /// Where the events are POSTed to: https, without a user or a fragment. Its host has to resolve to addresses that
    /// are in the configuration's `ipAllowlist`.
    #[serde(rename = "callbackURL")]
    #[schema(
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://.",
        max_length = 2048,
        examples("https://example.com/link-money/callback")
    )]
    callback_url: String,
    /// In place of the configuration's, or the type's own.
    retry_schedule: Option<RetrySchedule>,
    /// Left out, there is none.
    rate_limit: Option<RateLimit>,
    /// Sent with every event, beside the webhook's own.
    headers: Option<HeadersInput>,
    /// Signs what is delivered, in place of a secret that is made: for a receiver that has one already.
    pub(crate) secret: Option<Secret>,
}

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

/// A webhook's own headers, with their values.
type Headers = Option<CustomHeaders>;

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
        Err(ApiError::validation(vec![invalid("overlapSeconds", "value", message)]))
    }
}

impl Create {
    pub(crate) fn webhook(
        &self,
        id: WebhookId,
        now: Timestamp,
        integration: Integration,
        rules: &UrlRules<'_>,
    ) -> Result<(Webhook, Headers), ApiError> {
        let mut errors = Vec::new();
        let callback_url = read_url(&self.callback_url, rules, &mut errors);
        let event_names = self.event_names(integration, &mut errors);
        let headers = check_headers(self.headers.clone(), &mut errors);
        let Some(callback_url) = callback_url.filter(|_| errors.is_empty()) else {
            return Err(ApiError::validation(errors));
        };
        let webhook = Webhook {
            id,
            origin: Origin::Developer,
            links: BoundLinks::default(),
            event_names,
            link_ids: self.link_ids.clone(),
            callback_url,
            disabled: None,
            retry_schedule: self.retry_schedule.clone(),
            rate_limit: self.rate_limit,
            header_names: headers.as_ref().map(CustomHeaders::names).unwrap_or_default(),
            created_at: now,
        };
        Ok((webhook, headers))
    }
}

impl Create {
    /// The events that it is for; none are all. Each has to be one of the type's.
    fn event_names(&self, integration: Integration, errors: &mut Vec<ValidationError>) -> Option<EventNames> {
        let (names, several) = match (&self.event_name, &self.event_names) {
            (Some(_), Some(_)) => {
                errors.push(invalid("eventNames", "conflict", "give either eventName or eventNames"));
                return None;
            }
            (Some(name), None) => (EventNames::one(name.clone()), false),
            (None, Some(names)) => (names.clone(), true),
            (None, None) => return None,
        };
        for (index, _) in names.iter().enumerate().filter(|(_, name)| !is_subscribable(integration, name)) {
            let index = index.to_string();
            let location: &[&str] = if several { &["body", "eventNames", &index] } else { &["body", "eventName"] };
            errors.push(ValidationError::new(location, "value", unknown_event(integration)));
        }
        Some(names)
    }
}

impl Change {
    pub(crate) fn changes(
        self,
        webhook: &Webhook,
        integration: Integration,
        now: Timestamp,
        rules: &UrlRules<'_>,
    ) -> Result<(WebhookChanges, Option<Headers>), ApiError> {
        let mut errors = Vec::new();
        for (field, given) in [("eventName", self.event_name.is_some()), ("eventNames", self.event_names.is_some())] {
            if given {
                let message = "a webhook's event cannot be changed; make another webhook for the other event";
                errors.push(invalid(field, "immutable", message));
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
            errors.push(invalid("linkIds", "immutable", message));
        }
        let callback_url = self.callback_url.and_then(|url| read_url(&url, rules, &mut errors));
        if let (Some(ChangedStatus::Active), Some(names)) = (self.status, &webhook.event_names)
            && !can_match(integration, webhook)
        {
            let names = names.iter().collect::<Vec<_>>().join(", ");
            let message = format!("this webhook is for {names}: {}", unknown_event(integration));
            errors.push(invalid("eventName", "value", message));
        }
        let headers = self.headers.map(|headers| check_headers(headers, &mut errors));
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

fn read_url(url: &str, rules: &UrlRules<'_>, errors: &mut Vec<ValidationError>) -> Option<CallbackUrl> {
    CallbackUrl::parse(url, rules)
        .map_err(|problem| errors.push(invalid("callbackURL", "value", problem.to_string())))
        .ok()
}

fn check_headers(headers: Option<HeadersInput>, errors: &mut Vec<ValidationError>) -> Headers {
    CustomHeaders::check(headers.unwrap_or_default()).unwrap_or_else(|problems| {
        errors.extend(problems);
        None
    })
}

fn unknown_event(integration: Integration) -> String {
    let known = subscribable(integration).collect::<Vec<_>>().join(", ");
    format!("your configuration's type has no such event; it has {known}")
}

/// One thing wrong in a body.
fn invalid(field: &str, kind: &'static str, message: impl Into<String>) -> ValidationError {
    ValidationError::new(&["body", field], kind, message)
}
