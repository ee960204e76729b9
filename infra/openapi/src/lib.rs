//! Tenday's contract as one OpenAPI document, put together from what each function says of its routes and what the model
//! says of payloads; references made of it for people; and what the developer dashboard knows of events and errors.

mod catalogue;
mod event_pages;
mod page;
mod received;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use tenday_api::openapi::Section;
use utoipa::openapi::{Info, License, OpenApi, OpenApiBuilder, Server, Tag};

/// Why the documents could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("the document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{} cannot be written: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

const DESCRIPTION: &str = "Webhook delivery for financial-data platforms.

A developer has one configuration and up to a hundred webhooks; the platform publishes updates, and each becomes an \
event for every webhook that subscribes to it. Events that cannot be delivered are kept for ten days.

Every error has the same body, whose `error_code` is one of a closed set; only `/auth/token` answers as RFC 6749 says. A \
path or a method that is not described here is answered with 404 `api_error.route_not_found` or with 405 \
`api_error.method_not_allowed`. A field that is not in a body's schema is an error, not ignored, and so is a query \
parameter that a route does not have. Whatever media type a JSON body is sent as, it is read as JSON; at most 256 KB of \
it, at most 32 levels deep.

Dates are written as the configuration's `dateFormat` says. What a receiver gets is in the document's `webhooks`, and for \
people in `docs/events`.";

/// The whole document: the routes, and what receivers get.
pub fn contract() -> OpenApi {
    let mut document = document();
    received::describe(&mut document);
    document
}

/// The routes' part of it, for which `docs/api.html` is: what receivers get has pages of its own, in `docs/events`.
fn document() -> OpenApi {
    let mut info = Info::new("Tenday", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let tags = Section::ALL.into_iter().map(|section| {
        let mut tag = Tag::new(section.name());
        tag.description = Some(section.description().to_owned());
        tag
    });
    let mut document = OpenApiBuilder::new().info(info).servers(Some([Server::new("/")])).tags(Some(tags)).build();
    fragments().into_iter().for_each(|fragment| document.merge(fragment));
    document
}

/// What each function says of its routes.
fn fragments() -> [OpenApi; 6] {
    [
        auth::openapi(),
        configuration::openapi(),
        webhooks::openapi(),
        events::openapi(),
        updates::openapi(),
        links::openapi(),
    ]
}

/// `docs/openapi.json`.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn json() -> Result<String, serde_json::Error> {
    Ok(contract().to_pretty_json()? + "\n")
}

/// `docs/api.html`.
pub fn html() -> String {
    page::page(&document())
}

/// `functions/dashboard/catalogue.json`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn catalogue() -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&catalogue::catalogue())? + "\n")
}

/// Each document, by its path in the repository.
fn documents() -> Result<Vec<(String, String)>, serde_json::Error> {
    let mut documents = vec![
        ("docs/openapi.json".to_owned(), json()?),
        ("docs/api.html".to_owned(), html()),
        ("functions/dashboard/catalogue.json".to_owned(), catalogue()?),
    ];
    documents.extend(event_pages::pages());
    Ok(documents)
}

/// Writes them.
///
/// # Errors
/// When a file cannot be written.
pub fn write() -> Result<(), Problem> {
    for (name, text) in documents()? {
        let path = root().join(name);
        std::fs::write(&path, text).map_err(|error| Problem::Write { path, error })?;
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
