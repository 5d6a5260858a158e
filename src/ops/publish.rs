//! Publish: freeze the draft of one agent as its next version.
//!
//! The user's branch moves first, then the tag is made (that is the moment), then the ledger follows. Each step can
//! be the last one before a power cut: what is missing is finished by the next pass, from git alone.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::inspect::VersionView;
use super::{Problem, Workspace, idempotency};
use crate::compile::{Compilation, Finding};
use crate::domain::ledger::PublishAnswer;
use crate::domain::record::{Cause, one_line, plain_text};
use crate::domain::{AgentId, EnvironmentName, Identity, ObjectId, VersionNumber, VersionTag};
use crate::plan::{Answer, Intent, Plan, Request, Wait};
use crate::policy::Policy;
use crate::reconcile::{Decided, NewVersion, Order, run};
use crate::store::{AgentContent, Draft, Entry, EntryMode, Ledger, Located, RefPlace, Scope, TreeEdits, crash_point};

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
#[derive(Clone, Debug, Serialize)]
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

/// The side that is published.
struct Candidate {
    content: AgentContent,
    located: Located,
    findings: Vec<Finding>,
    /// The commit before: HEAD, or the tip that is tagged.
    base: ObjectId,
    draft: Option<Rc<Draft>>,
}

/// How long a publish goes on being overtaken before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a draft is read again because somebody changed it meanwhile.
const DRAFT_READS: usize = 3;

