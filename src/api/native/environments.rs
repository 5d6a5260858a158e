//! Environments and the audit trail.

use super::page;
use super::wire::{ComparedEnvironments, Environments, History, ServingEnvironment};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::ops::{Problem, inspect, status};

/// How many lines of history an answer has unless asked for otherwise, and at most.
pub(super) const LINES: usize = 50;
pub(super) const MOST_LINES: usize = 500;

/// `GET /environments`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let status::Status { environments, mut agents, .. } = status::status(&call.workspace, false)?;
    agents.retain(|agent| call.may_read(&agent.agent));
    let serving = |status: status::EnvironmentStatus| {
        let served = agents.iter().filter_map(|agent| Some((agent.agent.clone(), *agent.serves.get(&status.name)?)));
        ServingEnvironment { serves: served.collect(), status }
    };
    Answer::ok(&Environments { environments: environments.into_iter().map(serving).collect() })
}

/// `GET /environments/{a}/compare/{b}`
pub(super) fn compare(call: &Call) -> Result<Answer, Problem> {
    let (before, after) = (Call::environment(call.named("a"))?, Call::environment(call.named("b"))?);
    let mut agents = inspect::compare(&call.workspace, &before, &after)?;
    agents.retain(|compared| call.may_read(&compared.agent));
    Answer::ok(&ComparedEnvironments { before, after, agents })
}

/// `GET /history?agent=&environment=&limit=`
pub(super) fn history(call: &Call) -> Result<Answer, Problem> {
    let agent = call.query.get("agent").map(|text| text.parse()).transpose()?;
    if let Some(agent) = &agent {
        call.authorise(crate::tokens::Right::AgentsRead, Some(agent))?;
    }
    let environment = call.query.get("environment").map(|name| Call::environment(name)).transpose()?;
    let limit = page::limit::<LINES, MOST_LINES>(call)?;
    let mut entries = inspect::history(&call.workspace, agent.as_ref(), environment.as_ref(), limit)?;
    if !call.may_read_all() {
        for entry in &mut entries {
            entry.record.moves.retain(|made| call.may_read(&made.agent));
        }
        entries.retain(|entry| !entry.record.moves.is_empty());
    }
    Answer::ok(&History { history: entries })
}
