//! One environment's place at one target, whatever kind it is, and the ways in which talking to it fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::decide::Held;
use super::directory::Directory;
use super::git::Branch;
use super::nats::Bucket;
use super::webhook::Webhook;
use crate::live::Environment;

/// Why a target could not be asked or given something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// In one sentence, without anything secret.
    pub(super) message: String,
    /// What to change, where a person has to.
    pub(super) hint: Option<String>,
    /// The least time to wait before the next attempt, where the target or the schedule says so.
    pub(super) wait: Option<Duration>,
    /// Whether it goes by itself as a rule: two controllers are never at the same height at every moment. It is told
    /// only if it stays.
    pub(super) passing: bool,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), hint: None, wait: None, passing: false }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn passing(mut self) -> Self {
        self.passing = true;
        self
    }

    pub(super) fn wait(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }
}

/// The place of one environment at one target.
pub(super) enum Place {
    Directory(Directory),
    Git(Box<Branch>),
    Webhook(Box<Webhook>),
    Nats(Box<Bucket>),
}

impl Place {
    /// What it holds, seen from what it should hold.
    pub(super) async fn held(&mut self, wanted: &Arc<Environment>) -> Result<Held, Failure> {
        match self {
            Place::Directory(place) => place.held(wanted).await,
            Place::Git(place) => place.held(wanted).await,
            Place::Webhook(place) => place.held().await,
            Place::Nats(place) => place.held(wanted).await,
        }
    }

    /// Gives it `wanted`. It was asked just before; whoever was faster since then is not overwritten.
    pub(super) async fn deliver(&mut self, wanted: &Arc<Environment>) -> Result<(), Failure> {
        match self {
            Place::Directory(place) => place.deliver(wanted).await,
            Place::Git(place) => place.deliver(wanted).await,
            Place::Webhook(place) => place.deliver(wanted).await,
            Place::Nats(place) => place.deliver(wanted).await,
        }
    }

    /// Whether a person asks for another attempt now.
    pub(super) fn is_asked_again(&self) -> bool {
        match self {
            Place::Webhook(place) => place.is_asked_again(),
            _ => false,
        }
    }

    /// How many messages were given up.
    pub(super) fn dead_letters(&self) -> usize {
        match self {
            Place::Webhook(place) => place.dead_letters(),
            _ => 0,
        }
    }
}

/// Work that may block for ever, on a network file system for example: one piece at a time, off the runtime's own
/// threads, and given up without being waited for.
pub(super) struct Blocking {
    running: Option<JoinHandle<()>>,
    limit: Duration,
}

impl Blocking {
    /// Work that is given up after `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Blocking { running: None, limit }
    }

    /// Runs `work`. While an earlier piece that was given up still runs, nothing new is begun: each would take one
    /// more thread, and two would write at once.
    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Err(Failure::new("an earlier attempt still hangs"));
        }
        let (done, result) = oneshot::channel();
        self.running = Some(tokio::task::spawn_blocking(move || {
            // Nobody listens any more if the work was given up.
            let _ = done.send(work());
        }));
        match tokio::time::timeout(self.limit, result).await {
            Ok(Ok(result)) => {
                self.running = None;
                result
            }
            Ok(Err(_)) => Err(Failure::new("the attempt broke off")),
            Err(_) => Err(Failure::new(format!("no answer within {} s", self.limit.as_secs()))),
        }
    }
}
