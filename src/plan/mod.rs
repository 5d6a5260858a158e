//! What to do next: `plan(observed, request, now)` is pure, gives steps that leave no choices, and for everything
//! that does not happen the reason.
//!
//! History is asked through [`History`], because a walk is too dear to make for answers that nobody needs; with the
//! same answers the plan is the same.

mod automatic;
mod catalog;
mod environment;
mod gates;
mod observed;
mod proposal;
mod request;
mod step;
mod verbs;

#[cfg(test)]
mod tests;

use crate::domain::{AgentId, EnvironmentName, Stay, VersionNumber, VersionTag};
use crate::policy::Environment;

use catalog::Catalog;
use environment::Working;

pub use gates::Unmet;
pub use observed::{
    Accepted, AstrayTag, Candidate, EnvironmentTip, KnownVersion, Observed, ObservedAgent, ObservedEnvironment,
    Proposal, ProposedChange, Served, Verdict,
};
pub use request::{Answer, Intent, Refusal, Request, UnmetGate};
pub use step::{EnvironmentCommit, Plan, PlannedMove, Step, Wait};

/// Questions to history.
pub trait History {
    /// Why a question could not be answered.
    type Error;

    /// Every stay of a version in an environment, newest first.
    fn stays(
        &self,
        environment: &EnvironmentName,
        agent: &AgentId,
        version: VersionNumber,
    ) -> Result<Vec<Stay>, Self::Error>;

    /// The newest version that was live in an environment before the present one and that `wanted` takes.
    fn earlier(
        &self,
        environment: &EnvironmentName,
        agent: &AgentId,
        wanted: &mut dyn FnMut(VersionNumber) -> bool,
    ) -> Result<Option<VersionNumber>, Self::Error>;

    /// Whether the content of a version is, or was, on the default branch.
    fn merged(&self, agent: &AgentId, version: VersionNumber) -> Result<bool, Self::Error>;
}

/// What a decision may look at beside the environment that it is about.
struct Sight<'a, H> {
    observed: &'a Observed,
    versions: Catalog<'a>,
    history: &'a H,
    now: jiff::Timestamp,
}

/// A plan in the making.
struct Planning<'a, H> {
    sight: Sight<'a, H>,
    environments: Vec<Working<'a>>,
    plan: Plan,
}

/// Decides.
pub fn plan<H: History>(
    observed: &Observed,
    request: Option<&Request>,
    history: &H,
    now: jiff::Timestamp,
) -> Result<Plan, H::Error> {
    let environments = observed.environments.iter().map(|environment| Working::new(observed, environment)).collect();
    let sight = Sight { observed, versions: Catalog::of(observed), history, now };
    let mut planning = Planning { sight, environments, plan: Plan::default() };
    versions(observed, &mut planning.plan);
    for index in 0..planning.environments.len() {
        let (environment, before) = at(&mut planning.environments, index);
        environment.settle(&mut planning.plan, &planning.sight, before)?;
    }
    if let Some(request) = request {
        let answer = planning.answer(request)?;
        planning.plan.answer = Some(answer);
    }
    for index in 0..planning.environments.len() {
        let (environment, before) = at(&mut planning.environments, index);
        environment.automatic(&mut planning.plan, &planning.sight, before)?;
    }
    let Planning { mut plan, environments, .. } = planning;
    // What follows from a revocation is part of the same plan, so where the version is still served is known now.
    if let Some(Answer::Revoked { version, served_in, .. }) = &mut plan.answer {
        let serving = environments.iter().filter(|other| other.version(&version.agent) == Some(version.number));
        *served_in = serving.map(|environment| environment.name.clone()).collect();
    }
    plan.waits.extend(observed.waits.iter().cloned());
    Ok(plan)
}

/// The environment at `index`, and the one that it takes from, which the policy lets stand only before it.
fn at<'e, 'a>(environments: &'e mut [Working<'a>], index: usize) -> (&'e mut Working<'a>, Option<&'e Working<'a>>) {
    let (before, rest) = environments.split_at_mut(index);
    let environment = &mut rest[0];
    let from = taken_from(before, environment.policy);
    (environment, from)
}

/// The one of `environments` that an environment with `policy` takes from.
fn taken_from<'e, 'a>(environments: &'e [Working<'a>], policy: Option<&Environment>) -> Option<&'e Working<'a>> {
    let from = policy.and_then(|policy| policy.from.as_ref())?;
    environments.iter().find(|other| other.name == *from)
}

/// Steps for tags and the ledger.
fn versions(observed: &Observed, plan: &mut Plan) {
    for Candidate { tag, object, create, verdict } in &observed.candidates {
        match verdict {
            Verdict::Accept(accepted) => {
                if *create {
                    plan.steps.push(Step::CreateTag { tag: tag.clone(), object: *object });
                }
                plan.steps.push(Step::Accept { tag: tag.clone(), accepted: accepted.clone() });
            }
            // A version that we would make ourselves is simply not made.
            Verdict::Refuse(_) if *create => {}
            Verdict::Refuse(rejection) => {
                plan.steps.push(Step::Reject { tag: tag.clone(), rejection: rejection.clone() });
            }
            Verdict::Gone => plan.steps.push(Step::Forget { tag: tag.clone() }),
        }
    }
    for (agent, state) in &observed.agents {
        for (number, astray) in &state.astray {
            let tag = VersionTag { agent: agent.clone(), number: *number };
            plan.steps.push(Step::RestoreTag { tag, astray: astray.clone() });
        }
    }
}
