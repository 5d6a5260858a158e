//! Refs of this repository. Every move says what it expects to find; nothing is ever overwritten blindly.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use git2::ErrorCode;

use super::durable;
use super::error::Doing as _;
use super::git_program::Git;
use super::objects::{id, oid};
use super::{Error, Repository, Result};
use super::{locks, ref_files};
use crate::domain::ObjectId;

/// One ref and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// The full name.
    pub name: String,
    /// What must stand there; nothing if the ref must not exist.
    pub expected: Option<ObjectId>,
    /// What stands there afterwards; nothing deletes the ref.
    pub new: Option<ObjectId>,
}

impl Repository {
    /// What the ref `name` points at, symbolic refs followed.
    pub fn read_ref(&self, name: &str) -> Result<Option<ObjectId>> {
        match self.git.refname_to_id(name) {
            Ok(target) => Ok(Some(id(target))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            // A name that breaks git's own rules cannot exist.
            Err(error) if error.code() == ErrorCode::InvalidSpec => Ok(None),
            Err(error) if self.is_garbage(name, &error) => Err(Error::Corrupt {
                what: format!("the file of `{name}` holds something that is not an object id"),
                hint: self.mend_garbage(name),
            }),
            Err(source) => Err(Error::Git { doing: format!("read `{name}`"), source }),
        }
    }

    /// Whether reading the ref failed on the content of its file, as an empty one after a power cut.
    fn is_garbage(&self, name: &str, error: &git2::Error) -> bool {
        error.class() == git2::ErrorClass::Reference && self.common_dir().join(name).is_file()
    }

    /// Our own refs are made again from what the others say; where a branch of the user's was, only its log knows.
    fn mend_garbage(&self, name: &str) -> String {
        let file = self.common_dir().join(name);
        match name.strip_prefix("refs/heads/").filter(|_| self.read_symbolic("HEAD").as_deref() == Some(name)) {
            Some(branch) => format!(
                "git reflog {branch} shows where it was; then: rm '{}' && git update-ref {name} <commit>",
                file.display()
            ),
            None => format!("rm '{}' && pointsman reconcile --once", file.display()),
        }
    }

    /// The ref that the symbolic ref `name` names.
    pub fn read_symbolic(&self, name: &str) -> Option<String> {
        let reference = self.git.find_reference(name).ok()?;
        String::from_utf8(reference.symbolic_target_bytes()?.to_vec()).ok()
    }

    /// The branches that this repository or one of its linked worktrees has checked out.
    pub(super) fn checked_out_branches(&self) -> BTreeSet<String> {
        let worktrees = std::fs::read_dir(self.common_dir().join("worktrees")).into_iter().flatten().flatten();
        let heads = worktrees.map(|entry| entry.path()).chain([self.common_dir().to_owned()]);
        let heads = heads.filter_map(|dir| std::fs::read_to_string(dir.join("HEAD")).ok());
        heads.filter_map(|head| Some(head.trim().strip_prefix("ref: ")?.to_owned())).collect()
    }

    /// All refs below `prefix` (which ends in a slash), in the order of their names.
    pub fn list_refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>> {
        Ok(ref_files::list(self.common_dir(), prefix)?.into_iter().collect())
    }

    /// A text that differs whenever a ref does, and when a ref file was last written. Packed refs are told by their
    /// file's identity, loose ones by what they hold.
    pub fn refs_state(&self) -> Result<(String, std::time::SystemTime)> {
        use std::os::unix::fs::MetadataExt as _;
        let common = self.common_dir();
        let mut state = String::new();
        let mut newest = std::time::SystemTime::UNIX_EPOCH;
        for file in [common.join("packed-refs"), common.join("config"), common.join("shallow")] {
            if let Ok(meta) = file.metadata() {
                newest = newest.max(meta.modified().unwrap_or(newest));
                let time = (meta.mtime(), meta.mtime_nsec());
                state.push_str(&format!("{} {time:?} {} {}\n", file.display(), meta.size(), meta.ino()));
            }
        }
        let mut loose = Vec::new();
        let mut folders = vec![common.join("refs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).doing(|| format!("list `{}`", folder.display()))?.flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else {
                    let written = entry.metadata().and_then(|meta| meta.modified());
                    newest = newest.max(written.unwrap_or(newest));
                    loose.push((path.clone(), std::fs::read(&path).unwrap_or_default()));
                }
            }
        }
        loose.push((self.git_dir().join("HEAD"), std::fs::read(self.git_dir().join("HEAD")).unwrap_or_default()));
        loose.sort();
        for (path, bytes) in loose {
            state.push_str(&format!("{} {}\n", path.display(), String::from_utf8_lossy(&bytes).trim()));
        }
        Ok((state, newest))
    }

