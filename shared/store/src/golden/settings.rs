//! The rows of the settings table.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::delivery::event::TEN_DAYS;
use tenday_model::ids::DeveloperId;
use tenday_model::settings::audit::AuditEntry;
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::control::Control;
use tenday_model::settings::filter::EventNames;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::link::{Environment, Link, LinkState};
use tenday_model::settings::webhook::{Disabled, Origin, Way, Webhook};

use super::{check, expires_at, golden, said};
use crate::dynamodb::item::{Item, Reader};
use crate::dynamodb::keys;
use crate::error::StoreError;
use crate::settings::audit::{audit_item, entry_from};
use crate::settings::changes::{deleted_from, deletion_item};
use crate::settings::clients::{Client, client_from, client_item, listed_client, secret_digest};
use crate::settings::controls::{StoredControl, control_from, control_item, stored_control_from};
use crate::settings::developer::{
    DeveloperSettings, OldSecret, StoredWebhook, configuration_from, configuration_item, webhook_from, webhook_item,
};
use crate::settings::links::{alias_from, alias_item, claim_item, link_from, link_item};
use crate::settings::sessions::{CLIENT, session_from, session_item};
use crate::signing::keyring::{DataKeys, Keyring, Sealed, keyring_from, keyring_item};
use crate::signing::revocations::{revocation_from, revocation_item};
use crate::signing::signing_keys::{KeyPurpose, PublicKey, StoredKey, key_from, public_from, signer_of};

const ROWS: &str = include_str!("settings.json");

/// What the secrets of the golden rows are sealed under.
const DATA_KEY: &[u8; 32] = b"the data key of the golden rows.";

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn owner(item: &Item) -> DeveloperId {
    keys::pk(item).unwrap().parse().unwrap()
}

#[test]
fn a_configuration_means_what_it_meant() {
    check(ROWS, "configuration", |item| {
        let (configuration, generation) = configuration_from(item)?;
        let mut meaning = configuration_meaning(&configuration);
        meaning["generation"] = json!(generation);
        let control = control_from(item)?;
        let Control { paused_since, limit } = control;
        meaning["paused since"] = json!(paused_since);
        meaning["limit of all webhooks"] = json!(limit);
        let settings = DeveloperSettings { configuration, webhooks: Vec::new(), generation, control };
        let mut written = configuration_item(&owner(item), &settings)?;
        // Counted as webhooks come and go.
        written.insert("webhookCount".to_owned(), item["webhookCount"].clone());
        Ok((meaning, Some(written)))
    });
}

#[test]
fn what_the_operator_has_set_means_what_it_meant() {
    check(ROWS, "control", |item| {
        let StoredControl { control, version } = stored_control_from(item)?;
        let Control { paused_since, limit } = control;
        let meaning = json!({
            "developer": owner(item),
            "paused since": paused_since,
            "limit of all webhooks": limit,
            "version": version,
        });
        Ok((meaning, Some(control_item(&owner(item), control, version.unwrap_or_default()))))
    });
}

#[test]
fn every_type_has_a_golden_configuration() {
    let rows = golden(ROWS, "configuration");
    for integration in Integration::ALL {
        let stored = rows.iter().any(|golden| golden.means["type"] == json!(integration.name()));
        assert!(stored, "{integration:?}: the type's stored name is a contract, add a configuration of it");
    }
}

fn configuration_meaning(configuration: &Configuration) -> Value {
    let Configuration { id, integration, date_format, name, allowlist, retry_schedule, created_at, version } =
        configuration;
    json!({
        "id": id,
        "type": integration.name(),
        "dateFormat": date_format.name(),
        "name": name,
        "ipAllowlist": allowlist,
        "retrySchedule": retry_schedule,
        "createdAt": created_at,
        "version": version,
    })
}

#[test]
fn a_webhook_means_what_it_meant_and_its_secrets_open() {
    check(ROWS, "webhook", |item| {
        let written = webhook_item(&owner(item), &webhook_from(item)?)?;
        Ok((webhook_meaning(item)?, Some(written)))
    });
}

