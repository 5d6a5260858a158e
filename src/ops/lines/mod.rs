//! Lines of work on one agent: a named draft is a git branch `draft/<agent>/<name>`, with the versions that were
//! published from it. The main line has `draft/<agent>/main` while somebody edits it, and every version that was
//! published from anywhere else. The default branch itself is people's: nothing here writes it.
//!
//! What a line is stands in a trailer of its commits, so that it keeps its identity when its branch is renamed, and its
//! versions when the branch is gone.

mod edit;
mod mark;
mod name;
mod publish;

use std::collections::BTreeMap;

use super::inspect::{self, VersionView};
use super::side::{self, Found};
use super::{Problem, Workspace};
use crate::domain::{AgentId, Digest, Identity, ObjectId, VersionNumber};
use crate::store::{AgentContent, drafts_of};
use mark::Mark;

pub use edit::{Files, archive, create, discard, edit, open, rename};
pub use name::LineName;
pub use publish::{publish, publish_new, restore};

/// The name of the line that every agent has.
pub const MAIN: &str = "main";

/// How many edits of an open draft are told apart.
const MOST_EDITS: usize = 500;

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// The one that every agent has.
    Main,
    /// One with versions of its own.
    Branch,
    /// A draft that is gone once it was published; its version is one of the main line.
    Draft,
}

/// One change of an open draft.
#[derive(Clone, Debug)]
pub struct Edit {
    /// 1 for the first since the version that the draft began with.
    pub number: u32,
    /// The commit.
    pub commit: ObjectId,
    /// Who made it.
    pub author: Identity,
    /// When.
    pub time: jiff::Timestamp,
}

/// A line of work.
#[derive(Clone, Debug)]
pub struct Line {
    /// 24 hexadecimal digits, the same for as long as the line lives.
    pub id: String,
    /// The agent.
    pub agent: AgentId,
    /// What people call it.
    pub name: String,
    /// Its git branch, without `refs/heads/`.
    pub branch: String,
    /// What it is for.
    pub kind: LineKind,
    /// The tip of its branch; nothing for a main line that nobody edits.
    pub tip: Option<ObjectId>,
    /// Its versions, newest first.
    pub versions: Vec<VersionView>,
    /// The version that it was begun from.
    pub source: Option<VersionView>,
    /// The commit that its draft is seen against.
    pub base: Option<ObjectId>,
    /// What its draft changed since, oldest first; nothing changed where no draft is open.
    pub edits: Vec<Edit>,
    /// Whether its branch is gone.
    pub archived: bool,
}

impl Line {
    /// Its newest version, or the one that it was begun from.
    pub fn head(&self) -> Option<&VersionView> {
        self.versions.first().or(self.source.as_ref())
    }

    /// Whether there is something to publish.
    pub fn has_draft(&self) -> bool {
        !self.archived && (!self.edits.is_empty() || self.kind == LineKind::Draft)
    }

    /// The commit of the draft's edit `number`; 0 is what it began with.
    pub fn at_edit(&self, number: u32) -> Option<ObjectId> {
        match number {
            0 => self.base,
            number => self.edits.get(number as usize - 1).map(|edit| edit.commit),
        }
    }
}

/// The lines of one agent.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The main line first.
    pub lines: Vec<Line>,
    /// All versions, newest first.
    pub versions: Vec<VersionView>,
    /// The line of each version, also where that line is archived.
    line_of: BTreeMap<VersionNumber, String>,
}

/// 24 hexadecimal digits for something that has a name and no git object.
pub fn short_id(of: &str) -> String {
    Digest::of(of.as_bytes()).hex()[..24].to_owned()
}

fn line_id(agent: &AgentId, name: &str) -> String {
    short_id(&format!("line {agent} {name}"))
}

impl Lines {
    /// Reads the lines of `agent` as they are in the remote now.
    pub fn read(workspace: &Workspace, agent: &AgentId) -> Result<Lines, Problem> {
        workspace.world()?.refresh_drafts(&workspace.repository, agent)?;
        Self::known(workspace, agent)
    }

