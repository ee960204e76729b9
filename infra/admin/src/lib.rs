//! The operator's way in: who may ask for a token and for what, what developers bring along from elsewhere, why an event
//! did not arrive, what a developer has and costs, and an end to it. There is no route for any of this, so nothing that
//! faces the internet can do it; it takes the operator's own AWS credentials.
//!
//! `tenday operator` is its command line: [`Operator`] says what may be asked, [`run`] does it.
//!
//! | room | answers |
//! |---|---|
//! | `place` | which deployment is it? |
//! | `clients`, `import` | who may ask for tokens; what do developers bring along? |
//! | `developers`, `webhooks`, `events`, `dropped` | what is there, and why is it so? |
//! | `audit` | who changed what? |
//! | `letters`, `doctor`, `usage`, `keys` | how does the deployment itself fare? |
//! | `policy` | which rights does each of these need? |
//! | `show` | how does an answer look? |

mod arguments;
mod audit;
mod clients;
mod developers;
mod doctor;
mod dropped;
mod error;
mod events;
mod import;
mod keys;
mod letters;
mod place;
mod policy;
mod show;
mod usage;
mod webhooks;

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_store::Client;

pub use arguments::Operator;
use arguments::{ClientsCommand, Command, Owner};
use clients::created_at;
pub use error::AdminError;
pub use import::HeaderError;
use place::Place;

/// Runs one command.
///
/// # Errors
/// When the arguments make no sense together, the table cannot be reached, or there is no such client.
pub async fn run(operator: Operator, output: &mut impl Write) -> Result<(), AdminError> {
    let Operator { place, json, command } = operator;
    match command {
        Command::Clients(command) => Box::pin(clients(place, command, json, output)).await,
        Command::Import(import) => import::run(place, *import, json, output).await,
        Command::Developers(command) => developers::run(place, command, json, output).await,
        Command::Events(command) => events::run(place, command, json, output).await,
        Command::Webhooks(command) => webhooks::run(place, command, json, output).await,
        Command::Dropped(command) => dropped::run(place, command, json, output).await,
        Command::DeadLetters(command) => letters::run(place, command, json, output).await,
        Command::Usage(usage) => usage::run(place, usage, json, output).await,
        Command::Keys(command) => keys::run(place, command, json, output).await,
        Command::Doctor { scan } => doctor::run(place, scan, json, output).await,
        Command::Audit { owner, limit } => audit::run(place, owner, limit, json, output).await,
        Command::Policy { words } => policy::run(place, words, output).await,
    }
}

async fn clients(place: Place, command: ClientsCommand, json: bool, output: &mut impl Write) -> Result<(), AdminError> {
    match command {
        ClientsCommand::Create { owner, scopes } => {
            // What is wrong with the arguments is said before anything is asked of AWS.
            let (client, secret) = clients::new(owner.developer, &scopes)?;
            let found = place.find("operator-clients-create").await?;
            let now = found.now().await?;
            if let Some(developer) = &client.developer
                && found.settings()?.is_erased(developer, now).await?
            {
                return Err(AdminError::IsErased { developer: developer.clone() });
            }
            found.clients()?.put(&found.operating().author_at(now), &client).await?;
            if json {
                let mut shown = view(&client);
                shown["clientSecret"] = secret.into();
                writeln!(output, "{shown:#}")?;
            } else {
                writeln!(output, "client_id      {}", client.id)?;
                writeln!(output, "client_secret  {secret}")?;
                writeln!(output, "owner          {}", owner_of(&client))?;
                writeln!(output, "scopes         {}", client.scopes.join(" "))?;
                writeln!(output, "\nThe secret is shown this once: only a digest of it is kept.")?;
            }
        }
        ClientsCommand::List { owner: Owner { developer, .. } } => {
            let found = place.find("operator-clients-list").await?.clients()?.list(developer.as_ref()).await?;
            if json {
                writeln!(output, "{:#}", found.iter().map(view).collect::<Value>())?;
            } else {
                for client in &found {
                    let created = created_at(&client.id).map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
                    writeln!(output, "{}  {created}  {}", client.id, client.scopes.join(" "))?;
                }
            }
        }
        ClientsCommand::RevokeTokens { ids, developer } => {
            let found = place.find("operator-clients-revoke-tokens").await?;
            let (clients, by) = (found.clients()?, found.operating().author_at(found.now().await?));
            let mut revoked = Vec::new();
            let mut missing = Vec::new();
            for id in ids {
                // The token of a session of the dashboard has an id that is stored nowhere.
                let owner = match clients.get(&id).await? {
                    Some(client) => client.developer,
                    None if developer.is_some() => developer.clone(),
                    None => {
                        missing.push(id);
                        continue;
                    }
                };
                clients.revoke_tokens(&by, owner.as_ref(), &id).await?;
                revoked.push(id);
            }
            if json {
                writeln!(output, "{:#}", json!({ "revoked": revoked }))?;
            } else {
                for id in &revoked {
                    writeln!(output, "tokens of {id} are worthless within a minute")?;
                }
            }
            if !missing.is_empty() {
                return Err(AdminError::NoSuchClients(missing));
            }
        }
        ClientsCommand::Revoke { ids } => {
            let found = place.find("operator-clients-revoke").await?;
            let (clients, operating) = (found.clients()?, found.operating());
            let mut revoked = Vec::new();
            let mut missing = Vec::new();
            for id in ids {
                match clients.get(&id).await? {
                    Some(client) => {
                        clients.delete(&operating.author(), &client).await?;
                        if !json {
                            writeln!(output, "revoked {} of {}", client.id, owner_of(&client))?;
                        }
                        revoked.push(client.id);
                    }
                    None => missing.push(id),
                }
            }
            if json {
                writeln!(output, "{:#}", json!({ "revoked": revoked }))?;
            } else if !revoked.is_empty() {
                writeln!(output, "Access tokens that were given out before are worthless within a minute.")?;
            }
            if !missing.is_empty() {
                return Err(AdminError::NoSuchClients(missing));
            }
        }
    }
    Ok(())
}

fn view(client: &Client) -> Value {
    let created: Option<Timestamp> = created_at(&client.id);
    json!({
        "clientId": client.id,
        "developerId": client.developer,
        "scopes": client.scopes,
        "createdAt": created.map(|at| format!("{at:.0}")),
    })
}

fn owner_of(client: &Client) -> &str {
    client.developer.as_ref().map_or("the platform", |developer| developer.as_str())
}
