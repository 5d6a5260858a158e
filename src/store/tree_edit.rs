//! Trees made from other trees by naming what changes; everything else is shared, not copied.

use std::collections::BTreeMap;

use super::tree::{EntryMode, Tree, TreeEntry};
use super::{Repository, Result};
use crate::domain::ObjectId;

/// One change of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeEdit {
    /// This object stands there.
    Put(EntryMode, ObjectId),
    /// Nothing stands there.
    Remove,
}

/// Changes by slash-separated path, as nested folders.
#[derive(Clone, Debug, Default)]
pub struct TreeEdits(BTreeMap<String, Node>);

#[derive(Clone, Debug)]
enum Node {
    Leaf(TreeEdit),
    Folder(TreeEdits),
}

impl TreeEdits {
    /// Puts `id` at `path`.
    pub fn put(&mut self, path: &str, mode: EntryMode, id: ObjectId) {
        self.set(path, TreeEdit::Put(mode, id));
    }

    /// Leaves nothing at `path`.
    pub fn remove(&mut self, path: &str) {
        self.set(path, TreeEdit::Remove);
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn set(&mut self, path: &str, edit: TreeEdit) {
        let Some((name, below)) = path.split_once('/') else {
            self.0.insert(path.to_owned(), Node::Leaf(edit));
            return;
        };
        let node = self.0.entry(name.to_owned()).or_insert_with(|| Node::Folder(TreeEdits::default()));
        if let Node::Leaf(_) = node {
            // The later edit replaces a whole entry by a folder.
            *node = Node::Folder(TreeEdits::default());
        }
        if let Node::Folder(edits) = node {
            edits.set(below, edit);
        }
    }
}

impl Repository {
    /// The tree at `base` (or an empty one) with `edits`, staged. Folders that become empty go.
    pub fn edit_tree(&self, base: Option<ObjectId>, edits: &TreeEdits) -> Result<ObjectId> {
        let tree = self.edited(base, edits)?;
        Ok(self.stage_tree(&tree))
    }

    fn edited(&self, base: Option<ObjectId>, edits: &TreeEdits) -> Result<Tree> {
        let before = base.map(|base| self.tree(base)).transpose()?.unwrap_or_default();
        let mut entries: BTreeMap<Vec<u8>, TreeEntry> =
            before.entries().iter().map(|entry| (entry.name.clone(), entry.clone())).collect();
        for (name, node) in &edits.0 {
            let name = name.as_bytes().to_vec();
            let put = match node {
                Node::Leaf(TreeEdit::Put(mode, id)) => Some((*mode, *id)),
                Node::Leaf(TreeEdit::Remove) => None,
                Node::Folder(below) => {
                    let folder = entries.get(&name).filter(|entry| entry.mode == EntryMode::Tree);
                    let tree = self.edited(folder.map(|entry| entry.id), below)?;
                    (!tree.entries().is_empty()).then(|| (EntryMode::Tree, self.stage_tree(&tree)))
                }
            };
            match put {
                Some((mode, id)) => entries.insert(name.clone(), TreeEntry { name, mode, id }),
                None => entries.remove(&name),
            };
        }
        Ok(Tree::of(entries.into_values().collect()))
    }

    /// The entry at the slash-separated `path` below tree `root`; the root itself for an empty path.
    pub fn entry_at(&self, root: ObjectId, path: &str) -> Result<Option<(EntryMode, ObjectId)>> {
        let mut found = (EntryMode::Tree, root);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if found.0 != EntryMode::Tree {
                return Ok(None);
            }
            match self.tree(found.1)?.get(name) {
                Some(entry) => found = (entry.mode, entry.id),
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// The tree at `path` below `root`, if there is one.
    pub fn tree_at(&self, root: ObjectId, path: &str) -> Result<Option<ObjectId>> {
        let entry = self.entry_at(root, path)?;
        Ok(entry.filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| id))
    }

    /// The blob at `path` below `root`, if there is one.
    pub fn blob_at(&self, root: ObjectId, path: &str) -> Result<Option<ObjectId>> {
        let entry = self.entry_at(root, path)?;
        Ok(entry.filter(|(mode, _)| matches!(mode, EntryMode::Blob | EntryMode::Executable)).map(|(_, id)| id))
    }
}
