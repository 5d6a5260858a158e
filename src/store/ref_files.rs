//! Reading refs straight from git's files backend.
//!
//! libgit2 copies and sorts all packed refs for each listing (3 ms at 10,000 of them, 33 ms at 100,000), and reads all
//! of them before it moves one; the packed file is sorted already, so the lines of one agent are found by halving.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;

use super::Result;
use super::error::Doing as _;
use crate::domain::ObjectId;

/// How deep ref names go: an id of 100 characters has at most 50 segments.
const DEEPEST: usize = 64;

/// The packed refs as last read, with what tells that file from its successors.
#[derive(Default)]
pub(super) struct PackedRefs(RefCell<Option<(Stamp, Rc<Vec<u8>>)>>);

/// Inode, size, and time of modification in seconds and nanoseconds: what git itself goes by.
type Stamp = (u64, u64, i64, i64);

impl PackedRefs {
    /// The file as it is now; an absent one is empty.
    fn bytes(&self, common_dir: &Path) -> Result<Rc<Vec<u8>>> {
        let file = common_dir.join("packed-refs");
        let doing = || "read `packed-refs`".to_owned();
        let meta = match file.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Rc::default()),
            found => found.doing(doing)?,
        };
        let stamp = (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec());
        if let Some((known, bytes)) = &*self.0.borrow()
            && *known == stamp
        {
            return Ok(Rc::clone(bytes));
        }
        let bytes = match std::fs::read(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Rc::default()),
            read => Rc::new(read.doing(doing)?),
        };
        *self.0.borrow_mut() = Some((stamp, Rc::clone(&bytes)));
        Ok(bytes)
    }

    /// What is packed as `name`.
    pub(super) fn find(&self, common_dir: &Path, name: &str) -> Result<Option<ObjectId>> {
        let bytes = self.bytes(common_dir)?;
        let mut found = None;
        packed(&bytes, name, &mut |there, id| {
            found = (there == name).then_some(id);
            found.is_none()
        });
        Ok(found)
    }

    /// Direct refs below `prefix` (`refs/tags/support/`), by full name. Symbolic refs are left out.
    pub(super) fn list(&self, common_dir: &Path, prefix: &str) -> Result<BTreeMap<String, ObjectId>> {
        let mut refs = BTreeMap::new();
        packed(&self.bytes(common_dir)?, prefix, &mut |name, id| {
            refs.insert(name.to_owned(), id);
            true
        });
        // Loose files come second: they override what is packed under the same name.
        let folder = prefix.rfind('/').map_or("", |end| &prefix[..end]);
        loose(common_dir, folder, prefix, 0, &mut refs)?;
        Ok(refs)
    }
}

/// What a loose ref's file says.
pub(super) enum Loose {
    /// An object.
    Direct(ObjectId),
    /// Another ref.
    Symbolic(String),
    /// Nothing that git understands, as an empty file after a power cut.
    Garbage,
}

/// Reads the file of a loose ref; nothing if there is none, or a folder in its place.
pub(super) fn read_loose(file: &Path) -> std::io::Result<Option<Loose>> {
    use ErrorKind::{IsADirectory, NotADirectory, NotFound};
    let bytes = match std::fs::read(file) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | IsADirectory) => return Ok(None),
        read => read?,
    };
    let text = String::from_utf8_lossy(&bytes);
    if let Some(target) = text.strip_prefix("ref:") {
        return Ok(Some(Loose::Symbolic(target.trim().to_owned())));
    }
    // Git reads the first forty digits, and takes what follows for a remark if it is set off by white space.
    let (id, rest) = text.split_at_checked(40).unwrap_or(("", ""));
    let ends = rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_whitespace());
    Ok(Some(id.parse().ok().filter(|_| ends).map_or(Loose::Garbage, Loose::Direct)))
}

/// Calls `visit` with the packed refs whose names start with `prefix`, until it says false.
fn packed(bytes: &[u8], prefix: &str, visit: &mut dyn FnMut(&str, ObjectId) -> bool) {
    let header_end = if bytes.starts_with(b"#") { line_end(bytes, 0) + 1 } else { 0 };
    let sorted = bytes[..header_end.min(bytes.len())].windows(7).any(|word| word == b" sorted");
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
    bytes[from..].iter().position(|&c| c == b'\n').map_or(bytes.len(), |length| from + length)
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

fn loose(
    common_dir: &Path,
    folder: &str,
    prefix: &str,
    depth: usize,
    refs: &mut BTreeMap<String, ObjectId>,
) -> Result<()> {
    let entries = match std::fs::read_dir(common_dir.join(folder)) {
        Ok(entries) => entries,
        // A ref of that name is no folder of refs.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(error).doing(|| format!("list `{folder}`")),
    };
    for entry in entries.flatten() {
        let Some(name) = entry.file_name().to_str().map(|name| format!("{folder}/{name}")) else { continue };
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth < DEEPEST {
            loose(common_dir, &name, prefix, depth + 1, refs)?;
        } else if kind.is_file() && name.starts_with(prefix) && !name.ends_with(".lock") {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            if let Ok(id) = text.trim_end().parse() {
                refs.insert(name, id);
            }
        }
    }
    Ok(())
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
    fn garbage_is_passed_over() {
        for bytes in [&b""[..], b"#", b"# sorted", b"\n\n\n", b"x\ny", b"# pack-refs with: sorted \n^\n^\n\xff"] {
            packed(bytes, "refs/tags/", &mut |_, _| true);
        }
    }
}
