//! A call: who makes it, what it names, and what it says. The one place that asks whether it is allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use super::Api;
use crate::domain::{AgentId, EnvironmentName, VersionNumber};
use crate::ops::{Problem, Workspace, idempotency};
use crate::tokens::{Need, Right, Token};

/// The head of a request.
pub(super) struct Asked {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl Asked {
    /// A header that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// One call.
pub struct Call {
    /// The repository, with the caller as author.
    pub(super) workspace: Workspace,
    pub(super) token: Token,
    /// What stands at the placeholders of the path, decoded.
    pub(super) path: BTreeMap<String, String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: serde_json::Value,
    pub(super) asked: Arc<Asked>,
    pub(super) api: Arc<Api>,
}

impl Call {
    /// A header that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.asked.header(name)
    }

    /// The key under which the answer is kept. One that is not even text must not be taken for none.
    pub(super) fn idempotency_key(&self) -> Result<Option<String>, Problem> {
        let Some(value) = self.asked.headers.get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().unwrap_or_default();
        idempotency::must_be_a_key(key)?;
        Ok(Some(key.to_owned()))
    }

    /// Refuses what no scope of the token allows. A refusal names the missing scope and nothing else, so it never tells
    /// whether an agent exists.
    pub(super) fn authorise(&self, right: Right, agent: Option<&AgentId>) -> Result<(), Problem> {
        if self.token.allows(&Need { right: right.clone(), agent }) {
            return Ok(());
        }
        Err(lacks(&right, agent))
    }

    /// The refusal of an id that names nothing: only who has `right` over all agents is told so. To others it is what an
    /// agent is that they have no right to.
    pub(super) fn unknown(&self, right: Right, unknown: Problem) -> Problem {
        if self.token.allows_everywhere(&right) {
            return unknown;
        }
        lacks(&right, None)
    }

    /// Whether the caller may read, change or deploy `agent`, so that it is no secret to them.
    pub(super) fn knows(&self, agent: &AgentId) -> bool {
        self.token.scopes.iter().any(|scope| match scope.right {
            Right::AgentsRead | Right::AgentsWrite | Right::Deploy(_) | Right::Admin => scope.covers(agent),
            Right::ChatWrite | Right::Approve(_) => false,
        })
    }

    /// Whether the caller may read `agent`; lists are cut to these.
    pub(super) fn may_read(&self, agent: &AgentId) -> bool {
        self.token.allows(&Need { right: Right::AgentsRead, agent: Some(agent) })
    }

    /// Whether the caller may read every agent, and so what is about none.
    pub(super) fn may_read_all(&self) -> bool {
        self.token.allows_everywhere(&Right::AgentsRead)
    }

    /// The agent of the path.
    pub(super) fn agent(&self) -> Result<AgentId, Problem> {
        Ok(self.named("agent").parse()?)
    }

    /// What the path says at `name`.
    pub(super) fn named(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The version of the path: a number as `7` or `v7`, or its id.
    pub(super) fn version(&self, agent: &AgentId) -> Result<VersionNumber, Problem> {
        self.version_called(agent, self.named("version"))
    }

    /// The version of `agent` that is called `text`.
    pub(super) fn version_called(&self, agent: &AgentId, text: &str) -> Result<VersionNumber, Problem> {
        if let Ok(number) = text.parse() {
            return Ok(number);
        }
        let versions = crate::ops::inspect::versions(&self.workspace, agent)?;
        let found = versions.iter().find(|version| version.id == text);
        found.map(|version| version.version).ok_or_else(|| {
            Problem::refused("unknown_version", format!("`{agent}` has no version `{text}`"))
                .hint("name it as v7, or by the id that GET …/versions lists")
        })
    }

    /// The body as `T`; a call without one says nothing.
    pub(super) fn said<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = if self.body.is_null() { serde_json::json!({}) } else { self.body.clone() };
        if !body.is_object() {
            // A list would be taken for the fields in their order.
            return Err(Problem::usage("bad_request", "the body is no object").hint("send {\"<field>\": …}"));
        }
        serde_json::from_value(body).map_err(|error| {
            Problem::usage("bad_request", format!("the body does not fit: {error}"))
                .hint("the route's schema is in /openapi.json")
        })
    }

    /// An environment by name.
    pub(super) fn environment(name: &str) -> Result<EnvironmentName, Problem> {
        name.parse().map_err(|error: crate::domain::environment::InvalidEnvironmentName| {
            Problem::usage("bad_request", error.to_string()).hint("GET /api/v1/environments lists them")
        })
    }
}

/// The refusal that names a missing scope.
fn lacks(right: &Right, agent: Option<&AgentId>) -> Problem {
    let of = agent.map(|agent| format!("@{agent}")).unwrap_or_default();
    Problem::refused("forbidden", format!("this token lacks the scope `{right}{of}`"))
        .hint(format!("pointsman token create --name <name> --scope {right}{of}"))
        .details(serde_json::json!({ "missingScope": format!("{right}{of}") }))
}
