//! One pass of the loop: observe, plan, apply. The same code runs under a command, in `reconcile --once` and in the
//! daemon.

mod apply;
mod environments;
mod history;
mod judge;
mod line;
mod memory;
mod note;
mod observe;
mod parts;
mod pass;
mod proof;
mod proposal;
mod rebuild;
mod versions;

use std::rc::Rc;

use crate::domain::{AgentId, DeploymentId, Digest, Identity, ObjectId, VersionNumber, VersionTag};
use crate::plan::{Answer, Plan, Request};
use crate::store::{DraftCommit, Entry, Ledger, Repository, Result, Scope};

pub use crate::store::crash_point;
pub use judge::{Judged, judge, of_nobody};
pub use line::misfit;
pub use memory::Memory;
pub use note::Note;
pub use observe::View;
pub use pass::{Decided, Foreseen, dry_run, foresee, run};
pub use proof::disproof;
pub use rebuild::{fold, is_ours};

/// Who runs a pass, when, and on what.
pub struct Context<'r> {
    /// The repository.
    pub repository: &'r Repository,
    /// Whether the remote is left alone.
    pub local: bool,
    /// Whether a remote's tags are taken as they were fetched last, as long as its branches stand where they stood: a
    /// look that nothing called for is cheap then.
    pub tags_as_fetched: bool,
    /// The present moment; a parameter, so that nothing depends on the day of the week.
    pub now: jiff::Timestamp,
    /// Who is written into commits that nobody asked for by name.
    pub committer: Identity,
    /// Who is told the new ledger as soon as a decision stands, before the refs of this clone follow it.
    pub on_decided: Option<&'r dyn Fn(ObjectId)>,
}

/// What a pass is asked to do beside what policy wants.
#[derive(Clone)]
pub struct Order<'f> {
    /// Which agents are looked at.
    pub scope: Scope,
    /// A verb.
    pub request: Option<Request>,
    /// Who may want a version made.
    pub publisher: Option<Publisher<'f>>,
    /// An idempotency key.
    pub key: Option<Key>,
}

impl Order<'_> {
    /// Nothing but what policy wants, for `scope`.
    pub fn look_at(scope: Scope) -> Self {
        Order { scope, request: None, publisher: None, key: None }
    }

    /// Whether it is a pass over everything without a request.
    fn is_plain(&self) -> bool {
        self.scope == Scope::All && self.request.is_none() && self.publisher.is_none() && self.key.is_none()
    }
}

/// Who publishes a version of an agent. What is published is decided with the world in view, and anew each time
/// somebody else was faster.
#[derive(Clone, Copy)]
pub struct Publisher<'f> {
    /// The agent.
    pub agent: &'f AgentId,
    /// Decides; nothing withdraws the order, and nothing else happens then.
    pub decide: &'f dyn Fn(&Standing<'_>) -> Result<Option<Publish>>,
}

/// What there is of an agent when a version of it is about to be made.
pub struct Standing<'v> {
    /// The ledger.
    pub ledger: &'v Ledger<'v>,
    /// The newest version, those that this very pass accepts included.
    pub newest: Option<(VersionNumber, Entry)>,
}

/// What a publisher decided.
pub struct Publish {
    /// What is asked for.
    pub request: Request,
    /// The version to make; nothing if there is one already.
    pub version: Option<NewVersion>,
}

/// A version that is to be made of a commit.
pub struct NewVersion {
    /// The agent.
    pub agent: AgentId,
    /// The commit to tag.
    pub commit: ObjectId,
    /// Who publishes.
    pub tagger: Identity,
    /// The tag's message: note, then trailers.
    pub message: String,
    /// The commit as the publisher's own draft, which becomes theirs with the version.
    pub draft: Option<Rc<DraftCommit>>,
}

/// An idempotency key with the digest of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// sha256 of scope, verb and key.
    pub name: Digest,
    /// Digest of the request.
    pub request: Digest,
}

/// The commit that a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its deployment.
    pub deployment: DeploymentId,
    /// The commit on the environment branch.
    pub commit: ObjectId,
}

/// Turns what a request came to into what its idempotency key remembers.
pub type Remember<'f> = dyn Fn(&Answer, Option<&Made>) -> serde_json::Value + 'f;

/// What a pass did.
#[derive(Debug)]
pub struct Outcome {
    /// What was decided.
    pub plan: Plan,
    /// Accepted heads that the pass made, newest per environment.
    pub heads: Vec<(crate::domain::EnvironmentName, ObjectId)>,
    /// The ledger's newest commit afterwards; nothing where nothing was looked at.
    pub ledger_tip: Option<ObjectId>,
    /// What the request made, if it moved something.
    pub made: Option<Made>,
    /// Foreign objects that were found in place of accepted tags, and the refs that keep them.
    pub kept: Vec<(VersionTag, String)>,
    /// What was done about a ledger branch that was not where it should be.
    pub ledger: Option<String>,
    /// What is wrong with the policy, if anything.
    pub policy_note: Option<String>,
    /// Tags that look like versions but are none, with the reason; they are not remembered in the ledger.
    pub ignored: Vec<(String, String)>,
}
