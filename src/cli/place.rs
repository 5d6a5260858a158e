//! Where a verb is carried out, here or by a controller: the same operations, with the same results.

use std::collections::BTreeMap;

use super::remote::Remote;
use crate::client::Verb;
use crate::compare::Comparison;
use crate::domain::{AgentId, DeploymentId, EnvironmentName, VersionNumber, VersionTag};
use crate::ops::discard::Discarded;
use crate::ops::inspect::{ComparedAgent, HistoryEntry, VersionView};
use crate::ops::moves::{Manner, Moved, carry_out};
use crate::ops::publish::{PublishCall, Published};
use crate::ops::report::PrePublish;
use crate::ops::side::SideName;
use crate::ops::status::Status;
use crate::ops::{Problem, Workspace, diff, discard, inspect, moves, publish, report, status};
use crate::plan::Intent;

/// Where a verb is carried out.
pub enum Place {
    /// In this repository.
    Here(Box<Workspace>),
    /// By a controller.
    There(Box<Remote>),
}

/// Two sides of one agent, compared.
pub struct Compared {
    /// The agent.
    pub agent: AgentId,
    /// What differs.
    pub comparison: Comparison,
    /// Sides that do not compile.
    pub broken: Vec<String>,
    /// The files as a patch, where one was asked for.
    pub patch: Option<String>,
}

impl Place {
    /// The repository that it is, or why a verb needs one.
    pub(super) fn only_here(&self, what: &str) -> Result<&Workspace, Problem> {
        match self {
            Place::Here(workspace) => Ok(workspace),
            Place::There(_) => Err(Problem::usage("not_for_a_server", format!("{what}, which no server can do"))
                .hint("leave out --server, or unset POINTSMAN_SERVER")),
        }
    }

    /// The agent called `given`; without a name, the one whose folder this is, or the only one.
    pub(super) fn agent(&self, given: Option<&str>) -> Result<AgentId, Problem> {
        match self {
            Place::Here(workspace) => workspace.agent(given),
            Place::There(remote) => remote.agent(given),
        }
    }

    /// The agent in whose folder the command was started.
    pub(super) fn agent_in_this_folder(&self) -> Result<Option<AgentId>, Problem> {
        match self {
            Place::Here(workspace) => workspace.agent_in_this_folder(),
            Place::There(remote) => Ok(remote.agent_in_this_folder()),
        }
    }

    /// The refusal of an agent that nobody knows, with the nearest name.
    pub(super) fn unknown_agent(&self, agent: &AgentId) -> Problem {
        let refused = match self {
            Place::Here(workspace) => match workspace.locate_draft(agent) {
                // What is wrong with its folder says more than that it is unknown.
                Err(problem) if problem.code != "unknown_agent" => Err(problem),
                _ => workspace.unknown_agent(agent).and_then(|unknown| unknown.map_or(Ok(()), Err)),
            },
            Place::There(remote) => remote.client.agent(agent).map(drop),
        };
        // It may have come meanwhile.
        refused.err().unwrap_or_else(|| {
            Problem::refused("unknown_agent", format!("no agent `{agent}` a moment ago")).hint("try again")
        })
    }

    pub(super) fn status(&self) -> Result<Status, Problem> {
        match self {
            Place::Here(workspace) => status::status(workspace, false),
            Place::There(remote) => remote.client.status(),
        }
    }

    pub(super) fn publish(&self, agent: &AgentId, call: &PublishCall) -> Result<Published, Problem> {
        match self {
            Place::Here(workspace) => publish::publish(workspace, agent, call),
            Place::There(remote) => remote.client.publish(agent, call),
        }
    }

    /// At least the newest `limit` versions, and how many there are.
    pub(super) fn versions(&self, agent: &AgentId, limit: usize) -> Result<(Vec<VersionView>, usize), Problem> {
        match self {
            Place::Here(workspace) => {
                let all = inspect::versions(workspace, agent)?;
                let total = all.len();
                Ok((all, total))
            }
            Place::There(remote) => remote.client.versions(agent, limit),
        }
    }

    pub(super) fn promote(
        &self,
        agent: &AgentId,
        to: &EnvironmentName,
        version: Option<VersionNumber>,
        confirm: bool,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        match self {
            Place::Here(workspace) => {
                let (intent, agents) = moves::promote(to.clone(), [(agent.clone(), version)].into(), confirm);
                carry_out(workspace, "promote", intent, agents, manner)
            }
            Place::There(remote) => remote.client.promote(agent, to, version, confirm, manner),
        }
    }

