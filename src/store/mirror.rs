//! The controller's own bare mirror of a remote: made, pointed at the remote, and tidied up.

use std::path::Path;

use super::error::Doing as _;
use super::world::REMOTE;
use super::{Git, Repository, Result};

/// What a mirror is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Objects that lie in files of their own.
    pub loose: u64,
    /// Objects in packs.
    pub packed: u64,
    /// Packs.
    pub packs: u64,
    /// What everything takes on disk, in bytes.
    pub bytes: u64,
}

/// Makes the bare repository `dir`, if it is not there, and lets its `origin` be `url`.
pub fn create_mirror(dir: &Path, url: &str) -> Result<()> {
    if !dir.join("HEAD").exists() {
        std::fs::create_dir_all(dir).doing(|| format!("make the folder `{}`", dir.display()))?;
        Git::in_dir(dir).impersonal().run(&["init", "--quiet", "--bare", "--initial-branch=main", "."])?;
    }
    let git = Git::in_dir(dir);
    for (key, value) in [
        (format!("remote.{REMOTE}.url"), url),
        // One append and one sync less per move; the ledger is the record.
        ("core.logAllRefUpdates".to_owned(), "false"),
        ("gc.auto".to_owned(), "0"),
        ("maintenance.auto".to_owned(), "false"),
    ] {
        git.run(&["config", "--replace-all", &key, value])?;
    }
    Ok(())
}

impl Repository {
    /// Packs refs and loose objects, and joins packs that have grown many. Deletes nothing that any ref names.
    pub fn maintain(&self) -> Result<()> {
        let git = Git::in_dir(self.git_dir());
        git.run(&["maintenance", "run", "--quiet", "--task=pack-refs", "--task=loose-objects"])?;
        git.run(&["repack", "-d", "-q", "--geometric=2"])?;
        Ok(())
    }

    /// Counts objects, as `git count-objects -v` does.
    pub fn count_objects(&self) -> Result<ObjectCounts> {
        let out = Git::in_dir(self.git_dir()).run(&["count-objects", "-v"])?;
        let text = String::from_utf8_lossy(&out).into_owned();
        let row = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        Ok(ObjectCounts {
            loose: row("count"),
            packed: row("in-pack"),
            packs: row("packs"),
            bytes: (row("size") + row("size-pack")) * 1024,
        })
    }
}
