//! Random bytes.

use crate::error::StoreError;

/// # Errors
/// When the operating system's generator fails.
pub fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StoreError::Randomness)?;
    Ok(bytes)
}
