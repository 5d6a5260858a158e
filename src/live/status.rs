//! How the loop is doing: its last pass, what waits and why, and how long ago what is served was known to be right.

use std::time::Duration;

use serde::Serialize;

use super::Wake;
use crate::plan::Wait;

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
            waits: Vec::new(),
            ignored: Vec::new(),
            policy: None,
        }
    }

    /// How long ago what is served was known to be what refs say.
    pub fn staleness(&self, now: jiff::Timestamp) -> Duration {
        let since = self.confirmed.unwrap_or(self.started);
        now.duration_since(since).try_into().unwrap_or_default()
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
