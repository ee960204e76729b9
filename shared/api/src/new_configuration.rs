//! The body that makes a configuration, and the rules that hold for it whoever makes it: the route, and the operator's
//! import. What a field means is in docs/sources.md, S2; `retrySchedule` is ours.

use jiff::Timestamp;
use serde::Deserialize;
use tenday_model::dates::DateFormat;
use tenday_model::destination::address::{AddressPolicy, Allowlist};
use tenday_model::error::ValidationError;
use tenday_model::ids::ConfigurationId;
use tenday_model::settings::configuration::{Configuration, MAX_NAME, RetrySchedule};
use tenday_model::settings::integration::Integration;
use utoipa::ToSchema;

use crate::allowlist::{added_to_allowlist, allowlist_entries};
use crate::error::ApiError;

/// A new configuration. Every field may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewConfiguration {
    #[serde(rename = "type", default)]
    #[schema(value_type = Integration, required = false)]
    integration: Option<Integration>,
    /// Unless given, the type's own.
    date_format: Option<DateFormat>,
    /// For people. Without control characters.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The only addresses that webhooks may lead to: IPv4, IPv6 or CIDR. A webhook needs at least one.
    #[serde(default)]
    #[schema(max_items = 1000)]
    ip_allowlist: Vec<String>,
    /// In place of the type's own.
    retry_schedule: Option<RetrySchedule>,
}

impl NewConfiguration {
    /// The configuration that it makes.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn configuration(
        &self,
        id: ConfigurationId,
        now: Timestamp,
        policy: AddressPolicy,
    ) -> Result<Configuration, ApiError> {
        let integration = self.integration.unwrap_or(Integration::Generic);
        let mut errors = Vec::new();
        check_name(self.name.as_deref(), &mut errors);
        let entries = allowlist_entries("ipAllowlist", &self.ip_allowlist, policy, &mut errors);
        let allowlist = added_to_allowlist(Allowlist::default(), entries, &mut errors);
        if !errors.is_empty() {
            return Err(ApiError::validation(errors));
        }
        Ok(Configuration {
            id,
            integration,
            date_format: self.date_format.unwrap_or_else(|| integration.date_format()),
            name: self.name.clone(),
            allowlist,
            retry_schedule: self.retry_schedule.clone(),
            created_at: now,
            version: 1,
        })
    }
}

/// A configuration's name has to be short, and of one line.
pub fn check_name(name: Option<&str>, errors: &mut Vec<ValidationError>) {
    let Some(name) = name else { return };
    if name.chars().count() > MAX_NAME {
        let message = format!("must be at most {MAX_NAME} characters");
        errors.push(ValidationError::new(&["body", "name"], "too_long", message));
    } else if name.chars().any(char::is_control) {
        errors.push(ValidationError::new(&["body", "name"], "value", "must not hold control characters"));
    }
}
