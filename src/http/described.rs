//! What the data plane takes and answers, for the description at `/openapi.json`. A test holds it against the router.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::health::Report;
use super::resolve::Answer as Resolved;
use crate::describe::{Content, Parameter, Told, header, query, shape, shapes, told};
use crate::domain::{AgentId, Digest, EnvironmentName, ObjectId};
use crate::live::{Event, ServedVersion};

/// Whom a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Anybody.
    Anybody,
    /// Whoever shows a read token; without any tokens, callers on this machine.
    Readers,
    /// A forge that signs with this header, or shows its token in it.
    Signer(&'static str),
}

/// One route of the data plane.
pub struct Described {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Its path. An agent's id may hold slashes, written plainly or percent-encoded.
    pub path: &'static str,
    /// Who may call it.
    pub audience: For,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// More about it.
    pub about: &'static str,
    /// What its query and headers may say.
    pub takes: &'static [Parameter],
    /// Whether it takes a body, which is never looked into.
    pub body: bool,
    /// What it answers.
    pub answers: &'static [Told],
    /// Statuses and codes of its problems.
    pub refuses: &'static [(u16, &'static str)],
}

/// Everything that an environment serves.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code, reason = "it stands for what `feed` writes, and is only described")]
#[schemars(rename = "EnvironmentListing")]
struct Listing {
    /// The environment.
    environment: EnvironmentName,
    /// How many commits its line has; it only grows.
    height: u64,
    /// The accepted commit.
    head: ObjectId,
    /// What is served, by agent.
    agents: BTreeMap<AgentId, Line>,
    /// Agents that were served and are no more.
    retired: Vec<AgentId>,
}

/// One agent's line.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code, reason = "as above")]
#[schemars(rename = "ServedAgent")]
struct Line {
    /// The version.
    version: ServedVersion,
    /// Digest of its config.
    digest: Digest,
}

/// One agent as a watcher is told of it.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code, reason = "as above")]
#[schemars(rename = "WatchedAgent")]
struct Watched {
    /// The environment.
    environment: EnvironmentName,
    /// How many commits its line has.
    height: u64,
    /// The agent.
    agent: AgentId,
    /// The version; absent once it is retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<ServedVersion>,
    /// Digest of its config; absent once it is retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
}

impl JsonSchema for ServedVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServedVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The number of a version; `draft` where a working tree is served to whoever develops in it.",
            "oneOf": [{ "type": "integer", "minimum": 1 }, { "const": "draft" }],
        })
    }
}

/// A frozen config: whatever the agent's kind makes of it.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "description": "A frozen config: canonical JSON." })
}

const IF_NONE_MATCH: Parameter = header("If-None-Match", "The ETag that the caller has already.", shapes::text);
const LAST_EVENT_ID: Parameter =
    header("Last-Event-ID", "The id of the last event that the reader saw; it gets what came since.", shapes::text);
const UNCHANGED: Told = told(304, "The caller has it already.", Content::Nothing);
const ETAG_OF_HEAD: (&str, &str) = ("ETag", "The accepted commit.");
const OF_AN_AGENT: &[(&str, &str)] =
    &[("ETag", "The digest of the config."), ("X-Agent-Version", "The version, as `v7`.")];

const NO_ENVIRONMENT: (u16, &str) = (404, "no_such_environment");
const NOT_SERVED: (u16, &str) = (404, "not_served");
const BAD: (u16, &str) = (400, "bad_request");

const HOOK_REFUSALS: &[(u16, &str)] =
    &[(400, "bad_request"), (401, "unauthorized"), (404, "no_such_hook"), (408, "timeout"), (413, "too_large")];

const HOOK_ANSWERS: &[Told] = &[told(202, "The controller looks again.", Content::Nothing)];

const fn get(path: &'static str, audience: For, summary: &'static str) -> Described {
    let (takes, answers, refuses): (&[_], &[_], &[_]) = (&[], &[], &[]);
    Described { method: "GET", path, audience, summary, about: "", takes, body: false, answers, refuses }
}

const fn hook(path: &'static str, proof: &'static str) -> Described {
    Described {
        method: "POST",
        about: "Limited to 5 MiB, verified, and then not believed: it only makes the controller look again.",
        body: true,
        answers: HOOK_ANSWERS,
        refuses: HOOK_REFUSALS,
        ..get(path, For::Signer(proof), "Say that something was pushed")
    }
}

