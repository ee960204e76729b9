//! What the template says of sizes and limits, for whoever reckons with them instead of running them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{StartError, default_template, template};

/// Sizes and limits of the workspace's template.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// As given, else by their defaults.
    pub parameters: BTreeMap<String, String>,
    /// Megabytes of each function, by its logical id.
    pub memory: BTreeMap<String, u32>,
    /// How queues invoke functions.
    pub pollings: Vec<Polling>,
}

/// How a queue invokes a function.
#[derive(Clone, Debug)]
pub struct Polling {
    /// Logical ids.
    pub function: String,
    pub queue: String,
    /// The most messages of one invocation.
    pub batch: usize,
    /// How long messages are waited for.
    pub window: Duration,
    /// The most invocations at once.
    pub concurrency: Option<u32>,
}

impl Sizes {
    /// Reads the workspace's template with these values for its parameters.
    ///
    /// # Errors
    /// When the template does not read, or does not have such a parameter or take such a value for it.
    pub fn read(parameters: &BTreeMap<String, String>) -> Result<Self, StartError> {
        let template = template::load(&default_template(), parameters, "http://localhost")
            .map_err(|error| StartError::Template(error.to_string()))?;
        let queue = |arn: &str| template.queues.iter().find(|queue| queue.arn == arn);
        let pollings = template.mappings.iter().filter(|mapping| mapping.enabled).map(|mapping| Polling {
            function: mapping.function.clone(),
            queue: queue(&mapping.queue_arn).map_or_else(String::new, |queue| queue.logical_id.clone()),
            batch: mapping.batch_size,
            window: mapping.window,
            concurrency: mapping.maximum_concurrency,
        });
        Ok(Self {
            pollings: pollings.collect(),
            memory: template.functions.iter().map(|it| (it.logical_id.clone(), it.memory_mb)).collect(),
            parameters: template.parameters,
        })
    }
}
