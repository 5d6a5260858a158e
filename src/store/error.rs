//! What can go wrong between us and a git repository.

use std::path::PathBuf;

use crate::domain::ObjectId;

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the store. Facts are in the fields; the sentence for people and the hint are made at the edge.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No repository at or above the folder.
    #[error("`{}` is not inside a git repository", path.display())]
    NotARepository {
        /// Where the search began.
        path: PathBuf,
    },
    /// The repository is of a kind that cannot be worked on.
    #[error("{what}")]
    Unsupported {
        /// What is not supported.
        what: String,
        /// What to type.
        hint: String,
    },
    /// libgit2 refused an operation.
    #[error("cannot {doing}")]
    Git {
        /// The operation.
        doing: String,
        /// Its own words.
        #[source]
        source: git2::Error,
    },
    /// The file system refused an operation.
    #[error("cannot {doing}")]
    Io {
        /// The operation.
        doing: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else moved a ref since it was read.
    #[error("`{name}` moved: expected {}, found {}", id_or_none(*expected), id_or_none(*actual))]
    RefMoved {
        /// The full name.
        name: String,
        /// What it was when the decision was made.
        expected: Option<ObjectId>,
        /// What it is now, if that could be read.
        actual: Option<ObjectId>,
    },
    /// The index or HEAD changed since the draft was read, so it is another draft now.
    #[error("the index or HEAD changed while the draft was being read")]
    DraftMoved,
    /// A lock file stands in the way and stayed there.
    #[error("the lock file `{}` stands in the way ({} old)", path.display(), age_text(*age))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How old it is.
        age: std::time::Duration,
    },
    /// A git command failed.
    #[error("`git {command}` failed: {}", stderr.trim())]
    GitProgram {
        /// The subcommand and its arguments.
        command: String,
        /// What it printed.
        stderr: String,
    },
    /// The remote could not be reached or read.
    #[error("cannot {doing}: {words}")]
    Remote {
        /// The operation.
        doing: String,
        /// What git or the remote said.
        words: String,
    },
    /// The remote did not take a push although nobody was faster: a rule or a hook of it says no.
    #[error("`{remote}` refused to move {}: {words}", listed(refs))]
    PushRefused {
        /// Its name.
        remote: String,
        /// The refs that it names as refused.
        refs: Vec<String>,
        /// Its own words.
        words: String,
    },
    /// A git command ran past its time and was stopped.
    #[error("`git {command}` did not end within {seconds} seconds")]
    GitTimeout {
        /// The subcommand and its arguments.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// An object or document is not what the layout says it must be.
    #[error("{what}")]
    Corrupt {
        /// What is wrong with which object.
        what: String,
        /// What to type.
        hint: String,
    },
    /// Two histories that should be one: nothing is decided until a person says which holds.
    #[error("{what}")]
    Diverged {
        /// Which refs, with both ids.
        what: String,
        /// What to type.
        hint: String,
    },
    /// History that a decision needs is not in this clone.
    #[error("{what}")]
    Shallow {
        /// What was being looked for.
        what: String,
        /// What to type.
        hint: String,
    },
}

fn id_or_none(id: Option<ObjectId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.to_string())
}

fn listed(refs: &[String]) -> String {
    let mut text: Vec<_> = refs.iter().take(3).map(|name| format!("`{name}`")).collect();
    if refs.len() > text.len() {
        text.push(format!("{} more", refs.len() - text.len()));
    }
    text.join(", ")
}

/// An age in words: `12 s`, `3 min`, `2 h`, `5 days`.
pub fn age_text(age: std::time::Duration) -> String {
    match age.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

impl Error {
    /// How [`Error::DraftMoved`] is called in JSON.
    pub const DRAFT_MOVED: &str = "draft_moved";

    /// Whether reading again and deciding again may succeed.
    pub fn is_lost_race(&self) -> bool {
        matches!(self, Error::RefMoved { .. })
    }

    /// The whole sentence: what failed, then why. The inner texts do not repeat the outer ones.
    pub fn sentence(&self) -> String {
        match self {
            // libgit2's own error would add its internal class and code.
            Error::Git { source, .. } => format!("{self}: {}", source.message()),
            Error::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

    /// What the operating system refused, if it was that; libgit2 and git tell it in words only.
    pub fn refused_by_system(&self) -> Option<std::io::ErrorKind> {
        use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let words = match self {
            Error::Io { source, .. } => return Some(source.kind()),
            Error::Git { source, .. } => source.message(),
            Error::GitProgram { stderr, .. } => stderr,
            _ => return None,
        };
        let said = [
            ("No space left on device", StorageFull),
            ("Disk quota exceeded", QuotaExceeded),
            ("Read-only file system", ReadOnlyFilesystem),
            ("Permission denied", PermissionDenied),
        ];
        said.into_iter().find(|(text, _)| words.contains(text)).map(|(_, kind)| kind)
    }

    /// The error for the lock file `path`, with its age.
    pub(super) fn locked(path: PathBuf) -> Self {
        let age = super::locks::age_of(&path).unwrap_or_default();
        Error::Locked { path, age }
    }

    pub(super) fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { doing: doing.into(), source }
    }
}

/// Adds what was being done to errors of libgit2 and the file system.
pub(super) trait Doing<T> {
    /// `doing` completes "cannot …".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for std::result::Result<T, git2::Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Git { doing: doing(), source })
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: doing(), source })
    }
}
