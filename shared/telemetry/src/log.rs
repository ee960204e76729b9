//! Where log lines go, and from which level on.
//!
//! `lambda_runtime` has the same under its `tracing` feature, with filters by module: regular expressions that would be a
//! fortieth of every package, for something that nobody sets on a deployed function.

use tracing_subscriber::filter::LevelFilter;

/// Writes log lines to standard output, which Lambda keeps: as JSON if `AWS_LAMBDA_LOG_FORMAT` says so, from the level in
/// `AWS_LAMBDA_LOG_LEVEL` on, or else from `INFO` (the names of Lambda's own logging controls).
pub fn start_log() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let level = variable("AWS_LAMBDA_LOG_LEVEL").parse().unwrap_or(LevelFilter::INFO);
    // Lambda notes the time of each line itself.
    let log = tracing_subscriber::fmt().with_target(false).without_time().with_max_level(level);
    if variable("AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json") { log.json().init() } else { log.init() }
}
