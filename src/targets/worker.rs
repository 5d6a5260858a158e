//! The loop of one target and one environment. It is level-triggered: woken by another snapshot, by its clock or by a
//! person, it takes the newest environment, asks the target what it holds, and gives it what differs. It has its own
//! clock, backoff and connection, so that no other worker waits for this one.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::decide::{Decision, Held, Wanted, Why, decide};
use super::directory::newer;
use super::place::{Failure, Place};
use crate::domain::{EnvironmentName, ObjectId};
use crate::live::{Delivery, Environment, EventKind, HeldDeployment, Live, Wake};

/// When workers do what. The default is for months unattended; tests are in more of a hurry.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often a target that holds what it should is asked whether it still does.
    pub audit: Duration,
    /// The wait after the first attempt that failed. It doubles from there on, and jitter adds up to as much again.
    pub first_wait: Duration,
    /// The longest of these waits; for webhooks twelve times as much.
    pub longest_wait: Duration,
    /// The longest wait once there is something newer to deliver.
    pub news: Duration,
    /// How many attempts a webhook's message gets before it becomes a dead letter: 28 are about a day.
    pub attempts: u32,
    /// How long one attempt may take, all in all.
    pub attempt: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            audit: Duration::from_secs(60),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(5 * 60),
            news: Duration::from_secs(10),
            attempts: 28,
            attempt: Duration::from_secs(10 * 60),
        }
    }
}

/// How often a worker looks whether a person asks for another attempt.
const ASKED: Duration = Duration::from_secs(1);

/// After how many attempts something that goes by itself as a rule is told.
const PATIENCE: u32 = 3;

/// One worker.
pub(super) struct Worker {
    live: Arc<Live>,
    environment: EnvironmentName,
    place: Place,
    pace: Pace,
    backoff: ExponentialBackoff,
    state: Delivery,
    /// The failure that was told as an event, until it is over.
    told: Option<String>,
    /// An unknown commit, and the number of the pass that had begun when it was seen first.
    unknown: Option<(ObjectId, u64)>,
    /// When the next attempt is made.
    due: Instant,
}

impl Worker {
    pub(super) fn new(
        live: Arc<Live>,
        target: String,
        kind: &'static str,
        environment: EnvironmentName,
        place: Place,
        pace: Pace,
    ) -> Self {
        let state = live.deliveries.begin(target, kind, environment.clone());
        let backoff = schedule(&pace, kind).build();
        Worker { live, environment, place, pace, backoff, state, told: None, unknown: None, due: Instant::now() }
    }

    /// Works until `stop` says so. An attempt that is under way is ended first.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // Before the first look, or a snapshot that comes between the two would be missed.
        let mut changed = self.live.subscribe();
        self.state.dead_letters = self.place.dead_letters();
        self.live.deliveries.set(self.state.clone());
        let mut last = None;
        while !*stop.borrow_and_update() {
            changed.mark_unchanged();
            let wanted = self.live.snapshot().environments.get(&self.environment).cloned();
            if let Some(wanted) = &wanted {
                let news = last.replace((wanted.head, wanted.height)) != Some((wanted.head, wanted.height));
                if news {
                    self.hurry(wanted);
                }
                if self.due <= Instant::now() || self.place.is_asked_again() {
                    self.attempt(wanted).await;
                }
            }
            let asked = Instant::now() + ASKED;
            let due = if wanted.is_none() { asked } else { self.due };
            let until = if matches!(self.place, Place::Webhook(_)) { due.min(asked) } else { due };
            tokio::select! {
                // An error says that nobody is there any more to stop it.
                result = stop.changed() => if result.is_err() { break },
                // The sender lives as long as `live`, which this worker holds.
                _ = changed.changed() => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// There is something newer: a target that is well gets it now, one that is not sooner than it would have.
    fn hurry(&mut self, wanted: &Environment) {
        let news = if self.state.attempts == 0 { Instant::now() } else { Instant::now() + self.pace.news };
        self.due = self.due.min(news);
        self.state.wanted = Some(wanted.height);
        if self.state.held != Some(HeldDeployment { commit: wanted.head, height: wanted.height }) {
            self.state.behind_since.get_or_insert_with(jiff::Timestamp::now);
        }
        self.live.deliveries.set(self.state.clone());
    }

    async fn attempt(&mut self, wanted: &Arc<Environment>) {
        let span = tracing::info_span!(
            "delivery",
            otel.kind = "client",
            to = self.state.target,
            kind = self.state.kind,
            environment = %self.environment,
            height = wanted.height,
            result = Empty,
            otel.status_code = Empty,
            otel.status_description = Empty,
        );
        let outcome = match timeout(self.pace.attempt, self.make_so(wanted).instrument(span.clone())).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new(format!("not done within {} s", self.pace.attempt.as_secs()))),
        };
        let _in = span.enter();
        span.record(
            "result",
            match &outcome {
                Ok(None) => "kept",
                Ok(Some(_)) => "delivered",
                Err(_) => "failed",
            },
        );
        if let Err(failure) = &outcome {
            span.record("otel.status_code", "error");
            span.record("otel.status_description", &failure.message);
        }
        let now = jiff::Timestamp::now();
        let wait = match outcome {
            Ok(why) => {
                self.delivered(wanted, why, now);
                self.pace.audit
            }
            Err(failure) => self.failed(failure, now),
        };
        self.due = Instant::now() + wait;
        self.state.dead_letters = self.place.dead_letters();
        self.live.deliveries.set(self.state.clone());
    }