    /// The lines of `agent` as they were read last.
    pub fn known(workspace: &Workspace, agent: &AgentId) -> Result<Lines, Problem> {
        let (repository, world) = (&workspace.repository, workspace.world()?);
        let versions = inspect::versions(workspace, agent)?;
        let main = line_id(agent, MAIN);
        let mut line_of = BTreeMap::new();
        for version in &versions {
            let mark = Mark::of(&repository.commit(version.commit)?.message);
            let of = match (mark, &version.draft) {
                (Some(Mark { id, kind: LineKind::Branch, .. }), Some(_)) => id,
                (None, Some(draft)) => match draft.strip_prefix(&drafts_of(agent)) {
                    Some(name) => line_id(agent, &LineName::of_branch(name)),
                    None => main.clone(),
                },
                _ => main.clone(),
            };
            line_of.insert(version.version, of);
        }
        let mut lines = Lines { lines: Vec::new(), versions, line_of };
        let mut tips: BTreeMap<String, ObjectId> = BTreeMap::new();
        for (branch, tip) in world.draft_branches(repository, agent)? {
            tips.insert(branch, tip);
        }
        let main_branch = format!("{}{MAIN}", drafts_of(agent));
        let own = lines.line(agent, main, MAIN.to_owned(), main_branch.clone(), LineKind::Main, None);
        lines.lines.push(Line { tip: tips.remove(&main_branch), ..own });
        for (branch, tip) in tips {
            let name = LineName::of_branch(&branch[drafts_of(agent).len()..]);
            let mark = Mark::near(workspace, tip)?.filter(|mark| {
                // A branch that was made by hand from another one carries that one's mark.
                mark.kind != LineKind::Main && lines.lines.iter().all(|line| line.id != mark.id)
            });
            let line = match mark {
                Some(Mark { id, kind, source }) => lines.line(agent, id, name, branch, kind, source),
                None => {
                    let source = lines.begun_from(workspace, tip)?;
                    lines.line(agent, line_id(agent, &name), name, branch, LineKind::Branch, source)
                }
            };
            lines.lines.push(Line { tip: Some(tip), ..line });
        }
        for index in 0..lines.lines.len() {
            let (base, edits) = lines.edits(workspace, &lines.lines[index])?;
            let line = &mut lines.lines[index];
            (line.base, line.edits) = (base, edits);
        }
        Ok(lines)
    }

    fn line(
        &self,
        agent: &AgentId,
        id: String,
        name: String,
        branch: String,
        kind: LineKind,
        source: Option<VersionNumber>,
    ) -> Line {
        let own = |version: &&VersionView| self.line_of.get(&version.version) == Some(&id);
        Line {
            versions: self.versions.iter().filter(own).cloned().collect(),
            source: self.versions.iter().find(|version| Some(version.version) == source).cloned(),
            agent: agent.clone(),
            id,
            name,
            branch,
            kind,
            tip: None,
            base: None,
            edits: Vec::new(),
            archived: false,
        }
    }

    /// The newest of the newest few versions that `tip` builds on.
    fn begun_from(&self, workspace: &Workspace, tip: ObjectId) -> Result<Option<VersionNumber>, Problem> {
        for version in self.versions.iter().take(20) {
            if workspace.repository.is_ancestor(version.commit, tip)? {
                return Ok(Some(version.version));
            }
        }
        Ok(None)
    }

