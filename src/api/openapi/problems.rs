//! The refusals of a route: those of its own, and those that any call may meet.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

/// What any call of the control API may be refused with.
pub(super) const OF_ANY_CALL: &[(u16, &str)] = &[
    (400, "bad_request"),
    (400, "invalid_agent_id"),
    (401, "unauthorized"),
    (403, "forbidden"),
    (408, "timeout"),
    (409, "diverged"),
    (413, "too_large"),
    (414, "uri_too_long"),
    (415, "unsupported_media_type"),
    (422, "policy"),
    (429, "too_many_attempts"),
    (431, "headers_too_large"),
    (500, "fault"),
    (502, "remote_unreachable"),
    (503, "busy"),
    (503, "locked"),
    (504, "git_timeout"),
];

/// What any call of the data plane may be refused with.
pub(super) const OF_ANY_READ: &[(u16, &str)] = &[(414, "uri_too_long")];

/// What readers of the data plane may be refused with.
pub(super) const OF_READERS: &[(u16, &str)] = &[(401, "unauthorized"), (421, "host_not_local")];

/// The responses of `own` and `common` refusals, by status.
pub(super) fn responses(own: &[(u16, &str)], common: &[(u16, &str)]) -> Map<String, Value> {
    let mut codes: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code) in own.iter().chain(common) {
        let codes = codes.entry(*status).or_default();
        if !codes.contains(code) {
            codes.push(code);
        }
    }
    codes.into_iter().map(|(status, codes)| (status.to_string(), response(status, &codes, own))).collect()
}

fn response(status: u16, codes: &[&str], own: &[(u16, &str)]) -> Value {
    // What only any call may meet is told once for all of them.
    if !own.iter().any(|(of, _)| *of == status) && OF_ANY_CALL.iter().any(|(of, _)| *of == status) {
        return json!({ "$ref": format!("#/components/responses/{}", name(status)) });
    }
    told(status, codes)
}

/// The responses that any call may get, by name.
pub(super) fn shared() -> Map<String, Value> {
    let statuses: std::collections::BTreeSet<u16> = OF_ANY_CALL.iter().map(|(status, _)| *status).collect();
    let told = |status: u16| {
        let codes: Vec<_> = OF_ANY_CALL.iter().filter(|(of, _)| *of == status).map(|(_, code)| *code).collect();
        (name(status), told(status, &codes))
    };
    statuses.into_iter().map(told).collect()
}

fn told(status: u16, codes: &[&str]) -> Value {
    let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut response = json!({
        "description": format!("{}: {}.", reason(status), codes.join(", ")),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let header = |about: &str, schema: Value| json!({ "description": about, "schema": schema });
    match status {
        401 => {
            response["headers"] =
                json!({ "WWW-Authenticate": header("How to show a token.", json!({ "type": "string" })) })
        }
        429 => {
            response["headers"] = json!({
                "Retry-After": header("Seconds to wait.", json!({ "type": "integer" })),
                "RateLimit": header("What is left of the limit, and for how long.", json!({ "type": "string" })),
                "RateLimit-Policy": header("The limit.", json!({ "type": "string" })),
            });
        }
        503 => response["headers"] = json!({ "Retry-After": header("Seconds to wait.", json!({ "type": "integer" })) }),
        _ => {}
    }
    response
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Problem")
}

fn name(status: u16) -> String {
    reason(status).split([' ', '-']).collect()
}

/// The schema of a problem.
pub(super) fn schema() -> Value {
    json!({
        "title": "Problem",
        "description": "Why a call was not done (RFC 9457). The code stands in `code` and at the end of `type`; `hint` is something to do.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string", "pattern": "^/problems/[a-z0-9_]+$", "examples": ["/problems/gate_unmet"] },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "description": "One sentence.", "type": "string" },
            "code": { "description": "A stable word.", "type": "string", "pattern": "^[a-z0-9_]+$", "examples": ["gate_unmet"] },
            "hint": { "description": "Something to do.", "type": "string" },
            "success": { "const": false },
            "errors": {
                "description": "What was found, one by one; what the compiler found has a place in a file.",
                "type": "array",
                "items": { "type": "object", "required": ["message"], "properties": { "message": { "type": "string" } } },
            },
            "details": { "description": "Facts for programs: `unmet` gates, the `missingScope`, …" },
        },
    })
}
