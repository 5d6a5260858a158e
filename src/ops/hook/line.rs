//! A head that a pushed ledger accepts: its branch continues what was accepted, each commit a record that fits its tree.

use std::collections::BTreeMap;

use super::ledger::Entries;
use crate::domain::ledger::AcceptedHead;
use crate::domain::record::Record;
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionNumber};
use crate::reconcile::{fold, misfit};
use crate::store::{Recorded, Result, environment_root, root_commit};

/// Versions rolled back from, per agent.
type RolledBack = BTreeMap<AgentId, Vec<VersionNumber>>;

/// Where a line goes on from.
#[derive(Clone)]
pub(super) struct Base {
    head: ObjectId,
    height: u64,
    rolled_back: RolledBack,
}

impl Base {
    pub(super) fn of(head: &AcceptedHead) -> Self {
        Base { head: head.head, height: head.height, rolled_back: head.rolled_back.clone() }
    }
}

/// What is wrong with `after` as the head of `name` in the ledger with the tree `ledger`, or the head of `renamed` that
/// it carries on. Without a `base` it begins at the root, or where one of `renamed` ended.
pub(super) fn judge(
    known: &mut Entries<'_>,
    ledger: ObjectId,
    name: &EnvironmentName,
    base: Option<Base>,
    renamed: Vec<Base>,
    after: &AcceptedHead,
) -> Result<std::result::Result<Option<ObjectId>, String>> {
    let repository = known.repository;
    let root = root_commit(repository);
    let from_root = || Base { head: root, height: 1, rolled_back: RolledBack::new() };
    let begins = base.is_none();
    let bases = base.map_or_else(|| renamed.into_iter().chain([from_root()]).collect(), |base| vec![base]);
    let mut line = Vec::new();
    let mut start = None;
    if after.head == root {
        start = bases.iter().find(|base| base.head == root);
    } else {
        for commit in repository.first_parents(after.head) {
            let commit = commit?;
            start = bases.iter().find(|base| base.head == commit.id);
            if start.is_some() {
                break;
            }
            line.push(commit.id);
        }
    }
    let Some(start) = start else {
        let from = if begins { "the root".to_owned() } else { bases[0].head.short() };
        return Ok(Err(format!("the head {} of {name} does not continue {from}", after.head.short())));
    };
    let (mut tree, mut time) = if start.head == root {
        (environment_root(repository), jiff::Timestamp::UNIX_EPOCH)
    } else {
        let commit = repository.commit(start.head)?;
        (commit.tree, commit.time)
    };
    // Only a history that was found again may hold the names that the environment had before.
    let mut names = Names { own: name, strict: start.head != root, used: Vec::new() };
    let mut rolled_back = start.rolled_back.clone();
    for id in line.iter().rev() {
        let commit = repository.commit(*id)?;
        let record = Record::parse(&commit.message);
        let (next, at) = (commit.tree, commit.time);
        let recorded = Recorded { commit, record };
        let mut fault = misfit(repository, tree, &recorded, &mut |tree| known.of(ledger, tree))?;
        if at < time {
            fault.get_or_insert("its time is before that of its parent".to_owned());
        }
        if let Some(record) = &recorded.record {
            fold(&mut rolled_back, record);
            if !names.take(&record.environment) {
                fault.get_or_insert(format!("it is a move in {}", record.environment));
            }
        }
        if let Some(fault) = fault {
            return Ok(Err(format!("commit {} of {name}: {fault}", id.short())));
        }
        (tree, time) = (next, at);
    }
    if !names.ends_in_own() {
        return Ok(Err(format!("the head {} of {name} belongs to another environment", after.head.short())));
    }
    let height = start.height + line.len() as u64;
    if after.height != height {
        return Ok(Err(format!("the line of {name} has {height} commits, but its height says {}", after.height)));
    }
    if without_empty(rolled_back) != without_empty(after.rolled_back.clone()) {
        return Ok(Err(format!("what was rolled back from in {name} is not what its history says")));
    }
    if let Some(blob) = repository.blob_at(tree, "routes.json")? {
        let bytes = repository.blob(blob)?;
        if crate::policy::routes::canonical(&bytes).as_ref() != Some(&bytes) {
            return Ok(Err(format!("the routes of {name} are not canonical JSON")));
        }
    }
    Ok(Ok(begins.then_some(start.head)))
}

fn without_empty(mut rolled_back: RolledBack) -> RolledBack {
    rolled_back.retain(|_, versions| !versions.is_empty());
    rolled_back
}

/// The names under which the moves of one line were made: its own, and before it others, each in one stretch.
struct Names<'a> {
    own: &'a EnvironmentName,
    strict: bool,
    used: Vec<EnvironmentName>,
}

impl Names<'_> {
    /// Takes the name of the next newer move; false if it cannot stand there.
    fn take(&mut self, name: &EnvironmentName) -> bool {
        if self.used.last() == Some(name) {
            return true;
        }
        let fits = !self.used.contains(name) && (!self.strict || name == self.own);
        self.used.push(name.clone());
        fits
    }

    /// A line may end before the first move under its newest name, as a rename alone makes no commit.
    fn ends_in_own(&self) -> bool {
        !self.strict || self.used.last().is_none_or(|last| last == self.own)
    }
}
