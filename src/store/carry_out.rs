//! Carrying out what was decided: all objects first, synced with what moving the refs takes, then the refs.

use std::collections::BTreeSet;

use tempfile::NamedTempFile;

use super::ref_moves::RefMoves;
use super::world::REMOTE;
use super::{Change, DraftCommit, RefPlace, Repository, Result, SEEN_LEDGER, World, crash_point};
use crate::domain::ObjectId;

/// Everything that moving some refs rests on, on disk.
pub struct Written<'r> {
    moves: RefMoves<'r>,
    /// The index of the draft that is published, unless it is the user's already.
    index: Option<NamedTempFile>,
    /// Whether the objects lie apart, to be written when the remote took them.
    shown: bool,
}

impl World {
    /// Writes all staged objects and what moving refs as `changes` says takes, synced with all that they rest on; the
    /// same for making `draft` the user's own. `named` are the commits of others that the new objects name.
    ///
    /// A mirror gives its remote a few objects from where drafts lie, and writes them here once it took them.
    pub fn write<'r>(
        &self,
        repository: &'r Repository,
        changes: &[Change],
        named: &BTreeSet<ObjectId>,
        draft: Option<&DraftCommit>,
    ) -> Result<Written<'r>> {
        // The ledger's tip is also remembered as the newest one seen.
        let ledger = changes.iter().filter(|change| change.place == RefPlace::Ledger);
        let values = changes.iter().chain(ledger).map(|change| change.new).filter(|_| !self.is_remote());
        let moves = RefMoves::prepare_unsynced(repository, values.chain(draft.map(DraftCommit::commit)))?;
        // In a clone, git's own push sets tracking refs, and what they name must be there.
        let tracked = || repository.tracks(REMOTE);
        if self.is_remote() && draft.is_none() && !tracked() && repository.show_all_staged()? {
            return Ok(Written { moves, index: None, shown: true });
        }
        let index = match draft {
            Some(draft) => draft.waiting_index(repository)?,
            None => None,
        };
        let mut beside = moves.files();
        beside.extend(index.as_ref().map(|file| file.path().to_owned()));
        repository.flush_with(&beside)?;
        repository.sync_foreign_objects(named, draft.map(DraftCommit::commit))?;
        Ok(Written { moves, index, shown: false })
    }

    /// Moves all of `changes` or, on a remote, none. In this repository alone the ledger goes before the environments
    /// that it speaks of, and a lost race on it moves nothing after it. `draft` is made the user's own before all.
    /// [`Self::settle`] is to follow.
    pub fn commit<'r>(
        &self,
        repository: &Repository,
        changes: &[Change],
        draft: Option<&DraftCommit>,
        mut written: Written<'r>,
    ) -> Result<Written<'r>> {
        let Written { moves, index, .. } = &mut written;
        if let Some(draft) = draft {
            draft.install(repository, index.as_ref(), moves)?;
        }
        if self.is_remote() {
            moves.finish()?;
            self.push(repository, changes)?;
            crash_point("pushed");
            return Ok(written);
        }
        let order = |change: &Change| match change.place {
            RefPlace::Tag(_) => 0,
            RefPlace::Ledger => 1,
            RefPlace::Environment(_) => 2,
        };
        let mut ordered: Vec<_> = changes.iter().collect();
        ordered.sort_by_key(|change| order(change));
        for change in ordered {
            let name = self.published_name(&change.place);
            let moved = moves.make(&name, change.expected, change.new, "pointsman");
            // Past the ledger the decision stands: a branch that could not follow now follows in the next pass.
            if let Err(error) = moved {
                match change.place {
                    RefPlace::Environment(_) if error.is_lost_race() => {
                        tracing::debug!(%name, "branch will follow later")
                    }
                    _ => return Err(error),
                }
            }
            crash_point(&format!("{name} moved"));
        }
        // Mostly it was the newest one seen; any other case is left to `follow`.
        let ledger = changes.iter().find(|change| change.place == RefPlace::Ledger);
        if let Some(Change { expected, new, .. }) = ledger
            && let Err(error) = moves.make(SEEN_LEDGER, *expected, *new, "pointsman")
        {
            tracing::debug!(%error, "the newest ledger will be remembered later");
        }
        moves.finish()?;
        Ok(written)
    }

    /// Lets this clone know what the remote took. It has decided: whatever keeps this clone from following now, the next
    /// fetch brings.
    pub fn settle(
        &self,
        repository: &Repository,
        changes: &[Change],
        named: &BTreeSet<ObjectId>,
        written: Written<'_>,
    ) -> Result<()> {
        if !self.is_remote() {
            return Ok(());
        }
        if written.shown {
            repository.flush()?;
            repository.sync_foreign_objects(named, None)?;
        }
        if let Err(error) = self.track(repository, changes) {
            tracing::warn!(%error, "refs of this clone will follow later");
        }
        crash_point("tracking refs set");
        Ok(())
    }

    /// Refuses before anything is written what would stop one of `changes` for good: a lock left by a dead process, or
    /// a ref of somebody else's in the way.
    pub fn check_moves(&self, repository: &Repository, changes: &[Change]) -> Result<()> {
        if self.is_remote() {
            return Ok(());
        }
        let names: Vec<_> = changes.iter().map(|change| self.published_name(&change.place)).collect();
        repository.wait_for_locks(names.iter().map(String::as_str), false)?;
        for (change, name) in changes.iter().zip(&names) {
            let folder = repository.common_dir().join(name);
            let new = change.expected.is_none() && folder.parent().is_some_and(|parent| !parent.is_dir());
            if new && let Some(obstacle) = repository.obstacle_above(name)? {
                return Err(obstacle);
            }
        }
        Ok(())
    }
}
