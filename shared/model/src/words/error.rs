//! What is wrong with a request: the parts of an error answer that pure rules can tell.

use serde::Serialize;
use utoipa::ToSchema;

/// One thing that is wrong with a request body (as MoneyKit tells it: docs/sources.md, M.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(description = "One thing that is wrong with a request body")]
pub struct ValidationError {
    /// Where: the names and indexes that lead to the value, `["body", "updates", "3", "eventName"]`.
    pub location: Vec<String>,
    /// What is wrong and what would be right.
    pub message: String,
    /// One of a small set of words, for programs.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl ValidationError {
    pub fn new(location: &[&str], kind: &'static str, message: impl Into<String>) -> Self {
        Self { location: location.iter().map(|part| (*part).to_owned()).collect(), message: message.into(), kind }
    }
}
