//! Ids on the wire: 24 hexadecimal digits, of an agent's, a line's and a draft's name, and of a version's tag object. One
//! space for both generations of the API.

use crate::api::call::Call;
use crate::domain::AgentId;
use crate::ops::lines::{Line, short_id};
use crate::ops::{Problem, inspect};

/// The id of `agent`.
pub(super) fn of_agent(agent: &AgentId) -> String {
    short_id(&format!("agent {agent}"))
}

/// The id of the draft on `line`.
pub(super) fn of_draft(line: &Line) -> String {
    of_draft_on(&line.id)
}

/// The id of the draft on the line with this id.
pub(super) fn of_draft_on(line: &str) -> String {
    short_id(&format!("draft {line}"))
}

/// The organisation that all agents of this repository are in.
pub(super) fn organization() -> String {
    short_id("organization")
}

/// The agents of the ledger and of the drafts, cut to those of which the caller may know.
pub(super) fn known(call: &Call) -> Result<Vec<AgentId>, Problem> {
    let mut agents: Vec<AgentId> = inspect::ledger(&call.workspace)?.agents()?.into_keys().collect();
    // A draft that cannot be read hides no agent that was published.
    if let Ok(drafted) = call.workspace.draft_agents() {
        agents.extend(drafted.into_iter().map(|located| located.agent));
    }
    agents.retain(|agent| call.knows(agent));
    agents.sort();
    agents.dedup();
    Ok(agents)
}

/// The agent of the path: by its id on the wire, or by its own. One of which the caller may not know is told as one that
/// is not there.
pub(super) fn agent(call: &Call) -> Result<AgentId, Problem> {
    let said = call.named("id");
    let known = known(call)?;
    let found = known.iter().find(|agent| of_agent(agent) == said);
    let found = found.or_else(|| known.iter().find(|agent| agent.as_str() == said));
    found
        .cloned()
        .ok_or_else(|| Problem::refused("unknown_agent", "No agent found").hint("GET /atoms/v1/agent lists them"))
}
