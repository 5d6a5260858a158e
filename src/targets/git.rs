//! A branch `<prefix><environment>` in another git repository. What is pushed is the accepted head itself, not a copy of
//! it: `git rev-parse` says the same there as here, the audit trail comes along, and nothing has to be compared but one
//! commit id. It is asked with `ls-remote` and pushed with a lease on what it said.
//!
//! A commit id tells no height. One on the accepted head's first-parent line is older, and fast-forwarded. Any other is
//! either accepted by another controller a moment ago or left by hand; which of the two shows once the repository from
//! where it is decided has been read again. A branch that was never ours is not overwritten.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::call::Caller;
use super::decide::Held;
use super::memory;
use super::place::{Blocking, Failure};
use crate::domain::ObjectId;
use crate::live::Environment;
use crate::operator::Called;
use crate::store::{OtherRemote, Repository, Standing};

/// How long one question or one push may take, all in all.
const LIMIT: Duration = Duration::from_secs(330);

/// One environment's branch.
pub(super) struct Branch {
    remote: OtherRemote,
    caller: Caller,
    called: Option<Called>,
    /// Remembers that the branch was ours.
    memory: PathBuf,
    blocking: Blocking,
    seen: Option<ObjectId>,
}

/// What was pushed last.
#[derive(Serialize, Deserialize)]
struct Pushed {
    url: String,
    branch: String,
    commit: ObjectId,
}

impl Branch {
    /// The branch `branch` at `url`; objects come from the repository `repository`.
    pub(super) fn new(
        repository: &Path,
        url: String,
        branch: &str,
        called: Option<Called>,
        caller: Caller,
        memory: PathBuf,
    ) -> Self {
        let remote = OtherRemote {
            repository: repository.to_owned(),
            url,
            branch: format!("refs/heads/{branch}"),
            pinned: None,
        };
        Branch { remote, caller, called, memory, blocking: Blocking::new(LIMIT), seen: None }
    }

    pub(super) async fn held(&mut self, wanted: &Arc<Environment>) -> Result<Held, Failure> {
        self.check_address().await?;
        let (remote, wanted) = (self.remote.clone(), Arc::clone(wanted));
        let memory = self.memory.clone();
        let (seen, held) = self.blocking.run(move || held(&remote, &wanted, &memory)).await?;
        self.seen = seen;
        Ok(held)
    }

    pub(super) async fn deliver(&mut self, wanted: &Arc<Environment>) -> Result<(), Failure> {
        let (remote, head, expected) = (self.remote.clone(), wanted.head, self.seen);
        let memory = self.memory.clone();
        self.blocking
            .run(move || {
                // Before the push: what is ours by then must be known as ours even after a kill.
                let pushed = Pushed { url: remote.url.clone(), branch: remote.branch.clone(), commit: head };
                memory::write(&memory, &pushed)?;
                remote.push(head, expected).map_err(|error| Failure::new(error.sentence()))
            })
            .await
    }

    /// Only addresses that may be called are connected to: for the web they are handed to git, ssh resolves the name
    /// once more.
    async fn check_address(&mut self) -> Result<(), Failure> {
        let Some(Called { host, port, web, .. }) = &self.called else { return Ok(()) };
        let found = self.caller.resolve(host, *port).await?;
        let addresses: Vec<IpAddr> = found.iter().map(std::net::SocketAddr::ip).collect();
        self.remote.pinned = web.then(|| (host.clone(), *port, addresses));
        Ok(())
    }
}

fn held(remote: &OtherRemote, wanted: &Environment, memory: &Path) -> Result<(Option<ObjectId>, Held), Failure> {
    let failed = |error: crate::store::Error| Failure::new(error.sentence());
    let Some(tip) = remote.tip().map_err(failed)? else { return Ok((None, Held::Nothing)) };
    let deployment = |height| Held::Deployment { commit: tip, height, changed: None };
    if tip == wanted.head {
        return Ok((Some(tip), deployment(wanted.height)));
    }
    let repository = Repository::open_exactly(&remote.repository).map_err(failed)?;
    let held = match repository.standing(tip, wanted.head, wanted.height).map_err(failed)? {
        Standing::Accepted(height) => deployment(height),
        Standing::Other => {
            let ours = memory::read::<Pushed>(memory);
            if !ours.is_some_and(|pushed| pushed.url == remote.url && pushed.branch == remote.branch) {
                let branch = remote.branch.trim_start_matches("refs/heads/");
                return Err(Failure::new(format!("the branch `{branch}` there is not ours: it holds {}", tip.short()))
                    .hint(format!("choose another `branch_prefix`, or: git push {} --delete {branch}", remote.url)));
            }
            Held::Unknown(tip)
        }
    };
    Ok((Some(tip), held))
}