    /// What the draft of `line` begins with, and what was changed since. It begins with a version's commit, or with
    /// what the line's newest version holds.
    fn edits(&self, workspace: &Workspace, line: &Line) -> Result<(Option<ObjectId>, Vec<Edit>), Problem> {
        let Some(tip) = line.tip else { return Ok((line.head().map(|head| head.commit), Vec::new())) };
        let head = line.head().map(|head| content_at(workspace, &line.agent, head.commit)).transpose()?.flatten();
        let mut changes: Vec<(Edit, Option<AgentContent>)> = Vec::new();
        let mut base = None;
        for commit in workspace.repository.first_parents(tip).take(MOST_EDITS) {
            let commit = commit?;
            let content = content_at(workspace, &line.agent, commit.id)?;
            let published = self.versions.iter().any(|version| version.commit == commit.id);
            if published || content.is_none() || content == head {
                base = Some((commit.id, content));
                break;
            }
            let edit = Edit { number: 0, commit: commit.id, author: commit.author, time: commit.time };
            changes.push((edit, content));
        }
        let (base, mut before) = base.map_or((None, None), |(base, content)| (Some(base), content));
        let mut edits = Vec::new();
        for (edit, content) in changes.into_iter().rev() {
            if content != before {
                before = content;
                edits.push(Edit { number: u32::try_from(edits.len() + 1).unwrap_or(u32::MAX), ..edit });
            }
        }
        Ok((base, edits))
    }

    /// The main line.
    pub fn main(&self) -> &Line {
        &self.lines[0]
    }

    /// The line with this id.
    pub fn find(&self, id: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// The line that `version` is of; the main line where that one is not there any more.
    pub fn of_version(&self, version: VersionNumber) -> &Line {
        let found = self.line_of.get(&version).and_then(|id| self.find(id));
        found.unwrap_or_else(|| self.main())
    }

    /// A line whose branch is gone: known by what is kept of it, or by its versions.
    pub fn archived(
        &self,
        workspace: &Workspace,
        agent: &AgentId,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Line>, Problem> {
        for tip in workspace.repository.kept_tips(agent)? {
            let Some(mark) = Mark::near(workspace, tip)?.filter(|mark| mark.kind != LineKind::Main && wanted(&mark.id))
            else {
                continue;
            };
            let line = self.line(agent, mark.id, mark::name(workspace, tip)?, String::new(), mark.kind, mark.source);
            return Ok(Some(Line { archived: true, tip: Some(tip), ..line }));
        }
        let Some((number, id)) = self
            .line_of
            .iter()
            .next_back()
            .filter(|(_, id)| wanted(id))
            .or_else(|| self.line_of.iter().rev().find(|(_, id)| wanted(id)))
        else {
            return Ok(None);
        };
        let version = self.versions.iter().find(|version| version.version == *number);
        let branch = version.and_then(|version| version.draft.clone()).unwrap_or_default();
        let name = LineName::of_branch(branch.strip_prefix(&drafts_of(agent)).unwrap_or(&branch));
        Ok(Some(Line { archived: true, ..self.line(agent, id.clone(), name, branch, LineKind::Branch, None) }))
    }
}

/// The agent in `commit`; nothing if it is not there.
fn found_at(workspace: &Workspace, agent: &AgentId, commit: ObjectId) -> Result<Option<Found>, Problem> {
    match side::at_commit(workspace, agent, commit) {
        Ok(found) => Ok(Some(found)),
        Err(problem) if matches!(problem.code.as_str(), "unknown_agent" | "empty_folder" | "misplaced") => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn content_at(workspace: &Workspace, agent: &AgentId, commit: ObjectId) -> Result<Option<AgentContent>, Problem> {
    Ok(found_at(workspace, agent, commit)?.map(|found| found.content))
}

/// What `line` holds at its tip, or as it was published last.
pub fn present(workspace: &Workspace, line: &Line) -> Result<Found, Problem> {
    let commit = line.tip.filter(|_| line.has_draft()).or(line.head().map(|head| head.commit)).or(line.tip);
    let nothing = || {
        Problem::refused("unknown_draft", format!("nothing of `{}` is on `{}`", line.agent, line.name))
            .hint(format!("pointsman publish {}", line.agent))
    };
    found_at(workspace, &line.agent, commit.ok_or_else(nothing)?)?.ok_or_else(nothing)
}

/// The agent as it is in `commit`.
pub fn at(workspace: &Workspace, agent: &AgentId, commit: ObjectId) -> Result<Found, Problem> {
    side::at_commit(workspace, agent, commit)
}

/// 24 digits of the id that git gives `bytes` as a blob.
pub fn blob_id(bytes: &[u8]) -> String {
    crate::store::blob_id(bytes).to_string()[..24].to_owned()
}
