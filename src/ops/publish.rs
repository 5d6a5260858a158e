//! Publish: freeze the draft of one agent as its next version.
//!
//! The user's branch moves first, then the tag is made (that is the moment), then the ledger follows. Each step can
//! be the last one before a power cut: what is missing is finished by the next pass, from git alone.

use std::rc::Rc;

use serde::Serialize;

use super::inspect::VersionView;
use super::{Problem, Workspace, idempotency};
use crate::compile::{Compilation, Finding};
use crate::domain::record::{Cause, one_line, plain_text};
use crate::domain::{AgentId, Identity, ObjectId, VersionNumber};
use crate::plan::{Answer, Intent, Plan, Refusal, Request, Step, Wait};
use crate::policy::Policy;
use crate::reconcile::{Decided, NewVersion, Order, crash_point, run};
use crate::store::{AgentContent, Draft, EntryMode, Ledger, Located, RefPlace, Scope, TreeEdits};

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
    pub deployed: Vec<String>,
    /// What waits, and why.
    pub waits: Vec<Wait>,
    /// Warnings and notes of the compiler.
    pub findings: Vec<Finding>,
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

/// Publishes `agent`.
pub fn publish(workspace: &Workspace, agent: &AgentId, call: &PublishCall) -> Result<Published, Problem> {
    let who = workspace.identity()?;
    let request = serde_json::json!({ "agent": agent, "call": call });
    let key = idempotency::key(call.idempotency_key.as_deref(), &who, "publish", &request)?;
    let candidate = candidate(workspace, agent, call)?;

    // What the decision rests on is read once before anything of the user's moves.
    let scope = Scope::Agents([agent.clone()].into());
    let context = workspace.context();
    let mut memory = workspace.memory();
    let look = Order { key: key.clone(), ..Order::look_at(scope.clone()) };
    match run(&context, &look, &mut memory, &|_, _| serde_json::Value::Null)? {
        Decided::Replayed(answer) => return replay(workspace, agent, &answer, candidate.findings),
        Decided::KeyReused => return Err(idempotency::reused()),
        Decided::Done(_) => {}
    }
    let world = workspace.world()?;
    let ledger = Ledger::at(&workspace.repository, world.read(&workspace.repository, &RefPlace::Ledger)?)?;
    let newest = ledger.versions(agent)?.into_iter().next_back();
    let mut parent = None;
    if let Some((number, entry)) = newest {
        let entry = ledger.entry(entry)?;
        parent = Some(number);
        if entry.content == candidate.content {
            let version = VersionView::read(workspace, &ledger, agent, number)?;
            let findings = candidate.findings;
            return Ok(Published { version, created: false, deployed: Vec::new(), waits: Vec::new(), findings });
        }
        if !call.over && !workspace.repository.is_in_history(candidate.base, &candidate.located, entry.content)? {
            return Err(Problem::refused(
                "version_mismatch",
                format!("{agent} {number} is not in the history of what you publish: it would be lost"),
            )
            .hint(format!("git pull, or merge {agent}/{number}; --over publishes without it"))
            .details(serde_json::json!({ "newest": number })));
        }
    }
    let source = ledger_source(&ledger, agent, candidate.content)?;
    let commit = commit_draft(workspace, agent, &candidate, &who, call)?;
    crash_point("draft committed");
    let message = tag_message(call, parent, source, key.as_ref());
    let order = Order {
        scope,
        request: Some(Request {
            intent: Intent::Publish { agent: agent.clone() },
            actor: who.clone(),
            cause: Cause::Cli,
            reason: String::new(),
        }),
        publish: Some(NewVersion { agent: agent.clone(), commit, tagger: who, message }),
        key,
    };
    let outcome = match run(&context, &order, &mut memory, &|_, _| serde_json::Value::Null)? {
        Decided::Replayed(answer) => return replay(workspace, agent, &answer, candidate.findings),
        Decided::KeyReused => return Err(idempotency::reused()),
        Decided::Done(outcome) => outcome,
    };
    match &outcome.plan.answer {
        Some(Answer::Published(tag)) => {
            let ledger = Ledger::at(&workspace.repository, world.read(&workspace.repository, &RefPlace::Ledger)?)?;
            let version = VersionView::read(workspace, &ledger, agent, tag.number)?;
            let deployed = deployed(&outcome.plan, agent);
            let waits = outcome.plan.waits.into_iter().filter(|wait| wait.agent.as_ref() == Some(agent)).collect();
            Ok(Published { version, created: true, deployed, waits, findings: candidate.findings })
        }
        Some(Answer::Refused(refusal)) => Err(refusal.clone().into()),
        _ => Err(Refusal {
            code: "refused",
            message: format!("`{agent}` was not published"),
            hint: None,
            unmet: Vec::new(),
        }
        .into()),
    }
}

