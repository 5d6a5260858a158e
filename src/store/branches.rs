//! Environment branches: the root they all grow from, what their trees hold, and where their tip stands.

use std::collections::{BTreeMap, BTreeSet};

use super::content::Walk;
use super::tree::{EntryMode, Tree, TreeEntry};
use super::{Error, Repository, Result};
use crate::domain::agent_id::LONGEST;
use crate::domain::ledger::Hold;
use crate::domain::{AgentId, Identity, ObjectId};

/// The one file of the root commit. Part of a constant: no release may change a byte of it.
const README: &str = "\
This branch is written by Pointsman and by nothing else: it records what is published or what is live.\n\
To change what is live, push a version tag, merge a change of pointsman.toml, or run `pointsman promote` or\n\
`pointsman rollback`. `git log --first-parent` is the audit trail.\n";

const ROOT_MESSAGE: &str = "Begin\n\nThe common root of the ledger and of every environment branch.\n";

/// The identity behind the root commit and behind what nobody asked for by name.
pub fn controller() -> Identity {
    Identity { name: "Pointsman".to_owned(), email: "pointsman@localhost".to_owned() }
}

/// Stages the root commit that the ledger and every environment branch end in. Its bytes never change, so a branch
/// of that name that does not end in it is somebody else's.
pub fn root_commit(repository: &Repository) -> ObjectId {
    let readme = repository.stage_blob(README.as_bytes());
    let entry = TreeEntry { name: b"README.md".to_vec(), mode: EntryMode::Blob, id: readme };
    let tree = repository.stage_tree(&Tree::of(vec![entry]));
    repository.stage_commit(tree, &[], &controller(), jiff::Timestamp::UNIX_EPOCH, ROOT_MESSAGE)
}

/// The tree of [`root_commit`]: an environment in which nothing is served.
pub fn environment_root(repository: &Repository) -> ObjectId {
    let readme = repository.stage_blob(README.as_bytes());
    let entry = TreeEntry { name: b"README.md".to_vec(), mode: EntryMode::Blob, id: readme };
    repository.stage_tree(&Tree::of(vec![entry]))
}

/// Where the tip of an environment branch stands, seen from its accepted head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tip {
    /// The accepted head itself.
    Accepted,
    /// Absent, or an ancestor of the accepted head: it follows.
    Behind(Option<ObjectId>),
    /// A descendant that Pointsman did not make: a merged pull request or a hand edit.
    Proposal(ObjectId),
    /// Anything else.
    Rewritten(ObjectId),
}

/// What an environment's tree holds.
#[derive(Clone, Copy)]
pub struct EnvironmentTree<'r> {
    repository: &'r Repository,
    /// The tree.
    pub root: ObjectId,
}

impl<'r> EnvironmentTree<'r> {
    /// The tree `root`.
    pub fn new(repository: &'r Repository, root: ObjectId) -> Self {
        EnvironmentTree { repository, root }
    }

    /// The tree served for `agent`, which is the ledger's entry for the version that is live here.
    pub fn serves(&self, agent: &AgentId) -> Result<Option<ObjectId>> {
        self.repository.tree_at(self.root, &format!("agents/{agent}"))
    }

    /// What is served for each of `agents`, reading every folder once.
    pub fn serves_among(&self, agents: &BTreeSet<AgentId>) -> Result<BTreeMap<AgentId, ObjectId>> {
        let mut served = BTreeMap::new();
        let mut folders = Vec::new();
        if let Some(tree) = self.repository.tree_at(self.root, "agents")? {
            folders.push((String::new(), tree));
        }
        let mut walk = Walk::below("agents");
        while let Some((folder, tree)) = folders.pop() {
            for entry in self.repository.tree(tree)?.entries() {
                walk.step()?;
                let path = format!("{folder}{}", String::from_utf8_lossy(&entry.name));
                if entry.mode != EntryMode::Tree {
                    continue;
                }
                // Agents never lie inside agents, so a known id ends the descent.
                match path.parse::<AgentId>() {
                    Ok(agent) if agents.contains(&agent) => drop(served.insert(agent, entry.id)),
                    _ if path.len() < LONGEST => folders.push((format!("{path}/"), entry.id)),
                    _ => {}
                }
            }
        }
        Ok(served)
    }

