//! Where agents are in a tree: by their manifest, or because `pointsman.toml` lists them.

use std::collections::BTreeMap;

use super::content::Walk;
use super::tree::EntryMode;
use super::{Repository, Result};
use crate::compile::Kind;
use crate::domain::nearest::nearest;
use crate::domain::{AgentId, ObjectId};
use crate::policy::Policy;

/// How deep folders are searched for manifests.
const DEEPEST: usize = 12;

/// An agent and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its id.
    pub agent: AgentId,
    /// Its folder; empty for the repository's root.
    pub folder: String,
    /// How the folder is read.
    pub kind: Kind,
    /// Globs of included files outside the folder.
    pub include: Vec<String>,
}

impl Located {
    /// The folder as git's commands take it: by its literal path, seen from the repository's root.
    pub(super) fn pathspec(&self) -> String {
        // A literal `.` matches only what the index has already.
        if self.folder.is_empty() { ":(top)".to_owned() } else { format!(":(top,literal){}", self.folder) }
    }
}

/// Why a folder is not an agent, or an agent is not where it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// Nothing of this id is there.
    #[error("no agent `{agent}` {place}")]
    Unknown {
        /// The id.
        agent: AgentId,
        /// Where it was looked for.
        place: String,
        /// An id that looks alike.
        nearest: Option<String>,
    },
    /// Two folders give one id.
    #[error("agent `{agent}` is in two folders, `{first}` and `{second}`")]
    Twice {
        /// The id.
        agent: AgentId,
        /// One folder.
        first: String,
        /// The other.
        second: String,
    },
    /// A folder has a manifest, but its path is not an id.
    #[error("folder `{folder}` holds an agent, but {reason}")]
    BadPath {
        /// The folder.
        folder: String,
        /// What the grammar asks for.
        reason: String,
    },
    /// One agent's folder is inside another's.
    #[error("agent `{inner}` is inside agent `{outer}`")]
    Nested {
        /// The one inside.
        inner: AgentId,
        /// The one around it.
        outer: AgentId,
    },
}

/// The kind that a folder's own manifest says it has.
fn manifest(repository: &Repository, tree: ObjectId) -> Result<Option<Kind>> {
    let tree = repository.tree(tree)?;
    let is = |name: &str, mode: EntryMode| tree.get(name).is_some_and(|entry| entry.mode == mode);
    if is("agent.toml", EntryMode::Blob) {
        return Ok(Some(Kind::Native));
    }
    let poly = is("project.yaml", EntryMode::Blob) && is("agent_settings", EntryMode::Tree);
    Ok(poly.then_some(Kind::PolyAi))
}

/// The kind that the manifest in the folder `dir` on disk says it has.
pub fn manifest_on_disk(dir: &std::path::Path) -> Option<Kind> {
    let file = |name: &str| dir.join(name).symlink_metadata().is_ok_and(|meta| meta.is_file());
    if file("agent.toml") {
        return Some(Kind::Native);
    }
    let settings = dir.join("agent_settings").symlink_metadata().is_ok_and(|meta| meta.is_dir());
    (settings && file("project.yaml")).then_some(Kind::PolyAi)
}

impl Repository {
    /// Finds `agent` in the tree `root`, whose own policy lists what has no manifest, without searching everything.
    pub fn locate(
        &self,
        root: ObjectId,
        policy: &Policy,
        agent: &AgentId,
    ) -> Result<std::result::Result<Located, Misplaced>> {
        let unknown = |place: String| Misplaced::Unknown {
            agent: agent.clone(),
            place,
            nearest: nearest(agent.as_str(), policy.agents.keys().map(AgentId::as_str)).map(str::to_owned),
        };
        if let Some(listing) = policy.agents.get(agent) {
            let found = self.tree_at(root, &listing.path)?.is_some();
            return Ok(if found {
                Ok(Located {
                    agent: agent.clone(),
                    folder: listing.path.clone(),
                    kind: listing.kind.clone(),
                    include: listing.include.clone(),
                })
            } else {
                Err(unknown(format!("at `{}`, where pointsman.toml says it is", listing.path)))
            });
        }
        let mut found: Vec<Located> = Vec::new();
        for folder in [format!("agents/{agent}"), agent.to_string()] {
            if let Some(tree) = self.tree_at(root, &folder)?
                && let Some(kind) = manifest(self, tree)?
            {
                found.push(Located { agent: agent.clone(), folder, kind, include: Vec::new() });
            }
        }
        Ok(match (found.pop(), found.pop()) {
            (Some(only), None) => self.not_nested(root, policy, only)?,
            (Some(second), Some(first)) => {
                Err(Misplaced::Twice { agent: agent.clone(), first: first.folder, second: second.folder })
            }
            (None, _) => Err(unknown("here: no folder of that name has an agent.toml".to_owned())),
        })
    }

