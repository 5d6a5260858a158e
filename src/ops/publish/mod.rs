//! Publish: freeze the draft of one agent as its next version.
//!
//! One pass does it. While it looks at the world, git reads the draft; then the publisher decides what is tagged, and the
//! user's branch moves first, then the tag is made (that is the moment), then the ledger follows. Each step can be the
//! last one before a power cut: what is missing is finished by the next pass, from git alone.

mod candidate;
mod commit;
mod message;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::inspect::VersionView;
use super::side::{self, Reading};
use super::words::must_fit;
use super::{Problem, Workspace, idempotency};
use crate::compile::Finding;
use crate::domain::ledger::PublishAnswer;
use crate::domain::{AgentId, EnvironmentName, Identity, ObjectId, VersionNumber, VersionTag};
use crate::plan::{Answer, Intent, Plan, Request, Wait};
use crate::reconcile::{Decided, Key, NewVersion, Order, Outcome, Publish, Publisher, Standing, run};
use crate::store::{AgentContent, DraftCommit, Error, Ledger, RefPlace, Scope};
use candidate::{Candidate, candidate, must_contain};
pub use message::NO_NOTE;
pub(super) use message::tag_message;

/// What to publish, and what to say about it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishCall {
    /// A note in the publisher's words.
    pub note: Option<String>,
    /// A short name.
    pub label: Option<String>,
    /// A longer description, on one line.
    pub description: Option<String>,
    /// A named draft (a branch or `pr/<n>`) in place of the working tree.
    pub draft: Option<String>,
    /// Publish although the newest version's content is not in this history.
    pub over: bool,
    /// Answers the same again when given again.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// What a publish came to.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The version.
    pub version: VersionView,
    /// Whether it was made now; false if it was there already.
    pub created: bool,
    /// Where it went by itself.
    pub deployed: Vec<EnvironmentName>,
    /// What waits, and why.
    pub waits: Vec<Wait>,
    /// Warnings and notes of the compiler.
    pub findings: Vec<Finding>,
    /// What is wrong with pointsman.toml on the default branch, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl Published {
    fn of(version: VersionView, created: bool) -> Self {
        let (deployed, waits, findings) = Default::default();
        Published { version, created, deployed, waits, findings, policy: None }
    }
}

/// How often a draft is read again because somebody changed it meanwhile.
const DRAFT_READS: usize = 3;

/// Publishes `agent`.
pub fn publish(workspace: &Workspace, agent: &AgentId, call: &PublishCall) -> Result<Published, Problem> {
    for (what, text) in [("note", &call.note), ("label", &call.label), ("description", &call.description)] {
        must_fit(what, text.as_deref().unwrap_or_default())?;
    }
    let deepened = workspace.deepened()?;
    let workspace = deepened.as_ref().unwrap_or(workspace);
    let who = workspace.identity()?;
    let key = idempotency::key(call.idempotency_key.as_deref(), workspace, &who, "publish", &(agent, call))?;
    let mut reads = 0;
    loop {
        reads += 1;
        match Publishing::begin(workspace, agent, call, &who, key.as_ref()).run() {
            Err(problem) if problem.code == Error::DRAFT_MOVED && reads < DRAFT_READS => {}
            other => return other,
        }
    }
}

/// A publish under way, of a draft that is read once.
struct Publishing<'w> {
    workspace: &'w Workspace,
    agent: &'w AgentId,
    call: &'w PublishCall,
    who: &'w Identity,
    key: Option<&'w Key>,
    /// The draft while git reads it, until it is asked for.
    reading: Cell<Option<Result<Reading<'w>, Problem>>>,
    candidate: OnceCell<Candidate>,
    /// The commit that is tagged: made once, and used again with the next number when a race for one is lost.
    made: RefCell<Option<Made>>,
    /// Why the order was withdrawn.
    problem: Cell<Option<Problem>>,
}

/// The commit that a version was to be made of.
#[derive(Clone)]
struct Made {
    commit: ObjectId,
    draft: Option<Rc<DraftCommit>>,
}

impl<'w> Publishing<'w> {
    /// Git begins to read the draft, and the compiler gets ready, while the pass looks at the world.
    fn begin(
        workspace: &'w Workspace,
        agent: &'w AgentId,
        call: &'w PublishCall,
        who: &'w Identity,
        key: Option<&'w Key>,
    ) -> Self {
        crate::compile::get_ready();
        let reading = side::begin(workspace, agent, call.draft.as_deref());
        let (candidate, made, problem) = Default::default();
        Publishing { workspace, agent, call, who, key, reading: Cell::new(Some(reading)), candidate, made, problem }
    }

    fn run(&self) -> Result<Published, Problem> {
        let Publishing { workspace, agent, .. } = *self;
        let decide = |standing: &Standing<'_>| self.decide(standing);
        let order = Order {
            scope: Scope::Agents([agent.clone()].into()),
            request: None,
            publisher: Some(Publisher { agent, decide: &decide }),
            key: self.key.cloned(),
        };
        match run(&workspace.context(), &order, &mut workspace.memory(), &|answer, _| kept_answer(answer))? {
            Decided::Done(outcome) => self.finished(*outcome),
            Decided::Withdrawn => Err(self.problem.take().expect("who withdraws says why")),
            Decided::Replayed(answer) => self.replay(idempotency::kept(answer)?),
            Decided::KeyReused => Err(idempotency::reused()),
        }
    }

    /// Decides what is published, in view of `standing`; what is wrong with the draft withdraws the order.
    fn decide(&self, standing: &Standing<'_>) -> crate::store::Result<Option<Publish>> {
        match self.version(standing) {
            Ok(publish) => Ok(Some(publish)),
            Err(problem) => {
                self.problem.set(Some(problem));
                Ok(None)
            }
        }
    }

