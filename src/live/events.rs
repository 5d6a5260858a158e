//! What happened, as it happened: moves, refusals, holds, heals and deliveries, for whoever watches.
//!
//! A bounded memory of the newest, so that a watcher that lost its line goes on where it was. Git holds the lasting
//! record; this is a convenience.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use super::metrics::Told;
use crate::domain::{AgentId, EnvironmentName, VersionNumber};

/// How many events are remembered.
const REMEMBERED: usize = 4096;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A version was accepted into the ledger.
    Accepted,
    /// A version tag was refused.
    Refused,
    /// An environment moved.
    Moved,
    /// An agent is held, or is held no longer.
    Held,
    /// What was changed by hand was put back.
    Healed,
    /// An agent's marks changed.
    Marked,
    /// Something begins to wait.
    Waits,
    /// A target took what it was given.
    Delivered,
    /// A target did not.
    DeliveryFailed,
    /// A pass failed.
    PassFailed,
}

impl EventKind {
    /// The word in event streams and metrics.
    pub fn word(self) -> &'static str {
        match self {
            EventKind::Accepted => "accepted",
            EventKind::Refused => "refused",
            EventKind::Moved => "moved",
            EventKind::Held => "held",
            EventKind::Healed => "healed",
            EventKind::Marked => "marked",
            EventKind::Waits => "waits",
            EventKind::Delivered => "delivered",
            EventKind::DeliveryFailed => "delivery-failed",
            EventKind::PassFailed => "pass-failed",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Grows with every event, across restarts too: microseconds since 1970, moved on where two fall together.
    pub id: u64,
    /// When.
    pub at: jiff::Timestamp,
    /// What kind.
    pub kind: EventKind,
    /// Where, if it is about an environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Who, if it is about an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Which, if it is about a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionNumber>,
    /// One sentence.
    pub text: String,
}

/// The newest events.
pub struct EventLog {
    events: Mutex<VecDeque<Arc<Event>>>,
    sender: broadcast::Sender<Arc<Event>>,
    told: Told,
}

impl EventLog {
    pub(super) fn new(told: Told) -> Self {
        EventLog { events: Mutex::default(), sender: broadcast::Sender::new(256), told }
    }

    /// Tells that something happened at `at`.
    pub fn tell(
        &self,
        at: jiff::Timestamp,
        kind: EventKind,
        environment: Option<EnvironmentName>,
        agent: Option<AgentId>,
        version: Option<VersionNumber>,
        text: String,
    ) {
        self.told.one(kind.word());
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let after = events.back().map_or(0, |event| event.id + 1);
        let id = u64::try_from(at.as_microsecond()).unwrap_or(0).max(after);
        let event = Arc::new(Event { id, at, kind, environment, agent, version, text });
        if events.len() == REMEMBERED {
            events.pop_front();
        }
        events.push_back(Arc::clone(&event));
        // Sent under the lock, so that watchers get events in the order of their ids. Nobody may be listening.
        let _ = self.sender.send(event);
    }

    /// The remembered events after `id`, and a receiver of all later ones without a gap between the two.
    pub fn after(&self, id: u64) -> (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let known = events.iter().filter(|event| event.id > id).cloned().collect();
        (known, self.sender.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_goes_back_and_memory_is_bounded() {
        let log = EventLog::new(Told::default());
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        for second in [100, 50, 50, 200] {
            log.tell(at(second), EventKind::Moved, None, None, None, second.to_string());
        }
        let (all, _) = log.after(0);
        assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
        let (rest, mut later) = log.after(all[1].id);
        assert_eq!(rest.iter().map(|event| event.text.as_str()).collect::<Vec<_>>(), ["50", "200"]);
        log.tell(at(300), EventKind::Healed, None, None, None, "new".to_owned());
        assert_eq!(later.try_recv().unwrap().text, "new");
        (0..2 * REMEMBERED).for_each(|_| log.tell(at(300), EventKind::Moved, None, None, None, String::new()));
        assert_eq!(log.after(0).0.len(), REMEMBERED);
    }
}