    /// Moves the checked-out branch, or HEAD itself where it is detached.
    pub fn move_head(&self, expected: ObjectId, new: ObjectId, log: &str) -> Result<()> {
        let name = self.read_symbolic("HEAD").unwrap_or_else(|| "HEAD".to_owned());
        self.move_ref(&name, Some(expected), new, log)
    }

    /// Moves one ref from `expected` to `new`; `log` goes into its reflog.
    pub fn move_ref(&self, name: &str, expected: Option<ObjectId>, new: ObjectId, log: &str) -> Result<()> {
        let growing = durable::folders_to_grow(&self.common_dir().join(name));
        if let Some(lost) = expected.filter(|&lost| !self.has(lost)) {
            return self.replace_dangling(name, lost, new, log);
        }
        let started = Instant::now();
        loop {
            let tried = self.git.reference_matching(name, oid(new), true, oid(expected.unwrap_or(ObjectId::ZERO)), log);
            let error = match tried {
                Ok(_) => return durable::sync_together(&growing),
                Err(error) => error,
            };
            match error.code() {
                // Three codes mean "somebody was faster": changed, gone, and there already.
                ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Exists => {
                    return Err(self.moved(name, expected));
                }
                ErrorCode::Locked if started.elapsed() < locks::PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5 + u64::from(std::process::id() % 7)));
                }
                ErrorCode::Locked => return Err(locks::blocking(self, name)),
                _ => {
                    return Err(self
                        .obstacle(name)?
                        .unwrap_or(Error::Git { doing: format!("move `{name}`"), source: error }));
                }
            }
        }
    }

    /// Moves a ref away from an object that is gone. Its log goes with it: git takes a log that names a missing
    /// object for damage.
    fn replace_dangling(&self, name: &str, lost: ObjectId, new: ObjectId, log: &str) -> Result<()> {
        self.move_refs(&[RefUpdate { name: name.to_owned(), expected: Some(lost), new: None }])?;
        self.move_ref(name, None, new, log)
    }

    /// What makes the ref `name` impossible: a ref that is called like a folder of it.
    pub(super) fn obstacle_above(&self, name: &str) -> Result<Option<Error>> {
        let above = name.match_indices('/').map(|(end, _)| &name[..end]).filter(|above| above.matches('/').count() > 1);
        for above in above {
            if self.read_ref(above)?.is_some() {
                return Ok(Some(cannot_stand_beside(name, above)));
            }
        }
        Ok(None)
    }

    /// The same, or a ref that lies below it.
    fn obstacle(&self, name: &str) -> Result<Option<Error>> {
        if let Some(above) = self.obstacle_above(name)? {
            return Ok(Some(above));
        }
        let below = self.list_refs(&format!("{name}/"))?;
        Ok(below.first().map(|(below, _)| cannot_stand_beside(name, below)))
    }

    fn moved(&self, name: &str, expected: Option<ObjectId>) -> Error {
        Error::RefMoved { name: name.to_owned(), expected, actual: self.read_ref(name).ok().flatten() }
    }

    /// Moves several refs or none: git verifies all of them before it changes the first.
    pub fn move_refs(&self, updates: &[RefUpdate]) -> Result<()> {
        if updates.is_empty() {
            return Ok(());
        }
        let mut input = Vec::new();
        for RefUpdate { name, expected, new } in updates {
            let expected = expected.unwrap_or(ObjectId::ZERO);
            match new {
                Some(new) => input.extend(format!("update {name}\0{new}\0{expected}\0").into_bytes()),
                None => input.extend(format!("delete {name}\0{expected}\0").into_bytes()),
            }
        }
        let git = Git::in_dir(self.common_dir()).setting("core.fsync=all").env("GIT_DIR", self.common_dir());
        let failure = match git.run_with_input(&["update-ref", "-m", "pointsman", "-z", "--stdin"], input) {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        // Why it failed is read from the refs, never from git's words.
        for RefUpdate { name, expected, .. } in updates {
            if self.read_ref(name)? != *expected {
                return Err(self.moved(name, *expected));
            }
        }
        match updates.iter().find(|update| locks::lock_of(self, &update.name).exists()) {
            Some(update) => Err(locks::blocking(self, &update.name)),
            None => Err(failure),
        }
    }
}

fn cannot_stand_beside(name: &str, other: &str) -> Error {
    let hint = match (other.strip_prefix("refs/heads/"), other.strip_prefix("refs/tags/")) {
        (Some(branch), _) => format!("rename that one: git branch -m {branch} <another name>"),
        (_, Some(tag)) => format!("rename that one: git tag <another name> {tag} && git tag -d {tag}"),
        _ => format!("git update-ref -d {other}"),
    };
    let what = format!("`{name}` cannot be made beside `{other}`: git keeps refs like files and folders");
    Error::Unsupported { what, hint }
}
