//! Reading: versions, what is where, and the audit trail. The structs are what the command line prints and the API
//! returns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Problem, Workspace};
use crate::domain::ledger::{Hold, VersionNumberKey, VersionRecord};
use crate::domain::record::Record;
use crate::domain::{AgentId, Digest, EnvironmentName, Identity, ObjectId, VersionNumber};
use crate::store::{EnvironmentTree, Ledger, RefPlace};

/// One version, with its marks and where it is served.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// The first 24 hexadecimal digits of its tag object's id.
    pub id: String,
    /// The agent.
    pub agent_id: AgentId,
    /// Its number.
    pub version: VersionNumber,
    /// Its tag's name.
    pub tag: String,
    /// The publisher's note.
    pub note: String,
    /// A short name.
    pub label: Option<String>,
    /// A longer description.
    pub description: Option<String>,
    /// When it was published.
    pub published_at: jiff::Timestamp,
    /// By whom.
    pub published_by: Identity,
    /// The tagged commit.
    pub commit: ObjectId,
    /// Digest of the frozen config.
    pub digest: Digest,
    /// How the folder was read.
    pub kind: String,
    /// The version that was newest before it.
    pub parent: Option<VersionNumber>,
    /// The version its content was taken from.
    pub source: Option<VersionNumber>,
    /// The named draft it was published from.
    pub draft: Option<String>,
    /// Whether it is pinned to the top of lists.
    pub starred: bool,
    /// Whether it is hidden from lists.
    pub archived: bool,
    /// Why every move to it is refused, if it is revoked.
    pub revoked: Option<String>,
    /// Environments that serve it now.
    pub environments: Vec<EnvironmentName>,
}

impl VersionView {
    /// Version `number` of `agent`.
    pub fn read(
        workspace: &Workspace,
        ledger: &Ledger<'_>,
        agent: &AgentId,
        number: VersionNumber,
    ) -> Result<Self, Problem> {
        let entry = ledger.versions(agent)?.get(&number).copied().ok_or_else(|| {
            Problem::refused("unknown_version", format!("`{agent}` has no version {number}"))
                .hint(format!("pointsman versions {agent}"))
        })?;
        let served = served(workspace, ledger, agent)?;
        let marks = ledger.agent(agent)?.map(|folder| folder.marks()).transpose()?.unwrap_or_default();
        Ok(Self::of(ledger.entry(entry)?.record, entry, &served, &marks))
    }

    fn of(
        record: VersionRecord,
        entry: ObjectId,
        served: &BTreeMap<EnvironmentName, ObjectId>,
        marks: &crate::domain::ledger::Marks,
    ) -> Self {
        let mark = marks.versions.get(&VersionNumberKey(record.number)).cloned().unwrap_or_default();
        VersionView {
            id: record.tag.to_string()[..24].to_owned(),
            tag: format!("{}/{}", record.agent, record.number),
            version: record.number,
            note: record.note,
            label: mark.label.or(record.label).filter(|label| !label.is_empty()),
            description: mark.description.or(record.description).filter(|description| !description.is_empty()),
            published_at: record.time,
            published_by: record.publisher,
            commit: record.commit,
            digest: record.digest,
            kind: record.kind,
            parent: record.parent,
            source: record.source,
            draft: record.draft,
            starred: mark.starred,
            archived: mark.archived,
            revoked: mark.revoked.map(|revoked| {
                let reason = if revoked.reason.is_empty() { String::new() } else { format!(": {}", revoked.reason) };
                format!("by {} at {:.0}{reason}", revoked.actor, revoked.time)
            }),
            environments: served.iter().filter(|(_, id)| **id == entry).map(|(name, _)| name.clone()).collect(),
            agent_id: record.agent,
        }
    }
}

/// The tree that each environment serves for `agent`.
fn served(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    agent: &AgentId,
) -> Result<BTreeMap<EnvironmentName, ObjectId>, Problem> {
    let mut served = BTreeMap::new();
    for (name, head) in ledger.heads()? {
        let root = workspace.repository.commit(head.head)?.tree;
        if let Some(id) = EnvironmentTree::new(&workspace.repository, root).serves(agent)? {
            served.insert(name, id);
        }
    }
    Ok(served)
}

/// The ledger as this clone knows it after looking at the remote.
pub fn ledger(workspace: &Workspace) -> Result<Ledger<'_>, Problem> {
    let world = workspace.world()?;
    Ok(Ledger::at(&workspace.repository, world.read(&workspace.repository, &RefPlace::Ledger)?)?)
}

