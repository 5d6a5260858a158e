//! `GET /resolve?number=…&sip.X-Tier=gold`: which agent answers a call, where, and with which headers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use serde::Serialize;

use super::App;
use super::problem::{Problem, shortened};
use crate::domain::{AgentId, Digest, EnvironmentName};
use crate::live::{ServedVersion, Snapshot, Unrouted};

/// How many SIP headers are compared at most.
const MOST_HEADERS: usize = 64;

/// A call as the query tells it.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    number: String,
    headers: Vec<(String, String)>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ResolvedCall")]
pub(super) struct Answer<'s> {
    environment: &'s EnvironmentName,
    agent: &'s AgentId,
    version: ServedVersion,
    digest: Digest,
    /// SIP headers to hand to the agent.
    headers: &'s BTreeMap<String, String>,
}

/// `GET /resolve`
pub(super) async fn resolve(State(app): State<Arc<App>>, request: Request) -> Response {
    let snapshot = app.live.snapshot();
    match call(request.uri()) {
        Ok(call) => answer(&snapshot, &call).unwrap_or_else(IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

fn answer(snapshot: &Snapshot, call: &Call) -> Result<Response, Problem> {
    // A number belongs to one environment. One that moved may still stand in an environment that policy no longer
    // names; there, a route that leads somewhere is worth more than one that does not.
    let mut refused = None;
    for environment in snapshot.environments.values() {
        match environment.resolve(&call.number, &call.headers) {
            Ok(routed) => {
                let served = routed.served;
                let body = Answer {
                    environment: &environment.name,
                    agent: &served.agent,
                    version: served.version,
                    digest: served.digest,
                    headers: routed.set,
                };
                return Ok(([(http::header::CACHE_CONTROL, "no-cache")], Json(body)).into_response());
            }
            Err(Unrouted::UnknownNumber(_)) => {}
            Err(other) => refused = Some(other),
        }
    }
    let refused = refused.unwrap_or_else(|| Unrouted::UnknownNumber(shortened(&call.number).to_owned()));
    let (code, hint) = match &refused {
        Unrouted::UnknownNumber(_) => {
            ("unknown_number", "add it to [[environments.numbers]] in pointsman.toml".to_owned())
        }
        Unrouted::NoMatch(_) => ("no_match", "add a row without `match` for all other calls".to_owned()),
        Unrouted::NotServed { agent, environment, .. } => {
            ("not_served", format!("pointsman promote {agent} --to {environment}"))
        }
    };
    Err(Problem::new(http::StatusCode::NOT_FOUND, code, refused.to_string(), hint))
}

fn call(uri: &http::Uri) -> Result<Call, Problem> {
    let refused =
        |detail: String| Problem::bad_request(detail, "ask for /resolve?number=%2B442071234567&sip.X-Tier=gold");
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| refused("the query cannot be read".to_owned()))?;
    let mut number = None;
    let mut headers = Vec::new();
    for (key, value) in pairs {
        if key == "number" {
            if number.replace(value).is_some() {
                return Err(refused("`number` is given twice".to_owned()));
            }
        } else if let Some(name) = key.strip_prefix("sip.").filter(|name| !name.is_empty()) {
            headers.push((name.to_owned(), value));
        } else {
            return Err(refused(format!("`{}` is neither `number` nor `sip.<header>`", shortened(&key))));
        }
    }
    if headers.len() > MOST_HEADERS {
        return Err(refused(format!("more than {MOST_HEADERS} SIP headers are given")));
    }
    let number = number.filter(|number| !number.trim().is_empty());
    let number = number.ok_or_else(|| refused("`number` is missing".to_owned()))?;
    // In a query a plus that is not encoded is a space, and the plus of a number is often forgotten.
    let number = match number.strip_prefix(' ') {
        Some(rest) => format!("+{rest}"),
        None => number,
    };
    Ok(Call { number, headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_may_be_encoded_or_forgotten() {
        let number = |query: &str| call(&format!("/resolve?{query}").parse().unwrap()).unwrap().number;
        assert_eq!(number("number=%2B4420"), "+4420");
        assert_eq!(number("number=+4420"), "+4420");
        assert_eq!(number("number=%204420"), "+4420");
        assert_eq!(number("number=4420"), "4420");
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for query in ["", "number=", "number=+", "number=1&number=2", "numbr=1", "number=1&sip.=x", "number=1&x-tier=1"]
        {
            assert!(call(&format!("/resolve?{query}").parse().unwrap()).is_err(), "{query}");
        }
        let many: String = (0..100).map(|n| format!("&sip.X-{n}=1")).collect();
        assert!(call(&format!("/resolve?number=1{many}").parse().unwrap()).is_err());
        let fine = call(&"/resolve?number=1&sip.X-Tier=gold%20plus".parse().unwrap()).unwrap();
        assert_eq!(fine.headers, [("X-Tier".to_owned(), "gold plus".to_owned())]);
    }

    use crate::http::testing::{app, ask_for};

    #[tokio::test]
    async fn a_call_gets_its_agent_and_the_headers_to_set() {
        let app = app();
        let plain = ask_for(&app, "/resolve?number=%2B4420").await.json();
        assert_eq!((&plain["environment"], &plain["agent"]), (&"live".into(), &"support".into()));
        assert_eq!(plain["version"], 7);
        assert!(plain["digest"].as_str().unwrap().starts_with("sha256:"));
        assert_eq!(plain["headers"], serde_json::json!({"X-Queue": "all"}));
        let gold = ask_for(&app, "/resolve?number=+4420&sip.x-tier=gold&sip.Other=1").await.json();
        assert_eq!(gold["agent"], "emea/billing");
    }

    #[tokio::test]
    async fn a_call_that_nobody_answers_is_told_why() {
        let app = app();
        for (query, code) in
            [("number=%2B4499", "unknown_number"), ("number=%2B4422", "no_match"), ("number=%2B4421", "not_served")]
        {
            assert_eq!(ask_for(&app, &format!("/resolve?{query}")).await.problem(), (404, code.to_owned()), "{query}");
        }
        let reason = ask_for(&app, "/resolve?number=%2B4421").await.json();
        assert_eq!(reason["detail"], "`+4421` is routed to `old`, which is not served in `live`");
    }
}
