//! What differs between two trees, without looking into what is equal.

use std::rc::Rc;

use super::content::Walk;
use super::tree::{EntryMode, Tree, TreeEntry};
use super::{Repository, Result};
use crate::domain::ObjectId;

/// What stands at a path: its kind and its object.
pub type Place = Option<(EntryMode, ObjectId)>;

/// One path whose entry differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeChange {
    /// Slash-separated, from the roots of the comparison.
    pub path: String,
    /// What stood there.
    pub before: Place,
    /// What stands there.
    pub after: Place,
}

impl TreeChange {
    /// Whether neither side is anything but a folder.
    pub fn only_folders(&self) -> bool {
        [self.before, self.after].into_iter().flatten().all(|(mode, _)| mode == EntryMode::Tree)
    }
}

fn folder(place: Place) -> Option<ObjectId> {
    place.filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| id)
}

impl Repository {
    /// Calls `visit` for every entry that differs between the trees `before` and `after`, parents first; the folders
    /// of an entry are compared only where it says so.
    pub fn changes(
        &self,
        before: Option<ObjectId>,
        after: Option<ObjectId>,
        visit: &mut dyn FnMut(&TreeChange) -> Result<bool>,
    ) -> Result<()> {
        let mut walk = Walk::below("");
        let mut pairs = vec![(String::new(), before, after)];
        while let Some((path, before, after)) = pairs.pop() {
            let read = |id: Option<ObjectId>| id.map_or_else(|| Ok(Rc::<Tree>::default()), |id| self.tree(id));
            for (name, before, after) in differing(&*read(before)?, &*read(after)?) {
                walk.step()?;
                let name = String::from_utf8_lossy(name);
                let path = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
                let change = TreeChange { path, before, after };
                if visit(&change)? {
                    pairs.push((change.path, folder(before), folder(after)));
                }
            }
        }
        Ok(())
    }
}

/// The names that do not stand for the same in both trees.
fn differing<'t>(before: &'t Tree, after: &'t Tree) -> Vec<(&'t [u8], Place, Place)> {
    let (before, after) = (before.entries(), after.entries());
    // Most of two neighbouring trees is the same run of entries at both ends.
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[..before.len() - end], &after[..after.len() - end]);
    let place = |entry: &TreeEntry| (entry.mode, entry.id);
    let mut names = std::collections::BTreeMap::<&[u8], (Place, Place)>::new();
    for entry in before {
        names.entry(&entry.name).or_default().0 = Some(place(entry));
    }
    for entry in after {
        names.entry(&entry.name).or_default().1 = Some(place(entry));
    }
    let changed = names.into_iter().filter(|(_, (before, after))| before != after);
    changed.map(|(name, (before, after))| (name, before, after)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[(&str, u8)]) -> Tree {
        let entry = |(name, byte): &(&str, u8)| TreeEntry {
            name: name.as_bytes().to_vec(),
            mode: EntryMode::Blob,
            id: ObjectId::from_bytes([*byte; 20]),
        };
        Tree::of(names.iter().map(entry).collect())
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = tree(&[("a", 1), ("b", 1), ("d", 1), ("e", 1)]);
        let after = tree(&[("a", 1), ("b", 2), ("c", 1), ("e", 1)]);
        let told: Vec<_> = differing(&before, &after)
            .into_iter()
            .map(|(name, before, after)| {
                (String::from_utf8_lossy(name).into_owned(), before.is_some(), after.is_some())
            })
            .collect();
        let expected = [("b", true, true), ("c", false, true), ("d", true, false)];
        assert_eq!(told, expected.map(|(name, before, after)| (name.to_owned(), before, after)));
        assert!(differing(&before, &before).is_empty());
    }
}
