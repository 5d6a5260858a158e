//! Environment branches of a push: they only grow, and by nothing that the next pass would put back.

use super::{Judging, Refused, Update};
use crate::domain::record::Action;
use crate::domain::{EnvironmentName, ObjectId};
use crate::ops::Problem;
use crate::plan::{EnvironmentTip, ObservedEnvironment, Step};
use crate::reconcile::{Foreseen, is_ours};
use crate::store::{RefPlace, root_commit};

impl Judging<'_> {
    pub(super) fn environment(
        &self,
        update: &Update,
        name: &EnvironmentName,
        foreseen: &Foreseen,
    ) -> Result<Option<Refused>, Problem> {
        let state = foreseen.observed.environments.iter().find(|state| state.name == *name);
        let ledger = self.world.read(self.after, &RefPlace::Ledger)?;
        let Some(new) = update.new else { return self.deletion(update, name, state, ledger) };
        let instead = || format!("pointsman promote <agent> --to {name}, or pointsman rollback <agent> --env {name}");
        let Some(state) = state else {
            // Neither the policy nor the ledger knows it: somebody's own branch, unless it carries our history.
            let copy = new != root_commit(self.after) && is_ours(self.after, new)?;
            let reason = format!("no environment is called `{name}`, but the branch carries the history of one");
            return Ok(
                copy.then(|| update.refused(reason, "name the environment in pointsman.toml, or the branch otherwise"))
            );
        };
        if state.head.is_some()
            && let Some(old) = update.old
            && self.before.commit(old).is_ok()
            && !self.after.is_ancestor(old, new)?
        {
            let reason = format!("{name} only grows, and {} does not continue {}", new.short(), old.short());
            return Ok(Some(update.refused(reason, format!("to go back: pointsman rollback <agent> --env {name}"))));
        }
        let begun = || "let Pointsman begin it: pointsman reconcile --once".to_owned();
        Ok(match &state.tip {
            EnvironmentTip::Accepted | EnvironmentTip::Behind => None,
            EnvironmentTip::Proposal(_) => put_back(foreseen, name, new).map(|fault| update.refused(fault, instead())),
            EnvironmentTip::Rewritten(_) if state.head.is_none() => {
                Some(update.refused(format!("the ledger knows of nothing that was accepted in {name}"), begun()))
            }
            EnvironmentTip::Rewritten(tip) => {
                let reason = format!("{} does not continue what was accepted in {name}", tip.short());
                Some(update.refused(reason, instead()))
            }
            // Where Pointsman is not at work, a branch of that name is its owner's business.
            EnvironmentTip::Foreign(_) if ledger.is_none() => None,
            EnvironmentTip::Foreign(_) => {
                let reason = format!("`{name}` is an environment here, and this branch was not begun by Pointsman");
                Some(update.refused(reason, begun()))
            }
        })
    }

    fn deletion(
        &self,
        update: &Update,
        name: &EnvironmentName,
        state: Option<&ObservedEnvironment>,
        ledger: Option<ObjectId>,
    ) -> Result<Option<Refused>, Problem> {
        if state.is_some_and(|state| state.head.is_some()) {
            let hint = format!("pointsman retire <agent> --env {name} takes an agent out");
            return Ok(Some(update.refused(format!("the branch of {name} says what is live there and stays"), hint)));
        }
        let Some(old) = update.old else { return Ok(None) };
        let kept = ledger.map_or(Ok(false), |ledger| self.after.is_ancestor(old, ledger))?;
        if kept || old == root_commit(self.after) || !is_ours(self.after, old)? {
            return Ok(None);
        }
        let reason = format!("the ledger does not hold the history of {name}: with this branch it would be lost");
        Ok(Some(update.refused(reason, "find the ledger again first: pointsman reconcile --once")))
    }
}

/// Why the next pass would put the tip `new` back; nothing if it accepts it.
fn put_back(foreseen: &Foreseen, name: &EnvironmentName, new: ObjectId) -> Option<String> {
    let answer = foreseen.plan.steps.iter().find_map(|step| match step {
        Step::Commit(commit) if commit.environment == *name && commit.beside == Some(new) => Some(commit),
        _ => None,
    });
    let healed = |text: &str| {
        let faults: Vec<_> = text.lines().map(|line| line.trim_end_matches('.')).collect();
        format!("the change would be put back: {}", faults.join("; "))
    };
    match answer {
        Some(answer) if answer.action == Action::Accept => None,
        Some(answer) => Some(healed(&answer.text)),
        None => Some(format!("nothing can be decided about {name} now")),
    }
}
