//! Writing what was staged: loose objects, or one pack where there are many.
//!
//! libgit2 writes one loose object after the other, and waits for the disk twice for each. Here all of them are
//! written first, synced together, named in the order of what they name, and their folders synced together: two
//! waits, whatever their number.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::{Compress, Compression, FlushCompress, Status};
use git2::ObjectType;
use tempfile::NamedTempFile;

use super::error::Doing as _;
use super::objects::oid;
use super::staging::Staged;
use super::{Repository, Result, durable};
use crate::domain::ObjectId;

/// Past this many new objects one pack is written instead of loose files: two fsyncs per object cost more than the
/// index of a small pack (measured at about 30 on ext4).
const LOOSE_AT_MOST: usize = 30;

/// Objects of so few bytes are not compressed. Each takes a block of the disk all the same, of 4 KB mostly, and a tenth of
/// a promotion's instructions were spent on it. Git compresses them when it packs or pushes them.
const STORED_AT_MOST: usize = 4_080;

/// The priority of a backend that is asked before those for packs and loose objects, which have 1 and 2.
const BEFORE_ALL_OTHERS: i32 = 1000;

/// What git's own unfinished objects are called; `git gc` removes forgotten ones.
const UNFINISHED: &str = "tmp_obj_";

impl Repository {
    /// Writes all staged objects, each synced to disk with its folder; the refs that name them move afterwards.
    pub fn flush(&self) -> Result<()> {
        self.flush_with(&[])
    }

    /// The same, with the files `beside` synced at the same time.
    pub(super) fn flush_with(&self, beside: &[PathBuf]) -> Result<()> {
        let staged = self.staged.take();
        let doing = || "open the object database".to_owned();
        let objects = self.common_dir().join("objects");
        // The handle that sees more cannot tell what is in the repository itself.
        let sees_more = self.quarantine.get().is_some() || self.shows_staged.get();
        let odb = if sees_more { database(&objects) } else { self.git.odb() }.doing(doing)?;
        // Without looking for new packs at each miss: an object that another process packed just now is written twice.
        let new = staged.in_order(|id| !odb.exists_ext(oid(id), git2::OdbLookupFlags::NO_REFRESH));
        if new.len() > LOOSE_AT_MOST {
            self.write_pack(&staged, &new)?;
            return durable::sync_together(beside);
        }
        drop(odb);
        write_loose(&objects, &staged, &new, beside)?;
        self.written.borrow_mut().extend(new);
        Ok(())
    }

    /// Lets libgit2 read the staged object `id` before it is written.
    pub fn show_staged(&self, id: ObjectId) -> Result<()> {
        let doing = || format!("show object {id} before it is written");
        let odb = self.git.odb().doing(doing)?;
        if !self.shows_staged.replace(true) {
            // Nothing else is written by way of this handle: from now on it would only go into memory.
            odb.add_new_mempack_backend(BEFORE_ALL_OTHERS).doing(doing)?;
        }
        let staged = self.staged.borrow();
        let (kind, bytes) = staged.get(id).expect("only staged objects are shown");
        odb.write(*kind, bytes).doing(doing).map(drop)
    }

    /// Lets git read all staged objects, if they are few, before they are written: until then they lie with the objects
    /// of drafts. Says whether they were few.
    pub(super) fn show_all_staged(&self) -> Result<bool> {
        let all = self.staged.borrow().in_order(|_| true);
        let few = all.len() <= LOOSE_AT_MOST;
        if !few {
            return Ok(false);
        }
        let objects = self.quarantine()?.objects();
        let mut deflate = Deflate::default();
        let staged = self.staged.borrow();
        for id in all {
            let (kind, bytes) = staged.get(id).expect("only staged objects are shown");
            let shown = write_unfinished(&objects, id, &deflate.object(*kind, bytes))
                .and_then(|unfinished| unfinished.file.persist(place_of(&objects, id)).map_err(|error| error.error));
            shown.doing(|| format!("prepare object {id} in the temporary folder"))?;
        }
        Ok(true)
    }

    /// One pack of the objects `new`.
    fn write_pack(&self, staged: &Staged, new: &[ObjectId]) -> Result<()> {
        let doing = || "write a pack".to_owned();
        // A handle of its own: a memory backend cannot be detached, and while it is attached its objects are seen by
        // nobody else.
        let scratch = git2::Repository::open(self.git.path()).doing(doing)?;
        let odb = scratch.odb().doing(doing)?;
        let _memory = odb.add_new_mempack_backend(BEFORE_ALL_OTHERS).doing(doing)?;
        let mut builder = scratch.packbuilder().doing(doing)?;
        for id in new {
            let (kind, bytes) = staged.get(*id).expect("only staged objects are written");
            odb.write(*kind, bytes).doing(doing)?;
            builder.insert_object(oid(*id), None).doing(doing)?;
        }
        builder.write(&self.git.commondir().join("objects/pack"), 0).doing(doing)?;
        Ok(())
    }
}