/// The versions of `agent`, newest first.
pub fn versions(workspace: &Workspace, agent: &AgentId) -> Result<Vec<VersionView>, Problem> {
    let ledger = ledger(workspace)?;
    let Some(folder) = ledger.agent(agent)? else {
        return workspace.unknown_agent(agent)?.map_or(Ok(Vec::new()), Err);
    };
    let served = served(workspace, &ledger, agent)?;
    let marks = folder.marks()?;
    let entries = folder.versions();
    let views = entries.into_values().rev();
    views.map(|entry| Ok(VersionView::of(ledger.entry(entry)?.record, entry, &served, &marks))).collect()
}

/// The refusal of an environment that is none of `known`.
pub fn unknown_environment<'a>(name: &EnvironmentName, known: impl Iterator<Item = &'a EnvironmentName>) -> Problem {
    let known: Vec<_> = known.map(EnvironmentName::as_str).collect();
    let problem = Problem::refused("unknown_environment", format!("no environment `{name}`"));
    match crate::domain::nearest::nearest(name.as_str(), known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => problem.hint("pointsman reconcile --once begins them"),
        None => problem.hint(format!("there are: {}", known.join(", "))),
    }
}

/// One line of the audit trail.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When.
    pub time: jiff::Timestamp,
    /// The commit on the environment branch.
    pub commit: ObjectId,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// The audit trail of one environment or of all, newest first, at most `limit` lines.
pub fn history(
    workspace: &Workspace,
    agent: Option<&AgentId>,
    environment: Option<&EnvironmentName>,
    limit: usize,
) -> Result<Vec<HistoryEntry>, Problem> {
    let ledger = ledger(workspace)?;
    let heads = ledger.heads()?;
    if let Some(name) = environment
        && !heads.contains_key(name)
    {
        return Err(unknown_environment(name, heads.keys()));
    }
    let mut entries = Vec::new();
    for (_, head) in heads.iter().filter(|(name, _)| environment.is_none_or(|wanted| *name == wanted)) {
        let mut kept = 0;
        for recorded in workspace.repository.records(head.head) {
            let recorded = recorded?;
            let Some(record) = recorded.record else { continue };
            if agent.is_some_and(|agent| record.moves.iter().all(|made| made.agent != *agent)) {
                continue;
            }
            entries.push(HistoryEntry { time: recorded.commit.time, commit: recorded.commit.id, record });
            kept += 1;
            if kept >= limit {
                break;
            }
        }
    }
    if entries.is_empty()
        && let Some(agent) = agent
        && let Some(unknown) = workspace.unknown_agent(agent)?
    {
        return Err(unknown);
    }
    // Newest first; moves of one second stay in the order of their deployments.
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.time, entry.record.deployment())));
    entries.truncate(limit);
    Ok(entries)
}

/// One agent in two environments.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedAgent {
    /// The agent.
    pub agent: AgentId,
    /// Its version in the first.
    pub before: Option<VersionNumber>,
    /// Its version in the second.
    pub after: Option<VersionNumber>,
    /// Whether they are the same.
    pub same: bool,
}

/// The version of each agent that an environment serves, and its holds.
pub type Serving = (BTreeMap<AgentId, VersionNumber>, BTreeMap<AgentId, Hold>);

/// What one environment serves, by agent, with its holds.
pub fn serving(workspace: &Workspace, ledger: &Ledger<'_>, environment: &EnvironmentName) -> Result<Serving, Problem> {
    let mut heads = ledger.heads()?;
    let Some(head) = heads.remove(environment) else {
        return Err(unknown_environment(environment, heads.keys()));
    };
    let tree = EnvironmentTree::new(&workspace.repository, workspace.repository.commit(head.head)?.tree);
    let agents: BTreeMap<_, _> = ledger.agents()?;
    let known = agents.keys().cloned().collect();
    let mut serving = BTreeMap::new();
    for (agent, id) in tree.serves_among(&known)? {
        if let Some((number, _)) = agents[&agent].versions().into_iter().rev().find(|(_, entry)| *entry == id) {
            serving.insert(agent, number);
        }
    }
    Ok((serving, tree.holds()?))
}

/// Two environments side by side.
pub fn compare(
    workspace: &Workspace,
    before: &EnvironmentName,
    after: &EnvironmentName,
) -> Result<Vec<ComparedAgent>, Problem> {
    let ledger = ledger(workspace)?;
    let (left, _) = serving(workspace, &ledger, before)?;
    let (right, _) = serving(workspace, &ledger, after)?;
    let agents: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).cloned().collect();
    Ok(agents
        .into_iter()
        .map(|agent| {
            let (before, after) = (left.get(&agent).copied(), right.get(&agent).copied());
            ComparedAgent { same: before == after, agent, before, after }
        })
        .collect())
}