fn webhook_meaning(item: &Item) -> Result<Value, StoreError> {
    let StoredWebhook { webhook, secret, secret_since, old_secrets, headers, generation } = webhook_from(item)?;
    let Webhook {
        id,
        event_names,
        link_ids,
        origin,
        links,
        way,
        disabled,
        retry_schedule,
        rate_limit,
        header_names,
        created_at,
    } = webhook;
    let event_name = event_names.as_ref().and_then(EventNames::only).map(str::to_owned);
    let developer = owner(item);
    let keyring = Keyring::with_key(DATA_KEY);
    let open = |sealed: &Sealed| {
        let secret = wait(keyring.open_webhook_secret(&developer, id, sealed)).unwrap();
        secret.reveal().as_str().to_owned()
    };
    let old = old_secrets.iter().map(|OldSecret { secret, until }| json!({ "secret": open(secret), "until": until }));
    let headers = headers.map(|sealed| {
        let headers = wait(keyring.open_webhook_headers(&developer, id, &sealed)).unwrap();
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    });
    Ok(json!({
        "developer": developer,
        "id": id,
        "eventNames": event_names.filter(|_| event_name.is_none()),
        "eventName": event_name,
        "linkIds": link_ids,
        "origin": (origin == Origin::Link).then_some(origin),
        "links": (!links.is_empty()).then_some(links),
        "callbackURL": match &way {
            Way::Push(url) => Some(url),
            Way::Pull => None,
        },
        "kind": (way == Way::Pull).then_some("pull"),
        "disabled": disabled.map(|Disabled { reason, since }| json!({ "reason": reason, "since": since })),
        "retrySchedule": retry_schedule,
        "rateLimit": rate_limit,
        "headerNames": header_names,
        "headers": headers,
        "createdAt": created_at,
        "secret": open(&secret),
        "oldSecrets": old.collect::<Vec<_>>(),
        "generation": generation,
        "secretSince": secret_since,
    }))
}

#[test]
fn a_deletion_gives_back_what_was_deleted() {
    check(ROWS, "deletion", |item| {
        let kind = Reader { kind: "deletion", item }.text("kind")?;
        let was = deleted_from(item.clone(), kind).unwrap();
        let was_meaning = match kind {
            "configuration" => configuration_meaning(&configuration_from(&was)?.0),
            _ => webhook_meaning(&was)?,
        };
        let request = keys::sk(item).and_then(|sort| sort.strip_prefix("D#")).unwrap().parse().unwrap();
        let expires = Timestamp::from_second(expires_at(item)).unwrap();
        let written = deletion_item(&owner(item), request, kind, was, expires - TEN_DAYS);
        // Each field of it is told by a row of its own kind.
        Ok((json!({ "kind": kind, "was": said(&was_meaning), "until": expires }), Some(written)))
    });
}

#[test]
fn a_client_means_what_it_meant() {
    check(ROWS, "client", |item| {
        let id = keys::pk(item).unwrap().parse().unwrap();
        let client = client_from(&id, item)?;
        assert!(!client.has_secret("another"));
        let Client { id, developer, scopes, secret_digest: _ } = &client;
        let meaning = json!({
            "id": id.as_str(),
            "developer": developer,
            "scopes": scopes,
            "has the secret": client.has_secret("the client's secret"),
        });
        Ok((meaning, Some(client_item(&client)?)))
    });
}

#[test]
fn a_client_is_listed_among_its_owners() {
    check(ROWS, "listed client", |item| {
        let client = listed_client(item)?;
        let owner = keys::pk(item).and_then(|pk| pk.parse::<DeveloperId>().ok());
        let meaning = json!({ "developer": owner, "client": client.as_str() });
        Ok((meaning, Some(keys::client_of(owner.as_ref(), &client))))
    });
}

#[test]
fn a_link_means_what_it_meant_and_its_claim_says_whose_it_is() {
    check(ROWS, "link", |item| {
        let id = keys::pk(item).and_then(|pk| pk.strip_prefix("LINK#")).unwrap().parse().unwrap();
        if keys::sk(item) == Some(keys::LINK_CLAIM) {
            let developer = Reader { kind: "claim", item }.text("developer")?;
            return Ok((json!({ "id": id, "claimed by": developer }), None));
        }
        let link = link_from(&id, item)?;
        let Link { id, developer, environment, state, error, products, tags, binding, alias } = &link;
        let meaning = json!({
            "id": id,
            "developer": developer,
            "environment": environment.word(),
            "state": state.word(),
            "error": error.map(|error| error.word()),
            "products": products,
            "tags": tags,
            "webhook": binding.as_ref().map(|binding| binding.webhook),
            "callbackURL": binding.as_ref().map(|binding| &binding.callback_url),
            "alias": alias,
        });
        let claim = claim_item(&link);
        assert_eq!(claim["developer"].as_s(), Ok(&link.developer.to_string()));
        Ok((meaning, Some(link_item(&link)?)))
    });
}

