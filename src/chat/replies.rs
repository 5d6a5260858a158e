//! Replies: one message of a session after the other, and lone exchanges. A reply that was begun is finished and kept
//! whether or not its caller stays to hear it, so whoever sends the message again with the same key is told what came.

use std::sync::{Arc, PoisonError, Weak};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::agent::Agent;
use super::offline;
use super::said::Said;
use super::sandbox::{
    LONGEST_MESSAGE, MOST_LINES, MOST_REPLIES, OFFLINE, Sandbox, Wish, fault, moment, unknown_session,
};
use super::store::{Kind, Line, Role, Session};
use crate::domain::{AgentId, Digest, VersionNumber};
use crate::ops::pinned::Pinned;
use crate::ops::{Problem, idempotency};

/// An answered message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChatReply")]
pub struct Spoken {
    /// The session.
    pub session_id: String,
    /// The agent.
    pub agent_id: AgentId,
    /// The version that answered; nothing for a draft.
    pub version: Option<VersionNumber>,
    /// Digest of the frozen config that answered.
    pub digest: Digest,
    /// `offline`, or the name of a model endpoint.
    pub responder: String,
    /// The reply.
    #[serde(flatten)]
    pub line: Line,
}

/// A reply under way. It is finished and kept even if nobody waits for it.
pub struct Talk {
    /// The session.
    pub session_id: String,
    /// The words as they come; it ends before `end` comes.
    pub words: UnboundedReceiver<String>,
    /// What came of it.
    pub end: oneshot::Receiver<Result<Spoken, Problem>>,
}

impl Talk {
    /// What came of it.
    pub async fn end(self) -> Result<Spoken, Problem> {
        self.end.await.unwrap_or_else(|_| Err(fault()))
    }
}

impl Sandbox {
    /// Says `text` in the session `id`. With a key that was used in it before, the reply of then comes again. The caller
    /// has been asked whether it may.
    pub fn say(self: &Arc<Self>, id: &str, text: &str, key: Option<String>) -> Result<Talk, Problem> {
        check_message(text, key.as_deref())?;
        let (id, text, sandbox) = (id.to_owned(), text.to_owned(), Arc::clone(self));
        self.start(id.clone(), move |words| async move { sandbox.answer(&id, text, key, &words).await })
    }

    /// Answers `heard`, a conversation that the caller keeps, with the pinned config: a lone exchange.
    pub fn complete(
        self: &Arc<Self>,
        pinned: &Pinned,
        heard: Vec<(Role, String)>,
        wish: &Wish,
    ) -> Result<Talk, Problem> {
        let Some((Role::User, newest)) = heard.last().cloned() else {
            return Err(Problem::usage("empty_message", "the last of `messages` is not a user's").hint("end with one"));
        };
        check_message(&newest, wish.key.as_deref())?;
        let (agent, mut opening) = self.opening(pinned, Kind::Completion, wish)?;
        let sandbox = Arc::clone(self);
        self.start(opening.session.id.clone(), move |words| async move {
            if let Some(key) = opening.key.clone()
                && let Some(again) = sandbox.answered(opening.session.caller.clone(), key, &newest).await?
            {
                return Ok(again);
            }
            let now = opening.session.created_at;
            let line = |(sequence, (role, content)): (u32, (Role, String))| Line {
                sequence,
                role,
                said: Said { content, ..Said::default() },
                at: now,
            };
            let lines: Vec<_> = (0..).zip(heard).map(line).collect();
            let said = sandbox.reply(Arc::new(agent), &opening.session.responder, lines, &words).await?;
            let user = Said { content: newest.clone(), ..Said::default() };
            opening.lines = vec![(Role::User, user), (Role::Assistant, said.clone())];
            let key = opening.key.clone();
            let begun = blocking(&sandbox, move |sandbox| sandbox.store()?.begin(&opening)).await?;
            match (begun, key) {
                ((session, true), _) => {
                    Ok(spoken(&session, Line { sequence: 1, role: Role::Assistant, said, at: now }))
                }
                // The same call was made twice at once, and the other one was faster.
                ((session, false), Some(key)) => {
                    let again = sandbox.answered(session.caller, key, &newest).await?;
                    again.ok_or_else(fault)
                }
                _ => Err(fault()),
            }
        })
    }

    /// The exchange that `caller` made with `key`, if it did.
    async fn answered(self: &Arc<Self>, caller: String, key: String, text: &str) -> Result<Option<Spoken>, Problem> {
        let found = blocking(self, move |sandbox| {
            let store = sandbox.store()?;
            let Some(session) = store.begun_with(&caller, Kind::Completion, &key)? else { return Ok(None) };
            let lines = store.lines(&session.id)?;
            Ok(Some((session, lines)))
        });
        match found.await? {
            None => Ok(None),
            Some((session, lines)) => match <[Line; 2]>::try_from(lines) {
                Ok([user, reply]) if user.said.content == text => Ok(Some(spoken(&session, reply))),
                _ => Err(idempotency::reused()),
            },
        }
    }

