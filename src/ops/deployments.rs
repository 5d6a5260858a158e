//! Deployments of one agent: what went where, when and by whom, as the environment branches tell it.
//!
//! One commit may move several agents; here each of them has a deployment of its own, with the id they share. A move that
//! leaves everything as it was (a hold, a promotion that only ends one) is none.

use std::collections::{BTreeMap, BTreeSet};

use super::{Problem, Workspace, inspect};
use crate::domain::ledger::VersionRecord;
use crate::domain::record::Action;
use crate::domain::{AgentId, DeploymentId, EnvironmentName, VersionNumber};
use crate::store::{Ledger, Scope};

/// How a version came to an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was published into it: as the latest, or by name where no environment stands before.
    Published,
    /// From the environment before.
    Promoted,
    /// Back to it.
    RolledBack,
}

/// One deployment of one agent.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its id; the agents of one commit share it.
    pub id: DeploymentId,
    /// Where.
    pub environment: EnvironmentName,
    /// How.
    pub came: Came,
    /// The version that was there before.
    pub from: Option<VersionNumber>,
    /// The version, as the ledger keeps it.
    pub version: VersionRecord,
    /// When.
    pub time: jiff::Timestamp,
    /// By whom: `Name <address>`.
    pub actor: String,
    /// Why, in their words; may be empty.
    pub reason: String,
}

/// Every deployment of `agent` in `environment`, newest first. One in which it never was has none.
pub fn list(workspace: &Workspace, agent: &AgentId, environment: &EnvironmentName) -> Result<Vec<Deployment>, Problem> {
    let ledger = inspect::ledger(workspace)?;
    known(workspace, &ledger, agent)?;
    Reader::new(workspace, &ledger, agent)?.all(environment)
}

/// The deployment that `environment` serves of `agent` now; nothing where it is in no version there.
pub fn active(
    workspace: &Workspace,
    agent: &AgentId,
    environment: &EnvironmentName,
) -> Result<Option<Deployment>, Problem> {
    let ledger = inspect::ledger(workspace)?;
    known(workspace, &ledger, agent)?;
    let mut reader = Reader::new(workspace, &ledger, agent)?;
    Ok(match reader.moves(environment, 1)?.pop() {
        Some(newest) if newest.to.is_none() => None,
        // How it came is told by what came before it.
        Some(_) => reader.all(environment)?.into_iter().next(),
        None => None,
    })
}

/// The deployment `id` of `agent`, wherever it is.
pub fn find(workspace: &Workspace, agent: &AgentId, id: DeploymentId) -> Result<Deployment, Problem> {
    if let Some(found) = look_for(workspace, agent, id)? {
        return Ok(found);
    }
    // Another clone may have made it.
    workspace.world()?.refresh(&workspace.repository, &Scope::Agents([agent.clone()].into()))?;
    look_for(workspace, agent, id)?.ok_or_else(|| {
        Problem::refused("unknown_deployment", format!("`{agent}` has no deployment `{id}`"))
            .hint(format!("pointsman history {agent} lists them"))
    })
}

fn look_for(workspace: &Workspace, agent: &AgentId, id: DeploymentId) -> Result<Option<Deployment>, Problem> {
    let ledger = inspect::ledger(workspace)?;
    known(workspace, &ledger, agent)?;
    let mut reader = Reader::new(workspace, &ledger, agent)?;
    for environment in ledger.heads()?.into_keys() {
        let found = reader.all(&environment)?.into_iter().find(|deployment| deployment.id == id);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn known(workspace: &Workspace, ledger: &Ledger<'_>, agent: &AgentId) -> Result<(), Problem> {
    if ledger.agent(agent)?.is_some() {
        return Ok(());
    }
    workspace.unknown_agent(agent)?.map_or(Ok(()), Err)
}

/// A move as it stands in history.
struct Moved {
    id: DeploymentId,
    action: Action,
    from: Option<VersionNumber>,
    to: Option<VersionNumber>,
    time: jiff::Timestamp,
    actor: String,
    reason: String,
}

struct Reader<'w> {
    workspace: &'w Workspace,
    ledger: &'w Ledger<'w>,
    agent: &'w AgentId,
    /// Environments into which versions go without having been in another one.
    first: BTreeSet<EnvironmentName>,
    versions: BTreeMap<VersionNumber, VersionRecord>,
}

impl<'w> Reader<'w> {
    fn new(workspace: &'w Workspace, ledger: &'w Ledger<'w>, agent: &'w AgentId) -> Result<Self, Problem> {
        let environments = workspace.policy()?.environments.into_iter();
        let first = environments.filter(|environment| environment.from.is_none()).map(|environment| environment.name);
        Ok(Reader { workspace, ledger, agent, first: first.collect(), versions: BTreeMap::new() })
    }

    /// What moved the agent there, newest first, at most `most`.
    fn moves(&self, environment: &EnvironmentName, most: usize) -> Result<Vec<Moved>, Problem> {
        let mut moves = Vec::new();
        let Some(head) = self.ledger.heads()?.remove(environment) else { return Ok(moves) };
        for recorded in self.workspace.repository.records(head.head) {
            let recorded = recorded?;
            let Some(record) = recorded.record else { continue };
            let made = record.moves.iter().find(|made| made.agent == *self.agent && made.from != made.to);
            let Some(made) = made.cloned() else { continue };
            let (action, time) = (record.action, recorded.commit.time);
            let (id, from, to) = (made.deployment, made.from, made.to);
            moves.push(Moved { id, action, from, to, time, actor: record.actor, reason: record.text });
            if moves.len() == most {
                break;
            }
        }
        Ok(moves)
    }

    fn all(&mut self, environment: &EnvironmentName) -> Result<Vec<Deployment>, Problem> {
        let moves = self.moves(environment, usize::MAX)?;
        let mut deployments = Vec::new();
        let mut been = BTreeSet::new();
        for moved in moves.into_iter().rev() {
            let Some(to) = moved.to else { continue };
            let again = !been.insert(to);
            let came = match moved.action {
                Action::Rollback => Came::RolledBack,
                // Where nothing stands before, a version that was there and comes by name comes back.
                Action::Promote | Action::Accept if self.first.contains(environment) && again => Came::RolledBack,
                Action::Promote | Action::Accept if !self.first.contains(environment) => Came::Promoted,
                Action::Deploy if !self.first.contains(environment) => Came::Promoted,
                _ => Came::Published,
            };
            let Some(version) = self.version(to)? else { continue };
            let Moved { id, from, time, actor, reason, .. } = moved;
            deployments.push(Deployment {
                id,
                environment: environment.clone(),
                came,
                from,
                version,
                time,
                actor,
                reason,
            });
        }
        deployments.reverse();
        Ok(deployments)
    }

    fn version(&mut self, number: VersionNumber) -> Result<Option<VersionRecord>, Problem> {
        if self.versions.is_empty() {
            for (number, entry) in self.ledger.versions(self.agent)? {
                self.versions.insert(number, self.ledger.entry(entry)?.record);
            }
        }
        Ok(self.versions.get(&number).cloned())
    }
}
