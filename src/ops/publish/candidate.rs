//! What would be published, and what must hold of it before anything is written.

use std::rc::Rc;

use crate::compile::{Compilation, Finding};
use crate::domain::{AgentId, ObjectId};
use crate::ops::side::{self, Found};
use crate::ops::{Problem, Workspace};
use crate::policy::Policy;
use crate::store::{AgentContent, Draft, Entry, Located};

/// The side that is published.
pub(super) struct Candidate {
    pub(super) content: AgentContent,
    pub(super) located: Located,
    pub(super) findings: Vec<Finding>,
    /// The commit before: HEAD, or the tip that is tagged.
    pub(super) base: ObjectId,
    pub(super) draft: Option<Rc<Draft>>,
}

/// Compiles what would be published; findings that are errors refuse it before anything is written.
pub(super) fn candidate(workspace: &Workspace, agent: &AgentId, side: Found) -> Result<Candidate, Problem> {
    let Compilation { findings, frozen } = side::compiled(workspace, &side)?;
    if frozen.is_none() {
        return Err(side::findings_problem(agent, &findings, "nothing was published"));
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

/// Refuses a draft from a stale base: the newest version would silently lose what it changed.
pub(super) fn must_contain(
    workspace: &Workspace,
    agent: &AgentId,
    candidate: &Candidate,
    newest: &Entry,
) -> Result<(), Problem> {
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
