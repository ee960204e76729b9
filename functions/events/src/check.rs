//! Whether a webhook's address is in the allowlist: what its host resolves to now, judged as an attempt would. It is no
//! scanner: it looks up the caller's own webhooks only, seldom, and connects to nothing.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use tenday_api::scopes::ConfigurationRead;
use tenday_api::{ApiError, ApiHost, Developer, ErrorCode, Path, RequestRate, Shared};
use tenday_model::destination::address::Refusal;

use crate::answers::{AddressReason, AddressView, Check};
use crate::reattempt::refusal;
use crate::{Functions, webhook_not_found};

/// For people at work, and each of them is a question to somebody's name server.
pub(crate) const CHECKS: RequestRate = RequestRate { per_second: 1, burst: 5 };

pub(crate) async fn check(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
    host: ApiHost,
    Path(webhook): Path<String>,
) -> Result<Json<Check>, ApiError> {
    functions.checks.take(&developer.client, functions.api.now())?;
    functions.refuse(&host);
    let settings = functions.read(&developer.id).await?;
    let mut webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
    let webhook = webhooks.find(|own| own.id.to_string() == webhook).ok_or_else(webhook_not_found)?;
    let url = webhook.callback_url().ok_or_else(|| {
        let message = "This webhook's events are fetched: it has no address that could be checked.";
        ApiError::new(ErrorCode::WebhookOfOtherKind, message)
    })?;
    let allowlist = &settings.configuration.allowlist;
    let found = functions.reattempts.attempts().look_up(&developer.id, url, allowlist).await.map_err(refusal)?;
    Ok(Json(Check {
        host: url.url().host_str().unwrap_or_default().to_owned(),
        addresses: found.addresses.into_iter().map(address).collect(),
        ok: found.ok,
        allowlist_entries: found.entries.iter().map(ToString::to_string).collect(),
        error: found.problem,
    }))
}

fn address((address, refusal): (IpAddr, Option<Refusal>)) -> AddressView {
    let reason = refusal.map(|refusal| match refusal {
        Refusal::Special { .. } => AddressReason::Special,
        Refusal::NotListed { .. } | Refusal::Unresolved | Refusal::TooMany => AddressReason::NotInAllowlist,
    });
    AddressView { address: address.to_string(), allowed: reason.is_none(), reason }
}
