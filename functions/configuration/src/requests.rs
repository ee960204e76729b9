//! The body that changes a configuration, beside [`tenday_api::NewConfiguration`]. What a field means is in
//! docs/sources.md, S2; `removeFromIpAllowlist` and `retrySchedule` are ours.

use serde::Deserialize;
use tenday_api::{ApiError, absent_or, added_to_allowlist, allowlist_entries, new_configuration};
use tenday_model::dates::DateFormat;
use tenday_model::destination::address::AddressPolicy;
use tenday_model::error::ValidationError;
use tenday_model::settings::configuration::{Configuration, RetrySchedule};
use tenday_model::settings::integration::Integration;
use utoipa::ToSchema;

/// What to change of a configuration: at least one field. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ConfigurationChange, min_properties = 1)]
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

impl Change {
    /// Whether it says which type the configuration is of.
    pub(crate) fn gives_type(&self) -> bool {
        self.integration.is_some()
    }

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
            // A type brings its own date format along, unless another is asked for (docs/sources.md, S2.3).
            was.date_format = integration.date_format();
        }
        if let Some(format) = self.date_format {
            was.date_format = format;
        }
        if let Some(name) = &self.name {
            new_configuration::check_name(name.as_deref(), &mut errors);
            was.name.clone_from(name);
        }
        if let Some(schedule) = &self.retry_schedule {
            was.retry_schedule.clone_from(schedule);
        }
        let added = allowlist_entries("ipAllowlist", &self.ip_allowlist, policy, &mut errors);
        let removed = allowlist_entries("removeFromIpAllowlist", &self.remove_from_ip_allowlist, policy, &mut errors);
        for entry in &removed {
            was.allowlist.remove(entry);
        }
        // Removed first: an address that is in both lists stays.
        was.allowlist = added_to_allowlist(was.allowlist, added, &mut errors);
        if errors.is_empty() { Ok(was) } else { Err(ApiError::validation(errors)) }
    }
}

#[cfg(test)]
mod tests {
    //! PATCH bodies, one after another, against a model that knows nothing of how they are applied.

    use std::collections::HashSet;

    use jiff::Timestamp;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{Map, Value, json};
    use tenday_api::NewConfiguration;
    use tenday_model::ids::ConfigurationId;

    use super::*;

    /// Addresses as a developer may write them, and as they are kept; none for what is refused. Few, so that entries
    /// are added twice and removed again.
    const ADDRESSES: [(&str, Option<&str>); 9] = [
        ("123.40.21.1", Some("123.40.21.1")),
        ("123.40.21.1/32", Some("123.40.21.1")),
        ("::ffff:123.40.21.1", Some("123.40.21.1")),
        ("123.40.21.0/24", Some("123.40.21.0/24")),
        ("123.40.21.2", Some("123.40.21.2")),
        ("2606:4700:0:0::1", Some("2606:4700::1")),
        ("2606:4700::/32", Some("2606:4700::/32")),
        ("10.0.0.1", None),
        ("123.40.21", None),
    ];

    /// What a developer sees of a configuration.
    #[derive(Debug, Clone, PartialEq)]
    struct Model {
        integration: Option<String>,
        date_format: String,
        name: Option<String>,
        allowlist: HashSet<String>,
        retry_schedule: Option<Vec<u64>>,
    }

