//! What a plan consists of: steps that leave no choices, and the reasons of what does not happen.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::{Accepted, Answer, AstrayTag};
use crate::domain::ledger::{AcceptedHead, Hold, Marks, Rejection};
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, EnvironmentName, Identity, ObjectId, VersionNumber, VersionTag};

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
    /// Whether this is what the pass was asked for, so that its id and commit go into the answer.
    pub asked: bool,
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
        accepted: Box<Accepted>,
    },
    /// Remember why a tag was refused.
    Reject {
        /// Which.
        tag: VersionTag,
        /// Why.
        rejection: Rejection,
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
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
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

impl Plan {
    /// The environments that `version` goes to by itself.
    pub fn deploys(&self, version: &VersionTag) -> Vec<EnvironmentName> {
        let commits = self.steps.iter().filter_map(|step| match step {
            Step::Commit(commit) if commit.action == Action::Deploy => Some(commit),
            _ => None,
        });
        let of_version =
            |made: &PlannedMove| made.agent == version.agent && made.to == Some(version.number) && made.from != made.to;
        commits.filter(|commit| commit.moves.iter().any(of_version)).map(|commit| commit.environment.clone()).collect()
    }
}
