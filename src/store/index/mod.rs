//! Git's index, read as far as a draft needs it: paths with their blobs and what their files looked like, conflicts, and
//! the trees that are cached in it.
//!
//! Only the plain kinds are read. A split or sparse index, one of version 4, or one with entries that only announce a
//! file is git's own business: whoever asks gets nothing, and runs `git` instead. So is every writing but one: that of
//! files that are in it already and have other content now ([`change`]).
//!
//! Format: gitformat-index(5) of git 2.47.

mod change;
mod stat_data;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;

pub(super) use change::Changed;
use stat_data::mtime;
pub(super) use stat_data::{FileTime, StatData};

use crate::domain::ObjectId;
use tree::CachedTree;

/// Bytes of an entry before its flags: what is remembered of the file, and its id.
const FIXED: usize = StatData::SIZE + 20;

/// Flags of an entry: it is taken for unchanged, whatever the file is; there is a second word of flags.
const ASSUMED_UNCHANGED: u16 = 0x8000;
const EXTENDED: u16 = 0x4000;

/// Flags of the second word: the file is not checked out; it is only announced.
const SKIPPED: u16 = 0x4000;
const ANNOUNCED: u16 = 0x2000;

/// The mode of an entry that is another repository's commit.
const SUBMODULE: u32 = 0o160_000;

/// Bytes of the checksum at the end.
const CHECKSUM: usize = 20;

/// How deep folders go; a path of 4,096 bytes, the longest that Linux opens, is never that deep in earnest.
const DEEPEST: usize = 512;

/// A file in the index.
pub(super) struct Row<'b> {
    /// Where it is, seen from the top.
    pub(super) path: &'b [u8],
    /// What the file looked like when git read it last.
    pub(super) stat: StatData,
    /// Its content.
    pub(super) id: ObjectId,
    /// Whether git was told to pass over what the file is on disk.
    pub(super) is_passed_over: bool,
    /// 0, or which side of a conflict it is.
    stage: u8,
    /// Where its entry begins.
    at: usize,
}

/// The bytes of the index `file`, and when it was written. That is looked at first: an index that is replaced meanwhile is
/// taken for older than it is, so that more files count as changed.
pub(super) fn read(file: &Path) -> Option<(Vec<u8>, FileTime)> {
    let written = mtime(&file.metadata().ok()?);
    Some((std::fs::read(file).ok()?, written))
}

/// A plain index.
pub(super) struct IndexFile<'b> {
    bytes: &'b [u8],
    rows: Vec<Row<'b>>,
    /// The root's.
    cached: CachedTree<'b>,
}

/// What stands in a folder, by name.
pub(super) enum Child<'r, 'b> {
    File(&'r Row<'b>),
    /// All that lies below it.
    Folder(&'r [Row<'b>]),
}

/// What stands in the folder whose path is `prefix` bytes long with its slash, and below which all `rows` are, in the
/// order of the index; nothing at a path that no folder can have.
pub(super) fn children<'r, 'b>(
    rows: &'r [Row<'b>],
    prefix: usize,
) -> impl Iterator<Item = Option<(&'b [u8], Child<'r, 'b>)>> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let below = &first.path[prefix..];
        let slash = below.iter().position(|&c| c == b'/');
        if below.is_empty() || slash == Some(0) {
            rest = &[];
            return Some(None);
        }
        let Some(slash) = slash else {
            rest = &rest[1..];
            return Some(Some((below, Child::File(first))));
        };
        let inner = &first.path[..=prefix + slash];
        // Entries are sorted by path, so a folder's stand together.
        let count = rest.iter().take_while(|row| row.path.starts_with(inner)).count();
        let (inside, after) = rest.split_at(count);
        rest = after;
        Some(Some((&below[..slash], Child::Folder(inside))))
    })
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
        let content = bytes.get(..bytes.len().checked_sub(CHECKSUM)?)?;
        let mut rest = content;
        let header = take(&mut rest, 12)?;
        if !header.starts_with(b"DIRC") || !matches!(number(&header[4..8])?, 2 | 3) {
            return None;
        }
        let count = number(&header[8..12])? as usize;
        // Each takes at least 64 bytes; what the header claims beyond that is not believed.
        let mut rows = Vec::with_capacity(count.min(rest.len() / 64));
        for _ in 0..count {
            rows.push(Row::read(content.len() - rest.len(), &mut rest)?);
        }
        let mut cached = CachedTree::default();
        while !rest.is_empty() {
            let name = take(&mut rest, 4)?;
            let length = number(take(&mut rest, 4)?)? as usize;
            let mut content = take(&mut rest, length)?;
            match name {
                b"TREE" => {
                    let end = bytes.len() - CHECKSUM - rest.len();
                    cached = CachedTree::read(&mut content, end, 0)?;
                }
                // A name in small letters changes what the rest means.
                _ if name[0].is_ascii_lowercase() => return None,
                _ => {}
            }
        }
        Some(IndexFile { bytes, rows, cached })
    }

    /// Paths with an unresolved conflict.
    pub(super) fn unmerged(&self) -> BTreeSet<String> {
        let rows = self.rows.iter().filter(|row| row.stage != 0);
        rows.map(|row| String::from_utf8_lossy(row.path).into_owned()).collect()
    }

    /// Whether it has other repositories in it.
    pub(super) fn has_submodules(&self) -> bool {
        self.rows.iter().any(|row| row.stat.mode() == SUBMODULE)
    }

    /// Whether a file is called `name`, in any folder.
    pub(super) fn has_any_called(&self, name: &str) -> bool {
        let called = |row: &Row<'_>| {
            let before = row.path.strip_suffix(name.as_bytes());
            before.is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
        };
        self.rows.iter().any(called)
    }

    /// The files below `folder`, which has no slash at its end; all of them below the empty one.
    pub(super) fn below(&self, folder: &str) -> &[Row<'b>] {
        let inside = |row: &Row<'_>| {
            folder.is_empty() || row.path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
        };
        let start = self.rows.iter().position(inside).unwrap_or(self.rows.len());
        let count = self.rows[start..].iter().take_while(|row| inside(row)).count();
        &self.rows[start..start + count]
    }
}

impl<'b> Row<'b> {
    /// Reads the entry that begins `at` and with which `rest` begins.
    fn read(at: usize, rest: &mut &'b [u8]) -> Option<Self> {
        let before = rest.len();
        let fixed = take(rest, FIXED)?;
        let low = flags(take(rest, 2)?)?;
        let high = if low & EXTENDED == 0 { 0 } else { flags(take(rest, 2)?)? };
        if high & ANNOUNCED != 0 {
            return None;
        }
        let path = take_until(rest, 0)?;
        // Padded with one to eight NULs to a multiple of eight bytes, one of which is taken.
        let padding = (8 - (before - rest.len()) % 8) % 8;
        take(rest, padding)?;
        let (stat, id) = fixed.split_at(StatData::SIZE);
        let stage = (low >> 12 & 3) as u8;
        Some(Row {
            path,
            stat: StatData::read(stat.try_into().ok()?),
            id: ObjectId::from_bytes(id.try_into().ok()?),
            is_passed_over: low & ASSUMED_UNCHANGED != 0 || high & SKIPPED != 0,
            stage,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::*;

    pub(in crate::store::index) fn git(dir: &Path, args: &[&str]) -> String {
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
