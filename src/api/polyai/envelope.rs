//! How PolyAI says yes and no: an answer is the bare data; a refusal is
//! `{success, error, error_id, error_code, error_message, data}` with a code of its list where it has one for it. The
//! correlation id of the request, or a new one, stands in a header of every answer and in `error_id`.

use axum::response::Response;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::api::answer::{Answer, Refusal, json_response};
use crate::api::call::Asked;
use crate::ops::Problem;

const CORRELATION: HeaderName = HeaderName::from_static("x-polyai-correlation-id");

/// The longest correlation id that is echoed, in bytes.
const LONGEST_CORRELATION: usize = 200;

/// The caller's correlation id, else a new one.
fn correlation(asked: &Asked) -> String {
    let given = asked.header(CORRELATION.as_str()).map(str::trim);
    let fits =
        |id: &&str| !id.is_empty() && id.len() <= LONGEST_CORRELATION && id.bytes().all(|c| c.is_ascii_graphic());
    given.filter(fits).map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

fn response(status: StatusCode, body: &Value, correlation: &str) -> Response {
    let mut response = json_response(status, "application/json", body);
    let value = HeaderValue::from_str(correlation).expect("a correlation id is visible ASCII");
    response.headers_mut().insert(CORRELATION, value);
    response
}

pub(super) fn accept(answer: Answer, asked: &Asked) -> Response {
    response(answer.status, &answer.data, &correlation(asked))
}

pub(super) fn refuse(refusal: Refusal, asked: &Asked) -> Response {
    let Refusal { status, problem, header, .. } = refusal;
    let (status, code) = code(status, &problem);
    let said = match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.message),
        None => problem.message.clone(),
    };
    let id = correlation(asked);
    let body = json!({
        "success": false,
        "error": said,
        "error_id": id,
        "error_code": code,
        "error_message": said,
        "data": null,
    });
    let mut response = response(status, &body, &id);
    // Which scheme a browser should ask for makes no sense to callers with a key in a header of their own.
    let header = header.filter(|(name, _)| *name != WWW_AUTHENTICATE);
    response.headers_mut().extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// The status and the code that PolyAI has for `problem` (api-reference/error-codes of its documentation). What it has
/// no code for keeps its status and our word in its spelling.
fn code(status: StatusCode, problem: &Problem) -> (StatusCode, String) {
    let (status, code) = match problem.code.as_str() {
        "unauthorized" => (status, "AUTH_USER_UNAUTHORISED"),
        "forbidden" => (status, "USER_ACCESS_FORBIDDEN"),
        "unknown_agent" | "invalid_agent_id" | "no_agents" => (StatusCode::NOT_FOUND, "PROJECT_NOT_FOUND"),
        "unknown_deployment" => (StatusCode::NOT_FOUND, "DEPLOYMENT_NOT_FOUND"),
        "unknown_environment" => (StatusCode::BAD_REQUEST, "DEPLOYMENTS_INVALID_ENVIRONMENT"),
        "findings" | "misplaced" | "empty_folder" => (StatusCode::BAD_REQUEST, "DEPLOYMENTS_VALIDATION_FAILED"),
        "bad_request" => (status, "SCHEMA_VALIDATION_FAILED"),
        "gate_unmet" if skips_a_step(problem) => (StatusCode::PRECONDITION_FAILED, "ErrPreReleaseNotReady"),
        "gate_unmet" => (StatusCode::PRECONDITION_FAILED, "GATE_UNMET"),
        other => return (status, other.to_ascii_uppercase()),
    };
    (status, code.to_owned())
}

/// Whether what is missing is that the version was in the environment before.
fn skips_a_step(problem: &Problem) -> bool {
    match problem.details.get("unmet").and_then(Value::as_array) {
        Some(unmet) => unmet.iter().any(|missing| matches!(missing["gate"].as_str(), Some("from" | "rolled_back"))),
        // Nothing of the agent is in the environment before.
        None => true,
    }
}
