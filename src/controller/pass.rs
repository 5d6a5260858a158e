//! One pass of the daemon: the pass that every command runs, then the snapshot of what is live afterwards.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::span::EnteredSpan;

use super::mirror::Place;
use super::{freed, happened};
use crate::domain::{EnvironmentName, ObjectId};
use crate::live::{self, Failure, Live, PassReport, Snapshot, Status, Wake};
use crate::plan::Plan;
use crate::reconcile::{Context, Decided, Memory, Note, Order, Outcome, run as run_pass};
use crate::store::{Error, RefPlace, Repository, SEEN_LEDGER, Scope, World, controller};

/// How many steps of a pass are told to `pointsman status`.
const TOLD: usize = 20;

/// What the schedule needs to know of a pass.
pub(super) struct Passed {
    pub(super) failed: bool,
    /// Whether there was nothing to do.
    pub(super) idle: bool,
    pub(super) due_in: Option<Duration>,
}

/// Up to where it was told what happened, whoever decided it.
#[derive(Default)]
struct Told {
    ledger: Option<ObjectId>,
    heads: BTreeMap<EnvironmentName, ObjectId>,
}

/// The passes of one loop, and what they keep from one to the next.
pub(super) struct Passes {
    place: Place,
    local: bool,
    live: Arc<Live>,
    memory: Memory,
    number: u64,
    /// When a remote's tags were read last.
    tags_read: Option<Instant>,
    /// What was told of already.
    told: Told,
}

impl Passes {
    /// Passes over `place`. With `local`, the remote is left alone.
    pub(super) fn new(place: Place, local: bool, live: Arc<Live>) -> Self {
        let memory = Repository::open(place.dir()).map(|repository| Memory::load(&repository)).unwrap_or_default();
        Passes { place, local, live, memory, number: 0, tags_read: None, told: Told::default() }
    }

    /// Serves what the ledger says that this repository saw last, until there was a good pass: a remote that is away, or
    /// takes nothing, must not keep calls from being answered.
    pub(super) fn serve_what_was_seen(&mut self) {
        let read = || -> Result<Option<Snapshot>, Error> {
            let repository = Repository::open(self.place.dir())?;
            let seen = match repository.read_ref(SEEN_LEDGER)? {
                Some(seen) => Some(seen),
                None => World::of(&repository, self.local).read(&repository, &RefPlace::Ledger)?,
            };
            let Some(seen) = seen else { return Ok(None) };
            live::read(&repository, Some(seen), &Snapshot::default()).map(Some)
        };
        let repository = self.place.shown();
        match read() {
            Ok(Some(snapshot)) => {
                let heads = snapshot.environments.iter().map(|(name, environment)| (name.clone(), environment.head));
                self.told = Told { ledger: snapshot.ledger, heads: heads.collect() };
                self.live.publish(snapshot);
                self.live.set_ready(repository);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "what was served last cannot be read"),
        }
    }

