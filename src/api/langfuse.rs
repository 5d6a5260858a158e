//! Langfuse's one route that applications read prompts by, so that whatever is instrumented for it gets the prompt that is
//! live from here. docs/langfuse.md says how their words and ours belong together.
//!
//! A label is an environment, a version is a version's number, a name is an agent's id. The prompt is what the frozen
//! config says to the model, as text; `<agent>:chat` is the same as chat messages, the greeting included.

use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, json_response};
use super::call::{Asked, Call};
use super::route::{Needs, Route, route};
use super::surface::Surface;
use crate::compile::prompt::Prompt;
use crate::domain::AgentId;
use crate::ops::Problem;
use crate::ops::inspect::{self, VersionView};
use crate::ops::side::{self, SideName};

const ROUTES: &[Route] =
    &[route("GET", "/v2/prompts/{*agent}", Needs::Read, "The prompt of a version, by label or number", prompt)];

/// `/api/public`.
pub static SURFACE: Surface = Surface {
    name: "langfuse",
    prefix: "/api/public",
    routes: ROUTES,
    token: secret_key,
    hint: "set LANGFUSE_SECRET_KEY to a token; pointsman token create makes one",
    agent: |call| Ok(Some(named(call)?.0)),
    accept: |answer: Answer, _: &Asked| json_response(answer.status, "application/json", &answer.data),
    refuse,
};

/// What Langfuse gives whoever names neither label nor version.
const PRODUCTION: &str = "production";

/// The newest version, wherever it is.
const LATEST: &str = "latest";

/// What a name ends in where chat messages are wanted. No agent id has a colon.
const CHAT: &str = ":chat";

/// The password of basic authentication; the user is the public key, which says nothing here.
fn secret_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(encoded.trim()).ok())??;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

fn refuse(refusal: Refusal, _: &Asked) -> Response {
    let Refusal { status, problem, header, .. } = refusal;
    let name = match status {
        StatusCode::BAD_REQUEST => "InvalidRequestError",
        StatusCode::UNAUTHORIZED => "UnauthorizedError",
        StatusCode::FORBIDDEN => "ForbiddenError",
        StatusCode::NOT_FOUND => "LangfuseNotFoundError",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowedError",
        StatusCode::CONFLICT => "LangfuseConflictError",
        _ => "InternalServerError",
    };
    let message = match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.message),
        None => problem.message.clone(),
    };
    let mut response = json_response(status, "application/json", &json!({ "error": name, "message": message }));
    let headers = response.headers_mut();
    headers.extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"pointsman\""));
    }
    response
}

/// The agent of the path, and whether its prompt is wanted as chat messages.
fn named(call: &Call) -> Result<(AgentId, bool), Problem> {
    let name = call.named("agent");
    let chat = name.strip_suffix(CHAT);
    let agent = chat.unwrap_or(name).parse().map_err(|error: crate::domain::agent_id::InvalidAgentId| {
        Problem::refused("unknown_agent", error.to_string()).hint("a prompt's name is the id of an agent")
    })?;
    Ok((agent, chat.is_some()))
}

/// `GET /v2/prompts/{name}?label=|version=`
fn prompt(call: &Call) -> Result<Answer, Problem> {
    let (agent, chat) = named(call)?;
    let versions = inspect::versions(&call.workspace, &agent)?;
    let policy = call.workspace.policy()?;
    let published = policy.published().map(|environment| &environment.name);
    let environments: Vec<&str> = policy.environments.iter().map(|environment| environment.name.as_str()).collect();
    let newest = versions.iter().find(|version| version.revoked.is_none()).map(|version| version.version);
    let labels = |version: &VersionView| {
        let mut labels: Vec<&str> = version.environments.iter().map(|name| name.as_str()).collect();
        if published.is_some_and(|name| version.environments.contains(name)) && !environments.contains(&PRODUCTION) {
            labels.push(PRODUCTION);
        }
        if newest == Some(version.version) && !environments.contains(&LATEST) {
            labels.push(LATEST);
        }
        labels.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (label, number) = (call.query.get("label"), call.query.get("version"));
    let found = match (label, number) {
        (Some(_), Some(_)) => {
            return Err(Problem::usage("bad_request", "a prompt is asked for by `label` or by `version`, not by both")
                .hint("leave one of them out"));
        }
        (None, Some(number)) => {
            let number: crate::domain::VersionNumber =
                number.parse().map_err(|error| Problem::usage("bad_request", format!("{error}")).hint("?version=3"))?;
            versions.iter().find(|version| version.version == number)
        }
        (label, None) => {
            let label = label.map_or(PRODUCTION, String::as_str);
            versions.iter().find(|version| labels(version).iter().any(|name| name == label))
        }
    };
    let found = found.ok_or_else(|| not_found(&agent, label, number))?;
    let side = side::find(&call.workspace, &agent, &SideName::Version(found.version))?;
    let config = side::config(&call.workspace, &side)?.0.unwrap_or_default();
    let said = Prompt::of(&config).ok_or_else(|| {
        Problem::refused(
            "not_served",
            format!("`{agent}` {} has no prompt that could be told from its files", found.version),
        )
        .hint("GET /config/<environment>/<agent> has all of its config")
    })?;
    Answer::ok(&json!({
        "id": found.id,
        "name": call.named("agent"),
        "version": found.version,
        "type": if chat { "chat" } else { "text" },
        "prompt": if chat { messages(&said) } else { json!(said.system) },
        "config": config,
        "labels": labels(found),
        "tags": tags(found),
        "commitMessage": found.note,
        "createdAt": found.published_at.to_string(),
        "updatedAt": found.published_at.to_string(),
        "createdBy": found.published_by.email,
        "resolutionGraph": null,
    }))
}

fn messages(prompt: &Prompt) -> Value {
    let message = |role, content: &str| json!({ "role": role, "content": content });
    let greeting = prompt.greeting.as_deref().map(|greeting| message("assistant", greeting));
    [message("system", &prompt.system)].into_iter().chain(greeting).collect()
}

/// The kind of the folder, and the group that the agent's id names.
fn tags(version: &VersionView) -> Vec<String> {
    let group = version.agent_id.as_str().rsplit_once('/').map(|(group, _)| group.to_owned());
    [version.kind.clone()].into_iter().chain(group).collect()
}

fn not_found(agent: &AgentId, label: Option<&String>, number: Option<&String>) -> Problem {
    let asked = match (label, number) {
        (_, Some(number)) => format!("version {number}"),
        (Some(label), None) => format!("label `{label}`"),
        (None, None) => format!("label `{PRODUCTION}`"),
    };
    Problem::refused("unknown_version", format!("prompt not found: `{agent}` with {asked}")).hint(
        "a label is an environment that serves the agent, `production` the published one, `latest` the newest version",
    )
}
