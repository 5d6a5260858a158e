//! Two histories that should be one: found before anything is decided, and told with both ids and what to type.

use super::follow::local_name;
use super::world::{LEDGER, REMOTE, SEEN_LEDGER};
use super::{Error, RefPlace, Repository, Result, World};
use crate::domain::ObjectId;

/// A ref of this clone that what decides does not continue.
struct Apart {
    /// The branch's short name.
    branch: String,
    /// The local ref that says so.
    local: String,
    ours: ObjectId,
    theirs: ObjectId,
}

impl World {
    /// Refuses to decide on a ledger that does not continue the one seen before, or beside local branches that the
    /// remote's do not contain.
    pub fn check(&self, repository: &Repository) -> Result<()> {
        let mut apart = Vec::new();
        let ledger = self.read(repository, &RefPlace::Ledger)?;
        if let (Some(theirs), Some(ours)) = (ledger, repository.read_ref(SEEN_LEDGER)?)
            && !self.continues(repository, theirs, ours)?
        {
            apart.push(Apart { branch: LEDGER.to_owned(), local: SEEN_LEDGER.to_owned(), ours, theirs });
        }
        if self.is_remote() {
            for (tracking, theirs) in self.tracked_branches(repository)? {
                let local = local_name(&tracking);
                let Some(ours) = repository.read_ref(&local)? else { continue };
                let branch = local.trim_start_matches("refs/heads/").to_owned();
                // Environment branches are judged against the ledger; a hand edit on the remote is not a divergence.
                let known = self.continues(repository, theirs, ours)?
                    || (branch != LEDGER
                        && match ledger {
                            Some(ledger) => repository.is_ancestor(ours, ledger)?,
                            None => false,
                        });
                if !known {
                    apart.push(Apart { branch, local, ours, theirs });
                }
            }
        }
        if apart.is_empty() { Ok(()) } else { Err(self.diverged(repository, &apart)?) }
    }

    /// Whether `tip` is `before` or continues it. What a shallow clone lacks is an error, not a no.
    fn continues(&self, repository: &Repository, tip: ObjectId, before: ObjectId) -> Result<bool> {
        if repository.is_ancestor(before, tip)? {
            return Ok(true);
        }
        if repository.is_shallow() {
            return repository.is_on_line(before, tip);
        }
        Ok(false)
    }

    fn diverged(&self, repository: &Repository, apart: &[Apart]) -> Result<Error> {
        let first = &apart[0];
        let Apart { branch, ours, theirs, .. } = first;
        if !self.is_remote() {
            return Ok(Error::Diverged {
                what: format!("`{branch}` is at {theirs}, which does not continue {ours}, the newest one seen here"),
                hint: format!(
                    "to go back to what was seen, type: git update-ref refs/heads/{LEDGER} {ours}; to take what is there, type: git update-ref -d {SEEN_LEDGER}"
                ),
            });
        }
        let mut names: Vec<_> = apart.iter().map(|apart| apart.branch.as_str()).collect();
        names.dedup();
        names.retain(|name| name != branch);
        let more = if names.is_empty() { String::new() } else { format!(", as do {}", names.join(", ")) };
        let take: Vec<_> = apart
            .iter()
            .map(|apart| {
                if apart.local == SEEN_LEDGER {
                    format!("git update-ref -d {SEEN_LEDGER}")
                } else {
                    format!("git update-ref {} {}", apart.local, apart.theirs)
                }
            })
            .collect();
        let mut specs: Vec<String> = Vec::new();
        let mut force = "";
        for apart in apart {
            let spec = format!("{}:refs/heads/{}", apart.ours, apart.branch);
            if !specs.contains(&spec) {
                specs.push(spec);
            }
            if !repository.is_ancestor(apart.theirs, apart.ours)? {
                force = "--force ";
            }
        }
        Ok(Error::Diverged {
            what: format!(
                "`{branch}` is at {ours} here and at {theirs} in `{REMOTE}`, which does not contain it{more}"
            ),
            hint: format!(
                "to take the remote's, type: {}; to keep yours, type: git push {force}{REMOTE} {}",
                take.join(" && "),
                specs.join(" ")
            ),
        })
    }
}
