//! Git's index, read as far as a draft needs it: paths with their blobs, conflicts, and the trees that are cached in it.
//!
//! Only the plain kinds are read. A split or sparse index, one of version 4, or one with entries that only announce a
//! file is git's own business: whoever asks gets nothing, and runs `git` instead. Writing an index is always git's.
//!
//! Format: gitformat-index(5) of git 2.47.

use std::collections::{BTreeSet, HashMap};

use git2::ObjectType;

use super::objects::hash;
use super::tree::{EntryMode, Tree, TreeEntry};
use crate::domain::ObjectId;

/// Bytes of an entry before its flags: times, device, inode, mode, owner, size and id.
const FIXED: usize = 60;

/// The flag of a second word of flags, and the flag in there that says an entry only announces a file.
const EXTENDED: u16 = 0x4000;
const ANNOUNCED: u16 = 0x2000;

/// Bytes of the checksum at the end.
const CHECKSUM: usize = 20;

/// Where the fields of an entry are that are read.
const MODE: usize = 24;
const ID: usize = 40;

/// How deep folders go; a path of 4,096 bytes, the longest that Linux opens, is never that deep in earnest.
const DEEPEST: usize = 512;

struct Row<'b> {
    path: &'b [u8],
    mode: u32,
    id: ObjectId,
    stage: u8,
}

/// A plain index.
pub(super) struct IndexFile<'b> {
    rows: Vec<Row<'b>>,
    /// The root's.
    cached: CachedTree<'b>,
}

/// What git knows of the trees that it wrote from this index.
#[derive(Default)]
struct CachedTree<'b> {
    name: &'b [u8],
    /// The tree and the number of entries below it, if it still holds.
    holds: Option<(ObjectId, usize)>,
    folders: Vec<CachedTree<'b>>,
}

/// Takes `count` bytes off the front.
fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

/// Takes what stands before the next `end`, and that.
fn take_until<'b>(bytes: &mut &'b [u8], end: u8) -> Option<&'b [u8]> {
    let length = bytes.iter().position(|&c| c == end)?;
    let front = take(bytes, length)?;
    take(bytes, 1)?;
    Some(front)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

fn flags(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_be_bytes)
}

impl<'b> IndexFile<'b> {
    /// The index in `bytes`, if it is a plain one.
    pub(super) fn read(bytes: &'b [u8]) -> Option<Self> {
        let mut rest = bytes.get(..bytes.len().checked_sub(CHECKSUM)?)?;
        let header = take(&mut rest, 12)?;
        if !header.starts_with(b"DIRC") || !matches!(number(&header[4..8])?, 2 | 3) {
            return None;
        }
        let count = number(&header[8..12])? as usize;
        // Each takes at least 64 bytes; what the header claims beyond that is not believed.
        let mut rows = Vec::with_capacity(count.min(rest.len() / 64));
        for _ in 0..count {
            rows.push(Row::read(&mut rest)?);
        }
        let mut cached = CachedTree::default();
        while !rest.is_empty() {
            let name = take(&mut rest, 4)?;
            let length = number(take(&mut rest, 4)?)? as usize;
            let mut content = take(&mut rest, length)?;
            match name {
                b"TREE" => cached = CachedTree::read(&mut content, 0)?,
                // A name in small letters changes what the rest means.
                _ if name[0].is_ascii_lowercase() => return None,
                _ => {}
            }
        }
        Some(IndexFile { rows, cached })
    }

    /// Paths with an unresolved conflict.
    pub(super) fn unmerged(&self) -> BTreeSet<String> {
        let rows = self.rows.iter().filter(|row| row.stage != 0);
        rows.map(|row| String::from_utf8_lossy(row.path).into_owned()).collect()
    }

    /// The tree of the whole index; nothing with a conflict in it, or with an entry that no tree can have. Trees that
    /// are not cached in it are put into `new` with their bytes.
    pub(super) fn tree(&self, new: &mut Vec<(ObjectId, Vec<u8>)>) -> Option<ObjectId> {
        let settled = self.rows.iter().all(|row| row.stage == 0);
        if settled { tree_of(&self.rows, b"", Some(&self.cached), 0, new) } else { None }
    }
}

/// The tree of `rows`, all of which lie below the folder `path` (which ends in a slash, but for the root).
fn tree_of(
    rows: &[Row<'_>],
    path: &[u8],
    cached: Option<&CachedTree<'_>>,
    depth: usize,
    new: &mut Vec<(ObjectId, Vec<u8>)>,
) -> Option<ObjectId> {
    if let Some((id, count)) = cached.and_then(|cached| cached.holds)
        && count == rows.len()
    {
        return Some(id);
    }
    let folders = cached.map_or(&[][..], |cached| &cached.folders).iter();
    let folders: HashMap<_, _> = folders.map(|folder| (folder.name, folder)).collect();
    let mut entries = Vec::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let below = &first.path[path.len()..];
        if first.id == ObjectId::ZERO || below.is_empty() || below[0] == b'/' || depth > DEEPEST {
            return None;
        }
        let Some(slash) = below.iter().position(|&c| c == b'/') else {
            let mode = EntryMode::of_number(first.mode)?;
            entries.push(TreeEntry { name: below.to_vec(), mode, id: first.id });
            rest = &rest[1..];
            continue;
        };
        let (inner, name) = (&first.path[..path.len() + slash + 1], &below[..slash]);
        // Entries are sorted by path, so a folder's stand together.
        let count = rest.iter().take_while(|row| row.path.starts_with(inner)).count();
        let id = tree_of(&rest[..count], inner, folders.get(name).copied(), depth + 1, new)?;
        entries.push(TreeEntry { name: name.to_vec(), mode: EntryMode::Tree, id });
        rest = &rest[count..];
    }
    let bytes = Tree::of(entries).bytes();
    let id = hash(ObjectType::Tree, &bytes);
    new.push((id, bytes));
    Some(id)
}

