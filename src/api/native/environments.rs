//! Environments and the audit trail.

use serde_json::json;

use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::ops::{Problem, inspect, status};

/// How many lines of history an answer has unless asked for otherwise, and at most.
const LINES: usize = 50;
const MOST_LINES: usize = 500;

/// `GET /environments`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let status = status::status(&call.workspace, false)?;
    let serves = |name| {
        let agents = status.agents.iter().filter(|agent| call.may_read(&agent.agent));
        let served = agents.filter_map(|agent| Some((agent.agent.to_string(), json!(agent.serves.get(name)?))));
        served.collect::<serde_json::Map<_, _>>()
    };
    let environments = status.environments.iter().map(|environment| {
        let mut value = json!(environment);
        value["serves"] = json!(serves(&environment.name));
        value
    });
    Answer::ok(&json!({ "environments": environments.collect::<Vec<_>>() }))
}

/// `GET /environments/{a}/compare/{b}`
pub(super) fn compare(call: &Call) -> Result<Answer, Problem> {
    let (before, after) = (Call::environment(call.named("a"))?, Call::environment(call.named("b"))?);
    let mut agents = inspect::compare(&call.workspace, &before, &after)?;
    agents.retain(|compared| call.may_read(&compared.agent));
    Answer::ok(&json!({ "before": before, "after": after, "agents": agents }))
}

/// `GET /history?agent=&environment=&limit=`
pub(super) fn history(call: &Call) -> Result<Answer, Problem> {
    let agent = call.query.get("agent").map(|text| text.parse()).transpose()?;
    if let Some(agent) = &agent {
        call.authorise(crate::tokens::Right::AgentsRead, Some(agent))?;
    }
    let environment = call.query.get("environment").map(|name| Call::environment(name)).transpose()?;
    let limit = match call.query.get("limit").map(|text| text.parse::<usize>()) {
        None => LINES,
        Some(Ok(limit)) if (1..=MOST_LINES).contains(&limit) => limit,
        Some(_) => {
            return Err(Problem::usage("bad_request", format!("`limit` is a number from 1 to {MOST_LINES}"))
                .hint(format!("?limit={LINES}")));
        }
    };
    let mut entries = inspect::history(&call.workspace, agent.as_ref(), environment.as_ref(), limit)?;
    for entry in &mut entries {
        entry.record.moves.retain(|made| call.may_read(&made.agent));
    }
    entries.retain(|entry| !entry.record.moves.is_empty());
    Answer::ok(&json!({ "history": entries }))
}
