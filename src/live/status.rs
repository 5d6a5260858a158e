//! How the loop is doing: its last pass, what waits and why, and how long ago what is served was known to be right.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Wake;
use crate::domain::EnvironmentName;
use crate::plan::Wait;

/// Why an environment cannot be brought to what refs say: the remote refuses the push, or the branch is somebody else's.
const ASTRAY: [&str; 2] = ["push_refused", "foreign_branch"];

/// What one pass came to.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassReport {
    /// Its number since the process began.
    pub number: u64,
    /// What woke it.
    pub wake: Wake,
    /// When it began.
    pub began: jiff::Timestamp,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub took: Duration,
    /// What it did.
    pub steps: Vec<String>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Why a pass failed.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// In one sentence.
    pub message: String,
    /// What to type.
    pub hint: Option<String>,
}

/// The loop as it stands.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ControllerStatus")]
pub struct Status {
    /// When the process began.
    pub started: jiff::Timestamp,
    /// Where refs are decided: a remote's address without credentials, or a folder.
    pub repository: String,
    /// Whether what is served has been read at least once.
    pub ready: bool,
    /// The newest pass that ended.
    pub last_pass: Option<PassReport>,
    /// When the newest pass began that ended well: what is served was right then.
    pub confirmed: Option<jiff::Timestamp>,
    /// Environments that cannot be brought to what refs say, with when they last were.
    pub astray: BTreeMap<EnvironmentName, jiff::Timestamp>,
    /// What does not happen, and why.
    pub waits: Vec<Wait>,
    /// Tags that look like versions and are none.
    pub ignored: Vec<String>,
    /// What is wrong with the policy.
    pub policy: Option<String>,
}

impl Status {
    /// A process that has just begun.
    pub fn starting(started: jiff::Timestamp) -> Self {
        Status {
            started,
            repository: String::new(),
            ready: false,
            last_pass: None,
            confirmed: None,
            astray: BTreeMap::new(),
            waits: Vec::new(),
            ignored: Vec::new(),
            policy: None,
        }
    }

    /// A pass that began at `began` ended well, with `waits`.
    pub fn confirm(&mut self, began: jiff::Timestamp, waits: &[Wait]) {
        let astray = waits.iter().filter(|wait| ASTRAY.contains(&&*wait.code)).map(|wait| &wait.environment);
        self.astray = astray.map(|name| (name.clone(), self.confirmed(name))).collect();
        self.confirmed = Some(began);
        self.waits = waits.to_vec();
        self.ready = true;
    }

    /// When what is served of `environment` was last known to be what its branch says.
    fn confirmed(&self, environment: &EnvironmentName) -> jiff::Timestamp {
        self.astray.get(environment).copied().or(self.confirmed).unwrap_or(self.started)
    }

    /// How long ago that was.
    pub fn staleness(&self, environment: &EnvironmentName, now: jiff::Timestamp) -> Duration {
        now.duration_since(self.confirmed(environment)).try_into().unwrap_or_default()
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_cannot_be_put_right_grows_stale_alone() {
        let at = |seconds: i64| jiff::Timestamp::from_second(1_000 + seconds).unwrap();
        let (live, sandbox): (EnvironmentName, EnvironmentName) = ("live".parse().unwrap(), "sandbox".parse().unwrap());
        let wait = |code: &str| Wait {
            environment: live.clone(),
            agent: None,
            version: None,
            code: code.to_owned().into(),
            reason: String::new(),
            until: None,
        };
        let mut status = Status::starting(at(0));
        let stale = |status: &Status, name, now| status.staleness(name, at(now)).as_secs();
        assert_eq!(stale(&status, &live, 5), 5);
        status.confirm(at(10), &[wait("gate_unmet")]);
        status.confirm(at(20), &[wait("push_refused")]);
        status.confirm(at(30), &[wait("push_refused")]);
        assert_eq!((stale(&status, &live, 35), stale(&status, &sandbox, 35)), (25, 5));
        status.confirm(at(40), &[]);
        assert_eq!((stale(&status, &live, 45), stale(&status, &sandbox, 45)), (5, 5));
    }
}
