//! Dead letters: messages that were tried for about a day and given up. They are kept as files for a person, who sends
//! them again by moving them into the outbox, where the worker looks for them.
//!
//! ```text
//! <state>/dead-letters/<target>/<id>.json
//! <state>/outbox/<target>/<id>.json
//! ```

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::message;
use crate::domain::{EnvironmentName, ObjectId};
use crate::targets::memory;
use crate::targets::place::Failure;

/// How many are kept for one target; the oldest go first.
const KEPT: usize = 100;

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// The message's id, which is also what its receiver knows it by.
    pub id: String,
    /// The target.
    pub target: String,
    /// The environment that the message is about.
    pub environment: EnvironmentName,
    /// The accepted commit.
    pub commit: ObjectId,
    /// Its height.
    pub height: u64,
    /// When it was tried first.
    pub first_tried: jiff::Timestamp,
    /// When it was given up.
    pub given_up: jiff::Timestamp,
    /// How often it was tried until then.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub failure: String,
    /// The message.
    pub body: String,
}

/// The letters below a controller's state folder.
#[derive(Clone, Debug)]
pub struct Letters(PathBuf);

impl Letters {
    /// The letters below the state folder `state`.
    pub fn below(state: &Path) -> Self {
        Letters(state.to_owned())
    }

    /// All dead letters, the oldest first.
    pub fn dead(&self) -> io::Result<Vec<Letter>> {
        let mut letters = Vec::new();
        for target in names(&self.0.join("dead-letters"))? {
            let ids = self.dead_ids(&target)?;
            letters.extend(ids.iter().filter_map(|id| memory::read::<Letter>(&self.dead_letter(&target, id))));
        }
        letters.sort_by(|a, b| (a.given_up, &a.target, &a.id).cmp(&(b.given_up, &b.target, &b.id)));
        Ok(letters)
    }

    /// Moves `letter` into the outbox.
    pub fn replay(&self, letter: &Letter) -> io::Result<()> {
        let outbox = self.outbox(&letter.target, &letter.id);
        std::fs::create_dir_all(outbox.parent().unwrap_or(&self.0))?;
        std::fs::rename(self.dead_letter(&letter.target, &letter.id), outbox)
    }

    /// Keeps `letter`.
    pub(super) fn give_up(&self, letter: &Letter) -> Result<(), Failure> {
        memory::write(&self.dead_letter(&letter.target, &letter.id), letter)?;
        let mut kept: Vec<_> = self.dead_ids(&letter.target).unwrap_or_default();
        let written =
            |id: &String| self.dead_letter(&letter.target, id).metadata().and_then(|found| found.modified()).ok();
        kept.sort_by_key(written);
        for old in kept.iter().rev().skip(KEPT) {
            let _ = std::fs::remove_file(self.dead_letter(&letter.target, old));
        }
        Ok(())
    }

    /// How many messages about `environment` were given up.
    pub(super) fn count(&self, target: &str, environment: &EnvironmentName) -> usize {
        let ids = self.dead_ids(target).unwrap_or_default();
        ids.iter().filter(|id| message::subject_of(id).is_some_and(|(about, _)| about == *environment)).count()
    }

    /// Whether a person asked for `id` to be sent again.
    pub(super) fn is_asked_for(&self, target: &str, id: &str) -> bool {
        self.outbox(target, id).symlink_metadata().is_ok()
    }

    /// Forgets all letters about `environment` up to `height`: a message that says everything was taken, or is under
    /// way.
    pub(super) fn settle(&self, target: &str, environment: &EnvironmentName, height: u64) {
        for folder in ["dead-letters", "outbox"] {
            for id in names(&self.0.join(folder).join(target)).unwrap_or_default() {
                let told = |(about, found)| about == *environment && found <= height;
                if message::subject_of(&id).is_some_and(told) {
                    let _ = std::fs::remove_file(self.0.join(folder).join(target).join(format!("{id}.json")));
                }
            }
        }
    }

    /// Takes `id` out of the outbox.
    pub(super) fn take(&self, target: &str, id: &str) {
        let _ = std::fs::remove_file(self.outbox(target, id));
        let _ = std::fs::remove_file(self.dead_letter(target, id));
    }

    fn dead_ids(&self, target: &str) -> io::Result<Vec<String>> {
        names(&self.0.join("dead-letters").join(target))
    }

    fn dead_letter(&self, target: &str, id: &str) -> PathBuf {
        self.0.join("dead-letters").join(target).join(format!("{id}.json"))
    }

    fn outbox(&self, target: &str, id: &str) -> PathBuf {
        self.0.join("outbox").join(target).join(format!("{id}.json"))
    }
}

/// The names in a folder, without their `.json`; none where there is no folder. Temporary files begin with a dot.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name.trim_end_matches(".json").to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
