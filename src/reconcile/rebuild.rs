//! A lost ledger, found again from environment history that proves itself; tags are then judged as in any pass.

use std::collections::BTreeMap;

use super::proof::disproof;
use crate::domain::ledger::{AcceptedHead, fold_rollbacks, to_document};
use crate::domain::record::Record;
use crate::domain::{AgentId, ObjectId, VersionNumber};
use crate::policy::{Environment, Policy};
use crate::store::{
    EntryMode, EnvironmentTree, Error, RefPlace, Repository, Result, SEEN_LEDGER, TreeEdits, World, environment_root,
    root_commit,
};

/// What was found.
pub struct Rebuilt {
    /// A ledger tree with the entries and heads that prove themselves.
    pub root: ObjectId,
    /// Commits that the ledger must keep alive.
    pub parents: Vec<ObjectId>,
}

/// Refuses a ledger branch that did not grow from our root.
pub fn must_be_ours(repository: &Repository, tip: ObjectId) -> Result<()> {
    // Whatever continues a ledger that was seen here grew from the same root.
    if repository.read_ref(SEEN_LEDGER)?.is_some() || is_ours(repository, tip)? {
        return Ok(());
    }
    Err(Error::Corrupt {
        what: format!("branch `pointsman/ledger` at {tip} was not begun by Pointsman"),
        hint: "if it is yours, rename it: git branch -m pointsman/ledger <other name>; else delete it and run pointsman reconcile --once".to_owned(),
    })
}

/// Whether the first-parent line of `tip` ends in our root commit.
pub fn is_ours(repository: &Repository, tip: ObjectId) -> Result<bool> {
    let root = root_commit(repository);
    let mut last = None;
    for commit in repository.first_parents(tip) {
        match commit {
            Ok(commit) => last = Some(commit.id),
            // A ref may name a tree or a tag; that is not a branch of ours either.
            Err(Error::Git { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(last == Some(root))
}

/// Takes one more record into the fold of rolled-back versions.
pub fn fold(rolled_back: &mut BTreeMap<AgentId, Vec<VersionNumber>>, record: &Record) {
    for made in &record.moves {
        fold_rollbacks(rolled_back, record.action, &made.agent, made.from, made.to);
    }
}

/// Looks for environment branches of ours. Nothing if there are none: then nothing was ever decided.
pub fn rebuild(repository: &Repository, world: &World, policy: &Policy) -> Result<Option<Rebuilt>> {
    let mut edits = TreeEdits::default();
    let mut parents = Vec::new();
    for environment in &policy.environments {
        let place = RefPlace::Environment(environment.name.clone());
        let Some(tip) = world.read(repository, &place)? else { continue };
        if tip == root_commit(repository) || !is_ours(repository, tip)? {
            continue;
        }
        let head = adopt(repository, environment, tip, &mut edits, &mut parents)?;
        let blob = repository.stage_blob(&to_document(&head));
        edits.put(&format!("environments/{}.json", environment.name), EntryMode::Blob, blob);
        parents.push(head.head);
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let base = environment_root(repository);
    let root = repository.edit_tree(Some(base), &edits)?;
    Ok(Some(Rebuilt { root, parents }))
}

/// The newest commit below `tip` whose line is all ours, and the entries that it and its ancestors name.
fn adopt(
    repository: &Repository,
    environment: &Environment,
    tip: ObjectId,
    edits: &mut TreeEdits,
    parents: &mut Vec<ObjectId>,
) -> Result<AcceptedHead> {
    let mut line: Vec<_> = repository.records(tip).collect::<Result<_>>()?;
    line.reverse();
    let mut head = AcceptedHead { head: tip, height: 1, rolled_back: BTreeMap::new() };
    if let Some(root) = line.first() {
        head.head = root.commit.id;
    }
    for recorded in line.iter().skip(1) {
        // Past the first commit that is not ours everything is a proposal, to be judged like any other.
        // What was decided under the name it had before is its history too.
        let names = [Some(&environment.name), environment.renamed_from.as_ref()];
        let own = |record: &&Record| names.contains(&Some(&record.environment));
        let Some(record) = recorded.record.as_ref().filter(own) else { break };
        let tree = EnvironmentTree::new(repository, recorded.commit.tree);
        let mut found = Vec::new();
        for made in &record.moves {
            let Some(number) = made.to else { continue };
            let Some(id) = tree.serves(&made.agent)? else { continue };
            let Ok(entry) = repository.read_entry(id) else { continue };
            if disproof(repository, &made.agent, number, &entry)?.is_none() {
                found.push((made, number, entry));
            }
        }
        if found.len() != record.moves.iter().filter(|made| made.to.is_some()).count() {
            break;
        }
        for (made, number, entry) in found {
            edits.put(&format!("agents/{}/{number}", made.agent), EntryMode::Tree, entry.id);
            parents.push(entry.record.commit);
        }
        fold(&mut head.rolled_back, record);
        head.head = recorded.commit.id;
        head.height += 1;
    }
    Ok(head)
}
