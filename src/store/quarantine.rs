//! Where the new objects and the indexes of drafts are, apart from the repository, until somebody publishes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::locks::age_of;

/// What the folders are called, in the folder for temporary files.
const PREFIX: &str = "pointsman-draft-";

/// The file in each that its owner holds locked, for as long as it lives.
const OWNER: &str = "owner";

/// A younger folder may just be about to get that file, or its lock.
const BEING_MADE: Duration = Duration::from_secs(60);

/// The folder of all drafts of one open repository.
///
/// There is one for all, not one for each: libgit2 tells alternates apart by inode, and the folder of a second draft
/// may well get the inode that the first one's had. It would never be read.
pub(super) struct Quarantine {
    folder: TempDir,
    _owner: File,
}

impl Quarantine {
    /// A new folder. Those of processes that were killed go.
    pub(super) fn new() -> std::io::Result<Self> {
        sweep(&std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let owner = File::create_new(folder.path().join(OWNER))?;
        owner.lock()?;
        let quarantine = Quarantine { folder, _owner: owner };
        std::fs::create_dir(quarantine.objects())?;
        Ok(quarantine)
    }

    /// Where new objects are.
    pub(super) fn objects(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// A folder for one draft's index.
    pub(super) fn for_index(&self) -> std::io::Result<TempDir> {
        tempfile::Builder::new().prefix("index-").tempdir_in(self.folder.path())
    }
}

/// Removes what nobody owns any more.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_ownerless(&entry.path()) {
            // What belongs to another user stays.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_ownerless(folder: &Path) -> bool {
    if age_of(folder) < Some(BEING_MADE) {
        return false;
    }
    match File::open(folder.join(OWNER)) {
        Ok(owner) => owner.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_has_no_owner_goes() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, age: u64, owner: Option<bool>| {
            let folder = dir.path().join(name);
            std::fs::create_dir_all(folder.join("objects/ab")).unwrap();
            let owner = owner.map(|locked| {
                let file = File::create(folder.join(OWNER)).unwrap();
                if locked {
                    file.lock().unwrap();
                }
                file
            });
            let time = std::time::SystemTime::now() - Duration::from_secs(age);
            File::open(&folder).unwrap().set_modified(time).unwrap();
            owner
        };
        let _alive = make("pointsman-draft-alive", 1_000, Some(true));
        make("pointsman-draft-begun", 1, None);
        make("pointsman-draft-killed", 1_000, Some(false));
        make("pointsman-draft-killed-early", 1_000, None);
        make("somebody-elses", 1_000, None);
        sweep(dir.path());
        let left =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["pointsman-draft-alive", "pointsman-draft-begun", "somebody-elses"]);
    }
}
