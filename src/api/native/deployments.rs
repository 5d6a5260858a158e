//! Moves: promote, rollback, retire, hold, release. One function carries all of them out, and it asks for the right to
//! deploy where they go.

use std::collections::{BTreeMap, BTreeSet};

use super::wire::{Change, Promotion, Reason, Release, Rollback, RolledBack, VersionName};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::domain::{AgentId, DeploymentId, EnvironmentName, VersionNumber};
use crate::ops::inspect::VersionView;
use crate::ops::moves::{self, Manner, Moved};
use crate::ops::{Problem, inspect};
use crate::plan::Intent;
use crate::tokens::Right;

/// `POST /agents/{agent}/promote`: by default to the environment after the one that has the newest version.
pub(super) fn promote(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let said: Promotion = call.said()?;
    let to = match &said.to {
        Some(to) => to.clone(),
        None => next(call, &agent)?,
    };
    // Asked before anything about the agent is read.
    call.authorise(Right::Deploy(to.clone()), Some(&agent))?;
    let version = version(call, &agent, said.version.as_ref())?;
    let (intent, agents) = moves::promote(to.clone(), [(agent, version)].into(), said.confirm);
    carry_out(call, "promote", &to, intent, agents, said.reason, said.dry_run)
}

/// The environment after the highest one that serves anything of `agent`.
fn next(call: &Call, agent: &AgentId) -> Result<EnvironmentName, Problem> {
    let policy = call.workspace.policy()?;
    let ledger = inspect::ledger(&call.workspace)?;
    let mut next = policy.environments.first().map(|environment| environment.name.clone());
    for environment in &policy.environments {
        let serves = match inspect::serving(&call.workspace, &ledger, &environment.name) {
            Ok((serves, _)) => serves.contains_key(agent),
            Err(_) => false,
        };
        if serves {
            next = policy.after(&environment.name).map(|after| after.name.clone());
        }
    }
    next.ok_or_else(|| {
        Problem::refused("which_environment", "it is in the last environment already")
            .hint("name one: {\"to\": \"live\"}")
    })
}

/// `POST /agents/{agent}/rollback`
pub(super) fn rollback(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let said: Rollback = call.said()?;
    let environment = place(call, said.environment)?;
    call.authorise(Right::Deploy(environment.clone()), Some(&agent))?;
    let to = version(call, &agent, said.version.as_ref())?;
    let intent = Intent::Rollback { environment: Some(environment.clone()), agent: agent.clone(), to };
    let moved = moved(call, "rollback", &environment, intent, [agent.clone()].into(), said.reason, said.dry_run)?;
    let version = match moved.moves.first().and_then(|made| made.to).or(to) {
        Some(number) => {
            let ledger = inspect::ledger(&call.workspace)?;
            Some(VersionView::read(&call.workspace, &ledger, &agent, number)?.into())
        }
        None => None,
    };
    Ok(Answer::ok(&RolledBack { moved, version })?.moved())
}

/// `POST /agents/{agent}/retire`
pub(super) fn retire(call: &Call) -> Result<Answer, Problem> {
    simple(call, "retire", |environment, agent| Intent::Retire { environment, agent })
}

/// `POST /agents/{agent}/hold`
pub(super) fn hold(call: &Call) -> Result<Answer, Problem> {
    simple(call, "hold", |environment, agent| Intent::Hold { environment, agent })
}

/// `POST /agents/{agent}/release-hold`
pub(super) fn release_hold(call: &Call) -> Result<Answer, Problem> {
    simple(call, "release-hold", |environment, agent| Intent::ReleaseHold { environment, agent })
}

fn simple(
    call: &Call,
    verb: &str,
    intent: impl FnOnce(Option<EnvironmentName>, AgentId) -> Intent,
) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let said: Change = call.said()?;
    let environment = place(call, said.environment)?;
    let intent = intent(Some(environment.clone()), agent.clone());
    carry_out(call, verb, &environment, intent, [agent].into(), said.reason, said.dry_run)
}

