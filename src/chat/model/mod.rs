//! The client of a model endpoint: OpenAI's chat completions over HTTP. Names, addresses and keys are the operator's; an
//! agent brings the name of an endpoint and of a model, and no more of an error than its kind reaches a caller.
//!
//! Skills that the model asks for are noted and answered with "this is a sandbox": nothing is carried out.

mod events;
mod prompt;

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::agent::{Agent, Llm};
use super::offline;
use super::said::Said;
use super::store::Line;
use crate::operator::{Model, Settings};
use crate::ops::Problem;
use crate::targets;
use events::{Answer, Asked, Garbled, Lines};

/// Bytes of a reply, and of all that is read for one round of it.
const LARGEST_REPLY: usize = 64 << 10;
const LARGEST_ROUND: usize = 4 << 20;

/// How often a model may ask for skills before it must answer.
const MOST_ROUNDS: usize = 5;

/// How long a `Retry-After` may make us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The operator's model endpoints.
pub struct Models {
    endpoints: BTreeMap<String, Endpoint>,
}

struct Endpoint {
    model: Model,
    /// Why there is none is told when it is needed: no chat with another endpoint depends on it.
    client: Result<reqwest::Client, String>,
}

/// Why a model did not answer. The kinds are all that callers learn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    /// It cannot be reached.
    Unreachable,
    /// It answered with this status, and asked to wait as long.
    Status(StatusCode, Option<Duration>),
    /// It broke off.
    BrokeOff,
    /// It answered something that is not of the protocol.
    Garbled,
    /// It answered more than is taken.
    TooLarge,
    /// It took too long.
    TimedOut,
}

impl Failure {
    /// Whether the same may go well a moment later.
    fn passes(&self) -> bool {
        match self {
            Failure::Unreachable => true,
            Failure::Status(status, _) => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            _ => false,
        }
    }
}

impl From<Garbled> for Failure {
    fn from(_: Garbled) -> Self {
        Failure::Garbled
    }
}

impl Models {
    /// The endpoints of `settings`.
    pub fn new(settings: &Settings) -> Self {
        let endpoint = |model: &Model| Endpoint {
            model: model.clone(),
            client: targets::client(&settings.outgoing, model.reply_within),
        };
        let endpoints = settings.models.iter().map(|(name, model)| (name.clone(), endpoint(model)));
        Models { endpoints: endpoints.collect() }
    }

    /// Refuses an agent that names an endpoint which the operator does not have.
    pub fn check(&self, llm: &Llm) -> Result<(), Problem> {
        let fallback = llm.fallback.iter().map(|(endpoint, _)| endpoint);
        for name in std::iter::once(&llm.endpoint).chain(fallback) {
            let Some(endpoint) = self.endpoints.get(name) else {
                return Err(Problem::refused("unknown_model", format!("there is no model endpoint `{name}` here"))
                    .hint(format!(
                        "add [models.{name}] to the operator's file, or ask for the offline responder: --offline, in the \
                         API \"offline\": true"
                    )));
            };
            if name == &llm.endpoint && llm.model.is_none() && endpoint.model.model.is_none() {
                return Err(Problem::refused("unknown_model", format!("nothing says which model `{name}` is to use"))
                    .hint(format!("add `model` to the agent's llm block, or to [models.{name}]")));
            }
        }
        Ok(())
    }

    /// The reply to the last of `lines`, and its words one by one to `words` as they come.
    pub(super) async fn reply(
        &self,
        agent: &Agent,
        llm: &Llm,
        lines: &[Line],
        words: &UnboundedSender<String>,
    ) -> Result<Said, Problem> {
        self.check(llm)?;
        let mut said = Said::default();
        let first = (llm.endpoint.as_str(), llm.model.as_deref());
        let fallback = llm.fallback.as_ref().map(|(endpoint, model)| (endpoint.as_str(), Some(model.as_str())));
        let mut failed = None;
        for (name, model) in std::iter::once(first).chain(fallback) {
            let Some(endpoint) = self.endpoints.get(name) else { continue };
            let model = model.or(endpoint.model.model.as_deref()).unwrap_or_default();
            let body = prompt::request(agent, llm, model, lines);
            let limit = endpoint.model.reply_within;
            let done = tokio::time::timeout(limit, endpoint.converse(body, &mut said, words)).await;
            match done.unwrap_or(Err(Failure::TimedOut)) {
                Ok(()) => {
                    let broken: Vec<_> = offline::broken(agent, &said.content).collect();
                    broken.into_iter().for_each(|rule| Said::note(&mut said.guardrails, rule));
                    return Ok(said);
                }
                Err(failure) => {
                    tracing::warn!(endpoint = name, ?failure, "a model did not answer");
                    failed.get_or_insert((name, failure));
                    // Words that are out cannot be taken back for another model's.
                    if !said.content.is_empty() {
                        break;
                    }
                    said = Said::default();
                }
            }
        }
        let (name, failure) = failed.expect("the first endpoint is there: it was checked");
        Err(problem(name, failure))
    }
}

