//! Where the tour takes place, and what is left of it when somebody presses Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ops::Problem;

/// Where the tour takes place.
pub(super) enum Place {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    pub(super) fn new(keep: Option<&Path>) -> Result<Self, Problem> {
        let io = |error: std::io::Error| Problem::refused("io", format!("cannot make the repository: {error}"));
        let Some(dir) = keep else {
            let dir = tempfile::Builder::new().prefix("pointsman-demo-").tempdir().map_err(io)?;
            remove_when_interrupted(dir.path().to_owned());
            return Ok(Place::Temporary(dir));
        };
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            let message = format!("folder `{}` is not empty", dir.display());
            return Err(Problem::refused("taken", message).hint("--keep <a new folder>"));
        }
        std::fs::create_dir_all(dir).map_err(io)?;
        Ok(Place::Kept(dir.canonicalize().map_err(io)?))
    }

    pub(super) fn dir(&self) -> PathBuf {
        match self {
            Place::Kept(dir) => dir.clone(),
            Place::Temporary(dir) => dir.path().to_owned(),
        }
    }
}

/// Whether the tour is over and only its controller runs: then Ctrl-C is how it ends.
static OVER: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C end the process well from here on.
pub(super) fn tour_is_over() {
    OVER.store(true, Ordering::SeqCst);
}

/// Whether Ctrl-C was heard.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whoever removes the folder also ends the process.
pub(super) fn stop_here_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Ctrl-C ends the process without running destructors, so the folder is removed by whoever hears it.
fn remove_when_interrupted(dir: PathBuf) {
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            // What is being written at this moment may be made again behind the removal.
            for _ in 0..20 {
                let _ = std::fs::remove_dir_all(&dir);
                std::thread::sleep(Duration::from_millis(10));
            }
            std::process::exit(if OVER.load(Ordering::SeqCst) { 0 } else { 130 });
        }
    });
}
