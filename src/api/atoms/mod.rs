//! Smallest Atoms' API under `/atoms/v1`: its branches and revisions (v2) and its drafts and versions (v1), over the same
//! ids and the same git. Wire facts are those of the PyPI package `smallestai` 5.14.0 and of the npm package
//! `@developer-smallestai/smallest-mcp-server` 0.11.2; `docs/atoms.md` says what is what.

mod account;
mod agents;
mod branches;
mod config;
mod diff;
mod draft;
mod drafts;
mod ids;
mod revisions;
mod routes;
mod seen;
mod versions;

use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, json_response};
use super::call::{Asked, Call};
use super::native::bearer;
use super::surface::Surface;
use crate::domain::AgentId;
use crate::ops::Problem;

/// `/atoms/v1`.
pub static SURFACE: Surface = Surface {
    name: "atoms",
    prefix: "/atoms/v1",
    routes: routes::ROUTES,
    token: bearer,
    hint: "send the header `Authorization: Bearer pm_sk_…`; pointsman token create makes one",
    agent,
    accept,
    refuse,
};

fn agent(call: &Call) -> Result<Option<AgentId>, Problem> {
    call.path.contains_key("id").then(|| ids::agent(call)).transpose()
}

/// The one answer that the vendor gives without an envelope.
const BARE: &str = "/account/get-account-details";

fn accept(answer: Answer, asked: &Asked) -> Response {
    let Answer { status, data, .. } = answer;
    let body = if asked.uri.path().ends_with(BARE) { data } else { json!({ "status": true, "data": data }) };
    json_response(status, "application/json", &body)
}

/// The code under which v1 says that v2 has taken over.
const MIGRATED: &str = "versioning_v2_migration_required";

fn refuse(refusal: Refusal, asked: &Asked) -> Response {
    let Refusal { status, problem, header, .. } = refusal;
    let (status, error_type) = on_the_wire(status, &problem, asked);
    let mut errors: Vec<Value> = vec![problem.message.clone().into()];
    for finding in problem.findings.as_deref().into_iter().flatten() {
        errors.push(finding.message.clone().into());
    }
    let mut message = problem.message.clone();
    if let Some(hint) = &problem.hint {
        message = format!("{message} ({hint})");
    }
    if let Some(named) = problem.details.get("errors").and_then(Value::as_array) {
        errors.clone_from(named);
    }
    let mut body = json!({ "status": false, "errors": errors, "error_type": error_type, "message": message });
    if let Some(data) = problem.details.get("data") {
        body["data"] = data.clone();
    } else if !problem.details.is_null() {
        body["details"] = problem.details.clone();
    }
    let mut response = json_response(status, "application/json", &body);
    let headers = response.headers_mut();
    headers.extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if problem.code == MIGRATED {
        headers.insert(HeaderName::from_static("deprecation"), HeaderValue::from_static("true"));
    }
    response
}

/// The vendor's status and word for a problem, where it has its own.
fn on_the_wire(status: StatusCode, problem: &Problem, asked: &Asked) -> (StatusCode, String) {
    let frozen = || {
        let unmet = problem.details.get("unmet").and_then(Value::as_array);
        unmet.is_some_and(|unmet| unmet.iter().any(|gate| gate["gate"] == "freeze"))
    };
    let below_agent = asked.uri.path().split("/agent/").nth(1).is_some_and(|rest| {
        let mut parts = rest.splitn(2, '/').skip(1);
        !matches!(parts.next(), None | Some("archive" | "duplicate"))
    });
    match problem.code.as_str() {
        // Only the routes of the agent itself say 400.
        "unknown_agent" if !below_agent => (StatusCode::BAD_REQUEST, "unknown_agent".to_owned()),
        "gate_unmet" if frozen() => (StatusCode::LOCKED, "config_freeze_active".to_owned()),
        "findings" | "misplaced" | "empty_folder" | "policy" => (StatusCode::BAD_REQUEST, problem.code.clone()),
        code => (status, code.to_owned()),
    }
}
