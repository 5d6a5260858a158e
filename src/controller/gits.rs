//! The git processes that work in a mirror, and those of a controller that was killed, which go on for a while.
//!
//! An orphan may hold a lock file that must not be taken from it. Every git inherits the descriptor of one file and the
//! system's lock on it, which lasts as long as any of them lives; so the next controller knows when all have ended.

use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};

use super::OpenError;

/// How long orphans are waited for. One that hangs on a dead line for longer holds no lock file.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lock that lasts as long as a git process that was started under it.
pub(super) struct Gits {
    file: File,
    is_ours: Cell<bool>,
}

impl Gits {
    /// Opens the lock in the state folder `dir`.
    pub(super) fn in_folder(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("git.lock");
        let io = |source| OpenError::Io { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        fcntl_setfd(&file, FdFlags::empty()).map_err(|error| io(error.into()))?;
        Ok(Gits { file, is_ours: Cell::new(false) })
    }

    /// Waits until the git processes of the controller before have ended; asked again, it is answered at once.
    pub(super) fn wait_for_orphans(&self) {
        let started = Instant::now();
        while !self.is_ours.get() {
            self.is_ours.set(self.file.try_lock().is_ok());
            if started.elapsed() > PATIENCE {
                tracing::warn!("a git process of the controller before still runs");
                self.is_ours.set(true);
            } else if !self.is_ours.get() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
