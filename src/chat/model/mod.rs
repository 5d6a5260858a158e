//! The client of a model endpoint: OpenAI's chat completions over HTTP. Names, addresses and keys are the operator's; an
//! agent brings the name of an endpoint and of a model, and no more of an error than its kind reaches a caller.
//!
//! Skills that the model asks for are noted and answered with "this is a sandbox": nothing is carried out.

mod endpoint;
mod events;
mod prompt;

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::mpsc::UnboundedSender;

use super::agent::{Agent, Llm};
use super::offline;
use super::said::Said;
use super::store::Line;
use crate::operator::{Model, Settings};
use crate::ops::Problem;
use endpoint::Endpoint;
use events::Garbled;

/// The operator's model endpoints.
pub struct Models {
    endpoints: BTreeMap<String, Endpoint>,
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
        let endpoint = |(name, model): (&String, &Model)| (name.clone(), Endpoint::new(model, &settings.outgoing));
        let endpoints = settings.models.iter().map(endpoint);
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
            let done = tokio::time::timeout(limit, endpoint.converse(agent, body, &mut said, words)).await;
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
