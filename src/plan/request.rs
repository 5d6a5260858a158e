//! What a person or program asks for, and what came of it.

use std::collections::BTreeMap;

use super::{PlannedMove, Unmet};
use crate::domain::ledger::{AgentMarkChange, MarkChange};
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, DeploymentId, EnvironmentName, Identity, VersionNumber, VersionTag};

/// A verb with its objects. Its JSON is what the digest of a request is made of, so that an idempotency key knows the
/// same request again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Intent {
    /// The candidate that comes with the pass is to become a version.
    Publish {
        /// Which agent.
        agent: AgentId,
        /// The version that has the draft's content already, so that nothing is to be made.
        unchanged: Option<VersionNumber>,
    },
    /// Move versions up, all or none.
    Promote {
        /// Where to.
        to: EnvironmentName,
        /// Which agents, and which version where it is named.
        versions: BTreeMap<AgentId, Option<VersionNumber>>,
        /// Whether the caller says that they mean it.
        confirm: bool,
    },
    /// Go back to a version that was there.
    Rollback {
        /// Where; the published environment by default.
        environment: Option<EnvironmentName>,
        /// Which agent.
        agent: AgentId,
        /// To which version; by default the newest one before the present that was not rolled back from.
        to: Option<VersionNumber>,
    },
    /// Undo one deployment: every agent in it goes back to what it was.
    Undo {
        /// The deployment's environment.
        environment: EnvironmentName,
        /// Its id.
        deployment: DeploymentId,
        /// Agent, what the deployment put there, and what was there before it.
        moves: Vec<(AgentId, Option<VersionNumber>, Option<VersionNumber>)>,
    },
    /// Take an agent out of an environment.
    Retire {
        /// Where.
        environment: Option<EnvironmentName>,
        /// Which agent.
        agent: AgentId,
    },
    /// Keep an agent where it is.
    Hold {
        /// Where.
        environment: Option<EnvironmentName>,
        /// Which agent.
        agent: AgentId,
    },
    /// End a hold.
    ReleaseHold {
        /// Where.
        environment: Option<EnvironmentName>,
        /// Which agent.
        agent: AgentId,
    },
    /// Refuse every later move to a version.
    Revoke {
        /// Which.
        version: VersionTag,
    },
    /// Change what may change about a version after it was published.
    Mark {
        /// Which.
        version: VersionTag,
        /// What is to change.
        change: MarkChange,
    },
    /// Change what may change about an agent without a version of its own.
    MarkAgent {
        /// Which.
        agent: AgentId,
        /// What is to change.
        change: AgentMarkChange,
    },
}

/// A verb, who asks, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is wanted.
    pub intent: Intent,
    /// Who asks.
    pub actor: Identity,
    /// By which way.
    pub cause: Cause,
    /// In their words; may be empty.
    pub reason: String,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A version is made.
    Published(VersionTag),
    /// Nothing is made: this version has the draft's content already.
    Unchanged(VersionTag),
    /// Something moves, or is held or released.
    Moved {
        /// Where.
        environment: EnvironmentName,
        /// What kind of move.
        action: Action,
        /// Who moves.
        moves: Vec<PlannedMove>,
    },
    /// Everything is as asked already.
    Already {
        /// Where.
        environment: EnvironmentName,
        /// What is there, per agent.
        serves: BTreeMap<AgentId, Option<VersionNumber>>,
        /// One sentence.
        because: String,
    },
    /// A version is revoked.
    Revoked {
        /// Which.
        version: VersionTag,
        /// Where it is still served.
        served_in: Vec<EnvironmentName>,
        /// Whether it was revoked before.
        already: bool,
    },
    /// A version or an agent has the marks that were asked for.
    Marked {
        /// Which: `support/v7` or `support`.
        what: String,
        /// Whether it had them before.
        already: bool,
    },
    /// It may not be done.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word, such as `gate_unmet`.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to type.
    pub hint: Option<String>,
    /// The gates that are not met.
    pub unmet: Vec<UnmetGate>,
}

/// A gate that keeps a version out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmetGate {
    /// Whose version.
    pub agent: AgentId,
    /// Which.
    pub version: VersionNumber,
    /// What is missing.
    pub gate: Unmet,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), hint: None, unmet: Vec::new() }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
