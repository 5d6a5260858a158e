//! Lock files that block git for ever once their owner is dead: found, and told with their age and the command.
//!
//! In a repository that people use they are never removed here: only a person knows that no other program is at work.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Error, Repository};

/// Locks that live directly in a repository's folder.
const PLAIN: [&str; 6] = [
    "index.lock",
    "HEAD.lock",
    "packed-refs.lock",
    "config.lock",
    "shallow.lock",
    "objects/info/commit-graphs/commit-graph-chain.lock",
];

/// How deep ref names are searched.
const DEEPEST: usize = 12;

/// A lock file and how long it has been there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its age.
    pub age: Duration,
}

fn age_of(path: &Path) -> Option<Duration> {
    let written = path.symlink_metadata().ok()?.modified().ok()?;
    Some(SystemTime::now().duration_since(written).unwrap_or_default())
}

/// The lock file of the ref `name`.
pub(super) fn lock_of(repository: &Repository, name: &str) -> PathBuf {
    let dir = if name == "HEAD" { repository.git_dir() } else { repository.common_dir() };
    dir.join(format!("{name}.lock"))
}

/// The error for a ref that stays locked: its own lock, or that of the packed refs.
pub(super) fn blocking(repository: &Repository, name: &str) -> Error {
    let candidates = [lock_of(repository, name), repository.common_dir().join("packed-refs.lock")];
    let found = candidates.iter().find_map(|path| age_of(path).map(|age| (path.clone(), age)));
    let (path, age) = found.unwrap_or_else(|| (candidates[0].clone(), Duration::ZERO));
    Error::Locked { path, age }
}

impl Repository {
    /// All lock files that stand in this repository now, oldest first.
    pub fn lock_files(&self) -> Vec<LockFile> {
        let mut found = Vec::new();
        let mut note = |path: PathBuf| {
            if let Some(age) = age_of(&path) {
                found.push(LockFile { path, age });
            }
        };
        for dir in [self.git_dir(), self.common_dir()] {
            PLAIN.iter().for_each(|name| note(dir.join(name)));
            if self.git_dir() == self.common_dir() {
                break;
            }
        }
        let mut folders = vec![(self.common_dir().join("refs"), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && depth < DEEPEST => folders.push((path, depth + 1)),
                    Ok(_) if path.extension().is_some_and(|end| end == "lock") => note(path),
                    _ => {}
                }
            }
        }
        found.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.path.cmp(&b.path)));
        found
    }
}
