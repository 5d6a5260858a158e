//! Reading packed refs: the file is sorted, so the lines of one agent are found by halving, without the others.
//!
//! libgit2 copies and sorts all packed refs for each listing (3 ms at 10,000 of them, 33 ms at 100,000), and reads all
//! of them before it moves one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::rc::Rc;

use super::Result;
use super::error::Doing as _;
use crate::domain::ObjectId;

/// The packed refs, which are read as far as they are asked for; all at once by who asks often.
#[derive(Default)]
pub(super) struct PackedRefs {
    asked: Cell<usize>,
    whole: RefCell<Option<(Stamp, Rc<Vec<u8>>)>>,
}

/// Inode, size, and time of modification in seconds and nanoseconds: what git itself goes by.
type Stamp = (u64, u64, i64, i64);

/// After this many questions the whole file is read and kept.
const OFTEN: usize = 32;

/// A file of at most so many bytes is read as a whole; of a larger one, a part that is not worth halving.
const SMALL: u64 = 1 << 18;
const PART: u64 = 1 << 15;

/// More than a line with the longest name that Linux knows, and the line that says what a tag names.
const LONGEST_LINE: u64 = 4_096 + 41 + 42 + 2;

impl PackedRefs {
    /// The file as it is now, at least its first line and those whose names start with `prefix`; an absent one is
    /// empty.
    fn bytes(&self, common_dir: &Path, prefix: &str) -> Result<Rc<Vec<u8>>> {
        let doing = || "read `packed-refs`".to_owned();
        let file = match File::open(common_dir.join("packed-refs")) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Rc::default()),
            opened => opened.doing(doing)?,
        };
        let meta = file.metadata().doing(doing)?;
        let stamp = (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec());
        if let Some((known, bytes)) = &*self.whole.borrow()
            && *known == stamp
        {
            return Ok(Rc::clone(bytes));
        }
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() < OFTEN
            && let Some(part) = part(&file, meta.size(), prefix).doing(doing)?
        {
            return Ok(Rc::new(part));
        }
        let whole = Rc::new(read_at(&file, 0, meta.size()).doing(doing)?);
        *self.whole.borrow_mut() = Some((stamp, Rc::clone(&whole)));
        Ok(whole)
    }

    /// What is packed as `name`.
    pub(super) fn find(&self, common_dir: &Path, name: &str) -> Result<Option<ObjectId>> {
        let bytes = self.bytes(common_dir, name)?;
        let mut found = None;
        packed(&bytes, name, &mut |there, id| {
            found = (there == name).then_some(id);
            found.is_none()
        });
        Ok(found)
    }

    /// What is packed whose name starts with `prefix`, by full name.
    pub(super) fn list(&self, common_dir: &Path, prefix: &str) -> Result<BTreeMap<String, ObjectId>> {
        let mut refs = BTreeMap::new();
        packed(&self.bytes(common_dir, prefix)?, prefix, &mut |name, id| {
            refs.insert(name.to_owned(), id);
            true
        });
        Ok(refs)
    }
}

