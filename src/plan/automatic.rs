//! What moves by itself: pins, `deploy = "latest"`, and `routes.json`.

use super::environment::Working;
use super::gates::{self, Elsewhere};
use super::{History, Plan, PlannedMove, Unmet};
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, VersionNumber};
use crate::policy::Environment;
use crate::policy::routes;

impl Working<'_> {
    /// Moves that nobody asked for in this pass, and the reasons of those that wait.
    pub(super) fn automatic<H: History>(
        &mut self,
        plan: &mut Plan,
        history: &H,
        now: jiff::Timestamp,
        before: &Elsewhere,
    ) -> Result<(), H::Error> {
        let Some(policy) = self.policy else { return Ok(()) };
        if self.is_foreign() {
            return Ok(());
        }
        if policy.deploy_latest || !policy.pins.is_empty() {
            let agents = self.agents();
            let mut pinned = Vec::new();
            let mut latest = Vec::new();
            for agent in agents {
                match self.wanted(policy, &agent, plan, history, now, before)? {
                    Some((Cause::Pin, made)) => pinned.push(made),
                    Some((_, made)) => latest.push(made),
                    None => {}
                }
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

    fn agents(&self) -> Vec<AgentId> {
        let fresh = self.observed.candidates.iter().map(|candidate| &candidate.tag.agent);
        let mut agents: Vec<_> = self.observed.agents.keys().chain(fresh).cloned().collect();
        agents.sort();
        agents.dedup();
        agents
    }

    /// The move that policy wants for `agent`, if it may happen now.
    fn wanted<H: History>(
        &self,
        policy: &Environment,
        agent: &AgentId,
        plan: &mut Plan,
        history: &H,
        now: jiff::Timestamp,
        before: &Elsewhere,
    ) -> Result<Option<(Cause, PlannedMove)>, H::Error> {
        let pin = policy.pins.get(agent).copied();
        if pin.is_none() && !policy.deploy_latest {
            return Ok(None);
        }
        let versions = self.observed.versions(agent);
        let current = self.version(agent);
        let rolled_back =
            |version: VersionNumber| self.rolled_back.get(agent).is_some_and(|versions| versions.contains(&version));
        let newest = || versions.iter().rev().find(|(number, known)| !known.revoked && !rolled_back(**number));
        let (cause, version) = match pin {
            Some(pin) => (Cause::Pin, pin),
            None => match newest() {
                Some((number, _)) => (Cause::Latest, *number),
                None => return Ok(None),
            },
        };
        if current == Some(version) {
            return Ok(None);
        }
        let mut wait = |code, reason: String, until| {
            plan.waits.push(self.wait(Some(agent), Some(version), code, reason, until));
        };
        if let Some(hold) = self.holds.get(agent) {
            let why = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
            let reason = format!("{agent} is held in {} by {}{why}", self.name, hold.actor);
            wait("held", reason, None);
            return Ok(None);
        }
        let Some(known) = versions.get(&version) else {
            wait("unknown_version", format!("{agent} {version} is pinned in {} but is not published", self.name), None);
            return Ok(None);
        };
        let mut unmet = gates::unmet(policy, agent, version, before, history, now)?;
        if known.revoked {
            unmet.insert(0, Unmet::Revoked);
        }
        if rolled_back(version) {
            unmet.insert(0, Unmet::RolledBackIn { from: self.name.clone() });
        }
        let Some(first) = unmet.first() else {
            return Ok(Some((cause, self.planned(agent, Some((version, *known))))));
        };
        let reasons: Vec<_> = unmet.iter().map(ToString::to_string).collect();
        let until = unmet.iter().map(Unmet::until).max().flatten();
        wait(first.code(), format!("{agent} {version} may not enter {}: {}", self.name, reasons.join("; ")), until);
        Ok(None)
    }
}
