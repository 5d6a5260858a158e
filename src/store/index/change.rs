//! Other content for files that an index has already, written in place.
//!
//! An entry is as long as before when its file has changed, and so is what follows the entries: whatever git and other
//! programs keep there stays as it was. Trees that git has cached are made anew, so that the next one need not be.

use sha1::{Digest as _, Sha1};

use super::tree::Made;
use super::{CHECKSUM, FIXED, IndexFile, Row, StatData};
use crate::domain::ObjectId;

/// A file of the index that has other content now.
pub(in crate::store) struct Changed<'r, 'b> {
    /// Its entry until now.
    pub(in crate::store) row: &'r Row<'b>,
    /// How it looks now; of the same kind as before.
    pub(in crate::store) stat: StatData,
    /// What it holds now.
    pub(in crate::store) id: ObjectId,
}

/// An index in which files were changed.
pub(in crate::store) struct ChangedIndex {
    /// All of it.
    pub(in crate::store) bytes: Vec<u8>,
    /// The tree that it stands for.
    pub(in crate::store) root: ObjectId,
    /// New trees with their bytes.
    pub(in crate::store) trees: Vec<(ObjectId, Vec<u8>)>,
}

impl IndexFile<'_> {
    /// This index with `changes`; nothing if it stands for no tree.
    pub(in crate::store) fn with(&self, changes: &[Changed<'_, '_>]) -> Option<ChangedIndex> {
        let mut bytes = self.bytes.to_vec();
        for Changed { row, stat, id } in changes {
            bytes[row.at..row.at + FIXED].copy_from_slice(&[&stat.bytes()[..], id.as_bytes()].concat());
        }
        let before = bytes.clone();
        let mut changed = IndexFile::read(&before)?;
        for Changed { row, .. } in changes {
            changed.cached.forget(row.path);
        }
        let mut made = Made::default();
        let root = changed.make_tree(&mut made)?;
        for (at, id) in made.notes {
            bytes[at..at + CHECKSUM].copy_from_slice(id.as_bytes());
        }
        let end = bytes.len() - CHECKSUM;
        let checksum = Sha1::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum);
        Some(ChangedIndex { bytes, root, trees: made.trees })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use git2::ObjectType;

    use super::super::tests::git;
    use super::*;
    use crate::store::objects::blob_id;

    /// Gives the files `paths` other content, and puts the index that stands for that in place of git's.
    fn change(dir: &Path, paths: &[&str]) -> ObjectId {
        let before = std::fs::read(dir.join(".git/index")).unwrap();
        let index = IndexFile::read(&before).unwrap();
        let repository = git2::Repository::open(dir).unwrap();
        let odb = repository.odb().unwrap();
        let changes: Vec<_> = paths
            .iter()
            .map(|path| {
                let text = format!("{path}, changed");
                std::fs::write(dir.join(path), &text).unwrap();
                odb.write(ObjectType::Blob, text.as_bytes()).unwrap();
                let row = index.rows.iter().find(|row| row.path == path.as_bytes()).unwrap();
                let stat = StatData::of(&dir.join(path).symlink_metadata().unwrap());
                Changed { row, stat, id: blob_id(text.as_bytes()) }
            })
            .collect();
        let changed = index.with(&changes).unwrap();
        for (id, bytes) in &changed.trees {
            assert_eq!(odb.write(ObjectType::Tree, bytes).unwrap().to_string(), id.to_string());
        }
        std::fs::write(dir.join(".git/index"), &changed.bytes).unwrap();
        changed.root
    }

    #[test]
    fn git_reads_a_changed_index_as_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        git(dir, &["init", "-q"]);
        for path in ["a/b/c", "a/b/d", "a-b/x", "a.txt", "z/y"] {
            std::fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            std::fs::write(dir.join(path), path).unwrap();
        }
        git(dir, &["add", "-A"]);
        // None of the trees is noted in the index; then all; then those of changed folders, by us.
        for round in 0..3 {
            let paths: &[&str] = if round == 1 { &["a/b/c", "a.txt", "a/b/d"] } else { &["a-b/x", "z/y"] };
            let root = change(dir, paths).to_string();
            git(dir, &["diff-files", "--exit-code"]);
            git(dir, &["fsck", "--strict"]);
            let bytes = std::fs::read(dir.join(".git/index")).unwrap();
            let mut new = Vec::new();
            assert_eq!(IndexFile::read(&bytes).unwrap().tree(&mut new).unwrap().to_string(), root);
            assert_eq!(new.len(), if round == 0 { 5 } else { 0 }, "{round}");
            let listed = git(dir, &["ls-files", "-s"]);
            assert_eq!(git(dir, &["write-tree"]), root);
            // Git comes to the same when it takes every file anew.
            git(dir, &["rm", "-rq", "--cached", "."]);
            git(dir, &["add", "-A"]);
            assert_eq!((git(dir, &["ls-files", "-s"]), git(dir, &["write-tree"])), (listed, root));
        }
    }
}