    /// A place among the replies that are made at once.
    pub(super) fn turn_to_reply(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.replies).try_acquire_owned().map_err(|_| {
            Problem::refused("busy", format!("{MOST_REPLIES} replies are being made")).hint("wait a moment")
        })
    }

    /// Starts a reply that is finished whether or not somebody waits for it.
    fn start<F: Future<Output = Result<Spoken, Problem>> + Send + 'static>(
        &self,
        session_id: String,
        work: impl FnOnce(UnboundedSender<String>) -> F,
    ) -> Result<Talk, Problem> {
        let turn = self.turn_to_reply()?;
        let (words, heard) = mpsc::unbounded_channel();
        let (done, end) = oneshot::channel();
        let work = work(words);
        tokio::spawn(async move {
            let came = work.await;
            drop(turn);
            let _ = done.send(came);
        });
        Ok(Talk { session_id, words: heard, end })
    }

    /// The lock under which one message of a session is answered at a time.
    fn turn_of(&self, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut speaking = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
        if speaking.len() > MOST_REPLIES * 2 {
            speaking.retain(|_, lock| lock.strong_count() > 0);
        }
        match speaking.get(id).and_then(Weak::upgrade) {
            Some(lock) => lock,
            None => {
                let lock = Arc::default();
                speaking.insert(id.to_owned(), Arc::downgrade(&lock));
                lock
            }
        }
    }

    async fn answer(
        self: &Arc<Self>,
        id: &str,
        text: String,
        key: Option<String>,
        words: &UnboundedSender<String>,
    ) -> Result<Spoken, Problem> {
        let lock = self.turn_of(id);
        let _turn = lock.lock().await;
        let (session_id, sought) = (id.to_owned(), key.clone());
        let found = blocking(self, move |sandbox| sandbox.look_up(&session_id, sought.as_deref())).await?;
        let (session, agent, mut lines) = match found {
            LookedUp::Said(session, user, reply) if user.said.content == text => return Ok(spoken(&session, *reply)),
            LookedUp::Said(..) => return Err(idempotency::reused()),
            LookedUp::Open(session, agent, lines) => (session, agent, lines),
        };
        let next = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        if next >= MOST_LINES {
            return Err(Problem::refused("session_full", format!("this session has {next} lines already"))
                .hint("begin another one: POST /api/v1/chat/sessions"));
        }
        let user = Said { content: text, ..Said::default() };
        let now = moment();
        lines.push(Line { sequence: next, role: Role::User, said: user.clone(), at: now });
        let said = self.reply(agent, &session.responder, lines, words).await?;
        let (id, reply) = (session.id.clone(), said.clone());
        let now = moment();
        let added = blocking(self, move |sandbox| sandbox.store()?.add(&id, next, &user, &reply, key.as_deref(), now));
        if !added.await? {
            return Err(Problem::refused("session_busy", "somebody else said something in this session meanwhile")
                .hint("read the session, then say it again"));
        }
        Ok(spoken(&session, Line { sequence: next + 1, role: Role::Assistant, said, at: now }))
    }

    fn look_up(&self, id: &str, key: Option<&str>) -> Result<LookedUp, Problem> {
        let store = self.store()?;
        let session = store.session(id)?.ok_or_else(|| unknown_session(id))?;
        if session.kind == Kind::Completion {
            return Err(Problem::refused(
                "session_full",
                "this was a lone exchange, whose caller keeps the conversation",
            )
            .hint("begin a session: POST /api/v1/chat/sessions"));
        }
        if let Some(key) = key
            && let Some((user, reply)) = store.said_with(id, key)?
        {
            return Ok(LookedUp::Said(session, Box::new(user), Box::new(reply)));
        }
        if session.pruned {
            return Err(Problem::refused("session_over", "what was said in this session is kept no longer")
                .hint("begin another one: POST /api/v1/chat/sessions"));
        }
        let agent = self.ready(store, &session.digest)?;
        let lines = store.lines(id)?;
        Ok(LookedUp::Open(session, agent, lines))
    }

    /// The reply to the last of `lines` by `responder`.
    pub(super) async fn reply(
        self: &Arc<Self>,
        agent: Arc<Agent>,
        responder: &str,
        lines: Vec<Line>,
        words: &UnboundedSender<String>,
    ) -> Result<Said, Problem> {
        match &agent.llm {
            Some(llm) if responder != OFFLINE => {
                let settings = self.settings.load_full();
                settings.models.reply(&agent, llm, &lines, words).await
            }
            _ => {
                let made = tokio::task::spawn_blocking(move || {
                    let heard = lines.iter().filter(|line| line.role == Role::User);
                    offline::reply(&agent, heard.map(|line| line.said.content.as_str()))
                });
                let said = made.await.map_err(|_| fault())?;
                let _ = words.send(said.content.clone());
                Ok(said)
            }
        }
    }
}

/// What there is for a message.
enum LookedUp {
    /// It was said already, and this is the reply.
    Said(Session, Box<Line>, Box<Line>),
    /// The session, its agent, and what was said so far.
    Open(Session, Arc<Agent>, Vec<Line>),
}

fn check_message(text: &str, key: Option<&str>) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::usage("empty_message", "the message says nothing").hint("{\"content\": \"Hello\"}"));
    }
    if text.chars().count() > LONGEST_MESSAGE {
        let message = format!("the message is longer than {LONGEST_MESSAGE} characters");
        return Err(Problem::usage("message_too_long", message).hint("say less at once"));
    }
    key.map_or(Ok(()), idempotency::must_be_a_key)
}

fn spoken(session: &Session, line: Line) -> Spoken {
    Spoken {
        session_id: session.id.clone(),
        agent_id: session.agent_id.clone(),
        version: session.version,
        digest: session.digest,
        responder: session.responder.clone(),
        line,
    }
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(
    sandbox: &Arc<Sandbox>,
    work: impl FnOnce(&Sandbox) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let sandbox = Arc::clone(sandbox);
    tokio::task::spawn_blocking(move || work(&sandbox)).await.unwrap_or_else(|_| Err(fault()))
}
