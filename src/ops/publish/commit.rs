//! The commit of a draft on the user's branch.

use super::PublishCall;
use super::candidate::Candidate;
use crate::domain::record::plain_text;
use crate::domain::{AgentId, Identity, ObjectId};
use crate::ops::{Problem, Workspace};
use crate::store::{EntryMode, Ledger, RefPlace, TreeEdits, crash_point};

/// Commits the draft on the user's branch, only if it differs from HEAD, and returns the commit to tag; nothing if
/// the index or HEAD moved since the draft was read.
pub(super) fn commit_draft(
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
    let written = repository.write_commit(draft, commit)?;
    crash_point("draft written");
    // The index goes first: a power cut between the two leaves the folder staged, which harms nobody.
    if !written.install_index()? {
        return Ok(None);
    }
    crash_point("index installed");
    match written.move_head(head.id, &format!("publish: {agent}")) {
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