/// Publishes `agent`.
pub fn publish(workspace: &Workspace, agent: &AgentId, call: &PublishCall) -> Result<Published, Problem> {
    let deepened = workspace.deepened()?;
    let workspace = deepened.as_ref().unwrap_or(workspace);
    let who = workspace.identity()?;
    let key = idempotency::key(call.idempotency_key.as_deref(), &who, "publish", &(agent, call))?;
    let scope = Scope::Agents([agent.clone()].into());
    let context = workspace.context();
    let mut memory = workspace.memory();
    let mut pass = |order: &Order| run(&context, order, &mut memory, &|answer, _| kept_answer(answer));
    let request = |unchanged| Request {
        intent: Intent::Publish { agent: agent.clone(), unchanged },
        actor: who.clone(),
        cause: Cause::Cli,
        reason: String::new(),
    };
    // A key is asked before the draft is read: another clone that asks again may have another draft, or a broken one.
    let look = Order { key: key.clone(), ..Order::look_at(scope.clone()) };
    let mut looked = if key.is_some() { Some(pass(&look)?) } else { None };
    if looked.as_ref().is_some_and(|looked| !matches!(looked, Decided::Done(_))) {
        return answered(workspace, agent, looked.expect("just looked at"));
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
            _ => match looked.take().map_or_else(|| pass(&look), Ok)? {
                Decided::Done(outcome) => (outcome.ledger_tip, outcome.plan, outcome.policy_note),
                other => return answered(workspace, agent, other),
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
                let created = commit.is_some_and(|commit| commit == version.commit) && version.published_by == who;
                if !created && key.is_some() {
                    let order = Order { request: Some(request(Some(number))), key, ..Order::look_at(scope) };
                    match pass(&order)? {
                        Decided::Done(_) => {}
                        other => return answered(workspace, agent, other),
                    }
                }
                return Ok(published(version, created, plan, policy, candidate.findings));
            }
            if !call.over {
                must_contain(workspace, agent, &candidate, &entry)?;
            }
        }
        let tagged = match commit {
            Some(commit) => commit,
            None => match commit_draft(workspace, agent, &candidate, &who, call)? {
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
        let message = tag_message(call, parent, source, key.as_ref());
        let order = Order {
            scope: scope.clone(),
            request: Some(request(None)),
            publish: Some(NewVersion {
                agent: agent.clone(),
                commit: tagged,
                tagger: who.clone(),
                message,
                after: parent,
            }),
            key: key.clone(),
        };
        let outcome = match pass(&order)? {
            Decided::Done(outcome) => *outcome,
            Decided::Overtaken { ledger } if started.elapsed() < PATIENCE => {
                overtaken = ledger;
                continue;
            }
            other => return answered(workspace, agent, other),
        };
        return match &outcome.plan.answer {
            Some(Answer::Published(tag)) => {
                let ledger = Ledger::at(&workspace.repository, outcome.ledger_tip)?;
                let version = VersionView::read(workspace, &ledger, agent, tag.number)?;
                Ok(published(version, true, outcome.plan, outcome.policy_note, candidate.findings))
            }
            Some(Answer::Refused(refusal)) => Err(refusal.clone().into()),
            _ => Err(Problem::refused("refused", format!("`{agent}` was not published"))),
        };
    }
}

/// The answer of a publish that was decided without making a version now.
fn answered(workspace: &Workspace, agent: &AgentId, decided: Decided) -> Result<Published, Problem> {
    match decided {
        Decided::Replayed(answer) => replay(workspace, agent, idempotency::kept(answer)?),
        Decided::KeyReused => Err(idempotency::reused()),
        Decided::Overtaken { .. } | Decided::Done(_) => Err(Problem::refused(
            "publish_race",
            format!("others keep publishing `{agent}`, and were faster for {} seconds", PATIENCE.as_secs()),
        )
        .hint(format!("pointsman publish {agent} again"))),
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

/// Refuses a draft from a stale base: the newest version would silently lose what it changed.
fn must_contain(workspace: &Workspace, agent: &AgentId, candidate: &Candidate, newest: &Entry) -> Result<(), Problem> {
    let repository = &workspace.repository;
    // Mostly nobody changed the folder since: then no history need be read.
    if repository.content(repository.commit(candidate.base)?.tree, &candidate.located)? == Some(newest.content) {
        return Ok(());
    }
    if repository.is_ancestor(newest.record.commit, candidate.base)? {
        return Ok(());
    }
    let folders = [newest.record.folder.as_str(), candidate.located.folder.as_str()];
    if repository.is_in_history(candidate.base, agent, &folders, newest.content)? {
        return Ok(());
    }
    let tag = format!("{agent}/{}", newest.record.number);
    Err(Problem::refused(
        "version_mismatch",
        format!("what `{tag}` holds is not in the history of what you publish, and would be lost"),
    )
    .hint(format!("git merge {tag} takes it in; --over publishes without it"))
    .details(serde_json::json!({ "newest": newest.record.number })))
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

fn replay(workspace: &Workspace, agent: &AgentId, answer: PublishAnswer) -> Result<Published, Problem> {
    let world = workspace.world()?;
    let ledger = Ledger::at(&workspace.repository, world.read(&workspace.repository, &RefPlace::Ledger)?)?;
    let version = VersionView::read(workspace, &ledger, agent, answer.version)?;
    Ok(Published { deployed: answer.deployed, ..Published::of(version, answer.created) })
}

/// Compiles what would be published; findings that are errors refuse it before anything is written.
fn candidate(workspace: &Workspace, agent: &AgentId, call: &PublishCall) -> Result<Candidate, Problem> {
    let side = super::side::draft(workspace, agent, call.draft.as_deref())?;
    let Compilation { findings, frozen } = super::side::compiled(workspace, &side)?;
    if frozen.is_none() {
        return Err(super::side::findings_problem(agent, &findings, "nothing was published"));
    }
    let base = side.commit.ok_or_else(|| {
        Problem::refused("unborn_branch", "the branch has no commit yet").hint("git commit --allow-empty -m Begin")
    })?;
    if side.draft.is_some() {
        // An agent that is the whole repository commits pointsman.toml with itself.
        let whole = side.located.folder.is_empty();
        let listed_in = if whole { side.content.source } else { workspace.repository.commit(base)?.tree };
        same_listing(workspace, listed_in, &side.located)?;
    }
    Ok(Candidate { content: side.content, located: side.located, findings, base, draft: side.draft })
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

/// Commits the draft on the user's branch, only if it differs from HEAD, and returns the commit to tag; nothing if
/// the index or HEAD moved since the draft was read.
fn commit_draft(
    workspace: &Workspace,
    agent: &AgentId,
    candidate: &Candidate,
    who: &Identity,
    call: &PublishCall,
) -> Result<Option<ObjectId>, Problem> {
    let repository = &workspace.repository;
    let Some(draft) = &candidate.draft else { return Ok(Some(candidate.base)) };
    let head = repository.commit(candidate.base)?;
    let located = &candidate.located;
    let tree = if located.folder.is_empty() {
        candidate.content.source
    } else {
        let mut edits = TreeEdits::default();
        edits.put(&located.folder, EntryMode::Tree, candidate.content.source);
        repository.put_included(&mut edits, head.tree, draft.root, located)?;
        repository.edit_tree(Some(head.tree), &edits)?
    };
    if tree == head.tree {
        repository.drop_staged();
        return Ok(Some(head.id));
    }
    repository.stage_from_draft(draft)?;
    let note = call.note.as_deref().map(plain_text).unwrap_or_default();
    let mut message = format!("Publish {agent}\n");
    if !note.is_empty() {
        message.push_str(&format!("\n{note}\n"));
    }
    let commit = repository.stage_commit(tree, &[head.id], who, workspace.now.max(head.time), &message);
    free_of_locks(workspace)?;
    repository.flush()?;
    crash_point("draft written");
    // The index goes first: a power cut between the two leaves the folder staged, which harms nobody.
    if !repository.install_index(draft)? {
        return Ok(None);
    }
    crash_point("index installed");
    match repository.move_head(head.id, commit, &format!("publish: {agent}")) {
        Ok(()) => Ok(Some(commit)),
        Err(error) if error.is_lost_race() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A lock left by a dead process on anything that a publish moves is told before the first of it moves.
fn free_of_locks(workspace: &Workspace) -> Result<(), Problem> {
    let (repository, world) = (&workspace.repository, workspace.world()?);
    let mut names = vec![repository.read_symbolic("HEAD").unwrap_or_else(|| "HEAD".to_owned())];
    names.push(world.published_name(&RefPlace::Ledger));
    let ledger = Ledger::at(repository, world.read(repository, &RefPlace::Ledger)?)?;
    names.extend(ledger.heads()?.into_keys().map(|name| world.published_name(&RefPlace::Environment(name))));
    Ok(repository.wait_for_locks(names.iter().map(String::as_str), true)?)
}

/// The commit to be tagged must say the same about the agent as the draft did, for it is what every controller reads.
fn same_listing(workspace: &Workspace, tree: ObjectId, located: &Located) -> Result<(), Problem> {
    let repository = &workspace.repository;
    let text = match repository.blob_at(tree, crate::policy::FILE)? {
        Some(blob) => String::from_utf8_lossy(&repository.blob(blob)?).into_owned(),
        None => String::new(),
    };
    let committed = Policy::parse(&text).map(|policy| policy.agents.get(&located.agent).cloned()).unwrap_or_default();
    let drafted = workspace.draft_policy()?.agents.get(&located.agent).cloned();
    if committed == drafted {
        return Ok(());
    }
    Err(Problem::refused(
        "listing_not_committed",
        format!("what pointsman.toml says about `{}` is not committed", located.agent),
    )
    .hint("git add pointsman.toml && git commit -m 'List agents'"))
}

/// How our trailers begin.
const OURS: &str = "Pointsman-";

/// The tag's message: the note, then what is known at publish as trailers.
pub(super) fn tag_message(
    call: &PublishCall,
    parent: Option<VersionNumber>,
    source: Option<VersionNumber>,
    key: Option<&crate::reconcile::Key>,
) -> String {
    let mut message = call.note.as_deref().map(plain_text).unwrap_or_default();
    let mut trailers = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            trailers.push(format!("Pointsman-{name}: {value}"));
        }
    };
    line("Label", call.label.as_deref().map(one_line));
    line("Description", call.description.as_deref().map(one_line));
    line("Draft", call.draft.as_deref().map(one_line));
    line("Parent", parent.map(|number| number.to_string()));
    line("Source", source.map(|number| number.to_string()));
    line("Key", key.map(|key| format!("{} {}", key.name, key.request)));
    if message.is_empty() {
        message.push_str("Published without a note");
    }
    // The last paragraph is read as ours if it looks like it, so a note that imitates one must not stand last.
    if trailers.is_empty() && crate::domain::record::trailers(&message).iter().any(|(name, _)| name.starts_with(OURS)) {
        trailers.push(format!("{OURS}Parent: -"));
    }
    if !trailers.is_empty() {
        message.push_str("\n\n");
        message.push_str(&trailers.join("\n"));
    }
    message.push('\n');
    message
}
