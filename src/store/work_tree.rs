//! What differs between the working tree, the index and HEAD, as `git status` sees it.

use std::collections::BTreeSet;
use std::thread::JoinHandle;

use super::content::matcher;
use super::{Git, Located, Repository, Result};

/// A `git status` that runs while other things are read.
pub struct WorkTreeChanges(JoinHandle<Result<Vec<u8>>>);

/// Paths that differ from HEAD, seen from the repository's root.
#[derive(Clone, Debug, Default)]
pub struct Touched(BTreeSet<String>);

impl Repository {
    /// Starts looking; nothing in a bare repository.
    pub fn start_work_tree_changes(&self) -> Option<WorkTreeChanges> {
        let git = Git::in_dir(self.work_dir()?);
        Some(WorkTreeChanges(std::thread::spawn(move || {
            git.run(&[
                "status",
                "--porcelain=v1",
                "-z",
                "--no-renames",
                "--untracked-files=all",
                "--ignore-submodules=none",
            ])
        })))
    }
}

impl WorkTreeChanges {
    /// Waits for git and reads what it found.
    pub fn finish(self) -> Result<Touched> {
        let out = self.0.join().unwrap_or_else(|_| Ok(Vec::new()))?;
        // Each row is two letters, a space and a path; with --no-renames nothing follows it.
        let rows = out.split(|&c| c == 0).filter(|row| row.len() > 3);
        Ok(Touched(rows.map(|row| String::from_utf8_lossy(&row[3..]).into_owned()).collect()))
    }
}

impl Touched {
    /// Whether one of the paths is in `folder`.
    pub fn inside(&self, folder: &str) -> bool {
        let prefix = format!("{folder}/");
        self.0.range(prefix.clone()..).next().is_some_and(|path| path.starts_with(&prefix))
    }

    /// Whether one of the paths belongs to `agent`.
    pub fn touch(&self, agent: &Located) -> bool {
        if agent.folder.is_empty() {
            return !self.0.is_empty();
        }
        self.inside(&agent.folder)
            || (!agent.include.is_empty()
                && matcher(&agent.include).is_ok_and(|globs| self.0.iter().any(|path| globs.is_match(path))))
    }
}
