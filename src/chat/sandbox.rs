//! Sessions: begun with a pinned config, spoken in message by message, read back, counted, and forgotten in time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::agent::Agent;
use super::exam::{self, Exam};
use super::model::Models;
use super::said::Said;
use super::store::{Kind, Line, Opening, Role, Session, Store, Usage};
use crate::compile::Frozen;
use crate::domain::{AgentId, Digest};
use crate::operator::Settings;
use crate::ops::Problem;
use crate::ops::idempotency;
use crate::ops::pinned::Pinned;

/// What the offline responder is called.
pub const OFFLINE: &str = "offline";

/// Characters of a message.
pub const LONGEST_MESSAGE: usize = 16_000;

/// Lines of a session, of both sides.
pub(super) const MOST_LINES: u32 = 1_000;

/// Replies that are made at once; a caller beyond that is asked to wait.
pub(super) const MOST_REPLIES: usize = 128;

/// Agents that are kept ready to talk.
const AGENTS_READY: usize = 16;

/// How often old sessions are looked for, in seconds.
const PRUNE_EVERY: i64 = 3_600;

/// Everything about chats. One per process; it opens its file when it is first needed.
pub struct Sandbox {
    state: PathBuf,
    store: OnceLock<Store>,
    opening: Mutex<()>,
    pub(super) settings: ArcSwap<Chats>,
    /// Messages of one session are answered one after the other.
    pub(super) speaking: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    pub(super) replies: Arc<Semaphore>,
    ready: Mutex<Vec<(Digest, Arc<Agent>)>>,
    pruned: AtomicI64,
}

/// What the operator's file says about chats.
pub(super) struct Chats {
    pub(super) models: Models,
    keep_days: u32,
}

/// How a session is to be held.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// By the offline responder, whatever model the agent names.
    pub offline: bool,
    /// Who asks: a token's id, or `cli`.
    pub caller: String,
    /// The caller's idempotency key.
    pub key: Option<String>,
}

impl Sandbox {
    /// A sandbox that keeps its file in `state`.
    pub fn new(state: PathBuf, settings: &Settings) -> Arc<Self> {
        Arc::new(Sandbox {
            state,
            store: OnceLock::new(),
            opening: Mutex::new(()),
            settings: ArcSwap::from_pointee(Chats::of(settings)),
            speaking: Mutex::default(),
            replies: Arc::new(Semaphore::new(MOST_REPLIES)),
            ready: Mutex::default(),
            pruned: AtomicI64::new(0),
        })
    }

    /// Goes on with other settings; replies under way keep the old ones.
    pub fn reload(&self, settings: &Settings) {
        self.settings.store(Arc::new(Chats::of(settings)));
    }

    /// The file, opened at the first call. It may block, as all of it may.
    pub(super) fn store(&self) -> Result<&Store, Problem> {
        let _one = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.store.get().is_none() {
            let opened = Store::open(&self.state)?;
            let _ = self.store.set(opened);
        }
        let store = self.store.get().expect("it was set above");
        let now = jiff::Timestamp::now();
        if now.as_second() - self.pruned.load(Ordering::Relaxed) > PRUNE_EVERY {
            let pruned = store.prune(self.settings.load().keep_days, now)?;
            self.pruned.store(now.as_second(), Ordering::Relaxed);
            if pruned > 0 {
                tracing::info!(sessions = pruned, "what was said in old sessions is gone");
            }
        }
        Ok(store)
    }

    /// The agent of a pinned config, ready to talk, and the word for who answers.
    fn agent(&self, pinned: &Pinned, offline: bool) -> Result<(Agent, String), Problem> {
        let agent = Agent::read(&pinned.config);
        let responder = match &agent.llm {
            Some(llm) if !offline => {
                self.settings.load().models.check(llm)?;
                llm.endpoint.clone()
            }
            _ => OFFLINE.to_owned(),
        };
        Ok((agent, responder))
    }

