//! The ledger of a push: each of its commits continues the one before by what Pointsman may write, and proves it.
//!
//! These are the rules of `verify`, held from commit to commit: what stands already was judged when it came.

use std::collections::{BTreeMap, HashMap};

use super::Deadline;
use super::line::{self, Base};
use crate::domain::ledger::{AcceptedHead, KeyRecord, Marks, Rejection};
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionTag};
use crate::ops::Problem;
use crate::ops::verify::{Meaning, meaning, prove};
use crate::store::{Commit, EntryMode, Error, Ledger, Place, Repository, Result, TreeChange, root_commit};

/// What is wrong with `new` as the successor of the ledger `old`; nothing if it continues it rightfully.
pub(super) fn fault(
    repository: &Repository,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    deadline: &Deadline,
) -> std::result::Result<Option<String>, Problem> {
    let Some(new) = new else {
        return Ok(Some("the ledger says what was decided, and is not deleted".to_owned()));
    };
    let root = root_commit(repository);
    let start = old.unwrap_or(root);
    let mut line = Vec::new();
    for commit in repository.first_parents(new) {
        match commit {
            Ok(commit) => line.push(commit.id),
            Err(error) => return Ok(Some(unreadable(error)?)),
        }
        if line.last() == Some(&start) {
            break;
        }
    }
    if line.pop_if(|last| *last == start).is_none() {
        return Ok(Some(match old {
            Some(old) => format!("the ledger only grows, and {} does not continue {}", new.short(), old.short()),
            None => "a ledger begins with Pointsman's own root, and this one does not".to_owned(),
        }));
    }
    let mut before = if start == root {
        // The root is known here even where the push does not bring it.
        Commit { id: root, tree: crate::store::environment_root(repository), ..blank() }
    } else {
        repository.commit(start)?
    };
    let mut known = Entries { repository, read: HashMap::new() };
    for id in line.into_iter().rev() {
        let found = repository.commit(id).and_then(|commit| {
            let found = step(&mut known, &before, &commit, deadline);
            before = commit;
            found
        });
        let found = match found {
            Ok(found) => found,
            Err(error) => Some(unreadable(error)?),
        };
        // A step that ran out of time is cut short, and proves nothing.
        deadline.check()?;
        // Proving stages objects again and again; nothing of it is to be kept.
        repository.drop_staged();
        if let Some(fault) = found {
            return Ok(Some(format!("commit {} of the ledger: {fault}", id.short())));
        }
    }
    Ok(None)
}

fn blank() -> Commit {
    let author = crate::store::controller();
    let time = jiff::Timestamp::UNIX_EPOCH;
    Commit { id: ObjectId::ZERO, tree: ObjectId::ZERO, parents: Vec::new(), time, author, message: String::new() }
}

/// What a push brings and cannot be read is its fault; a disk that cannot be read is nobody's.
fn unreadable(error: Error) -> std::result::Result<String, Problem> {
    match error {
        Error::Corrupt { .. } | Error::Git { .. } => Ok(error.sentence()),
        error => Err(error.into()),
    }
}

/// Which version a tree is, as it says itself; whether the ledger holds it there is asked each time.
pub(super) struct Entries<'r> {
    pub(super) repository: &'r Repository,
    read: HashMap<ObjectId, Option<VersionTag>>,
}

impl Entries<'_> {
    /// The version that `tree` is in the ledger with the tree `root`.
    pub(super) fn of(&mut self, root: ObjectId, tree: ObjectId) -> Result<Option<VersionTag>> {
        if !self.read.contains_key(&tree) {
            let said = match self.repository.read_entry(tree) {
                Ok(entry) => Some(VersionTag { agent: entry.record.agent, number: entry.record.number }),
                Err(Error::Corrupt { .. }) => None,
                Err(error) => return Err(error),
            };
            self.read.insert(tree, said);
        }
        let Some(said) = &self.read[&tree] else { return Ok(None) };
        let there = self.repository.tree_at(root, &format!("agents/{said}"))?;
        Ok((there == Some(tree)).then(|| said.clone()))
    }
}

/// What one ledger commit changes.
#[derive(Default)]
struct Changed {
    fault: Option<String>,
    versions: Vec<(VersionTag, ObjectId)>,
    documents: Vec<(String, ObjectId, Meaning)>,
    heads: BTreeMap<EnvironmentName, (Place, Place)>,
}