#[test]
fn a_session_means_what_it_meant() {
    check(ROWS, "session", |item| {
        let digest = secret_digest("DEV-7c1f0a52-4a7e-4c58-9f0b-2f3f6f1b6a10.the code");
        let session = session_from(item)?;
        let meaning = json!({
            "developer": session.developer,
            "scopes": session.scopes,
            "seconds": session.seconds,
            "opened by": session.opened_by,
            "opened with a token of": session.opened_with,
            "until": session.expires_at,
            "exchanged for": Reader { kind: "session", item }.optional_text(CLIENT),
        });
        let mut written = session_item(&session, &digest)?;
        // Set when it is exchanged.
        written.extend(item.get_key_value(CLIENT).map(|(name, client)| (name.clone(), client.clone())));
        Ok((meaning, Some(written)))
    });
}

#[test]
fn an_audit_entry_means_what_it_meant() {
    check(ROWS, "audit entry", |item| {
        let entry = entry_from(item)?;
        let partition = keys::pk(item).unwrap();
        let owner: Option<DeveloperId> = partition.strip_suffix("#AUDIT").unwrap().parse().ok();
        assert_eq!(keys::audit_of(owner.as_ref()), partition);
        let AuditEntry { id, who, change, ids, fields, request_id, expires_at } = &entry;
        let meaning = json!({
            "of": partition,
            "id": id,
            "who": [who.kind(), who.name()],
            "change": change,
            "ids": ids,
            "fields": fields,
            "request": request_id,
            "until": expires_at,
        });
        Ok((meaning, Some(audit_item(owner.as_ref(), &entry)?)))
    });
}

#[test]
fn an_alias_says_whose_link_it_is_of() {
    check(ROWS, "alias", |item| {
        let (developer, id) = alias_from(item)?;
        let alias = keys::pk(item).and_then(|pk| pk.strip_prefix("ALIAS#")).unwrap().parse().unwrap();
        let link = Link {
            id: id.clone(),
            developer: developer.clone(),
            environment: Environment::Sandbox,
            state: LinkState::Connected,
            error: None,
            products: Vec::new(),
            tags: Vec::new(),
            binding: None,
            alias: Some(alias),
        };
        Ok((json!({ "alias": alias, "developer": developer, "link": id }), Some(alias_item(&alias, &link))))
    });
}

#[test]
fn a_signing_key_signs_and_its_public_half_verifies() {
    check(ROWS, "signing key", |item| {
        let PublicKey { purpose, kid, jwk, created_at: made_at, unused_from } = public_from(item)?;
        assert_eq!(unused_from, None, "that is its successor's to say");
        let stored = [key_from(item)?];
        let StoredKey { sort: _, created_at, ends, private: _ } = stored[0];
        assert_eq!(made_at, created_at);
        let keyring = Keyring::with_key(DATA_KEY);
        let signer = wait(signer_of(&stored, purpose, &keyring, created_at))?.unwrap();
        assert_eq!((serde_json::to_value(signer.jwk()).unwrap(), signer.kid()), (jwk, kid.as_str()));
        let meaning = json!({
            "purpose": match purpose {
                KeyPurpose::AccessTokens => "access tokens",
                KeyPurpose::Webhooks => "webhooks",
            },
            "kid": kid,
            "createdAt": created_at,
            "ends": ends.then(|| Timestamp::from_second(expires_at(item)).unwrap()),
        });
        Ok((meaning, None))
    });
}

#[test]
fn a_revocation_means_what_it_meant() {
    check(ROWS, "revocation", |item| {
        let (client, through) = revocation_from(item)?;
        let until = Timestamp::from_second(expires_at(item)).unwrap();
        let meaning = json!({ "client": client, "through": Timestamp::from_second(through).unwrap(), "until": until });
        Ok((meaning, Some(revocation_item(&client, through, until))))
    });
}

#[test]
fn the_keyring_holds_the_wrapped_data_keys() {
    check(ROWS, "keyring", |item| {
        let keys = keyring_from(item)?;
        let text = |wrapped: &BTreeMap<u32, Vec<u8>>| -> Value {
            wrapped.iter().map(|(number, bytes)| (number.to_string(), json!(String::from_utf8_lossy(bytes)))).collect()
        };
        let DataKeys { current, wrapped, rewrapped } = &keys;
        let others = wrapped.iter().filter(|(number, _)| **number > 1).map(|(number, bytes)| (*number, bytes.clone()));
        let meaning = json!({
            "wrapped": String::from_utf8_lossy(&wrapped[&1]),
            "later": text(&others.collect()),
            "current": (*current > 1).then_some(current),
            "rewrapped": rewrapped.iter().map(|(arn, keys)| (arn.clone(), text(keys))).collect::<Value>(),
        });
        Ok((meaning, Some(keyring_item(&keys))))
    });
}
