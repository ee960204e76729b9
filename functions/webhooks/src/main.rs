//! The webhooks function.

fn main() -> Result<(), lambda_http::Error> {
    tenday_api::start(webhooks::run())
}
