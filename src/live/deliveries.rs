//! How deliveries are doing: for each target and environment what is held there, what should be, and what stands in
//! the way. The workers write it; status and metrics read it; it decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::Failure;
use crate::domain::{EnvironmentName, ObjectId};

/// A deployment that a target says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldDeployment {
    /// The accepted commit.
    pub commit: ObjectId,
    /// Its height.
    pub height: u64,
}

/// One target and one environment.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The target.
    pub target: String,
    /// `directory`, `git`, `webhook` or `nats`.
    pub kind: &'static str,
    /// The environment.
    pub environment: EnvironmentName,
    /// What the target held when it last answered; nothing before it did, or if it holds nothing of ours.
    pub held: Option<HeldDeployment>,
    /// The height that it should hold; nothing before the environment was read.
    pub wanted: Option<u64>,
    /// Since when it holds something else; nothing while it holds what it should.
    pub behind_since: Option<jiff::Timestamp>,
    /// When it was last seen to hold what it should.
    pub confirmed: Option<jiff::Timestamp>,
    /// Attempts that failed since the last that did not.
    pub attempts: u32,
    /// When the next attempt is made, after one that failed.
    pub next_try: Option<jiff::Timestamp>,
    /// Why the last attempt failed, if it did.
    pub failure: Option<Failure>,
    /// Deliveries that were taken since its worker first began; see [`Deliveries::begin`].
    pub delivered: u64,
    /// Attempts that failed since its worker first began.
    pub failed: u64,
    /// Messages that were given up and are kept for a person.
    pub dead_letters: usize,
}

impl Delivery {
    /// How long the target has held something else than it should; zero while it holds what it should.
    pub fn behind(&self, now: jiff::Timestamp) -> Duration {
        let since = self.behind_since.unwrap_or(now);
        now.duration_since(since).try_into().unwrap_or_default()
    }
}

/// All deliveries, by target and environment.
#[derive(Default)]
pub struct Deliveries(Mutex<BTreeMap<(String, EnvironmentName), Delivery>>);

impl Deliveries {
    /// All of them, in the order of targets and environments.
    pub fn all(&self) -> Vec<Delivery> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A delivery of which nothing is known yet but what its earlier worker counted, and since when the target is
    /// behind: a worker that is started again, for another address or after it broke, takes no counter back.
    pub fn begin(&self, target: String, kind: &'static str, environment: EnvironmentName) -> Delivery {
        let key = (target, environment);
        let deliveries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = deliveries.get(&key);
        Delivery {
            kind,
            held: None,
            wanted: None,
            behind_since: before.and_then(|before| before.behind_since),
            confirmed: None,
            attempts: 0,
            next_try: None,
            failure: None,
            delivered: before.map_or(0, |before| before.delivered),
            failed: before.map_or(0, |before| before.failed),
            dead_letters: 0,
            target: key.0,
            environment: key.1,
        }
    }

    /// Replaces what is known of one.
    pub fn set(&self, delivery: Delivery) {
        let key = (delivery.target.clone(), delivery.environment.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, delivery);
    }

    /// Forgets one whose target is not in the operator's file any more.
    pub fn forget(&self, target: &str, environment: &EnvironmentName) {
        let key = (target.to_owned(), environment.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_begins_again_counts_on_and_a_target_that_was_forgotten_does_not() {
        let deliveries = Deliveries::default();
        let live: EnvironmentName = "live".parse().unwrap();
        let begin = || deliveries.begin("edge".to_owned(), "directory", live.clone());
        let at = jiff::Timestamp::from_second(1000).unwrap();
        let mut first = begin();
        assert_eq!((first.delivered, first.failed, first.behind(at)), (0, 0, Duration::ZERO));
        first.delivered = 3;
        first.failed = 2;
        first.behind_since = Some(at);
        first.confirmed = Some(at);
        deliveries.set(first);
        let second = begin();
        assert_eq!((second.delivered, second.failed), (3, 2));
        assert_eq!(second.confirmed, None);
        assert_eq!(second.behind(at + jiff::SignedDuration::from_secs(30)), Duration::from_secs(30));
        // A clock that was set back makes no length of time.
        assert_eq!(second.behind(at - jiff::SignedDuration::from_secs(30)), Duration::ZERO);
        deliveries.forget("edge", &live);
        assert_eq!(begin().delivered, 0);
    }
}
