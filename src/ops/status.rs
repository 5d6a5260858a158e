//! Where everything stands: drafts, versions, environments, and what waits for what.
//!
//! A look, never a pass: nothing is written and the remote is not asked unless that is wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{Problem, Workspace};
use crate::domain::ledger::AcceptedHead;
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionNumber};
use crate::policy::Policy;
use crate::reconcile::Note;
use crate::store::{
    AgentContent, AgentFolder, EnvironmentTree, Error, Ledger, Located, LockFile, RefPlace, Scope, Tip,
    WorkTreeChanges, World,
};

/// How a draft stands against the newest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DraftState {
    /// The newest version has these bytes.
    Published,
    /// It differs from the newest version.
    Changed,
    /// Nothing of this agent was ever published.
    Unpublished,
    /// There are versions, but no folder here.
    NoFolder,
}

/// One agent.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// The agent.
    pub agent: AgentId,
    /// Its folder; empty for the root.
    pub folder: Option<String>,
    /// How the folder is read.
    pub kind: Option<String>,
    /// The draft.
    pub draft: DraftState,
    /// The newest version.
    pub newest: Option<VersionNumber>,
    /// What each environment serves.
    pub serves: BTreeMap<EnvironmentName, VersionNumber>,
    /// Environments in which it is held, and why.
    pub held: BTreeMap<EnvironmentName, String>,
    /// Tags that were refused, and why.
    pub refused: BTreeMap<String, String>,
}

/// One environment.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Its name.
    pub name: EnvironmentName,
    /// The accepted head.
    pub head: Option<ObjectId>,
    /// How many commits its line has.
    pub height: u64,
    /// How many agents it serves.
    pub agents: usize,
    /// What is out of order, if anything.
    pub note: Option<String>,
}

/// Everything.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The default branch.
    pub default_branch: String,
    /// Whether refs are those of a remote, as last fetched.
    pub remote: bool,
    /// Environments in the order of promotion.
    pub environments: Vec<EnvironmentStatus>,
    /// Agents by id.
    pub agents: Vec<AgentStatus>,
    /// Tags that no pass has looked at yet.
    pub pending_tags: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// What a controller that works here said of its newest pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<Note>,
}

/// Looks. With `fetch` the remote is asked first.
pub fn status(workspace: &Workspace, fetch: bool) -> Result<Status, Problem> {
    let repository = &workspace.repository;
    let mut world = World::of(repository, workspace.local);
    // The working tree is looked at while refs and ledger are read here.
    let changes = repository.start_work_tree_changes()?;
    if fetch {
        world.refresh(repository, &Scope::All)?;
    }
    let (default_branch, default_tip) = world.default_branch(repository)?;
    let (policy, policy_note) = match default_tip {
        Some(tip) => match repository.policy(tip) {
            Err(error @ Error::Shallow { .. }) => {
                (Policy::default(), Some(format!("{error}: no policy is seen in it")))
            }
            found => found?,
        },
        None => (Policy::default(), None),
    };
    world.branch_prefix.clone_from(&policy.branch_prefix);
    let mut notes: Vec<String> = policy_note.into_iter().collect();
    if let Err(error) = world.check(repository) {
        let problem = Problem::from(error);
        notes.push(format!("{}; {}", problem.message, problem.hint.unwrap_or_default()));
    }
    let ledger = Ledger::at(repository, world.read(repository, &RefPlace::Ledger)?)?;
    let folders = ledger.agents()?;
    let (environments, served) = environments(workspace, &world, &ledger, &policy, &folders)?;
    let pending_tags = pending_tags(workspace, &world, &folders, &mut notes)?;
    let (located, faults) = draft_agents(workspace)?;
    notes.extend(faults);
    let drafts = drafts(workspace, &located, changes)?;
    notes.extend(repository.lock_files().into_iter().map(lock_note));
    if ledger.tip().is_none() {
        notes.push("nothing was published yet: pointsman publish <agent>, or pointsman reconcile --once".to_owned());
    }

    let mut agents = Vec::new();
    let ids: BTreeSet<&AgentId> = located.keys().chain(folders.keys()).collect();
    for agent in ids {
        agents.push(agent_status(&ledger, agent, located.get(agent), folders.get(agent), drafts.get(agent), &served)?);
    }
    Ok(Status {
        default_branch,
        remote: world.is_remote(),
        environments,
        agents,
        pending_tags,
        notes,
        controller: Note::read(repository),
    })
}