/// `POST /releases`
pub(super) fn release(call: &Call) -> Result<Answer, Problem> {
    let said: Release = call.said()?;
    let to = said.to.clone();
    for agent in said.agents.keys() {
        call.authorise(Right::Deploy(to.clone()), Some(agent))?;
    }
    if said.agents.is_empty() {
        return Err(Problem::usage("bad_request", "a release names at least one agent")
            .hint("{\"to\": \"live\", \"agents\": {\"support\": 3}}"));
    }
    let mut versions = BTreeMap::new();
    for (agent, wanted) in &said.agents {
        versions.insert(agent.clone(), version(call, agent, wanted.as_ref())?);
    }
    let (intent, agents) = moves::promote(to.clone(), versions, said.confirm);
    carry_out(call, "release", &to, intent, agents, said.reason, said.dry_run)
}

/// `POST /deployments/{deployment}/rollback`
pub(super) fn undo(call: &Call) -> Result<Answer, Problem> {
    let said: Reason = call.said()?;
    let found = call.named("deployment").parse::<DeploymentId>().map_err(|error| {
        Problem::refused("unknown_deployment", error.to_string()).hint("GET /api/v1/history lists them")
    });
    let (intent, agents) = match found.and_then(|id| moves::undo(&call.workspace, id)) {
        Ok(found) => found,
        // Who may move nothing learns nothing of deployments.
        Err(problem) => {
            let environments = call.workspace.policy()?.environments;
            let any = environments.iter().any(|it| call.authorise(Right::Deploy(it.name.clone()), None).is_ok());
            return Err(if any { problem } else { forbidden(call) });
        }
    };
    let Intent::Undo { environment, .. } = &intent else { unreachable!("undo makes this intent") };
    let environment = environment.clone();
    carry_out(call, "rollback", &environment, intent, agents, said.reason, said.dry_run)
}

fn forbidden(call: &Call) -> Problem {
    let denied = call.workspace.policy().ok().and_then(|policy| policy.published().map(|it| it.name.clone()));
    let right = denied.map_or(Right::Admin, Right::Deploy);
    match call.authorise(right, None) {
        Err(problem) => problem,
        Ok(()) => Problem::refused("forbidden", "this token may move nothing").hint("pointsman token create"),
    }
}

/// The environment that is named, else the published one.
fn place(call: &Call, named: Option<EnvironmentName>) -> Result<EnvironmentName, Problem> {
    if let Some(named) = named {
        return Ok(named);
    }
    let policy = call.workspace.policy()?;
    policy.published().map(|environment| environment.name.clone()).ok_or_else(|| {
        Problem::refused("which_environment", "no environment is the published one").hint("name one: \"environment\"")
    })
}

/// The version that a call means.
fn version(call: &Call, agent: &AgentId, said: Option<&VersionName>) -> Result<Option<VersionNumber>, Problem> {
    said.map(|name| call.version_called(agent, &name.0)).transpose()
}

fn carry_out(
    call: &Call,
    verb: &str,
    environment: &EnvironmentName,
    intent: Intent,
    agents: BTreeSet<AgentId>,
    reason: String,
    dry_run: bool,
) -> Result<Answer, Problem> {
    Ok(Answer::ok(&moved(call, verb, environment, intent, agents, reason, dry_run)?)?.moved())
}

fn moved(
    call: &Call,
    verb: &str,
    environment: &EnvironmentName,
    intent: Intent,
    agents: BTreeSet<AgentId>,
    reason: String,
    dry_run: bool,
) -> Result<Moved, Problem> {
    for agent in &agents {
        call.authorise(Right::Deploy(environment.clone()), Some(agent))?;
    }
    let manner = Manner { reason, dry_run, idempotency_key: call.idempotency_key()? };
    moves::carry_out(&call.workspace, verb, intent, agents, &manner)
}
