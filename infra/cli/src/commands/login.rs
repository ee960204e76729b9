//! `tenday login` and `tenday logout`: what a profile is made of, and unmade.

use std::io::{IsTerminal, Write as _};

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::secret;
use crate::api::{Api, client_credentials, developer_of};
use crate::arguments::Common;
use crate::console::{Console, clean};
use crate::error::TendayError;
use crate::settings::{Account, Credentials, Environment, Profile, Profiles, base_url, shown};

/// Sign in: with a client's id and secret, or with a link to the dashboard
///
/// The secret is asked for, or read from standard input; it is never an argument. What is signed in with is kept in a file that
/// nobody else may read, under the name that --profile gives it. TENDAY_URL, TENDAY_CLIENT_ID and TENDAY_CLIENT_SECRET win over
/// what is kept.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday login --url https://api.example.com --client-id CLI-acme
  tenday login --profile platform --url https://api.example.com --client-id CLI-ours --secret-stdin
  tenday login --link")]
pub(crate) struct Login {
    /// The API's URL; https, but for this machine
    #[arg(long)]
    url: Option<String>,
    /// The client's id; its secret is asked for
    #[arg(long, value_name = "CLI-…")]
    client_id: Option<String>,
    /// Read the secret, or the link, from the first line of standard input
    #[arg(long)]
    secret_stdin: bool,
    /// Sign in with a link to the dashboard, or its code, which are asked for: until that session ends
    #[arg(long, conflicts_with = "client_id")]
    link: bool,
    #[command(flatten)]
    common: Common,
}

/// Forget a sign-in
///
/// Tokens that were given out hold until they expire, within an hour.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday logout
  tenday logout --profile platform
  tenday logout --all")]
pub(crate) struct Logout {
    /// Forget every profile
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn login(
    login: Login,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<(), TendayError> {
    let Login { url, client_id, secret_stdin, link, common } = login;
    if !secret_stdin && !std::io::stdin().is_terminal() {
        let text = "nobody can be asked for the secret; give it by standard input, with --secret-stdin";
        return Err(TendayError::Input(text.to_owned()));
    }
    let given = url.or_else(|| environment.url().map(str::to_owned));
    let path = environment.profiles()?;
    let mut profiles = Profiles::read(&path)?;
    let (url, granted, profile, who) = if link {
        let text = secret("link")?;
        let (base, code) = code_of(&text);
        let url = base_url(&match (given, base) {
            // Whoever has the code is let in: it goes to the API of its link, and nowhere else.
            (Some(url), Some(base)) if base_url(&url)? != base_url(&base)? => {
                let text = format!("the link is of {}, and --url or TENDAY_URL says {}", clean(&base), clean(&url));
                return Err(TendayError::Input(text));
            }
            (Some(url), _) | (None, Some(url)) => url,
            (None, None) => ask("URL of the API", secret_stdin)?,
        })?;
        let nobody = Credentials::Session { token: Zeroizing::default(), expires: jiff::Timestamp::MIN };
        let api = Api::new(Account { url: url.clone(), credentials: nobody })?;
        let granted = api.grant(&[("grant_type", "authorization_code"), ("code", &code)]).await?;
        let profile = Profile::of_session(shown(&url).to_owned(), granted.token(), granted.expires());
        (url, granted, profile, "a session of the dashboard".to_owned())
    } else {
        let url = match given {
            Some(url) => base_url(&url)?,
            None => base_url(&ask("URL of the API", secret_stdin)?)?,
        };
        let id = match client_id.or_else(|| environment.client_id().map(str::to_owned)) {
            Some(id) => id,
            None => ask("client id", secret_stdin)?,
        };
        let secret = secret("client secret")?;
        let credentials = Credentials::Client { id: id.clone(), secret: secret.clone() };
        let api = Api::new(Account { url: url.clone(), credentials })?;
        let granted = api.grant(&client_credentials(&id, &secret)).await?;
        (url.clone(), granted, Profile::of_client(shown(&url).to_owned(), id.clone(), &secret), id)
    };
    profiles.put(&common.profile, profile);
    profiles.write(&path)?;
    let developer = developer_of(granted.token());
    if common.json {
        let answer = json!({
            "profile": common.profile,
            "url": shown(&url),
            "developerId": developer,
            "scopes": granted.scope.split_whitespace().collect::<Vec<_>>(),
            "expiresTime": link.then(|| granted.expires().to_string()),
        });
        return Ok(console.json(&answer)?);
    }
    let whose = developer.map_or_else(|| "the platform".to_owned(), |developer| clean(&developer));
    console.line(format!("Signed in at {}", shown(&url)))?;
    console.line(format!("  as {} of {whose}", clean(&who)))?;
    console.line(format!("  may {}", clean(&granted.scope)))?;
    if link {
        console.line(format!("  until {:.0}, when the session ends", granted.expires()))?;
    }
    Ok(console.line(format!("  kept as profile {} in {}", common.profile, path.display()))?)
}

pub(crate) fn logout(logout: &Logout, environment: &Environment, console: &mut Console<'_>) -> Result<(), TendayError> {
    let path = environment.profiles()?;
    let mut profiles = Profiles::read(&path)?;
    let names = if logout.all { profiles.names() } else { vec![logout.common.profile.clone()] };
    let forgotten: Vec<String> = names.into_iter().filter(|name| profiles.take(name).is_some()).collect();
    if !forgotten.is_empty() {
        profiles.write(&path)?;
    }
    if logout.common.json {
        return Ok(console.json(&json!({ "forgotten": forgotten }))?);
    }
    if forgotten.is_empty() {
        return Ok(console.line("Nothing was kept.")?);
    }
    Ok(console.line(format!("Forgot {}.", forgotten.join(", ")))?)
}

/// What a person is asked, who is there to answer.
fn ask(what: &str, stdin_is_taken: bool) -> Result<String, TendayError> {
    if stdin_is_taken || !std::io::stdin().is_terminal() {
        let option = if what.starts_with("URL") { "--url" } else { "--client-id" };
        return Err(TendayError::Input(format!("the {what} is missing: {option}")));
    }
    let mut terminal = std::io::stderr();
    write!(terminal, "{what}: ")?;
    terminal.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The API and the code of a link to the dashboard, or the code alone.
fn code_of(text: &str) -> (Option<String>, Zeroizing<String>) {
    match text.split_once("#code=") {
        Some((page, code)) => {
            let base = page.trim_end_matches('/').trim_end_matches("/dashboard");
            (Some(base.to_owned()), Zeroizing::new(code.to_owned()))
        }
        None => (None, Zeroizing::new(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_where_it_leads() {
        let (base, code) = code_of("https://a.example/dashboard#code=DEV-a.xyz");
        assert_eq!((base.as_deref(), code.as_str()), (Some("https://a.example"), "DEV-a.xyz"));
        let (base, code) = code_of("DEV-a.xyz");
        assert_eq!((base, code.as_str()), (None, "DEV-a.xyz"));
    }
}
