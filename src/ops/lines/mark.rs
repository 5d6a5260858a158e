//! The trailer `Pointsman-Line` in the commits of a line: its id, its kind, and the version that it was begun from.

use super::LineKind;
use crate::domain::record::trailers;
use crate::domain::{ObjectId, VersionNumber};
use crate::ops::{Problem, Workspace};

/// The trailer.
const KEY: &str = "Pointsman-Line";

/// The trailer that says what the line was called.
const NAME: &str = "Pointsman-Line-Branch";

/// How many commits that people made on top are passed by.
const LOOKED_AT: usize = 64;

/// What a commit says about its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) id: String,
    pub(super) kind: LineKind,
    pub(super) source: Option<VersionNumber>,
}

impl Mark {
    /// The mark in `message`.
    pub(super) fn of(message: &str) -> Option<Mark> {
        let found = trailers(message).into_iter().rev().find(|(key, _)| *key == KEY);
        let mut words = found?.1.split(' ');
        let id = words.next().filter(|id| id.len() == 24 && id.bytes().all(|c| c.is_ascii_hexdigit()))?;
        let kind = match words.next()? {
            "main" => LineKind::Main,
            "branch" => LineKind::Branch,
            "draft" => LineKind::Draft,
            _ => return None,
        };
        let source = words.next().and_then(|version| version.parse().ok());
        Some(Mark { id: id.to_owned(), kind, source })
    }

    /// The mark of `tip` or of the newest commit before it that has one.
    pub(super) fn near(workspace: &Workspace, tip: ObjectId) -> Result<Option<Mark>, Problem> {
        Ok(message_near(workspace, tip)?.as_deref().and_then(Mark::of))
    }

    /// The message of a commit on the line, whose branch ends in `branch`.
    pub(super) fn message(&self, subject: &str, branch: &str) -> String {
        let kind = match self.kind {
            LineKind::Main => "main",
            LineKind::Branch => "branch",
            LineKind::Draft => "draft",
        };
        let source = self.source.map_or_else(|| "-".to_owned(), |source| source.to_string());
        format!("{subject}\n\n{KEY}: {} {kind} {source}\n{NAME}: {branch}\n", self.id)
    }
}

/// What the line of `tip` was called.
pub(super) fn name(workspace: &Workspace, tip: ObjectId) -> Result<String, Problem> {
    let message = message_near(workspace, tip)?.unwrap_or_default();
    let found = trailers(&message).into_iter().find(|(key, _)| *key == NAME).map(|(_, branch)| branch.to_owned());
    Ok(super::LineName::of_branch(&found.unwrap_or_default()))
}

fn message_near(workspace: &Workspace, tip: ObjectId) -> Result<Option<String>, Problem> {
    for commit in workspace.repository.first_parents(tip).take(LOOKED_AT) {
        match commit {
            Ok(commit) if Mark::of(&commit.message).is_some() => return Ok(Some(commit.message)),
            Ok(_) => {}
            // A shallow clone just does not tell.
            Err(crate::store::Error::Shallow { .. }) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written_and_text_of_people_is_none() {
        let mark =
            Mark { id: "0123456789abcdef01234567".to_owned(), kind: LineKind::Branch, source: "v3".parse().ok() };
        assert_eq!(Mark::of(&mark.message("Edit", "x%20y")), Some(mark.clone()));
        assert_eq!(Mark::of(&Mark { source: None, ..mark.clone() }.message("Edit", "x")).unwrap().source, None);
        assert_eq!(Mark::of("Edit\n\nPointsman-Line: no branch -\n"), None);
        assert_eq!(Mark::of("Pointsman-Line: 0123456789abcdef01234567 branch\n\nand more text"), None);
    }
}
