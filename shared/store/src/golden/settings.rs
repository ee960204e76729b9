//! The rows of the settings table.

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::delivery::event::TEN_DAYS;
use tenday_model::ids::DeveloperId;
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::link::{Environment, Link, LinkState};
use tenday_model::settings::webhook::Origin;

use super::{check, expires_at};
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader};
use crate::dynamodb::keys;
use crate::error::StoreError;
use crate::settings::changes::{deleted_from, deletion_item};
use crate::settings::clients::{client_from, client_item, listed_client};
use crate::settings::developer::{
    DeveloperSettings, configuration_from, configuration_item, webhook_from, webhook_item,
};
use crate::settings::links::{alias_from, alias_item, claim_item, link_from, link_item};
use crate::signing::keyring::{Keyring, Sealed, keyring_item, wrapped_from};
use crate::signing::signing_keys::{KeyPurpose, key_from, public_from, signer_of};

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
        let settings = DeveloperSettings { configuration, webhooks: Vec::new(), generation };
        let mut written = configuration_item(&owner(item), &settings)?;
        // Counted as webhooks come and go.
        written.insert("webhookCount".to_owned(), item["webhookCount"].clone());
        Ok((meaning, Some(written)))
    });
}

fn configuration_meaning(configuration: &Configuration) -> Value {
    json!({
        "id": configuration.id,
        "type": configuration.integration.name(),
        "dateFormat": configuration.date_format.name(),
        "name": configuration.name,
        "ipAllowlist": configuration.allowlist,
        "retrySchedule": configuration.retry_schedule,
        "createdAt": configuration.created_at,
        "version": configuration.version,
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
    let stored = webhook_from(item)?;
    let (developer, webhook) = (owner(item), &stored.webhook);
    let keyring = Keyring::with_key(DATA_KEY);
    let secret = |sealed: &Sealed| {
        let secret = wait(keyring.open_webhook_secret(&developer, webhook.id, sealed)).unwrap();
        secret.reveal().as_str().to_owned()
    };
    let old = stored.old_secrets.iter().map(|old| json!({ "secret": secret(&old.secret), "until": old.until }));
    let headers = stored.headers.as_ref().map(|sealed| {
        let headers = wait(keyring.open_webhook_headers(&developer, webhook.id, sealed)).unwrap();
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    });
    let mut meaning = json!({
        "developer": developer,
        "id": webhook.id,
        "eventName": webhook.event_name(),
        "callbackURL": webhook.callback_url,
        "disabled": webhook.disabled,
        "retrySchedule": webhook.retry_schedule,
        "rateLimit": webhook.rate_limit,
        "headerNames": webhook.header_names,
        "headers": headers,
        "createdAt": webhook.created_at,
        "secret": secret(&stored.secret),
        "oldSecrets": old.collect::<Vec<_>>(),
        "generation": stored.generation,
    });
    if webhook.origin != Origin::Developer {
        meaning["origin"] = json!(webhook.origin);
    }
    if !webhook.links.is_empty() {
        meaning["links"] = json!(webhook.links);
    }
    if let Some(names) = webhook.several_events() {
        meaning["eventNames"] = json!(names);
    }
    if let Some(ids) = &webhook.link_ids {
        meaning["linkIds"] = json!(ids);
    }
    Ok(meaning)
}

#[test]
fn a_deletion_gives_back_what_was_deleted() {
    check(ROWS, "deletion", |item| {
        let kind = Reader { kind: "deletion", item }.text("kind")?;
        let was = deleted_from(item.clone(), kind).unwrap();
        let meaning = match kind {
            "configuration" => configuration_meaning(&configuration_from(&was)?.0),
            _ => webhook_meaning(&was)?,
        };
        let request = keys::sk(item).and_then(|sort| sort.strip_prefix("D#")).unwrap().parse().unwrap();
        let expires = Timestamp::from_second(expires_at(item)).unwrap();
        let written = deletion_item(&owner(item), request, kind, was, expires - TEN_DAYS);
        Ok((json!({ "kind": kind, "was": meaning, "until": expires }), Some(written)))
    });
}

#[test]
fn a_client_means_what_it_meant() {
    check(ROWS, "client", |item| {
        let id = keys::pk(item).unwrap().parse().unwrap();
        let client = client_from(&id, item)?;
        let meaning = json!({
            "id": client.id.as_str(),
            "developer": client.developer,
            "scopes": client.scopes,
            "has the secret": client.has_secret("the client's secret"),
            "has another": client.has_secret("another"),
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
        let mut meaning = json!({
            "id": link.id,
            "developer": link.developer,
            "environment": link.environment.word(),
            "state": link.state.word(),
            "error": link.error.map(|error| error.word()),
            "products": link.products,
            "tags": link.tags,
        });
        if let Some(binding) = &link.binding {
            meaning["webhook"] = json!(binding.webhook);
            meaning["callbackURL"] = json!(binding.callback_url);
        }
        if let Some(alias) = &link.alias {
            meaning["alias"] = json!(alias);
        }
        let claim = claim_item(&link);
        assert_eq!(claim["developer"].as_s(), Ok(&link.developer.to_string()));
        Ok((meaning, Some(link_item(&link)?)))
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
        let public = public_from(item)?;
        let stored = [key_from(item)?];
        let keyring = Keyring::with_key(DATA_KEY);
        let signer = wait(signer_of(&stored, public.purpose, &keyring, stored[0].created_at))?.unwrap();
        assert_eq!(serde_json::to_value(signer.jwk()).unwrap(), public.jwk);
        let meaning = json!({
            "purpose": match public.purpose {
                KeyPurpose::AccessTokens => "access tokens",
                KeyPurpose::Webhooks => "webhooks",
            },
            "kid": signer.kid(),
            "createdAt": stored[0].created_at,
            "ends": item.contains_key(EXPIRES_AT).then(|| Timestamp::from_second(expires_at(item)).unwrap()),
        });
        Ok((meaning, None))
    });
}

#[test]
fn the_keyring_holds_the_wrapped_data_key() {
    check(ROWS, "keyring", |item| {
        let wrapped = wrapped_from(item)?;
        let meaning = json!({ "wrapped": String::from_utf8_lossy(&wrapped) });
        Ok((meaning, Some(keyring_item(wrapped))))
    });
}
