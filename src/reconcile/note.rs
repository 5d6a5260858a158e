//! A note beside the repository about the newest pass of a daemon, so that `pointsman status` can say how it is doing.
//!
//! A hint for people: nothing decides on it.

use crate::plan::Wait;
use crate::store::Repository;

/// Its file below the repository's own folder.
const FILE: &str = "controller.json";

/// What a daemon that works here said of itself last.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ControllerNote")]
pub struct Note {
    /// When its newest pass began.
    pub at: jiff::Timestamp,
    /// How long that took.
    pub took_seconds: f64,
    /// What woke it.
    pub wake: String,
    /// When a pass last ended well: what is served was right then.
    pub confirmed: Option<jiff::Timestamp>,
    /// Why the newest one failed, if it did.
    pub failure: Option<String>,
    /// What it did, the first few things.
    pub steps: Vec<String>,
    /// What does not happen, and why.
    pub waits: Vec<Wait>,
}

impl Note {
    /// Keeps it in `repository`. A folder that cannot be written costs a line in `status`.
    pub fn write(&self, repository: &Repository) {
        let bytes = serde_json::to_vec(self).expect("a note has string keys only");
        repository.leave_hint(FILE, &bytes);
    }

    /// The note that the newest pass of a daemon left in `repository`.
    pub fn read(repository: &Repository) -> Option<Self> {
        serde_json::from_slice(&repository.hint(FILE)?).ok()
    }
}
