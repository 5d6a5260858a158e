//! `POST /chat/completions`, by OpenAI's protocol, so that any program that speaks it talks to an agent: `model` is the
//! agent's id, and what is published answers. The caller keeps the conversation; instructions among its messages are the
//! agent's business and not read. (OpenAI API reference, "Create chat completion" and "Errors".)

use axum::response::Response;
use serde_json::{Value, json};

use super::chat::{Telling, begun, wish};
use super::wire::{Completion, CompletionChoice, CompletionMessage, CompletionRequest, CompletionWords};
use crate::api::answer::{Answer, Refusal, json_response};
use crate::api::call::{Asked, Call};
use crate::chat::{Role, Spoken};
use crate::domain::{AgentId, Digest, VersionNumber};
use crate::ops::{Problem, pinned};
use crate::tokens::Right;

/// Messages that a caller may send along.
const MOST_MESSAGES: usize = 1_000;

/// What the parts of an answer are called.
const PART: &str = "chat.completion.chunk";

/// Whether a call is of this protocol.
pub(super) fn speaks(asked: &Asked) -> bool {
    asked.uri.path().ends_with("/chat/completions")
}

/// The text of a message, whole or in parts.
fn text(message: &CompletionMessage) -> String {
    match &message.content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// `POST /chat/completions`
pub(super) fn complete(call: &Call) -> Result<Answer, Problem> {
    let said: CompletionRequest = call.said()?;
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
        "user" => Some((Role::User, text(message))),
        "assistant" => Some((Role::Assistant, text(message))),
        _ => None,
    });
    let heard: Vec<_> = heard.collect();
    let pinned = pinned::live(&call.workspace, &agent, None).map_err(|problem| match problem.code.as_str() {
        "unknown_agent" => unknown(),
        _ => problem,
    })?;
    let talk = call.api.sandbox.complete(&pinned, heard, &wish(call, false)?)?;
    let stub = Stub {
        id: format!("chatcmpl-{}", talk.session_id),
        created: jiff::Timestamp::now().as_second(),
        agent,
        version: pinned.version,
        digest: pinned.digest,
    };
    let streams = said.stream == Some(true);
    Ok(Answer::later(async move {
        if streams {
            return begun(talk, &stub).await;
        }
        let spoken = talk.end().await?;
        let words = CompletionWords { role: Some("assistant"), content: Some(spoken.line.said.content.clone()) };
        let mut whole = stub.of(&spoken).part(CompletionWords::default(), Some("stop"));
        whole.object = "chat.completion";
        (whole.choices[0].message, whole.choices[0].delta) = (Some(words), None);
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
    /// The same of an answer that may be an older one, which the caller's key named.
    fn of(&self, spoken: &Spoken) -> Self {
        let id = format!("chatcmpl-{}", spoken.session_id);
        Stub { id, version: spoken.version, digest: spoken.digest, ..self.clone() }
    }

    fn part(&self, delta: CompletionWords, finish_reason: Option<&'static str>) -> Completion {
        let choice = CompletionChoice { index: 0, message: None, delta: Some(delta), logprobs: None, finish_reason };
        Completion {
            id: self.id.clone(),
            object: PART,
            created: self.created,
            model: self.agent.clone(),
            system_fingerprint: self.digest,
            version: self.version,
            digest: self.digest,
            choices: [choice],
        }
    }
}

impl Telling for Stub {
    fn words(&self, words: &str) -> String {
        let delta = CompletionWords { role: Some("assistant"), content: Some(words.to_owned()) };
        format!("data: {}\n\n", json!(self.part(delta, None)))
    }

    fn end(&self, spoken: &Spoken, told: bool) -> String {
        // An answer that was given before comes in one piece.
        let content = &spoken.line.said.content;
        let before = if told { String::new() } else { self.of(spoken).words(content) };
        let last = self.of(spoken).part(CompletionWords::default(), Some("stop"));
        format!("{before}data: {}\n\ndata: [DONE]\n\n", json!(last))
    }

    fn error(&self, problem: Problem) -> String {
        format!("data: {}\n\n", with_error(Refusal::from(problem)))
    }
}

/// A refusal as any, with `error` beside it as the protocol has it.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let (status, header) = (refusal.status, refusal.header.clone());
    let mut response = json_response(status, "application/problem+json", &with_error(refusal));
    response.headers_mut().extend(header.map(|(name, value)| (name, http::HeaderValue::from_static(value))));
    response
}

fn with_error(refusal: Refusal) -> Value {
    let kind = match refusal.status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let Problem { code, message, hint, .. } = &*refusal.problem;
    let hint = hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
    let param = (code == "model_not_found").then_some("model");
    let error = json!({ "message": format!("{message}{hint}"), "type": kind, "param": param, "code": code });
    let mut body = refusal.body();
    body["error"] = error;
    body
}
