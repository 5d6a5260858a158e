//! `POST /chat/completions`, by OpenAI's protocol, so that any program that speaks it talks to an agent: `model` is the
//! agent's id, and what is published answers. The caller keeps the conversation; instructions among its messages are the
//! agent's business and not read. (OpenAI API reference, "Create chat completion" and "Errors".)

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::{Telling, begun, live, wish};
use crate::api::answer::{Answer, Refusal, json_response};
use crate::api::call::{Asked, Call};
use crate::chat::{Role, Spoken};
use crate::domain::{AgentId, Digest, VersionNumber};
use crate::ops::Problem;
use crate::tokens::Right;

/// Messages that a caller may send along.
const MOST_MESSAGES: usize = 1_000;

/// Whether a call is of this protocol.
pub(super) fn speaks(asked: &Asked) -> bool {
    asked.uri.path().ends_with("/chat/completions")
}

/// The body; what else it says is about models, and the agent decides on those.
#[derive(Debug, Deserialize)]
struct Request {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

impl Message {
    /// Its text, whole or in parts.
    fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }
}

/// `POST /chat/completions`
pub(super) fn complete(call: &Call) -> Result<Answer, Problem> {
    let said: Request = call.said()?;
    let unknown = || {
        Problem::usage(
            "model_not_found",
            format!("there is no agent `{}`", said.model.chars().take(100).collect::<String>()),
        )
        .hint("`model` is an agent's id; GET /api/v1/agents lists them")
    };
    let agent: AgentId = said.model.parse().map_err(|_| unknown())?;
    call.authorise(Right::ChatWrite, Some(&agent))?;
    if said.messages.len() > MOST_MESSAGES {
        return Err(Problem::usage("bad_request", format!("there are more than {MOST_MESSAGES} messages"))
            .hint("send the newest"));
    }
    let heard = said.messages.iter().filter_map(|message| match message.role.as_str() {
        "user" => Some((Role::User, message.text())),
        "assistant" => Some((Role::Assistant, message.text())),
        _ => None,
    });
    let heard: Vec<_> = heard.collect();
    let pinned = live(call, &agent, None).map_err(|problem| match problem.code.as_str() {
        "unknown_agent" => unknown(),
        _ => problem,
    })?;
    let talk = call.api.sandbox.complete(&pinned, heard, &wish(call, false))?;
    let stub = Stub {
        id: format!("chatcmpl-{}", talk.session_id),
        created: jiff::Timestamp::now().as_second(),
        agent,
        version: pinned.version,
        digest: pinned.digest,
    };
    let streams = said.stream;
    Ok(Answer::later(async move {
        if streams {
            return begun(talk, &stub).await;
        }
        let spoken = talk.end().await?;
        let mut whole = stub.of(&spoken, "chat.completion");
        let content = &spoken.line.said.content;
        whole["choices"] = json!([{ "index": 0, "message": { "role": "assistant", "content": content },
            "logprobs": null, "finish_reason": "stop" }]);
        Answer::ok(&whole)
    }))
}

/// What is the same in all parts of an answer.
#[derive(Clone)]
struct Stub {
    id: String,
    created: i64,
    agent: AgentId,
    version: Option<VersionNumber>,
    digest: Digest,
}

impl Stub {
    fn part(&self, object: &str) -> Value {
        json!({ "id": self.id, "object": object, "created": self.created, "model": self.agent,
            "system_fingerprint": self.digest, "version": self.version, "digest": self.digest })
    }

    /// The same of an answer that may be an older one, which the caller's key named.
    fn of(&self, spoken: &Spoken, object: &str) -> Value {
        let mut part = self.part(object);
        part["id"] = json!(format!("chatcmpl-{}", spoken.session_id));
        part["system_fingerprint"] = json!(spoken.digest);
        (part["version"], part["digest"]) = (json!(spoken.version), json!(spoken.digest));
        part
    }

    fn chunk(mut part: Value, delta: &Value, finish: Option<&str>) -> String {
        part["choices"] = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]);
        format!("data: {part}\n\n")
    }
}

impl Telling for Stub {
    fn words(&self, words: &str) -> String {
        let part = self.part("chat.completion.chunk");
        Self::chunk(part, &json!({ "role": "assistant", "content": words }), None)
    }

    fn end(&self, spoken: &Spoken, told: bool) -> String {
        let part = self.of(spoken, "chat.completion.chunk");
        // An answer that was given before comes in one piece.
        let content =
            if told { json!({}) } else { json!({ "role": "assistant", "content": spoken.line.said.content }) };
        format!("{}data: [DONE]\n\n", Self::chunk(part, &content, Some("stop")))
    }

    fn error(&self, problem: Problem) -> String {
        format!("data: {}\n\n", error(Refusal::from(problem)))
    }
}

/// A refusal in the protocol's shape.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let (status, header) = (refusal.status, refusal.header.clone());
    let mut response = json_response(status, "application/json", &error(refusal));
    response.headers_mut().extend(header.map(|(name, value)| (name, http::HeaderValue::from_static(value))));
    response
}

fn error(refusal: Refusal) -> Value {
    let Refusal { status, problem, .. } = refusal;
    let kind = match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let hint = problem.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
    let param = (problem.code == "model_not_found").then_some("model");
    json!({ "error": { "message": format!("{}{hint}", problem.message), "type": kind, "param": param, "code": problem.code } })
}
