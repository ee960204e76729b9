//! The reference for people: one page without scripts, that opens from disk.

mod example;
mod schema;
mod text;

use std::fmt::Write;

use serde_json::Value;
use tenday_api::ErrorCode;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::{Components, Content, OpenApi, RefOr, Required, Response, SecurityRequirement};

use schema::{component_name, kind, table};
use text::{escape, inline, prose};

const STYLE: &str = include_str!("page/style.css");

/// The methods of a path, in the order of the page.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("POST", &item.post),
        ("GET", &item.get),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// One operation where it is served.
struct Route<'a> {
    method: &'static str,
    path: &'a str,
    operation: &'a Operation,
}

impl Route<'_> {
    fn id(&self) -> &str {
        self.operation.operation_id.as_deref().unwrap_or_default()
    }

    fn title(&self) -> String {
        format!(
            "<span class=\"method {}\">{}</span> <code class=path>{}</code>",
            self.method.to_lowercase(),
            self.method,
            escape(self.path).replace('/', "/<wbr>")
        )
    }
}

fn routes(document: &OpenApi) -> impl Iterator<Item = Route<'_>> {
    document
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| operations(item).map(move |(method, operation)| Route { method, path, operation }))
}

pub(crate) fn page(document: &OpenApi) -> String {
    let empty = Components::new();
    let components = document.components.as_ref().unwrap_or(&empty);
    let mut nav = String::new();
    let mut body = String::new();
    for tag in document.tags.iter().flatten() {
        let of_tag = |route: &Route<'_>| route.operation.tags.iter().flatten().any(|name| *name == tag.name);
        let name = escape(&tag.name);
        let _ = write!(nav, "<h2><a href=\"#{name}\">{name}</a></h2>\n<ul>\n");
        let _ = write!(body, "<section id=\"{name}\">\n<h2>{name}</h2>\n");
        body.push_str(&prose(tag.description.as_deref().unwrap_or_default()));
        for route in routes(document).filter(of_tag) {
            let summary = route.operation.summary.as_deref().unwrap_or_default();
            let _ = writeln!(nav, "<li><a href=\"#{}\">{}</a></li>", route.id(), escape(summary));
            body.push_str(&article(&route, components));
        }
        nav.push_str("</ul>\n");
        body.push_str("</section>\n");
    }
    nav.push_str("<h2><a href=\"#error-codes\">Error codes</a></h2>\n<h2><a href=\"#schemas\">Schemas</a></h2>\n");
    body.push_str(&error_codes(document, components));
    body.push_str(&schemas(components));
    let info = &document.info;
    let title = escape(&info.title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} API</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<nav>\n<p class=name><a href=\"#top\">{title}</a> {version}</p>\n\
         {nav}</nav>\n<main id=\"top\">\n<h1>{title} API</h1>\n{description}{body}</main>\n</body>\n</html>\n",
        version = escape(&info.version),
        description = prose(info.description.as_deref().unwrap_or_default()),
    )
}

fn article(route: &Route<'_>, components: &Components) -> String {
    let operation = route.operation;
    let summary = inline(operation.summary.as_deref().unwrap_or_default());
    let mut html =
        format!("<article id=\"{}\">\n<h3>{summary}</h3>\n<p class=route>{}</p>\n", route.id(), route.title());
    html.push_str(&prose(operation.description.as_deref().unwrap_or_default()));
    let _ = writeln!(html, "<p class=access>{}</p>", access(operation.security.as_deref().unwrap_or_default()));
    if let Some(parameters) = &operation.parameters {
        html.push_str("<h4>Parameters</h4>\n<table>\n");
        for parameter in parameters {
            let RefOr::T(parameter) = parameter else { continue };
            html.push_str(&parameter_row(parameter));
        }
        html.push_str("</table>\n");
    }
    if let Some(RefOr::T(request)) = &operation.request_body {
        let optional = if request.required == Some(Required::True) { "" } else { " <small>optional</small>" };
        let media: Vec<_> = request.content.keys().map(|media| format!("<code>{}</code>", escape(media))).collect();
        let _ = writeln!(html, "<h4>Body{optional} <small>{}</small></h4>", media.join(" or "));
        if let Some(RefOr::T(content)) = request.content.values().next() {
            html.push_str(&content_of(content, components));
        }
    }
    html.push_str("<h4>Answers</h4>\n");
    for (status, response) in responses(operation, components) {
        html.push_str(&answer(status, response, components));
    }
    html + "</article>\n"
}

/// An operation's answers by their status, those that it shares with others too.
fn responses<'a>(
    operation: &'a Operation,
    components: &'a Components,
) -> impl Iterator<Item = (&'a str, &'a Response)> {
    operation.responses.responses.iter().filter_map(|(status, response)| match response {
        RefOr::T(response) => Some((status.as_str(), response)),
        RefOr::Ref(reference) => match components.responses.get(component_name(&reference.ref_location)) {
            Some(RefOr::T(response)) => Some((status.as_str(), response)),
            _ => None,
        },
    })
}