    /// Runs a pass, publishes what is live afterwards, and tells what happened.
    pub(super) fn run(&mut self, wake: Wake, tag_audit: Duration) -> Passed {
        // What an earlier git of ours left behind stops nobody: this process holds the mirror's lock.
        self.place.sweep();
        self.number += 1;
        self.live.pass_begins();
        let span = tracing::info_span!(
            "pass",
            number = self.number,
            %wake,
            result = Empty,
            steps = Empty,
            otel.status_code = Empty,
            otel.status_description = Empty,
        )
        .entered();
        let began = jiff::Timestamp::now();
        let started = Instant::now();
        let fresh = self.tags_read.is_some_and(|last| started.duration_since(last) < tag_audit);
        let tags_as_fetched = wake == Wake::Timer && fresh;
        // Hostile content that finds a fault in our code costs one pass, not the process.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| self.attempt(began, tags_as_fetched)));
        let result = result.unwrap_or_else(|_| {
            let message = "the pass ran into a fault of the program".to_owned();
            Err(Failure { message, hint: Some("see the log, and report it".to_owned()) })
        });
        if result.is_ok() && !tags_as_fetched {
            self.tags_read = Some(started);
        }
        let took = started.elapsed();
        if result.is_err() && !self.live.status().ready {
            // The pass may have read what it could not go on from, where a remote takes no push.
            self.serve_what_was_seen();
        }
        let status = self.report(wake, began, took, result);
        end(span, &status);
        let now = jiff::Timestamp::now();
        let due_in = status.waits.iter().filter_map(|wait| wait.until).map(|until| until.duration_since(now)).min();
        let failed = status.last_pass.as_ref().is_some_and(|last| last.failure.is_some());
        let steps = status.last_pass.as_ref().map_or(0, |last| last.steps.len());
        let idle = !failed && steps == 0;
        self.live.set_status(status);
        self.live.pass_ended();
        freed::give_back(steps);
        if let Some(counts) = self.place.maintain(Instant::now()) {
            let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
            self.live.metrics.repository_objects.set(gauge(counts.loose + counts.packed));
            self.live.metrics.repository_pack_bytes.set(gauge(counts.bytes));
        }
        Passed { failed, idle, due_in: due_in.map(|due| Duration::try_from(due).unwrap_or_default()) }
    }

    /// Tells how a pass ended in the log, as events, and in the note for `pointsman status`.
    fn report(&self, wake: Wake, began: jiff::Timestamp, took: Duration, result: Result<Outcome, Failure>) -> Status {
        let before = self.live.status();
        let mut status = Status { repository: self.place.shown(), ..Status::clone(&before) };
        let milliseconds = took.as_secs_f64() * 1e3;
        let (steps, failure) = match result {
            Ok(outcome) => {
                status.confirm(began, &outcome.plan.waits);
                status.ignored = outcome.ignored.iter().map(|(_, reason)| reason.clone()).collect();
                status.policy.clone_from(&outcome.policy_note);
                happened::tell(&self.live, &before, &outcome, jiff::Timestamp::now());
                let done = outcome.plan.steps.iter().map(ToString::to_string);
                let steps: Vec<_> = outcome.ledger.iter().cloned().chain(done).collect();
                match &steps[..] {
                    [] => tracing::debug!(%wake, milliseconds, "pass: nothing to do"),
                    [first, ..] => tracing::info!(%wake, milliseconds, steps = steps.len(), first, "pass"),
                }
                (steps, None)
            }
            Err(failure) => {
                let Failure { message, hint } = &failure;
                tracing::warn!(%wake, milliseconds, error = message, hint, "the pass failed; what is served stays");
                if before.last_pass.as_ref().is_none_or(|last| last.failure.is_none()) {
                    happened::tell_failure(&self.live, &failure, began);
                }
                (Vec::new(), Some(failure))
            }
        };
        if let Ok(repository) = Repository::open(self.place.dir()) {
            let note = Note {
                at: began,
                took_seconds: took.as_secs_f64(),
                wake: wake.to_string(),
                confirmed: status.confirmed,
                failure: failure.as_ref().map(|failure| failure.message.clone()),
                steps: steps.iter().take(TOLD).cloned().collect(),
                waits: status.waits.clone(),
            };
            note.write(&repository);
        }
        let report = PassReport { number: self.number, wake, began, took, steps, failure };
        self.live.metrics.pass_ended(&report);
        status.last_pass = Some(report);
        status
    }

