//! Writing a deployment: beside the others first, then synced, then named, then linked. A kill between any two steps
//! leaves the old deployment linked, and something that the next delivery clears away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::OFlags;
use uuid::Uuid;

use super::{At, LARGEST_MARK, MARK, cannot, commit_of, compare};
use crate::domain::ObjectId;
use crate::store::crash_point;
use crate::targets::mark::Mark;
use crate::targets::place::Failure;

/// How many deployments are kept.
const KEPT: usize = 3;

/// What is not a deployment yet, or not any more, begins with this.
const TEMPORARY: &str = ".tmp-";

/// Past this many files one sync of the file system is faster than one of each.
const ONE_BY_ONE: usize = 64;

/// Keeps other controllers from writing here until it is dropped. They are told at once, and come again.
pub(super) fn lock(deployments: &Path) -> Result<File, Failure> {
    std::fs::create_dir_all(deployments).map_err(|error| cannot("make the folder", deployments, &error))?;
    let path = deployments.join(".lock");
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let file = File::options().create(true).truncate(false).write(true).custom_flags(flags).open(&path);
    let file = file.map_err(|error| cannot("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new("another controller is writing there").passing()),
        Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
    }
}

impl At {
    /// Writes `files` as the deployment of `commit` and links it. The caller holds the lock.
    pub(super) fn write(&self, commit: ObjectId, files: &BTreeMap<String, Bytes>) -> Result<(), Failure> {
        let deployments = self.deployments();
        self.clear().map_err(|error| cannot("clear", &deployments, &error))?;
        let temporary = deployments.join(format!("{TEMPORARY}{}", Uuid::now_v7()));
        if let Err((path, error)) = write_all(&temporary, files) {
            // The disk may be full: what was written already is in the way of the next attempt.
            let _ = std::fs::remove_dir_all(&temporary);
            return Err(cannot("write", &path, &error));
        }
        crash_point("deployment written");
        let taken = |name: &String| deployments.join(name).symlink_metadata().is_ok();
        let mut names = std::iter::once(commit.to_string()).chain((1..).map(|again: u32| format!("{commit}.{again}")));
        let name = names.find(|name| !taken(name)).expect("the names do not end");
        let linked = || {
            std::fs::rename(&temporary, deployments.join(&name))?;
            sync(&deployments)?;
            crash_point("deployment named");
            let link = self.root.join(format!(".{}{TEMPORARY}{}", self.environment, Uuid::now_v7()));
            symlink(format!("{}.d/{name}", self.environment), &link)?;
            crash_point("link written");
            // The one moment: before it readers get the old deployment, after it the new one.
            std::fs::rename(&link, self.link())?;
            sync(&self.root)
        };
        linked().map_err(|error| cannot("link", &self.link(), &error))?;
        crash_point("deployment linked");
        // What is not cleared now is cleared the next time.
        if let Err(error) = self.prune(&name) {
            tracing::warn!(folder = %deployments.display(), %error, "cannot remove old deployments");
        }
        Ok(())
    }

    /// Removes what an interrupted delivery left.
    fn clear(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(self.deployments())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                remove(&entry.path())?;
            }
        }
        let links = format!(".{}{TEMPORARY}", self.environment);
        for entry in std::fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&links) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes all deployments but `current` and the newest others, each at one blow: a reader that is still in one
    /// finds it whole or not at all.
    fn prune(&self, current: &str) -> io::Result<()> {
        let deployments = self.deployments();
        let mut others: Vec<((u64, u32), PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&deployments)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((_, again)) = commit_of(&name).filter(|_| name != current) else { continue };
            let mark = compare::read_file(&entry.path().join(MARK), LARGEST_MARK).ok();
            let height = mark.and_then(|bytes| Mark::parse(&bytes, &self.environment)).map_or(0, |mark| mark.height);
            others.push(((height, again), entry.path()));
        }
        others.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        for (_, old) in others.into_iter().skip(KEPT - 1) {
            let gone = deployments.join(format!("{TEMPORARY}{}", Uuid::now_v7()));
            std::fs::rename(&old, &gone)?;
            crash_point("deployment put aside");
            remove(&gone)?;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

/// Writes and syncs all files below a new folder.
fn write_all(folder: &Path, files: &BTreeMap<String, Bytes>) -> Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    std::fs::create_dir(folder).map_err(at(folder))?;
    let mut folders = BTreeSet::from([folder.to_owned()]);
    let each = files.len() <= ONE_BY_ONE || !cfg!(target_os = "linux");
    for (path, bytes) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        if folders.insert(parent.to_owned()) {
            std::fs::create_dir_all(parent).map_err(at(parent))?;
            folders.extend(parent.ancestors().take_while(|above| *above != folder).map(Path::to_owned));
        }
        let written = || {
            let mut file = File::options().write(true).create_new(true).open(&path)?;
            file.write_all(bytes)?;
            if each { file.sync_all() } else { Ok(()) }
        };
        written().map_err(at(&path))?;
    }
    if !each {
        return sync_file_system(folder).map_err(at(folder));
    }
    folders.iter().try_for_each(|folder| sync(folder).map_err(at(folder)))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(target_os = "linux")]
fn sync_file_system(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(folder)?).map_err(Into::into)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(folder: &Path) -> io::Result<()> {
    sync(folder)
}
