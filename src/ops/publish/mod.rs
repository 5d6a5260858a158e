//! Publish: freeze the draft of one agent as its next version.
//!
//! The user's branch moves first, then the tag is made (that is the moment), then the ledger follows. Each step can
//! be the last one before a power cut: what is missing is finished by the next pass, from git alone.

mod candidate;
mod commit;
mod message;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::inspect::VersionView;
use super::words::must_fit;
use super::{Problem, Workspace, idempotency};
use crate::compile::Finding;
use crate::domain::ledger::PublishAnswer;
use crate::domain::{AgentId, EnvironmentName, Identity, ObjectId, VersionNumber, VersionTag};
use crate::plan::{Answer, Intent, Plan, Request, Wait};
use crate::reconcile::{Context, Decided, Key, Memory, NewVersion, Order, Outcome, run};
use crate::store::{AgentContent, Ledger, RefPlace, Scope, crash_point};
use candidate::{candidate, must_contain};
use commit::commit_draft;
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

/// How long a publish goes on being overtaken before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a draft is read again because somebody changed it meanwhile.
const DRAFT_READS: usize = 3;

/// Publishes `agent`.
pub fn publish(workspace: &Workspace, agent: &AgentId, call: &PublishCall) -> Result<Published, Problem> {
    for (what, text) in [("note", &call.note), ("label", &call.label), ("description", &call.description)] {
        must_fit(what, text.as_deref().unwrap_or_default())?;
    }
    let deepened = workspace.deepened()?;
    let workspace = deepened.as_ref().unwrap_or(workspace);
    let mut publishing = Publishing::new(workspace, agent, call)?;
    // A key is asked before the draft is read: another clone that asks again may have another draft, or a broken one.
    let mut looked = None;
    if publishing.key.is_some() {
        match publishing.look()? {
            Decided::Done(outcome) => looked = Some(outcome),
            other => return publishing.answered(other),
        }
    }
    let mut candidate = candidate(workspace, agent, call)?;
    let started = Instant::now();
    let mut draft_reads = 1;
    // The commit that is tagged: made once, and used again with the next number when a race for one is lost.
    let mut commit: Option<ObjectId> = None;
    let mut overtaken: Option<ObjectId> = None;
    let mut parent: Option<VersionNumber> = None;
    loop {
        // What the decision rests on is read once before anything of the user's moves. A ledger that was just read and
        // has the version that came in between says it all; a bare tag must be accepted first.
        let overtaken_by = Ledger::at(&workspace.repository, overtaken)?.versions(agent)?.into_iter().next_back();
        let (tip, plan, policy) = match overtaken_by {
            Some((number, _)) if parent.is_none_or(|parent| number > parent) => {
                (overtaken.take(), Plan::default(), None)
            }
            _ => match looked.take().map_or_else(|| publishing.look(), |outcome| Ok(Decided::Done(outcome)))? {
                Decided::Done(outcome) => (outcome.ledger_tip, outcome.plan, outcome.policy_note),
                other => return publishing.answered(other),
            },
        };
        let ledger = Ledger::at(&workspace.repository, tip)?;
        let newest = ledger.versions(agent)?.into_iter().next_back();
        parent = newest.map(|(number, _)| number);
        if let Some((number, entry)) = newest {
            let entry = ledger.entry(entry)?;
            if entry.content == candidate.content {
                let version = VersionView::read(workspace, &ledger, agent, number)?;
                // Our own tag, made in an attempt that lost the race for the ledger, was accepted with that look.
                let created =
                    commit.is_some_and(|commit| commit == version.commit) && version.published_by == publishing.who;
                if !created
                    && publishing.key.is_some()
                    && let Some(other) = publishing.keep_unchanged(number)?
                {
                    return publishing.answered(other);
                }
                return Ok(published(version, created, plan, policy, candidate.findings));
            }
            if !call.over {
                must_contain(workspace, agent, &candidate, &entry)?;
            }
        }
        let tagged = match commit {
            Some(commit) => commit,
            None => match commit_draft(workspace, agent, &candidate, &publishing.who, call)? {
                Some(made) => *commit.insert(made),
                None if draft_reads < DRAFT_READS => {
                    draft_reads += 1;
                    candidate = self::candidate(workspace, agent, call)?;
                    continue;
                }
                None => {
                    let message = "the index or HEAD keeps changing while the draft is being read";
                    return Err(Problem::refused("draft_moved", message).hint("run it again"));
                }
            },
        };
        crash_point("draft committed");
        let source = ledger_source(&ledger, agent, candidate.content)?;
        match publishing.tag(tagged, parent, source)? {
            Decided::Done(outcome) => return publishing.finished(*outcome, candidate.findings),
            Decided::Overtaken { ledger } if started.elapsed() < PATIENCE => overtaken = ledger,
            other => return publishing.answered(other),
        }
    }
}