    /// Everything that is served, whichever agents there are: a folder with a `version.json` is an entry. What
    /// `is_known` to be one is not read.
    pub fn entries(&self, is_known: impl Fn(ObjectId) -> bool) -> Result<Vec<(AgentId, ObjectId)>> {
        let mut found = Vec::new();
        let mut folders = Vec::new();
        if let Some(tree) = self.repository.tree_at(self.root, "agents")? {
            folders.push((String::new(), tree));
        }
        let mut walk = Walk::below("agents");
        while let Some((folder, tree)) = folders.pop() {
            let tree = self.repository.tree(tree)?;
            for entry in tree.entries().iter().filter(|entry| entry.mode == EntryMode::Tree) {
                walk.step()?;
                let path = format!("{folder}{}", String::from_utf8_lossy(&entry.name));
                let is_entry = is_known(entry.id) || self.repository.blob_at(entry.id, "version.json")?.is_some();
                match path.parse::<AgentId>() {
                    Ok(agent) if is_entry => found.push((agent, entry.id)),
                    _ if path.len() < LONGEST && !is_entry => folders.push((format!("{path}/"), entry.id)),
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    /// The hold on `agent`.
    pub fn hold(&self, agent: &AgentId) -> Result<Option<Hold>> {
        match self.repository.blob_at(self.root, &hold_path(agent))? {
            Some(blob) => self.read_hold(agent, blob).map(Some),
            None => Ok(None),
        }
    }

    /// All holds.
    pub fn holds(&self) -> Result<BTreeMap<AgentId, Hold>> {
        let mut holds = BTreeMap::new();
        let Some(tree) = self.repository.tree_at(self.root, "holds")? else { return Ok(holds) };
        let mut blobs = Vec::new();
        self.repository.walk(tree, "", &mut |path, mode, id| {
            if mode == EntryMode::Blob {
                blobs.push((path.to_owned(), id));
            }
            true
        })?;
        for (path, blob) in blobs {
            if let Some(agent) = path.strip_suffix(".json").and_then(|path| path.parse::<AgentId>().ok()) {
                let hold = self.read_hold(&agent, blob)?;
                holds.insert(agent, hold);
            }
        }
        Ok(holds)
    }

    fn read_hold(&self, agent: &AgentId, blob: ObjectId) -> Result<Hold> {
        serde_json::from_slice(&self.repository.blob(blob)?).map_err(|error| Error::Corrupt {
            what: format!("the hold on `{agent}` does not parse: {error}"),
            hint: format!("pointsman release-hold {agent}"),
        })
    }

    /// The blob of `routes.json`.
    pub fn routes(&self) -> Result<Option<ObjectId>> {
        self.repository.blob_at(self.root, "routes.json")
    }
}

/// Where the hold on `agent` stands.
pub fn hold_path(agent: &AgentId) -> String {
    format!("holds/{agent}.json")
}

impl Repository {
    /// Where `tip` stands, seen from the accepted head `head`.
    pub fn tip(&self, head: ObjectId, tip: Option<ObjectId>) -> Result<Tip> {
        let is_commit = |id: ObjectId| self.git.find_commit(super::objects::oid(id)).is_ok();
        if self.has(head) && !is_commit(head) {
            return Err(Error::Corrupt {
                what: format!("the ledger names {head} as an accepted head, and that is not a commit"),
                hint: super::ledger::way_back("environments"),
            });
        }
        Ok(match tip {
            Some(tip) if tip == head => Tip::Accepted,
            None => Tip::Behind(None),
            // Not a commit, or not there at all: no branch, so nothing that could be proposed or kept as a parent.
            Some(tip) if !is_commit(tip) => Tip::Behind(Some(tip)),
            Some(tip) if self.is_ancestor(tip, head)? => Tip::Behind(Some(tip)),
            Some(tip) if self.is_ancestor(head, tip)? => Tip::Proposal(tip),
            Some(tip) => Tip::Rewritten(tip),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_commit_is_the_same_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        git2::Repository::init_bare(dir.path()).unwrap();
        let repository = Repository::open(dir.path()).unwrap();
        // Ledgers and environments in the field end in this id: a change of it makes all of them foreign.
        assert_eq!(root_commit(&repository).to_string(), "26201a95943434735325c1f49ee7522b49650e00");
    }
}
