//! What to do next: `plan(observed, request, now)` is pure, gives steps that leave no choices, and for everything
//! that does not happen the reason.
//!
//! History is asked through [`History`], because a walk is too dear to make for answers that nobody needs; with the
//! same answers the plan is the same.

mod automatic;
mod environment;
mod gates;
mod observed;
mod proposal;
mod request;
mod verbs;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::domain::ledger::{AcceptedHead, Hold, Marks};
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, EnvironmentName, Identity, ObjectId, Stay, VersionNumber, VersionTag};

pub use gates::Unmet;
pub use observed::{
    Accepted, AstrayTag, Candidate, EnvironmentTip, KnownVersion, Observed, ObservedAgent, ObservedEnvironment,
    Proposal, ProposedChange, Served, Verdict,
};
pub use request::{Answer, Intent, Refusal, Request};

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

/// One commit on an environment branch, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentCommit {
    /// Where.
    pub environment: EnvironmentName,
    /// Why.
    pub action: Action,
    /// What set it off.
    pub cause: Cause,
    /// Who asked; nobody for what Pointsman does by itself.
    pub actor: Option<Identity>,
    /// The first line.
    pub subject: String,
    /// Note or reason.
    pub text: String,
    /// What is served afterwards, per agent that changes or is held.
    pub moves: Vec<PlannedMove>,
    /// Holds that begin or end.
    pub holds: BTreeMap<AgentId, Option<Hold>>,
    /// The new `routes.json`; the inner nothing removes it.
    pub routes: Option<Option<Vec<u8>>>,
    /// A tip that is not ours and becomes the second parent.
    pub beside: Option<ObjectId>,
}

/// One agent's part in an [`EnvironmentCommit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMove {
    /// The agent.
    pub agent: AgentId,
    /// What was there.
    pub from: Option<VersionNumber>,
    /// What is there afterwards.
    pub to: Option<VersionNumber>,
    /// The tree to serve, where `to` is a version.
    pub entry: Option<ObjectId>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make a version's tag that does not exist yet.
    CreateTag {
        /// Which.
        tag: VersionTag,
        /// The tag object.
        object: ObjectId,
    },
    /// Take a version into the ledger.
    Accept {
        /// Which.
        tag: VersionTag,
        /// Its entry.
        accepted: Accepted,
    },
    /// Remember why a tag was refused.
    Reject {
        /// Which.
        tag: VersionTag,
        /// Why.
        rejection: crate::domain::ledger::Rejection,
    },
    /// Forget a refusal whose tag was deleted.
    Forget {
        /// Which.
        tag: VersionTag,
    },
    /// Put an accepted tag back that was moved or deleted.
    RestoreTag {
        /// Which.
        tag: VersionTag,
        /// The entry that holds the right tag object.
        astray: AstrayTag,
    },
    /// Replace an agent's marks.
    Mark {
        /// Whose.
        agent: AgentId,
        /// All marks afterwards.
        marks: Marks,
        /// The line in the ledger's commit.
        line: String,
    },
    /// Begin an environment, empty or with the history of the one it is renamed from.
    Begin {
        /// Which.
        environment: EnvironmentName,
        /// The head it carries on, with the name it had.
        carries_on: Option<(EnvironmentName, AcceptedHead)>,
    },
    /// Let a branch follow its accepted head.
    Follow {
        /// Which.
        environment: EnvironmentName,
    },
    /// Commit on an environment branch.
    Commit(EnvironmentCommit),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::CreateTag { tag, .. } => write!(f, "tag {tag}"),
            Step::Accept { tag, .. } => write!(f, "accept {tag}"),
            Step::Reject { tag, rejection } => write!(f, "refuse {tag}: {}", rejection.reason),
            Step::Forget { tag } => write!(f, "forget the refusal of {tag}: its tag was deleted"),
            Step::RestoreTag { tag, astray } => {
                write!(f, "put {tag} back to {}: it was ", astray.right.short())?;
                match astray.found {
                    Some(found) => write!(f, "moved to {}", found.short()),
                    None => f.write_str("deleted"),
                }
            }
            Step::Mark { line, .. } => f.write_str(line),
            Step::Begin { environment, carries_on: Some((old, _)) } => {
                write!(f, "begin {environment} with the history of {old}")
            }
            Step::Begin { environment, carries_on: None } => write!(f, "begin {environment}"),
            Step::Follow { environment } => {
                write!(f, "let the branch of {environment} follow its accepted head")
            }
            Step::Commit(commit) => f.write_str(&commit.subject),
        }
    }
}

/// Something that does not happen, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wait {
    /// Where.
    pub environment: EnvironmentName,
    /// Who waits; nobody where the whole environment does.
    pub agent: Option<AgentId>,
    /// Which version would move.
    pub version: Option<VersionNumber>,
    /// A stable word.
    pub code: Cow<'static, str>,
    /// One sentence.
    pub reason: String,
    /// When it may be over by itself.
    pub until: Option<jiff::Timestamp>,
}

/// Steps and waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What does not happen.
    pub waits: Vec<Wait>,
    /// What the request came to, if there was one.
    pub answer: Option<Answer>,
}

/// Decides.
pub fn plan<H: History>(
    observed: &Observed,
    request: Option<&Request>,
    history: &H,
    now: jiff::Timestamp,
) -> Result<Plan, H::Error> {
    let mut plan = Plan::default();
    versions(observed, &mut plan);
    let mut environments: Vec<_> =
        observed.environments.iter().map(|environment| environment::Working::new(observed, environment)).collect();
    for index in 0..environments.len() {
        let before = environment_before(&environments, index);
        environments[index].settle(&mut plan, history, now, &before)?;
    }
    if let Some(request) = request {
        let answer = verbs::carry_out(observed, &mut environments, request, history, now, &mut plan)?;
        plan.answer = Some(answer);
    }
    for index in 0..environments.len() {
        let before = environment_before(&environments, index);
        environments[index].automatic(&mut plan, history, now, &before)?;
    }
    plan.waits.extend(observed.waits.iter().cloned());
    Ok(plan)
}

/// What the other environments serve now, for the `from` gate.
fn environment_before(environments: &[environment::Working<'_>], index: usize) -> gates::Elsewhere {
    let from = environments[index].policy.and_then(|policy| policy.from.as_ref());
    gates::Elsewhere::of(from.and_then(|from| environments.iter().find(|other| other.name == *from)))
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
