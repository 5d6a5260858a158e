//! What a pass did, as events.

use std::collections::{BTreeSet, HashSet};

use crate::domain::ledger::Rejection;
use crate::domain::record::Action;
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionNumber, VersionTag};
use crate::live::{Environment, EventKind, Failure, Live, Status};
use crate::ops::verify::{Meaning, meaning};
use crate::plan::{Plan, Step, Wait};
use crate::reconcile::Outcome;
use crate::store::{EntryMode, Error, Ledger, Repository};

/// How many moves of one environment are told at once.
const MOST_MOVES: usize = 500;

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
        // Said by what comes with it: a tag that is made is accepted, an environment that begins is empty. Moves are told
        // from the branches, whoever made them.
        Step::CreateTag { .. } | Step::Forget { .. } | Step::Begin { .. } | Step::Follow { .. } | Step::Commit(_) => {
            return;
        }
    };
    live.events.tell(now, kind, None, Some(tag.agent.clone()), Some(tag.number), text);
}

/// The environments that a pass began.
pub(super) fn begun(plan: &Plan) -> BTreeSet<EnvironmentName> {
    let begun = plan.steps.iter().filter_map(|step| match step {
        Step::Begin { environment, .. } => Some(environment.clone()),
        _ => None,
    });
    begun.collect()
}

/// Tells what happened in an environment since `before`, oldest first: our own moves and those of commands and other
/// controllers alike. Of a long absence only the newest are told; `history` has them all.
pub(super) fn tell_moves(
    live: &Live,
    repository: &Repository,
    before: Option<ObjectId>,
    environment: &Environment,
    now: jiff::Timestamp,
) -> Result<(), Error> {
    let mut records = Vec::new();
    for recorded in repository.records(environment.head).take(MOST_MOVES) {
        let recorded = recorded?;
        if before == Some(recorded.commit.id) {
            break;
        }
        records.extend(recorded.record);
    }
    for record in records.into_iter().rev() {
        let kind = match record.action {
            Action::Hold | Action::ReleaseHold => EventKind::Held,
            Action::Heal => EventKind::Healed,
            _ => EventKind::Moved,
        };
        let place = Some(environment.name.clone());
        if record.moves.is_empty() {
            live.events.tell(now, kind, place.clone(), None, None, record.subject.clone());
        }
        for moved in record.moves {
            live.events.tell(now, kind, place.clone(), Some(moved.agent), moved.to, record.subject.clone());
        }
    }
    Ok(())
}

/// Tells of versions and marks what commands, calls of the API and other controllers wrote into the ledger since
/// `before`. What this pass decided itself, its `plan` has told. Of a long absence only some are told.
pub(super) fn tell_elsewhere(
    live: &Live,
    repository: &Repository,
    (before, after): (ObjectId, ObjectId),
    plan: &Plan,
    now: jiff::Timestamp,
) -> Result<(), Error> {
    let told: HashSet<_> = plan.steps.iter().filter_map(decided).collect();
    let root = |tip| Ledger::at(repository, Some(tip)).map(|ledger| ledger.root());
    let mut found = Vec::new();
    repository.changes(root(before)?, root(after)?, &mut |change| {
        let Some((mode, id)) = change.after else { return Ok(false) };
        let fresh = change.before.is_none();
        let (kind, agent, number, text) = match meaning(&change.path, mode == EntryMode::Tree) {
            Some(Meaning::Folder) => return Ok(found.len() < MOST_MOVES),
            Some(Meaning::Version(VersionTag { agent, number })) if fresh => {
                let text = format!("accept {agent}/{number}");
                (EventKind::Accepted, agent, Some(number), text)
            }
            Some(Meaning::Rejection(VersionTag { agent, number })) => {
                let rejection = serde_json::from_slice::<Rejection>(&repository.blob(id)?);
                let why = rejection.map(|rejection| rejection.reason).unwrap_or_default();
                let text = format!("refuse {agent}/{number}: {why}");
                (EventKind::Refused, agent, Some(number), text)
            }
            Some(Meaning::Marks(agent)) => {
                let text = format!("mark {agent}");
                (EventKind::Marked, agent, None, text)
            }
            _ => return Ok(false),
        };
        if !told.contains(&(kind, agent.clone(), number)) {
            found.push((kind, agent, number, text));
        }
        Ok(false)
    })?;
    for (kind, agent, number, text) in found {
        live.events.tell(now, kind, None, Some(agent), number, text);
    }
    Ok(())
}

/// What a step says of a version or of marks.
fn decided(step: &Step) -> Option<(EventKind, AgentId, Option<VersionNumber>)> {
    match step {
        Step::Accept { tag, .. } => Some((EventKind::Accepted, tag.agent.clone(), Some(tag.number))),
        Step::Reject { tag, .. } => Some((EventKind::Refused, tag.agent.clone(), Some(tag.number))),
        Step::Mark { agent, .. } => Some((EventKind::Marked, agent.clone(), None)),
        _ => None,
    }
}
