//! What changes lines: begin one, edit its draft, rename it, take it away. Each is a commit on its branch or a move of the
//! branch, against the tip that was read; whoever was overtaken looks again.

use std::collections::BTreeMap;

use super::mark::Mark;
use super::{Line, LineKind, LineName, Lines, MAIN, at, found_at, line_id, present, short_id};
use crate::domain::{AgentId, ObjectId, VersionNumber};
use crate::ops::side::Found;
use crate::ops::{Problem, Workspace};
use crate::store::{AgentContent, DraftMove, EntryMode, Located, TreeEdits, World, drafts_of};

/// How often an edit that was overtaken is tried again.
const ATTEMPTS: usize = 8;

/// Files of an agent's folder: what they hold afterwards, or nothing for those that go.
pub type Files = BTreeMap<String, Option<Vec<u8>>>;

/// What an edit does with the agent as it is now.
pub type Change<'c> = dyn Fn(&Line, &Found) -> Result<Files, Problem> + 'c;

fn unknown(agent: &AgentId) -> Problem {
    Problem::refused("unknown_draft", format!("`{agent}` has no such branch or draft")).hint("list them")
}

fn world(workspace: &Workspace) -> Result<World, Problem> {
    workspace.world()
}

fn commit(
    workspace: &Workspace,
    tree: ObjectId,
    parents: &[ObjectId],
    mark: &Mark,
    subject: &str,
    branch: &str,
) -> Result<ObjectId, Problem> {
    let repository = &workspace.repository;
    let mut moment = workspace.now;
    for parent in parents {
        moment = moment.max(repository.commit(*parent)?.time);
    }
    let last = branch.rsplit('/').next().unwrap_or(branch);
    Ok(repository.stage_commit(tree, parents, &workspace.identity()?, moment, &mark.message(subject, last)))
}

fn mark_of(line: &Line) -> Mark {
    Mark { id: line.id.clone(), kind: line.kind, source: line.source.as_ref().map(|source| source.version) }
}

/// Begins a line called `name` at `from`. One that is there with that very content is the answer to whoever asks again.
pub fn open(
    workspace: &Workspace,
    agent: &AgentId,
    name: &LineName,
    kind: LineKind,
    from: ObjectId,
    source: Option<VersionNumber>,
) -> Result<Line, Problem> {
    let lines = Lines::read(workspace, agent)?;
    if let Some(line) = lines.lines.iter().find(|line| line.name == name.as_str()) {
        let same = line.kind == kind && line.edits.is_empty() && line.source.as_ref().map(|it| it.version) == source;
        let ours = line.tip.map(|tip| workspace.repository.commit(tip)).transpose()?;
        if same && line.versions.is_empty() && ours.is_some_and(|tip| Some(&tip.author) == workspace.author.as_ref()) {
            return Ok(line.clone());
        }
        let message = format!("`{agent}` has a branch or draft `{}` already", name.as_str());
        return Err(Problem::refused("branch_name_exists", message).hint("give another name"));
    }
    let branch = format!("{}{}", drafts_of(agent), name.to_branch());
    // A line that comes after an archived one of its name is another line.
    let mut id = line_id(agent, name.as_str());
    if lines.archived(workspace, agent, &|known| known == id)?.is_some() {
        id = short_id(&format!("line {agent} {} {}", name.as_str(), workspace.now));
    }
    let mark = Mark { id: id.clone(), kind, source };
    let tree = workspace.repository.commit(from)?.tree;
    let subject = format!("Begin {} of {agent}", crate::domain::record::one_line(name.as_str()));
    let tip = commit(workspace, tree, &[from], &mark, &subject, &branch)?;
    let moves = [DraftMove { branch, expected: None, new: Some(tip) }];
    world(workspace)?.move_drafts(&workspace.repository, &moves)?;
    Lines::known(workspace, agent)?.find(&id).cloned().ok_or_else(|| unknown(agent))
}

/// Where the next commit on a line goes.
struct Ground {
    /// What is seen as the draft, and edited.
    seen: ObjectId,
    parents: Vec<ObjectId>,
}

/// A draft is edited where it is. One that is not open begins at the newest version of its line: the branch may be
/// behind it, and follows then.
fn ground(workspace: &Workspace, line: &Line) -> Result<Ground, Problem> {
    let head = line.head().map(|head| head.commit);
    Ok(match (line.tip, head) {
        (Some(tip), Some(head)) if !line.has_draft() && !workspace.repository.is_ancestor(head, tip)? => {
            let forward = workspace.repository.is_ancestor(tip, head)?;
            Ground { seen: head, parents: if forward { vec![head] } else { vec![head, tip] } }
        }
        (Some(tip), _) => Ground { seen: tip, parents: vec![tip] },
        (None, Some(head)) => Ground { seen: head, parents: vec![head] },
        (None, None) => {
            let (_, tip) = world(workspace)?.default_branch(&workspace.repository)?;
            let tip = tip.ok_or_else(|| unknown(&line.agent))?;
            Ground { seen: tip, parents: vec![tip] }
        }
    })
}

