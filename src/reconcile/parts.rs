//! The parts of a plan that can go to the remote one without the other, so that one protected ref stops only itself.

use super::Outcome;
use crate::domain::{EnvironmentName, VersionTag};
use crate::plan::{Answer, Plan, Step, Wait};
use crate::store::Error;

/// A part of a plan. Each brings its own ledger commit along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// New versions, refusals and marks; environments name versions, so this part goes first.
    Versions,
    /// A tag that is put back.
    Tag(VersionTag),
    /// Everything in one environment.
    Environment(EnvironmentName),
    /// An answer for which nothing has to be done, with what its idempotency key keeps.
    Answer,
}

impl Part {
    fn of(step: &Step) -> Self {
        match step {
            Step::CreateTag { .. } | Step::Accept { .. } | Step::Reject { .. } | Step::Forget { .. } => Part::Versions,
            Step::Mark { .. } => Part::Versions,
            Step::RestoreTag { tag, .. } => Part::Tag(tag.clone()),
            Step::Begin { environment, .. } | Step::Follow { environment } => Part::Environment(environment.clone()),
            Step::Commit(commit) => Part::Environment(commit.environment.clone()),
        }
    }

    /// The parts of `plan`, versions first, then that of its answer.
    pub(super) fn all(plan: &Plan) -> Vec<Part> {
        let mut parts: Vec<_> = plan.steps.iter().map(Part::of).collect();
        let own = Part::answered(plan);
        parts.extend(own.clone().filter(|own| *own == Part::Answer));
        parts.sort_by_key(|part| (*part != Part::Versions, Some(part) != own.as_ref(), part.clone()));
        parts.dedup();
        parts
    }

    /// The part that `plan`'s answer speaks of.
    pub(super) fn answered(plan: &Plan) -> Option<Part> {
        match plan.answer.as_ref()? {
            Answer::Published(_) | Answer::Revoked { .. } | Answer::Marked { .. } => Some(Part::Versions),
            Answer::Moved { environment, .. } => Some(Part::Environment(environment.clone())),
            Answer::Unchanged(_) | Answer::Already { .. } | Answer::Refused(_) => Some(Part::Answer),
        }
    }

    /// Leaves only this part of `plan`.
    pub(super) fn only(&self, plan: &mut Plan) {
        plan.steps.retain(|step| Part::of(step) == *self);
    }

    /// Tells in `outcome` that this part was refused.
    pub(super) fn tell(self, refusal: &Error, outcome: &mut Outcome) {
        match self {
            Part::Environment(environment) => outcome.plan.waits.push(Wait {
                environment,
                agent: None,
                version: None,
                code: "push_refused".into(),
                reason: refusal.to_string(),
                until: None,
            }),
            Part::Tag(tag) => outcome.ignored.push((tag.to_string(), refusal.to_string())),
            Part::Versions | Part::Answer => {}
        }
    }
}

impl Outcome {
    /// Adds what a later part of the same work came to; the answer stays.
    pub(super) fn absorb(&mut self, later: Outcome) {
        self.plan.steps.extend(later.plan.steps);
        self.plan.waits = later.plan.waits;
        self.plan.answer = self.plan.answer.take().or(later.plan.answer);
        self.heads.extend(later.heads);
        self.ledger_tip = later.ledger_tip;
        self.ledger = self.ledger.take().or(later.ledger);
        self.made = self.made.take().or(later.made);
        self.kept.extend(later.kept);
    }
}
