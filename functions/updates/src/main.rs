//! The updates function.

fn main() -> Result<(), lambda_http::Error> {
    tenday_api::start(updates::run())
}
