//! The ledger branch: reading what was decided, and building the one commit of a pass that decides something.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::branches::root_commit;
use super::content::Walk;
use super::tree::{EntryMode, Tree};
use super::tree_edit::TreeEdits;
use super::{AgentContent, Error, Repository, Result};
use crate::domain::ledger::{AcceptedHead, KeyRecord, Marks, Rejection, VersionRecord, to_document};
use crate::domain::{AgentId, Digest, EnvironmentName, Identity, ObjectId, VersionNumber, VersionTag};

/// The ledger at one commit.
#[derive(Clone, Copy)]
pub struct Ledger<'r> {
    repository: &'r Repository,
    tip: Option<ObjectId>,
    root: Option<ObjectId>,
}

/// A version's folder in the ledger, read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The tree itself, which environment branches name again.
    pub id: ObjectId,
    /// `version.json`.
    pub record: VersionRecord,
    /// Folder and included files.
    pub content: AgentContent,
    /// `config.json`.
    pub config: ObjectId,
    /// The raw tag object.
    pub tag: ObjectId,
}

fn document<T: serde::de::DeserializeOwned>(repository: &Repository, path: &str, blob: ObjectId) -> Result<T> {
    serde_json::from_slice(&repository.blob(blob)?).map_err(|error| Error::Corrupt {
        what: format!("`{path}` in the ledger does not parse: {error}"),
        hint: way_back(path),
    })
}

/// What to type where the ledger holds something at `path` that no controller wrote.
pub(super) fn way_back(path: &str) -> String {
    format!("git log -1 pointsman/ledger -- {path} {TO_GO_BACK}")
}

const TO_GO_BACK: &str = "names the commit that broke it; to go back before it: \
    git update-ref refs/heads/pointsman/ledger <commit>^";

impl<'r> Ledger<'r> {
    /// The ledger whose newest commit is `tip`; without one, an empty ledger.
    pub fn at(repository: &'r Repository, tip: Option<ObjectId>) -> Result<Self> {
        let root = tip.map(|tip| repository.commit(tip)).transpose()?.map(|commit| commit.tree);
        Ok(Ledger { repository, tip, root })
    }

    /// A ledger that is not committed yet: its tree `root` was found again.
    pub fn at_root(repository: &'r Repository, root: ObjectId) -> Self {
        Ledger { repository, tip: None, root: Some(root) }
    }

    /// The newest commit.
    pub fn tip(&self) -> Option<ObjectId> {
        self.tip
    }

    /// The tree of the newest commit.
    pub fn root(&self) -> Option<ObjectId> {
        self.root
    }

    fn tree_at(&self, path: &str) -> Result<Option<ObjectId>> {
        self.root.map_or(Ok(None), |root| self.repository.tree_at(root, path))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let Some(root) = self.root else { return Ok(None) };
        match self.repository.blob_at(root, path)? {
            Some(blob) => document(self.repository, path, blob).map(Some),
            None => Ok(None),
        }
    }

