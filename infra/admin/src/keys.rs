//! The keys that seal secrets and sign tokens and webhooks: which there are, and others in their place.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_store::{KeyPurpose, Keyring, SigningKeys};

use crate::arguments::{KeysCommand, Rotation};
use crate::error::AdminError;
use crate::place::{Deployment, Place};
use crate::show::moment;

/// How often the settings are looked through at most: what was changed while one look went on is found by the next.
const LOOKS: u32 = 10;

pub(crate) async fn run(
    place: Place,
    command: KeysCommand,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    match command {
        KeysCommand::Status => {
            let found = place.find("operator-keys-status").await?;
            status(&found, as_json, output).await
        }
        KeysCommand::Rotate { what } => {
            let found = place.find("operator-keys-rotate").await?;
            found.same_version()?;
            rotate(&found, what, as_json, output).await
        }
    }
}

async fn status(found: &Deployment, as_json: bool, output: &mut impl Write) -> Result<(), AdminError> {
    let (now, keyring) = (found.now().await?, found.keyring()?);
    let state = keyring.state().await?.ok_or(AdminError::NoDataKey)?;
    let sealed = keyring.sealed_by().await?;
    let (key, kms) = (found.key()?, found.aws.key_state(&found.key()?).await?);
    let public = SigningKeys::new(&found.aws, found.settings_table()?).public(now).await?;
    let signing: Vec<Value> = public
        .iter()
        .map(|key| {
            let purpose = match key.purpose {
                KeyPurpose::AccessTokens => "tokens",
                KeyPurpose::Webhooks => "webhooks",
            };
            json!({ "keyId": key.kid, "signs": purpose, "createdAt": moment(key.created_at) })
        })
        .collect();
    if as_json {
        let data: Vec<Value> = state
            .numbers
            .iter()
            .map(|number| {
                let count = sealed.get(number).copied().unwrap_or_default();
                json!({ "number": number, "seals": *number == state.current, "sealed": count })
            })
            .collect();
        let shown = json!({
            "kmsKey": key, "kmsKeyState": kms, "wrappedForToo": state.rewrapped_for, "dataKeys": data, "signingKeys": signing,
        });
        writeln!(output, "{shown:#}")?;
        return Ok(());
    }
    writeln!(output, "KMS key      {key}, {kms}")?;
    for arn in &state.rewrapped_for {
        writeln!(output, "             the data keys are wrapped for {arn} too")?;
    }
    for number in &state.numbers {
        let count = sealed.get(number).copied().unwrap_or_default();
        let seals = if *number == state.current { ", seals what is new" } else { "" };
        writeln!(output, "data key {number:<3} {count} secrets{seals}")?;
    }
    for key in &signing {
        let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        writeln!(output, "signing key  {} of {}, made {}", text("keyId"), text("signs"), text("createdAt"))?;
    }
    Ok(())
}

async fn rotate(found: &Deployment, what: Rotation, as_json: bool, output: &mut impl Write) -> Result<(), AdminError> {
    let keyring = found.keyring()?;
    let everything = !what.data_key && !what.signing_keys && what.kms_key.is_none();
    let mut done = serde_json::Map::new();
    if let Some(arn) = what.kms_key {
        keyring.wrap_for(&arn).await?;
        if !as_json {
            writeln!(output, "The data keys are wrapped for {arn} too. Deploy with that key now.")?;
        }
        done.insert("wrappedFor".to_owned(), arn.into());
    }
    if what.data_key || everything {
        let (number, sealed) = new_data_key(&keyring).await?;
        if !as_json {
            writeln!(output, "Data key {number} seals from now on; {sealed} secrets were sealed anew under it.")?;
            writeln!(output, "A sandbox that has not met it yet seals with the one before: keys status, in an hour.")?;
        }
        done.insert("dataKey".to_owned(), json!({ "number": number, "sealedAnew": sealed }));
    }
    if what.signing_keys || everything {
        let now: Timestamp = found.now().await?;
        let keys = SigningKeys::new(&found.aws, found.settings_table()?);
        keys.make_anew(&keyring, now).await?;
        let ended = if what.end_old { keys.end_older(now).await? } else { 0 };
        if !as_json && what.end_old {
            writeln!(output, "A new key of tokens and one of webhooks are there; {ended} old ones are gone.")?;
            writeln!(output, "Every token from before is worthless once a sandbox reads the keys anew.")?;
        } else if !as_json {
            writeln!(output, "A new key of tokens and one of webhooks are there; the old ones verify on.")?;
        }
        done.insert("signingKeys".to_owned(), json!({ "made": 2, "ended": ended }));
    }
    if as_json {
        writeln!(output, "{:#}", Value::Object(done))?;
    }
    Ok(())
}

/// A new data key, unless one is there under which not everything is sealed yet: then an earlier run died of it, and this
/// one goes on.
async fn new_data_key(keyring: &Keyring) -> Result<(u32, u64), AdminError> {
    let state = keyring.state().await?.ok_or(AdminError::NoDataKey)?;
    let behind: u64 =
        keyring.sealed_by().await?.iter().filter(|(number, _)| **number != state.current).map(|(_, count)| count).sum();
    let number = if behind > 0 && state.current > 1 { state.current } else { keyring.add_key().await? };
    let mut sealed = 0;
    for _ in 0..LOOKS {
        match keyring.reseal().await? {
            0 => break,
            anew => sealed += anew,
        }
    }
    Ok((number, sealed))
}
