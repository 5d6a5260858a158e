//! Partial clones: objects that the remote promised to hand over when they are asked for.
//!
//! libgit2 knows nothing of them, so what it misses is asked of git, many at once where many are known to be needed.

use super::git_program::NETWORK_LIMIT;
use super::world::REMOTE;
use super::{Error, Git, Repository, Result};
use crate::domain::ObjectId;

impl Repository {
    /// The remote that promised what this clone left out.
    fn promisor(&self) -> Option<String> {
        let named = self.config("extensions.partialClone").filter(|name| !name.is_empty());
        // Newer versions of git say it at the remote only.
        let origin =
            || self.config("remote.origin.promisor").filter(|value| value == "true").map(|_| REMOTE.to_owned());
        named.or_else(origin)
    }

    /// Fetches those of `wanted` that a partial clone left out. Returns whether anything came.
    pub(super) fn fetch_promised(&self, wanted: impl IntoIterator<Item = ObjectId>) -> Result<bool> {
        let Some(promisor) = self.partial.get_or_init(|| self.promisor()) else { return Ok(false) };
        let missing: Vec<_> = wanted.into_iter().filter(|id| !self.has(*id)).collect();
        if missing.is_empty() {
            return Ok(false);
        }
        let input = missing.iter().flat_map(|id| format!("{id}\n").into_bytes()).collect();
        // As git itself does it: the objects named and nothing that hangs on them.
        let git = Git::in_dir(self.git_dir()).limit(NETWORK_LIMIT).setting("fetch.negotiationAlgorithm=noop");
        let args = [
            "fetch",
            promisor,
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
            "--filter=blob:none",
            "--stdin",
        ];
        match git.run_with_input(&args, input) {
            Ok(_) => Ok(true),
            Err(Error::GitProgram { stderr, .. }) => Err(Error::Remote {
                doing: format!("fetch what this partial clone left out from `{promisor}`"),
                words: stderr.trim().to_owned(),
            }),
            Err(error) => Err(error),
        }
    }
}
