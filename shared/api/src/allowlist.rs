//! Reading the addresses that a body gives, each by the rules of the allowlist.

use tenday_model::destination::address::{AddressPolicy, Allowlist, AllowlistEntry};
use tenday_model::error::ValidationError;

/// The entries of a field; what is none is told by its place.
pub fn allowlist_entries(
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

/// The allowlist with what the field `ipAllowlist` adds to it.
pub fn added_to_allowlist(
    mut allowlist: Allowlist,
    added: Vec<AllowlistEntry>,
    errors: &mut Vec<ValidationError>,
) -> Allowlist {
    if let Err(problem) = allowlist.add(added) {
        errors.push(ValidationError::new(&["body", "ipAllowlist"], "too_long", problem.to_string()));
    }
    allowlist
}
