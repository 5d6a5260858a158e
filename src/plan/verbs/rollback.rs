//! Rollback: back to a version that was live there, of one agent or of all agents of a deployment. No gate stops it.

use super::{Outcome, Verb};
use crate::domain::record::Action;
use crate::domain::{AgentId, VersionNumber};
use crate::plan::environment::Working;
use crate::plan::{History, KnownVersion, Refusal};

fn revoked(agent: &AgentId, version: VersionNumber) -> Refusal {
    Refusal::new("revoked", format!("{agent} {version} is revoked, so nothing goes back to it"))
        .hint(format!("pointsman versions {agent}"))
}

impl<H: History> Verb<'_, '_, H> {
    pub(super) fn rollback(
        &mut self,
        index: usize,
        agent: &AgentId,
        to: Option<VersionNumber>,
    ) -> Result<Outcome, H::Error> {
        let sight = &self.planning.sight;
        if !sight.versions.knows(agent) {
            return Ok(Err(self.unknown_agent(agent)));
        }
        let environment = self.environment(index);
        let name = environment.name.clone();
        let present = environment.version(agent);
        let standing = environment.holds.get(agent).and_then(|hold| hold.rolled_back_from);
        if let (Some(from), true) = (standing, to.is_none() || to == present) {
            let because = format!("it was rolled back from {from} and is held since");
            return Ok(Ok(self.already(index, [agent], because)));
        }
        if to.is_some() && to == present {
            return Ok(Ok(self.already(index, [agent], format!("`{name}` serves it already"))));
        }
        let target = match to {
            Some(version) => match sight.versions.get(agent, version) {
                None => return Ok(Err(self.unknown_version(agent, version))),
                Some(known) if known.revoked => return Ok(Err(revoked(agent, version))),
                Some(_) if sight.history.stays(&name, agent, version)?.is_empty() => {
                    let message = format!("{agent} {version} never was in `{name}`, so it is no rollback");
                    let hint = format!("pointsman promote {agent} --to {name} --version {}", version.get());
                    return Ok(Err(Refusal::new("never_live", message).hint(hint)));
                }
                Some(known) => Some((version, known)),
            },
            None => self.version_before(environment, agent)?,
        };
        let Some((target, known)) = target else {
            let message = format!("nothing was in `{name}` before that `{agent}` could go back to");
            let hint = format!("take it out with: pointsman retire {agent} --env {name}");
            return Ok(Err(Refusal::new("nothing_before", message).hint(hint)));
        };
        let mut commit = self.draft(index, Action::Rollback, format!("Roll back {agent} to {target} in {name}"));
        commit.moves = vec![environment.planned(agent, Some((target, known)))];
        commit.holds.insert(agent.clone(), Some(self.new_hold(present)));
        Ok(Ok(self.commit(index, commit)))
    }

    /// The newest version before the present one that may be gone back to and was not itself rolled back from.
    fn version_before(
        &self,
        environment: &Working<'_>,
        agent: &AgentId,
    ) -> Result<Option<(VersionNumber, KnownVersion)>, H::Error> {
        let sight = &self.planning.sight;
        let present = environment.version(agent);
        let usable = |version: VersionNumber| {
            let known = sight.versions.get(agent, version).filter(|known| !known.revoked)?;
            let wanted = Some(version) != present && !environment.was_rolled_back(agent, version);
            wanted.then_some((version, known))
        };
        // History ends at the accepted head. Where this plan moved the agent on, what is there is the one before.
        let at_head = environment.state.serves.get(agent).and_then(|served| served.version());
        if let Some(found) = at_head.and_then(usable) {
            return Ok(Some(found));
        }
        let found = sight.history.earlier(&environment.name, agent, &mut |version| usable(version).is_some())?;
        Ok(found.and_then(usable))
    }

    /// Puts every agent of a deployment back to what it was before, all or none. `undone` names the agent, what the
    /// deployment put there, and what was there before it.
    pub(super) fn undo(
        &mut self,
        index: usize,
        undone: &[(AgentId, Option<VersionNumber>, Option<VersionNumber>)],
    ) -> Outcome {
        let environment = self.environment(index);
        let name = environment.name.clone();
        let mut commit = self.draft(index, Action::Rollback, String::new());
        for (agent, put, back) in undone {
            let present = environment.version(agent);
            if present == *back {
                continue;
            }
            if present != *put {
                let shown = |version: Option<VersionNumber>| version.map_or("nothing".to_owned(), |v| v.to_string());
                let (present, put) = (shown(present), shown(*put));
                let message =
                    format!("`{agent}` in `{name}` is at {present} by now, not at {put} as the deployment left it");
                let hint = format!("pointsman rollback {agent} --env {name}");
                return Err(Refusal::new("moved_on", message).hint(hint));
            }
            let target = match back {
                None => None,
                Some(version) => match self.planning.sight.versions.get(agent, *version) {
                    None => return Err(self.unknown_version(agent, *version)),
                    Some(known) if known.revoked => return Err(revoked(agent, *version)),
                    Some(known) => Some((*version, known)),
                },
            };
            commit.moves.push(environment.planned(agent, target));
            commit.holds.insert(agent.clone(), Some(self.new_hold(present)));
        }
        if commit.moves.is_empty() {
            let agents = undone.iter().map(|(agent, _, _)| agent);
            return Ok(self.already(index, agents, "the deployment is undone already"));
        }
        commit.subject = format!("Roll back {} in {name}", Working::shown(&commit.moves));
        Ok(self.commit(index, commit))
    }
}
