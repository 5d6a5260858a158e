//! What watchers are told, made once for all of them.
//!
//! Watching is level-triggered: a watcher holds a [`Mark`], the accepted head that it knows of, and is told how to get
//! from there to the present, however many heads lie between. Nothing is queued for it, so a slow reader costs no more
//! than a fast one and skips what was replaced before it looked.
//!
//! A mark is also the id of each event, `<height>-<head>`, which a browser sends back as `Last-Event-ID`. If this
//! process has seen that very head, the watcher gets what changed since; else (a restart, a mark from long ago, a
//! ledger that was found again with another history) it gets all that is so now, and no guess.
//!
//! A feed is brought up to date by whoever looks first after the snapshot was swapped, under a lock that is held for a
//! comparison of two maps at most; the bytes made for the first watcher are shared by all others.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;

use crate::domain::{AgentId, Digest, EnvironmentName, ObjectId};
use crate::live::{Environment, Found, Live, Served, ServedVersion};

/// How many heads a feed remembers having seen.
const KNOWN_HEADS: usize = 1024;
/// How many ways to the present are kept for those who come from the same head.
const KEPT_CHANGES: usize = 16;
/// How many agents more than there are may be remembered as changed, before everybody starts afresh.
const CHANGED_BEYOND: usize = 10_000;

/// The accepted head of an environment that a watcher knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    height: u64,
    head: ObjectId,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.height, self.head)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (height, head) = text.split_once('-').ok_or(())?;
        Ok(Mark { height: height.parse().map_err(|_| ())?, head: head.parse().map_err(|_| ())? })
    }
}

/// Who watches what.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) environment: EnvironmentName,
    /// One agent; all of them where there is none.
    pub(super) agent: Option<AgentId>,
}

/// The present, for a watcher.
#[derive(Debug)]
pub(super) struct News {
    /// What it knows of once it was told.
    pub(super) mark: Mark,
    /// One event as it goes over the wire; nothing if nothing changed for it.
    pub(super) event: Option<Bytes>,
}

/// Everything that an environment serves, as JSON.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) json: Bytes,
    pub(super) etag: HeaderValue,
}

/// The feeds of all environments that somebody asked for.
#[derive(Default)]
pub(super) struct Feeds(Mutex<HashMap<EnvironmentName, Feed>>);

impl Feeds {
    /// How a watcher that knows of `seen` gets to the present; nothing if the environment is not there.
    pub(super) fn news(&self, live: &Live, watched: &Watched, seen: Option<Mark>) -> Option<News> {
        self.with(live, watched.environment.as_str(), |feed| {
            let event = match &watched.agent {
                Some(agent) => feed.of_agent(agent, seen),
                None => feed.of_all(seen),
            };
            News { mark: feed.mark(), event }
        })
    }

    /// Everything that the environment serves; nothing if it is not there.
    pub(super) fn listing(&self, live: &Live, environment: &str) -> Option<Listing> {
        self.with(live, environment, |feed| feed.listing().clone())
    }

    fn with<T>(&self, live: &Live, name: &str, look: impl FnOnce(&mut Feed) -> T) -> Option<T> {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: with a snapshot from before it, a feed could be taken back to an older head.
        let snapshot = live.peek();
        let Some(now) = snapshot.environment(name) else {
            feeds.remove(name);
            return None;
        };
        if let Some(feed) = feeds.get_mut(name) {
            feed.catch_up(now);
            return Some(look(feed));
        }
        Some(look(feeds.entry(now.name.clone()).or_insert_with(|| Feed::new(Arc::clone(now)))))
    }
}

struct Feed {
    now: Arc<Environment>,
    /// Heads that were seen here, oldest first; the last is the present one.
    known: VecDeque<Mark>,
    /// Agents that changed since the oldest known head, and at which height that was seen.
    changed: HashMap<AgentId, u64>,
    listing: Option<Listing>,
    /// The event that leads from a height to the present.
    changes: Vec<(u64, Option<Bytes>)>,
    whole: Option<Bytes>,
    agents: HashMap<AgentId, Bytes>,
}

impl Feed {
    fn new(now: Arc<Environment>) -> Self {
        let known = VecDeque::from([Mark { height: now.height, head: now.head }]);
        Feed {
            now,
            known,
            changed: HashMap::new(),
            listing: None,
            changes: Vec::new(),
            whole: None,
            agents: HashMap::new(),
        }
    }

    fn mark(&self) -> Mark {
        Mark { height: self.now.height, head: self.now.head }
    }

    fn catch_up(&mut self, now: &Arc<Environment>) {
        if now.head == self.now.head && now.height == self.now.height {
            return;
        }
        let before = std::mem::replace(&mut self.now, Arc::clone(now));
        let limit = now.agents.len() + CHANGED_BEYOND;
        if now.height <= before.height || self.changed.len() > limit {
            *self = Feed::new(Arc::clone(now));
            return;
        }
        let moved = now
            .agents
            .values()
            .filter(|served| before.agents.get(&served.agent).is_none_or(|old| old.entry != served.entry));
        let gone = before.agents.keys().filter(|agent| !now.agents.contains_key(*agent));
        for agent in moved.map(|served| &served.agent).chain(gone) {
            self.changed.insert(agent.clone(), now.height);
            self.agents.remove(agent);
        }
        if self.known.len() == KNOWN_HEADS {
            self.known.pop_front();
        }
        self.known.push_back(self.mark());
        self.listing = None;
        self.whole = None;
        self.changes.clear();
    }

