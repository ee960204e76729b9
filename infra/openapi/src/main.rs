//! Writes the committed documents.

fn main() -> Result<(), tenday_openapi::Problem> {
    tenday_openapi::write()
}