    /// The folders of all agents that have versions, refusals or marks; each is read once.
    pub fn agents(&self) -> Result<BTreeMap<AgentId, AgentFolder<'r>>> {
        let mut agents = BTreeMap::new();
        let mut folders: Vec<_> = self.tree_at("agents")?.map(|tree| (String::new(), tree)).into_iter().collect();
        let mut walk = Walk::below("agents");
        while let Some((path, id)) = folders.pop() {
            walk.step()?;
            let tree = self.repository.tree(id)?;
            if is_agent(&tree)
                && let Ok(agent) = path.parse::<AgentId>()
            {
                agents.insert(agent.clone(), AgentFolder { repository: self.repository, agent, tree });
                continue;
            }
            for entry in tree.entries().iter().filter(|entry| entry.mode == EntryMode::Tree) {
                let name = String::from_utf8_lossy(&entry.name);
                let below = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
                if below.len() <= crate::domain::agent_id::LONGEST {
                    folders.push((below, entry.id));
                }
            }
        }
        Ok(agents)
    }

    /// The folder of `agent`, if the ledger knows it.
    pub fn agent(&self, agent: &AgentId) -> Result<Option<AgentFolder<'r>>> {
        let Some(id) = self.agent_tree(agent)? else { return Ok(None) };
        let tree = self.repository.tree(id)?;
        let own = is_agent(&tree);
        Ok(own.then(|| AgentFolder { repository: self.repository, agent: agent.clone(), tree }))
    }

    /// An agent here whose id begins that of `agent`, or the other way round.
    pub fn collision(&self, agent: &AgentId) -> Result<Option<AgentId>> {
        for (end, _) in agent.as_str().match_indices('/') {
            if let Ok(outer) = agent.as_str()[..end].parse::<AgentId>()
                && self.agent(&outer)?.is_some()
            {
                return Ok(Some(outer));
            }
        }
        let Some(tree) = self.agent_tree(agent)? else { return Ok(None) };
        let tree = self.repository.tree(tree)?;
        let below = tree.entries().first().filter(|_| !is_agent(&tree));
        Ok(below.and_then(|entry| format!("{agent}/{}", String::from_utf8_lossy(&entry.name)).parse().ok()))
    }

    fn agent_tree(&self, agent: &AgentId) -> Result<Option<ObjectId>> {
        self.tree_at(&format!("agents/{agent}"))
    }

    /// The accepted versions of `agent`.
    pub fn versions(&self, agent: &AgentId) -> Result<BTreeMap<VersionNumber, ObjectId>> {
        Ok(self.agent(agent)?.map(|folder| folder.versions()).unwrap_or_default())
    }

    /// Reads the entry `id`.
    pub fn entry(&self, id: ObjectId) -> Result<Entry> {
        read_entry(self.repository, id)
    }

    /// The accepted heads of all environments.
    pub fn heads(&self) -> Result<BTreeMap<EnvironmentName, AcceptedHead>> {
        let Some(tree) = self.tree_at("environments")? else { return Ok(BTreeMap::new()) };
        let mut heads = BTreeMap::new();
        for entry in self.repository.tree(tree)?.entries() {
            let name = String::from_utf8_lossy(&entry.name);
            if let Some(environment) = name.strip_suffix(".json").and_then(|name| name.parse().ok()) {
                let head = document(self.repository, &format!("environments/{name}"), entry.id)?;
                heads.insert(environment, head);
            }
        }
        Ok(heads)
    }

    /// The content of the entry `id`, without reading its documents.
    pub fn content(&self, id: ObjectId) -> Result<AgentContent> {
        let tree = self.repository.tree(id)?;
        let find = |name: &str| tree.get(name).map(|entry| entry.id);
        let source = find("source").ok_or_else(|| missing(id, "source"))?;
        Ok(AgentContent { source, include: find("include") })
    }

    /// What was answered to the idempotency key called `name`.
    pub fn key(&self, name: &Digest) -> Result<Option<KeyRecord>> {
        self.read(&key_path(name))
    }

    /// Keys that are forgotten at `now`, of those that stand in one folder with `name`. Keys are spread evenly, so
    /// looking there whenever one is written keeps all folders small.
    fn expired_keys(&self, name: &Digest, now: jiff::Timestamp) -> Result<Vec<String>> {
        let folder = key_folder(name);
        let Some(tree) = self.tree_at(&folder)? else { return Ok(Vec::new()) };
        let mut expired = Vec::new();
        for entry in self.repository.tree(tree)?.entries() {
            let path = format!("{folder}/{}", String::from_utf8_lossy(&entry.name));
            // What does not parse answers nobody; it is left for `verify` to tell.
            let record = serde_json::from_slice::<KeyRecord>(&self.repository.blob(entry.id)?);
            if record.is_ok_and(|record| record.is_expired(now)) {
                expired.push(path);
            }
        }
        Ok(expired)
    }
}

fn missing(entry: ObjectId, name: &str) -> Error {
    broken_entry(entry, Error::Corrupt { what: format!("there is no `{name}`"), hint: String::new() })
}

/// What the ledger holds of one agent.
pub struct AgentFolder<'r> {
    repository: &'r Repository,
    agent: AgentId,
    tree: Rc<Tree>,
}

/// Whether a folder of the ledger is an agent's own rather than one of a group.
fn is_agent(tree: &Tree) -> bool {
    tree.entries().iter().any(|entry| {
        let name = std::str::from_utf8(&entry.name).unwrap_or_default();
        version_folder(name).is_some() || matches!(name, "marks.json" | "rejected")
    })
}