    pub(super) fn opening(&self, pinned: &Pinned, kind: Kind, wish: &Wish) -> Result<(Agent, Opening), Problem> {
        let (agent, responder) = self.agent(pinned, wish.offline)?;
        if let Some(key) = &wish.key {
            idempotency::must_be_a_key(key)?;
        }
        let now = moment();
        let at = uuid::Timestamp::from_unix(
            uuid::NoContext,
            u64::try_from(now.as_second()).unwrap_or(0),
            u32::try_from(now.subsec_nanosecond()).unwrap_or(0),
        );
        let session = Session {
            id: uuid::Uuid::new_v7(at).to_string(),
            kind,
            agent_id: pinned.agent.clone(),
            draft_mode: pinned.version.is_none(),
            version: pinned.version,
            environment: pinned.environment.clone(),
            digest: pinned.digest,
            responder,
            caller: wish.caller.clone(),
            created_at: now,
            pruned: false,
        };
        let config = Frozen::new(&pinned.config).bytes().to_vec();
        let retain_days = agent.retain_days;
        Ok((agent, Opening { session, config, retain_days, key: wish.key.clone(), lines: Vec::new() }))
    }

    /// Begins a session, with the agent's greeting as its first line. False says that the caller's key had begun it
    /// already. It blocks.
    pub fn begin(&self, pinned: &Pinned, wish: &Wish) -> Result<(Session, Vec<Line>, bool), Problem> {
        let (agent, mut opening) = self.opening(pinned, Kind::Session, wish)?;
        opening.lines.extend(agent.greeting.as_ref().map(|greeting| {
            let said = Said { content: greeting.clone(), ..Said::default() };
            (Role::Assistant, said)
        }));
        let store = self.store()?;
        let (session, created) = store.begin(&opening)?;
        // The same key with another wish is a mistake of the caller's.
        if session.agent_id != pinned.agent || session.draft_mode != pinned.version.is_none() {
            return Err(idempotency::reused());
        }
        let lines = store.lines(&session.id)?;
        Ok((session, lines, created))
    }

    /// The session `id`. It blocks.
    pub fn session(&self, id: &str) -> Result<Session, Problem> {
        self.store()?.session(id)?.ok_or_else(|| unknown_session(id))
    }

    /// What was said in the session `id`. It blocks.
    pub fn lines(&self, id: &str) -> Result<Vec<Line>, Problem> {
        self.store()?.lines(id)
    }

    /// Sessions of `agent` that `caller` began, or of all where none is named: newest first, at most `limit`, older than
    /// `before`, and only those that `wanted` names. It blocks.
    pub fn sessions(
        &self,
        agent: Option<&AgentId>,
        caller: Option<&str>,
        before: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Session>, Problem> {
        self.store()?.sessions(agent, caller, before, limit, wanted)
    }

    /// Billed usage and that of drafts. It blocks.
    pub fn usage(&self) -> Result<(Vec<Usage>, Vec<Usage>), Problem> {
        self.store()?.usage()
    }

    /// Runs the tests of a pinned config. Nothing of them is kept or counted.
    pub async fn examine(self: &Arc<Self>, pinned: Pinned, offline: bool) -> Result<Exam, Problem> {
        let (agent, responder) = self.agent(&pinned, offline)?;
        let _turn = self.turn_to_reply()?;
        exam::examine(self, Arc::new(agent), &pinned, &responder).await
    }

    /// The agent of the config with `digest`, which some session is held with.
    pub(super) fn ready(&self, store: &Store, digest: &Digest) -> Result<Arc<Agent>, Problem> {
        let ready = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, agent)) = ready().iter().find(|(known, _)| known == digest) {
            return Ok(Arc::clone(agent));
        }
        let config = store.config(digest)?.ok_or_else(fault)?;
        let config: serde_json::Value = serde_json::from_slice(&config).map_err(|_| fault())?;
        let agent = Arc::new(Agent::read(&config));
        let mut ready = ready();
        ready.insert(0, (*digest, Arc::clone(&agent)));
        ready.truncate(AGENTS_READY);
        Ok(agent)
    }
}

impl Chats {
    fn of(settings: &Settings) -> Self {
        Chats { models: Models::new(settings), keep_days: settings.keep_days }
    }
}

/// The refusal of a session that is not there, or not the caller's.
pub fn unknown_session(id: &str) -> Problem {
    let shown: String = id.chars().take(40).collect();
    Problem::refused("unknown_session", format!("there is no session `{shown}`"))
        .hint("GET /api/v1/chat/sessions lists yours; POST begins one")
}

/// The present, as precisely as it is kept.
pub(super) fn moment() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).expect("the present can be told in milliseconds")
}

pub(super) fn fault() -> Problem {
    Problem::refused("fault", "the reply ran into a fault of the program").hint("report it, with the controller's log")
}
