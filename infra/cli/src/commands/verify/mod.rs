//! `tenday verify`: whether a request that came in was signed by whom it says, over what it says.

mod request;
mod signatures;

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::ids::{EventId, WebhookId};
use tenday_model::signing::signature::Secret;
use url::Url;
use zeroize::Zeroizing;

use super::{input, secret};
use crate::api::{Api, keys_at};
use crate::arguments::Common;
use crate::console::{Console, clean};
use crate::error::TendayError;
use crate::settings::{Environment, base_url};
use request::Request;
use signatures::{Check, Verdict};

/// Check the signatures of a request that came in
///
/// Those are webhook-signature, Plaid-Verification, MoneyKit-Signature and Teller-Signature. The request is as it came over the wire: headers, an empty line, and the body, byte for byte; a first line `POST /hook HTTP/1.1`
/// may be there. The secret is asked of the API, by the webhook that the request's webhook-id tells, unless --secret-stdin is
/// given; the keys of JWTs too, unless --keys is. Ends with 1 if anything does not verify, or nothing could be checked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday verify request.txt
  cat request.txt | tenday verify
  tenday verify request.txt --secret-stdin --keys jwks.json --any-age")]
pub(crate) struct Verify {
    /// The file that holds the request, or - for standard input
    #[arg(default_value = "-")]
    request: PathBuf,
    /// Ask for the webhook's secret (whsec_…), or read it from standard input
    #[arg(long)]
    secret_stdin: bool,
    /// The public keys, in place of the API's: a file of what /.well-known/jwks.json answers
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Do not mind how old the request is; else five minutes at most
    #[arg(long)]
    any_age: bool,
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn run(
    verify: &Verify,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<(), TendayError> {
    let from_stdin = verify.request.as_os_str() == "-";
    if from_stdin && verify.secret_stdin {
        let text = "standard input is the request or the secret, not both; give the request as a file";
        return Err(TendayError::Input(text.to_owned()));
    }
    let bytes = input(&verify.request)?;
    let request = Request::parse(&bytes).map_err(|problem| {
        TendayError::Input(format!("{} holds no HTTP request: {problem}", verify.request.display()))
    })?;
    let asker = Asker { verify, environment };
    let secret = if request.needs_secret() { Some(asker.secret(&request).await) } else { None };
    let keys = if request.needs_keys() { Some(asker.keys().await) } else { None };
    let now = (!verify.any_age).then(Timestamp::now);
    let checks = signatures::check(&request, secret, keys, now);
    let is_well = checks.iter().any(|check| matches!(check.verdict, Verdict::Ok))
        && !checks.iter().any(|check| matches!(check.verdict, Verdict::Failed(_)));
    if verify.common.json {
        let shown: Vec<Value> = checks.iter().map(json_of).collect();
        console.json(&json!({ "verified": is_well, "checks": shown }))?;
    } else {
        let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
        if !rows.is_empty() {
            console.table(&["SIGNATURE", "VERDICT", "WHY"], &rows)?;
        }
    }
    if is_well {
        Ok(())
    } else if checks.is_empty() {
        Err(TendayError::Failed("the request has no signature that this command knows".to_owned()))
    } else {
        Err(TendayError::Failed("the request is not verified".to_owned()))
    }
}

fn row(check: &Check) -> Vec<String> {
    let (verdict, why) = told(check);
    vec![check.header.to_owned(), verdict.to_owned(), clean(why.unwrap_or("-"))]
}

fn told(check: &Check) -> (&'static str, Option<&str>) {
    match &check.verdict {
        Verdict::Ok => ("ok", None),
        Verdict::Failed(why) => ("failed", Some(why)),
        Verdict::NotChecked(why) => ("not checked", Some(why)),
    }
}

fn json_of(check: &Check) -> Value {
    let (verdict, why) = told(check);
    json!({ "header": check.header, "verdict": verdict.replace(' ', "_"), "reason": why })
}

/// Where the secret and the keys come from.
struct Asker<'a> {
    verify: &'a Verify,
    environment: &'a Environment,
}

impl Asker<'_> {
    /// The webhook's secret, or why there is none.
    async fn secret(&self, request: &Request<'_>) -> Result<Secret, String> {
        let text = if self.verify.secret_stdin {
            secret("signing secret").map_err(|error| error.to_string())?
        } else {
            let event = request.header("webhook-id").unwrap_or_default();
            let event: EventId = event.parse().map_err(|_| {
                "webhook-id is no event of Tenday's, so the secret has to be given: --secret-stdin".to_owned()
            })?;
            self.ask(&event.webhook).await.map_err(|error| format!("its secret cannot be asked for: {error}"))?
        };
        Secret::parse(&text).map_err(|error| error.to_string())
    }

    async fn ask(&self, webhook: &WebhookId) -> Result<Zeroizing<String>, TendayError> {
        let api = Api::new(self.environment.account(&self.verify.common.profile)?)?;
        let answer = api.get(&format!("/configuration/webhooks/{webhook}/secret")).await?;
        Ok(Zeroizing::new(answer["secret"].as_str().unwrap_or_default().to_owned()))
    }

    /// The public keys, or why there are none.
    async fn keys(&self) -> Result<Value, String> {
        if let Some(file) = &self.verify.keys {
            let text = input(file).map_err(|error| error.to_string())?;
            return serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()));
        }
        let url: Url = match self.environment.url() {
            Some(url) => base_url(url).map_err(|error| error.to_string())?,
            None => self.environment.account(&self.verify.common.profile).map_err(|error| error.to_string())?.url,
        };
        keys_at(&url).await.map_err(|error| format!("the keys cannot be asked for: {error}"))
    }
}
