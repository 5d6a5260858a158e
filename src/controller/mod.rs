//! The loop of `serve`: it wakes up, runs a pass, and publishes what is live.
//!
//! One thread owns the repository; the web server and the targets see only [`Live`]. A wake-up carries no facts, so
//! losing one is harmless: the timer looks again.

mod happened;
mod mirror;
mod pass;
mod places;
mod schedule;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

pub use mirror::{OpenError, Place};

use crate::live::{Live, Wake, Woken};
use crate::operator::Settings;
use crate::reconcile::Memory;
use crate::store::Repository;
use schedule::Schedule;

/// A loop that is about to run.
pub struct Controller {
    place: Place,
    local: bool,
    live: Arc<Live>,
    settings: Arc<ArcSwap<Settings>>,
}

impl Controller {
    /// A loop over `place`. With `local`, the remote is left alone.
    pub fn new(place: Place, local: bool, live: Arc<Live>, settings: Arc<ArcSwap<Settings>>) -> Self {
        Controller { place, local, live, settings }
    }

    /// Runs until the bell is closed; the pass that is running then is ended in peace.
    pub fn run(self) {
        let _files = places::watch(&self.place, &self.live);
        let mut memory =
            Repository::open(self.place.dir()).map(|repository| Memory::load(&repository)).unwrap_or_default();
        let mut schedule = Schedule::new(Instant::now());
        pass::serve_what_was_seen(&self.place, self.local, &self.live);
        let mut woken = Woken::Rung(Wake::Start);
        let mut number = 0;
        loop {
            let wake = match woken {
                Woken::Closed => return,
                Woken::Rung(wake) => wake,
                Woken::TimedOut => schedule.why(),
            };
            number += 1;
            // What an earlier process of ours left behind stops nobody: this one holds the mirror's lock.
            self.place.sweep();
            let report = pass::run(&self.place, self.local, &self.live, &mut memory, wake, number);
            schedule.passed(Instant::now(), &report, self.settings.load().resync);
            self.place.maintain(Instant::now());
            woken = self.live.bell.wait(schedule.next());
        }
    }
}
