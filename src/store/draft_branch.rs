//! Named drafts: branches `draft/<agent>/<name>`, in the remote where there is one. They are moved by compare-and-swap,
//! and no working tree is ever touched for it.

use super::discard::DISCARDED;
use super::world::REMOTE;
use super::{Error, RefUpdate, Repository, Result, World};
use crate::domain::{AgentId, ObjectId};

/// What the branches of named drafts begin with.
const DRAFTS: &str = "draft/";

/// What the branches of named drafts of `agent` begin with.
pub fn drafts_of(agent: &AgentId) -> String {
    format!("{DRAFTS}{agent}/")
}

/// A branch of a named draft that is to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftMove {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// What must stand there; nothing if there must be no such branch.
    pub expected: Option<ObjectId>,
    /// What stands there afterwards; nothing deletes the branch.
    pub new: Option<ObjectId>,
}

impl World {
    /// Reads the drafts of `agent` from the remote again.
    pub fn refresh_drafts(&self, repository: &Repository, agent: &AgentId) -> Result<()> {
        if !self.is_remote() {
            return Ok(());
        }
        let drafts = drafts_of(agent);
        self.fetch(repository, &[format!("+refs/heads/{drafts}*:refs/remotes/{REMOTE}/{drafts}*")])
    }

    /// The drafts of `agent` as last read: branch and tip.
    pub fn draft_branches(&self, repository: &Repository, agent: &AgentId) -> Result<Vec<(String, ObjectId)>> {
        let home = self.home();
        let refs = repository.list_refs(&format!("{home}{}", drafts_of(agent)))?;
        Ok(refs.into_iter().filter_map(|(name, tip)| Some((name.strip_prefix(&home)?.to_owned(), tip))).collect())
    }

    fn home(&self) -> String {
        if self.is_remote() { format!("refs/remotes/{REMOTE}/") } else { "refs/heads/".to_owned() }
    }

    /// Writes all staged objects and moves all of `moves` or none.
    pub fn move_drafts(&self, repository: &Repository, moves: &[DraftMove]) -> Result<()> {
        repository.flush()?;
        if self.is_remote() {
            self.push_drafts(repository, moves)?;
            let tracked =
                moves.iter().map(|made| RefUpdate { name: format!("{}{}", self.home(), made.branch), ..update(made) });
            // The remote has decided; what this clone does not follow now, the next look brings.
            if let Err(error) = repository.move_refs(&tracked.collect::<Vec<_>>()) {
                tracing::debug!(%error, "drafts of this clone will follow later");
            }
            return Ok(());
        }
        let checked_out = repository.checked_out_branches();
        if let Some(made) = moves.iter().find(|made| checked_out.contains(&full(&made.branch))) {
            return Err(Error::Unsupported {
                what: format!("branch `{}` is checked out, and no working tree is changed from outside", made.branch),
                hint: "git switch to another branch, or commit there yourself".to_owned(),
            });
        }
        for made in moves.iter().filter(|made| made.expected.is_none()) {
            if let Some(obstacle) = repository.obstacle(&full(&made.branch))? {
                return Err(obstacle);
            }
        }
        match moves {
            [DraftMove { branch, expected, new: Some(new) }] => {
                repository.move_ref(&full(branch), *expected, *new, "pointsman: draft")
            }
            moves => repository.move_refs(&moves.iter().map(update).collect::<Vec<_>>()),
        }
    }

    fn push_drafts(&self, repository: &Repository, moves: &[DraftMove]) -> Result<()> {
        let mut args: Vec<String> =
            ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]
                .map(str::to_owned)
                .to_vec();
        if moves.len() > 1 {
            args.push("--atomic".to_owned());
        }
        for DraftMove { branch, expected, .. } in moves {
            let expected = expected.map(|id| id.to_string()).unwrap_or_default();
            args.push(format!("--force-with-lease={}:{expected}", full(branch)));
        }
        args.push(REMOTE.to_owned());
        args.extend(moves.iter().map(|made| {
            let new = made.new.map(|id| id.to_string()).unwrap_or_default();
            format!("{new}:{}", full(&made.branch))
        }));
        let ended = self.network(repository).setting("remote.origin.mirror=false").run_to_end(&args, None)?;
        if ended.success {
            return Ok(());
        }
        // Whether somebody was faster is read from the remote, never from git's words.
        let now = self.ask_heads(repository, moves.iter().map(|made| full(&made.branch)))?;
        let standing = |made: &DraftMove| now.get(&full(&made.branch)).copied();
        if moves.iter().all(|made| standing(made) == made.new) {
            return Ok(());
        }
        match moves.iter().find(|made| standing(made) != made.expected) {
            Some(lost) => {
                let (name, actual) = (full(&lost.branch), standing(lost));
                Err(Error::RefMoved { name, expected: lost.expected, actual })
            }
            None => Err(super::remote::refused(&ended)),
        }
    }
}

fn full(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn update(made: &DraftMove) -> RefUpdate {
    RefUpdate { name: full(&made.branch), expected: made.expected, new: made.new }
}

impl Repository {
    /// Keeps `tip`, which a draft of `agent` has no more, for as long as discarded drafts are kept.
    pub fn keep_tip(&self, agent: &AgentId, tip: ObjectId, now: jiff::Timestamp) -> Result<String> {
        self.forget_discarded(now)?;
        let mut moment = now.as_millisecond();
        loop {
            let name = format!("{DISCARDED}{agent}/{moment}");
            match self.move_ref(&name, None, tip, "pointsman: discard") {
                Err(error) if error.is_lost_race() => moment += 1,
                other => return other.map(|()| name),
            }
        }
    }

    /// The drafts of `agent` that are kept, newest first.
    pub fn kept_tips(&self, agent: &AgentId) -> Result<Vec<ObjectId>> {
        Ok(self.list_refs(&format!("{DISCARDED}{agent}/"))?.into_iter().rev().map(|(_, id)| id).collect())
    }
}
