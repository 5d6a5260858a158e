//! A repository as a push would leave it, for a hook that judges before anything moves.
//!
//! Git keeps a push's objects apart until its `pre-receive` hook lets them in, and names their folder in the hook's
//! environment (git-receive-pack(1), "QUARANTINE ENVIRONMENT"). The refs have not moved yet; here they read as if they
//! had. Nothing can be written through such a handle: the objects would outlive a refused push.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::Doing as _;
use super::{Repository, Result};
use crate::domain::ObjectId;

/// Refs by full name and what they would point at; nothing where they would be deleted.
pub type ReceivedRefs = BTreeMap<String, Option<ObjectId>>;

impl Repository {
    /// Opens the repository at `dir` with the objects that the environment says are in quarantine, as if `refs` had
    /// moved already.
    pub fn receiving(dir: &Path, refs: ReceivedRefs) -> Result<Self> {
        let mut repository = Repository::open(dir)?;
        if std::env::var_os("GIT_QUARANTINE_PATH").is_some() {
            let odb = repository.git.odb().doing(|| "open the object database".to_owned())?;
            let incoming = std::env::var("GIT_OBJECT_DIRECTORY").unwrap_or_default();
            // Git quotes a path with a colon in it. Of those the repository's own is known already; an object that only
            // another one holds is then missed, which refuses the push.
            let more = std::env::var("GIT_ALTERNATE_OBJECT_DIRECTORIES").unwrap_or_default();
            let own = repository.common_dir().join("objects").canonicalize().ok();
            for folder in [incoming.as_str()].into_iter().chain(more.split(':')) {
                if Path::new(folder).is_dir() && Path::new(folder).canonicalize().ok() != own {
                    odb.add_disk_alternate(folder).doing(|| format!("read the pushed objects in `{folder}`"))?;
                }
            }
        }
        repository.received = refs;
        Ok(repository)
    }
}