    fn attempt(&mut self, now: jiff::Timestamp, tags_as_fetched: bool) -> Result<Outcome, Failure> {
        let failure = |error: Error| self.place.failure(error);
        // Opened for each pass: a handle remembers packs, cut-off history and configuration that others change.
        let repository = Repository::open(self.place.dir()).map_err(failure)?;
        // Calls are answered with what stands, before the mirror has caught up with it.
        let serve = |ledger| match serve(&self.live, &repository, self.local, Some(ledger)) {
            Ok(()) => self.live.set_ready(self.place.shown()),
            Err(error) => tracing::debug!(%error, "what was decided will be served after the pass"),
        };
        let context = Context {
            repository: &repository,
            local: self.local,
            tags_as_fetched,
            now,
            committer: controller(),
            on_decided: Some(&serve),
        };
        let order = Order::look_at(Scope::All);
        let mut pass = || run_pass(&context, &order, &mut self.memory, &|_, _| serde_json::Value::Null);
        let mut decided = pass();
        if matches!(decided, Err(Error::Diverged { .. })) && self.place.is_mirror() {
            let put_back = World::of(&repository, self.local).put_ledger_back(&repository).map_err(failure)?;
            if put_back {
                tracing::warn!("the remote's ledger was set back, and is again where it was");
                decided = pass();
            }
        }
        let decided = decided.map_err(failure)?;
        self.memory.save(&repository);
        let Decided::Done(outcome) = decided else {
            unreachable!("only an idempotency key is replayed, and only a publisher withdraws");
        };
        self.publish(&repository, outcome.ledger_tip, &outcome.plan).map_err(|error| self.place.failure(error))?;
        Ok(*outcome)
    }

    fn publish(&mut self, repository: &Repository, decided: Option<ObjectId>, plan: &Plan) -> Result<(), Error> {
        serve(&self.live, repository, self.local, decided)?;
        self.live.set_ready(self.place.shown());
        self.tell(repository, plan);
        Ok(())
    }

    /// Tells what was decided and moved since it was told last. After it is served: that does not depend on being told.
    /// Environments that the `plan` began had no moves that were told before.
    fn tell(&mut self, repository: &Repository, plan: &Plan) {
        let served = self.live.snapshot();
        let before = std::mem::replace(&mut self.told.ledger, served.ledger);
        if let (Some(before), Some(after)) = (before, served.ledger)
            && before != after
        {
            let now = jiff::Timestamp::now();
            if let Err(error) = happened::tell_elsewhere(&self.live, repository, (before, after), plan, now) {
                tracing::warn!(%error, "what others decided cannot be told as events");
            }
        }
        let begun = happened::begun(plan);
        for (name, environment) in &served.environments {
            let before = self.told.heads.insert(name.clone(), environment.head);
            if before == Some(environment.head) || (before.is_none() && !begun.contains(name)) {
                continue;
            }
            let now = jiff::Timestamp::now();
            if let Err(error) = happened::tell_moves(&self.live, repository, before, environment, now) {
                tracing::warn!(%error, "moves cannot be told as events");
            }
        }
    }
}

/// Publishes what the ledger says now. `decided` is its tip if the pass looked; else nothing has changed since an
/// earlier pass did, and the tip must carry on what is served: a branch that was rewritten since is judged first.
fn serve(live: &Live, repository: &Repository, local: bool, decided: Option<ObjectId>) -> Result<(), Error> {
    live.advance(|present| {
        let tip = match decided {
            Some(tip) => Some(tip),
            None => World::of(repository, local).read(repository, &RefPlace::Ledger)?,
        };
        if tip == present.ledger && tip.is_some() {
            return Ok(None);
        }
        if let (Some(tip), Some(served)) = (tip, present.ledger) {
            // Calls of the API publish what they moved themselves, and one may have been faster.
            let newer_is_served = repository.is_ancestor(tip, served)?;
            if newer_is_served || (decided.is_none() && !repository.is_ancestor(served, tip)?) {
                return Ok(None);
            }
        }
        live::read(repository, tip, present).map(Some)
    })
}

/// Ends the span of a pass with what it came to. The fields `otel.*` are those that a collector takes as the outcome.
fn end(span: EnteredSpan, status: &Status) {
    let Some(pass) = &status.last_pass else { return };
    span.record("steps", pass.steps.len());
    span.record("result", if pass.failure.is_none() { "ok" } else { "failed" });
    if let Some(failure) = &pass.failure {
        span.record("otel.status_code", "error");
        span.record("otel.status_description", &failure.message);
    }
}
