//! All routes under `/atoms/v1`.

use super::{account, agents, branches, drafts, revisions, versions};
use crate::api::route::Needs::{Deploy, Read, Write};
use crate::api::route::{Route, route};

/// All of them.
pub const ROUTES: &[Route] = &[
    route("GET", "/user", Read, "Who calls", account::user),
    route("GET", "/account/get-account-details", Read, "Who calls, for the MCP server", account::details),
    route("GET", "/agent", Read, "List agents", agents::list),
    route("POST", "/agent", Write, "Make an agent", agents::create),
    route("GET", "/agent/{id}", Read, "Show an agent", agents::one),
    route("PATCH", "/agent/{id}", Write, "Change what is apart from versions", agents::update),
    route("DELETE", "/agent/{id}/archive", Write, "Archive an agent, or take it back", agents::archive),
    route("POST", "/agent/{id}/duplicate", Write, "Copy an agent", agents::duplicate),
    route("GET", "/agent/{id}/workflow", Read, "The prompt and tools that are served", agents::workflow),
    // v2.
    route("GET", "/agent/{id}/branches", Read, "List branches", branches::list),
    route("POST", "/agent/{id}/branches", Write, "Fork a branch", branches::create),
    route("GET", "/agent/{id}/branches/{branch}", Read, "Show a branch", branches::one),
    route("PATCH", "/agent/{id}/branches/{branch}", Write, "Rename a branch", branches::rename),
    route("POST", "/agent/{id}/branches/{branch}/archive", Write, "Archive a branch", branches::archive),
    route("POST", "/agent/{id}/branches/{branch}/live", Deploy, "Make a branch live", branches::live),
    route("GET", "/agent/{id}/branches/{branch}/draft", Read, "Show the open draft", branches::draft),
    route("PUT", "/agent/{id}/branches/{branch}/draft", Write, "Edit the draft", branches::update),
    route("DELETE", "/agent/{id}/branches/{branch}/draft", Write, "Discard the draft", branches::discard),
    route("POST", "/agent/{id}/branches/{branch}/draft/publish", Write, "Publish the draft", branches::publish),
    route("POST", "/agent/{id}/branches/{branch}/draft/publish/cancel", Write, "Cancel a publish", branches::cancel),
    route("POST", "/agent/{id}/branches/{branch}/test-call", Write, "Place a test call", branches::test_call),
    route("GET", "/agent/{id}/branches/{branch}/revisions", Read, "List revisions", revisions::list),
    route("GET", "/agent/{id}/branches/{branch}/revisions/{revision}", Read, "Show a revision", revisions::one),
    route(
        "GET",
        "/agent/{id}/branches/{branch}/revisions/{revision}/history",
        Read,
        "What led to a revision",
        revisions::history,
    ),
    route(
        "POST",
        "/agent/{id}/branches/{branch}/revisions/{revision}/restore",
        Write,
        "Commit an earlier revision again",
        revisions::restore,
    ),
    route("GET", "/agent/{id}/diff", Read, "Compare revisions and drafts", revisions::diff),
    // v1.
    route("GET", "/agent/{id}/drafts", Read, "List drafts", drafts::list),
    route("POST", "/agent/{id}/drafts", Write, "Begin a draft", drafts::create),
    route("GET", "/agent/{id}/drafts/{draft}", Read, "Show a draft", drafts::one),
    route("PATCH", "/agent/{id}/drafts/{draft}", Write, "Rename a draft", drafts::rename),
    route("DELETE", "/agent/{id}/drafts/{draft}", Write, "Discard a draft", drafts::discard),
    route("PATCH", "/agent/{id}/drafts/{draft}/config", Write, "Edit a draft", drafts::update),
    route("GET", "/agent/{id}/drafts/{draft}/diff", Read, "What a draft changes", drafts::compare),
    route("POST", "/agent/{id}/drafts/{draft}/publish", Write, "Publish a draft", drafts::publish),
    route("POST", "/agent/{id}/drafts/{draft}/test-call", Write, "Place a test call", branches::test_call),
    route("GET", "/agent/{id}/versions", Read, "List versions", versions::list),
    route("GET", "/agent/{id}/versions/diff", Read, "Compare two versions", versions::compare),
    route("GET", "/agent/{id}/versions/{version}", Read, "Show a version", versions::one),
    route("PATCH", "/agent/{id}/versions/{version}", Write, "Label, describe or pin a version", versions::mark),
    route("PATCH", "/agent/{id}/versions/{version}/activate", Deploy, "Activate a version", versions::activate),
    route("POST", "/agent/{id}/versions/{version}/test-call", Write, "Place a test call", branches::test_call),
];
