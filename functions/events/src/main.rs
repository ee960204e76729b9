//! The events function.

fn main() -> Result<(), lambda_http::Error> {
    tenday_api::start(events::run())
}
