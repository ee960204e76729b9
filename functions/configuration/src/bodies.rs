//! The bodies that make and change a configuration. What a field means is seed S2's; `removeFromIpAllowlist` and
//! `retrySchedule` are ours.

use jiff::Timestamp;
use serde::Deserialize;
use tenday_api::{ApiError, absent_or};
use tenday_model::address::{AddressPolicy, Allowlist, AllowlistEntry};
use tenday_model::configuration::{Configuration, MAX_NAME, RetrySchedule};
use tenday_model::dates::DateFormat;
use tenday_model::error::ValidationError;
use tenday_model::ids::ConfigurationId;
use tenday_model::integration::Integration;
use utoipa::ToSchema;

/// A new configuration. Every field may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewConfiguration)]
pub(crate) struct Create {
    #[serde(rename = "type", default)]
    #[schema(value_type = Integration, required = false)]
    integration: Option<Integration>,
    /// Unless given, the type's own: `ISO` for plaid and generic, `unix` for mx, `UTC` for yodlee.
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

/// What to change of a configuration: at least one field. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ConfigurationChange)]
pub(crate) struct Change {
    /// `null` is the generic type. A type brings its date format along, unless `dateFormat` is given too. A webhook for
    /// an event that the new type does not have is disabled.
    #[serde(rename = "type", default, deserialize_with = "present")]
    #[schema(value_type = Integration, required = false)]
    integration: Option<Integration>,
    date_format: Option<DateFormat>,
    /// `null` takes the name away.
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<String>, required = false, max_length = 200)]
    name: Option<Option<String>>,
    /// Added to what is there: IPv4, IPv6 or CIDR. An address that is also in `removeFromIpAllowlist` stays.
    #[serde(default)]
    #[schema(max_items = 1000)]
    ip_allowlist: Vec<String>,
    /// Removed from it; what is not there is fine.
    #[serde(default)]
    remove_from_ip_allowlist: Vec<String>,
    /// `null` goes back to the type's own.
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<RetrySchedule>, required = false)]
    retry_schedule: Option<Option<RetrySchedule>>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Integration>, D::Error> {
    Integration::deserialize(deserializer).map(Some)
}

impl Create {
    pub(crate) fn configuration(
        self,
        id: ConfigurationId,
        now: Timestamp,
        policy: AddressPolicy,
    ) -> Result<Configuration, ApiError> {
        let integration = self.integration.unwrap_or(Integration::Generic);
        let mut errors = Vec::new();
        check_name(self.name.as_deref(), &mut errors);
        let entries = entries("ipAllowlist", &self.ip_allowlist, policy, &mut errors);
        let allowlist = collect(Allowlist::default(), entries, &mut errors);
        if !errors.is_empty() {
            return Err(ApiError::validation(errors));
        }
        Ok(Configuration {
            id,
            integration,
            date_format: self.date_format.unwrap_or_else(|| integration.date_format()),
            name: self.name,
            allowlist,
            retry_schedule: self.retry_schedule,
            created_at: now,
            version: 1,
        })
    }
}

impl Change {
    pub(crate) fn check_not_empty(&self) -> Result<(), ApiError> {
        let empty = self.integration.is_none()
            && self.date_format.is_none()
            && self.name.is_none()
            && self.ip_allowlist.is_empty()
            && self.remove_from_ip_allowlist.is_empty()
            && self.retry_schedule.is_none();
        if empty {
            let fields = "type, dateFormat, name, ipAllowlist, removeFromIpAllowlist, retrySchedule";
            let message = format!("nothing would change; give at least one of {fields}");
            return Err(ApiError::validation(vec![ValidationError::new(&["body"], "missing", message)]));
        }
        Ok(())
    }

    pub(crate) fn apply(&self, mut was: Configuration, policy: AddressPolicy) -> Result<Configuration, ApiError> {
        let mut errors = Vec::new();
        if let Some(integration) = self.integration {
            was.integration = integration;
            // A type brings its own date format along, unless another is asked for (seed S2).
            was.date_format = integration.date_format();
        }
        if let Some(format) = self.date_format {
            was.date_format = format;
        }
        if let Some(name) = &self.name {
            check_name(name.as_deref(), &mut errors);
            was.name.clone_from(name);
        }
        if let Some(schedule) = &self.retry_schedule {
            was.retry_schedule.clone_from(schedule);
        }
        let added = entries("ipAllowlist", &self.ip_allowlist, policy, &mut errors);
        let removed = entries("removeFromIpAllowlist", &self.remove_from_ip_allowlist, policy, &mut errors);
        for entry in &removed {
            was.allowlist.remove(entry);
        }
        // Removed first: an address that is in both lists stays.
        was.allowlist = collect(was.allowlist, added, &mut errors);
        if errors.is_empty() { Ok(was) } else { Err(ApiError::validation(errors)) }
    }
}

fn check_name(name: Option<&str>, errors: &mut Vec<ValidationError>) {
    let Some(name) = name else { return };
    if name.chars().count() > MAX_NAME {
        let message = format!("must be at most {MAX_NAME} characters");
        errors.push(ValidationError::new(&["body", "name"], "too_long", message));
    } else if name.chars().any(char::is_control) {
        errors.push(ValidationError::new(&["body", "name"], "value", "must not hold control characters"));
    }
}

fn entries(
    field: &str,
    texts: &[String],
    policy: AddressPolicy,
    errors: &mut Vec<ValidationError>,
) -> Vec<AllowlistEntry> {
    let mut entries = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match AllowlistEntry::parse(text, policy) {
            Ok(entry) => entries.push(entry),
            Err(problem) => {
                errors.push(ValidationError::new(&["body", field, &index.to_string()], "value", problem.to_string()));
            }
        }
    }
    entries
}

fn collect(mut allowlist: Allowlist, added: Vec<AllowlistEntry>, errors: &mut Vec<ValidationError>) -> Allowlist {
    if let Err(problem) = allowlist.add(added) {
        errors.push(ValidationError::new(&["body", "ipAllowlist"], "too_long", problem.to_string()));
    }
    allowlist
}
