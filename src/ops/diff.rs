//! Diff: one side of an agent against another, or all that is served in one place against another.

use std::collections::{BTreeMap, BTreeSet};

use super::inspect::ledger;
use super::side::{self, Found, SideName};
use super::{Problem, Workspace, check};
use crate::compare::{AgentDifference, Comparison, Side, compare, environments, unified};
use crate::compile::{Source, compile};
use crate::domain::AgentId;
use crate::store::Ledger;

/// Two sides of one agent.
pub struct Compared {
    /// The agent.
    pub agent: AgentId,
    /// What differs.
    pub comparison: Comparison,
    /// Sides that do not compile, so that their fields are not compared.
    pub broken: Vec<String>,
    sources: [Source; 2],
}

impl Compared {
    /// The files as a unified diff, under their paths in the repository; empty where none differs.
    pub fn unified(&self) -> String {
        // An agent may have moved between two versions. Both stand where the later one is, or every file would be new.
        let [before, after] = &self.sources;
        let side = |source: &Source| {
            let own = source.files.iter().map(|(path, file)| (after.repository_path(path), file.clone()));
            let included = source.included.iter().map(|(path, file)| (path.clone(), file.clone()));
            Side { label: String::new(), config: None, files: own.chain(included).collect() }
        };
        unified(&side(before), &side(after))
    }
}

/// Compares two sides of `agent`: by default its newest version with its draft.
pub fn diff(
    workspace: &Workspace,
    agent: &AgentId,
    before: Option<&SideName>,
    after: Option<&SideName>,
) -> Result<Compared, Problem> {
    let ledger = ledger(workspace)?;
    let newest = ledger.versions(agent)?.into_keys().next_back();
    if newest.is_none() {
        // The error that knows the nearest name.
        workspace.locate_draft(agent)?;
    }
    let before = match before {
        Some(before) => before.clone(),
        None => SideName::Version(newest.ok_or_else(|| {
            Problem::refused("unknown_version", format!("`{agent}` has no version to compare with yet"))
                .hint(format!("pointsman publish {agent}; pointsman report {agent} tells what it would be"))
        })?),
    };
    let after = after.unwrap_or(&SideName::Draft);
    let (old, new) = (side::find(workspace, agent, &before)?, side::find(workspace, agent, after)?);
    let (old_side, old_source) = read(workspace, &old, label(&before, &old))?;
    let (new_side, new_source) = read(workspace, &new, label(after, &new))?;
    let broken = [&old_side, &new_side].into_iter().filter(|side| side.config.is_none());
    Ok(Compared {
        agent: agent.clone(),
        broken: broken.map(|side| side.label.clone()).collect(),
        comparison: compare(&old_side, &new_side),
        sources: [old_source, new_source],
    })
}

/// What a side is called: with the version, where only the environment is named.
pub(super) fn label(name: &SideName, found: &Found) -> String {
    match (name, found.version) {
        (SideName::Environment(_), Some(version)) => format!("{name} ({version})"),
        _ => name.to_string(),
    }
}

fn read(workspace: &Workspace, found: &Found, label: String) -> Result<(Side, Source), Problem> {
    let source = side::source(workspace, found)?;
    let config = match found.config {
        Some(_) => side::config(workspace, found)?.0,
        None => compile(&source).frozen.map(|frozen| frozen.value()),
    };
    let own = source.files.iter().chain(&source.included);
    let files = own.map(|(path, file)| (path.clone(), file.clone())).collect();
    Ok((Side { label, config, files }, source))
}

/// Compares all agents: what one environment serves with what another one does, or with the drafts.
pub fn diff_all(workspace: &Workspace, before: &SideName, after: &SideName) -> Result<Vec<AgentDifference>, Problem> {
    let ledger = ledger(workspace)?;
    let (old, new) = (everywhere(workspace, &ledger, before)?, everywhere(workspace, &ledger, after)?);
    let agents: BTreeSet<&AgentId> = old.keys().chain(new.keys()).collect();
    let mut all = Vec::new();
    // One agent at a time: the files of a thousand do not fit into memory at once.
    for agent in agents {
        let (old, new) = (old.get(agent), new.get(agent));
        let same = old
            .zip(new)
            .is_some_and(|(old, new)| old.content == new.content && old.config.is_some() && old.config == new.config);
        let side = |found: Option<&Found>, name: &SideName| -> Result<BTreeMap<AgentId, Side>, Problem> {
            let Some(found) = found else { return Ok(BTreeMap::new()) };
            let label = found.version.map_or_else(|| name.to_string(), |version| version.to_string());
            // Nothing is read to compare a version with itself, nor to say that an agent is on one side only.
            let side = if same || old.is_none() || new.is_none() {
                Side { label, config: None, files: BTreeMap::new() }
            } else {
                read(workspace, found, label)?.0
            };
            Ok(BTreeMap::from([(agent.clone(), side)]))
        };
        all.extend(environments(&side(old, before)?, &side(new, after)?));
    }
    Ok(all)
}

/// Every agent of a side.
fn everywhere(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    name: &SideName,
) -> Result<BTreeMap<AgentId, Found>, Problem> {
    match name {
        SideName::Draft => check::drafts(workspace, None),
        SideName::NamedDraft(branch) => check::drafts(workspace, Some(branch)),
        SideName::Environment(environment) => {
            let known = ledger.agents()?.into_keys().collect();
            let served = side::environment_tree(workspace, ledger, environment)?.serves_among(&known)?;
            served
                .into_iter()
                .map(|(agent, entry)| Ok((agent.clone(), side::of_entry(ledger, &agent, entry)?)))
                .collect()
        }
        SideName::Version(version) => {
            Err(Problem::usage("which_agent", format!("`{version}` is a version of one agent, and none is named"))
                .hint(format!("pointsman diff <agent> {version}")))
        }
    }
}

/// The environment called published, as a side.
pub fn published(workspace: &Workspace) -> Result<SideName, Problem> {
    let policy = workspace.policy()?;
    policy.published().map(|environment| SideName::Environment(environment.name.clone())).ok_or_else(|| {
        Problem::usage("which_environment", "no environment is called published, and none is named")
            .hint("pointsman diff --all env:<environment>")
    })
}
