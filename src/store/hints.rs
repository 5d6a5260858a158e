//! Hints: small files beside the repository that make the next command faster.
//!
//! Nothing decides on one. Each says something about objects that never change, or is checked against what does, and
//! without it a command is only slower.

use std::io::Write as _;

use super::Repository;

impl Repository {
    /// The hint `name`, if somebody left it.
    pub fn hint(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.own_dir().join(name)).ok()
    }

    /// Leaves the hint `name`, by rename, so that a reader never sees half of it. Where that cannot be done, there is none.
    pub fn leave_hint(&self, name: &str, bytes: &[u8]) {
        let leave = || -> std::io::Result<()> {
            let folder = self.own_dir();
            std::fs::create_dir_all(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(bytes)?;
            file.persist(folder.join(name)).map_err(|error| error.error)?;
            Ok(())
        };
        if let Err(error) = leave() {
            tracing::debug!(%error, name, "a hint could not be left");
        }
    }
}