    /// Refuses an agent whose folder lies inside another agent's.
    fn not_nested(
        &self,
        root: ObjectId,
        policy: &Policy,
        located: Located,
    ) -> Result<std::result::Result<Located, Misplaced>> {
        for (end, _) in located.folder.match_indices('/') {
            let around = &located.folder[..end];
            let listed = policy.agents.values().any(|listing| listing.path == around);
            let own = match self.tree_at(root, around)? {
                Some(tree) => manifest(self, tree)?.is_some(),
                None => false,
            };
            if (listed || own)
                && let Ok(outer) = AgentId::of_folder(around)
            {
                return Ok(Err(Misplaced::Nested { inner: located.agent, outer }));
            }
        }
        Ok(Ok(located))
    }

    /// All agents in the tree `root`, and what is wrong with folders that would be agents. A folder that is an agent
    /// is not searched further; the compiler refuses a manifest inside it.
    pub fn discover(&self, root: ObjectId, policy: &Policy) -> Result<(BTreeMap<AgentId, Located>, Vec<Misplaced>)> {
        let mut agents = BTreeMap::new();
        let mut faults = Vec::new();
        let mut listed: BTreeMap<&str, &AgentId> = BTreeMap::new();
        for (agent, listing) in &policy.agents {
            listed.insert(&listing.path, agent);
            match self.locate(root, policy, agent)? {
                Ok(located) => drop(agents.insert(agent.clone(), located)),
                Err(fault) => faults.push(fault),
            }
        }
        let mut folders = vec![(String::new(), root, 0)];
        let mut walk = Walk::below("");
        while let Some((folder, tree, depth)) = folders.pop() {
            walk.step()?;
            if listed.contains_key(folder.as_str()) {
                continue;
            }
            let here = if folder.is_empty() { None } else { manifest(self, tree)? };
            if let Some(kind) = here {
                match AgentId::of_folder(&folder) {
                    Err(error) => faults.push(Misplaced::BadPath { folder, reason: error.to_string() }),
                    Ok(agent) => {
                        let located = Located { agent: agent.clone(), folder, kind, include: Vec::new() };
                        if let Some(first) = agents.get(&agent) {
                            let (first, second) = (first.folder.clone(), located.folder);
                            faults.push(Misplaced::Twice { agent, first, second });
                        } else {
                            agents.insert(agent, located);
                        }
                    }
                }
                continue;
            }
            if depth >= DEEPEST {
                continue;
            }
            for entry in self.tree(tree)?.entries().iter().rev() {
                // Hidden folders hold tools' own files.
                if entry.mode == EntryMode::Tree && !entry.name.starts_with(b".") {
                    let name = String::from_utf8_lossy(&entry.name);
                    let path = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
                    folders.push((path, entry.id, depth + 1));
                }
            }
        }
        faults.extend(colliding(&agents));
        Ok((agents, faults))
    }
}

/// Pairs of ids of which one is a leading part of the other.
fn colliding(agents: &BTreeMap<AgentId, Located>) -> Vec<Misplaced> {
    let mut faults = Vec::new();
    // Only the nearest smaller ids can be leading parts, but `a`, `a-b`, `a/b` sort in that order; check all parts.
    for agent in agents.keys() {
        for (end, _) in agent.as_str().match_indices('/') {
            if let Ok(outer) = agent.as_str()[..end].parse::<AgentId>()
                && agents.contains_key(&outer)
            {
                faults.push(Misplaced::Nested { inner: agent.clone(), outer });
            }
        }
    }
    faults
}
