//! Making a draft the user's own: the index that it was computed on, and its commit on the branch.
//!
//! Nothing of it happens before the version is decided. Its objects are written and synced together with the version's,
//! then the index and the branch are moved, and the tag after them: whatever is missing after a power cut, what the tag
//! names is there, and the folder is at worst staged.

use std::cell::Cell;
use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::error::Doing as _;
use super::ref_moves::{RefMoves, link_or_copy, waiting_file};
use super::{Draft, Error, Repository, Result, crash_point};
use crate::domain::ObjectId;

/// How long the user's own git commands are waited for when the index is locked.
const INDEX_PATIENCE: Duration = Duration::from_millis(500);

/// A draft and its commit, which the checked-out branch is to have.
pub struct DraftCommit {
    draft: Rc<Draft>,
    commit: ObjectId,
    head: ObjectId,
    log: String,
    installed: Cell<bool>,
}

impl DraftCommit {
    /// The staged commit `commit` of `draft`, for the branch that is at `head` now; `log` goes into its reflog.
    pub fn new(draft: Rc<Draft>, commit: ObjectId, head: ObjectId, log: String) -> Self {
        DraftCommit { draft, commit, head, log, installed: Cell::new(false) }
    }

    /// Whether it is the user's own by now.
    pub fn is_installed(&self) -> bool {
        self.installed.get()
    }

    /// Waits until neither the branch nor the index is locked.
    pub fn wait_for_locks(&self, repository: &Repository) -> Result<()> {
        let branch = repository.read_symbolic("HEAD").unwrap_or_else(|| "HEAD".to_owned());
        repository.wait_for_locks([branch.as_str()], true)
    }

    /// What the branch is to point at.
    pub fn commit(&self) -> ObjectId {
        self.commit
    }

    /// What the branch points at before.
    pub fn head(&self) -> ObjectId {
        self.head
    }

    /// The index to install, beside the user's and not synced; nothing if it is the user's already.
    pub(super) fn waiting_index(&self, repository: &Repository) -> Result<Option<NamedTempFile>> {
        let Some(index) = self.draft.index.as_ref().filter(|index| self.draft.base.as_ref() != Some(&index.bytes))
        else {
            return Ok(None);
        };
        let write = || -> std::io::Result<NamedTempFile> {
            let mut file = waiting_file(repository)?;
            file.write_all(&index.bytes)?;
            if let Some(time) = index.written {
                file.as_file().set_modified(time)?;
            }
            Ok(file)
        };
        write().doing(|| "write the new index".to_owned()).map(Some)
    }

    /// Makes the draft the user's own, if nobody changed their index or branch meanwhile. The index goes first: a power
    /// cut between the two leaves the folder staged, which harms nobody.
    pub(super) fn install(
        &self,
        repository: &Repository,
        index: Option<&NamedTempFile>,
        moves: &mut RefMoves<'_>,
    ) -> Result<()> {
        if let Some(index) = index {
            self.install_index(repository, index)?;
            crash_point("index installed");
        }
        match moves.make("HEAD", Some(self.head), self.commit, &self.log) {
            Err(error) if error.is_lost_race() => return Err(Error::DraftMoved),
            moved => moved?,
        }
        self.installed.set(true);
        crash_point("draft committed");
        Ok(())
    }

    fn install_index(&self, repository: &Repository, index: &NamedTempFile) -> Result<()> {
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
            return Err(Error::DraftMoved);
        }
        std::fs::rename(&lock, repository.index_file()).doing(|| "replace the index".to_owned())
    }
}
