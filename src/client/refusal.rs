//! A problem on the wire, as the problem that it was where it arose.

use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::compile::Finding;
use crate::ops::{Kind, Problem};

/// What of a problem matters here.
#[derive(Deserialize)]
struct Wire {
    code: String,
    detail: String,
    hint: Option<String>,
    #[serde(default)]
    details: Value,
    #[serde(default)]
    errors: Vec<Value>,
}

/// The problem that `body` tells. What a proxy in between answers is told as such.
pub(super) fn refusal(status: StatusCode, body: &[u8], address: &Url) -> Problem {
    let Ok(wire) = serde_json::from_slice::<Wire>(body) else {
        return Problem::refused(
            "strange_answer",
            format!("`{address}` answers {status}, and not as a controller does"),
        )
        .hint("is there a controller? curl <server>/healthz");
    };
    let mut problem = Problem::refused(&wire.code, wire.detail).details(wire.details);
    problem.hint = wire.hint;
    problem.kind = match status {
        StatusCode::BAD_REQUEST => Kind::Usage,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Kind::Waited,
        _ => Kind::Refused,
    };
    let findings: Option<Vec<Finding>> = wire.errors.into_iter().map(|one| serde_json::from_value(one).ok()).collect();
    match findings.filter(|findings| !findings.is_empty()) {
        Some(findings) => problem.findings(&findings),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Problem {
        refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &"http://a".parse().unwrap())
    }

    #[test]
    fn a_refusal_is_the_one_that_it_was() {
        let body = r#"{"type":"/problems/gate_unmet","title":"Conflict","status":409,"detail":"no","code":"gate_unmet",
            "success":false,"errors":[{"message":"no"}],"hint":"wait","details":{"unmet":[1]}}"#;
        let problem = of(409, body);
        assert_eq!((problem.code.as_str(), problem.exit_code()), ("gate_unmet", 1));
        assert_eq!((problem.hint.as_deref(), &problem.details["unmet"][0]), (Some("wait"), &1.into()));
        assert!(problem.findings.is_none());
        assert_eq!(of(400, body).exit_code(), 2);
        assert_eq!(of(504, body).exit_code(), 3);
    }

    #[test]
    fn a_page_of_a_proxy_is_told_as_such() {
        assert_eq!(of(502, "<html>Bad gateway</html>").code, "strange_answer");
        assert_eq!(of(301, "").code, "strange_answer");
    }
}
