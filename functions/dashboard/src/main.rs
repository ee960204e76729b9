//! The dashboard function.

fn main() -> std::process::ExitCode {
    dashboard::run()
}