impl<'b> Row<'b> {
    fn read(rest: &mut &'b [u8]) -> Option<Self> {
        let before = rest.len();
        let fixed = take(rest, FIXED)?;
        let low = flags(take(rest, 2)?)?;
        if low & EXTENDED != 0 && flags(take(rest, 2)?)? & ANNOUNCED != 0 {
            return None;
        }
        let path = take_until(rest, 0)?;
        // Padded with one to eight NULs to a multiple of eight bytes, one of which is taken.
        let padding = (8 - (before - rest.len()) % 8) % 8;
        take(rest, padding)?;
        let id = ObjectId::from_bytes(fixed[ID..FIXED].try_into().ok()?);
        let stage = (low >> 12 & 3) as u8;
        Some(Row { path, mode: number(&fixed[MODE..MODE + 4])?, id, stage })
    }
}

impl<'b> CachedTree<'b> {
    fn read(rest: &mut &'b [u8], depth: usize) -> Option<Self> {
        if depth > DEEPEST {
            return None;
        }
        let name = take_until(rest, 0)?;
        let count: i64 = str::from_utf8(take_until(rest, b' ')?).ok()?.parse().ok()?;
        let folders: usize = str::from_utf8(take_until(rest, b'\n')?).ok()?.parse().ok()?;
        // A negative count says that the tree no longer holds, and has no id.
        let holds = match usize::try_from(count) {
            Ok(count) => Some((ObjectId::from_bytes(take(rest, 20)?.try_into().ok()?), count)),
            Err(_) => None,
        };
        let mut read = CachedTree { name, holds, folders: Vec::new() };
        for _ in 0..folders {
            read.folders.push(CachedTree::read(rest, depth + 1)?);
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn git(dir: &Path, args: &[&str]) -> String {
        let settings = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "core.splitIndex=false"];
        let output = Command::new("git").arg("-C").arg(dir).args(settings).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The tree of the index in `dir` as it is read here, and whether all of it had to be made.
    fn tree(dir: &Path) -> Option<(String, usize)> {
        let bytes = std::fs::read(dir.join(".git/index")).unwrap();
        let mut new = Vec::new();
        let root = IndexFile::read(&bytes)?.tree(&mut new)?;
        Some((root.to_string(), new.len()))
    }

    #[test]
    fn the_tree_of_an_index_is_what_git_writes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        git(dir, &["init", "-q"]);
        // A folder sorts as if its name ended in a slash, which these names are about.
        for path in ["a/b/c", "a-b/x", "a.txt", "a0", "z/long name/ü", "z/y"] {
            std::fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            std::fs::write(dir.join(path), path).unwrap();
            // Git adds again what is as young as the index.
            let file = std::fs::File::options().write(true).open(dir.join(path)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        }
        std::os::unix::fs::symlink("a.txt", dir.join("link")).unwrap();
        std::fs::set_permissions(dir.join("z/y"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        git(dir, &["add", "-A"]);
        git(dir, &["update-index", "--add", "--cacheinfo", "160000,0123456789012345678901234567890123456789,sub"]);
        let (all, made) = tree(dir).unwrap();
        assert_eq!((all, made), (git(dir, &["write-tree"]), 6));
        // Git has now noted them in the index.
        assert_eq!(tree(dir).unwrap(), (git(dir, &["write-tree"]), 0));
        std::fs::write(dir.join("a/b/c"), "changed").unwrap();
        std::fs::remove_file(dir.join("a0")).unwrap();
        git(dir, &["add", "-A"]);
        let (some, made) = tree(dir).unwrap();
        assert_eq!((some, made), (git(dir, &["write-tree"]), 3));
        // A file that is only announced is in no tree; only git is asked then.
        std::fs::write(dir.join("later"), "").unwrap();
        git(dir, &["add", "-N", "later"]);
        assert_eq!(tree(dir), None);
    }

    #[test]
    fn conflicts_are_seen_and_have_no_tree() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        git(dir, &["init", "-q", "-b", "main"]);
        for (branch, text) in [("main", "1"), ("side", "2"), ("main", "3")] {
            git(dir, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]);
            std::fs::write(dir.join("both"), text).unwrap();
            git(dir, &["add", "-A"]);
            git(dir, &["commit", "-qm", text]);
        }
        let base = git(dir, &["rev-parse", "main~1"]);
        git(dir, &["read-tree", "-m", "-u", &base, "main", "side"]);
        let bytes = std::fs::read(dir.join(".git/index")).unwrap();
        assert_eq!(IndexFile::read(&bytes).unwrap().unmerged(), ["both".to_owned()].into());
        assert_eq!(tree(dir), None);
    }

    #[test]
    fn garbage_is_no_plain_index() {
        for bytes in [&b""[..], b"DIRC", &[0; 64], b"DIRC\0\0\0\x02\xff\xff\xff\xff01234567890123456789"] {
            assert!(IndexFile::read(bytes).is_none());
        }
    }

    #[test]
    fn an_index_that_needs_git_is_left_to_git() {
        let with = |extension: &[u8]| {
            let content = [extension, &4u32.to_be_bytes()[..], b"what"].concat();
            [&b"DIRC\0\0\0\x02\0\0\0\0"[..], &content, &[0; CHECKSUM]].concat()
        };
        assert!(IndexFile::read(&with(b"UNTR")).is_some());
        assert!(IndexFile::read(&with(b"link")).is_none());
        assert!(IndexFile::read(&with(b"sdir")).is_none());
    }
}
