//! Pushing to a remote that cannot move several refs at once.

use super::{Change, RefPlace, Repository, Result, World, crash_point};

impl World {
    /// Whether the remote would take `changes`, but not all of them or none. Git says so in words only.
    pub(super) fn lacks_atomic_push(&self, repository: &Repository, changes: &[&Change]) -> Result<bool> {
        let would = |more: &[&str]| Ok(self.try_push(repository, changes, more)?.success);
        Ok(!would(&["--dry-run", "--atomic"])? && would(&["--dry-run"])?)
    }

    /// Pushes in the order in which a repository without a remote moves its refs: tags, which are facts by themselves,
    /// then the ledger, which decides, then the environments that follow it. What is left undone after the ledger the
    /// next pass finishes.
    pub(super) fn push_in_steps(&self, repository: &Repository, changes: &[&Change]) -> Result<()> {
        tracing::debug!("the remote has no atomic push, pushing in steps");
        let (environments, rest): (Vec<&Change>, Vec<_>) =
            changes.iter().partition(|change| matches!(change.place, RefPlace::Environment(_)));
        let (tags, ledger): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|change| matches!(change.place, RefPlace::Tag(_)));
        let decides = !ledger.is_empty();
        for (step, last) in [(tags, false), (ledger, false), (environments, decides)] {
            if step.is_empty() {
                continue;
            }
            let ended = self.try_push(repository, &step, &[])?;
            crash_point("pushed a step");
            match self.pushed(repository, &step, &ended) {
                Err(error) if last => tracing::warn!(%error, "branches of environments will follow later"),
                other => other?,
            }
        }
        Ok(())
    }
}