/// Commits what `change` makes of the draft of the line `id`, and returns the line as it is then. The change is asked
/// again where somebody was faster.
pub fn edit(workspace: &Workspace, agent: &AgentId, id: &str, change: &Change<'_>) -> Result<Line, Problem> {
    let with = |line: &Line, found: &Found| -> Result<TreeEdits, Problem> {
        let mut edits = TreeEdits::default();
        for (path, bytes) in change(line, found)? {
            let path = in_folder(&found.located, &path);
            match bytes {
                Some(bytes) => edits.put(&path, EntryMode::Blob, workspace.repository.stage_blob(&bytes)),
                None => edits.remove(&path),
            }
        }
        Ok(edits)
    };
    let subject = |line: &Line| format!("Edit {} of {agent}", crate::domain::record::one_line(&line.name));
    edit_tree(workspace, agent, id, &with, &subject)
}

fn in_folder(located: &Located, path: &str) -> String {
    if located.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", located.folder) }
}

type TreeChange<'c> = dyn Fn(&Line, &Found) -> Result<TreeEdits, Problem> + 'c;

fn edit_tree(
    workspace: &Workspace,
    agent: &AgentId,
    id: &str,
    change: &TreeChange<'_>,
    subject: &dyn Fn(&Line) -> String,
) -> Result<Line, Problem> {
    let repository = &workspace.repository;
    for attempt in 1.. {
        let lines = Lines::read(workspace, agent)?;
        let line = lines.find(id).ok_or_else(|| unknown(agent))?;
        let Ground { seen, parents } = ground(workspace, line)?;
        let found = at(workspace, agent, seen)?;
        let before = repository.commit(seen)?.tree;
        let edits = change(line, &found)?;
        let tree = if edits.is_empty() { before } else { repository.edit_tree(Some(before), &edits)? };
        if tree == before {
            repository.drop_staged();
            return Ok(line.clone());
        }
        let new = commit(workspace, tree, &parents, &mark_of(line), &subject(line), &line.branch)?;
        let moves = [DraftMove { branch: line.branch.clone(), expected: line.tip, new: Some(new) }];
        match world(workspace)?.move_drafts(repository, &moves) {
            Err(error) if error.is_lost_race() && attempt < ATTEMPTS => {}
            other => {
                other?;
                return Lines::known(workspace, agent)?.find(id).cloned().ok_or_else(|| unknown(agent));
            }
        }
    }
    unreachable!("the loop ends by returning")
}

/// Gives the draft of the line `id` exactly `content`; what an open draft held before is kept for a while.
pub(super) fn replace(
    workspace: &Workspace,
    agent: &AgentId,
    id: &str,
    content: AgentContent,
    subject: &str,
) -> Result<Line, Problem> {
    let repository = &workspace.repository;
    let change = |line: &Line, found: &Found| {
        if found.content == content {
            return Ok(TreeEdits::default());
        }
        if let Some(tip) = line.tip.filter(|_| line.has_draft()) {
            repository.keep_tip(agent, tip, workspace.now)?;
        }
        let mut edits = TreeEdits::default();
        if found.located.folder.is_empty() {
            return Err(Problem::refused("unsupported", "an agent that is the whole repository is not put back")
                .hint(format!("pointsman discard {agent}")));
        }
        edits.put(&found.located.folder, EntryMode::Tree, content.source);
        if let Some(include) = content.include {
            repository.walk(include, "", &mut |path, mode, blob| {
                edits.put(path, mode, blob);
                true
            })?;
        }
        Ok(edits)
    };
    edit_tree(workspace, agent, id, &change, &|_| subject.to_owned())
}

/// Closes the open draft of the line `id`: it holds what was published last. Returns whether one was open.
pub fn discard(workspace: &Workspace, agent: &AgentId, id: &str) -> Result<bool, Problem> {
    let lines = Lines::read(workspace, agent)?;
    let line = lines.find(id).ok_or_else(|| unknown(agent))?;
    if !line.has_draft() {
        return Ok(false);
    }
    let head = line.head().ok_or_else(|| {
        Problem::refused("no_version", format!("`{agent}` has no version to go back to")).hint("publish it first")
    })?;
    let content = at(workspace, agent, head.commit)?.content;
    replace(workspace, agent, id, content, &format!("Discard the draft on {} of {agent}", line.name))?;
    Ok(true)
}

/// Takes the branch of the line `id` away; its tip is kept for a while, its versions for good.
pub fn archive(workspace: &Workspace, agent: &AgentId, id: &str) -> Result<Line, Problem> {
    for attempt in 1.. {
        let lines = Lines::read(workspace, agent)?;
        let line = lines.find(id).ok_or_else(|| unknown(agent))?;
        if line.kind == LineKind::Main {
            return Err(Problem::usage("reserved_name", "the default branch cannot be archived").hint("name another"));
        }
        let tip = line.tip.expect("only a main line has no branch");
        workspace.repository.keep_tip(agent, tip, workspace.now)?;
        let moves = [DraftMove { branch: line.branch.clone(), expected: Some(tip), new: None }];
        match world(workspace)?.move_drafts(&workspace.repository, &moves) {
            Err(error) if error.is_lost_race() && attempt < ATTEMPTS => {}
            other => {
                other?;
                return Ok(Line { archived: true, ..line.clone() });
            }
        }
    }
    unreachable!("the loop ends by returning")
}

