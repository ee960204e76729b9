//! Which webhook a `listen` pulls: one that an earlier `listen` was killed with, if it is for the same events; else one of its own.
//! What others left for other events is drained: disabled, so that nothing more comes in, handed over, and deleted once it is empty.
//!
//! All is done under one lock of the machine, so that two which start at once do not take the same webhook.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use tenday_model::ids::WebhookId;
use url::Url;
use zeroize::Zeroizing;

use super::Listen;
use super::webhook::{Held, set_status, waiting};
use crate::api::Api;
use crate::commands::webhooks::{PATH, subscription};
use crate::error::TendayError;
use crate::settings::{Environment, claim, read_private, write_private};

/// How often it is looked whether another `listen`, which just starts, is done with that.
const EVERY: Duration = Duration::from_millis(100);

/// The webhooks that a `listen` pulls.
pub(super) struct Claimed {
    pub(super) webhook: Held,
    /// Whether the webhook is deleted at the end.
    pub(super) is_ours: bool,
    /// What its requests are signed with, if it is ours.
    pub(super) secret: Option<Zeroizing<String>>,
    /// How many events an earlier `listen` left in it; None if it is new, or its developer's own.
    pub(super) taken_up: Option<usize>,
    /// What was left behind for other events.
    pub(super) drained: Vec<Held>,
}

pub(super) async fn claimed(listen: &Listen, api: &Api, environment: &Environment) -> Result<Claimed, TendayError> {
    let Some(developer) = api.developer().await? else {
        let text = "this is the platform's client, and listening is a developer's: tenday listen --profile NAME";
        return Err(TendayError::NotSignedIn(text.to_owned()));
    };
    if let Some(webhook) = &listen.webhook {
        let found = api.get(&format!("{PATH}/{webhook}")).await?;
        if found["webhook"]["kind"] != "pull" {
            return Err(TendayError::Failed(format!(
                "{webhook} is sent its events; only a pull webhook's are fetched"
            )));
        }
        let webhook = Held::developers(*webhook);
        return Ok(Claimed { webhook, is_ours: false, secret: None, taken_up: None, drained: Vec::new() });
    }
    let desk = Desk { directory: environment.state()?.join("listen").join(name_of(api.url(), &developer)) };
    let lock = desk.directory.join("lock");
    let held = loop {
        match claim(&lock)? {
            Some(held) => break held,
            None => tokio::time::sleep(EVERY).await,
        }
    };
    let claimed = desk.claim(listen, api).await;
    drop(held);
    claimed
}

/// What is kept of one developer's webhooks at one deployment: a file for each webhook, and the secret that they share.
struct Desk {
    directory: PathBuf,
}

impl Desk {
    async fn claim(&self, listen: &Listen, api: &Api) -> Result<Claimed, TendayError> {
        let wanted = Subscription::new(&listen.events, &listen.links);
        let kept = read_private(&self.directory.join("secret"))?;
        let list = api.get(PATH).await?;
        let mut webhook = None;
        let mut drained = Vec::new();
        for (left, is_for) in self.left_behind(&list, kept.as_ref().map(|kept| kept.as_str()), api).await? {
            if webhook.is_none() && is_for == wanted {
                webhook = Some(left);
            } else {
                drained.push(left);
            }
        }
        for left in &drained {
            set_status(api, left.id(), "disabled").await?;
        }
        if let Some(webhook) = webhook {
            // It may have been left while it was drained.
            set_status(api, webhook.id(), "active").await?;
            let taken_up = Some(waiting(api, webhook.id()).await?);
            return Ok(Claimed { secret: kept, webhook, is_ours: true, taken_up, drained });
        }
        let mut body = Map::new();
        body.insert("kind".to_owned(), "pull".into());
        subscription(&mut body, &listen.events, &listen.links);
        if let Some(kept) = &kept {
            body.insert("secret".to_owned(), kept.as_str().into());
        }
        let made = api.post(PATH, &body.into()).await?;
        let secret = Zeroizing::new(made["webhook"]["secret"].as_str().unwrap_or_default().to_owned());
        let id = id_of(&made["webhook"]).ok_or_else(|| TendayError::NotTheApi {
            url: api.url().to_string(),
            cause: "it made no webhook".to_owned(),
        })?;
        let webhook = self.hold(&id)?.ok_or_else(|| TendayError::Failed(format!("{id} is another's already")))?;
        if kept.is_none() {
            // The next one signs with the same, so that nobody has to change their server's settings each time.
            write_private(&self.directory.join("secret"), &secret)?;
        }
        Ok(Claimed { secret: Some(secret), webhook, is_ours: true, taken_up: None, drained })
    }

