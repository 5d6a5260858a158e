//! The trees that an index stands for, most of which git has cached in it.

use std::collections::HashMap;

use git2::ObjectType;

use super::{Child, DEEPEST, IndexFile, Row, children, take, take_until};
use crate::domain::ObjectId;
use crate::store::objects::hash;
use crate::store::tree::{EntryMode, Tree, TreeEntry};

/// What git knows of the trees that it wrote from this index.
#[derive(Default)]
pub(super) struct CachedTree<'b> {
    name: &'b [u8],
    /// The tree and the number of entries below it, if it still holds.
    holds: Option<(ObjectId, usize)>,
    /// Where its id stands, once it no longer holds because files below it changed.
    stale: Option<usize>,
    /// Where its id stands, if it has one.
    at: Option<usize>,
    folders: Vec<CachedTree<'b>>,
}

/// Trees that were made from an index.
#[derive(Default)]
pub(super) struct Made {
    /// Those that are not cached in it, with their bytes.
    pub(super) trees: Vec<(ObjectId, Vec<u8>)>,
    /// Ids to write over those of trees that no longer hold, and where.
    pub(super) notes: Vec<(usize, ObjectId)>,
}

impl IndexFile<'_> {
    /// The tree of the whole index; nothing with a conflict in it, or with an entry that no tree can have. Trees that
    /// are not cached in it are put into `new` with their bytes.
    pub(in crate::store) fn tree(&self, new: &mut Vec<(ObjectId, Vec<u8>)>) -> Option<ObjectId> {
        let mut made = Made::default();
        let root = self.make_tree(&mut made)?;
        new.append(&mut made.trees);
        Some(root)
    }

    pub(super) fn make_tree(&self, made: &mut Made) -> Option<ObjectId> {
        let settled = self.rows.iter().all(|row| row.stage == 0);
        if settled { tree_of(&self.rows, 0, Some(&self.cached), 0, made) } else { None }
    }
}

/// The tree of `rows`, all of which lie below a folder whose path is `prefix` bytes long with its slash.
fn tree_of(
    rows: &[Row<'_>],
    prefix: usize,
    cached: Option<&CachedTree<'_>>,
    depth: usize,
    made: &mut Made,
) -> Option<ObjectId> {
    if let Some((id, count)) = cached.and_then(|cached| cached.holds)
        && count == rows.len()
    {
        return Some(id);
    }
    if depth > DEEPEST {
        return None;
    }
    let folders = cached.map_or(&[][..], |cached| &cached.folders).iter();
    let folders: HashMap<_, _> = folders.map(|folder| (folder.name, folder)).collect();
    let mut entries = Vec::new();
    for child in children(rows, prefix) {
        let (name, child) = child?;
        let (mode, id) = match child {
            Child::File(row) => (EntryMode::of_number(row.stat.mode())?, row.id),
            Child::Folder(inside) => {
                let below = prefix + name.len() + 1;
                (EntryMode::Tree, tree_of(inside, below, folders.get(name).copied(), depth + 1, made)?)
            }
        };
        if id == ObjectId::ZERO {
            return None;
        }
        entries.push(TreeEntry { name: name.to_vec(), mode, id });
    }
    let bytes = Tree::of(entries).bytes();
    let id = hash(ObjectType::Tree, &bytes);
    made.notes.extend(cached.and_then(|cached| cached.stale).map(|at| (at, id)));
    made.trees.push((id, bytes));
    Some(id)
}

impl<'b> CachedTree<'b> {
    /// Reads one with which `rest` begins, and which `end`s where that does.
    pub(super) fn read(rest: &mut &'b [u8], end: usize, depth: usize) -> Option<Self> {
        if depth > DEEPEST {
            return None;
        }
        let name = take_until(rest, 0)?;
        let count: i64 = str::from_utf8(take_until(rest, b' ')?).ok()?.parse().ok()?;
        let folders: usize = str::from_utf8(take_until(rest, b'\n')?).ok()?.parse().ok()?;
        let mut read = CachedTree { name, ..CachedTree::default() };
        // A negative count says that the tree no longer holds, and has no id.
        if let Ok(count) = usize::try_from(count) {
            read.at = Some(end - rest.len());
            read.holds = Some((ObjectId::from_bytes(take(rest, 20)?.try_into().ok()?), count));
        }
        for _ in 0..folders {
            read.folders.push(CachedTree::read(rest, end, depth + 1)?);
        }
        Some(read)
    }

    /// Forgets the trees above the file `path`.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.stale = self.holds.take().and(self.at).or(self.stale);
        let mut parts = path.splitn(2, |&c| c == b'/');
        if let (Some(name), Some(below)) = (parts.next(), parts.next())
            && let Some(folder) = self.folders.iter_mut().find(|folder| folder.name == name)
        {
            folder.forget(below);
        }
    }
}
