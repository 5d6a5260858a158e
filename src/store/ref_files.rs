//! Reading refs straight from git's files backend: the loose ones over the packed ones.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::Result;
use super::error::Doing as _;
use super::packed_refs::PackedRefs;
use crate::domain::ObjectId;

/// How deep ref names go: an id of 100 characters has at most 50 segments.
const DEEPEST: usize = 64;

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

/// Direct refs below `prefix` (`refs/tags/support/`), by full name. Symbolic refs are left out.
pub(super) fn list(packed: &PackedRefs, common_dir: &Path, prefix: &str) -> Result<BTreeMap<String, ObjectId>> {
    let mut refs = packed.list(common_dir, prefix)?;
    // Loose files come second: they override what is packed under the same name.
    let folder = prefix.rfind('/').map_or("", |end| &prefix[..end]);
    loose(common_dir, folder, prefix, 0, &mut refs)?;
    Ok(refs)
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
