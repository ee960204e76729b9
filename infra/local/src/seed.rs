//! What a local run holds from the start: two developers' clients, and the platform's.

use jiff::Timestamp;
use tenday_model::settings::audit::{AuditDays, Who};
use tenday_store::{Author, Aws, Client, Clients, secret_digest};

use crate::{StartError, template::Template};

/// A client that every local run knows.
pub struct SeededClient {
    pub id: &'static str,
    pub secret: &'static str,
    /// None for the platform.
    pub developer: Option<&'static str>,
    pub scopes: &'static [&'static str],
}

const DEVELOPER_SCOPES: &[&str] = &["configuration:read", "configuration:write", "links:test"];

pub const DEVELOPER: SeededClient = SeededClient {
    id: "CLI-local-developer",
    secret: "local-developer-secret",
    developer: Some("DEV-local-developer"),
    scopes: DEVELOPER_SCOPES,
};
/// Shows that tenants are apart.
pub const OTHER: SeededClient = SeededClient {
    id: "CLI-local-other",
    secret: "local-other-secret",
    developer: Some("DEV-local-other"),
    scopes: DEVELOPER_SCOPES,
};
pub const PLATFORM: SeededClient = SeededClient {
    id: "CLI-local-platform",
    secret: "local-platform-secret",
    developer: None,
    scopes: &["updates:publish", "links:manage", "dashboard:open"],
};

/// Called once at each start, when the tables exist and before anything is served.
pub(crate) async fn seed(endpoint_url: &str, template: &Template) -> Result<(), StartError> {
    let failed = |cause: String| StartError::Seed(cause);
    let table = template.tables.iter().find(|table| table.logical_id == "SettingsTable");
    let table = table.ok_or_else(|| failed("the template has no table called SettingsTable".to_owned()))?;
    let clients = Clients::new(&Aws::at(endpoint_url), table.name.clone());
    let by = Author { who: Who::Operator("local".to_owned()), at: Timestamp::now(), kept: AuditDays::default() };
    for seeded in [DEVELOPER, OTHER, PLATFORM] {
        let client = Client {
            id: seeded.id.parse().map_err(|error| failed(format!("{error}")))?,
            developer: seeded
                .developer
                .map(str::parse)
                .transpose()
                .map_err(|error: tenday_model::ids::InvalidId| failed(error.to_string()))?,
            scopes: seeded.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            secret_digest: secret_digest(seeded.secret),
        };
        let found = clients.get(&client.id).await.map_err(|error| failed(error.to_string()))?;
        if found.as_ref() != Some(&client) {
            clients.put(&by, &client).await.map_err(|error| failed(error.to_string()))?;
        }
    }
    Ok(())
}
