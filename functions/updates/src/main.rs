//! The updates function.

/// Every event passes here, with hundreds of allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), lambda_http::Error> {
    tenday_api::start(updates::run())
}
