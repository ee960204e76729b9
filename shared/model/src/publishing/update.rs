//! What the platform publishes: the provider-neutral vocabulary of event names, and the data each of them needs.
//!
//! A name is dotted and lower-case and says what happened, never to which provider's payload it leads: renderers alone
//! know that. In place of data the platform may publish a payload that is ready for one type
//! (`raw`), which is passed on byte for byte.

pub mod data;
pub(crate) mod datum;
pub(crate) mod declare;

use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ValidationError;
use crate::publishing::node::Node;
use crate::publishing::notice::{Notice, NoticeKind};
use crate::settings::integration::Integration;
use data::*;
use datum::{Datum, Members, Problems, Side};

/// One field of an update's data, for the published documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub required: bool,
    pub description: &'static str,
}

/// What an event name of the vocabulary means, and what data it takes.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    pub name: EventName,
    pub summary: &'static str,
    pub fields: &'static [Field],
    schema: fn(Side) -> Value,
}

impl Description {
    /// The JSON Schema (draft 2020-12) of `data` as the platform publishes it.
    pub fn data_schema(&self) -> Value {
        (self.schema)(Side::Published)
    }

    pub(crate) fn rendered_schema(&self) -> Value {
        (self.schema)(Side::Rendered)
    }
}

macro_rules! vocabulary {
    ($($name:literal $variant:ident($data:ty) $summary:literal;)+) => {
        /// An update's data, by its event name.
        #[derive(Debug, Clone, PartialEq)]
        pub enum UpdateData {
            $(#[doc = concat!("`", $name, "`: ", $summary)] $variant($data),)+
        }

        /// An event name that can be published.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventName {
            $(#[doc = concat!("`", $name, "`: ", $summary)] $variant,)+
        }

        impl EventName {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name, as the platform writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// None if the vocabulary has no such name.
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// What the name means.
            pub fn description(self) -> Description {
                match self {
                    $(Self::$variant => Description {
                        name: self,
                        summary: $summary,
                        fields: <$data as Datum>::FIELDS,
                        schema: <$data as Datum>::schema,
                    },)+
                }
            }
        }

        impl UpdateData {
            /// The event name that the platform publishes it under.
            pub fn event_name(&self) -> EventName {
                match self { $(Self::$variant(_) => EventName::$variant,)+ }
            }

            pub(crate) fn datum(&self) -> Node<'_> {
                match self { $(Self::$variant(data) => data.node(),)+ }
            }

            /// The link that it is about, if it is about one.
            pub(crate) fn link_id(&self) -> Option<&str> {
                match self.datum() {
                    Node::Object(data) => data.text("linkId"),
                    _ => None,
                }
            }
        }

        /// Reads the data that was published under a name. Every problem is told, each with the path that leads to it
        /// (`["data", "accounts", "3", "status"]`); a name that is not in the vocabulary is one at `["eventName"]`.
        pub fn parse(event_name: &str, data: &RawValue) -> Result<UpdateData, Vec<ValidationError>> {
            let mut problems = Problems::at("data");
            let read = match EventName::parse(event_name) {
                $(Some(EventName::$variant) => <$data>::read(data, &mut problems).map(UpdateData::$variant),)+
                None => return Err(vec![unknown_name(event_name)]),
            };
            problems.finish(read)
        }
    };
}

