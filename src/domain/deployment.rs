//! Ids of deployments: one move of one or more agents in one environment.

use std::fmt;
use std::str::FromStr;

/// A UUIDv7 (RFC 9562), so ids sort by the time of the move; PolyAI's clients expect this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct DeploymentId(uuid::Uuid);

/// A text that is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a deployment id: expected a UUID as `pointsman history` prints it")]
pub struct InvalidDeploymentId(pub String);

/// A span of time in which one version was live in one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// When it came.
    pub since: jiff::Timestamp,
    /// When it went; nothing if it is still there.
    pub until: Option<jiff::Timestamp>,
}

impl DeploymentId {
    /// A new id for a deployment made at `at`.
    pub fn new(at: jiff::Timestamp) -> Self {
        let seconds = u64::try_from(at.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
        DeploymentId(uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)))
    }
}

impl FromStr for DeploymentId {
    type Err = InvalidDeploymentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::try_parse(text).map(DeploymentId).map_err(|_| InvalidDeploymentId(text.to_owned()))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_carries_the_time() {
        let at: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let id = DeploymentId::new(at);
        assert_eq!(id.to_string().parse::<DeploymentId>().unwrap(), id);
        assert_eq!(id.0.get_version_num(), 7);
        assert_eq!(id.0.get_timestamp().unwrap().to_unix().0, u64::try_from(at.as_second()).unwrap());
    }
}
