//! How deliveries are doing: for each target and environment what is held there, what should be, and what stands in
//! the way. The workers write it; status and metrics read it; it decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::Failure;
use crate::domain::{EnvironmentName, ObjectId};

/// A deployment that a target says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDeployment {
    /// The accepted commit.
    pub commit: ObjectId,
    /// Its height.
    pub height: u64,
}

/// One target and one environment.
#[derive(Clone, Debug, Serialize)]
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
    /// Deliveries that were taken since the process began.
    pub delivered: u64,
    /// Attempts that failed since the process began.
    pub failed: u64,
    /// Messages that were given up and are kept for a person.
    pub dead_letters: usize,
}

impl Delivery {
    /// A delivery of which nothing is known yet.
    pub fn unknown(target: String, kind: &'static str, environment: EnvironmentName) -> Self {
        Delivery {
            target,
            kind,
            environment,
            held: None,
            wanted: None,
            behind_since: None,
            confirmed: None,
            attempts: 0,
            next_try: None,
            failure: None,
            delivered: 0,
            failed: 0,
            dead_letters: 0,
        }
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