    /// The height that `seen` stands for, if it is one of the heads that were seen here.
    fn known_height(&self, seen: Option<Mark>) -> Option<u64> {
        let seen = seen?;
        let at = self.known.binary_search_by_key(&seen.height, |mark| mark.height).ok()?;
        (self.known[at] == seen).then_some(seen.height)
    }

    fn of_agent(&mut self, agent: &AgentId, seen: Option<Mark>) -> Option<Bytes> {
        let up_to_date =
            self.known_height(seen).is_some_and(|height| self.changed.get(agent).is_none_or(|at| *at <= height));
        if up_to_date {
            return None;
        }
        if let Some(event) = self.agents.get(agent) {
            return Some(event.clone());
        }
        let Environment { name, height, .. } = &*self.now;
        let event = match self.now.agent(agent.as_str()) {
            Found::Served(served) => {
                let line = One { environment: name, height: *height, agent, served: Some(Line::of(served)) };
                event("version", self.mark(), &line)
            }
            Found::Retired | Found::Nothing => {
                event("retired", self.mark(), &One { environment: name, height: *height, agent, served: None })
            }
        };
        // Only agents that are or were served have a watcher, so this is bounded by what git holds.
        self.agents.insert(agent.clone(), event.clone());
        Some(event)
    }

    fn of_all(&mut self, seen: Option<Mark>) -> Option<Bytes> {
        let Some(since) = self.known_height(seen) else {
            if self.whole.is_none() {
                self.whole = Some(framed("snapshot", self.mark(), &self.listing().json.clone()));
            }
            return self.whole.clone();
        };
        if since == self.now.height {
            return None;
        }
        if let Some((_, event)) = self.changes.iter().find(|(height, _)| *height == since) {
            return event.clone();
        }
        let changed = self.changed.iter().filter(|(_, height)| **height > since).map(|(agent, _)| agent);
        let made = Many::of(&self.now, changed);
        let event = (!made.agents.is_empty() || !made.retired.is_empty()).then(|| event("change", self.mark(), &made));
        if self.changes.len() == KEPT_CHANGES {
            self.changes.remove(0);
        }
        self.changes.push((since, event.clone()));
        event
    }

    fn listing(&mut self) -> &Listing {
        let now = &self.now;
        self.listing.get_or_insert_with(|| {
            let all = Many::of(now, now.agents.keys().chain(&now.retired));
            let json = serde_json::to_vec(&all).expect("names and numbers serialise");
            let etag = HeaderValue::from_str(&format!("\"{}\"", now.head)).expect("an object id is plain ASCII");
            Listing { json: json.into(), etag }
        })
    }
}

/// One agent's line.
#[derive(Serialize)]
struct Line {
    version: ServedVersion,
    digest: Digest,
}

impl Line {
    fn of(served: &Served) -> Self {
        Line { version: served.version, digest: served.digest }
    }
}

/// An event of one agent.
#[derive(Serialize)]
struct One<'f> {
    environment: &'f EnvironmentName,
    height: u64,
    agent: &'f AgentId,
    #[serde(flatten)]
    served: Option<Line>,
}

/// Several agents of one environment.
#[derive(Serialize)]
struct Many<'f> {
    environment: &'f EnvironmentName,
    height: u64,
    head: ObjectId,
    agents: BTreeMap<&'f AgentId, Line>,
    retired: Vec<&'f AgentId>,
}

impl<'f> Many<'f> {
    fn of(now: &'f Environment, agents: impl Iterator<Item = &'f AgentId>) -> Self {
        let mut many = Many {
            environment: &now.name,
            height: now.height,
            head: now.head,
            agents: BTreeMap::new(),
            retired: Vec::new(),
        };
        for agent in agents {
            match now.agent(agent.as_str()) {
                Found::Served(served) => drop(many.agents.insert(agent, Line::of(served))),
                Found::Retired | Found::Nothing => many.retired.push(agent),
            }
        }
        many.retired.sort_unstable();
        many
    }
}

fn event(kind: &str, mark: Mark, data: &impl Serialize) -> Bytes {
    framed(kind, mark, &serde_json::to_vec(data).expect("names and numbers serialise"))
}

/// One server-sent event. JSON on one line holds no line break, so that `data` cannot end early.
fn framed(kind: &str, id: impl fmt::Display, json: &[u8]) -> Bytes {
    let mut event = format!("event: {kind}\nid: {id}\ndata: ").into_bytes();
    event.reserve_exact(json.len() + 2);
    event.extend_from_slice(json);
    event.extend_from_slice(b"\n\n");
    event.into()
}

#[cfg(test)]
mod tests;
