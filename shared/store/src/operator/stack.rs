//! A deployment, found by the name of its stack: what CloudFormation made, by the names in the template.

use std::collections::BTreeMap;

use crate::aws::services::Aws;
use crate::error::StoreError;
use crate::operator::signed::{Refusal, Request};
use crate::operator::xml::Element;

const VERSION: &str = "2010-05-15";
const DESCRIBE: &str = "cloudformation:DescribeStacks";
const LIST: &str = "cloudformation:ListStackResources";

/// A stack, and what it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stack {
    pub name: String,
    /// `UPDATE_COMPLETE`, for one.
    pub status: String,
    /// The account that it is in, by its own ARN.
    pub account: String,
    pub region: String,
    pub outputs: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, String>,
    /// By logical id: what AWS calls it. A queue is its URL, a nested stack its ARN, everything else a name.
    pub resources: BTreeMap<String, String>,
}

impl Aws {
    /// The stack of this name; none if this account has none in this region.
    ///
    /// # Errors
    /// When CloudFormation fails or may not be asked.
    pub async fn stack(&self, name: &str) -> Result<Option<Stack>, StoreError> {
        let request = Request::query("cloudformation", DESCRIBE, VERSION, &[("StackName", name)]);
        let answer = match self.ask_xml(&request).await {
            Ok(answer) => answer,
            Err(Refusal::Said { message, .. }) if message.contains("does not exist") => return Ok(None),
            Err(refusal) => return Err(refusal.into_error(DESCRIBE)),
        };
        let Some(found) = answer.members(&["DescribeStacksResult", "Stacks"]).next() else { return Ok(None) };
        let pairs = |list: &str, name: &str, value: &str| -> BTreeMap<String, String> {
            let pair = |member: &Element| (member.text(&[name]).to_owned(), member.text(&[value]).to_owned());
            found.members(&[list]).map(pair).collect()
        };
        let mut arn = found.text(&["StackId"]).split(':').skip(3);
        let (region, account) = (arn.next().unwrap_or_default(), arn.next().unwrap_or_default());
        Ok(Some(Stack {
            name: found.text(&["StackName"]).to_owned(),
            status: found.text(&["StackStatus"]).to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            outputs: pairs("Outputs", "OutputKey", "OutputValue"),
            parameters: pairs("Parameters", "ParameterKey", "ParameterValue"),
            resources: self.stack_resources(name).await?,
        }))
    }

    /// What a stack is made of, by logical id; a nested one may be named by its ARN.
    ///
    /// # Errors
    /// When CloudFormation fails or may not be asked.
    pub async fn stack_resources(&self, name: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let mut resources = BTreeMap::new();
        let mut token = String::new();
        loop {
            let mut parameters = vec![("StackName", name)];
            if !token.is_empty() {
                parameters.push(("NextToken", &token));
            }
            let request = Request::query("cloudformation", LIST, VERSION, &parameters);
            let answer = self.ask_xml(&request).await.map_err(|refusal| refusal.into_error(LIST))?;
            for member in answer.members(&["ListStackResourcesResult", "StackResourceSummaries"]) {
                let physical = member.text(&["PhysicalResourceId"]);
                if !physical.is_empty() && member.text(&["ResourceStatus"]) != "DELETE_COMPLETE" {
                    resources.insert(member.text(&["LogicalResourceId"]).to_owned(), physical.to_owned());
                }
            }
            token = answer.text(&["ListStackResourcesResult", "NextToken"]).to_owned();
            if token.is_empty() {
                return Ok(resources);
            }
        }
    }
}