    fn version(&self, standing: &Standing<'_>) -> Result<Publish, Problem> {
        let Publishing { workspace, agent, call, who, .. } = *self;
        let candidate = self.candidate()?;
        let newest = standing.newest.as_ref();
        if let Some((number, entry)) = newest {
            if entry.content == candidate.content {
                return Ok(Publish { request: self.request(Some(*number)), version: None });
            }
            if !call.over {
                must_contain(workspace, agent, candidate, entry)?;
            }
        }
        let made = self.commit(candidate)?;
        let draft = made.draft.filter(|draft| !draft.is_installed());
        let source = ledger_source(standing.ledger, agent, candidate.content)?;
        let message = tag_message(call, newest.map(|(number, _)| *number), source, self.key);
        let new = NewVersion { agent: agent.clone(), commit: made.commit, tagger: who.clone(), message, draft };
        Ok(Publish { request: self.request(None), version: Some(new) })
    }

    /// What is published, compiled when it is first asked for.
    fn candidate(&self) -> Result<&Candidate, Problem> {
        if self.candidate.get().is_none() {
            let reading = self.reading.take().expect("a draft is read once")?;
            let side = reading.finish(self.workspace, self.agent)?;
            let candidate = candidate(self.workspace, self.agent, side)?;
            return Ok(self.candidate.get_or_init(|| candidate));
        }
        Ok(self.candidate.get().expect("it was just there"))
    }

    /// The commit to tag. What was staged for it may be forgotten by now, unless it is the user's already.
    fn commit(&self, candidate: &Candidate) -> Result<Made, Problem> {
        let before = self.made.borrow().clone();
        if let Some(made) = before.filter(|made| made.draft.as_ref().is_none_or(|draft| draft.is_installed())) {
            return Ok(made);
        }
        let draft = commit::stage(self.workspace, self.agent, candidate, self.who, self.call)?.map(Rc::new);
        let made = Made { commit: draft.as_ref().map_or(candidate.base, |draft| draft.commit()), draft };
        self.made.replace(Some(made.clone()));
        Ok(made)
    }

    fn request(&self, unchanged: Option<VersionNumber>) -> Request {
        Request {
            intent: Intent::Publish { agent: self.agent.clone(), unchanged },
            actor: self.who.clone(),
            cause: self.workspace.cause(),
            reason: String::new(),
        }
    }

    fn finished(&self, outcome: Outcome) -> Result<Published, Problem> {
        let Publishing { workspace, agent, .. } = *self;
        let read = |number| {
            let ledger = Ledger::at(&workspace.repository, outcome.ledger_tip)?;
            VersionView::read(workspace, &ledger, agent, number)
        };
        let (version, created) = match &outcome.plan.answer {
            Some(Answer::Published(tag)) => (read(tag.number)?, true),
            Some(Answer::Unchanged(tag)) => {
                let version = read(tag.number)?;
                // Our own tag, made in an attempt that lost the race for the ledger, was accepted with the next look.
                let ours = self.made.borrow().as_ref().is_some_and(|made| made.commit == version.commit);
                let created = ours && version.published_by == *self.who;
                (version, created)
            }
            Some(Answer::Refused(refusal)) => return Err(refusal.clone().into()),
            _ => return Err(Problem::refused("refused", format!("`{agent}` was not published"))),
        };
        let findings = self.candidate()?.findings.clone();
        Ok(published(version, created, outcome.plan, outcome.policy_note, findings))
    }

    fn replay(&self, answer: PublishAnswer) -> Result<Published, Problem> {
        let Publishing { workspace, agent, .. } = *self;
        let world = workspace.world()?;
        let ledger = Ledger::at(&workspace.repository, world.read(&workspace.repository, &RefPlace::Ledger)?)?;
        let version = VersionView::read(workspace, &ledger, agent, answer.version)?;
        Ok(Published { deployed: answer.deployed, ..Published::of(version, answer.created) })
    }
}

fn published(
    version: VersionView,
    created: bool,
    plan: Plan,
    policy: Option<String>,
    findings: Vec<Finding>,
) -> Published {
    if !created {
        return Published { findings, policy, ..Published::of(version, false) };
    }
    let tag = VersionTag { agent: version.agent_id.clone(), number: version.version };
    let deployed = plan.deploys(&tag);
    // An environment whose branch the remote protects is told too, or it would seem to have been forgotten.
    let about = |wait: &Wait| wait.agent.as_ref() == Some(&tag.agent) || wait.code == "push_refused";
    let waits = plan.waits.into_iter().filter(about).collect();
    Published { deployed, waits, findings, policy, ..Published::of(version, true) }
}

/// What a key keeps where nothing is made; where a version is made, its tag says what is kept.
fn kept_answer(answer: &Answer) -> serde_json::Value {
    match answer {
        Answer::Unchanged(tag) => {
            let kept = PublishAnswer { version: tag.number, created: false, deployed: Vec::new() };
            serde_json::to_value(kept).expect("an answer is plain JSON")
        }
        _ => serde_json::Value::Null,
    }
}

/// The newest accepted version that has this very content: where a restored draft was taken from.
fn ledger_source(
    ledger: &Ledger<'_>,
    agent: &AgentId,
    content: AgentContent,
) -> Result<Option<VersionNumber>, Problem> {
    // Looked for among the newest few: a label, not a decision.
    for (number, entry) in ledger.versions(agent)?.into_iter().rev().take(20) {
        if ledger.entry(entry)?.content == content {
            return Ok(Some(number));
        }
    }
    Ok(None)
}