/// A publish under way: who asks for what, and the passes that it takes.
struct Publishing<'w> {
    workspace: &'w Workspace,
    agent: &'w AgentId,
    call: &'w PublishCall,
    who: Identity,
    key: Option<Key>,
    context: Context<'w>,
    memory: Memory,
}

impl<'w> Publishing<'w> {
    fn new(workspace: &'w Workspace, agent: &'w AgentId, call: &'w PublishCall) -> Result<Self, Problem> {
        let who = workspace.identity()?;
        let key = idempotency::key(call.idempotency_key.as_deref(), workspace, &who, "publish", &(agent, call))?;
        let (context, memory) = (workspace.context(), workspace.memory());
        Ok(Publishing { workspace, agent, call, who, key, context, memory })
    }

    fn pass(&mut self, request: Option<Request>, publish: Option<NewVersion>) -> Result<Decided, Problem> {
        let scope = Scope::Agents([self.agent.clone()].into());
        let order = Order { scope, request, publish, key: self.key.clone() };
        Ok(run(&self.context, &order, &mut self.memory, &|answer, _| kept_answer(answer))?)
    }

    /// A pass without a request: finishes what an interrupted one left, and says what there is.
    fn look(&mut self) -> Result<Decided, Problem> {
        self.pass(None, None)
    }

    fn request(&self, unchanged: Option<VersionNumber>) -> Request {
        Request {
            intent: Intent::Publish { agent: self.agent.clone(), unchanged },
            actor: self.who.clone(),
            cause: self.workspace.cause(),
            reason: String::new(),
        }
    }

    /// Keeps for the key that nothing was made because `number` is there; returns what was decided if not that.
    fn keep_unchanged(&mut self, number: VersionNumber) -> Result<Option<Decided>, Problem> {
        let decided = self.pass(Some(self.request(Some(number))), None)?;
        Ok(Some(decided).filter(|decided| !matches!(decided, Decided::Done(_))))
    }

    /// Tags `commit` as the version after `parent`.
    fn tag(
        &mut self,
        commit: ObjectId,
        parent: Option<VersionNumber>,
        source: Option<VersionNumber>,
    ) -> Result<Decided, Problem> {
        let message = tag_message(self.call, parent, source, self.key.as_ref());
        let (agent, tagger) = (self.agent.clone(), self.who.clone());
        let new = NewVersion { agent, commit, tagger, message, after: parent };
        self.pass(Some(self.request(None)), Some(new))
    }

    fn finished(&self, outcome: Outcome, findings: Vec<Finding>) -> Result<Published, Problem> {
        let Publishing { workspace, agent, .. } = self;
        match &outcome.plan.answer {
            Some(Answer::Published(tag)) => {
                let ledger = Ledger::at(&workspace.repository, outcome.ledger_tip)?;
                let version = VersionView::read(workspace, &ledger, agent, tag.number)?;
                Ok(published(version, true, outcome.plan, outcome.policy_note, findings))
            }
            Some(Answer::Refused(refusal)) => Err(refusal.clone().into()),
            _ => Err(Problem::refused("refused", format!("`{agent}` was not published"))),
        }
    }

    /// The answer of a publish that was decided without making a version now.
    fn answered(&self, decided: Decided) -> Result<Published, Problem> {
        let agent = self.agent;
        match decided {
            Decided::Replayed(answer) => self.replay(idempotency::kept(answer)?),
            Decided::KeyReused => Err(idempotency::reused()),
            Decided::Overtaken { .. } | Decided::Done(_) => Err(Problem::refused(
                "publish_race",
                format!("others keep publishing `{agent}`, and were faster for {} seconds", PATIENCE.as_secs()),
            )
            .hint(format!("pointsman publish {agent} again"))),
        }
    }

    fn replay(&self, answer: PublishAnswer) -> Result<Published, Problem> {
        let Publishing { workspace, agent, .. } = self;
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
