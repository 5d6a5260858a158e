//! Publishing a line's draft: a version, made from the tip of its branch.

use super::edit::{archive, content, replace};
use super::{Line, LineKind, Lines, MAIN};
use crate::domain::{AgentId, VersionNumber};
use crate::ops::inspect::VersionView;
use crate::ops::publish::{PublishCall, publish as publish_version};
use crate::ops::side::{self, SideName};
use crate::ops::{Problem, Workspace};
use crate::store::drafts_of;

/// Publishes the draft of the line `id`. Where nothing is to be published, the newest version is the answer: whoever asks
/// again is told the same.
pub fn publish(
    workspace: &Workspace,
    agent: &AgentId,
    id: &str,
    label: Option<String>,
    description: Option<String>,
) -> Result<VersionView, Problem> {
    let lines = Lines::read(workspace, agent)?;
    let Some(line) = lines.find(id) else {
        // A draft is gone with its publish: what its last commit became is the answer to whoever asks again.
        let gone = lines.archived(workspace, agent, &|known| known == id)?;
        let made = gone.and_then(|gone| lines.versions.iter().find(|version| Some(version.commit) == gone.tip));
        return made.cloned().ok_or_else(|| {
            Problem::refused("unknown_draft", format!("`{agent}` has no such branch or draft")).hint("list them")
        });
    };
    if !line.has_draft() {
        return line.versions.first().cloned().ok_or_else(|| {
            Problem::refused("nothing_to_publish", format!("no draft is open on `{}`", line.name)).hint("edit it first")
        });
    }
    // Made by an earlier attempt that did not get to take its draft away.
    let made = lines.versions.iter().find(|version| line.kind == LineKind::Draft && Some(version.commit) == line.tip);
    if let Some(made) = made.filter(|made| line.source.as_ref().is_none_or(|source| source.version != made.version)) {
        archive(workspace, agent, id)?;
        return Ok(made.clone());
    }
    up_to_date(workspace, line)?;
    let version = make(workspace, agent, line.branch.clone(), label, description)?;
    if line.kind == LineKind::Draft {
        archive(workspace, agent, id)?;
    }
    Ok(version)
}

/// Publishes an agent that was just begun: nothing knows it yet but its branch.
pub fn publish_new(workspace: &Workspace, agent: &AgentId) -> Result<VersionView, Problem> {
    make(workspace, agent, format!("{}{MAIN}", drafts_of(agent)), None, None)
}

/// A line may be published beside others, but not over a version of its own that its draft does not know.
fn up_to_date(workspace: &Workspace, line: &Line) -> Result<(), Problem> {
    let (Some(newest), Some(tip)) = (line.versions.first(), line.tip) else { return Ok(()) };
    if workspace.repository.is_ancestor(newest.commit, tip)? {
        return Ok(());
    }
    let message =
        format!("{} was published on `{}` since this draft was begun, and would be lost", newest.tag, line.name);
    Err(Problem::refused("version_mismatch", message)
        .hint(format!("discard the draft and edit again, or: git switch {} && git merge {}", line.branch, newest.tag)))
}

fn make(
    workspace: &Workspace,
    agent: &AgentId,
    branch: String,
    label: Option<String>,
    description: Option<String>,
) -> Result<VersionView, Problem> {
    let call = PublishCall {
        note: None,
        label,
        description,
        draft: Some(branch),
        // Lines do not know of one another; what is lost on this one was asked above.
        over: true,
        idempotency_key: None,
    };
    Ok(publish_version(workspace, agent, &call)?.version)
}

/// Publishes what version `from` holds as a new version on top of the line `id`. A draft that was open is kept for a while.
pub fn restore(workspace: &Workspace, agent: &AgentId, id: &str, from: VersionNumber) -> Result<VersionView, Problem> {
    let wanted = side::find(workspace, agent, &SideName::Version(from))?.content;
    let lines = Lines::read(workspace, agent)?;
    let line = lines
        .find(id)
        .ok_or_else(|| Problem::refused("unknown_draft", format!("`{agent}` has no such branch")).hint("list them"))?;
    if !line.has_draft()
        && let Some(head) = line.head()
        && content(workspace, line)? == wanted
    {
        return Ok(head.clone());
    }
    let line = replace(workspace, agent, id, wanted, &format!("Restore {agent} {from}"))?;
    make(workspace, agent, line.branch, None, None)
}
