//! PolyAI's API over our operations, so that its `poly` command and its customers' scripts work unchanged.
//!
//! It has two halves. The public one, `/v1`, speaks camelCase and ISO 8601; the one of its development kit, `/adk/v1`,
//! speaks snake_case and HTTP dates, and is only read. Both show a key in `X-API-KEY` and refuse in one envelope.
//! docs/polyai.md says how their words and ours belong together.

mod agents;
mod branches;
mod deployments;
mod envelope;
mod ladder;
mod moves;
mod record;
mod routes;

use http::HeaderMap;

use super::call::Call;
use super::surface::Surface;
use crate::domain::AgentId;
use crate::ops::{Problem, projects};

/// What an account is called where the path names none: there is one, this repository.
const ACCOUNT: &str = "pointsman";

const HINT: &str = "send the header `X-API-KEY: pm_sk_…`; pointsman token create makes one";

/// `/v1`.
pub static PUBLIC: Surface = Surface {
    name: "polyai",
    prefix: "/v1",
    routes: routes::PUBLIC,
    token: key,
    hint: HINT,
    agent,
    accept: envelope::accept,
    refuse: envelope::refuse,
};

/// `/adk/v1`.
pub static ADK: Surface = Surface {
    name: "polyai-adk",
    prefix: "/adk/v1",
    routes: routes::ADK,
    token: key,
    hint: HINT,
    agent,
    accept: envelope::accept,
    refuse: envelope::refuse,
};

fn key(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-api-key")?.to_str().ok()?.trim().to_owned())
}

/// The agent that the path names by its id, or by the project id that its folder gives it.
///
/// A project id resolves only for who may know of its agent. Whoever may not is answered as if nothing had that id, so
/// that no refusal tells whether there is one.
fn agent(call: &Call) -> Result<Option<AgentId>, Problem> {
    if !call.path.contains_key("agent") {
        return Ok(None);
    }
    let named = call.named("agent");
    let plain = named.parse::<AgentId>();
    if let Ok(agent) = &plain
        && (!call.knows(agent) || call.workspace.unknown_agent(agent)?.is_none())
    {
        return plain.map(Some).map_err(Problem::from);
    }
    match projects::named(&call.workspace, named, |agent| call.knows(agent))? {
        Some(agent) => Ok(Some(agent)),
        None => plain.map(Some).map_err(|error| Problem::refused("unknown_agent", error.to_string()).hint(UNKNOWN)),
    }
}

const UNKNOWN: &str = "name it by its id with slashes written as %2F, or by the `project_id` of its project.yaml";

/// The same where the path must name one.
fn the_agent(call: &Call) -> Result<AgentId, Problem> {
    Ok(agent(call)?.expect("the route's path names an agent"))
}
