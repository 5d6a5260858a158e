//! The ledger branch: reading what was decided, and building the one commit of a pass that decides something.

use std::collections::{BTreeMap, BTreeSet};

use super::branches::root_commit;
use super::objects::EntryMode;
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
        hint: format!("git log -p pointsman/ledger -- {path}"),
    })
}

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

    /// All agents that have versions, refusals or marks, each with its own tree.
    pub fn agents(&self) -> Result<BTreeMap<AgentId, ObjectId>> {
        let mut agents = BTreeMap::new();
        let mut folders: Vec<_> = self.tree_at("agents")?.map(|tree| (String::new(), tree)).into_iter().collect();
        while let Some((path, tree)) = folders.pop() {
            let entries = self.repository.tree(tree)?;
            let is_version =
                |name: &[u8]| name.first() == Some(&b'v') && name.len() > 1 && name[1..].iter().all(u8::is_ascii_digit);
            let own = entries
                .entries()
                .iter()
                .any(|entry| is_version(&entry.name) || entry.name == b"marks.json" || entry.name == b"rejected");
            if own && let Ok(agent) = path.parse::<AgentId>() {
                agents.insert(agent, tree);
                continue;
            }
            for entry in entries.entries().iter().filter(|entry| entry.mode == EntryMode::Tree) {
                let name = String::from_utf8_lossy(&entry.name);
                let below = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
                if below.len() <= crate::domain::agent_id::LONGEST {
                    folders.push((below, entry.id));
                }
            }
        }
        Ok(agents)
    }

    /// An agent here whose id begins that of `agent`, or the other way round.
    pub fn collision(&self, agent: &AgentId) -> Result<Option<AgentId>> {
        for (end, _) in agent.as_str().match_indices('/') {
            if let Ok(outer) = agent.as_str()[..end].parse::<AgentId>()
                && let Some(tree) = self.agent_tree(&outer)?
                && self.is_agent(tree)?
            {
                return Ok(Some(outer));
            }
        }
        match self.agent_tree(agent)? {
            Some(tree) if !self.is_agent(tree)? => {
                let below = self.repository.tree(tree)?.entries().first().map(|entry| entry.name.clone());
                let name = below.map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default();
                Ok(format!("{agent}/{name}").parse().ok())
            }
            _ => Ok(None),
        }
    }

    /// Whether a folder of the ledger is an agent's own rather than one of a group.
    fn is_agent(&self, tree: ObjectId) -> Result<bool> {
        let entries = self.repository.tree(tree)?;
        Ok(entries.entries().iter().any(|entry| {
            let name = std::str::from_utf8(&entry.name).unwrap_or_default();
            let version = name.starts_with('v') && name.parse::<VersionNumber>().is_ok();
            version || matches!(name, "marks.json" | "rejected")
        }))
    }

    /// An agent's own tree.
    pub fn agent_tree(&self, agent: &AgentId) -> Result<Option<ObjectId>> {
        self.tree_at(&format!("agents/{agent}"))
    }

    /// The accepted versions in the agent's tree `tree`, each with the tree that environments name.
    pub fn versions_in(&self, tree: ObjectId) -> Result<BTreeMap<VersionNumber, ObjectId>> {
        let entries = self.repository.tree(tree)?;
        let versions = entries.entries().iter().filter(|entry| entry.mode == EntryMode::Tree).filter_map(|entry| {
            let name = std::str::from_utf8(&entry.name).ok()?;
            Some((name.starts_with('v').then(|| name.parse().ok())??, entry.id))
        });
        Ok(versions.collect())
    }

    /// The accepted versions of `agent`.
    pub fn versions(&self, agent: &AgentId) -> Result<BTreeMap<VersionNumber, ObjectId>> {
        match self.agent_tree(agent)? {
            Some(tree) => self.versions_in(tree),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Reads the entry `id`.
    pub fn entry(&self, id: ObjectId) -> Result<Entry> {
        read_entry(self.repository, id)
    }

    /// The refusals of `agent`.
    pub fn rejections(&self, agent: &AgentId) -> Result<BTreeMap<VersionNumber, Rejection>> {
        let path = format!("agents/{agent}/rejected");
        let Some(tree) = self.tree_at(&path)? else { return Ok(BTreeMap::new()) };
        let mut rejections = BTreeMap::new();
        for entry in self.repository.tree(tree)?.entries() {
            let name = String::from_utf8_lossy(&entry.name);
            if let Some(number) = name.strip_suffix(".json").and_then(|name| name.parse().ok()) {
                rejections.insert(number, document(self.repository, &format!("{path}/{name}"), entry.id)?);
            }
        }
        Ok(rejections)
    }

    /// What was marked about the versions of `agent`.
    pub fn marks(&self, agent: &AgentId) -> Result<Marks> {
        Ok(self.read(&format!("agents/{agent}/marks.json"))?.unwrap_or_default())
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

/// Reads the entry `id` of a version.
fn read_entry(repository: &Repository, id: ObjectId) -> Result<Entry> {
    let tree = repository.tree(id)?;
    let missing = |name: &str| Error::Corrupt {
        what: format!("the version entry {} has no `{name}`", id.short()),
        hint: "pointsman verify".to_owned(),
    };
    let find = |name: &str| tree.get(name).map(|entry| entry.id).ok_or_else(|| missing(name));
    Ok(Entry {
        id,
        record: document(repository, "version.json", find("version.json")?)?,
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