    pub(super) fn release(
        &self,
        to: &EnvironmentName,
        versions: BTreeMap<AgentId, Option<VersionNumber>>,
        confirm: bool,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        match self {
            Place::Here(workspace) => {
                let (intent, agents) = moves::promote(to.clone(), versions, confirm);
                carry_out(workspace, "release", intent, agents, manner)
            }
            Place::There(remote) => remote.client.release(to, versions, confirm, manner),
        }
    }

    pub(super) fn rollback(
        &self,
        agent: AgentId,
        environment: Option<EnvironmentName>,
        to: Option<VersionNumber>,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        match self {
            Place::Here(workspace) => {
                let agents = [agent.clone()].into();
                carry_out(workspace, "rollback", Intent::Rollback { environment, agent, to }, agents, manner)
            }
            Place::There(remote) => remote.client.rollback(&agent, environment.as_ref(), to, manner),
        }
    }

    pub(super) fn undo(&self, deployment: DeploymentId, manner: &Manner) -> Result<Moved, Problem> {
        match self {
            Place::Here(workspace) => {
                let (intent, agents) = moves::undo(workspace, deployment)?;
                carry_out(workspace, "rollback", intent, agents, manner)
            }
            Place::There(remote) => remote.client.undo(deployment, manner),
        }
    }

    pub(super) fn change(
        &self,
        verb: Verb,
        agent: AgentId,
        environment: Option<EnvironmentName>,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        match self {
            Place::Here(workspace) => {
                let agents = [agent.clone()].into();
                let (word, intent) = match verb {
                    Verb::Retire => ("retire", Intent::Retire { environment, agent }),
                    Verb::Hold => ("hold", Intent::Hold { environment, agent }),
                    Verb::ReleaseHold => ("release-hold", Intent::ReleaseHold { environment, agent }),
                };
                carry_out(workspace, word, intent, agents, manner)
            }
            Place::There(remote) => remote.client.change(verb, &agent, environment.as_ref(), manner),
        }
    }

    pub(super) fn revoke(&self, agent: AgentId, number: VersionNumber, manner: &Manner) -> Result<Moved, Problem> {
        match self {
            Place::Here(workspace) => {
                let (intent, agents) = moves::revoke(VersionTag { agent, number });
                carry_out(workspace, "revoke", intent, agents, manner)
            }
            Place::There(remote) => remote.client.revoke(&agent, number, manner),
        }
    }

    pub(super) fn discard(&self, agent: &AgentId) -> Result<Discarded, Problem> {
        match self {
            Place::Here(workspace) => discard::discard(workspace, agent),
            Place::There(remote) => remote.client.discard(agent),
        }
    }

    pub(super) fn history(
        &self,
        agent: Option<&AgentId>,
        environment: Option<&EnvironmentName>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, Problem> {
        match self {
            Place::Here(workspace) => inspect::history(workspace, agent, environment, limit),
            Place::There(remote) => remote.client.history(agent, environment, limit),
        }
    }

    pub(super) fn compare(
        &self,
        before: &EnvironmentName,
        after: &EnvironmentName,
    ) -> Result<Vec<ComparedAgent>, Problem> {
        match self {
            Place::Here(workspace) => inspect::compare(workspace, before, after),
            Place::There(remote) => remote.client.compare(before, after),
        }
    }

    pub(super) fn diff(
        &self,
        agent: &AgentId,
        before: Option<&SideName>,
        after: Option<&SideName>,
        patch: bool,
    ) -> Result<Compared, Problem> {
        let agent = agent.clone();
        match self {
            Place::Here(workspace) => {
                let found = diff::diff(workspace, &agent, before, after)?;
                let patch = patch.then(|| found.unified());
                Ok(Compared { agent, comparison: found.comparison, broken: found.broken, patch })
            }
            Place::There(remote) => {
                let found = remote.client.diff(&agent, before, after, patch)?;
                Ok(Compared { agent, comparison: found.comparison, broken: found.broken, patch: found.unified })
            }
        }
    }

    pub(super) fn report(&self, agent: &AgentId, side: &SideName) -> Result<PrePublish, Problem> {
        match self {
            Place::Here(workspace) => report::report(workspace, agent, side),
            Place::There(remote) => remote.client.report(agent, side),
        }
    }
}