/// The objects below the folder `objects` and what it borrows from.
fn database(objects: &Path) -> std::result::Result<git2::Odb<'static>, git2::Error> {
    let odb = git2::Odb::new()?;
    odb.add_disk_alternate(&objects.to_string_lossy())?;
    Ok(odb)
}

/// Writes the objects `new`, which stand in the order in which they get their names, below the folder `objects`.
fn write_loose(objects: &Path, staged: &Staged, new: &[ObjectId], beside: &[PathBuf]) -> Result<()> {
    enum Waiting<'p> {
        Object(ObjectId, Vec<u8>),
        File(&'p Path),
    }
    let mut deflate = Deflate::default();
    let deflated = new.iter().map(|id| {
        let (kind, bytes) = staged.get(*id).expect("only staged objects are written");
        Waiting::Object(*id, deflate.object(*kind, bytes))
    });
    let waiting: Vec<_> = deflated.chain(beside.iter().map(|path| Waiting::File(path))).collect();
    let written = durable::together(&waiting, |waiting| match waiting {
        Waiting::Object(id, bytes) => write_unfinished(objects, *id, bytes)
            .and_then(|unfinished| unfinished.file.as_file().sync_all().map(|()| Some(unfinished)))
            .doing(|| format!("write object {id}")),
        Waiting::File(path) => durable::sync(path).map(|()| None),
    });
    let unfinished: Vec<_> = written.into_iter().collect::<Result<_>>()?;
    let mut folders = BTreeSet::new();
    // What an object names has its name before it: a full disk or a crash leaves nothing that git would call broken.
    for (id, file) in new.iter().zip(unfinished.into_iter().flatten()) {
        let place = place_of(objects, *id);
        let named = file.file.persist(&place).map_err(|error| error.error);
        named.doing(|| format!("write object {id}"))?;
        folders.insert(place.parent().expect("an object lies in a folder").to_owned());
        if file.in_new_folder {
            folders.insert(objects.to_owned());
        }
    }
    durable::sync_together(&folders.into_iter().collect::<Vec<_>>())
}

/// A new object under a temporary name in the folder where it belongs.
struct Unfinished {
    file: NamedTempFile,
    /// Whether the folder had to be made.
    in_new_folder: bool,
}

fn place_of(objects: &Path, id: ObjectId) -> PathBuf {
    let name = id.to_string();
    objects.join(&name[..2]).join(&name[2..])
}

/// What turns objects into the bytes of loose files. Making one costs more than most objects do.
struct Deflate {
    stored: Compress,
    fast: Compress,
}

impl Default for Deflate {
    fn default() -> Self {
        let with = |level| Compress::new(level, true);
        Deflate { stored: with(Compression::none()), fast: with(Compression::fast()) }
    }
}

impl Deflate {
    fn object(&mut self, kind: ObjectType, bytes: &[u8]) -> Vec<u8> {
        let header = format!("{kind} {}\0", bytes.len());
        let whole = [header.as_bytes(), bytes].concat();
        let stream = if whole.len() <= STORED_AT_MOST { &mut self.stored } else { &mut self.fast };
        stream.reset();
        // What cannot be compressed grows by five bytes for each 16 KB, and a few more (zlib's `deflateBound`).
        let mut deflated = Vec::with_capacity(whole.len() + whole.len() / 1_000 + 64);
        loop {
            let read = usize::try_from(stream.total_in()).expect("an object fits into memory");
            match stream.compress_vec(&whole[read..], &mut deflated, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return deflated,
                Ok(Status::Ok | Status::BufError) => deflated.reserve(whole.len() / 2 + 64),
                Err(error) => unreachable!("deflating into memory cannot fail: {error}"),
            }
        }
    }
}

/// Writes the bytes of a loose object as git does.
fn write_unfinished(objects: &Path, id: ObjectId, bytes: &[u8]) -> std::io::Result<Unfinished> {
    let place = place_of(objects, id);
    let folder = place.parent().expect("an object lies in a folder");
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(UNFINISHED).permissions(std::fs::Permissions::from_mode(0o444));
    let (mut file, in_new_folder) = match temporary.tempfile_in(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match std::fs::create_dir(folder) {
                // Another thread or process needed it too.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => made?,
            }
            (temporary.tempfile_in(folder)?, true)
        }
        made => (made?, false),
    };
    file.write_all(bytes)?;
    Ok(Unfinished { file, in_new_folder })
}
