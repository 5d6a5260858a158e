//! Conversations with an agent: begun, held, read back; and the agent's own tests.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http::StatusCode;
use serde_json::{Value, json};

use super::page;
use super::wire::{BeginSession, Message, RunTests, SessionDetail, Sessions, Words};
use crate::api::answer::{Answer, Refusal};
use crate::api::call::Call;
use crate::chat::{Session, Spoken, Talk, Wish, unknown_session};
use crate::domain::AgentId;
use crate::ops::Problem;
use crate::ops::pinned;
use crate::ops::side::SideName;
use crate::tokens::Right;

/// How many sessions a page has unless asked for otherwise, and at most.
pub(super) const PAGE: usize = 20;
pub(super) const LARGEST_PAGE: usize = 100;

/// How long a stream says nothing at most: proxies cut a line that is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `POST /chat/sessions`: 201 and the session with the agent's greeting; 200 where the key had begun it already.
pub(super) fn begin(call: &Call) -> Result<Answer, Problem> {
    let said: BeginSession = call.said()?;
    let agent = said.agent_id;
    // Asked before anything about the agent is read.
    call.authorise(Right::ChatWrite, Some(&agent))?;
    if said.draft.is_some() && !said.draft_mode || said.environment.is_some() && said.draft_mode {
        let message = "a draft is in no environment, and only a draft has a branch";
        return Err(Problem::usage("draft_or_environment", message)
            .hint("{\"draftMode\": true, \"draft\": \"<branch>\"} or {\"environment\": \"live\"}"));
    }
    let pinned = if said.draft_mode {
        pinned::pin(&call.workspace, &agent, &said.draft.map_or(SideName::Draft, SideName::NamedDraft))?
    } else {
        pinned::live(&call.workspace, &agent, said.environment.as_ref())?
    };
    let (session, messages, created) = call.api.sandbox.begin(&pinned, &wish(call, said.offline)?)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Answer::ok(&SessionDetail { session, messages })?.status(status))
}

pub(super) fn wish(call: &Call, offline: bool) -> Result<Wish, Problem> {
    Ok(Wish { offline, caller: call.token.id.clone(), key: call.idempotency_key()? })
}

/// The session of the path, if the caller may talk in it: one of its own, or any of an agent that it administers. Others
/// are not there.
fn session(call: &Call) -> Result<Session, Problem> {
    let id = call.named("session");
    let session = call.api.sandbox.session(id)?;
    if may_see(call, &session) { Ok(session) } else { Err(unknown_session(id)) }
}

fn may_see(call: &Call, session: &Session) -> bool {
    let has = |right| call.authorise(right, Some(&session.agent_id)).is_ok();
    has(Right::Admin) || session.caller == call.token.id && has(Right::ChatWrite)
}

/// `GET /chat/sessions?agent=&limit=&cursor=`: the cursor is the last session of the page before.
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let agent = call.query.get("agent").map(|text| text.parse::<AgentId>()).transpose()?;
    let limit = page::limit::<PAGE, LARGEST_PAGE>(call)?;
    let before = call.query.get("cursor").map(|text| {
        uuid::Uuid::try_parse(text).map(|id| id.to_string()).map_err(|_| {
            Problem::usage("bad_request", "`cursor` is no session's id").hint("send the nextCursor of the page before")
        })
    });
    let everybody = call.authorise(Right::Admin, agent.as_ref()).is_ok();
    let caller = (!everybody).then_some(call.token.id.as_str());
    let wanted = |session: &Session| may_see(call, session);
    // One more tells whether there is another page.
    let before = before.transpose()?;
    let found = call.api.sandbox.sessions(agent.as_ref(), caller, before.as_deref(), limit + 1, wanted)?;
    let (sessions, more) = page::cut(found.into_iter(), limit);
    let next_cursor = sessions.last().filter(|_| more).map(|last| last.id.clone());
    Answer::ok(&Sessions { sessions, next_cursor })
}

