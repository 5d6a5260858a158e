//! Agents and their drafts.

use serde::Serialize;
use serde_json::json;

use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::compile::{Compilation, Finding};
use crate::domain::{AgentId, Digest};
use crate::ops::side::SideName;
use crate::ops::status::AgentStatus;
use crate::ops::{Problem, discard as discarding, report as reporting, side, status};

/// `GET /agents`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let mut agents = status::status(&call.workspace, false)?.agents;
    agents.retain(|status| call.may_read(&status.agent));
    Answer::ok(&json!({ "agents": agents, "total": agents.len() }))
}

/// `GET /agents/{agent}`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    Answer::ok(&found(call, &agent)?)
}

fn found(call: &Call, agent: &AgentId) -> Result<AgentStatus, Problem> {
    let agents = status::status(&call.workspace, false)?.agents;
    match agents.into_iter().find(|status| status.agent == *agent) {
        Some(found) => Ok(found),
        None => Err(call.workspace.unknown_agent(agent)?.unwrap_or_else(|| {
            Problem::refused("unknown_agent", format!("no agent `{agent}`")).hint("GET /api/v1/agents lists them")
        })),
    }
}

/// A draft, compiled at the moment of the call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    agent: AgentId,
    digest: Option<Digest>,
    config: Option<serde_json::Value>,
    findings: Vec<Finding>,
}

/// `GET /agents/{agent}/draft`: its `ETag` is what a publish names in `If-Match`.
pub(super) fn draft(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let found = side::draft(&call.workspace, &agent, call.query.get("draft").map(String::as_str))?;
    let Compilation { frozen, findings } = side::compiled(&call.workspace, &found)?;
    let digest = frozen.as_ref().map(|frozen| frozen.digest());
    let draft = Draft { agent, digest, config: frozen.map(|frozen| frozen.value()), findings };
    let answer = Answer::ok(&draft)?;
    Ok(match digest {
        Some(digest) => answer.etag(&digest),
        None => answer,
    })
}

/// `DELETE /agents/{agent}/draft`
pub(super) fn discard(call: &Call) -> Result<Answer, Problem> {
    Answer::ok(&discarding::discard(&call.workspace, &call.agent()?)?)
}

/// `GET /agents/{agent}/prepublish-report`
pub(super) fn report(call: &Call) -> Result<Answer, Problem> {
    let of = call.query.get("of").map_or(Ok(SideName::Draft), |text| text.parse())?;
    Answer::ok(&reporting::report(&call.workspace, &call.agent()?, &of)?)
}
