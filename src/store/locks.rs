//! Lock files that block git for ever once their owner is dead: found, and told with their age and the command.
//!
//! In a repository that people use they are never removed here: only a person knows that no other program is at work.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

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

/// How long a lock is waited for before it is told; git itself waits a tenth of a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Past this age a lock is worth a word even if nothing was stopped by it.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

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

pub(super) fn age_of(path: &Path) -> Option<Duration> {
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
    let found = candidates.iter().find(|path| path.symlink_metadata().is_ok());
    Error::locked(found.unwrap_or(&candidates[0]).clone())
}

/// The lock file that `words` of git name as being in the way, if it is still there.
pub(super) fn named_in(words: &str) -> Option<PathBuf> {
    let quoted = words.split('\'').filter(|word| word.ends_with(".lock")).map(PathBuf::from);
    quoted.into_iter().find(|path| path.is_absolute() && path.symlink_metadata().is_ok())
}

impl Repository {
    /// Waits until no lock stands on the refs `names` (and on the index, if `index` says so), or says which one does.
    ///
    /// Asked before the first of several steps, so that a lock left by a dead process stops all of them and not the
    /// last. A lock taken afterwards is met where the step is made.
    pub fn wait_for_locks<'n>(&self, names: impl IntoIterator<Item = &'n str>, index: bool) -> super::Result<()> {
        let mut locks: Vec<_> = names.into_iter().map(|name| lock_of(self, name)).collect();
        if index {
            locks.push(self.git_dir().join("index.lock"));
        }
        let started = Instant::now();
        while let Some(standing) = locks.iter().find(|path| path.symlink_metadata().is_ok()) {
            if started.elapsed() > PATIENCE {
                return Err(Error::locked(standing.clone()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Locks that no ref move meets but that stop git's own commands, once they are older than any command runs.
    pub fn forgotten_locks(&self) -> Vec<LockFile> {
        let mut folders = vec![self.git_dir()];
        if self.common_dir() != self.git_dir() {
            folders.push(self.common_dir());
        }
        let paths = folders.into_iter().flat_map(|folder| PLAIN.iter().map(|name| folder.join(name)));
        let locks = paths.filter_map(|path| age_of(&path).map(|age| LockFile { path, age }));
        locks.filter(|lock| lock.age > FORGOTTEN).collect()
    }

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
