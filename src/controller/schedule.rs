//! When the loop looks again by itself: something is due, the last pass failed, or nothing happened for a while.

use std::time::{Duration, Instant};

use backon::BackoffBuilder as _;

use super::pass::Passed;
use crate::live::Wake;

/// The first and the longest pause after a pass that failed; in between each is twice as long as the one before.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The next look.
pub(super) struct Schedule {
    next: Instant,
    why: Wake,
    retries: Option<backon::ExponentialBackoff>,
}

fn retries() -> backon::ExponentialBackoff {
    let builder = backon::ExponentialBuilder::default().with_min_delay(FIRST_RETRY).with_max_delay(LONGEST_RETRY);
    builder.with_jitter().without_max_times().build()
}

impl Schedule {
    pub(super) fn new(now: Instant) -> Self {
        Schedule { next: now, why: Wake::Timer, retries: None }
    }

    /// When to look again if nobody rings.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Why that look is made.
    pub(super) fn why(&self) -> Wake {
        self.why
    }

    /// Takes in how a pass ended.
    pub(super) fn passed(&mut self, now: Instant, passed: &Passed, resync: Duration) {
        (self.next, self.why) = if passed.failed {
            let pause = self.retries.get_or_insert_with(retries).next().unwrap_or(LONGEST_RETRY);
            (now + pause.min(resync.max(FIRST_RETRY)), Wake::Retry)
        } else {
            self.retries = None;
            match passed.due_in {
                // A moment later, so that what is due has come whichever way the clock rounds.
                Some(due) if due < resync => (now + due + Duration::from_millis(5), Wake::Due),
                _ => (now + resync, Wake::Timer),
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESYNC: Duration = Duration::from_secs(30);

    fn after(schedule: &mut Schedule, passed: Passed) -> (Duration, Wake) {
        let now = Instant::now();
        schedule.passed(now, &passed, RESYNC);
        (schedule.next() - now, schedule.why())
    }

    #[test]
    fn failures_wait_longer_each_time_but_never_longer_than_the_timer_and_a_good_pass_forgets_them() {
        let mut schedule = Schedule::new(Instant::now());
        let failed = || Passed { failed: true, idle: false, due_in: None };
        let (first, why) = after(&mut schedule, failed());
        assert_eq!(why, Wake::Retry);
        assert!(first >= FIRST_RETRY && first <= FIRST_RETRY * 2);
        let later = (0..20).map(|_| after(&mut schedule, failed()).0).last().unwrap();
        assert_eq!(later, RESYNC);
        assert_eq!(after(&mut schedule, Passed { failed: false, idle: true, due_in: None }), (RESYNC, Wake::Timer));
        assert!(after(&mut schedule, failed()).0 <= FIRST_RETRY * 2);
    }

    #[test]
    fn what_is_due_sooner_is_looked_at_sooner() {
        let mut schedule = Schedule::new(Instant::now());
        let due = |seconds| Passed { failed: false, idle: true, due_in: Some(Duration::from_secs(seconds)) };
        assert_eq!(after(&mut schedule, due(3)).1, Wake::Due);
        assert_eq!(after(&mut schedule, due(3000)), (RESYNC, Wake::Timer));
    }
}
