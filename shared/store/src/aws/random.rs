//! Random bytes.

use crate::error::StoreError;

// Cargo looks for its settings from where it is started, and would silently leave this one out elsewhere.
const _: () = assert!(
    option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY").is_some(),
    "start cargo (or cargo lambda, or sam) within the repository: .cargo/config.toml takes jitter entropy out of start-up"
);

/// # Errors
/// When the operating system's generator fails.
pub fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StoreError::Randomness)?;
    Ok(bytes)
}