/// All of them.
pub static ROUTES: &[Described] = &[
    Described {
        takes: &[IF_NONE_MATCH],
        answers: &[
            told(200, "Agents, versions and digests.", Content::Plain(shape::<Listing>)).headers(&[ETAG_OF_HEAD]),
            UNCHANGED,
        ],
        refuses: &[NO_ENVIRONMENT, BAD],
        ..get("/config/{environment}", For::Readers, "What an environment serves")
    },
    Described {
        about: "From memory: it never waits for git or for a pass.",
        takes: &[IF_NONE_MATCH],
        answers: &[told(200, "The frozen config.", Content::Plain(any_object)).headers(OF_AN_AGENT), UNCHANGED],
        refuses: &[NO_ENVIRONMENT, NOT_SERVED, (410, "retired"), BAD],
        ..get("/config/{environment}/{agent}", For::Readers, "The config that calls and chats get")
    },
    Described {
        about: "Server-sent events: `snapshot` says everything now, `change` the agents that changed since. Level-triggered: a slow reader skips what was replaced before it looked.",
        takes: &[LAST_EVENT_ID],
        answers: &[told(200, "Events without end.", Content::Events(&[shape::<Listing>]))],
        refuses: &[NO_ENVIRONMENT, BAD],
        ..get("/watch/{environment}", For::Readers, "Follow an environment")
    },
    Described {
        about: "Server-sent events: `version` with what is served now and at each change, `retired` where it no longer is.",
        takes: &[LAST_EVENT_ID],
        answers: &[told(200, "Events without end.", Content::Events(&[shape::<Watched>]))],
        refuses: &[NO_ENVIRONMENT, NOT_SERVED, BAD],
        ..get("/watch/{environment}/{agent}", For::Readers, "Follow an agent")
    },
    Described {
        about: "SIP headers are given as `sip.<header>`, at most 64 of them.",
        takes: &[
            query("number", "The number that is called; its plus is written %2B.", shapes::called_number).required(),
            query("sip.X-Tier", "A SIP header of the call; any name may follow `sip.`.", shapes::text),
        ],
        answers: &[told(200, "Who answers, and the headers to set.", Content::Plain(shape::<Resolved<'static>>))],
        refuses: &[(404, "unknown_number"), (404, "no_match"), NOT_SERVED, BAD],
        ..get("/resolve", For::Readers, "Which agent a call gets")
    },
    Described {
        about: "Server-sent events of every version, refusal, move, hold, heal, delivery and failed pass, from the oldest that is remembered.",
        takes: &[LAST_EVENT_ID],
        answers: &[told(200, "Events without end.", Content::Events(&[shape::<Event>]))],
        ..get("/events", For::Readers, "Follow everything that happens")
    },
    Described {
        answers: &[told(200, "Passes, environments and deliveries.", Content::Plain(shape::<Report<'static>>))],
        ..get("/status", For::Readers, "How the controller is doing")
    },
    Described {
        answers: &[told(200, "`ok`", Content::Text("text/plain; charset=utf-8"))],
        ..get("/healthz", For::Anybody, "Whether the process is alive")
    },
    Described {
        answers: &[told(200, "`ready`", Content::Text("text/plain; charset=utf-8"))],
        refuses: &[(503, "not_ready")],
        ..get("/readyz", For::Anybody, "Whether something was read that can be served")
    },
    Described {
        answers: &[told(200, "OpenMetrics.", Content::Text(crate::live::metrics::MEDIA_TYPE))],
        ..get("/metrics", For::Readers, "How the controller is doing, in numbers")
    },
    hook("/hooks/github", "X-Hub-Signature-256"),
    hook("/hooks/gitlab", "X-Gitlab-Token"),
    hook("/hooks/gitea", "X-Gitea-Signature"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::ROUTES;
    use crate::http::testing::app;

    #[tokio::test]
    async fn what_is_described_is_routed() {
        let app = app();
        for route in ROUTES {
            let path = route.path.replace("{environment}", "live").replace("{agent}", "support");
            let request = http::Request::builder().method(route.method).uri(&path).header("host", "localhost");
            let router = crate::http::router(Arc::clone(&app), axum::Router::new());
            let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = answer.status();
            // A stream has no end: only what says no is read.
            if matches!(status.as_u16(), 404 | 405) {
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                assert!(body.windows(12).any(|part| part == b"no_such_hook"), "{} {path}: {status}", route.method);
            }
        }
    }

    #[test]
    fn what_is_routed_is_described() {
        let described: BTreeSet<_> = ROUTES.iter().map(|route| route.path.to_owned()).collect();
        let router = include_str!("router.rs").split("#[cfg(test)]").next().unwrap();
        let routed = router.split(".route(\"").skip(1).map(|part| part.split('"').next().unwrap());
        let mut count = 0;
        for path in routed.filter(|path| !path.starts_with("/hooks/")) {
            assert!(described.contains(&path.replace("{*", "{")), "{path}");
            count += 1;
        }
        assert_eq!(count, described.iter().filter(|path| !path.starts_with("/hooks/")).count());
    }
}
