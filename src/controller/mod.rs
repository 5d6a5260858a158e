//! The loop of `serve`: it wakes up, runs a pass, and publishes what is live.
//!
//! One thread owns the repository; the web server and the targets see only [`Live`]. A wake-up carries no facts, so
//! losing one is harmless: the timer looks again.

mod drafts;
mod freed;
mod gits;
mod happened;
mod mirror;
mod pass;
mod places;
mod running;
mod schedule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use mirror::{OpenError, Place};
pub use running::{DRAIN, Running};

use crate::live::{Live, Wake, Woken};
use crate::operator::Settings;
use crate::watch::FileWatch;
use pass::Passes;
use schedule::Schedule;

/// How many webhooks during a pass that brought nothing are a flood. A forge sends one for each ref of a push, and one for
/// each that this controller pushes.
const FLOOD: usize = 32;

/// How long webhooks wait when they are a flood.
const CALM: Duration = Duration::from_secs(1);

/// A loop that is about to run.
pub struct Controller {
    passes: Passes,
    live: Arc<Live>,
    settings: Arc<ArcSwap<Settings>>,
    /// Rings as long as it lives.
    _files: Option<FileWatch>,
}

impl Controller {
    /// A loop over `place`. With `local`, the remote is left alone. Files are watched from here on, so that nothing is
    /// missed before the first look.
    pub fn new(place: Place, local: bool, live: Arc<Live>, settings: Arc<ArcSwap<Settings>>) -> Self {
        let files = places::watch_refs(&place, &live);
        Controller { passes: Passes::new(place, local, Arc::clone(&live)), live, settings, _files: files }
    }

    /// Runs until the bell is closed; the pass that is running then is ended in peace.
    pub fn run(mut self) {
        let mut schedule = Schedule::new(Instant::now());
        self.passes.serve_what_was_seen();
        let mut woken = Woken::Rung(Wake::Start);
        let mut calm_until = Instant::now();
        loop {
            if woken == Woken::Rung(Wake::Webhook) {
                woken = self.calm(calm_until);
            }
            let wake = match woken {
                Woken::Closed => return,
                Woken::Rung(wake) => wake,
                Woken::TimedOut => schedule.why(),
            };
            let settings = self.settings.load_full();
            let passed = self.passes.run(wake, settings.tag_audit);
            schedule.passed(Instant::now(), &passed, settings.resync);
            if passed.idle && self.live.bell.unheard() > FLOOD {
                calm_until = Instant::now() + CALM;
            }
            woken = self.live.bell.wait(schedule.next());
        }
    }

    /// Webhooks wait until `until`: whoever floods us with those that bring nothing makes a pass a second. Anything else that rings goes ahead at once.
    fn calm(&self, until: Instant) -> Woken {
        loop {
            match self.live.bell.wait(until) {
                Woken::Rung(Wake::Webhook) if Instant::now() < until => {}
                Woken::TimedOut => return Woken::Rung(Wake::Webhook),
                other => return other,
            }
        }
    }
}
