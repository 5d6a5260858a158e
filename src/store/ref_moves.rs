//! Moving refs one after the other with two waits for the disk, however many they are.
//!
//! The new values are written and synced first, apart from the refs. Each move then takes the ref's lock by giving its
//! value the lock's name, looks whether the ref is where it is expected, and renames the lock: what git and libgit2
//! do, but never waiting for the disk while others wait for the lock, and hardly ever leaving one when killed. The
//! folders are synced at the end, which is when the moves may be told as done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tempfile::NamedTempFile;

use super::error::Doing as _;
use super::ref_files::{Loose, read_loose};
use super::{Error, Repository, Result, durable, locks};
use crate::domain::ObjectId;

/// Where values wait, below our own folder.
const WAITING: &str = "moving";

/// Files that a dead process left there are removed after this long.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// Moves that were prepared.
pub(super) struct RefMoves<'r> {
    repository: &'r Repository,
    /// Files with the new values; each is used up by one move. Refs never share one, or what damages a file in place would
    /// damage them all.
    values: BTreeMap<ObjectId, Vec<NamedTempFile>>,
    /// Folders in which a name changed.
    changed: BTreeSet<PathBuf>,
}

impl<'r> RefMoves<'r> {
    /// Gets the values `new` ready, one for each move that is to be made.
    pub(super) fn prepare(repository: &'r Repository, new: impl IntoIterator<Item = ObjectId>) -> Result<Self> {
        let moves = Self::prepare_unsynced(repository, new)?;
        durable::sync_together(&moves.files())?;
        Ok(moves)
    }

    /// The same for who syncs [`Self::files`] together with others, before the first move.
    pub(super) fn prepare_unsynced(
        repository: &'r Repository,
        new: impl IntoIterator<Item = ObjectId>,
    ) -> Result<Self> {
        let doing = || "get ready to move refs".to_owned();
        remove_forgotten(repository);
        let mut values: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for id in new {
            let mut file = waiting_file(repository).doing(doing)?;
            file.write_all(format!("{id}\n").as_bytes()).doing(doing)?;
            values.entry(id).or_default().push(file);
        }
        Ok(RefMoves { repository, values, changed: BTreeSet::new() })
    }

    /// The files that hold the values.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.values.values().flatten().map(|file| file.path().to_owned()).collect()
    }

    /// Moves the ref `name` from `expected` to `new`, which was prepared; `log` goes into its reflog.
    pub(super) fn make(&mut self, name: &str, expected: Option<ObjectId>, new: ObjectId, log: &str) -> Result<()> {
        let repository = self.repository;
        if let Some(lost) = expected.filter(|&lost| !repository.has(lost)) {
            return repository.replace_dangling(name, lost, new, log);
        }
        let name = &repository.moved_name(name);
        let value = self.values.get_mut(&new).and_then(Vec::pop).expect("a value is prepared for each move");
        let place = repository.file_of_ref(name);
        let lock = self.lock(name, &place, value.path())?;
        if read_current(repository, name, &place)? != expected {
            return Err(repository.moved(name, expected));
        }
        if expected.is_none()
            && let Some(obstacle) = repository.obstacle(name)?
        {
            return Err(obstacle);
        }
        // Before the move, as git does it: a log may say too much, but a ref never moves unlogged.
        repository.log_move(name, expected, new, log)?;
        lock.replace(&place).doing(|| format!("move `{name}`"))
    }

    /// Syncs the folders: from here on the moves outlive a power cut.
    pub(super) fn finish(&mut self) -> Result<()> {
        durable::sync_together(&std::mem::take(&mut self.changed).into_iter().collect::<Vec<_>>())
    }

    /// Takes the lock of `name`, with the content of the file `value`.
    fn lock(&mut self, name: &str, place: &Path, value: &Path) -> Result<Lock> {
        let path = locks::lock_of(self.repository, name);
        let folder = place.parent().expect("a ref has a name in a folder");
        let started = Instant::now();
        loop {
            match link_or_copy(value, &path) {
                Ok(()) => {
                    self.changed.insert(folder.to_owned());
                    return Ok(Lock(Some(path)));
                }
                Err(error) => match error.kind() {
                    ErrorKind::AlreadyExists if started.elapsed() < locks::PATIENCE => {
                        std::thread::sleep(Duration::from_millis(2 + u64::from(std::process::id() % 5)));
                    }
                    ErrorKind::AlreadyExists => return Err(locks::blocking(self.repository, name)),
                    // Git removes folders that its last ref left, also between these two lines.
                    ErrorKind::NotFound if started.elapsed() < locks::PATIENCE => {
                        self.changed.extend(durable::folders_to_grow(place));
                        if let Err(error) = std::fs::create_dir_all(folder) {
                            return Err(self.in_the_way(name, error));
                        }
                    }
                    _ => return Err(self.in_the_way(name, error)),
                },
            }
        }
    }

    /// Why there is no place for `name`: a ref that is called like one of its folders, or what the system says.
    fn in_the_way(&self, name: &str, error: std::io::Error) -> Error {
        match self.repository.obstacle(name) {
            Ok(Some(obstacle)) => obstacle,
            _ => Error::io(format!("move `{name}`"), error),
        }
    }
}