vocabulary! {
    "transactions.initial" TransactionsInitial(TransactionsArrived)
        "The first transactions of a new link are in.";
    "transactions.historical" TransactionsHistorical(TransactionsArrived)
        "The older transactions of a link are in.";
    "transactions.updated" TransactionsUpdated(TransactionsUpdated)
        "Transactions of a link came in or changed.";
    "transactions.removed" TransactionsRemoved(TransactionsRemoved)
        "Transactions of a link are gone.";
    "transactions.recurring_updated" RecurringTransactionsUpdated(RecurringTransactionsUpdated)
        "The recurring transactions of a link changed.";
    "transactions.history_available" HistoryAvailable(HistoryAvailable)
        "New transactions of a link can be fetched; MoneyKit's `transactions.updates_available`.";
    "item.error" ItemError(ItemError)
        "A link stopped working.";
    "item.login_repaired" ItemLoginRepaired(ItemChanged)
        "A link works again without its user having done anything.";
    "item.new_accounts" ItemNewAccounts(ItemChanged)
        "The institution shows accounts that the link does not have.";
    "item.consent_expiring" ItemConsentExpiring(ConsentExpiring)
        "The user's consent for a link is about to end.";
    "item.disconnecting" ItemDisconnecting(Disconnecting)
        "A link is about to be cut off.";
    "item.webhook_changed" ItemWebhookChanged(ItemWebhookChanged)
        "The URL that hears of a link was changed.";
    "consent.granted" ConsentGranted(ConsentChanged)
        "A user gave their consent for a link.";
    "consent.updated" ConsentUpdated(ConsentChanged)
        "The consent for a link covers something else than before, or for another time.";
    "consent.revoked" ConsentRevoked(ConsentChanged)
        "A consent was taken back.";
    "consent.expired" ConsentExpired(ConsentChanged)
        "A consent ended by itself.";
    "institution.outage_planned" InstitutionOutagePlanned(InstitutionOutage)
        "An institution said that it will not be reachable for a while.";
    "institution.outage_started" InstitutionOutageStarted(InstitutionOutage)
        "An institution cannot be reached, or hardly.";
    "institution.outage_resolved" InstitutionOutageResolved(InstitutionOutage)
        "An institution can be reached again.";
    "connection.status_changed" ConnectionStatusChanged(ConnectionStatusChanged)
        "A connection got into a state that its user can do something about.";
    "accounts.added" AccountsAdded(AccountsAdded)
        "A user added accounts to a link.";
    "accounts.removed" AccountsRemoved(AccountsRemoved)
        "Accounts were taken off a link.";
    "accounts.verified" AccountsVerified(AccountsVerified)
        "The numbers of a link's accounts were verified.";
    "balances.updated" BalancesUpdated(BalancesUpdated)
        "Balances of a link's accounts were refreshed.";
    "holdings.updated" HoldingsUpdated(HoldingsUpdated)
        "Investment holdings of a link came in or changed.";
    "investment_transactions.updated" InvestmentTransactionsUpdated(InvestmentTransactionsUpdated)
        "Investment transactions of a link came in or were canceled.";
    "liabilities.updated" LiabilitiesUpdated(LiabilitiesUpdated)
        "Liabilities of a link came in or changed.";
    "statements.created" StatementsCreated(StatementsCreated)
        "Statements of a link came in.";
    "refresh.finished" RefreshFinished(RefreshFinished)
        "A refresh of a link came to its end.";
    "auto_refresh.changed" AutoRefreshChanged(AutoRefreshChanged)
        "The automatic refresh of a link was switched on or off.";
    "link.state_changed" LinkStateChanged(LinkStateChanged)
        "A link got into another state; MoneyKit's `link.state_changed`.";
    "link.product_refreshed" LinkProductRefreshed(LinkProductRefreshed)
        "The refresh of one product of a link got further; MoneyKit's `link.product_refresh`.";
    "data.updated" DataUpdated(DataUpdated)
        "Data of users changed, whichever it was.";
    "record.changed" RecordChanged(RecordChanged)
        "A record was made, changed or deleted.";
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn unknown_name(event_name: &str) -> ValidationError {
    let shown: String = event_name.chars().take(100).collect();
    let known: Vec<&str> = EventName::ALL.iter().map(|name| name.as_str()).collect();
    let message = format!("there is no event {shown:?}; the events are {}", known.join(", "));
    ValidationError::new(&["eventName"], "value", message)
}

/// What an update says: neutral data that any type may render, or a payload that is ready for one type.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all is data: a box would cost each delivery an allocation")]
pub enum Content {
    Data(UpdateData),
    Raw(RawUpdate),
    /// Tenday's own, which the platform cannot publish.
    Notice(Notice),
}

/// A payload in the shape of one type. Nothing checks that shape: the platform vouches for it.
#[derive(Debug, Clone)]
pub struct RawUpdate {
    /// The vocabulary's name for what happened.
    pub(crate) event_name: EventName,
    /// The only type it can be sent to.
    pub(crate) integration: Integration,
    /// A JSON object, kept as it was written.
    pub(crate) payload: Box<RawValue>,
}

impl Content {
    /// The event name that it was published under.
    pub fn event_name(&self) -> &'static str {
        match self {
            Self::Data(data) => data.event_name().as_str(),
            Self::Raw(raw) => raw.event_name.as_str(),
            Self::Notice(notice) => notice.kind.name(),
        }
    }
}