/// What an environment serves and holds.
struct Serving {
    trees: BTreeMap<AgentId, ObjectId>,
    holds: BTreeMap<AgentId, String>,
}

fn environments(
    workspace: &Workspace,
    world: &World,
    ledger: &Ledger<'_>,
    policy: &Policy,
    folders: &BTreeMap<AgentId, AgentFolder<'_>>,
) -> Result<(Vec<EnvironmentStatus>, BTreeMap<EnvironmentName, Serving>), Problem> {
    let repository = &workspace.repository;
    let mut heads = ledger.heads()?;
    let known: BTreeSet<AgentId> = folders.keys().cloned().collect();
    let mut list = Vec::new();
    let mut served = BTreeMap::new();
    let named: Vec<_> = policy.environments.iter().map(|environment| environment.name.clone()).collect();
    let unnamed: Vec<_> = heads.keys().filter(|name| !named.contains(name)).cloned().collect();
    for (name, is_named) in
        named.into_iter().map(|name| (name, true)).chain(unnamed.into_iter().map(|name| (name, false)))
    {
        let Some(AcceptedHead { head, height, .. }) = heads.remove(&name) else {
            list.push(EnvironmentStatus {
                name,
                head: None,
                height: 0,
                agents: 0,
                note: Some("not begun yet".to_owned()),
            });
            continue;
        };
        let tree = EnvironmentTree::new(repository, repository.commit(head)?.tree);
        let trees = tree.serves_among(&known)?;
        let holds = tree.holds()?.into_iter().map(|(agent, hold)| {
            let why = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
            (agent, format!("by {}{why}", hold.actor))
        });
        let tip = repository.tip(head, world.read(repository, &RefPlace::Environment(name.clone()))?)?;
        let note = match tip {
            _ if !is_named => Some("not named in pointsman.toml any more: served, but moves no more".to_owned()),
            Tip::Accepted => None,
            Tip::Behind(_) => Some("its branch is behind: pointsman reconcile --once".to_owned()),
            Tip::Proposal(tip) => {
                Some(format!("a change waits to be judged ({}): pointsman reconcile --once", tip.short()))
            }
            Tip::Rewritten(tip) => {
                Some(format!("its branch was rewritten ({}): pointsman reconcile --once", tip.short()))
            }
        };
        list.push(EnvironmentStatus { name: name.clone(), head: Some(head), height, agents: trees.len(), note });
        served.insert(name, Serving { trees, holds: holds.collect() });
    }
    Ok((list, served))
}

/// Version tags of known agents that are in no entry and no refusal, and accepted ones that are gone.
fn pending_tags(
    workspace: &Workspace,
    world: &World,
    folders: &BTreeMap<AgentId, AgentFolder<'_>>,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, Problem> {
    let tags = world.all_tags(&workspace.repository)?;
    let mut tagged: HashMap<&str, BTreeSet<VersionNumber>> = HashMap::new();
    for (agent, number) in tags.keys().filter_map(|name| name.rsplit_once('/')) {
        tagged.entry(agent).or_default().extend(number.parse::<VersionNumber>());
    }
    let (mut pending, mut missing) = (Vec::new(), 0);
    for (agent, folder) in folders {
        let (numbers, accepted) = (tagged.remove(agent.as_str()).unwrap_or_default(), folder.versions());
        missing += accepted.keys().filter(|number| !numbers.contains(number)).count();
        let mut unknown: Vec<_> = numbers.into_iter().filter(|number| !accepted.contains_key(number)).collect();
        if !unknown.is_empty() {
            let refused = folder.rejections()?;
            unknown.retain(|number| !refused.contains_key(number));
        }
        pending.extend(unknown.into_iter().map(|number| format!("{agent}/{number}")));
    }
    // What is left is of no agent that has a version: mostly nothing.
    for (agent, numbers) in tagged {
        if agent.parse::<AgentId>().is_ok() {
            pending.extend(numbers.into_iter().map(|number| format!("{agent}/{number}")));
        }
    }
    pending.sort();
    if missing > 0 {
        notes.push(format!("{missing} version tags are missing and will be put back: pointsman reconcile --once"));
    }
    Ok(pending)
}