/// A lock that is held; it goes if nothing comes of it.
struct Lock(Option<PathBuf>);

impl Lock {
    /// Makes the locked value the one of `place`.
    fn replace(mut self, place: &Path) -> std::io::Result<()> {
        let path = self.0.take().expect("a lock is used once");
        let renamed = std::fs::rename(&path, place).or_else(|error| {
            // Empty folders are what is left of refs that lay below.
            let cleared = error.kind() == ErrorKind::IsADirectory && remove_empty(place).is_ok();
            if cleared { std::fs::rename(&path, place) } else { Err(error) }
        });
        if renamed.is_err() {
            self.0 = Some(path);
        }
        renamed
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Gives the synced file `value` the name `lock` too, if nothing has it; copies it where files have one name only.
pub(super) fn link_or_copy(value: &Path, lock: &Path) -> std::io::Result<()> {
    use ErrorKind::{AlreadyExists, NotADirectory, NotFound, ReadOnlyFilesystem, StorageFull};
    match std::fs::hard_link(value, lock) {
        Err(error) => match error.kind() {
            AlreadyExists | NotADirectory | NotFound | ReadOnlyFilesystem | StorageFull => Err(error),
            _ => {
                let mut copy = std::fs::File::create_new(lock)?;
                let time = value.metadata()?.modified()?;
                let written = copy.write_all(&std::fs::read(value)?).and_then(|()| copy.set_modified(time));
                let written = written.and_then(|()| copy.sync_all());
                written.inspect_err(|_| drop(std::fs::remove_file(lock)))
            }
        },
        linked => linked,
    }
}

/// A new file in the folder of what waits for its name.
pub(super) fn waiting_file(repository: &Repository) -> std::io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = repository.own_dir().join(WAITING);
    let mut file = tempfile::Builder::new();
    file.permissions(std::fs::Permissions::from_mode(0o666));
    match file.tempfile_in(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(&folder)?;
            file.tempfile_in(&folder)
        }
        made => made,
    }
}

fn remove_forgotten(repository: &Repository) {
    use std::os::unix::fs::MetadataExt as _;
    let folder = repository.own_dir().join(WAITING);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // An index has the time of what it was made from; when a file got that is another time.
        let since = entry.metadata().map_or(now, |meta| u64::try_from(meta.ctime()).unwrap_or(now));
        if now.saturating_sub(since) > FORGOTTEN.as_secs() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn remove_empty(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        remove_empty(&entry?.path())?;
    }
    std::fs::remove_dir(folder)
}

/// What stands at `name` now, while its lock is held. A symbolic ref is never what was expected.
fn read_current(repository: &Repository, name: &str, place: &Path) -> Result<Option<ObjectId>> {
    match read_loose(place).doing(|| format!("read `{name}`"))? {
        Some(Loose::Direct(id)) => Ok(Some(id)),
        Some(Loose::Symbolic(_)) => Ok(Some(ObjectId::ZERO)),
        Some(Loose::Garbage) | None => repository.read_ref(name),
    }
}
