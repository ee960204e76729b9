//! The configuration function.

fn main() -> Result<(), lambda_http::Error> {
    tenday_api::start(configuration::run())
}