fn lock_note(LockFile { path, age }: LockFile) -> String {
    let path = path.display();
    let age = crate::store::age_text(age);
    format!("lock file {path} is {age} old; if no git program is at work: rm '{path}'")
}

/// Agents of the draft, with what is wrong with folders that would be some.
fn draft_agents(workspace: &Workspace) -> Result<(BTreeMap<AgentId, Located>, Vec<String>), Problem> {
    match workspace.draft_agents() {
        Ok(agents) => Ok((agents.into_iter().map(|located| (located.agent.clone(), located)).collect(), Vec::new())),
        // A broken pointsman.toml in the working tree is told; what is published is shown all the same.
        Err(problem) if problem.code == "policy" => Ok((BTreeMap::new(), vec![problem.message])),
        Err(problem) => Err(problem),
    }
}

/// The content of each agent's draft.
fn drafts(
    workspace: &Workspace,
    located: &BTreeMap<AgentId, Located>,
    changes: Option<WorkTreeChanges>,
) -> Result<BTreeMap<AgentId, AgentContent>, Problem> {
    let repository = &workspace.repository;
    let mut drafts = BTreeMap::new();
    let base = match workspace.base_commit()? {
        Some(commit) => Some(repository.commit(commit)?.tree),
        None => None,
    };
    let touched = changes.map(WorkTreeChanges::finish).transpose()?.unwrap_or_default();
    let dirty: Vec<&Located> = located.values().filter(|agent| touched.touch(agent)).collect();
    let draft = if dirty.is_empty() { None } else { Some(repository.draft(&dirty)?) };
    for (agent, place) in located {
        let root = match &draft {
            Some(draft) if touched.touch(place) => Some(draft.root),
            _ => base,
        };
        let content = root.map(|root| repository.content(root, place)).transpose()?.flatten();
        drafts.extend(content.map(|content| (agent.clone(), content)));
    }
    Ok(drafts)
}

fn agent_status(
    ledger: &Ledger<'_>,
    agent: &AgentId,
    located: Option<&Located>,
    folder: Option<&AgentFolder<'_>>,
    draft: Option<&AgentContent>,
    served: &BTreeMap<EnvironmentName, Serving>,
) -> Result<AgentStatus, Problem> {
    let versions = folder.map(AgentFolder::versions).unwrap_or_default();
    let newest = versions.iter().next_back();
    let state = match (newest, draft) {
        (None, _) => DraftState::Unpublished,
        (Some(_), None) => DraftState::NoFolder,
        (Some((_, entry)), Some(draft)) if ledger.content(*entry)? == *draft => DraftState::Published,
        (Some(_), Some(_)) => DraftState::Changed,
    };
    let mut serves = BTreeMap::new();
    let mut held = BTreeMap::new();
    for (name, serving) in served {
        if let Some(tree) = serving.trees.get(agent)
            && let Some((number, _)) = versions.iter().rev().find(|(_, entry)| *entry == tree)
        {
            serves.insert(name.clone(), *number);
        }
        held.extend(serving.holds.get(agent).map(|why| (name.clone(), why.clone())));
    }
    let rejections = folder.map(AgentFolder::rejections).transpose()?.unwrap_or_default();
    let refused = rejections.into_iter().map(|(number, rejection)| (format!("{agent}/{number}"), rejection.reason));
    Ok(AgentStatus {
        agent: agent.clone(),
        folder: located.map(|located| located.folder.clone()),
        kind: located.map(|located| located.kind.to_string()),
        draft: state,
        newest: newest.map(|(number, _)| *number),
        serves,
        held,
        refused: refused.collect(),
    })
}