fn read_at(file: &File, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).map_err(std::io::Error::other)?];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], from + read as u64)? {
            0 => break,
            some => read += some,
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// The first line of a sorted `file` of `size` bytes, and all lines whose names start with `prefix`; nothing if it is
/// not sorted or short.
fn part(file: &File, size: u64, prefix: &str) -> std::io::Result<Option<Vec<u8>>> {
    if size <= SMALL {
        return Ok(None);
    }
    let head = read_at(file, 0, LONGEST_LINE)?;
    let mut part = head[..(line_end(&head, 0) + 1).min(head.len())].to_vec();
    if !is_sorted(&part) {
        return Ok(None);
    }
    let (mut low, mut high) = (part.len() as u64, size);
    while high - low > PART {
        let middle = low + (high - low) / 2;
        let some = read_at(file, middle, (middle + 2 * LONGEST_LINE).min(size))?;
        let mut start = line_end(&some, 0) + 1;
        while start < some.len() && row(&some[start..line_end(&some, start)]).is_none() {
            start = line_end(&some, start) + 1;
        }
        let found = some.get(start..).and_then(|rest| row(&rest[..line_end(rest, 0)]));
        match found {
            Some((_, name)) if name < prefix.as_bytes() => low = middle + start as u64,
            _ => high = middle,
        }
    }
    // From the last line before them, on to the first line after them.
    let mut end = (high + 2 * LONGEST_LINE).min(size);
    loop {
        let lines = read_at(file, low, end)?;
        let whole = lines.iter().rposition(|&c| c == b'\n').map_or(0, |at| at + 1);
        let last = lines[..whole].split(|&c| c == b'\n').rev().find_map(row);
        let after = last.is_some_and(|(_, name)| name > prefix.as_bytes() && !name.starts_with(prefix.as_bytes()));
        if after || end == size {
            part.extend(&lines[..if end == size { lines.len() } else { whole }]);
            return Ok(Some(part));
        }
        end = (low + 2 * (end - low)).min(size);
    }
}

/// Whether the file says in its first line that it is sorted.
fn is_sorted(first_line: &[u8]) -> bool {
    first_line.starts_with(b"#") && first_line.windows(7).any(|word| word == b" sorted")
}

/// Calls `visit` with the packed refs whose names start with `prefix`, until it says false.
fn packed(bytes: &[u8], prefix: &str, visit: &mut dyn FnMut(&str, ObjectId) -> bool) {
    let header_end = if bytes.starts_with(b"#") { line_end(bytes, 0) + 1 } else { 0 };
    let sorted = is_sorted(&bytes[..header_end.min(bytes.len())]);
    let mut at = if sorted { first_at_least(bytes, header_end, prefix.as_bytes()) } else { header_end };
    while at < bytes.len() {
        let end = line_end(bytes, at);
        let line = &bytes[at..end];
        at = end + 1;
        let Some((id, name)) = row(line) else { continue };
        if name.starts_with(prefix.as_bytes()) {
            if let (Ok(id), Ok(name)) = (str::from_utf8(id).unwrap_or_default().parse(), str::from_utf8(name))
                && !visit(name, id)
            {
                break;
            }
        } else if sorted {
            break;
        }
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |length| from + length)
}

/// Id and name of a line; nothing for comments and for `^` lines, which say what an annotated tag names.
fn row(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let name = line.get(41..)?;
    (line[40] == b' ').then_some((&line[..40], name))
}

/// The start of the first line whose name is not before `wanted`.
fn first_at_least(bytes: &[u8], from: usize, wanted: &[u8]) -> usize {
    let (mut low, mut high) = (from, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        // Back to the start of a line that has a name.
        let mut start = bytes[low..middle].iter().rposition(|&c| c == b'\n').map_or(low, |at| low + at + 1);
        let mut end = line_end(bytes, start);
        while row(&bytes[start..end]).is_none() && end < high {
            start = end + 1;
            end = line_end(bytes, start);
        }
        match row(&bytes[start..end]) {
            Some((_, name)) if name < wanted => low = end + 1,
            _ if start > low && start > middle => high = middle,
            _ => high = bytes[low..middle].iter().rposition(|&c| c == b'\n').map_or(low, |at| low + at + 1),
        }
    }
    low.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ObjectId {
        format!("{n:040x}").parse().unwrap()
    }

    fn file(names: &[String], peeled: bool) -> Vec<u8> {
        let mut text = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        for (n, name) in names.iter().enumerate() {
            text.push_str(&format!("{} {name}\n", id(n + 1)));
            if peeled {
                text.push_str(&format!("^{}\n", id(9_999)));
            }
        }
        text.into_bytes()
    }

    #[test]
    fn halving_finds_what_reading_every_line_finds() {
        for count in [0, 1, 2, 3, 7, 50] {
            for peeled in [false, true] {
                let mut names: Vec<String> =
                    (0..count).map(|n| format!("refs/tags/a{:02}/v{}", n / 3, n % 3)).collect();
                names.sort();
                let bytes = file(&names, peeled);
                for prefix in
                    ["refs/", "refs/tags/", "refs/tags/a00/", "refs/tags/a03/", "refs/tags/a16/", "refs/tags/b/", "a"]
                {
                    let mut found = BTreeMap::new();
                    packed(&bytes, prefix, &mut |name, id| found.insert(name.to_owned(), id).is_none());
                    let wanted: Vec<_> = names.iter().filter(|name| name.starts_with(prefix)).collect();
                    assert_eq!(found.keys().collect::<Vec<_>>(), wanted, "{count} {peeled} {prefix}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_a_large_file_has_what_is_asked_for() {
        for peeled in [false, true] {
            let mut names: Vec<String> = (0..3_000).map(|n| format!("refs/tags/a{:04}/v{}", n / 7, n % 7)).collect();
            names.extend((0..9_000).map(|n| format!("refs/tags/b/v{n}")));
            names.sort();
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("packed-refs"), file(&names, peeled)).unwrap();
            let prefixes = ["a0000/", "a0123/", "a0428/v6", "a0499/", "b/", "b/v8999", "c", "A"];
            for prefix in prefixes.map(|prefix| format!("refs/tags/{prefix}")) {
                let refs = PackedRefs::default();
                let found = refs.list(dir.path(), &prefix).unwrap();
                let wanted: Vec<_> = names.iter().filter(|name| name.starts_with(&prefix)).collect();
                assert_eq!(found.keys().collect::<Vec<_>>(), wanted, "{peeled} {prefix}");
                assert!(refs.whole.borrow().is_none());
            }
            let refs = PackedRefs::default();
            for (n, name) in names.iter().enumerate().step_by(100) {
                assert_eq!(refs.find(dir.path(), name).unwrap(), Some(id(n + 1)), "{name}");
                assert_eq!(refs.find(dir.path(), &format!("{name}x")).unwrap(), None);
            }
            assert!(refs.whole.borrow().is_some());
        }
    }

    #[test]
    fn garbage_is_passed_over() {
        for bytes in [&b""[..], b"#", b"# sorted", b"\n\n\n", b"x\ny", b"# pack-refs with: sorted \n^\n^\n\xff"] {
            packed(bytes, "refs/tags/", &mut |_, _| true);
        }
    }
}
