//! What a pass did, as events.

use std::collections::HashSet;

use crate::domain::record::Action;
use crate::live::{EventKind, Failure, Live, Status};
use crate::plan::{EnvironmentCommit, Step, Wait};
use crate::reconcile::Outcome;

/// Tells what `outcome` did; of what waits and is ignored only what is new since `before`.
pub(super) fn tell(live: &Live, before: &Status, outcome: &Outcome, now: jiff::Timestamp) {
    for step in &outcome.plan.steps {
        tell_step(live, step, now);
    }
    if let Some(ledger) = &outcome.ledger {
        live.events.tell(now, EventKind::Healed, None, None, None, ledger.clone());
    }
    let key = |wait: &Wait| (wait.environment.clone(), wait.agent.clone(), wait.version, wait.code.to_string());
    let known: HashSet<_> = before.waits.iter().map(key).collect();
    for wait in outcome.plan.waits.iter().filter(|wait| !known.contains(&key(wait))) {
        let Wait { environment, agent, version, reason, .. } = wait.clone();
        live.events.tell(now, EventKind::Waits, Some(environment), agent, version, reason);
    }
    for (_, reason) in outcome.ignored.iter().filter(|(_, reason)| !before.ignored.contains(reason)) {
        live.events.tell(now, EventKind::Refused, None, None, None, reason.clone());
    }
}

/// Tells that a pass failed.
pub(super) fn tell_failure(live: &Live, failure: &Failure, now: jiff::Timestamp) {
    live.events.tell(now, EventKind::PassFailed, None, None, None, failure.message.clone());
}

fn tell_step(live: &Live, step: &Step, now: jiff::Timestamp) {
    let text = step.to_string();
    let (kind, tag) = match step {
        Step::Accept { tag, .. } => (EventKind::Accepted, tag),
        Step::Reject { tag, .. } => (EventKind::Refused, tag),
        Step::RestoreTag { tag, .. } => (EventKind::Healed, tag),
        Step::Mark { agent, .. } => {
            return live.events.tell(now, EventKind::Marked, None, Some(agent.clone()), None, text);
        }
        Step::Commit(commit) => return tell_commit(live, commit, now),
        // Said by what comes with it: a tag that is made is accepted, an environment that begins is empty.
        Step::CreateTag { .. } | Step::Forget { .. } | Step::Begin { .. } | Step::Follow { .. } => return,
    };
    live.events.tell(now, kind, None, Some(tag.agent.clone()), Some(tag.number), text);
}

fn tell_commit(live: &Live, commit: &EnvironmentCommit, now: jiff::Timestamp) {
    let kind = match commit.action {
        Action::Hold | Action::ReleaseHold => EventKind::Held,
        Action::Heal => EventKind::Healed,
        _ => EventKind::Moved,
    };
    let environment = Some(commit.environment.clone());
    if commit.moves.is_empty() {
        return live.events.tell(now, kind, environment, None, None, commit.subject.clone());
    }
    for moved in &commit.moves {
        let agent = Some(moved.agent.clone());
        live.events.tell(now, kind, environment.clone(), agent, moved.to, commit.subject.clone());
    }
}
