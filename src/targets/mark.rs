//! The mark that is laid beside what was delivered: which deployment it is.
//!
//! It carries a check sum of itself, so that a height changed by hand is seen as damage and corrected, and not taken for
//! a newer deployment for ever.

use serde::{Deserialize, Serialize};

use super::decide::Wanted;
use crate::domain::{Digest, EnvironmentName, ObjectId};

/// `environment.json` of a folder, `_environment` of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mark {
    /// The environment.
    pub(super) environment: EnvironmentName,
    /// The accepted commit that was delivered.
    pub(super) commit: ObjectId,
    /// Its height.
    pub(super) height: u64,
    /// `sha256:…` over `<environment> <commit> <height>`.
    check: String,
}

impl Mark {
    /// The mark of a deployment.
    pub(super) fn of(environment: &EnvironmentName, Wanted { commit, height }: Wanted) -> Self {
        let check = check(environment, commit, height);
        Mark { environment: environment.clone(), commit, height, check }
    }

    /// As it is written: one line of JSON and a line break.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("a mark has string keys only");
        bytes.push(b'\n');
        bytes
    }

    /// The mark in `bytes`, if they hold a sound one of `environment`.
    pub(super) fn parse(bytes: &[u8], environment: &EnvironmentName) -> Option<Self> {
        let mark: Mark = serde_json::from_slice(bytes).ok()?;
        let sound = mark.environment == *environment && mark.check == check(environment, mark.commit, mark.height);
        sound.then_some(mark)
    }
}

fn check(environment: &EnvironmentName, commit: ObjectId, height: u64) -> String {
    Digest::of(format!("{environment} {commit} {height}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_was_changed_by_hand_is_none() {
        let live: EnvironmentName = "live".parse().unwrap();
        let mark = Mark::of(&live, Wanted { commit: ObjectId::from_bytes([7; 20]), height: 12 });
        assert_eq!(Mark::parse(&mark.bytes(), &live), Some(mark.clone()));
        let higher = String::from_utf8(mark.bytes()).unwrap().replace(":12,", ":99,");
        assert_eq!(Mark::parse(higher.as_bytes(), &live), None);
        assert_eq!(Mark::parse(&mark.bytes(), &"sandbox".parse().unwrap()), None);
        for garbage in ["", "{}", "null", "[1]", "\u{0}", "{\"height\": -1}"] {
            assert_eq!(Mark::parse(garbage.as_bytes(), &live), None);
        }
    }
}
