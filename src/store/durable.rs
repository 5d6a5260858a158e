//! What must be on disk before a command says that it is done, beyond the files that libgit2 syncs by itself.
//!
//! libgit2 syncs each new file and the folder it lies in, but not the folder above where it had to make that folder.
//! And git itself does not sync the loose objects of `git commit` (`core.fsync` is `committed,-loose-object` unless
//! told otherwise): a version tagged right after a commit would outlive the content it names.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::error::Doing as _;
use super::{Repository, Result};
use crate::domain::ObjectId;

/// Every kernel has written out by itself what is older than this.
const WRITTEN_BACK: Duration = Duration::from_secs(10 * 60);

/// The hint with commits that are on disk with all that they name. Its time is when that was last looked at for all.
const SYNCED: &str = "objects-synced";

/// How many commits it keeps.
const KEPT: usize = 16;

/// How many threads wait for the disk at once. One or two are slow where others keep the processors busy (4 ms a file
/// against 0.1 ms), more than four cost more to start than they gain (measured with 4, 14 and 20 files on two cores).
const AT_ONCE: usize = 4;

/// Past this many files one sync of the file system is faster than one of each.
const ONE_BY_ONE: usize = 64;

pub(super) fn sync(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.doing(|| format!("sync `{}` to disk", path.display()))
}

/// The folders above `file` that must be synced once it and the missing ones among them are made: the parent of
/// each folder that is not there yet.
pub(super) fn folders_to_grow(file: &Path) -> Vec<PathBuf> {
    let mut growing = Vec::new();
    let mut folder = file.parent();
    while let Some(missing) = folder.filter(|folder| !folder.exists()) {
        growing.extend(missing.parent().map(Path::to_owned));
        folder = missing.parent();
    }
    growing
}

/// Syncs files and folders, all of them together.
pub(super) fn sync_together(paths: &[PathBuf]) -> Result<()> {
    together(paths, |path| sync(path)).into_iter().collect()
}

/// Does `work` for all `items`, several at once, and returns the results in their order. What waits for the disk at
/// the same time is answered at the same time.
pub(super) fn together<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    // Each takes the next one that nobody has: a thread may begin when the others are nearly done.
    let take_turns = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..AT_ONCE.min(items.len())).map(|_| scope.spawn(take_turns)).collect();
        let mut done = take_turns();
        done.extend(others.into_iter().flat_map(|other| other.join().expect("a writer does not panic")));
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

impl Repository {
    /// Syncs the loose objects that other programs wrote here lately, if the commits `named` are theirs: whatever a
    /// version names is then on disk, its commit and that commit's history included. `made` is a commit of ours on top of
    /// them, on which the next may rest.
    pub(super) fn sync_foreign_objects(&self, named: &BTreeSet<ObjectId>, made: Option<ObjectId>) -> Result<()> {
        if named.is_empty() {
            return Ok(());
        }
        let known = self.hint(SYNCED).unwrap_or_default();
        let known: BTreeSet<ObjectId> =
            String::from_utf8_lossy(&known).lines().filter_map(|line| line.parse().ok()).collect();
        let mark = self.own_dir().join(SYNCED);
        let last = modified(&mark);
        let synced = named.is_subset(&known);
        // The file system's own clock times the look: it is coarser than the system's, and other on a network. The file
        // has a name of its own: several threads of one process may look at once.
        let lines: String = made.iter().chain(named).take(KEPT).map(|commit| format!("{commit}\n")).collect();
        let begun = std::fs::create_dir_all(self.own_dir()).and_then(|()| {
            let mut looked = NamedTempFile::new_in(self.own_dir())?;
            looked.write_all(lines.as_bytes())?;
            Ok(looked)
        });
        let looked = begun.doing(|| format!("write `{}`", mark.display()))?;
        match last.filter(|_| synced) {
            // What others wrote meanwhile is still to be looked at by who names it.
            Some(last) => looked.as_file().set_modified(last).doing(|| format!("write `{}`", mark.display()))?,
            None => self.sync_written_since(last)?,
        }
        // A hint for the next time and nothing else: without it some files are synced again.
        let _ = looked.persist(&mark);
        Ok(())
    }

    fn sync_written_since(&self, last: Option<SystemTime>) -> Result<()> {
        let oldest = SystemTime::now() - WRITTEN_BACK;
        let since = last.map_or(oldest, |last| oldest.max(last));
        let objects = self.common_dir().join("objects");
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for fan in 0..=255u8 {
            let folder = objects.join(format!("{fan:02x}"));
            // A folder is as young as its youngest entry.
            if modified(&folder).is_none_or(|time| time < since) {
                continue;
            }
            let entries = std::fs::read_dir(&folder).doing(|| format!("read `{}`", folder.display()))?;
            let written = self.written.borrow();
            let foreign = entries.flatten().filter(|entry| {
                let name = entry.file_name().into_string().unwrap_or_default();
                // What is no object is somebody's unfinished one.
                let foreign = format!("{fan:02x}{name}").parse().is_ok_and(|id| !written.contains(&id));
                foreign && entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|time| time >= since)
            });
            let before = files.len();
            files.extend(foreign.map(|entry| entry.path()));
            if files.len() > before {
                folders.push(folder);
            }
        }
        if files.len() <= ONE_BY_ONE || !sync_file_system(&objects) {
            files.append(&mut folders.clone());
            sync_together(&files)?;
        }
        if !folders.is_empty() {
            sync(&objects)?;
        }
        Ok(())
    }
}

/// `sync -f`, where the system has it.
fn sync_file_system(folder: &Path) -> bool {
    let quiet = std::process::Stdio::null;
    let mut command = std::process::Command::new("sync");
    command.arg("-f").arg(folder).stdin(quiet()).stdout(quiet()).stderr(quiet());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_process_look_at_once() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        git2::Repository::init_bare(dir.path()).expect("a repository can be made");
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let dir = dir.path();
                scope.spawn(move || {
                    let repository = Repository::open_exactly(dir).expect("it opens");
                    for round in 0..200u8 {
                        let named: ObjectId = format!("{thread:02x}{round:038x}").parse().expect("an id");
                        repository.sync_foreign_objects(&BTreeSet::from([named]), None).expect("it can be looked");
                    }
                });
            }
        });
        let left: Vec<_> = std::fs::read_dir(dir.path().join("pointsman")).expect("it is there").flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
