//! Names of files that git itself would not check out: a push may carry them, and everybody who clones would pay.

use std::collections::BTreeSet;

use super::content::{AgentContent, Walk};
use super::{EntryMode, Repository, Result};
use crate::domain::ObjectId;

/// Code points that HFS+ ignores in names, so that `.g\u{200c}it` is `.git` there; git's `utf8.c` has the list.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Whether some file system takes `name` for `.git`: without regard to case, what it ignores, and NTFS's short names,
/// streams and trailing dots and blanks.
fn is_dot_git(name: &str) -> bool {
    let name: String = name.chars().filter(|c| !is_ignored(*c)).flat_map(char::to_lowercase).collect();
    name.split(['\\', ':']).any(|part| matches!(part.trim_end_matches(['.', ' ']), ".git" | "git~1"))
}

/// Why a file or folder cannot be called `name`; nothing if it can.
fn unfit(name: &[u8]) -> Option<&'static str> {
    match std::str::from_utf8(name) {
        // Git checks these out, and versions keep them byte for byte; the compiler says what it thinks of them.
        Err(_) => None,
        Ok("" | "." | "..") => Some("names no file"),
        Ok(name) if name.contains(['/', '\0']) => Some("holds a slash"),
        Ok(name) if is_dot_git(name) => Some("is git's own folder on some file system"),
        Ok(_) => None,
    }
}

impl Repository {
    /// The first path in `content` that no checkout can hold, with the reason; nothing if all can.
    pub fn unfit_name(&self, content: AgentContent) -> Result<Option<(String, &'static str)>> {
        for tree in std::iter::once(content.source).chain(content.include) {
            if let found @ Some(_) = self.unfit_below(tree)? {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn unfit_below(&self, tree: ObjectId) -> Result<Option<(String, &'static str)>> {
        let mut folders = vec![(String::new(), tree)];
        // What is named often is looked at once: unfit it is wherever it stands.
        let mut seen = BTreeSet::new();
        let mut walk = Walk::below("");
        while let Some((folder, tree)) = folders.pop() {
            let mut names = BTreeSet::new();
            let mut before = Vec::new();
            for entry in self.tree(tree)?.entries() {
                walk.step()?;
                let path = format!("{folder}{}", String::from_utf8_lossy(&entry.name));
                // Git sorts a folder as if its name ended in a slash, and finds nothing in a tree that is not sorted.
                let mut key = entry.name.clone();
                key.extend((entry.mode == EntryMode::Tree).then_some(b'/'));
                let twice = (!names.insert(entry.name.clone())).then_some("is there twice");
                let astray = (key < before).then_some("is not where git looks for it");
                if let Some(why) = unfit(&entry.name).or(twice).or(astray) {
                    return Ok(Some((path, why)));
                }
                before = key;
                if entry.mode == EntryMode::Tree && seen.insert(entry.id) {
                    folders.push((format!("{path}/"), entry.id));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_file_system_takes_for_something_else_are_unfit() {
        for name in [
            ".",
            "..",
            "",
            "a/b",
            ".git",
            ".GIT",
            ".Git ",
            ".git.",
            ".git...",
            "git~1",
            "GIT~1",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            "a\\.git\\hooks",
        ] {
            assert!(unfit(name.as_bytes()).is_some(), "{name:?}");
        }
        // Not UTF-8, and still a name that every git checks out.
        assert_eq!(unfit(b"caf\xe9"), None);
        for name in ["...", ".gitignore", ".github", "git", "a.git", "git~10", "caf\u{e9}", "a b", "-", "~"] {
            assert_eq!(unfit(name.as_bytes()), None, "{name:?}");
        }
    }
}
