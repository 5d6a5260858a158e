//! Trees as git stores them, read and written without libgit2: a thousand agents are looked up in one of them.

use crate::domain::ObjectId;

/// The kind of a tree's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryMode {
    /// A plain file.
    Blob,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link.
    Link,
    /// A folder.
    Tree,
    /// A submodule.
    Commit,
}

impl EntryMode {
    fn octal(self) -> &'static str {
        match self {
            EntryMode::Blob => "100644",
            EntryMode::Executable => "100755",
            EntryMode::Link => "120000",
            EntryMode::Tree => "40000",
            EntryMode::Commit => "160000",
        }
    }

    /// The mode that an index writes as a number.
    pub(super) fn of_number(number: u32) -> Option<Self> {
        Some(match number {
            0o100_644 => EntryMode::Blob,
            0o100_755 => EntryMode::Executable,
            0o120_000 => EntryMode::Link,
            0o160_000 => EntryMode::Commit,
            _ => return None,
        })
    }

    fn read(octal: &[u8]) -> Option<Self> {
        Some(match octal {
            // 100664 was written by very old versions of git.
            b"100644" | b"100664" => EntryMode::Blob,
            b"100755" => EntryMode::Executable,
            b"120000" => EntryMode::Link,
            b"40000" => EntryMode::Tree,
            b"160000" => EntryMode::Commit,
            _ => return None,
        })
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name; git allows any bytes but NUL and `/`.
    pub name: Vec<u8>,
    /// What it is.
    pub mode: EntryMode,
    /// The object.
    pub id: ObjectId,
}

impl TreeEntry {
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        self.name.iter().copied().chain((self.mode == EntryMode::Tree).then_some(b'/'))
    }
}

/// The entries of a tree in git's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(Vec<TreeEntry>);

impl Tree {
    /// All entries.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.0
    }

    /// The entry called `name`. Trees of thousands of agents are searched for each of them, so this halves.
    pub fn get(&self, name: &str) -> Option<&TreeEntry> {
        // A folder sorts as if its name ended in a slash, so the two kinds are looked for apart.
        [false, true].into_iter().find_map(|folder| {
            let wanted = name.bytes().chain(folder.then_some(b'/'));
            let found = self.0.binary_search_by(|entry| entry.sort_key().cmp(wanted.clone())).ok()?;
            Some(&self.0[found])
        })
    }

    /// A tree of `entries`, which are put into git's order: by bytes, folders as if their name ended in `/`.
    pub(super) fn of(mut entries: Vec<TreeEntry>) -> Self {
        entries.sort_by(|a, b| a.sort_key().cmp(b.sort_key()));
        Tree(entries)
    }

    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|&c| c == b' ')?;
            let mode = EntryMode::read(&bytes[..space])?;
            let rest = &bytes[space + 1..];
            let nul = rest.iter().position(|&c| c == 0)?;
            let id = rest.get(nul + 1..nul + 21)?.try_into().ok()?;
            entries.push(TreeEntry { name: rest[..nul].to_vec(), mode, id: ObjectId::from_bytes(id) });
            bytes = &rest[nul + 21..];
        }
        Some(Tree(entries))
    }

    /// The tree as git stores it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in &self.0 {
            bytes.extend_from_slice(entry.mode.octal().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(&entry.name);
            bytes.push(0);
            bytes.extend_from_slice(entry.id.as_bytes());
        }
        bytes
    }
}
