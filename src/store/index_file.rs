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
    /// Trees that were written from this index and still hold, by path, with the number of entries below them.
    cached: HashMap<Vec<u8>, (ObjectId, usize)>,
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
        let mut cached = HashMap::new();
        while !rest.is_empty() {
            let name = take(&mut rest, 4)?;
            let length = number(take(&mut rest, 4)?)? as usize;
            let mut content = take(&mut rest, length)?;
            match name {
                b"TREE" => read_cached(&mut content, &[], 0, &mut cached)?,
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
        if settled { self.tree_of(&self.rows, b"", 0, new) } else { None }
    }

    /// The tree of `rows`, all of which lie below the folder `path` (which ends in a slash, but for the root).
    fn tree_of(
        &self,
        rows: &[Row<'_>],
        path: &[u8],
        depth: usize,
        new: &mut Vec<(ObjectId, Vec<u8>)>,
    ) -> Option<ObjectId> {
        let folder = path.strip_suffix(b"/").unwrap_or(path);
        if let Some((id, count)) = self.cached.get(folder)
            && *count == rows.len()
        {
            return Some(*id);
        }
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
            let inner = &first.path[..path.len() + slash + 1];
            // Entries are sorted by path, so a folder's stand together.
            let count = rest.partition_point(|row| row.path.starts_with(inner));
            let id = self.tree_of(&rest[..count], inner, depth + 1, new)?;
            entries.push(TreeEntry { name: below[..slash].to_vec(), mode: EntryMode::Tree, id });
            rest = &rest[count..];
        }
        let bytes = Tree::of(entries).bytes();
        let id = hash(ObjectType::Tree, &bytes);
        new.push((id, bytes));
        Some(id)
    }
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

fn read_cached(
    rest: &mut &[u8],
    above: &[u8],
    depth: usize,
    cached: &mut HashMap<Vec<u8>, (ObjectId, usize)>,
) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    let name = take_until(rest, 0)?;
    let path = if above.is_empty() { name.to_vec() } else { [above, b"/", name].concat() };
    let count: i64 = str::from_utf8(take_until(rest, b' ')?).ok()?.parse().ok()?;
    let folders: u32 = str::from_utf8(take_until(rest, b'\n')?).ok()?.parse().ok()?;
    // A negative count says that the tree no longer holds, and has no id.
    if let Ok(count) = usize::try_from(count) {
        let id = ObjectId::from_bytes(take(rest, 20)?.try_into().ok()?);
        cached.insert(path.clone(), (id, count));
    }
    (0..folders).try_for_each(|_| read_cached(rest, &path, depth + 1, cached))
}

#[cfg(test)]
mod tests {
    use super::*;

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
