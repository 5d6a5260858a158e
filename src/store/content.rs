//! The content of one agent in one tree: its folder and the files outside that it includes.
//!
//! Wherever an agent's folder is compared or committed, both are meant.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::tree::EntryMode;
use super::tree_edit::TreeEdits;
use super::{Error, Located, Repository, Result};
use crate::compile::limits::{LARGEST_FILE, MOST_FILES};
use crate::compile::{Content, FileMode, Source, SourceFile};
use crate::domain::ObjectId;

/// How deep a folder of an agent may go.
const DEEPEST: usize = 32;

/// The most entries that one walk through trees looks at. Trees name one another, so a few kilobytes of objects can
/// spell more paths than there is time.
pub(super) const MOST_WALKED: usize = 100_000;

/// How far a walk through trees has come.
pub(super) struct Walk<'a> {
    start: &'a str,
    steps: usize,
}

impl<'a> Walk<'a> {
    /// A walk through what is below `start`.
    pub(super) fn below(start: &'a str) -> Self {
        Walk { start, steps: 0 }
    }

    /// Counts one entry; an error once there were too many.
    pub(super) fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps <= MOST_WALKED {
            return Ok(());
        }
        let place = if self.start.is_empty() { "there".to_owned() } else { format!("below `{}`", self.start) };
        Err(Error::Corrupt {
            what: format!("more than {MOST_WALKED} files and folders are {place}"),
            hint: "git ls-tree shows them level by level; take out what nests without end".to_owned(),
        })
    }
}

/// The identity of an agent's content: bytes, not meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentContent {
    /// The folder's tree.
    pub source: ObjectId,
    /// The tree of included files under their paths, if there are any.
    pub include: Option<ObjectId>,
}

/// The globs of an agent as one matcher.
pub(super) fn matcher(include: &[String]) -> Result<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    let invalid = |error: globset::Error| Error::Corrupt {
        what: format!("`include` of pointsman.toml: {error}"),
        hint: "write globs such as `prompts/shared/**`".to_owned(),
    };
    for glob in include {
        builder.add(GlobBuilder::new(glob).literal_separator(true).build().map_err(invalid)?);
    }
    builder.build().map_err(invalid)
}

/// The folders in which a glob can match at all: its part before the first wildcard.
fn fixed_part(glob: &str) -> &str {
    let wild = glob.find(['*', '?', '[', '{']).unwrap_or(glob.len());
    glob[..wild].rfind('/').map_or("", |end| &glob[..end])
}

impl Located {
    /// Folders outside the agent's own in which included files can be; empty for the repository's root.
    pub fn include_folders(&self) -> BTreeSet<&str> {
        self.include.iter().map(|glob| fixed_part(glob)).collect()
    }
}

impl Repository {
    /// The content of `located` in the tree `root`; nothing if its folder is not there.
    pub fn content(&self, root: ObjectId, located: &Located) -> Result<Option<AgentContent>> {
        let Some(source) = self.tree_at(root, &located.folder)? else { return Ok(None) };
        let include = if located.include.is_empty() { None } else { self.included_tree(root, located)? };
        Ok(Some(AgentContent { source, include }))
    }

    fn included_tree(&self, root: ObjectId, located: &Located) -> Result<Option<ObjectId>> {
        let mut edits = TreeEdits::default();
        for (path, mode, id) in self.included_files(root, located)? {
            edits.put(&path, mode, id);
        }
        if edits.is_empty() { Ok(None) } else { self.edit_tree(None, &edits).map(Some) }
    }

    /// The files that the globs of `located` match outside its folder.
    pub(super) fn included_files(
        &self,
        root: ObjectId,
        located: &Located,
    ) -> Result<Vec<(String, EntryMode, ObjectId)>> {
        let globs = matcher(&located.include)?;
        let mut found = BTreeMap::new();
        for start in located.include_folders() {
            let Some(tree) = self.tree_at(root, start)? else { continue };
            self.walk(tree, start, &mut |path, mode, id| {
                let inside = path.strip_prefix(located.folder.as_str()).is_some_and(|rest| rest.starts_with('/'));
                if globs.is_match(path) && !inside && mode != EntryMode::Commit {
                    found.insert(path.to_owned(), (mode, id));
                }
                found.len() <= MOST_FILES
            })?;
        }
        Ok(found.into_iter().map(|(path, (mode, id))| (path, mode, id)).collect())
    }

    /// Adds to `edits`, which turn tree `before` into a commit's, the included files of `located` as `after` has them.
    pub fn put_included(
        &self,
        edits: &mut TreeEdits,
        before: ObjectId,
        after: ObjectId,
        located: &Located,
    ) -> Result<()> {
        if located.include.is_empty() {
            return Ok(());
        }
        for (path, _, _) in self.included_files(before, located)? {
            edits.remove(&path);
        }
        for (path, mode, id) in self.included_files(after, located)? {
            edits.put(&path, mode, id);
        }
        Ok(())
    }

