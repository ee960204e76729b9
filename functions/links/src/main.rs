//! The links function.

fn main() -> Result<(), lambda_http::Error> {
    tenday_api::start(links::run())
}
