//! Where the loop works: the repository it was started in, or a bare mirror of a remote below the state folder.

use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::gits::Gits;
use crate::live::Failure;
use crate::ops::Problem;
use crate::store::{Error, ObjectCounts, Repository, create_mirror, left_behind};

/// How often a mirror is tidied up.
const MAINTENANCE: Duration = Duration::from_secs(60 * 60);

/// How long a lock may outlive its process: a child that was forked just before a kill holds it until it starts its own
/// program.
const HANDOVER: Duration = Duration::from_secs(2);

/// One repository with the lock that makes this process its only controller.
pub struct Place {
    dir: PathBuf,
    own_dir: PathBuf,
    /// The remote's address, where this is a mirror of one.
    remote: Option<String>,
    maintained: Cell<Option<Instant>>,
    /// The git processes of a mirror.
    gits: Option<Gits>,
    _lock: File,
}

/// Why a loop cannot work somewhere.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The repository cannot be used.
    #[error(transparent)]
    Repository(#[from] Error),
    /// Another loop works here.
    #[error("another controller runs in `{0}`")]
    Taken(PathBuf),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] crate::http::CertificateError),
    /// A folder or file of ours cannot be written.
    #[error("cannot write in `{path}`: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Place {
    /// The repository at or above `dir`.
    pub fn here(dir: &Path) -> Result<Self, OpenError> {
        let repository = Repository::open(dir)?;
        let dir = repository.work_dir().unwrap_or(repository.git_dir()).to_owned();
        let own_dir = repository.own_dir();
        let lock = lock(&own_dir)?;
        Ok(Place { dir, own_dir, remote: None, maintained: Cell::default(), gits: None, _lock: lock })
    }

    /// The mirror of `remote` in the folder `state`, made where there is none.
    pub fn mirror(remote: &str, state: &Path) -> Result<Self, OpenError> {
        let dir = state.join("mirror.git");
        std::fs::create_dir_all(state).map_err(|source| OpenError::Io { path: state.to_owned(), source })?;
        let held = lock(state)?;
        let gits = Gits::in_folder(state)?;
        // Only these stop what comes next; whatever else was left can wait until calls are answered.
        if ["HEAD.lock", "config.lock"].iter().any(|name| dir.join(name).symlink_metadata().is_ok()) {
            gits.wait_for_orphans();
            sweep(&dir);
        }
        create_mirror(&dir, remote)?;
        let own_dir = Repository::open(&dir)?.own_dir();
        std::fs::create_dir_all(&own_dir).map_err(|source| OpenError::Io { path: own_dir.clone(), source })?;
        let (remote, maintained) = (Some(remote.to_owned()), Cell::default());
        Ok(Place { dir, own_dir, remote, maintained, gits: Some(gits), _lock: held })
    }

    /// The folder to open.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Our own folder inside it.
    pub fn own_dir(&self) -> PathBuf {
        self.own_dir.clone()
    }

    /// The working copy with the drafts, where this is one.
    pub fn work_dir(&self) -> Option<PathBuf> {
        let repository = Repository::open(&self.dir).ok().filter(|_| !self.is_mirror())?;
        repository.work_dir().map(Path::to_owned)
    }

    /// The folder with the objects of accepted commits.
    pub(super) fn git_dir(&self) -> Result<PathBuf, OpenError> {
        Ok(Repository::open(&self.dir)?.common_dir().to_owned())
    }

    /// Whether it is a mirror that nobody else writes.
    pub fn is_mirror(&self) -> bool {
        self.remote.is_some()
    }

    /// What it is called in logs and answers: never with credentials.
    pub fn shown(&self) -> String {
        match &self.remote {
            Some(remote) => without_credentials(remote),
            None => self.dir.display().to_string(),
        }
    }

    /// `error` for people, without the credentials of the remote's address.
    pub(super) fn failure(&self, error: Error) -> Failure {
        let clean = |text: String| match &self.remote {
            Some(remote) => text.replace(remote, &without_credentials(remote)),
            None => text,
        };
        let problem = Problem::from(error);
        Failure { message: clean(problem.message), hint: problem.hint.map(clean) }
    }

    /// Removes what a git of ours left in a mirror when it was killed: none of ours runs between two passes, and nobody
    /// else writes here.
    pub(super) fn sweep(&self) {
        if let Some(gits) = &self.gits {
            gits.wait_for_orphans();
            sweep(&self.dir);
        }
    }

    /// Once in a while: tidies a mirror up, and counts objects. A person's repository is left to that person's git.
    pub(super) fn maintain(&self, now: Instant) -> Option<ObjectCounts> {
        let last = self.maintained.get();
        if last.is_some_and(|last| now.duration_since(last) < MAINTENANCE) {
            return None;
        }
        self.maintained.set(Some(now));
        let work = || -> Result<ObjectCounts, Error> {
            let repository = Repository::open(&self.dir)?;
            // Not at the start: a process that begins has better things to do.
            if self.is_mirror() && last.is_some() {
                repository.maintain()?;
            }
            repository.count_objects()
        };
        match work() {
            Ok(counts) => Some(counts),
            Err(error) => {
                tracing::warn!(%error, "the repository could not be tidied up");
                None
            }
        }
    }
}

fn sweep(dir: &Path) {
    for path in left_behind(dir) {
        tracing::warn!(path = %path.display(), "removing what a git that died has left behind");
        let _ = std::fs::remove_file(&path);
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("controller.lock");
    let io = |source| OpenError::Io { path: path.clone(), source };
    std::fs::create_dir_all(dir).map_err(io)?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(io(source)),
            Err(TryLockError::WouldBlock) if started.elapsed() > HANDOVER => {
                return Err(OpenError::Taken(dir.to_owned()));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// `https://user:token@host/x` as `https://host/x`.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        // What stands before the `@` of an ssh address is a user's name, which is no secret.
        Some(_) if scheme == "ssh" => url.to_owned(),
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(without_credentials("https://bob:s3cret@git.example/x@y"), "https://git.example/x@y");
        assert_eq!(without_credentials("ssh://git@git.example/x"), "ssh://git@git.example/x");
        assert_eq!(without_credentials("git@git.example:x"), "git@git.example:x");
        assert_eq!(without_credentials("/srv/x.git"), "/srv/x.git");
    }
}