/// [`parse_content`] for what is stored or on a queue, among which are Tenday's own notices too.
pub fn parse_stored(
    event_name: &str,
    data: Option<&RawValue>,
    raw: Option<&RawValue>,
) -> Result<Content, Vec<ValidationError>> {
    let Some(kind) = NoticeKind::from_name(event_name) else { return parse_content(event_name, data, raw) };
    let missing = || vec![ValidationError::new(&["data"], "missing", "a notice says what it is about")];
    let about = serde_json::from_str(data.ok_or_else(missing)?.get());
    let about = about.map_err(|error| vec![ValidationError::new(&["data"], "value", error.to_string())])?;
    Ok(Content::Notice(Notice { kind, about }))
}

/// Reads the body of an update: `data`, or else `raw`, `{"type": "plaid" | "mx" | … | null, "payload": {…}}`.
/// Problems are located from the update's own members: `["eventName"]`, `["data", …]`, `["raw", …]`.
pub fn parse_content(
    event_name: &str,
    data: Option<&RawValue>,
    raw: Option<&RawValue>,
) -> Result<Content, Vec<ValidationError>> {
    match (data, raw) {
        (Some(data), None) => parse(event_name, data).map(Content::Data),
        (None, Some(raw)) => parse_raw(event_name, raw).map(Content::Raw),
        (None, None) => Err(vec![ValidationError::new(&["data"], "missing", "give data, or else raw")]),
        (Some(_), Some(_)) => Err(vec![ValidationError::new(&["raw"], "conflict", "give either data or raw")]),
    }
}

fn parse_raw(event_name: &str, raw: &RawValue) -> Result<RawUpdate, Vec<ValidationError>> {
    let event_name = EventName::parse(event_name).ok_or_else(|| vec![unknown_name(event_name)])?;
    let mut problems = Problems::at("raw");
    let read = read_raw(event_name, raw, &mut problems);
    problems.finish(read)
}