    /// What a body says of a field. `None` is a body that is refused.
    fn texts(body: &Value, field: &str) -> Option<Vec<&'static str>> {
        let Some(list) = body.get(field) else { return Some(Vec::new()) };
        let kept = |text: &Value| ADDRESSES.iter().find(|(given, _)| text == given).and_then(|(_, kept)| *kept);
        list.as_array()?.iter().map(kept).collect()
    }

    impl Model {
        /// The configuration after a body, by what the contract says; none if the body is refused.
        fn patched(&self, body: &Value) -> Option<Self> {
            let mut next = self.clone();
            let mut says_something = false;
            if let Some(integration) = body.get("type") {
                says_something = true;
                next.integration = integration.as_str().map(str::to_owned);
                let brought = match next.integration.as_deref() {
                    None | Some("plaid") => "ISO",
                    Some("mx") => "unix",
                    Some("yodlee") => "UTC",
                    Some(_) => return None,
                };
                next.date_format = brought.to_owned();
            }
            // There is always a format, so `null` cannot clear it: it is as good as absent.
            if let Some(format) = body["dateFormat"].as_str() {
                says_something = true;
                if !["ISO", "UTC", "unix"].contains(&format) {
                    return None;
                }
                next.date_format = format.to_owned();
            }
            if let Some(name) = body.get("name") {
                says_something = true;
                next.name = name.as_str().map(str::to_owned);
                if next.name.as_ref().is_some_and(|name| name.chars().count() > 200 || name.contains('\n')) {
                    return None;
                }
            }
            if let Some(schedule) = body.get("retrySchedule") {
                says_something = true;
                let delays = schedule.as_array().map(|list| list.iter().filter_map(Value::as_u64).collect::<Vec<_>>());
                if delays.as_ref().is_some_and(|delays| delays.is_empty() || delays.contains(&0)) {
                    return None;
                }
                next.retry_schedule = delays;
            }
            let (added, removed) = (texts(body, "ipAllowlist")?, texts(body, "removeFromIpAllowlist")?);
            says_something |= !added.is_empty() || !removed.is_empty();
            for address in removed {
                next.allowlist.remove(address);
            }
            next.allowlist.extend(added.into_iter().map(str::to_owned));
            says_something.then_some(next)
        }

        fn of(configuration: &Configuration) -> Self {
            let entries: Vec<String> = configuration.allowlist.iter().map(ToString::to_string).collect();
            let allowlist: HashSet<String> = entries.iter().cloned().collect();
            assert_eq!(allowlist.len(), entries.len(), "{entries:?} holds something twice");
            let delays = |schedule: &RetrySchedule| schedule.seconds().iter().map(|delay| u64::from(*delay)).collect();
            Self {
                integration: configuration.integration.name().map(str::to_owned),
                date_format: configuration.date_format.name().to_owned(),
                name: configuration.name.clone(),
                allowlist,
                retry_schedule: configuration.retry_schedule.as_ref().map(delays),
            }
        }
    }

    /// The way of the handler: what cannot be read or changes nothing is refused before it is applied.
    fn patched(was: &Configuration, body: &Value) -> Option<Configuration> {
        let change: Change = serde_json::from_value(body.clone()).ok()?;
        change.check_not_empty().ok()?;
        change.apply(was.clone(), AddressPolicy::Deployed).ok()
    }

    /// A field that is absent, `null`, or has one of some values.
    fn field(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
        prop_oneof![4 => Just(None), 1 => Just(Some(Value::Null)), 4 => values.prop_map(Some)]
    }

    /// A list of addresses. `null` is no list, and refused.
    fn addresses() -> impl Strategy<Value = Option<Value>> {
        // What is refused is rarer, else hardly any body would be taken.
        let usual = select(&ADDRESSES[..7]).prop_map(|(given, _)| given);
        let any = select(&ADDRESSES[..]).prop_map(|(given, _)| given);
        let list = prop_oneof![9 => vec(usual, 0..4), 1 => vec(any, 0..4)];
        prop_oneof![20 => Just(None), 1 => Just(Some(Value::Null)), 20 => list.prop_map(|list| Some(json!(list)))]
    }

    fn body() -> impl Strategy<Value = Value> {
        let any_of = |values: Vec<Value>| field(select(values));
        let fields = (
            any_of(vec![json!("plaid"), json!("mx"), json!("yodlee"), json!("yodlee"), json!("MX")]),
            any_of(vec![json!("ISO"), json!("UTC"), json!("unix"), json!("unix"), json!("iso")]),
            any_of(vec![json!("first"), json!("second"), json!(""), json!("é".repeat(200)), json!("x".repeat(201))]),
            any_of(vec![json!([1]), json!([300, 300, 300]), json!([86_400, 1]), json!([]), json!([5, 0])]),
            addresses(),
            addresses(),
        );
        fields.prop_map(|(integration, format, name, schedule, added, removed)| {
            let names = ["type", "dateFormat", "name", "retrySchedule", "ipAllowlist", "removeFromIpAllowlist"];
            let given = names.into_iter().zip([integration, format, name, schedule, added, removed]);
            let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(given.collect::<Map<_, _>>())
        })
    }

    proptest! {
        #[test]
        fn a_sequence_of_patches_does_what_a_plain_model_says(bodies in vec(body(), 1..20)) {
            let id = ConfigurationId::new(Timestamp::UNIX_EPOCH, [0; 10]);
            let create: NewConfiguration = serde_json::from_value(json!({})).unwrap();
            let mut configuration =
                create.configuration(id, Timestamp::UNIX_EPOCH, AddressPolicy::Deployed).unwrap();
            let mut model = Model::of(&configuration);
            for body in bodies {
                let (next, expected) = (patched(&configuration, &body), model.patched(&body));
                prop_assert_eq!(next.as_ref().map(Model::of), expected.clone(), "{}", body);
                configuration = next.unwrap_or(configuration);
                model = expected.unwrap_or(model);
            }
        }
    }
}
