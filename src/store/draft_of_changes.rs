//! The draft of agents in whose folders only the content of files changed that git has in its index: what most drafts
//! are. It is made without git, whose start would be a good part of a publish.
//!
//! Git is asked about everything that its rules decide: files that are new, gone, or of another kind now, those that may
//! have to be converted, and indexes that are not plain.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use git2::ObjectType;

use super::differences::Differences;
use super::draft::{DraftIndex, MOST_TREES};
use super::index::{Changed, FileTime, IndexFile, Row, StatData};
use super::objects::blob_id;
use super::{Draft, Located, Repository};
use crate::compile::limits::LARGEST_FILE;

/// How much content is held in memory; git writes what is more to disk.
const MOST_BYTES: usize = 64_000_000;

/// So many files as young as the index are read again.
const MOST_YOUNG: usize = 32;

impl Repository {
    /// The draft of the agents `located` on the index `base`, which was `written` then; nothing where git has to be asked.
    pub(super) fn draft_of_changes(
        &self,
        work_dir: &Path,
        base: &[u8],
        written: FileTime,
        located: &[&Located],
    ) -> Option<Draft> {
        // Whatever is written from now on is as young as the index, so that git compares it again.
        let now = file_time_now();
        let index = IndexFile::read(base)?;
        let (mut changes, mut blobs, mut size) = (Vec::new(), Vec::new(), 0);
        for agent in located {
            if agent.folder.is_empty() || !agent.include.is_empty() || !is_real(work_dir, &agent.folder) {
                return None;
            }
            let (dir, path) = (work_dir.join(&agent.folder), format!("{}/", agent.folder));
            let found = Differences::of(&dir, &path, index.below(&agent.folder), written)?;
            if !found.others.is_empty() || found.changed.iter().any(|row| row.is_passed_over) {
                return None;
            }
            if !found.changed.is_empty() && !self.converts_nothing(work_dir, &index, &agent.folder) {
                return None;
            }
            for row in found.changed {
                let (stat, bytes) = read_plain(work_dir, row)?;
                size += bytes.len();
                if size > MOST_BYTES {
                    return None;
                }
                let id = blob_id(&bytes);
                changes.push(Changed { row, stat, id });
                blobs.push((id, bytes));
            }
        }
        let changed: HashSet<_> = changes.iter().map(|change| change.row.path).collect();
        let others = index.below("").iter().filter(|row| !changed.contains(row.path));
        if !young_are_unchanged(work_dir, others, written) {
            return None;
        }
        let changed = index.with(&changes).filter(|changed| changed.trees.len() <= MOST_TREES)?;
        let mut made = self.keep_drafted(ObjectType::Blob, blobs);
        made.extend(self.keep_drafted(ObjectType::Tree, changed.trees));
        let index = DraftIndex { bytes: changed.bytes, written: Some(now) };
        let base = Some(base.to_owned());
        Some(Draft { root: changed.root, conflicted: BTreeSet::new(), made, objects: None, index: Some(index), base })
    }
}

/// The file of `row` as it is now; nothing unless it is of the same kind as before.
fn read_plain(work_dir: &Path, row: &Row<'_>) -> Option<(StatData, Vec<u8>)> {
    let path = Path::new(str::from_utf8(row.path).ok()?);
    // No link is followed, and nobody is waited for at the other end of a pipe.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file = File::options().read(true).custom_flags(flags).open(work_dir.join(path)).ok()?;
    let before = file.metadata().ok()?;
    let stat = StatData::of(&before);
    if !before.is_file() || stat.mode() != row.stat.mode() || before.len() > LARGEST_FILE {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.len()).ok()? + 1);
    (&mut file).take(LARGEST_FILE).read_to_end(&mut bytes).ok()?;
    // Somebody is writing it just now.
    let settled = bytes.len() as u64 == before.len() && stat.is_like(&StatData::of(&file.metadata().ok()?));
    settled.then_some((stat, bytes))
}

/// Whether those of `rows` that are as young as the index hold what it says. Git tells by their content, but it does not
/// where the index is younger: in the one that takes its place, what changed would be hidden. (Git marks such files in the
/// indexes that it writes.)
fn young_are_unchanged<'r, 'b: 'r>(
    work_dir: &Path,
    rows: impl Iterator<Item = &'r Row<'b>>,
    written: FileTime,
) -> bool {
    let mut young = rows.filter(|row| row.stat.is_young_to_git(written));
    let few: Vec<_> = young.by_ref().take(MOST_YOUNG).collect();
    let is_unchanged = |row: &&Row<'_>| {
        let path = work_dir.join(OsStr::from_bytes(row.path));
        let looks_different = path.symlink_metadata().map_or(true, |now| !row.stat.is_like_to_git(&StatData::of(&now)));
        looks_different || read_plain(work_dir, row).is_some_and(|(_, bytes)| blob_id(&bytes) == row.id)
    };
    young.next().is_none() && few.iter().all(is_unchanged)
}

/// The time that a file would get if it were written now. The exact time is up to some milliseconds later: a file that is
/// written twice within these would look old.
fn file_time_now() -> SystemTime {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let whole = u64::try_from(now.tv_sec).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::new(whole, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Whether no link is on the way from the top to `folder`.
fn is_real(work_dir: &Path, folder: &str) -> bool {
    let ends = folder.match_indices('/').map(|(slash, _)| slash).chain([folder.len()]);
    ends.into_iter().all(|end| work_dir.join(&folder[..end]).symlink_metadata().is_ok_and(|there| there.is_dir()))
}
