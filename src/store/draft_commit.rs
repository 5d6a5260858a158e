//! Making a draft the user's own: its objects, the index that it was computed on, and the branch.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::draft::modified;
use super::error::Doing as _;
use super::ref_moves::{RefMoves, link_or_copy, waiting_file};
use super::{Draft, Error, Repository, Result, crash_point};
use crate::domain::ObjectId;

/// How long the user's own git commands are waited for when the index is locked.
const INDEX_PATIENCE: Duration = Duration::from_millis(500);

/// A draft and its commit on disk, before anything of the user's moves.
pub struct DraftCommit<'r> {
    repository: &'r Repository,
    draft: &'r Draft,
    commit: ObjectId,
    /// The index to install; nothing if it is the user's already.
    index: Option<NamedTempFile>,
    moves: RefMoves<'r>,
}

impl Repository {
    /// Writes all staged objects, `commit` among them, and what `draft` needs to become the user's own.
    pub fn write_commit<'r>(&'r self, draft: &'r Draft, commit: ObjectId) -> Result<DraftCommit<'r>> {
        let bytes = std::fs::read(draft.index()).doing(|| "read the draft's index".to_owned())?;
        let index = if draft.base.as_ref() == Some(&bytes) { None } else { Some(self.waiting_index(draft, &bytes)?) };
        let moves = RefMoves::prepare_unsynced(self, [commit])?;
        let mut beside = moves.files();
        beside.extend(index.as_ref().map(|file| file.path().to_owned()));
        self.flush_with(&beside)?;
        Ok(DraftCommit { repository: self, draft, commit, index, moves })
    }

    fn waiting_index(&self, draft: &Draft, bytes: &[u8]) -> Result<NamedTempFile> {
        let write = || -> std::io::Result<NamedTempFile> {
            let mut file = waiting_file(self)?;
            file.write_all(bytes)?;
            if let Some(time) = modified(&draft.index()) {
                // Git compares again what is younger than its index.
                file.as_file().set_modified(time)?;
            }
            Ok(file)
        };
        write().doing(|| "write the new index".to_owned())
    }
}

impl DraftCommit<'_> {
    /// Makes the draft's index the user's own, if nobody changed theirs meanwhile.
    ///
    /// Returns false if somebody did; the draft is stale then.
    pub fn install_index(&self) -> Result<bool> {
        let Some(index) = &self.index else { return Ok(true) };
        let repository = self.repository;
        let lock = repository.git_dir().join("index.lock");
        let started = Instant::now();
        while let Err(error) = link_or_copy(index.path(), &lock) {
            if error.kind() != std::io::ErrorKind::AlreadyExists {
                return Err(Error::io(format!("write `{}`", lock.display()), error));
            }
            if started.elapsed() > INDEX_PATIENCE {
                return Err(Error::locked(lock));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        crash_point("index locked");
        // Holding the lock: the index cannot change between this look and the rename.
        if std::fs::read(repository.index_file()).ok() != self.draft.base {
            let _ = std::fs::remove_file(&lock);
            return Ok(false);
        }
        std::fs::rename(&lock, repository.index_file()).doing(|| "replace the index".to_owned())?;
        Ok(true)
    }

    /// Moves the checked-out branch, or HEAD itself where it is detached, from `expected` to the commit.
    pub fn move_head(mut self, expected: ObjectId, log: &str) -> Result<()> {
        self.moves.make("HEAD", Some(expected), self.commit, log)?;
        self.moves.finish()
    }
}
