//! The draft: what `git add -A -- <folder>` would write, computed without touching the user's index or objects.
//!
//! Git itself does it, on a copy of the index and with a quarantine in place of the object database, so that ignore
//! rules, line endings, sparse and split indexes and file modes are exactly git's; but for edits of files that it knows,
//! see [`super::draft_of_changes`]. Only `publish` takes objects out of the quarantine.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::SystemTime;

use git2::ObjectType;

use super::error::Doing as _;
use super::index::{self, IndexFile};
use super::objects::oid;
use super::quarantine::Quarantine;
use super::{Error, Git, Located, Repository, Result};
use crate::domain::ObjectId;

/// How many trees of a draft are made without git.
pub(super) const MOST_TREES: usize = 256;

/// About how many folders git is asked at once: they stand on its command line.
const ASKED_AT_ONCE: usize = 200;

/// A draft. Its objects are readable as long as the repository is open.
pub struct Draft {
    /// The tree of the whole index with the requested folders as they are on disk.
    pub root: ObjectId,
    /// Paths with an unresolved merge conflict, seen from the repository's root.
    pub(super) conflicted: BTreeSet<String>,
    /// Objects that were made without git; the others are in the quarantine.
    pub(super) made: Vec<ObjectId>,
    /// The folder in the quarantine, if git made any.
    pub(super) objects: Option<PathBuf>,
    /// The index that stands for it; nothing if nothing is tracked.
    pub(super) index: Option<DraftIndex>,
    /// The user's index when the draft was made.
    pub(super) base: Option<Vec<u8>>,
}

/// An index, and when it was written: git compares again what is younger.
pub(super) struct DraftIndex {
    pub(super) bytes: Vec<u8>,
    pub(super) written: Option<SystemTime>,
}

impl Draft {
    /// The conflicted paths that belong to `located`, its included files too, seen from the repository's root.
    pub fn conflicts_in(&self, located: &Located) -> Result<BTreeSet<String>> {
        let globs = super::content::matcher(&located.include)?;
        let inside = |path: &str| {
            located.folder.is_empty()
                || path.strip_prefix(located.folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        Ok(self.conflicted.iter().filter(|path| inside(path) || globs.is_match(path)).cloned().collect())
    }

    /// The objects in the quarantine.
    fn new_objects(&self) -> HashSet<ObjectId> {
        let folders = self.objects.iter().flat_map(std::fs::read_dir).flatten().flatten();
        let files = folders.flat_map(|folder| {
            let files = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
            files.filter_map(move |file| {
                let name = format!("{}{}", folder.file_name().to_str()?, file.file_name().to_str()?);
                name.parse().ok()
            })
        });
        files.collect()
    }
}

/// A draft that is still being read.
pub struct DraftUnderWay<'r>(Reading<'r>);

enum Reading<'r> {
    /// It was done at once.
    Done(Draft),
    /// Git is at it.
    Adding(Adding<'r>),
}

struct Adding<'r> {
    repository: &'r Repository,
    git: Git,
    adding: Option<JoinHandle<Result<Vec<u8>>>>,
    conflicted: BTreeSet<String>,
    folder: Option<tempfile::TempDir>,
    objects: PathBuf,
    base: Option<Vec<u8>>,
}

impl DraftUnderWay<'_> {
    /// Waits for it.
    pub fn finish(self) -> Result<Draft> {
        match self.0 {
            Reading::Done(draft) => Ok(draft),
            Reading::Adding(adding) => adding.finish(),
        }
    }
}

impl Adding<'_> {
    fn finish(mut self) -> Result<Draft> {
        if let Some(adding) = self.adding.take() {
            adding.join().expect("waiting for git does not panic")?;
        }
        let folder = self.folder.take().expect("a draft is finished once");
        let index = folder.path().join("index");
        let doing = || "read the draft's index".to_owned();
        let read = match std::fs::read(&index) {
            Ok(bytes) => Some(DraftIndex { bytes, written: modified(&index) }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).doing(doing),
        };
        let (root, made) = if self.conflicted.is_empty() {
            match read.as_ref().and_then(|index| self.repository.tree_of_plain(&index.bytes)) {
                Some(found) => found,
                None => (write_tree(&self.git)?, Vec::new()),
            }
        } else {
            // Conflicts elsewhere stop git from writing any tree. They are not this draft's business, and stay in the
            // index that a publish installs: only a copy for the tree goes without them.
            let copy = folder.path().join("index-for-tree");
            std::fs::copy(&index, &copy).doing(|| "prepare a draft in the temporary folder".to_owned())?;
            let git = self.git.clone().env("GIT_INDEX_FILE", &copy);
            git.run_with_input(&["update-index", "--force-remove", "-z", "--stdin"], unmerged_paths(&git)?)?;
            (write_tree(&git)?, Vec::new())
        };
        let (conflicted, objects) = (std::mem::take(&mut self.conflicted), Some(std::mem::take(&mut self.objects)));
        Ok(Draft { root, conflicted, made, objects, index: read, base: self.base.take() })
    }
}