    /// Whether every file of the tree `part` stands at the same path in `whole`.
    pub fn is_part_of(&self, part: ObjectId, whole: ObjectId) -> Result<bool> {
        let mut files = Vec::new();
        self.walk(part, "", &mut |path, mode, id| {
            files.push((path.to_owned(), mode, id));
            files.len() <= MOST_FILES
        })?;
        if files.len() > MOST_FILES {
            return Ok(false);
        }
        for (path, mode, id) in files {
            if self.entry_at(whole, &path)? != Some((mode, id)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Calls `visit` with path, mode and id of everything below `tree` that is not a folder, until it says false.
    pub fn walk(
        &self,
        tree: ObjectId,
        path: &str,
        visit: &mut dyn FnMut(&str, EntryMode, ObjectId) -> bool,
    ) -> Result<()> {
        let mut folders = vec![(path.to_owned(), tree, 0)];
        let mut walk = Walk::below(path);
        while let Some((folder, tree, depth)) = folders.pop() {
            for entry in self.tree(tree)?.entries() {
                walk.step()?;
                let name = String::from_utf8_lossy(&entry.name);
                let path = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
                if entry.mode == EntryMode::Tree {
                    // Deeper than any real folder: its files do not count, the file count stays honest.
                    if depth < DEEPEST {
                        folders.push((path, entry.id, depth + 1));
                    } else if !visit(&path, EntryMode::Commit, entry.id) {
                        return Ok(());
                    }
                } else if !visit(&path, entry.mode, entry.id) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads the files of `content` for the compiler, within its limits.
    pub fn source(&self, located: &Located, content: AgentContent) -> Result<Source> {
        let (files, file_count) = self.read_files(content.source)?;
        let included = match content.include {
            Some(tree) => self.read_files(tree)?.0,
            None => BTreeMap::new(),
        };
        let filtered = Self::filtered(&files);
        Ok(Source {
            agent: located.agent.clone(),
            kind: located.kind.clone(),
            folder: located.folder.clone(),
            files,
            included,
            file_count,
            filtered,
            conflicted: BTreeSet::new(),
        })
    }

    fn read_files(&self, tree: ObjectId) -> Result<(BTreeMap<String, SourceFile>, usize)> {
        let mut found = Vec::new();
        let mut count = 0;
        self.walk(tree, "", &mut |path, mode, id| {
            count += 1;
            if count <= MOST_FILES {
                found.push((path.to_owned(), mode, id));
            }
            // Counting goes on a while, for the message.
            count < 4 * MOST_FILES
        })?;
        self.fetch_promised(found.iter().filter(|(_, mode, _)| *mode != EntryMode::Commit).map(|(_, _, id)| *id))?;
        let mut files = BTreeMap::new();
        for (path, mode, id) in found {
            files.insert(path, self.read_file(mode, id)?);
        }
        Ok((files, count))
    }

    fn read_file(&self, mode: EntryMode, id: ObjectId) -> Result<SourceFile> {
        let mode = match mode {
            EntryMode::Executable => FileMode::Executable,
            EntryMode::Link => FileMode::Symlink,
            EntryMode::Commit | EntryMode::Tree => {
                return Ok(SourceFile { mode: FileMode::Submodule, content: Content::Bytes(Vec::new()) });
            }
            EntryMode::Blob => FileMode::Regular,
        };
        let size = self.blob_size(id)?;
        let content = if size > LARGEST_FILE { Content::TooLarge { size } } else { Content::Bytes(self.blob(id)?) };
        Ok(SourceFile { mode, content })
    }

    /// Files of the folder that a `filter=` attribute of a `.gitattributes` inside it would rewrite on checkout.
    fn filtered(files: &BTreeMap<String, SourceFile>) -> BTreeSet<String> {
        let mut filtered = BTreeSet::new();
        for (path, file) in files {
            let Some(folder) = path.strip_suffix(".gitattributes") else { continue };
            for line in file.text().unwrap_or_default().lines() {
                let mut words = line.split_whitespace();
                let Some(pattern) = words.next() else { continue };
                if !words.any(|word| word.starts_with("filter=")) {
                    continue;
                }
                let mut builder = ignore::gitignore::GitignoreBuilder::new("");
                if builder.add_line(None, pattern).is_err() {
                    continue;
                }
                let Ok(patterns) = builder.build() else { continue };
                let below = files.keys().filter(|path| path.starts_with(folder));
                filtered
                    .extend(below.filter(|path| patterns.matched(&path[folder.len()..], false).is_ignore()).cloned());
            }
        }
        filtered
    }
}