impl Endpoint {
    /// Rounds of asking until the model has answered.
    async fn converse(&self, mut body: Value, said: &mut Said, words: &UnboundedSender<String>) -> Result<(), Failure> {
        for _ in 0..MOST_ROUNDS {
            let calls = self.round(&body, said, words).await?;
            if calls.is_empty() {
                return Ok(());
            }
            for call in &calls {
                match call.name.as_str() {
                    prompt::HAND_OVER => said.handoff = true,
                    skill => Said::note(&mut said.skills, skill),
                }
            }
            let Some(messages) = body["messages"].as_array_mut() else { return Ok(()) };
            messages.push(asked(&calls));
            messages.extend(calls.iter().map(|call| {
                let told = "this is a sandbox: nothing was carried out; go on as if it had gone well";
                json!({ "role": "tool", "tool_call_id": call.id, "content": told })
            }));
        }
        // It asks and asks. What it said on the way is its answer.
        Ok(())
    }

    /// One request and its answer: the skills that the model asks for.
    async fn round(
        &self,
        body: &Value,
        said: &mut Said,
        words: &UnboundedSender<String>,
    ) -> Result<Vec<Asked>, Failure> {
        let send = || self.send(body);
        let waits = ExponentialBuilder::default().with_min_delay(Duration::from_millis(200)).with_max_times(3);
        let asked_to = |failure: &Failure, wait: Option<Duration>| match failure {
            Failure::Status(_, Some(asked)) => wait.map(|wait| wait.max(*asked)),
            _ => wait,
        };
        let response = send.retry(waits).when(Failure::passes).adjust(asked_to).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let streams = !kind.starts_with("application/json");
        let (mut answer, mut lines, mut whole) = (Answer::default(), Lines::default(), Vec::new());
        let (mut bytes, mut read) = (response.bytes_stream(), 0);
        let mut done = false;
        while let Some(part) = bytes.next().await {
            let part = part.map_err(|error| if error.is_timeout() { Failure::TimedOut } else { Failure::BrokeOff })?;
            read += part.len();
            if read > LARGEST_ROUND {
                return Err(Failure::TooLarge);
            }
            if !streams {
                whole.extend_from_slice(&part);
                continue;
            }
            for data in lines.take(&part)? {
                done |= data == "[DONE]";
                if !done {
                    hear(&answer.take(&data)?, said, words)?;
                }
            }
            if done {
                break;
            }
        }
        if streams && !done {
            // Some end the stream without the last word; one that was not at its end broke off.
            if let Some(data) = lines.end()?.filter(|data| data != "[DONE]") {
                hear(&answer.take(&data)?, said, words)?;
            }
            if !answer.ended {
                return Err(Failure::BrokeOff);
            }
        } else if !streams {
            let whole = std::str::from_utf8(&whole).map_err(|_| Failure::Garbled)?;
            hear(&answer.take(whole)?, said, words)?;
        }
        Ok(answer.calls)
    }

    async fn send(&self, body: &Value) -> Result<reqwest::Response, Failure> {
        let client = self.client.as_ref().map_err(|error| {
            tracing::error!(error, "models cannot be called");
            Failure::Unreachable
        })?;
        let mut request = client
            .post(format!("{}/chat/completions", self.model.url))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json");
        if let Some(key) = &self.model.key {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.reveal()));
        }
        let response = request.body(body.to_string()).send().await.map_err(|error| {
            tracing::debug!(error = targets::chain(&error), "a model cannot be reached");
            if error.is_timeout() && !error.is_connect() { Failure::TimedOut } else { Failure::Unreachable }
        })?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => {
                let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                Err(Failure::Status(status, wait.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT))))
            }
        }
    }
}

/// Takes words into the reply and passes them on. Nobody may be listening any more: the reply is kept all the same.
fn hear(text: &str, said: &mut Said, words: &UnboundedSender<String>) -> Result<(), Failure> {
    if text.is_empty() {
        return Ok(());
    }
    if said.content.len() + text.len() > LARGEST_REPLY {
        return Err(Failure::TooLarge);
    }
    said.content.push_str(text);
    let _ = words.send(text.to_owned());
    Ok(())
}

/// What the model said when it asked for skills, as it wants to hear it again.
fn asked(calls: &[Asked]) -> Value {
    let calls = calls.iter().map(|call| {
        json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } })
    });
    json!({ "role": "assistant", "content": null, "tool_calls": calls.collect::<Vec<_>>() })
}

fn problem(name: &str, failure: Failure) -> Problem {
    let (code, what) = match failure {
        Failure::Unreachable => ("model_failed", "cannot be reached".to_owned()),
        Failure::Status(status, _) => ("model_failed", format!("answered {}", status.as_u16())),
        Failure::BrokeOff => ("model_failed", "broke off in the middle of its answer".to_owned()),
        Failure::Garbled => ("model_failed", "answered something that is not of OpenAI's protocol".to_owned()),
        Failure::TooLarge => ("model_failed", "answered more than is taken".to_owned()),
        Failure::TimedOut => ("model_timeout", "took too long".to_owned()),
    };
    Problem::refused(code, format!("the model endpoint `{name}` {what}"))
        .hint("send the message again; if it stays so, see the controller's log and [models] in the operator's file")
}
