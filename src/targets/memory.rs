//! Small files below the state folder: written whole or not at all. Hints that survive a restart, never anything that
//! decides what is live.

use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::place::Failure;

/// No file of ours is larger.
const LARGEST: u64 = 64 * 1024 * 1024;

/// What the file holds; nothing if there is none, or none that can be read.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    if path.metadata().ok()?.len() > LARGEST {
        return None;
    }
    let found = serde_json::from_slice(&std::fs::read(path).ok()?);
    found.inspect_err(|error| tracing::warn!(file = %path.display(), %error, "a file of ours does not parse")).ok()
}

/// Replaces the file, with its folders.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let written = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    };
    written().map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
}
