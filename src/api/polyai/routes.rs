//! All routes of both halves.

use super::{agents, branches, deployments, moves};
use crate::api::route::{Needs, Route, route};

/// Those below `/v1`.
pub(super) const PUBLIC: &[Route] = &[
    route("GET", "/accounts/{account}/agents", Needs::Read, "List agents", agents::list),
    route("GET", "/agents/{agent}/deployments", Needs::Read, "List deployments, newest first", deployments::list),
    route("GET", "/agents/{agent}/deployments/active", Needs::Read, "What is deployed where", deployments::active),
    route(
        "GET",
        "/agents/{agent}/deployments/history",
        Needs::Read,
        "All deployments in one line",
        deployments::history,
    ),
    route("POST", "/agents/{agent}/deployments/publish", Needs::Write, "Publish the draft", moves::publish),
    route(
        "GET",
        "/agents/{agent}/deployments/{deployment}/compare",
        Needs::Read,
        "Compare two deployments",
        deployments::compare,
    ),
    route(
        "POST",
        "/agents/{agent}/deployments/{deployment}/promote",
        Needs::Deploy,
        "Move a version up",
        moves::promote,
    ),
    route(
        "POST",
        "/agents/{agent}/deployments/{deployment}/rollback",
        Needs::Deploy,
        "Go back to a deployment",
        moves::rollback,
    ),
    route("GET", "/agents/{agent}/branches", Needs::Read, "List branches", branches::list),
];

/// Those below `/adk/v1`.
pub(super) const ADK: &[Route] = &[
    route("GET", "/accounts", Needs::Read, "List accounts: there is one", agents::accounts),
    route("GET", "/accounts/{account}/projects", Needs::Read, "List agents", agents::projects),
    route("GET", "/accounts/{account}/projects/{agent}", Needs::Read, "Show an agent", agents::project),
    route(
        "GET",
        "/accounts/{account}/projects/{agent}/deployments",
        Needs::Read,
        "List deployments, newest first",
        deployments::list_adk,
    ),
    route(
        "GET",
        "/accounts/{account}/projects/{agent}/deployments/active",
        Needs::Read,
        "What is deployed where",
        deployments::active_adk,
    ),
    route("GET", "/accounts/{account}/projects/{agent}/branches", Needs::Read, "List branches", branches::list),
];