/// `GET /chat/sessions/{session}`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let session = session(call)?;
    let messages = call.api.sandbox.lines(&session.id)?;
    Answer::ok(&SessionDetail { session, messages })
}

/// `POST /chat/sessions/{session}/messages`: the reply, or server-sent events where `stream` or the `Accept` header asks
/// for them.
pub(super) fn say(call: &Call) -> Result<Answer, Problem> {
    // Who has no such session learns nothing about bodies.
    let session = session(call)?;
    let said: Message = call.said()?;
    let streams = said.stream || call.header("accept").is_some_and(|kinds| kinds.contains("text/event-stream"));
    let key = call.idempotency_key()?;
    let talk = call.api.sandbox.say(&session.id, &said.content, key)?;
    Ok(Answer::later(async move { if streams { begun(talk, &Native).await } else { Answer::ok(&talk.end().await?) } }))
}

/// How a reply is told as server-sent events.
pub(super) trait Telling: Send + 'static {
    /// Words, as they come.
    fn words(&self, words: &str) -> String;
    /// The end, and what came of it; `told` says whether its words were.
    fn end(&self, spoken: &Spoken, told: bool) -> String;
    /// The end, when it went wrong after words were out.
    fn error(&self, problem: Problem) -> String;
}

#[derive(Clone)]
struct Native;

impl Telling for Native {
    fn words(&self, words: &str) -> String {
        event("delta", &json!(Words { content: words.to_owned() }))
    }

    fn end(&self, spoken: &Spoken, _: bool) -> String {
        event("done", &json!(spoken))
    }

    fn error(&self, problem: Problem) -> String {
        event("error", &Refusal::from(problem).body())
    }
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The events of `talk`, once there is a first word. What fails before is a plain refusal.
pub(super) async fn begun(mut talk: Talk, telling: &(impl Telling + Clone)) -> Result<Answer, Problem> {
    match talk.words.recv().await {
        Some(first) => Ok(Answer::stream(events(first, talk, telling.clone()))),
        None => {
            let told = telling.end(&talk.end().await?, false);
            Ok(Answer::stream(futures_util::stream::iter([Bytes::from(told)])))
        }
    }
}

fn events(first: String, talk: Talk, telling: impl Telling) -> impl Stream<Item = Bytes> + Send + 'static {
    let start = (Some(Bytes::from(telling.words(&first))), Some(talk), telling);
    unfold(start, |(first, talk, telling)| async move {
        let mut talk = talk?;
        if let Some(first) = first {
            return Some((first, (None, Some(talk), telling)));
        }
        match tokio::time::timeout(HEARTBEAT, talk.words.recv()).await {
            // A comment, which readers pass over.
            Err(_) => Some((Bytes::from_static(b":\n\n"), (None, Some(talk), telling))),
            Ok(Some(words)) => Some((Bytes::from(telling.words(&words)), (None, Some(talk), telling))),
            // The reply is written down by now, or never will be.
            Ok(None) => {
                let last = match talk.end().await {
                    Ok(spoken) => telling.end(&spoken, true),
                    Err(problem) => telling.error(problem),
                };
                Some((Bytes::from(last), (None, None, telling)))
            }
        }
    })
}

/// `POST /agents/{agent}/tests`: against the draft unless a version or an environment is named.
pub(super) fn examine(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let said: RunTests = call.said()?;
    let against = said.against.as_deref().unwrap_or("draft");
    let pinned = match against.parse::<SideName>() {
        Ok(side) => pinned::pin(&call.workspace, &agent, &side)?,
        Err(_) => match call.version_called(&agent, against) {
            Ok(version) => pinned::pin(&call.workspace, &agent, &SideName::Version(version))?,
            Err(problem) if problem.code == "unknown_version" => {
                pinned::live(&call.workspace, &agent, Some(&Call::environment(against)?))?
            }
            Err(problem) => return Err(problem),
        },
    };
    let sandbox = Arc::clone(&call.api.sandbox);
    Ok(Answer::later(async move { Answer::ok(&sandbox.examine(pinned, said.offline).await?) }))
}
