//! The controller's own bare mirror of a remote: made, pointed at the remote, and tidied up.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::Doing as _;
use super::world::{REMOTE, SEEN_LEDGER};
use super::{Change, Git, RefPlace, Repository, Result, World};

/// Lock files that a git which died leaves beside those of single refs, below the repository's folder.
const LOCKS: [&str; 9] = [
    "index.lock",
    "HEAD.lock",
    "config.lock",
    "packed-refs.lock",
    "shallow.lock",
    "gc.pid.lock",
    "objects/maintenance.lock",
    "objects/info/commit-graph.lock",
    "objects/pack/multi-pack-index.lock",
];

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

/// Makes the bare repository `dir`, if it is not there, and lets its `origin` be `url`. One that was half made when its
/// process died is made whole.
pub fn create_mirror(dir: &Path, url: &str) -> Result<()> {
    std::fs::create_dir_all(dir).doing(|| format!("make the folder `{}`", dir.display()))?;
    Git::in_dir(dir).impersonal().run(&["init", "--quiet", "--bare", "--initial-branch=main", "."])?;
    // The address may hold a password.
    let config = dir.join("config");
    let own = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&config, own).doing(|| format!("keep others from reading `{}`", config.display()))?;
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

/// What a git that died left in the mirror `dir`: lock files of every kind, which block for ever, and packs that it was
/// writing, which only take space. Right only while no git runs there.
pub fn left_behind(dir: &Path) -> Vec<PathBuf> {
    let locks = LOCKS.iter().map(|name| dir.join(name));
    let mut found: Vec<_> = locks.filter(|path| path.symlink_metadata().is_ok()).collect();
    let written = |name: &str| name.starts_with("tmp_");
    found.extend(files(&dir.join("objects/pack")).filter(|(_, name)| written(name)).map(|(path, _)| path));
    let graphs = files(&dir.join("objects/info/commit-graphs"));
    found.extend(graphs.filter(|(_, name)| name.ends_with(".lock")).map(|(path, _)| path));
    let mut folders = vec![dir.join("refs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) if entry.path().extension().is_some_and(|end| end == "lock") => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

fn files(folder: &Path) -> impl Iterator<Item = (PathBuf, String)> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
}

impl World {
    /// Gives the remote back the newest ledger that was seen here, if what it has is an older one of the same line: it
    /// was restored from a backup, or said that it took a push and did not. Forward only, so nothing is overwritten.
    /// For a mirror: beside a person's clone it is that person who says which of the two holds.
    pub fn put_ledger_back(&self, repository: &Repository) -> Result<bool> {
        let seen = repository.read_ref(SEEN_LEDGER)?;
        let theirs = self.read(repository, &RefPlace::Ledger)?;
        let (Some(seen), Some(theirs)) = (seen, theirs) else { return Ok(false) };
        if !self.is_remote() || seen == theirs || !repository.is_ancestor(theirs, seen)? {
            return Ok(false);
        }
        let changes = [Change { place: RefPlace::Ledger, expected: Some(theirs), new: seen }];
        let written = self.write(repository, &changes, &BTreeSet::new(), None)?;
        let written = self.commit(repository, &changes, None, written)?;
        self.settle(repository, &changes, &BTreeSet::new(), written)?;
        Ok(true)
    }
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
