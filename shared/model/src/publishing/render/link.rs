//! Which link an update is about: by its data, or by what a ready-made payload says in the shape of its type.

use std::borrow::Cow;

use serde_json::Value;

use super::moneykit;
use crate::publishing::update::{Content, RawUpdate};
use crate::settings::integration::Integration;

/// The link's id; none if the update is about no link, or does not tell.
pub fn link_of(content: &Content) -> Option<Cow<'_, str>> {
    match content {
        Content::Data(update) => update.link_id().map(Cow::Borrowed),
        Content::Raw(raw) => told(raw).map(Cow::Owned),
        Content::Notice(_) => None,
    }
}

fn told(raw: &RawUpdate) -> Option<String> {
    let payload: Value = serde_json::from_str(raw.payload.get()).ok()?;
    let member = places(raw).iter().find_map(|place| payload.pointer(place))?;
    match member {
        Value::String(text) => Some(text.clone()),
        // Yodlee's ids, and Mastercard's.
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Where a payload tells its link (JSON pointers, RFC 6901): where the renderers put it.
fn places(raw: &RawUpdate) -> &'static [&'static str] {
    if !moneykit::names(raw.event_name).is_empty() {
        return &["/link_id"];
    }
    match raw.integration {
        Integration::Generic => &["/data/linkId"],
        Integration::Plaid => &["/item_id"],
        Integration::Mx => &["/member_guid"],
        Integration::Yodlee => {
            &["/event/data/providerAccountId", "/event/data/0/providerAccountId", "/event/data/providerAccount/0/id"]
        }
        // It tells the consent, and not the link that the consent is for.
        Integration::Fdx => &[],
        Integration::Finicity => {
            &["/payload/changes/details/0/institutionLoginId", "/payload/accounts/0/institutionLoginId"]
        }
        Integration::Teller => &["/payload/enrollment_id"],
    }
}
