//! Refs of this clone that only say what the remote has: they follow it, and decide nothing.

use super::ref_moves::RefMoves;
use super::world::{REMOTE, SEEN_LEDGER};
use super::{Change, RefPlace, Repository, Result, World};
use crate::domain::{ObjectId, VersionTag};

/// Where foreign objects are kept that were found in place of an accepted tag.
const FOREIGN: &str = "refs/pointsman/foreign/";

/// How often another process of this clone may be faster before following is left to the next command.
const ATTEMPTS: usize = 5;

impl World {
    /// Lets the tracking refs say what `changes` made of the remote, without asking it again.
    pub(super) fn track(&self, repository: &Repository, changes: &[Change]) -> Result<()> {
        let tracking = changes.iter().map(|change| (self.tracking_name(&change.place), change.new));
        let tags = changes.iter().filter(|change| matches!(change.place, RefPlace::Tag(_)));
        let local = tags.map(|change| (self.published_name(&change.place), change.new));
        let wanted: Vec<_> = tracking.chain(local).collect();
        set_refs(repository, &wanted)
    }

    /// Local branches follow the remote's, forward only, and local tags follow the accepted `tags`. What does not fit
    /// stays and is told by [`World::check`].
    pub fn follow(&self, repository: &Repository, tags: impl Iterator<Item = VersionTag>) -> Result<()> {
        self.remember(repository)?;
        if !self.is_remote() {
            return Ok(());
        }
        let mut wanted = Vec::new();
        let checked_out = repository.checked_out_branches();
        for (tracking, id) in self.tracked_branches(repository)? {
            let local = local_name(&tracking);
            let forward = match repository.read_ref(&local)? {
                None => true,
                Some(old) => old != id && repository.is_ancestor(old, id)?,
            };
            if forward && !checked_out.contains(&local) {
                wanted.push((local, id));
            }
        }
        for tag in tags {
            let theirs = self.read(repository, &RefPlace::Tag(tag.clone()))?;
            let ours = repository.read_ref(&tag.ref_name())?;
            if let Some(theirs) = theirs.filter(|theirs| ours != Some(*theirs)) {
                if let Some(foreign) = ours {
                    self.keep_foreign(repository, &tag, foreign)?;
                }
                wanted.push((tag.ref_name(), theirs));
            }
        }
        set_refs(repository, &wanted)
    }

    /// The remote's branches of ours, by the names under which they are tracked here.
    pub(super) fn tracked_branches(&self, repository: &Repository) -> Result<Vec<(String, ObjectId)>> {
        let mut refs = repository.list_refs(&format!("refs/remotes/{REMOTE}/pointsman/"))?;
        refs.extend(repository.list_refs(&format!("refs/remotes/{REMOTE}/{}", self.branch_prefix))?);
        Ok(refs)
    }

    /// Keeps the ledger's tip as the newest one seen here.
    fn remember(&self, repository: &Repository) -> Result<()> {
        match self.read(repository, &RefPlace::Ledger)? {
            Some(tip) => set_refs(repository, &[(SEEN_LEDGER.to_owned(), tip)]),
            None => Ok(()),
        }
    }

    /// Keeps `foreign`, found in place of an accepted tag, for whoever wants to look at it.
    pub fn keep_foreign(&self, repository: &Repository, tag: &VersionTag, foreign: ObjectId) -> Result<String> {
        let name = format!("{FOREIGN}{tag}/{foreign}");
        set_refs(repository, &[(name.clone(), foreign)])?;
        Ok(name)
    }
}

/// The local name of a branch that is tracked as `tracking`.
pub(super) fn local_name(tracking: &str) -> String {
    tracking.replacen(&format!("refs/remotes/{REMOTE}/"), "refs/heads/", 1)
}

/// Sets refs that only repeat what was just read or pushed. One that went past the wanted commit meanwhile, because
/// another process of this clone read the remote later, stays there.
fn set_refs(repository: &Repository, wanted: &[(String, ObjectId)]) -> Result<()> {
    let mut attempts = 0;
    loop {
        let mut updates = Vec::new();
        for (name, new) in wanted {
            let expected = repository.read_ref(name)?;
            let ahead = match expected {
                Some(old) => old == *new || (name.contains("/heads/") && repository.is_ancestor(*new, old)?),
                None => false,
            };
            if !ahead {
                updates.push((name, expected, *new));
            }
        }
        let moved = make_all(repository, &updates);
        attempts += 1;
        match moved {
            Err(error) if error.is_lost_race() && attempts < ATTEMPTS => {}
            Err(error) if error.is_lost_race() => {
                tracing::debug!(%error, "refs of this clone will follow later");
                return Ok(());
            }
            other => return other,
        }
    }
}

fn make_all(repository: &Repository, updates: &[(&String, Option<ObjectId>, ObjectId)]) -> Result<()> {
    if updates.is_empty() {
        return Ok(());
    }
    let mut moves = RefMoves::prepare(repository, updates.iter().map(|(_, _, new)| *new))?;
    for (name, expected, new) in updates {
        moves.make(name, *expected, *new, "pointsman")?;
    }
    moves.finish()
}