    /// Asks, gives, and asks again. The answer says why something was given, if it was.
    async fn make_so(&mut self, wanted: &Arc<Environment>) -> Result<Option<Why>, Failure> {
        let held = self.place.held(wanted).await?;
        self.state.held = shown(&held);
        let is = Wanted { commit: wanted.head, height: wanted.height };
        let why = match decide(&held, is, self.looked_since(&held)) {
            Decision::Keep => return Ok(None),
            Decision::Deliver(why) => why,
            Decision::Refuse { height } => {
                self.live.bell.ring(Wake::Target);
                return Err(newer(height, wanted.height));
            }
            Decision::LookAgain(commit) => {
                self.live.bell.ring(Wake::Target);
                let text = format!("it holds commit {}, which is not known here yet", commit.short());
                return Err(Failure::new(text).passing());
            }
        };
        self.place.deliver(wanted).await?;
        let back = self.place.held(wanted).await?;
        self.state.held = shown(&back);
        match decide(&back, is, true) {
            Decision::Keep => Ok(Some(why)),
            Decision::Refuse { height } => Err(newer(height, wanted.height)),
            _ => Err(Failure::new("what was just delivered is not what it holds")),
        }
    }

    /// Whether the repository was read after an unknown commit was seen here first. A pass that was under way then may
    /// have read it before; the one after it has not.
    fn looked_since(&mut self, held: &Held) -> bool {
        let Held::Unknown(commit) = held else {
            self.unknown = None;
            return false;
        };
        let status = self.live.status();
        let newest = status.last_pass.as_ref().map_or(0, |pass| pass.number);
        match self.unknown {
            Some((seen, since)) if seen == *commit => {
                status.last_pass.as_ref().is_some_and(|pass| pass.number >= since + 2 && pass.failure.is_none())
            }
            _ => {
                self.unknown = Some((*commit, newest));
                false
            }
        }
    }

    fn delivered(&mut self, wanted: &Environment, why: Option<Why>, now: jiff::Timestamp) {
        self.state.failure = None;
        let recovered = self.told.take().is_some();
        self.state.attempts = 0;
        self.state.next_try = None;
        self.state.behind_since = None;
        self.state.confirmed = Some(now);
        self.backoff = schedule(&self.pace, self.state.kind).build();
        let (target, height) = (&self.state.target, wanted.height);
        let text = match why {
            None if !recovered => return,
            None => format!("`{target}` holds height {height} again"),
            Some(Why::First | Why::Behind) => format!("`{target}` took height {height}"),
            Some(Why::Changed(what)) => format!("`{target}` was corrected to height {height}: {what}"),
        };
        self.state.delivered += 1;
        tracing::info!(to = target, environment = %self.environment, height, "{text}");
        self.live.events.tell(now, EventKind::Delivered, Some(self.environment.clone()), None, None, text);
    }

    /// Notes the failure and says how long to wait. It is told when it begins and when it becomes another one.
    fn failed(&mut self, failure: Failure, now: jiff::Timestamp) -> Duration {
        let scheduled = self.backoff.next().unwrap_or(self.pace.longest_wait);
        let wait = failure.wait.map_or(scheduled, |wait| wait.max(scheduled));
        let target = &self.state.target;
        let stays = !failure.passing || self.state.attempts >= PATIENCE;
        if stays && self.told.as_ref() != Some(&failure.message) {
            tracing::warn!(to = target, environment = %self.environment, failure = failure.message, "a delivery failed");
            let text = format!("`{target}` cannot be brought to what is live: {}", failure.message);
            self.live.events.tell(now, EventKind::DeliveryFailed, Some(self.environment.clone()), None, None, text);
            self.told = Some(failure.message.clone());
        }
        self.state.attempts = self.state.attempts.saturating_add(1);
        self.state.failed += 1;
        self.state.behind_since.get_or_insert(now);
        self.state.next_try = now.checked_add(wait).ok();
        self.state.failure = Some(crate::live::Failure { message: failure.message, hint: failure.hint });
        wait
    }
}

fn schedule(pace: &Pace, kind: &str) -> ExponentialBuilder {
    let longest = if kind == "webhook" { pace.longest_wait * 12 } else { pace.longest_wait };
    ExponentialBuilder::new().with_min_delay(pace.first_wait).with_max_delay(longest).without_max_times().with_jitter()
}

fn shown(held: &Held) -> Option<HeldDeployment> {
    match held {
        Held::Deployment { commit, height, .. } => Some(HeldDeployment { commit: *commit, height: *height }),
        Held::Nothing | Held::Garbage(_) | Held::Unknown(_) => None,
    }
}