impl Changed {
    /// Takes one changed path; says whether to look below it.
    fn take(&mut self, change: &TreeChange) -> bool {
        let is_folder = |place: Place| place.is_some_and(|(mode, _)| mode == EntryMode::Tree);
        let folder = is_folder(change.before) || (change.before.is_none() && is_folder(change.after));
        let path = &change.path;
        match (meaning(path, folder), change.after) {
            (Some(Meaning::Folder), after) if after.is_none() || is_folder(after) => return true,
            (Some(Meaning::Version(tag)), Some((EntryMode::Tree, id))) if change.before.is_none() => {
                self.versions.push((tag, id));
            }
            (Some(Meaning::Version(tag)), _) => {
                self.fault = Some(format!("{tag} is an accepted version, and those stay as they are"));
            }
            (Some(Meaning::Head(name)), _) => drop(self.heads.insert(name, (change.before, change.after))),
            (Some(Meaning::Evidence), after) if after.is_none() || is_folder(after) => {}
            // A refusal ends with its tag, a key with its month.
            (Some(Meaning::Rejection(_) | Meaning::Key), None) => {}
            (Some(document), Some((EntryMode::Blob, id))) => self.documents.push((path.clone(), id, document)),
            _ => self.fault = Some(format!("nothing of the kind is ever written at `{path}`")),
        }
        false
    }
}

/// What is wrong with `commit` after `before`.
fn step(known: &mut Entries<'_>, before: &Commit, commit: &Commit, deadline: &Deadline) -> Result<Option<String>> {
    let repository = known.repository;
    if commit.time < before.time {
        return Ok(Some("its time is before that of its parent".to_owned()));
    }
    let mut changed = Changed::default();
    repository.changes(Some(before.tree), Some(commit.tree), &mut |change| {
        Ok(changed.fault.is_none() && changed.take(change))
    })?;
    if changed.fault.is_some() {
        return Ok(changed.fault);
    }
    for (path, id, document) in &changed.documents {
        if let Some(error) = does_not_parse(document, &repository.blob(*id)?) {
            return Ok(Some(format!("`{path}` does not parse: {error}")));
        }
    }
    let earlier = Ledger::at_root(repository, before.tree);
    let mut agents: Vec<&AgentId> = Vec::new();
    for (tag, tree) in &changed.versions {
        let known = agents.iter().copied().find(|other| other.collides_with(&tag.agent)).cloned();
        if let Some(other) = known.map_or_else(|| earlier.collision(&tag.agent), |other| Ok(Some(other)))? {
            return Ok(Some(format!("`{}` and the agent `{other}` cannot both exist", tag.agent)));
        }
        if agents.last() != Some(&&tag.agent) {
            agents.push(&tag.agent);
        }
        if deadline.check().is_err() {
            break;
        }
        let (tagged, fault) = prove(repository, tag, *tree)?;
        if let Some(fault) = fault {
            return Ok(Some(format!("{tag} does not prove itself: {fault}")));
        }
        if !commit.parents.contains(&tagged) {
            return Ok(Some(format!("it accepts {tag} and does not keep its commit {} alive", tagged.short())));
        }
    }
    heads(known, commit, changed.heads)
}

/// Judges accepted heads that appear, move or go.
fn heads(
    known: &mut Entries<'_>,
    commit: &Commit,
    changed: BTreeMap<EnvironmentName, (Place, Place)>,
) -> Result<Option<String>> {
    let repository = known.repository;
    let read = |place: Place| match place {
        None => Ok(Ok(None)),
        Some((EntryMode::Blob, id)) => {
            let bytes = repository.blob(id)?;
            Ok(serde_json::from_slice::<AcceptedHead>(&bytes).map(Some).map_err(|error| error.to_string()))
        }
        Some(_) => Ok(Err("it is no file".to_owned())),
    };
    // An environment that is renamed ends under one name and goes on under another.
    let mut gone = Vec::new();
    let mut moved = Vec::new();
    for (name, (before, after)) in changed {
        match (read(before)?, read(after)?) {
            (Ok(before), Ok(Some(after))) => moved.push((name, before, after)),
            (Ok(Some(before)), Ok(None)) => gone.push((name, before)),
            (Ok(None), Ok(None)) => {}
            (Err(error), _) | (_, Err(error)) => {
                return Ok(Some(format!("`environments/{name}.json` does not parse: {error}")));
            }
        }
    }
    for (name, before, after) in moved {
        if !commit.parents.contains(&after.head) {
            return Ok(Some(format!("it accepts a head of {name} and does not keep {} alive", after.head.short())));
        }
        let renamed: Vec<_> = gone.iter().map(|(_, head)| Base::of(head)).collect();
        let base = before.as_ref().map(Base::of);
        match line::judge(known, commit.tree, &name, base, renamed, &after)? {
            Ok(carried_on) => gone.retain(|(_, head)| Some(head.head) != carried_on),
            Err(fault) => return Ok(Some(fault)),
        }
    }
    Ok(gone.first().map(|(name, _)| format!("the accepted head of {name} vanishes, and nothing carries it on")))
}

fn does_not_parse(document: &Meaning, bytes: &[u8]) -> Option<String> {
    let error = match document {
        Meaning::Marks(_) => serde_json::from_slice::<Marks>(bytes).err(),
        Meaning::Rejection(_) => serde_json::from_slice::<Rejection>(bytes).err(),
        Meaning::Key => serde_json::from_slice::<KeyRecord>(bytes).err(),
        _ => None,
    };
    error.map(|error| error.to_string())
}
