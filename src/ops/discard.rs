//! Discard: the draft of one agent goes back to the newest version, and its bytes are kept for a while.

use serde::{Deserialize, Serialize};

use super::inspect::VersionView;
use super::{Problem, Workspace, inspect};
use crate::compile::Kind;
use crate::domain::{AgentId, Identity};
use crate::store::{KEPT_DAYS, Located, Scope, controller};

/// What a discard came to.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discarded {
    /// The version that the draft is now.
    pub version: VersionView,
    /// Whether anything changed; false if the draft was that version already.
    pub changed: bool,
    /// The ref that keeps the bytes that were there.
    pub kept: Option<String>,
    /// For how many days.
    pub kept_days: i64,
    /// What of that ref was the agent's, as git's pathspecs; nothing if the agent's files had been deleted.
    pub paths: Vec<String>,
}

/// Puts the draft of `agent` back to its newest version.
pub fn discard(workspace: &Workspace, agent: &AgentId) -> Result<Discarded, Problem> {
    let repository = &workspace.repository;
    workspace.work_dir()?;
    workspace.world()?.refresh(repository, &Scope::Agents([agent.clone()].into()))?;
    let ledger = inspect::ledger(workspace)?;
    let newest = ledger.versions(agent)?.into_iter().next_back();
    let Some((number, entry)) = newest else {
        // An unknown name is told as such, with the nearest one.
        workspace.locate_draft(agent)?;
        return Err(Problem::refused("no_version", format!("`{agent}` has no version to go back to"))
            .hint(format!("pointsman publish {agent}; git restore . goes back to the last commit")));
    };
    let entry = ledger.entry(entry)?;
    let located = match workspace.locate_draft(agent) {
        Ok(located) => located,
        // A folder that is gone from disk and commits is written where the version had it.
        Err(problem) if matches!(problem.code.as_str(), "misplaced" | "unknown_agent") => Located {
            agent: agent.clone(),
            folder: entry.record.folder.clone(),
            kind: Kind::named(&entry.record.kind),
            include: Vec::new(),
        },
        Err(problem) => return Err(problem),
    };
    let draft = repository.draft(&[&located])?;
    let version = VersionView::read(workspace, &ledger, agent, number)?;
    let mut discarded = Discarded {
        version,
        changed: false,
        kept: None,
        kept_days: KEPT_DAYS,
        paths: repository.kept_pathspecs(&located, &draft)?,
    };
    if repository.content(draft.root, &located)? == Some(entry.content) {
        return Ok(discarded);
    }
    // Nobody needs a name to throw work away.
    let who: Identity = workspace.identity().unwrap_or_else(|_| controller());
    discarded.kept = Some(repository.keep_discarded(&located, &draft, &who, workspace.now)?);
    repository.restore_content(&located, &draft, entry.content, &who, workspace.now)?;
    repository.forget_discarded(workspace.now)?;
    discarded.changed = true;
    Ok(discarded)
}