    /// The webhooks that this command made here and that no process holds, and what each is for. A killed `listen` left a file,
    /// or, if it was killed just then, no file but a webhook with the secret that only this command has.
    async fn left_behind(
        &self,
        list: &Value,
        secret: Option<&str>,
        api: &Api,
    ) -> Result<Vec<(Held, Subscription)>, TendayError> {
        let pulled: Vec<&Value> =
            list["webhooks"].as_array().into_iter().flatten().filter(|webhook| webhook["kind"] == "pull").collect();
        let mut found = Vec::new();
        for webhook in &pulled {
            let Some(id) = id_of(webhook) else { continue };
            let is_ours = match secret {
                _ if self.file(&id).exists() => true,
                Some(secret) => {
                    let answer = api.get(&format!("{PATH}/{id}/secret")).await?;
                    answer["secret"].as_str() == Some(secret)
                }
                None => false,
            };
            if is_ours && let Some(held) = self.hold(&id)? {
                found.push((held, Subscription::of(webhook)));
            }
        }
        self.forget_all_but(&pulled);
        Ok(found)
    }

    /// Files of webhooks that are gone.
    fn forget_all_but(&self, pulled: &[&Value]) {
        let there: Vec<WebhookId> = pulled.iter().filter_map(|webhook| id_of(webhook)).collect();
        for file in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let id: Option<WebhookId> = file.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(id) = id.filter(|id| !there.contains(id))
                && let Ok(Some(_held)) = claim(&self.file(&id))
            {
                let _ = fs::remove_file(self.file(&id));
            }
        }
    }

    fn file(&self, id: &WebhookId) -> PathBuf {
        self.directory.join(id.to_string())
    }

    /// None if another process holds it.
    fn hold(&self, id: &WebhookId) -> Result<Option<Held>, TendayError> {
        let path = self.file(id);
        Ok(claim(&path)?.map(|claim| Held::ours(*id, path, claim)))
    }
}

fn id_of(webhook: &Value) -> Option<WebhookId> {
    webhook["id"].as_str()?.parse().ok()
}

/// What a webhook hears of, whatever order it was said in.
#[derive(Debug, PartialEq, Eq)]
struct Subscription {
    events: Vec<String>,
    links: Vec<String>,
}

impl Subscription {
    fn new(events: &[String], links: &[String]) -> Self {
        let sorted = |words: &[String]| {
            let mut words = words.to_vec();
            words.sort_unstable();
            words.dedup();
            words
        };
        Self { events: sorted(events), links: sorted(links) }
    }

    fn of(webhook: &Value) -> Self {
        let words = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let events = match webhook["eventName"].as_str() {
            Some(one) => vec![one.to_owned()],
            None => words(&webhook["eventNames"]),
        };
        Self::new(&events, &words(&webhook["linkIds"]))
    }
}

/// A directory's name for a developer at a deployment.
fn name_of(url: &Url, developer: &str) -> String {
    let host = url.as_str().trim_end_matches('/').rsplit_once("://").map_or("", |(_, host)| host);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    Path::new(developer).file_name().map_or_else(String::new, |name| {
        format!("{}@{host}", name.to_string_lossy()).chars().map(|c| if c == '@' { c } else { plain(c) }).collect()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_webhook_that_was_left_is_taken_up_for_the_same_events_alone() {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let wanted = |events: &[&str], links: &[&str]| Subscription::new(&owned(events), &owned(links));
        assert_eq!(Subscription::of(&json!({ "eventName": null })), wanted(&[], &[]));
        assert_eq!(Subscription::of(&json!({ "eventName": "A" })), wanted(&["A"], &[]));
        let several = json!({ "eventName": null, "eventNames": ["B", "A"], "linkIds": ["l"] });
        assert_eq!(Subscription::of(&several), wanted(&["A", "B", "A"], &["l"]));
        assert_ne!(Subscription::of(&several), wanted(&["A", "B"], &[]));
    }

    #[test]
    fn each_developer_at_each_deployment_has_a_desk() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        assert_eq!(name_of(&url("https://a.example"), "DEV-a"), "DEV-a@a.example");
        assert_eq!(name_of(&url("http://127.0.0.1:4310/x"), "DEV-a"), "DEV-a@127.0.0.1_4310_x");
    }
}
