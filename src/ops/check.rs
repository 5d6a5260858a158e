//! Check: compile drafts and say what is wrong, for one agent or for all of them in one look.

use std::collections::BTreeMap;

use serde::Serialize;

use super::side::{self, Found, SideName};
use super::{Problem, Workspace};
use crate::compile::{Compilation, Finding, Severity};
use crate::domain::{AgentId, Digest};
use crate::policy::{FILE, Policy, PolicyError};
use crate::store::{Located, Misplaced};

/// Which agents to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One.
    Agent(AgentId),
    /// Every agent, and whether each stands where it should.
    All,
}

/// What the compiler says about one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckedAgent {
    /// The agent.
    pub agent: AgentId,
    /// Its folder; empty for the root.
    pub folder: String,
    /// How the folder is read.
    pub kind: String,
    /// Digest of the config that it would freeze to; absent where there are errors.
    pub digest: Option<Digest>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Folders outside its own in which included files can be.
    #[serde(skip)]
    pub include_folders: Vec<String>,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// What was checked: `draft` or `draft:<branch>`.
    pub draft: String,
    /// How many findings are errors.
    pub errors: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// How many are notes.
    pub notes: usize,
    /// What is wrong with `pointsman.toml`, and folders that would be agents but cannot.
    pub repository: Vec<Finding>,
    /// The agents, by id.
    pub agents: Vec<CheckedAgent>,
}

impl Checked {
    fn of(draft: String, repository: Vec<Finding>, agents: Vec<CheckedAgent>) -> Self {
        let mut checked = Checked { draft, errors: 0, warnings: 0, notes: 0, repository, agents };
        let count = |severity| checked.findings().filter(|finding| finding.severity == severity).count();
        let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
        (checked.errors, checked.warnings, checked.notes) = (errors, warnings, notes);
        checked
    }

    /// All findings: the repository's, then each agent's.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.repository.iter().chain(self.agents.iter().flat_map(|agent| &agent.findings))
    }
}

/// The agent that is meant: the one named, else the one whose folder the command was started in, else all.
pub fn which(workspace: &Workspace, given: Option<&str>, all: bool) -> Result<Which, Problem> {
    if all {
        return Ok(Which::All);
    }
    if given.is_some() {
        return workspace.agent(given).map(Which::Agent);
    }
    // Where pointsman.toml does not parse, the check of everything is what tells so.
    match workspace.agent_in_this_folder() {
        Ok(here) => Ok(here.map_or(Which::All, Which::Agent)),
        Err(problem) if problem.code == "policy" => Ok(Which::All),
        Err(problem) => Err(problem),
    }
}

/// Checks the draft in the working tree, or the one called `named`.
pub fn check(workspace: &Workspace, which: &Which, named: Option<&str>) -> Result<Checked, Problem> {
    let name = named.map_or(SideName::Draft, |name| SideName::NamedDraft(name.to_owned())).to_string();
    let (policy, broken) = policy(workspace, named)?;
    match which {
        // A policy that does not parse may list this very agent.
        Which::Agent(_) if broken.is_some() => Ok(Checked::of(name, broken.into_iter().collect(), Vec::new())),
        Which::Agent(agent) => {
            let found = side::draft(workspace, agent, named)?;
            Ok(Checked::of(name, Vec::new(), vec![checked(workspace, &found)?]))
        }
        Which::All => {
            let look = look(workspace, &policy, named)?;
            if look.drafts.is_empty() && look.faults.is_empty() && broken.is_none() {
                return Err(workspace.agent(None).err().unwrap_or_else(|| no_agents(&name)));
            }
            let agents = look.drafts.values().map(|found| checked(workspace, found)).collect::<Result<_, _>>()?;
            Ok(Checked::of(name, broken.into_iter().chain(look.faults).collect(), agents))
        }
    }
}

fn no_agents(draft: &str) -> Problem {
    Problem::usage("no_agents", format!("there are no agents in {draft}"))
        .hint("pointsman new <agent> makes one; pointsman init lists folders that are agents of other kinds")
}

fn checked(workspace: &Workspace, found: &Found) -> Result<CheckedAgent, Problem> {
    let Compilation { frozen, findings } = side::compiled(workspace, found)?;
    let located = &found.located;
    Ok(CheckedAgent {
        agent: located.agent.clone(),
        folder: located.folder.clone(),
        kind: located.kind.to_string(),
        digest: frozen.map(|frozen| frozen.digest()),
        findings,
        include_folders: located.include_folders().into_iter().map(str::to_owned).collect(),
    })
}