fn version_folder(name: &str) -> Option<VersionNumber> {
    if name.starts_with('v') { name.parse().ok() } else { None }
}

impl AgentFolder<'_> {
    /// The accepted versions, each with the tree that environments name.
    pub fn versions(&self) -> BTreeMap<VersionNumber, ObjectId> {
        let folders = self.tree.entries().iter().filter(|entry| entry.mode == EntryMode::Tree);
        let versions =
            folders.filter_map(|entry| Some((version_folder(std::str::from_utf8(&entry.name).ok()?)?, entry.id)));
        versions.collect()
    }

    /// What was marked about the versions.
    pub fn marks(&self) -> Result<Marks> {
        match self.tree.get("marks.json") {
            Some(entry) => document(self.repository, &format!("agents/{}/marks.json", self.agent), entry.id),
            None => Ok(Marks::default()),
        }
    }

    /// The refusals.
    pub fn rejections(&self) -> Result<BTreeMap<VersionNumber, Rejection>> {
        let mut rejections = BTreeMap::new();
        let Some(folder) = self.tree.get("rejected").filter(|entry| entry.mode == EntryMode::Tree) else {
            return Ok(rejections);
        };
        for entry in self.repository.tree(folder.id)?.entries() {
            let name = String::from_utf8_lossy(&entry.name);
            if let Some(number) = name.strip_suffix(".json").and_then(version_folder) {
                let path = format!("agents/{}/rejected/{name}", self.agent);
                rejections.insert(number, document(self.repository, &path, entry.id)?);
            }
        }
        Ok(rejections)
    }
}

/// An entry does not know where it stands; git finds it by its id.
fn broken_entry(id: ObjectId, error: Error) -> Error {
    match error {
        Error::Corrupt { what, .. } => Error::Corrupt {
            what: format!("version entry {}: {what}", id.short()),
            hint: format!("git log -t --raw --find-object={id} pointsman/ledger {TO_GO_BACK}"),
        },
        other => other,
    }
}

/// Reads the entry `id` of a version.
fn read_entry(repository: &Repository, id: ObjectId) -> Result<Entry> {
    let tree = repository.tree(id)?;
    let find = |name: &str| tree.get(name).map(|entry| entry.id).ok_or_else(|| missing(id, name));
    Ok(Entry {
        id,
        record: document(repository, "version.json", find("version.json")?).map_err(|error| broken_entry(id, error))?,
        content: AgentContent { source: find("source")?, include: tree.get("include").map(|entry| entry.id) },
        config: find("config.json")?,
        tag: find("tag")?,
    })
}

fn key_folder(name: &Digest) -> String {
    format!("keys/{}", &name.hex()[..2])
}

fn key_path(name: &Digest) -> String {
    format!("{}/{}.json", key_folder(name), &name.hex()[2..])
}

/// The parts of a version's entry.
#[derive(Clone, Debug)]
pub struct NewEntry<'a> {
    /// `version.json`.
    pub record: &'a VersionRecord,
    /// Folder and included files.
    pub content: AgentContent,
    /// The frozen config.
    pub config: &'a [u8],
    /// The raw tag object.
    pub tag: &'a [u8],
}

impl Repository {
    /// Reads the entry `id` of a version.
    pub fn read_entry(&self, id: ObjectId) -> Result<Entry> {
        read_entry(self, id)
    }

    /// Stages the tree of a version's entry.
    pub fn stage_entry(&self, entry: &NewEntry<'_>) -> Result<ObjectId> {
        let mut edits = TreeEdits::default();
        edits.put("source", EntryMode::Tree, entry.content.source);
        if let Some(include) = entry.content.include {
            edits.put("include", EntryMode::Tree, include);
        }
        edits.put("config.json", EntryMode::Blob, self.stage_blob(entry.config));
        edits.put("version.json", EntryMode::Blob, self.stage_blob(&to_document(entry.record)));
        edits.put("tag", EntryMode::Blob, self.stage_blob(entry.tag));
        self.edit_tree(None, &edits)
    }
}

/// The changes of one ledger commit in the making.
#[derive(Default)]
pub struct LedgerEdit {
    edits: TreeEdits,
    parents: BTreeSet<ObjectId>,
    lines: Vec<String>,
}

