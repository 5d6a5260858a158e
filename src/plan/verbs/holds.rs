//! Retire, hold and release-hold.

use super::{Outcome, Verb};
use crate::domain::AgentId;
use crate::domain::record::Action;
use crate::plan::History;

impl<H: History> Verb<'_, '_, H> {
    pub(super) fn retire(&mut self, index: usize, agent: &AgentId) -> Outcome {
        if !self.planning.sight.versions.knows(agent) {
            return Err(self.unknown_agent(agent));
        }
        let environment = self.environment(index);
        if !environment.serves.contains_key(agent) {
            return Ok(self.already(index, [agent], "it is not served there"));
        }
        let subject = format!("Retire {agent} from {}", environment.name);
        let mut commit = self.draft(index, Action::Retire, subject);
        commit.moves = vec![environment.planned(agent, None)];
        // Held, or `latest` would bring it back in the next pass.
        commit.holds.insert(agent.clone(), Some(self.new_hold(None)));
        Ok(self.commit(index, commit))
    }

    pub(super) fn hold(&mut self, index: usize, agent: &AgentId) -> Outcome {
        if !self.planning.sight.versions.knows(agent) {
            return Err(self.unknown_agent(agent));
        }
        let environment = self.environment(index);
        if let Some(held) = environment.holds.get(agent) {
            let because = format!("it is held since {:.0} by {}", held.time, held.actor);
            return Ok(self.already(index, [agent], because));
        }
        let mut commit = self.draft(index, Action::Hold, format!("Hold {agent} in {}", environment.name));
        commit.moves = vec![self.stays(index, agent)];
        commit.holds.insert(agent.clone(), Some(self.new_hold(None)));
        Ok(self.commit(index, commit))
    }

    pub(super) fn release_hold(&mut self, index: usize, agent: &AgentId) -> Outcome {
        if !self.planning.sight.versions.knows(agent) {
            return Err(self.unknown_agent(agent));
        }
        let environment = self.environment(index);
        if !environment.holds.contains_key(agent) {
            return Ok(self.already(index, [agent], "it is not held"));
        }
        let subject = format!("Release the hold on {agent} in {}", environment.name);
        let mut commit = self.draft(index, Action::ReleaseHold, subject);
        commit.moves = vec![self.stays(index, agent)];
        commit.holds.insert(agent.clone(), None);
        Ok(self.commit(index, commit))
    }
}
