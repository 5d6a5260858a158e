//! The commit of a draft on the user's branch.

use std::rc::Rc;

use super::PublishCall;
use super::candidate::Candidate;
use crate::domain::record::plain_text;
use crate::domain::{AgentId, Identity};
use crate::ops::{Problem, Workspace};
use crate::store::{DraftCommit, EntryMode, TreeEdits};

/// Stages the commit of the draft, if it differs from HEAD.
pub(super) fn stage(
    workspace: &Workspace,
    agent: &AgentId,
    candidate: &Candidate,
    who: &Identity,
    call: &PublishCall,
) -> Result<Option<DraftCommit>, Problem> {
    let repository = &workspace.repository;
    let Some(draft) = &candidate.draft else { return Ok(None) };
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
        return Ok(None);
    }
    repository.stage_from_draft(draft)?;
    let note = call.note.as_deref().map(plain_text).unwrap_or_default();
    let mut message = format!("Publish {agent}\n");
    if !note.is_empty() {
        message.push_str(&format!("\n{note}\n"));
    }
    let commit = repository.stage_commit(tree, &[head.id], who, workspace.now.max(head.time), &message);
    // The pass that makes the version judges its tag like any other, and reads the commit for that.
    repository.show_staged(commit)?;
    Ok(Some(DraftCommit::new(Rc::clone(draft), commit, head.id, format!("publish: {agent}"))))
}
