//! The bell that wakes the loop. A ring carries no facts: it says "look again", and any number of rings during a pass
//! are one more pass.

use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Who rang first; for logs and metrics, never for decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wake {
    /// The process began.
    Start,
    /// Refs of the repository changed.
    Refs,
    /// Files of the working tree changed.
    WorkTree,
    /// A forge told us of a push.
    Webhook,
    /// A call of the API.
    Api,
    /// Nothing happened for a while.
    Timer,
    /// Something that waited for a time is due.
    Due,
    /// The last pass failed.
    Retry,
    /// The operator's file was read again.
    Reload,
    /// A target holds what is not known here.
    Target,
}

impl Wake {
    /// The word in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Wake::Start => "start",
            Wake::Refs => "refs",
            Wake::WorkTree => "work-tree",
            Wake::Webhook => "webhook",
            Wake::Api => "api",
            Wake::Timer => "timer",
            Wake::Due => "due",
            Wake::Retry => "retry",
            Wake::Reload => "reload",
            Wake::Target => "target",
        }
    }
}

impl fmt::Display for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[derive(Default)]
struct Rung {
    first: Option<Wake>,
    /// How many rings have not been heard.
    count: usize,
    closed: bool,
}

/// One bell, rung by many, heard by the loop alone.
#[derive(Default)]
pub struct Bell {
    rung: Mutex<Rung>,
    heard: Condvar,
}

/// What the loop wakes up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody rang.
    Rung(Wake),
    /// The time came.
    TimedOut,
    /// The process is to end.
    Closed,
}

impl Bell {
    /// Asks for another pass.
    pub fn ring(&self, wake: Wake) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.first.get_or_insert(wake);
        rung.count += 1;
        self.heard.notify_one();
    }

    /// Ends the loop after the pass that is running.
    pub fn close(&self) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.heard.notify_one();
    }

    /// Whether the process is to end.
    pub fn is_closed(&self) -> bool {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// How many rings nobody has heard yet.
    pub fn unheard(&self) -> usize {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// Waits until somebody rings, or until `deadline`. Rings from before the call count.
    pub fn wait(&self, deadline: Instant) -> Woken {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if rung.closed {
                return Woken::Closed;
            }
            if let Some(wake) = rung.first.take() {
                rung.count = 0;
                return Woken::Rung(wake);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Woken::TimedOut;
            }
            rung = self.heard.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn many_rings_are_one_and_the_first_is_told() {
        let bell = Bell::default();
        bell.ring(Wake::Webhook);
        (0..1000).for_each(|_| bell.ring(Wake::Refs));
        assert_eq!(bell.unheard(), 1001);
        assert_eq!(bell.wait(soon()), Woken::Rung(Wake::Webhook));
        assert_eq!(bell.unheard(), 0);
        assert_eq!(bell.wait(Instant::now()), Woken::TimedOut);
    }

    #[test]
    fn a_ring_during_a_pass_is_heard_after_it_and_closing_wins() {
        let bell = Bell::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| bell.wait(soon()));
            bell.ring(Wake::Api);
            assert_eq!(waiting.join().unwrap(), Woken::Rung(Wake::Api));
        });
        bell.ring(Wake::Api);
        bell.close();
        assert_eq!(bell.wait(soon()), Woken::Closed);
    }
}
