//! One endpoint: rounds of asking and answering. What fails before the first byte is tried again; what fails later is not,
//! because words may be out.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::events::{Answer, Asked, Lines};
use super::{Failure, prompt};
use crate::chat::agent::Agent;
use crate::chat::said::Said;
use crate::operator::{Model, Outgoing};
use crate::targets;

/// Bytes of a reply, and of all that is read for one round of it.
const LARGEST_REPLY: usize = 64 << 10;
const LARGEST_ROUND: usize = 4 << 20;

/// How often a model may ask for skills before it must answer.
const MOST_ROUNDS: usize = 5;

/// How long a `Retry-After` may make us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A model endpoint and the client that calls it.
pub(super) struct Endpoint {
    pub(super) model: Model,
    /// Why there is none is told when it is needed: no chat with another endpoint depends on it.
    client: Result<reqwest::Client, String>,
}

impl Endpoint {
    pub(super) fn new(model: &Model, outgoing: &Outgoing) -> Self {
        Endpoint { model: model.clone(), client: targets::client(outgoing, model.reply_within) }
    }

    /// Rounds of asking until the model has answered.
    pub(super) async fn converse(
        &self,
        agent: &Agent,
        mut body: Value,
        said: &mut Said,
        words: &UnboundedSender<String>,
    ) -> Result<(), Failure> {
        for _ in 0..MOST_ROUNDS {
            let calls = self.round(&body, said, words).await?;
            if calls.is_empty() {
                return Ok(());
            }
            let Some(messages) = body["messages"].as_array_mut() else { return Ok(()) };
            messages.push(asked(&calls));
            for call in &calls {
                let skill = agent.skills.iter().find(|skill| prompt::tool_name(&skill.name) == call.name);
                let told = match skill {
                    Some(skill) => {
                        Said::note(&mut said.skills, &skill.name);
                        "this is a sandbox: nothing was carried out; go on as if it had gone well"
                    }
                    None if call.name == prompt::HAND_OVER => {
                        said.handoff = true;
                        "a person takes over after your next words"
                    }
                    None => "there is no such skill",
                };
                messages.push(json!({ "role": "tool", "tool_call_id": call.id, "content": told }));
            }
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
