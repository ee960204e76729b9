//! A developer's one settings object.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};

use crate::dates::DateFormat;
use crate::destination::address::Allowlist;
use crate::ids::ConfigurationId;
use crate::settings::integration::Integration;
use crate::whole::Whole;

/// The longest name a configuration may have, in characters.
pub const MAX_NAME: usize = 200;
/// The most webhooks a configuration may have.
pub const MAX_WEBHOOKS: usize = 100;

/// A developer's settings (docs/sources.md, S2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    pub id: ConfigurationId,
    pub integration: Integration,
    pub date_format: DateFormat,
    pub name: Option<String>,
    pub allowlist: Allowlist,
    /// The developer's own schedule, in place of the type's.
    pub retry_schedule: Option<RetrySchedule>,
    pub created_at: Timestamp,
    /// Counts changes, so that two at once cannot overwrite each other.
    pub version: u64,
}

/// Delays before each automatic retry, counted from the failure before it: 1 to 20 of 1 second to 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Whole>", into = "Vec<u32>")]
pub struct RetrySchedule(Vec<u32>);

/// Why a list of delays is not a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetryScheduleError {
    #[error("a retry schedule has 1 to 20 delays")]
    Length,
    #[error("each delay of a retry schedule is 1 to 86400 seconds")]
    Delay,
}

impl TryFrom<Vec<u32>> for RetrySchedule {
    type Error = RetryScheduleError;

    fn try_from(seconds: Vec<u32>) -> Result<Self, RetryScheduleError> {
        if !(1..=20).contains(&seconds.len()) {
            Err(RetryScheduleError::Length)
        } else if seconds.iter().any(|delay| !(1..=86_400).contains(delay)) {
            Err(RetryScheduleError::Delay)
        } else {
            Ok(Self(seconds))
        }
    }
}

impl TryFrom<Vec<Whole>> for RetrySchedule {
    type Error = RetryScheduleError;

    fn try_from(seconds: Vec<Whole>) -> Result<Self, RetryScheduleError> {
        let seconds = seconds.into_iter().map(|seconds| u32::try_from(seconds.0));
        seconds.collect::<Result<Vec<_>, _>>().map_err(|_| RetryScheduleError::Delay)?.try_into()
    }
}

impl From<RetrySchedule> for Vec<u32> {
    fn from(schedule: RetrySchedule) -> Self {
        schedule.0
    }
}

impl utoipa::PartialSchema for RetrySchedule {
    fn schema() -> RefOr<Schema> {
        let delay = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(86_400));
        ArrayBuilder::new()
            .items(delay)
            .min_items(Some(1))
            .max_items(Some(20))
            .description(Some(
                "The delays before each automatic retry, in seconds, each counted from the failure before it",
            ))
            .into()
    }
}

impl utoipa::ToSchema for RetrySchedule {}

impl RetrySchedule {
    pub fn seconds(&self) -> &[u32] {
        &self.0
    }
}

/// The delays that hold for an event: the webhook's own, else the configuration's, else the type's.
pub fn effective_delays(
    webhook: Option<&RetrySchedule>,
    configuration: Option<&RetrySchedule>,
    integration: Integration,
) -> Vec<Duration> {
    match webhook.or(configuration) {
        Some(schedule) => schedule.0.iter().map(|delay| Duration::from_secs(u64::from(*delay))).collect(),
        None => integration.retry_delays().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_1_to_20_delays_of_a_second_to_a_day() {
        for good in [vec![1], vec![86_400; 20]] {
            assert!(RetrySchedule::try_from(good).is_ok());
        }
        assert_eq!(RetrySchedule::try_from(Vec::<u32>::new()), Err(RetryScheduleError::Length));
        assert_eq!(RetrySchedule::try_from(vec![1; 21]), Err(RetryScheduleError::Length));
        assert_eq!(RetrySchedule::try_from(vec![5, 0]), Err(RetryScheduleError::Delay));
        assert_eq!(RetrySchedule::try_from(vec![86_401]), Err(RetryScheduleError::Delay));
    }

    #[test]
    fn the_nearest_schedule_wins() {
        let own = RetrySchedule::try_from(vec![7]).unwrap();
        let wide = RetrySchedule::try_from(vec![9, 9]).unwrap();
        assert_eq!(effective_delays(Some(&own), Some(&wide), Integration::Mx), [Duration::from_secs(7)]);
        assert_eq!(effective_delays(None, Some(&wide), Integration::Mx).len(), 2);
        assert_eq!(effective_delays(None, None, Integration::Mx), Integration::Mx.retry_delays());
    }
}