/// Calls the line `id` `name`.
pub fn rename(workspace: &Workspace, agent: &AgentId, id: &str, name: &LineName) -> Result<Line, Problem> {
    for attempt in 1.. {
        let lines = Lines::read(workspace, agent)?;
        let line = lines.find(id).ok_or_else(|| unknown(agent))?;
        if line.name == name.as_str() {
            return Ok(line.clone());
        }
        if line.kind == LineKind::Main {
            return Err(Problem::usage("reserved_name", "the default branch cannot be renamed").hint("name another"));
        }
        if lines.lines.iter().any(|other| other.name == name.as_str()) {
            let message = format!("`{agent}` has a branch or draft `{}` already", name.as_str());
            return Err(Problem::refused("branch_name_exists", message).hint("give another name"));
        }
        let branch = format!("{}{}", drafts_of(agent), name.to_branch());
        let tip = line.tip.expect("only a main line has no branch");
        // The commit carries the mark, also of a branch that was made by hand.
        let subject = format!("Rename to {}", crate::domain::record::one_line(name.as_str()));
        let tree = workspace.repository.commit(tip)?.tree;
        let new = commit(workspace, tree, &[tip], &mark_of(line), &subject, &branch)?;
        let moves = [
            DraftMove { branch: line.branch.clone(), expected: Some(tip), new: None },
            DraftMove { branch: branch.clone(), expected: None, new: Some(new) },
        ];
        match world(workspace)?.move_drafts(&workspace.repository, &moves) {
            Err(error) if error.is_lost_race() && attempt < ATTEMPTS => {}
            other => {
                other?;
                return Ok(Line { name: name.as_str().to_owned(), branch, tip: Some(new), ..line.clone() });
            }
        }
    }
    unreachable!("the loop ends by returning")
}

/// Begins `agent`, which nobody knows yet, with `files`, on its main line. Returns false if it is there with exactly these
/// already.
pub fn create(workspace: &Workspace, agent: &AgentId, files: &Files) -> Result<bool, Problem> {
    let (repository, world) = (&workspace.repository, world(workspace)?);
    let folder = format!("agents/{agent}");
    let branch = format!("{}{MAIN}", drafts_of(agent));
    world.refresh_drafts(repository, agent)?;
    let (_, tip) = world.default_branch(repository)?;
    let tip = tip.ok_or_else(|| {
        Problem::refused("unborn_branch", "the default branch has no commit yet").hint("push a commit first")
    })?;
    let mut edits = TreeEdits::default();
    for (path, bytes) in files {
        let blob = repository.stage_blob(bytes.as_deref().unwrap_or_default());
        edits.put(&format!("{folder}/{path}"), EntryMode::Blob, blob);
    }
    let base = repository.commit(tip)?.tree;
    let tree = repository.edit_tree(Some(base), &edits)?;
    let wanted = repository.tree_at(tree, &folder)?;
    let known = world.draft_branches(repository, agent)?.into_iter().find(|(name, _)| *name == branch);
    if let Some((_, known)) = known {
        let there = found_at(workspace, agent, known)?.map(|found| found.content.source);
        repository.drop_staged();
        return if there == wanted { Ok(false) } else { Err(taken(agent)) };
    }
    if let Some(other) = crate::ops::inspect::ledger(workspace)?.collision(agent)? {
        return Err(Problem::refused("taken", format!("`{agent}` collides with `{other}`")).hint("give another name"));
    }
    let mut clash = !crate::ops::inspect::ledger(workspace)?.versions(agent)?.is_empty();
    clash |= repository.entry_at(base, &folder)?.is_some();
    let drafted = workspace.draft_agents()?;
    clash |= drafted.iter().any(|it| it.folder.is_empty() || it.agent == *agent || it.agent.collides_with(agent));
    if clash {
        return Err(taken(agent));
    }
    let mark = Mark { id: line_id(agent, MAIN), kind: LineKind::Main, source: None };
    let new = commit(workspace, tree, &[tip], &mark, &format!("Begin {agent}"), &branch)?;
    match world.move_drafts(repository, &[DraftMove { branch, expected: None, new: Some(new) }]) {
        Err(error) if error.is_lost_race() => Err(taken(agent)),
        other => Ok(other.map(|()| true)?),
    }
}

fn taken(agent: &AgentId) -> Problem {
    Problem::refused("taken", format!("there is an agent `{agent}` already")).hint("give another name")
}

/// The content that `line` shows now.
pub(super) fn content(workspace: &Workspace, line: &Line) -> Result<AgentContent, Problem> {
    Ok(present(workspace, line)?.content)
}
