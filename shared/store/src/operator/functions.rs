//! The functions of a deployment, and what brings them their messages, as Lambda has them.

use serde_json::{Value, json};

use crate::aws::services::Aws;
use crate::error::StoreError;
use crate::operator::signed::{Refusal, Request, escaped};

const CONFIGURATION: &str = "lambda:GetFunctionConfiguration";
const MAPPINGS: &str = "lambda:ListEventSourceMappings";

/// A function as it is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedFunction {
    /// `Active`, for one.
    pub state: String,
    pub architecture: String,
    /// What a version keeps as it was when it was published: code and settings.
    pub kept: Value,
}

/// What brings a function the messages of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub queue_arn: String,
    /// `Enabled`, for one.
    pub state: String,
}

impl Aws {
    /// A function by its name, as it was changed last, or as its `alias` serves it; none if there is none.
    ///
    /// # Errors
    /// When Lambda fails or may not be asked.
    pub async fn function(&self, name: &str, alias: Option<&str>) -> Result<Option<DeployedFunction>, StoreError> {
        let mut path = format!("/2015-03-31/functions/{}/configuration", escaped(name));
        if let Some(alias) = alias {
            path.push_str(&format!("?Qualifier={}", escaped(alias)));
        }
        let answer = match self.ask_json(&Request::get("lambda", CONFIGURATION, path)).await {
            Ok(answer) => answer,
            Err(Refusal::Said { code, .. }) if code == "ResourceNotFoundException" => return Ok(None),
            Err(refusal) => return Err(refusal.into_error(CONFIGURATION)),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kept = json!([
            answer["CodeSha256"],
            answer["Description"],
            answer["Environment"]["Variables"],
            answer["Architectures"],
            answer["MemorySize"],
            answer["Timeout"],
            answer["Role"],
            answer["VpcConfig"]["SubnetIds"],
            answer["VpcConfig"]["SecurityGroupIds"],
        ]);
        let (state, architecture) = (text(&answer["State"]), text(&answer["Architectures"][0]));
        Ok(Some(DeployedFunction { state, architecture, kept }))
    }

    /// The mappings of a function, or of an alias by its ARN.
    ///
    /// # Errors
    /// When Lambda fails or may not be asked.
    pub async fn mappings(&self, function: &str) -> Result<Vec<Mapping>, StoreError> {
        let path = format!("/2015-03-31/event-source-mappings/?FunctionName={}", escaped(function));
        let answer = self.ask_json(&Request::get("lambda", MAPPINGS, path)).await;
        let answer = answer.map_err(|refusal| refusal.into_error(MAPPINGS))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mapping =
            |value: &Value| Mapping { queue_arn: text(&value["EventSourceArn"]), state: text(&value["State"]) };
        Ok(answer["EventSourceMappings"].as_array().into_iter().flatten().map(mapping).collect())
    }
}