/// The policy of the draft; where that does not parse, what is wrong with it and the newest one that does.
fn policy(workspace: &Workspace, named: Option<&str>) -> Result<(Policy, Option<Finding>), Problem> {
    let (text, commit) = match named {
        Some(name) => {
            let tip = side::named_tip(workspace, name)?;
            (workspace.repository.policy_text(tip)?, Some(tip))
        }
        None => (workspace.draft_policy_text()?, workspace.base_commit()?),
    };
    match Policy::parse(&text.unwrap_or_default()) {
        Ok(policy) => Ok((policy, None)),
        Err(error) => {
            let older = commit.map(|commit| workspace.repository.policy(commit)).transpose()?;
            Ok((older.unwrap_or_default().0, Some(policy_finding(error))))
        }
    }
}

fn policy_finding(error: PolicyError) -> Finding {
    let PolicyError { message, place, hint } = error;
    Finding { place, hint, ..Finding::new(Severity::Error, "policy", FILE, message) }
}

/// The draft of every agent, in the working tree or in the one called `named`.
pub fn drafts(workspace: &Workspace, named: Option<&str>) -> Result<BTreeMap<AgentId, Found>, Problem> {
    let (policy, _) = policy(workspace, named)?;
    Ok(look(workspace, &policy, named)?.drafts)
}

/// Every agent as it is now, and folders that would be agents but cannot.
#[derive(Default)]
struct Look {
    drafts: BTreeMap<AgentId, Found>,
    faults: Vec<Finding>,
}

/// Looks at every agent of the draft at one moment.
fn look(workspace: &Workspace, policy: &Policy, named: Option<&str>) -> Result<Look, Problem> {
    let repository = &workspace.repository;
    let commit = match named {
        Some(name) => Some(side::named_tip(workspace, name)?),
        None => workspace.base_commit()?,
    };
    let committed = commit.map(|commit| repository.commit(commit)).transpose()?.map(|commit| commit.tree);
    let (mut root, mut draft, mut unsaved) = (committed, None, Vec::new());
    if named.is_none()
        && let Some(changes) = repository.start_work_tree_changes()?
    {
        let known = committed.map(|tree| repository.discover(tree, policy)).transpose()?.unwrap_or_default().0;
        let (on_disk, faults) = workspace.folders_on_disk(policy);
        // Git is asked about folders that changed alone: asking about a thousand costs a thousand times the files.
        let touched = changes.finish()?;
        let both = known.values().chain(&on_disk);
        let dirty: Vec<&Located> = both.filter(|located| touched.touch(located)).collect();
        if !dirty.is_empty() {
            let made = repository.draft(&dirty)?;
            root = Some(made.root);
            draft = Some(made);
        }
        for fault in faults {
            // Folders that git ignores are nobody's mistake.
            if let Misplaced::BadPath { folder, .. } = &fault
                && touched.inside(folder)
                && repository.would_add(folder)?
            {
                unsaved.push(fault);
            }
        }
    }
    let Some(root) = root else {
        return Ok(Look {
            faults: unsaved.into_iter().map(|fault| fault_finding(fault, None)).collect(),
            ..Look::default()
        });
    };
    let (agents, mut faults) = repository.discover(root, policy)?;
    let told: Vec<_> = faults.clone();
    faults.extend(unsaved.into_iter().filter(|fault| !told.contains(fault)));
    let faults = faults.into_iter().map(|fault| {
        let inner = if let Misplaced::Nested { inner, .. } = &fault { agents.get(inner) } else { None };
        fault_finding(fault, inner)
    });
    let mut faults: Vec<Finding> = faults.collect();
    faults.sort_by(Finding::reading_order);
    let draft = draft.map(std::rc::Rc::new);
    let mut drafts = BTreeMap::new();
    for (agent, located) in agents {
        if let Some(content) = repository.content(root, &located)? {
            let found = Found { located, content, commit, draft: draft.clone(), version: None, config: None };
            drafts.insert(agent, found);
        }
    }
    Ok(Look { drafts, faults })
}

/// A misplaced folder as a finding. `nested` is the inner one of two agents, for its folder.
fn fault_finding(fault: Misplaced, nested: Option<&Located>) -> Finding {
    let path = match &fault {
        Misplaced::Unknown { .. } => FILE.to_owned(),
        Misplaced::Twice { second, .. } => second.clone(),
        Misplaced::BadPath { folder, .. } => folder.clone(),
        Misplaced::Nested { inner, .. } => nested.map_or_else(|| inner.to_string(), |located| located.folder.clone()),
    };
    let Problem { message, hint, .. } = fault.into();
    Finding { hint, ..Finding::new(Severity::Error, "misplaced", path, message) }
}