fn read_raw(event_name: EventName, raw: &RawValue, problems: &mut Problems) -> Option<RawUpdate> {
    let members = Members::read(raw, problems)?;
    members.only(&["type", "payload"], problems);
    let integration = problems.within("type", |problems| {
        let read = members.get("type").map(|text| serde_json::from_str::<Integration>(text.get()));
        match read {
            None => problems.note("missing", "this field is required; null is the generic type"),
            Some(Err(_)) => problems.note("value", format!("give {}", Integration::choices())),
            Some(Ok(integration)) => return Some(integration),
        }
        None
    });
    let payload = problems.within("payload", |problems| {
        let Some(payload) = members.get("payload") else {
            problems.note("missing", "this field is required");
            return None;
        };
        Members::read(payload, problems).map(|_| payload.to_owned())
    });
    Some(RawUpdate { event_name, integration: integration?, payload: payload? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse_value(event_name: &str, data: &Value) -> Result<UpdateData, Vec<ValidationError>> {
        parse(event_name, &RawValue::from_string(data.to_string()).unwrap())
    }

    fn problems(event_name: &str, data: &Value) -> Vec<(String, &'static str, String)> {
        let found = parse_value(event_name, data).unwrap_err();
        found.into_iter().map(|problem| (problem.location.join("/"), problem.kind, problem.message)).collect()
    }

    #[test]
    fn every_problem_is_told_with_its_path() {
        let data = json!({
            "accounts": [{"accountId": "1", "status": "SUCCESS"}, {"accountId": 2, "status": "DONE", "extra": 1}, 3],
            "userId": "",
            "linkTags": [],
        });
        let expected = [
            ("data/linkId", "missing", "this field is required"),
            ("data/userId", "length", "give 1 to 1000 characters"),
            ("data/accounts/1/accountId", "type", "give a text, not a number"),
            ("data/accounts/1/status", "value", "give one of SUCCESS FAILED"),
            ("data/accounts/1/extra", "unknown_field", "no such field; the fields are accountId, status"),
            ("data/accounts/2", "type", "give an object, not a number"),
            ("data/linkTags", "unknown_field", "no such field; the fields are linkId, userId, clientUserId, accounts"),
        ];
        let expected = expected.map(|(path, kind, message)| (path.to_owned(), kind, message.to_owned()));
        assert_eq!(problems("balances.updated", &data), expected);
    }

    #[test]
    fn bounds_hold() {
        let with = |count: Value| json!({"linkId": "i1", "newTransactions": count});
        assert!(parse_value("transactions.initial", &with(json!(0))).is_ok());
        for bad in [json!(-1), json!(1.5), json!(9_007_199_254_740_992_u64), json!("3"), json!(null), json!(1e300)] {
            let found = problems("transactions.initial", &with(bad.clone()));
            assert_eq!(found.len(), 1, "{bad}");
            assert_eq!(found[0].0, "data/newTransactions");
        }
        let id = |length: usize| json!({"linkId": "é".repeat(length)});
        assert!(parse_value("item.new_accounts", &id(1_000)).is_ok());
        assert_eq!(problems("item.new_accounts", &id(1_001))[0].1, "length");
        let ids = |length: usize| json!({"linkId": "i1", "transactionIds": vec!["t"; length]});
        assert!(parse_value("transactions.removed", &ids(1_000)).is_ok());
        assert_eq!(problems("transactions.removed", &ids(1_001))[0].0, "data/transactionIds");
        let at = |text: &str| json!({"linkId": "i1", "expiresAt": text});
        assert!(parse_value("item.consent_expiring", &at("2026-11-21T18:16:00+01:00")).is_ok());
        for bad in ["2026-11-21", "1969-12-31T23:59:59Z", "2026-11-21T18:16:00", "soon"] {
            assert_eq!(problems("item.consent_expiring", &at(bad))[0].1, "value", "{bad}");
        }
    }

    #[test]
    fn a_field_given_twice_is_a_problem_and_null_is_absent() {
        let text = r#"{"linkId": "a", "linkId": "b", "userId": null}"#.to_owned();
        let found = parse("item.new_accounts", &RawValue::from_string(text).unwrap()).unwrap_err();
        assert_eq!((found[0].location.join("/"), found[0].kind), ("data/linkId".to_owned(), "duplicate"));
        let data = json!({"linkId": "a", "userId": null, "environment": null});
        let UpdateData::ItemNewAccounts(read) = parse_value("item.new_accounts", &data).unwrap() else { panic!() };
        assert_eq!((read.user_id, read.environment), (None, None));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let found = problems("transactions.sold", &json!({}));
        assert_eq!((found[0].0.as_str(), found[0].1), ("eventName", "value"));
        assert!(EventName::ALL.iter().all(|name| found[0].2.contains(name.as_str())));
        assert!(EventName::ALL.iter().all(|name| EventName::parse(name.as_str()) == Some(*name)));
    }

    #[test]
    fn content_is_data_or_raw() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let problem = |data: Option<&RawValue>, raw: Option<&RawValue>| {
            let found = parse_content("item.error", data, raw).unwrap_err();
            (found[0].location.join("/"), found[0].kind)
        };
        assert_eq!(problem(None, None), ("data".to_owned(), "missing"));
        assert_eq!(problem(Some(&raw("{}")), Some(&raw("{}"))), ("raw".to_owned(), "conflict"));
        assert_eq!(problem(None, Some(&raw("[]"))), ("raw".to_owned(), "type"));
        assert_eq!(problem(None, Some(&raw(r#"{"payload":{}}"#))), ("raw/type".to_owned(), "missing"));
        assert_eq!(problem(None, Some(&raw(r#"{"type":"x","payload":{}}"#))), ("raw/type".to_owned(), "value"));
        assert_eq!(problem(None, Some(&raw(r#"{"type":null,"payload":[1]}"#))), ("raw/payload".to_owned(), "type"));
        let content = parse_content("item.error", None, Some(&raw(r#"{"type":null,"payload":{ "b":1, "a":2 }}"#)));
        let Ok(Content::Raw(update)) = content else { panic!() };
        assert_eq!(update.payload.get(), r#"{ "b":1, "a":2 }"#);
        assert_eq!((update.integration, update.event_name), (Integration::Generic, EventName::ItemError));
    }
}
