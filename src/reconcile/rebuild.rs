//! A lost ledger, found again from environment history that proves itself; tags are then judged as in any pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::line::misfit;
use super::proof::disproof;
use crate::domain::ledger::{AcceptedHead, fold_rollbacks, to_document};
use crate::domain::record::Record;
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionNumber, VersionTag};
use crate::policy::Policy;
use crate::store::{
    EntryMode, Error, Recorded, Repository, Result, SEEN_LEDGER, TreeEdits, World, environment_root, root_commit,
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
            Err(Error::Git { .. } | Error::Corrupt { .. }) => return Ok(false),
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
    let mut found = Vec::new();
    let mut entries = BTreeSet::new();
    let mut prover = Prover { repository, proven: HashMap::new() };
    for (name, tip) in world.environments(repository)? {
        let named = policy.environment(&name);
        if tip == root_commit(repository) || !is_ours(repository, tip)? {
            continue;
        }
        let old_name = named.and_then(|environment| environment.renamed_from.as_ref());
        let head = adopt(repository, &name, old_name, tip, &mut prover, &mut entries)?;
        // A branch with no history of its own is somebody's copy, unless it was named.
        if named.is_some() || head.height > 1 {
            found.push((name, head));
        }
    }
    // What another environment carries on under a new name is not an environment beside it.
    let names: Vec<_> = policy.environments.iter().filter_map(|environment| environment.renamed_from.clone()).collect();
    found.retain(|(name, _)| policy.environment(name).is_some() || !names.contains(name));
    if found.is_empty() {
        return Ok(None);
    }
    let mut edits = TreeEdits::default();
    let mut parents = Vec::new();
    for (name, head) in found {
        let blob = repository.stage_blob(&to_document(&head));
        edits.put(&format!("environments/{name}.json"), EntryMode::Blob, blob);
        parents.push(head.head);
    }
    for entry in entries {
        if let Some(Some((tag, commit))) = prover.proven.remove(&entry) {
            edits.put(&format!("agents/{}/{}", tag.agent, tag.number), EntryMode::Tree, entry);
            parents.push(commit);
        }
    }
    let root = repository.edit_tree(Some(environment_root(repository)), &edits)?;
    Ok(Some(Rebuilt { root, parents }))
}

/// Entries by tree, with the tagged commit of those that prove themselves.
struct Prover<'r> {
    repository: &'r Repository,
    proven: HashMap<ObjectId, Option<(VersionTag, ObjectId)>>,
}

impl Prover<'_> {
    fn entry(&mut self, id: ObjectId) -> Result<Option<VersionTag>> {
        if !self.proven.contains_key(&id) {
            let proven = self.prove(id)?;
            self.proven.insert(id, proven);
        }
        Ok(self.proven[&id].as_ref().map(|(tag, _)| tag.clone()))
    }

    fn prove(&self, id: ObjectId) -> Result<Option<(VersionTag, ObjectId)>> {
        let entry = match self.repository.read_entry(id) {
            Ok(entry) => entry,
            Err(error @ Error::Shallow { .. }) => return Err(error),
            Err(_) => return Ok(None),
        };
        let tag = VersionTag { agent: entry.record.agent.clone(), number: entry.record.number };
        match disproof(self.repository, &tag.agent, tag.number, &entry) {
            Ok(None) => Ok(Some((tag, entry.record.commit))),
            Ok(Some(fault)) => {
                tracing::warn!(%tag, fault, "an entry does not prove itself and is left out");
                Ok(None)
            }
            Err(error @ Error::Shallow { .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// A commit that continues a line of ours.
struct Link {
    commit: Recorded,
    height: u64,
    /// The entries that it names.
    entries: Vec<ObjectId>,
}

/// The end of the longest line below `tip` that is all ours, and the entries on it. What lies past it is a proposal,
/// to be judged like any other; a merge may have made it the second parent of somebody's commit.
fn adopt(
    repository: &Repository,
    name: &EnvironmentName,
    old_name: Option<&EnvironmentName>,
    tip: ObjectId,
    prover: &mut Prover<'_>,
    entries: &mut BTreeSet<ObjectId>,
) -> Result<AcceptedHead> {
    let root = root_commit(repository);
    let mut best = (root, 1);
    let mut links: HashMap<ObjectId, Link> = HashMap::new();
    for id in repository.ancestors(tip)?.into_iter().rev() {
        let commit = repository.commit(id)?;
        let Some(&first) = commit.parents.first() else { continue };
        let (before, height) = match links.get(&first) {
            Some(link) => (link.commit.commit.tree, link.height + 1),
            None if first == root => (environment_root(repository), 2),
            None => continue,
        };
        let recorded = Recorded { record: Record::parse(&commit.message), commit };
        let Some(record) = &recorded.record else { continue };
        if record.environment != *name && Some(&record.environment) != old_name {
            continue;
        }
        let mut seen = Vec::new();
        let fault = misfit(repository, before, &recorded, &mut |tree| {
            let tag = prover.entry(tree)?;
            seen.extend(tag.is_some().then_some(tree));
            Ok(tag)
        })?;
        if fault.is_some() {
            continue;
        }
        if height > best.1 {
            best = (id, height);
        }
        links.insert(id, Link { commit: recorded, height, entries: seen });
    }
    let (head, height) = best;
    let mut line = Vec::new();
    let mut next = head;
    while let Some(link) = links.remove(&next) {
        next = link.commit.commit.parents[0];
        line.push(link);
    }
    let mut rolled_back = BTreeMap::new();
    for link in line.into_iter().rev() {
        link.commit.record.iter().for_each(|record| fold(&mut rolled_back, record));
        entries.extend(link.entries);
    }
    Ok(AcceptedHead { head, height, rolled_back })
}
