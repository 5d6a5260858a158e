//! What a pass sees: the input of the plan.

use std::collections::BTreeMap;

use super::Wait;
use crate::domain::ledger::{AcceptedHead, Hold, Marks, Rejection, VersionRecord};
use crate::domain::{AgentId, Digest, EnvironmentName, Identity, ObjectId, VersionNumber, VersionTag};
use crate::policy::Policy;

/// Everything a decision may rest on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The policy that holds.
    pub policy: Policy,
    /// Environments in the order of the policy, then those that are named no longer.
    pub environments: Vec<ObservedEnvironment>,
    /// The agents that are looked at.
    pub agents: BTreeMap<AgentId, ObservedAgent>,
    /// Tags that the ledger does not know yet, judged.
    pub candidates: Vec<Candidate>,
    /// Reasons found while looking.
    pub waits: Vec<Wait>,
}

impl Observed {
    /// All versions of `agent` that may be moved, those accepted in this very pass included.
    pub fn versions(&self, agent: &AgentId) -> BTreeMap<VersionNumber, KnownVersion> {
        let mut versions = self.agents.get(agent).map(|state| state.versions.clone()).unwrap_or_default();
        for candidate in self.candidates.iter().filter(|candidate| candidate.tag.agent == *agent) {
            if let Verdict::Accept(accepted) = &candidate.verdict {
                versions.insert(candidate.tag.number, KnownVersion { entry: accepted.entry, revoked: false });
            }
        }
        versions
    }

    /// Whether anything is known of `agent`.
    pub fn knows(&self, agent: &AgentId) -> bool {
        !self.versions(agent).is_empty()
    }
}

/// One agent as the ledger and the tags show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedAgent {
    /// Accepted versions.
    pub versions: BTreeMap<VersionNumber, KnownVersion>,
    /// Its marks.
    pub marks: Marks,
    /// Refused tags that are still there.
    pub rejections: BTreeMap<VersionNumber, Rejection>,
    /// Accepted tags that are not where they were.
    pub astray: BTreeMap<VersionNumber, AstrayTag>,
}

/// An accepted version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownVersion {
    /// Its tree in the ledger.
    pub entry: ObjectId,
    /// Whether every move to it is refused.
    pub revoked: bool,
}

/// A tag that was moved or deleted after it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AstrayTag {
    /// The object it must name.
    pub right: ObjectId,
    /// What it names instead; nothing if it is gone.
    pub found: Option<ObjectId>,
    /// The blob that holds the right object's bytes.
    pub raw: ObjectId,
}

/// A tag that wants to become a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub tag: VersionTag,
    /// What it names.
    pub object: ObjectId,
    /// Whether the tag does not exist yet and is made with its acceptance.
    pub create: bool,
    /// The judgement.
    pub verdict: Verdict,
}

/// The judgement of a tag.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It becomes a version.
    Accept(Box<Accepted>),
    /// It does not.
    Refuse(Rejection),
    /// It was refused before and is not there any more.
    Gone,
}

/// What accepting a tag writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The entry's tree.
    pub entry: ObjectId,
    /// `version.json`.
    pub record: VersionRecord,
    /// Name and request digest of an idempotency key that the tag's message carries.
    pub key: Option<(Digest, Digest)>,
}

/// What an environment serves for one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// An accepted version.
    Version(VersionNumber),
    /// A tree that is no entry of the ledger.
    Unknown(ObjectId),
}

impl Served {
    /// The version.
    pub fn version(self) -> Option<VersionNumber> {
        match self {
            Served::Version(number) => Some(number),
            Served::Unknown(_) => None,
        }
    }
}

/// One environment.
#[derive(Clone, Debug)]
pub struct ObservedEnvironment {
    /// Its name.
    pub name: EnvironmentName,
    /// Whether the policy still names it.
    pub named: bool,
    /// The accepted head; nothing before it has begun.
    pub head: Option<AcceptedHead>,
    /// The head of the environment it is renamed from.
    pub renamed: Option<(EnvironmentName, AcceptedHead)>,
    /// Where its branch stands.
    pub tip: EnvironmentTip,
    /// What it serves, for the agents that are looked at.
    pub serves: BTreeMap<AgentId, Served>,
    /// Its holds, for the agents that are looked at.
    pub holds: BTreeMap<AgentId, Hold>,
    /// The bytes of its `routes.json`.
    pub routes: Option<Vec<u8>>,
}

/// Where an environment's branch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentTip {
    /// At the accepted head.
    Accepted,
    /// Absent or behind.
    Behind,
    /// Ahead, by somebody else's commits.
    Proposal(Proposal),
    /// Somewhere else.
    Rewritten(ObjectId),
    /// The branch is not ours and is never written.
    Foreign(ObjectId),
}

/// A change of an environment branch that Pointsman did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The tip.
    pub tip: ObjectId,
    /// Who wrote the tip.
    pub author: Identity,
    /// The tip's message, first line.
    pub subject: String,
    /// What it changes below `agents/`.
    pub changes: Vec<ProposedChange>,
}

/// One agent in a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedChange {
    /// The agent, or the path where it is none.
    pub agent: Result<AgentId, String>,
    /// What would be served; nothing after a removal.
    pub to: Option<Served>,
}
