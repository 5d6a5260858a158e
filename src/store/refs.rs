//! Refs of this repository. Every move says what it expects to find; nothing is ever overwritten blindly.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::error::Doing as _;
use super::git_program::Git;
use super::ref_files::Loose;
use super::ref_moves::RefMoves;
use super::{Error, Repository, Result};
use super::{locks, ref_files};
use crate::domain::ObjectId;

/// How many symbolic refs may name one another; git follows five.
const LONGEST_CHAIN: usize = 6;

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
        if let Some(received) = self.received.get(name) {
            return Ok(*received);
        }
        let mut name = name.to_owned();
        for _ in 0..LONGEST_CHAIN {
            match self.read_loose(&name)? {
                Some(Loose::Direct(id)) => return Ok(Some(id)),
                Some(Loose::Symbolic(target)) => name = target,
                Some(Loose::Garbage) => {
                    return Err(Error::Corrupt {
                        what: format!("the file of `{name}` holds something that is not an object id"),
                        hint: self.mend_garbage(&name),
                    });
                }
                None => return self.packed_refs.find(self.common_dir(), &name),
            }
        }
        Err(Error::Corrupt {
            what: format!("`{name}` is a symbolic ref that leads nowhere"),
            hint: format!("git symbolic-ref -d {name}"),
        })
    }

    /// The ref that moves when `name` is moved: the one that it names, where it is symbolic.
    pub(super) fn moved_name(&self, name: &str) -> String {
        let mut name = name.to_owned();
        for _ in 0..LONGEST_CHAIN {
            match self.read_symbolic(&name) {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }

    fn read_loose(&self, name: &str) -> Result<Option<Loose>> {
        // A name that breaks git's own rules cannot exist.
        if !git2::Reference::is_valid_name(name) {
            return Ok(None);
        }
        ref_files::read_loose(&self.file_of_ref(name)).doing(|| format!("read `{name}`"))
    }

    /// Where the ref `name` is as a loose file. Linked worktrees have a HEAD each and share all else that is read here.
    pub(super) fn file_of_ref(&self, name: &str) -> PathBuf {
        if name.starts_with("refs/") { self.common_dir().join(name) } else { self.git_dir().join(name) }
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
        match self.read_loose(name) {
            Ok(Some(Loose::Symbolic(target))) => Some(target),
            _ => None,
        }
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
        let mut refs = ref_files::list(&self.packed_refs, self.common_dir(), prefix)?;
        for (name, new) in self.received.iter().filter(|(name, _)| name.starts_with(prefix)) {
            match new {
                Some(new) => refs.insert(name.clone(), *new),
                None => refs.remove(name),
            };
        }
        Ok(refs.into_iter().collect())
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

    /// Moves one ref from `expected` to `new`; `log` goes into its reflog.
    pub fn move_ref(&self, name: &str, expected: Option<ObjectId>, new: ObjectId, log: &str) -> Result<()> {
        let mut moves = RefMoves::prepare(self, [new])?;
        moves.make(name, expected, new, log)?;
        moves.finish()
    }

    /// Moves a ref away from an object that is gone. Its log goes with it: git takes a log that names a missing
    /// object for damage.
    pub(super) fn replace_dangling(&self, name: &str, lost: ObjectId, new: ObjectId, log: &str) -> Result<()> {
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
    pub(super) fn obstacle(&self, name: &str) -> Result<Option<Error>> {
        if let Some(above) = self.obstacle_above(name)? {
            return Ok(Some(above));
        }
        let below = self.list_refs(&format!("{name}/"))?;
        Ok(below.first().map(|(below, _)| cannot_stand_beside(name, below)))
    }

    pub(super) fn moved(&self, name: &str, expected: Option<ObjectId>) -> Error {
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
