//! The input of the compiler: the files of one agent as git holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::domain::AgentId;

/// How a folder is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pointsman's own layout: `agent.toml` and what stands beside it.
    Native,
    /// A PolyAI ADK project: `project.yaml` and `agent_settings/`.
    PolyAi,
    /// Any other folder, frozen as it is; the word is what `pointsman.toml` calls it (`rasa`, `plain`, …).
    Other(String),
}

impl Kind {
    /// The kind that `word` names in `pointsman.toml`.
    pub fn named(word: &str) -> Self {
        match word {
            "native" => Kind::Native,
            "polyai" => Kind::PolyAi,
            other => Kind::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Native => "native",
            Kind::PolyAi => "polyai",
            Kind::Other(word) => word,
        })
    }
}

/// What git's tree says an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// A plain file.
    Regular,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link; the content is where it points.
    Symlink,
    /// A commit of another repository; there is no content.
    Submodule,
}

/// The bytes of a file, or only its size where it is past the hard limit and was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The whole file.
    Bytes(Vec<u8>),
    /// Not read: larger than [`super::limits::LARGEST_FILE`].
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
}

/// One file of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its kind in git's tree.
    pub mode: FileMode,
    /// Its bytes.
    pub content: Content,
}

impl SourceFile {
    /// The bytes, where they were read.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes),
            Content::TooLarge { .. } => None,
        }
    }

    /// The text, where the bytes were read and are UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// Everything the compiler may know about one agent.
#[derive(Clone, Debug)]
pub struct Source {
    /// The agent, for messages; it is not part of what is frozen.
    pub agent: AgentId,
    /// How to read the folder.
    pub kind: Kind,
    /// The folder's path in the repository (`agents/support`; empty for the root), so that findings name the file as
    /// the reader's editor does. It is not part of what is frozen.
    pub folder: String,
    /// Files of the folder by their slash-separated path inside it. Names that are not UTF-8 carry U+FFFD.
    pub files: BTreeMap<String, SourceFile>,
    /// Files outside the folder that the agent includes, by their path in the repository.
    pub included: BTreeMap<String, SourceFile>,
    /// How many files there are in all; more than `files` holds when reading stopped at
    /// [`super::limits::MOST_FILES`].
    pub file_count: usize,
    /// Paths that a `filter=` attribute (such as LFS) would rewrite.
    pub filtered: BTreeSet<String>,
    /// Paths with an unresolved merge conflict in the index, as seen from the repository's root.
    pub conflicted: BTreeSet<String>,
}

impl Source {
    /// `path` (inside the folder) as seen from the repository's root.
    pub fn repository_path(&self, path: &str) -> String {
        if self.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", self.folder) }
    }
}