fn access(security: &[SecurityRequirement]) -> String {
    let scopes = |requirement: &SecurityRequirement| {
        let Ok(Value::Object(schemes)) = serde_json::to_value(requirement) else { return Vec::new() };
        schemes.values().filter_map(Value::as_array).flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let scopes: Vec<String> = security.iter().flat_map(scopes).collect();
    match (security, scopes.as_slice()) {
        ([], _) => "Needs no token.".to_owned(),
        (_, []) => "Needs the client's id and secret, by HTTP Basic or in the body.".to_owned(),
        (_, scopes) => format!("Needs the scope <code>{}</code>.", escape(&scopes.join(" "))),
    }
}

fn parameter_row(parameter: &Parameter) -> String {
    let place = serde_json::to_value(&parameter.parameter_in).unwrap_or_default();
    let schema = serde_json::to_value(&parameter.schema).unwrap_or_default();
    format!(
        "<tr><th><code>{}</code><br><small>{}</small></th><td>{}</td><td>{}</td></tr>\n",
        escape(&parameter.name),
        place.as_str().unwrap_or_default(),
        kind(&schema),
        inline(parameter.description.as_deref().unwrap_or_default()),
    )
}

/// What a body or an answer holds: its schema as a table, and its examples.
fn content_of(content: &Content, components: &Components) -> String {
    let mut html = String::new();
    if let Some(schema) = &content.schema {
        html.push_str(&table(schema, components));
        for (name, example) in &content.examples {
            let RefOr::T(example) = example else { continue };
            let Some(value) = &example.value else { continue };
            let text = escape(&example::written(value, schema, components));
            let (open, name) = match name.as_str() {
                "answer" => (" open", "Example".to_owned()),
                name => ("", format!("Example: {}", escape(name))),
            };
            let _ = writeln!(html, "<details{open}><summary>{name}</summary><pre>{text}</pre></details>");
        }
    }
    html
}

fn answer(status: &str, response: &Response, components: &Components) -> String {
    let failed = status.starts_with(['4', '5']);
    let class = if failed { "failed" } else { "done" };
    let description = prose(&response.description);
    let mut html = format!("<div class=\"answer {class}\">\n<p class=status>{status}</p>\n<div>\n{description}");
    for (name, header) in &response.headers {
        let RefOr::T(header) = header else { continue };
        let description = inline(header.description.as_deref().unwrap_or_default());
        let _ = writeln!(html, "<p><small>Header <code>{}</code>: {description}</small></p>", escape(name));
    }
    for content in response.content.values() {
        let RefOr::T(content) = content else { continue };
        match codes(content) {
            // Which body it is, the section on error codes says; a code that stands alone is not in the description.
            Some(codes) => {
                if let [code] = codes.as_slice() {
                    let _ = writeln!(html, "<p><a href=\"#{0}\"><code>{0}</code></a></p>", escape(code));
                }
            }
            None => html.push_str(&content_of(content, components)),
        }
    }
    html + "</div>\n</div>\n"
}

/// The codes of an error answer in the one error body.
fn codes(content: &Content) -> Option<Vec<String>> {
    let schema = serde_json::to_value(&content.schema).ok()?;
    let codes = schema.pointer("/allOf/1/properties/error_code/enum")?.as_array()?;
    Some(codes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// A section for each error code, which is where its `documentation_url` leads.
fn error_codes(document: &OpenApi, components: &Components) -> String {
    let routes: Vec<_> = routes(document).collect();
    let answering = |code: ErrorCode| -> Vec<&Route<'_>> {
        let answers = |route: &&Route<'_>| {
            responses(route.operation, components).any(|(_, response)| {
                let known = response.content.values().filter_map(|content| match content {
                    RefOr::T(content) => codes(content),
                    RefOr::Ref(_) => None,
                });
                known.flatten().any(|known| known == code.name())
            })
        };
        routes.iter().filter(answers).collect()
    };
    let mut html = String::from(
        "<section id=\"error-codes\">\n<h2>Error codes</h2>\n<p>The body of every error is \
         <a href=\"#schema-Error\"><code>Error</code></a>; its <code>error_code</code> is one of these, and its \
         <code>documentation_url</code> leads here.</p>\n",
    );
    for code in ErrorCode::ALL {
        let name = code.name();
        let _ = writeln!(
            html,
            "<article id=\"{name}\">\n<h3><code>{name}</code> <small>{}</small></h3>",
            code.status().as_u16()
        );
        let _ =
            writeln!(html, "<p>{}</p>\n<h4>What to do</h4>\n<p>{}</p>", inline(code.meaning()), inline(code.remedy()));
        html.push_str(&answered_by(&answering(*code), routes.len()));
        html.push_str("</article>\n");
    }
    html + "</section>\n"
}

/// The routes that answer with a code, of `all` that there are.
fn answered_by(routes: &[&Route<'_>], all: usize) -> String {
    let links: Vec<_> =
        routes.iter().map(|route| format!("<li><a href=\"#{}\">{}</a></li>", route.id(), route.title())).collect();
    let list = format!("<ul class=routes>\n{}\n</ul>\n", links.join("\n"));
    match routes.len() {
        0 => "<p class=access>Answered by a path that is not described here.</p>\n".to_owned(),
        few if few <= 6 => format!("<p class=access>Answered by</p>\n{list}"),
        many => format!("<details><summary>Answered by {many} of {all} routes</summary>\n{list}</details>\n"),
    }
}

fn schemas(components: &Components) -> String {
    let mut html = String::from("<section id=\"schemas\">\n<h2>Schemas</h2>\n");
    for (name, schema) in &components.schemas {
        let _ = write!(html, "<article id=\"schema-{0}\">\n<h3>{0}</h3>\n", escape(name));
        let description = serde_json::to_value(schema).unwrap_or_default();
        html.push_str(&prose(description["description"].as_str().unwrap_or_default()));
        html.push_str(&table(schema, components));
        html.push_str("</article>\n");
    }
    html + "</section>\n"
}