impl LedgerEdit {
    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Accepts a version: its entry, kept alive by its tagged commit.
    pub fn accept(&mut self, tag: &VersionTag, entry: ObjectId, commit: ObjectId) {
        self.edits.put(&format!("agents/{}/{}", tag.agent, tag.number), EntryMode::Tree, entry);
        self.edits.remove(&format!("agents/{}/rejected/{}.json", tag.agent, tag.number));
        self.parents.insert(commit);
        self.lines.push(format!("Accept {tag}"));
    }

    /// Refuses a tag.
    pub fn reject(&mut self, repository: &Repository, tag: &VersionTag, rejection: &Rejection) {
        let blob = repository.stage_blob(&to_document(rejection));
        self.edits.put(&format!("agents/{}/rejected/{}.json", tag.agent, tag.number), EntryMode::Blob, blob);
        self.lines.push(format!("Refuse {tag}: {}", rejection.code));
    }

    /// Forgets a refusal whose tag is gone.
    pub fn forget_rejection(&mut self, tag: &VersionTag) {
        self.edits.remove(&format!("agents/{}/rejected/{}.json", tag.agent, tag.number));
        self.lines.push(format!("Forget {tag}: its tag was deleted"));
    }

    /// Accepts a head of an environment; `subject` is that commit's first line.
    pub fn head(&mut self, repository: &Repository, name: &EnvironmentName, head: &AcceptedHead, subject: &str) {
        let blob = repository.stage_blob(&to_document(head));
        self.edits.put(&format!("environments/{name}.json"), EntryMode::Blob, blob);
        self.parents.insert(head.head);
        self.lines.push(subject.to_owned());
    }

    /// Drops an environment whose history another one carries on.
    pub fn drop_head(&mut self, name: &EnvironmentName) {
        self.edits.remove(&format!("environments/{name}.json"));
    }

    /// Keeps a foreign object alive for whoever wants to look at it.
    pub fn keep(&mut self, commit: ObjectId) {
        self.parents.insert(commit);
    }

    /// Replaces the marks of an agent.
    pub fn marks(&mut self, repository: &Repository, agent: &AgentId, marks: &Marks, line: String) {
        let blob = repository.stage_blob(&to_document(marks));
        self.edits.put(&format!("agents/{agent}/marks.json"), EntryMode::Blob, blob);
        self.lines.push(line);
    }

    /// Remembers the answer to an idempotency key, unless `ledger` remembers another one for it. Forgets keys of the
    /// same folder whose time is over at `now`.
    pub fn key(&mut self, ledger: &Ledger<'_>, name: &Digest, record: &KeyRecord, now: jiff::Timestamp) -> Result<()> {
        for path in ledger.expired_keys(name, now)? {
            self.edits.remove(&path);
        }
        let remembered = ledger.key(name)?.is_some_and(|before| !before.is_expired(now));
        if !remembered && !record.is_expired(now) {
            let blob = ledger.repository.stage_blob(&to_document(record));
            self.edits.put(&key_path(name), EntryMode::Blob, blob);
            self.lines.push("Remember an answer".to_owned());
        }
        Ok(())
    }

    /// Stages the commit on top of `ledger`. Its time is never before its parent's.
    pub fn commit(&self, ledger: &Ledger<'_>, who: &Identity, now: jiff::Timestamp) -> Result<ObjectId> {
        let repository = ledger.repository;
        let (first, time) = match ledger.tip {
            Some(tip) => (tip, now.max(repository.commit(tip)?.time)),
            None => (root_commit(repository), now),
        };
        let base = match ledger.root {
            Some(root) => root,
            None => super::environment_root(repository),
        };
        let tree = repository.edit_tree(Some(base), &self.edits)?;
        let mut parents = vec![first];
        parents.extend(self.parents.iter().filter(|&&parent| parent != first));
        let subject = match &self.lines[..] {
            [] => "Record".to_owned(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        };
        let body = if self.lines.len() > 1 { format!("\n{}\n", self.lines.join("\n")) } else { String::new() };
        Ok(repository.stage_commit(tree, &parents, who, time, &format!("{subject}\n{body}")))
    }
}