/// The environments that a plan moves `agent` into.
fn deployed(plan: &Plan, agent: &AgentId) -> Vec<String> {
    let commits = plan.steps.iter().filter_map(|step| match step {
        Step::Commit(commit) if commit.moves.iter().any(|made| made.agent == *agent && made.to != made.from) => {
            Some(commit.environment.to_string())
        }
        _ => None,
    });
    commits.collect()
}

fn replay(
    workspace: &Workspace,
    agent: &AgentId,
    answer: &serde_json::Value,
    findings: Vec<Finding>,
) -> Result<Published, Problem> {
    let number = answer.get("number").and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let number = number
        .and_then(VersionNumber::new)
        .ok_or_else(|| Problem::refused("corrupt", "the answer kept for this idempotency key is not one of publish"))?;
    let world = workspace.world()?;
    let ledger = Ledger::at(&workspace.repository, world.read(&workspace.repository, &RefPlace::Ledger)?)?;
    let version = VersionView::read(workspace, &ledger, agent, number)?;
    Ok(Published { version, created: false, deployed: Vec::new(), waits: Vec::new(), findings })
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

/// Commits the draft on the user's branch, only if it differs from HEAD, and returns the commit to tag.
fn commit_draft(
    workspace: &Workspace,
    agent: &AgentId,
    candidate: &Candidate,
    who: &Identity,
    call: &PublishCall,
) -> Result<ObjectId, Problem> {
    let repository = &workspace.repository;
    let Some(draft) = &candidate.draft else { return Ok(candidate.base) };
    let head = repository.commit(candidate.base)?;
    let located = &candidate.located;
    same_listing(workspace, &head.tree, located)?;
    if repository.content(head.tree, located)? == Some(candidate.content) {
        return Ok(head.id);
    }
    repository.stage_from_draft(draft, draft.root)?;
    let tree = if located.folder.is_empty() {
        candidate.content.source
    } else {
        let mut edits = TreeEdits::default();
        edits.put(&located.folder, EntryMode::Tree, candidate.content.source);
        repository.put_included(&mut edits, head.tree, draft.root, located)?;
        repository.edit_tree(Some(head.tree), &edits)?
    };
    let note = call.note.as_deref().map(plain_text).unwrap_or_default();
    let mut message = format!("Publish {agent}\n");
    if !note.is_empty() {
        message.push_str(&format!("\n{note}\n"));
    }
    let commit = repository.stage_commit(tree, &[head.id], who, workspace.now.max(head.time), &message);
    repository.flush()?;
    // The index goes first: a power cut between the two leaves the folder staged, which harms nobody.
    if !repository.install_index(draft)? {
        return Err(
            Problem::refused("draft_moved", "the index changed while the draft was being read").hint("run it again")
        );
    }
    crash_point("index installed");
    repository.move_head(head.id, commit, &format!("publish: {agent}"))?;
    Ok(commit)
}

/// The commit to be tagged must say the same about the agent as the draft did, for it is what every controller reads.
fn same_listing(workspace: &Workspace, tree: &ObjectId, located: &Located) -> Result<(), Problem> {
    let repository = &workspace.repository;
    let text = match repository.blob_at(*tree, crate::policy::FILE)? {
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

/// The tag's message: the note, then what is known at publish as trailers.
fn tag_message(
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
    if !trailers.is_empty() {
        message.push_str("\n\n");
        message.push_str(&trailers.join("\n"));
    }
    message.push('\n');
    message
}
