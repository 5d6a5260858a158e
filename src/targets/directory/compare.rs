//! Comparing a deployment on disk with what was delivered. Nothing is followed: where a folder or a file was, a symlink
//! is a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::Bytes;
use rustix::fs::OFlags;

/// How every file and folder of a deployment looked when it was compared.
pub(super) type Prints = Vec<(String, Print)>;

/// What changes when a file is written: its size, its times, and which file it is. The change time cannot be set back by
/// an editor that keeps the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Print {
    fn of(found: &Metadata) -> Self {
        Print {
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// Whether all files and folders look as they did.
pub(super) fn looks_the_same(folder: &Path, prints: &Prints) -> bool {
    prints
        .iter()
        .all(|(path, print)| folder.join(path).symlink_metadata().is_ok_and(|found| Print::of(&found) == *print))
}

/// Compares everything below `folder` with `files`, byte by byte. The inner error is the first difference, in words.
pub(super) fn compare(folder: &Path, files: &BTreeMap<String, Bytes>) -> io::Result<Result<Prints, String>> {
    let mut folders = BTreeSet::from([""]);
    for path in files.keys() {
        folders.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    // Folders are noted before they are listed, so that what is added meanwhile is seen the next time.
    let mut prints: Prints = Vec::with_capacity(files.len() + folders.len());
    for path in folders {
        let found = match folder.join(path).symlink_metadata() {
            Ok(found) if found.is_dir() => found,
            Ok(_) => return Ok(Err(format!("`{path}` is no folder any more"))),
            Err(error) => return difference(path, error),
        };
        prints.push((path.to_owned(), Print::of(&found)));
        let entries = match std::fs::read_dir(folder.join(path)) {
            Ok(entries) => entries,
            Err(error) => return difference(path, error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            let known = if entry.file_type()?.is_dir() {
                files.range(format!("{path}/")..).next().is_some_and(|(next, _)| next.starts_with(&format!("{path}/")))
            } else {
                files.contains_key(&path)
            };
            if !known {
                return Ok(Err(format!("`{path}` was added")));
            }
        }
    }
    for (path, wanted) in files {
        let place = folder.join(path);
        let found = match place.symlink_metadata() {
            Ok(found) => found,
            Err(error) => return difference(path, error),
        };
        match read_file(&place, wanted.len() as u64) {
            Ok(bytes) if bytes == *wanted => prints.push((path.clone(), Print::of(&found))),
            Ok(_) => return Ok(Err(format!("`{path}` was changed"))),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Ok(Err(format!("`{path}` was changed")));
            }
            Err(error) => return difference(path, error),
        }
    }
    Ok(Ok(prints))
}

/// What a person did is a difference; what the disk did is an error.
fn difference(path: &str, error: io::Error) -> io::Result<Result<Prints, String>> {
    let looped = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    match error.kind() {
        io::ErrorKind::NotFound => Ok(Err(format!("`{path}` is gone"))),
        io::ErrorKind::PermissionDenied => Ok(Err(format!("`{path}` cannot be read any more"))),
        io::ErrorKind::InvalidInput => Ok(Err(format!("`{path}` is no file any more"))),
        _ if looped => Ok(Err(format!("`{path}` is a symlink now"))),
        _ => Err(error),
    }
}

/// The bytes of a plain file of at most `most` bytes. A pipe or a device is never waited for.
pub(super) fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = File::options().read(true).custom_flags(flags.cast_signed()).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if found.len() > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
