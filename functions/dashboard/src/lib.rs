//! The developer dashboard (`/dashboard`) and the reference for people (`/docs`): embedded files, and nothing else. The
//! page asks the JSON routes for all that it shows, with its developer's own token, so there is nothing here to protect.
//!
//! The function is not one of `tenday_api`'s, which would bring the tables, the keys and the SDK along; what it has in
//! common with those, the body of an error, a test of the whole system compares.

mod answer;
mod encoding;
mod files;
mod policy;
mod request;

use std::io::Write;
use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};

use answer::{Answer, Lifetime, Problem};
use policy::Policies;
use request::Request;

/// Answers requests for as long as the sandbox lives.
#[must_use]
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error);
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Error> {
    let policies = Policies::from_environment(|name| std::env::var(name).ok())?;
    let policies = &policies;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lambda_runtime::run(service_fn(async |event: LambdaEvent<Request>| {
        Ok::<_, Error>(answer(&event.payload, policies))
    })))
}

/// The one thing that this function ever has to tell, as a line of the others' log.
fn log(error: &Error) {
    let fields = serde_json::json!({ "message": "the function could not start", "error": error.to_string() });
    let line = serde_json::json!({ "level": "ERROR", "fields": fields });
    // Where even that cannot be written, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `routes` of infra/checks/sources.py reads these keys.
fn answer<'a>(request: &Request, policies: &'a Policies) -> Answer<'a> {
    match request.route_key.as_str() {
        "GET /dashboard" => Answer::file(request, &files::INDEX, Lifetime::Asked, &policies.dashboard),
        "GET /dashboard/{proxy+}" => match request.path() {
            "" => Answer::file(request, &files::INDEX, Lifetime::Asked, &policies.dashboard),
            // The greedy route is in the way of another method's.
            "sessions" => Answer::problem(request, Problem::MethodNotAllowed { allowed: "POST" }, policies),
            path => match files::find(path) {
                Some(file) => Answer::file(request, file, Lifetime::Immutable, &policies.dashboard),
                None => Answer::problem(request, Problem::NotFound, policies),
            },
        },
        "GET /docs" => Answer::file(request, &files::REFERENCE, Lifetime::Asked, &policies.reference),
        _ => Answer::problem(request, Problem::NotFound, policies),
    }
}

#[cfg(test)]
mod tests;