impl Drop for Adding<'_> {
    /// Git writes into a folder that goes with this.
    fn drop(&mut self) {
        if let Some(adding) = self.adding.take() {
            let _ = adding.join();
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// Writes `bytes` to the new file `path`, with the time of modification that git's index checks rely on.
fn write_index(path: &Path, bytes: &[u8], time: Option<SystemTime>) -> std::io::Result<std::fs::File> {
    use std::io::Write as _;
    let mut file = std::fs::File::options().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    if let Some(time) = time {
        file.set_modified(time)?;
    }
    Ok(file)
}

impl Repository {
    pub(super) fn index_file(&self) -> PathBuf {
        self.git_dir().join("index")
    }

    /// The draft of the agents `located`.
    pub fn draft(&self, located: &[&Located]) -> Result<Draft> {
        self.begin_draft(located)?.finish()
    }

    /// Begins with the draft of the agents `located`. Where git has to be asked, it is at it beside whatever the caller
    /// does meanwhile.
    pub fn begin_draft(&self, located: &[&Located]) -> Result<DraftUnderWay<'_>> {
        let work_dir = self.work_dir().ok_or_else(|| Error::Unsupported {
            what: "a bare repository has no working tree, so no draft".to_owned(),
            hint: "name a branch instead: draft:<branch>".to_owned(),
        })?;
        let doing = || "prepare a draft in the temporary folder".to_owned();
        let base = index::read(&self.index_file());
        if let Some((bytes, written)) = &base
            && let Some(draft) = self.draft_of_changes(work_dir, bytes, *written, located)
        {
            return Ok(DraftUnderWay(Reading::Done(draft)));
        }
        let base = base.map(|(bytes, _)| bytes);
        let quarantine = self.quarantine()?;
        let (folder, objects) = (quarantine.for_index().doing(doing)?, quarantine.objects());
        let index = folder.path().join("index");
        if let Some(bytes) = &base {
            // The copy keeps the index's time, or git would trust entries that it must compare again.
            write_index(&index, bytes, modified(&self.index_file())).doing(doing)?;
        }
        let mut git = Git::in_dir(work_dir)
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_OBJECT_DIRECTORY", &objects)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.common_dir().join("objects"))
            .setting("core.splitIndex=false")
            // A program that the repository names may be wrong about what changed; the disk is not.
            .setting("core.fsmonitor=false")
            .setting("core.fsync=none")
            .setting("core.safecrlf=false");
        if let [only] = located
            && !only.folder.is_empty()
        {
            // Threads that look at the whole working tree cost more than they gain where one folder is asked for.
            git = git.setting("core.preloadIndex=false");
        }
        // Adding a file settles its conflict in git's eyes, so conflicts are read first. Not only merges make them.
        let conflicted = match &base {
            None => BTreeSet::new(),
            Some(bytes) => match IndexFile::read(bytes) {
                Some(plain) => plain.unmerged(),
                None => unmerged(&git)?,
            },
        };
        let pathspecs = self.pathspecs(&git, located)?;
        let adding = (!pathspecs.is_empty()).then(|| {
            let git = git.clone();
            // Thousands of folders do not fit on a command line.
            let args = ["add", "-A", "--sparse", "--pathspec-from-file=-", "--pathspec-file-nul"];
            std::thread::spawn(move || git.run_with_input(&args, pathspecs.join("\0").into_bytes()))
        });
        let adding = Adding { repository: self, git, adding, conflicted, folder: Some(folder), objects, base };
        Ok(DraftUnderWay(Reading::Adding(adding)))
    }

    /// Whether git would add something of `folder`.
    pub fn would_add(&self, folder: &str) -> Result<bool> {
        let Some(work_dir) = self.work_dir() else { return Ok(false) };
        Ok(!to_add(&Git::in_dir(work_dir), &[format!(":(top,literal){folder}")])?.is_empty())
    }

    /// The tree of the index `bytes`, with those that git has not cached in it; nothing if only git can say it.
    fn tree_of_plain(&self, bytes: &[u8]) -> Option<(ObjectId, Vec<ObjectId>)> {
        let mut new = Vec::new();
        let root = IndexFile::read(bytes)?.tree(&mut new)?;
        // Git notes in the index which trees it has written. Where many are not noted, it is time that it does.
        (new.len() <= MOST_TREES).then(|| (root, self.keep_drafted(ObjectType::Tree, new)))
    }

    /// Keeps objects of a draft that are in no quarantine.
    pub(super) fn keep_drafted(&self, kind: ObjectType, objects: Vec<(ObjectId, Vec<u8>)>) -> Vec<ObjectId> {
        let ids = objects.iter().map(|(id, _)| *id).collect();
        self.drafted.borrow_mut().extend(objects.into_iter().map(|(id, bytes)| (id, (kind, bytes))));
        ids
    }

    /// The folder for new objects of drafts, which libgit2 reads like the repository's own.
    pub(super) fn quarantine(&self) -> Result<&Quarantine> {
        if let Some(made) = self.quarantine.get() {
            return Ok(made);
        }
        let doing = || "prepare a draft in the temporary folder".to_owned();
        let quarantine = Quarantine::new().doing(doing)?;
        let odb = self.git.odb().doing(|| "open the object database".to_owned())?;
        odb.add_disk_alternate(&quarantine.objects().to_string_lossy()).doing(doing)?;
        Ok(self.quarantine.get_or_init(|| quarantine))
    }

    /// What `git add` is asked for: folders by their literal path, included files by glob. Git fails on a pathspec
    /// for which it has nothing to do, so those are left out.
    fn pathspecs(&self, git: &Git, located: &[&Located]) -> Result<Vec<String>> {
        let work_dir = self.work_dir().expect("a draft has a working tree");
        let head = self.head_tree()?;
        let (mut pathspecs, mut unsure) = (Vec::new(), Vec::new());
        for agent in located {
            let known = match head {
                Some(tree) => self.tree_at(tree, &agent.folder)?.is_some(),
                None => false,
            };
            // A folder that is known and there has something for git to look at. Any other may be ignored, empty,
            // deleted, or left out by a sparse checkout.
            if known && work_dir.join(&agent.folder).is_dir() {
                pathspecs.push(agent.pathspec());
            } else {
                unsure.push(*agent);
            }
            for glob in &agent.include {
                let spec = format!(":(top,glob){glob}");
                if !to_add(git, std::slice::from_ref(&spec))?.is_empty() {
                    pathspecs.push(spec);
                }
            }
        }
        for some in unsure.chunks(ASKED_AT_ONCE) {
            let specs: Vec<String> = some.iter().map(|agent| agent.pathspec()).collect();
            let found = to_add(git, &specs)?;
            let those = some.iter().zip(specs).filter(|(agent, _)| is_in(&found, &agent.folder));
            pathspecs.extend(those.map(|(_, spec)| spec));
        }
        Ok(pathspecs)
    }

    /// Files of the working tree that git tracks or would add, by path from the top.
    pub fn work_files(&self) -> Result<Vec<String>> {
        let Some(work_dir) = self.work_dir() else { return Ok(Vec::new()) };
        let out = Git::in_dir(work_dir).run(&["ls-files", "-z", "-c", "-o", "--exclude-standard"])?;
        let mut paths: Vec<String> = out
            .split(|&c| c == 0)
            .filter_map(|path| String::from_utf8(path.to_vec()).ok())
            .filter(|path| !path.is_empty() && work_dir.join(path).symlink_metadata().is_ok())
            .collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    /// The tree of HEAD; nothing on an unborn branch.
    pub fn head_tree(&self) -> Result<Option<ObjectId>> {
        match self.read_ref("HEAD")? {
            Some(head) => Ok(Some(self.commit(head)?.tree)),
            None => Ok(None),
        }
    }

    /// Takes what the draft's quarantine holds into the staged objects: all of it, whatever trees name it. A tree that
    /// is in the repository already may lack what lies below it, after a full disk or a crash.
    pub fn stage_from_draft(&self, draft: &Draft) -> Result<()> {
        let odb = self.git.odb().doing(|| "open the object database".to_owned())?;
        for id in draft.new_objects() {
            let object = odb.read(oid(id)).doing(|| format!("read object {id}"))?;
            self.stage(object.kind(), object.data().to_vec());
        }
        for id in &draft.made {
            let (kind, bytes) = self.drafted.borrow().get(id).cloned().expect("objects of drafts are kept");
            self.stage(kind, bytes);
        }
        Ok(())
    }
}

fn write_tree(git: &Git) -> Result<ObjectId> {
    let printed = git.run(&["write-tree"])?;
    String::from_utf8_lossy(&printed).trim().parse().map_err(|_| Error::Corrupt {
        what: "`git write-tree` did not print an object id".to_owned(),
        hint: "git --version".to_owned(),
    })
}

/// Paths with an unresolved conflict, each ended by a NUL.
fn unmerged_paths(git: &Git) -> Result<Vec<u8>> {
    let out = git.run(&["ls-files", "-u", "-z", "--", ":(top)"])?;
    let rows = out.split(|&c| c == 0).filter_map(|row| row.iter().position(|&c| c == b'\t').map(|tab| &row[tab + 1..]));
    Ok(rows.flat_map(|path| [path, b"\0"].concat()).collect())
}

fn unmerged(git: &Git) -> Result<BTreeSet<String>> {
    let paths = unmerged_paths(git)?;
    let paths = paths.split(|&c| c == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}

/// What `git add` would find at `pathspecs`: new, changed or deleted files.
fn to_add(git: &Git, pathspecs: &[String]) -> Result<BTreeSet<Vec<u8>>> {
    let asked = ["ls-files", "-z", "-o", "-m", "-d", "--exclude-standard", "--"].map(str::to_owned);
    let out = git.run(&[&asked[..], pathspecs].concat())?;
    Ok(out.split(|&c| c == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Whether one of `paths` is `folder`, or in it. The empty one is the top.
fn is_in(paths: &BTreeSet<Vec<u8>>, folder: &str) -> bool {
    if folder.is_empty() {
        return !paths.is_empty();
    }
    let below = format!("{folder}/").into_bytes();
    let first = paths.range(below.clone()..).next();
    paths.contains(folder.as_bytes()) || first.is_some_and(|path| path.starts_with(&below))
}
