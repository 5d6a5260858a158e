//! What moves by itself: pins, `deploy = "latest"`, and `routes.json`.

use super::environment::Working;
use super::gates::{joined, over_by_itself, unmet};
use super::{History, KnownVersion, Plan, PlannedMove, Sight, Unmet};
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, VersionNumber};
use crate::policy::Environment;
use crate::policy::routes;

/// A version that policy wants in an environment.
struct Wanted {
    cause: Cause,
    version: VersionNumber,
    /// Absent where a pin names what is not published.
    known: Option<KnownVersion>,
}

impl Working<'_> {
    /// Moves that nobody asked for in this pass, and the reasons of those that wait.
    pub(super) fn automatic<H: History>(
        &mut self,
        plan: &mut Plan,
        sight: &Sight<'_, H>,
        before: Option<&Working<'_>>,
    ) -> Result<(), H::Error> {
        let Some(policy) = self.policy else { return Ok(()) };
        if self.is_foreign() {
            return Ok(());
        }
        if policy.deploy_latest || !policy.pins.is_empty() {
            let mut pinned = Vec::new();
            let mut latest = Vec::new();
            for agent in sight.versions.agents() {
                let Some(wanted) = self.wanted(policy, agent, sight) else { continue };
                let moves = if wanted.cause == Cause::Pin { &mut pinned } else { &mut latest };
                moves.extend(self.enter(policy, agent, &wanted, plan, sight, before)?);
            }
            for (cause, moves) in [(Cause::Pin, pinned), (Cause::Latest, latest)] {
                if !moves.is_empty() {
                    let subject = format!("Deploy {} to {}", Self::shown(&moves), self.name);
                    let mut commit = self.draft_commit(Action::Deploy, cause, None, subject);
                    commit.moves = moves;
                    self.commit(plan, commit);
                }
            }
        }
        let routes = routes::document(policy);
        if routes != self.state.routes {
            let subject = format!("Route the numbers of {}", self.name);
            let mut commit = self.draft_commit(Action::Routes, Cause::Merge, None, subject);
            commit.routes = Some(routes);
            self.commit(plan, commit);
        }
        Ok(())
    }

    /// The version that policy wants for `agent`, where it is not there already.
    fn wanted<H>(&self, policy: &Environment, agent: &AgentId, sight: &Sight<'_, H>) -> Option<Wanted> {
        let current = self.version(agent);
        let wanted = match policy.pins.get(agent) {
            Some(pin) => Wanted { cause: Cause::Pin, version: *pin, known: sight.versions.get(agent, *pin) },
            None if policy.deploy_latest => {
                let (version, known) = sight.versions.newest(agent, |version| !self.was_rolled_back(agent, version))?;
                // Somebody who goes back to a version that was itself rolled back from means it: `latest` steps back
                // only from a version that is revoked.
                let usable = |current| sight.versions.get(agent, current).is_some_and(|known| !known.revoked);
                if current.is_some_and(|current| version < current && usable(current)) {
                    return None;
                }
                Wanted { cause: Cause::Latest, version, known: Some(known) }
            }
            None => return None,
        };
        (current != Some(wanted.version)).then_some(wanted)
    }

    /// The move that brings in what is wanted, or the reason why it waits.
    fn enter<H: History>(
        &self,
        policy: &Environment,
        agent: &AgentId,
        wanted: &Wanted,
        plan: &mut Plan,
        sight: &Sight<'_, H>,
        before: Option<&Working<'_>>,
    ) -> Result<Option<PlannedMove>, H::Error> {
        let version = wanted.version;
        let mut wait = |code, reason: String, until| {
            plan.waits.push(self.wait(Some(agent), Some(version), code, reason, until));
        };
        if let Some(hold) = self.holds.get(agent) {
            let why = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
            wait("held", format!("{agent} is held in {} by {}{why}", self.name, hold.actor), None);
            return Ok(None);
        }
        let Some(known) = wanted.known else {
            wait("unknown_version", format!("{agent} {version} is pinned in {} but is not published", self.name), None);
            return Ok(None);
        };
        let mut unmet = unmet(policy, agent, version, before, sight)?;
        if self.was_rolled_back(agent, version) {
            unmet.insert(0, Unmet::RolledBackIn { from: self.name.clone() });
        }
        let Some(first) = unmet.first() else { return Ok(Some(self.planned(agent, Some((version, known))))) };
        let reason = format!("{agent} {version} may not enter {}: {}", self.name, joined(&unmet));
        wait(first.code(), reason, over_by_itself(&unmet));
        Ok(None)
    }
}
