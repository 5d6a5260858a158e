//! One pass of the daemon: the pass that every command runs, then the snapshot of what is live afterwards.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use super::happened;
use super::mirror::Place;
use crate::domain::ObjectId;
use crate::live::{self, Failure, Live, PassReport, Snapshot, Status, Wake};
use crate::reconcile::{Context, Decided, Memory, Note, Order, Outcome, run as run_pass};
use crate::store::{Error, RefPlace, Repository, SEEN_LEDGER, Scope, World, controller};

/// How many steps of a pass are told to `pointsman status`.
const TOLD: usize = 20;

/// What the schedule needs to know of a pass.
pub(super) struct Passed {
    pub(super) failed: bool,
    pub(super) due_in: Option<Duration>,
}

/// Serves what the ledger says that this repository saw last, before the first pass: a remote that is away must not
/// keep calls from being answered.
pub(super) fn serve_what_was_seen(place: &Place, local: bool, live: &Live) {
    let read = || -> Result<Option<Snapshot>, Error> {
        let repository = Repository::open(place.dir())?;
        let seen = match repository.read_ref(SEEN_LEDGER)? {
            Some(seen) => Some(seen),
            None => World::of(&repository, local).read(&repository, &RefPlace::Ledger)?,
        };
        let Some(seen) = seen else { return Ok(None) };
        live::read(&repository, Some(seen), &Snapshot::default()).map(Some)
    };
    match read() {
        Ok(Some(snapshot)) => {
            live.publish(snapshot);
            live.set_status(Status { ready: true, repository: place.shown(), ..Status::clone(&live.status()) });
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "what was served last cannot be read"),
    }
}

/// Runs a pass, publishes what is live afterwards, and tells what happened.
pub(super) fn run(place: &Place, local: bool, live: &Live, memory: &mut Memory, wake: Wake, number: u64) -> Passed {
    let began = jiff::Timestamp::now();
    let started = Instant::now();
    // Hostile content that finds a fault in our code costs one pass, not the process.
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| attempt(place, local, live, memory, began)));
    let result = result.unwrap_or_else(|_| {
        Err(Failure {
            message: "the pass ran into a fault of the program".to_owned(),
            hint: Some("see the log, and report it".to_owned()),
        })
    });
    let took = started.elapsed();
    let before = live.status();
    let mut status = Status { repository: place.shown(), ..Status::clone(&before) };
    let (steps, failure) = match result {
        Ok(outcome) => {
            status.ready = true;
            status.confirmed = Some(began);
            status.waits.clone_from(&outcome.plan.waits);
            status.ignored = outcome.ignored.iter().map(|(_, reason)| reason.clone()).collect();
            status.policy.clone_from(&outcome.policy_note);
            happened::tell(live, &before, &outcome, jiff::Timestamp::now());
            let steps: Vec<_> =
                outcome.ledger.iter().cloned().chain(outcome.plan.steps.iter().map(ToString::to_string)).collect();
            let took = took.as_secs_f64() * 1e3;
            match steps.len() {
                0 => tracing::debug!(%wake, took, "pass: nothing to do"),
                count => tracing::info!(%wake, took, steps = count, first = steps[0], "pass"),
            }
            (steps, None)
        }
        Err(failure) => {
            tracing::warn!(%wake, error = failure.message, hint = failure.hint, "the pass failed; what is served stays");
            if before.last_pass.as_ref().is_none_or(|last| last.failure.is_none()) {
                happened::tell_failure(live, &failure, began);
            }
            (Vec::new(), Some(failure))
        }
    };
    let failed = failure.is_some();
    let now = jiff::Timestamp::now();
    let due_in = status.waits.iter().filter_map(|wait| wait.until).map(|until| until.duration_since(now)).min();
    if let Ok(repository) = Repository::open(place.dir()) {
        let note = Note {
            at: began,
            took_seconds: took.as_secs_f64(),
            wake: wake.to_string(),
            confirmed: status.confirmed,
            failure: failure.as_ref().map(|failure| failure.message.clone()),
            steps: steps.iter().take(TOLD).cloned().collect(),
        };
        note.write(&repository);
    }
    status.last_pass = Some(PassReport { number, wake, began, took, steps, failure });
    live.set_status(status);
    Passed { failed, due_in: due_in.map(|due| Duration::try_from(due).unwrap_or_default()) }
}

fn attempt(
    place: &Place,
    local: bool,
    live: &Live,
    memory: &mut Memory,
    now: jiff::Timestamp,
) -> Result<Outcome, Failure> {
    let failure = |error: Error| place.failure(error);
    // Opened for each pass: a handle remembers packs, cut-off history and configuration that others change meanwhile.
    let repository = Repository::open(place.dir()).map_err(failure)?;
    let context = Context { repository: &repository, local, now, committer: controller() };
    let order = Order::look_at(Scope::All);
    let decided = run_pass(&context, &order, memory, &|_, _| serde_json::Value::Null).map_err(failure)?;
    memory.save(&repository);
    let Decided::Done(outcome) = decided else {
        unreachable!("only an idempotency key is replayed, and only a publish is overtaken");
    };
    publish(&repository, local, live, outcome.ledger_tip).map_err(failure)?;
    Ok(*outcome)
}

/// Publishes what the ledger says now. `decided` is its tip if the pass looked; else nothing has changed since an
/// earlier pass did, and the tip must carry on what is served: a branch that was rewritten since is judged first.
fn publish(repository: &Repository, local: bool, live: &Live, decided: Option<ObjectId>) -> Result<(), Error> {
    let present = live.snapshot();
    let tip = match decided {
        Some(tip) => Some(tip),
        None => World::of(repository, local).read(repository, &RefPlace::Ledger)?,
    };
    if tip == present.ledger && tip.is_some() {
        return Ok(());
    }
    if let (None, Some(tip), Some(served)) = (decided, tip, present.ledger)
        && !repository.is_ancestor(served, tip)?
    {
        return Ok(());
    }
    live.publish(live::read(repository, tip, &present)?);
    Ok(())
}
