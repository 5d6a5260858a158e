//! All routes of the native surface.

use super::{agents, chat, completions, deployments, environments, usage, versions};
use crate::api::route::{Needs, Route, route};

/// All of them.
pub const ROUTES: &[Route] = &[
    route("GET", "/agents", Needs::Read, "List agents", agents::list),
    route("GET", "/agents/{agent}", Needs::Read, "Show an agent", agents::one),
    route("GET", "/agents/{agent}/draft", Needs::Read, "Compile the draft now", agents::draft),
    route("DELETE", "/agents/{agent}/draft", Needs::Write, "Go back to the newest version", agents::discard),
    route("GET", "/agents/{agent}/prepublish-report", Needs::Read, "What the draft will say and do", agents::report),
    route("POST", "/agents/{agent}/publish", Needs::Write, "Publish the draft", versions::publish),
    route("GET", "/agents/{agent}/versions", Needs::Read, "List versions, newest first", versions::list),
    route("GET", "/agents/{agent}/versions/{version}", Needs::Read, "Show a version", versions::one),
    route("GET", "/agents/{agent}/versions/{version}/diff", Needs::Read, "Compare a version", versions::diff),
    route(
        "POST",
        "/agents/{agent}/versions/{version}/revoke",
        Needs::Write,
        "Refuse later moves to it",
        versions::revoke,
    ),
    route("POST", "/agents/{agent}/promote", Needs::Deploy, "Move a version up", deployments::promote),
    route(
        "POST",
        "/agents/{agent}/rollback",
        Needs::Deploy,
        "Go back to a version that was there",
        deployments::rollback,
    ),
    route("POST", "/agents/{agent}/retire", Needs::Deploy, "Take an agent out", deployments::retire),
    route("POST", "/agents/{agent}/hold", Needs::Deploy, "Keep an agent where it is", deployments::hold),
    route("POST", "/agents/{agent}/release-hold", Needs::Deploy, "Let an agent move again", deployments::release_hold),
    route("POST", "/releases", Needs::Deploy, "Move several agents, all or none", deployments::release),
    route("POST", "/deployments/{deployment}/rollback", Needs::Deploy, "Undo a deployment", deployments::undo),
    route("GET", "/environments", Needs::Read, "List environments", environments::list),
    route("GET", "/environments/{a}/compare/{b}", Needs::Read, "Two environments side by side", environments::compare),
    route("GET", "/history", Needs::Read, "Who moved what, when and why", environments::history),
    route("POST", "/agents/{agent}/tests", Needs::Chat, "Run the agent's tests", chat::examine),
    route("POST", "/chat/sessions", Needs::Chat, "Begin a conversation", chat::begin),
    route("GET", "/chat/sessions", Needs::Chat, "List conversations, newest first", chat::list),
    route("GET", "/chat/sessions/{session}", Needs::Chat, "Read a conversation", chat::one),
    route("POST", "/chat/sessions/{session}/messages", Needs::Chat, "Say something", chat::say),
    route("POST", "/chat/completions", Needs::Chat, "Say something by OpenAI's protocol", completions::complete),
    route("GET", "/usage", Needs::Read, "Count sessions and messages", usage::usage),
];
