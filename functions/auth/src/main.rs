//! The auth function.

fn main() -> Result<(), lambda_http::Error> {
    tenday_api::start(auth::run())
}
