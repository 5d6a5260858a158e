//! New objects, kept in memory until everything is decided.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use git2::ObjectType;

use super::Repository;
use super::objects::{LARGE_TREE, hash};
use super::tree::Tree;
use crate::domain::{Identity, ObjectId};

/// New objects that are not in the repository yet.
#[derive(Default)]
pub(super) struct Staged {
    objects: HashMap<ObjectId, (ObjectType, Vec<u8>)>,
    order: Vec<ObjectId>,
}

impl Staged {
    /// The staged object `id`.
    pub(super) fn get(&self, id: ObjectId) -> Option<&(ObjectType, Vec<u8>)> {
        self.objects.get(&id)
    }

    /// Those of the staged objects that are `new`, each after all that it names.
    pub(super) fn in_order(&self, new: impl Fn(ObjectId) -> bool) -> Vec<ObjectId> {
        let mut waiting: HashSet<ObjectId> = self.order.iter().copied().filter(|&id| new(id)).collect();
        let mut ordered = Vec::with_capacity(waiting.len());
        for &id in &self.order {
            self.put_after_named(id, &mut waiting, &mut ordered);
        }
        ordered
    }

    fn put_after_named(&self, id: ObjectId, waiting: &mut HashSet<ObjectId>, ordered: &mut Vec<ObjectId>) {
        if !waiting.remove(&id) {
            return;
        }
        for named in self.named_by(id) {
            self.put_after_named(named, waiting, ordered);
        }
        ordered.push(id);
    }

    /// What the staged object `id` names.
    fn named_by(&self, id: ObjectId) -> Vec<ObjectId> {
        let (kind, bytes) = &self.objects[&id];
        match kind {
            ObjectType::Tree => Tree::parse(bytes).unwrap_or_default().entries().iter().map(|entry| entry.id).collect(),
            ObjectType::Commit | ObjectType::Tag => {
                let header = bytes.split(|&c| c == b'\n').take_while(|line| !line.is_empty());
                let names = header.filter_map(|line| {
                    let (key, value) = std::str::from_utf8(line).ok()?.split_once(' ')?;
                    matches!(key, "tree" | "parent" | "object").then(|| value.parse().ok())?
                });
                names.collect()
            }
            _ => Vec::new(),
        }
    }
}

/// `who when` as a commit or tag header writes it, in UTC.
fn header_line(who: &Identity, at: jiff::Timestamp) -> String {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect::<String>();
    format!("{} <{}> {} +0000", clean(&who.name).trim(), clean(&who.email).trim(), at.as_second())
}

impl Repository {
    pub(super) fn stage(&self, kind: ObjectType, bytes: Vec<u8>) -> ObjectId {
        let id = hash(kind, &bytes);
        let mut staged = self.staged.borrow_mut();
        if !staged.objects.contains_key(&id) {
            staged.order.push(id);
            staged.objects.insert(id, (kind, bytes));
        }
        id
    }

    /// Stages a blob.
    pub fn stage_blob(&self, bytes: &[u8]) -> ObjectId {
        self.stage(ObjectType::Blob, bytes.to_vec())
    }

    /// Stages a tree.
    pub(super) fn stage_tree(&self, tree: &Tree) -> ObjectId {
        let id = self.stage(ObjectType::Tree, tree.bytes());
        // What was just made is read next, often several times.
        if tree.entries().len() >= LARGE_TREE {
            self.keep_large(id, &Rc::new(tree.clone()));
        }
        id
    }

    /// Stages the annotated tag object with exactly these bytes.
    pub fn stage_raw_tag(&self, raw: &[u8]) -> ObjectId {
        self.stage(ObjectType::Tag, raw.to_vec())
    }

    /// Stages a commit; author and committer are the same.
    pub fn stage_commit(
        &self,
        tree: ObjectId,
        parents: &[ObjectId],
        who: &Identity,
        at: jiff::Timestamp,
        message: &str,
    ) -> ObjectId {
        let mut text = format!("tree {tree}\n");
        for parent in parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        let line = header_line(who, at);
        text.push_str(&format!("author {line}\ncommitter {line}\n\n{message}"));
        self.stage(ObjectType::Commit, text.into_bytes())
    }

    /// Stages an annotated tag of a commit.
    pub fn stage_tag(
        &self,
        name: &str,
        commit: ObjectId,
        who: &Identity,
        at: jiff::Timestamp,
        message: &str,
    ) -> ObjectId {
        let line = header_line(who, at);
        self.stage_raw_tag(format!("object {commit}\ntype commit\ntag {name}\ntagger {line}\n\n{message}").as_bytes())
    }

    /// Forgets all staged objects.
    pub fn drop_staged(&self) {
        self.staged.take();
    }
}
