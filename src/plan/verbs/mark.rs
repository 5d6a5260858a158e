//! Mark: what may change about a version after it was published, none of which is served.

use super::{Outcome, Verb};
use crate::domain::ledger::{AgentMarkChange, MarkChange, VersionNumberKey};
use crate::domain::record::{one_line, plain_text};
use crate::domain::{AgentId, VersionTag};
use crate::plan::{Answer, History, Step};

impl<H: History> Verb<'_, '_, H> {
    pub(super) fn mark(&mut self, version: &VersionTag, change: &MarkChange) -> Outcome {
        let VersionTag { agent, number } = version;
        let sight = &self.planning.sight;
        if sight.versions.get(agent, *number).is_none() {
            return Err(self.unknown_version(agent, *number));
        }
        let change = MarkChange {
            label: change.label.as_deref().map(one_line),
            description: change.description.as_deref().map(plain_text),
            ..change.clone()
        };
        let mut marks = sight.observed.agents.get(agent).map(|state| state.marks.clone()).unwrap_or_default();
        let mark = marks.versions.entry(VersionNumberKey(*number)).or_default();
        let changed = mark.clone().changed(&change);
        let already = *mark == changed;
        if !already {
            *mark = changed;
            let line = format!("Mark {version}");
            self.planning.plan.steps.push(Step::Mark { agent: agent.clone(), marks, line });
        }
        Ok(Answer::Marked { what: version.to_string(), already })
    }

    pub(super) fn mark_agent(&mut self, agent: &AgentId, change: &AgentMarkChange) -> Outcome {
        let sight = &self.planning.sight;
        if !sight.versions.knows(agent) {
            return Err(self.unknown_agent(agent));
        }
        let change = AgentMarkChange {
            name: change.name.as_deref().map(one_line),
            description: change.description.as_deref().map(plain_text),
            ..change.clone()
        };
        let mut marks = sight.observed.agents.get(agent).map(|state| state.marks.clone()).unwrap_or_default();
        let changed = marks.agent.clone().changed(&change, sight.now);
        let already = marks.agent == changed;
        if !already {
            marks.agent = changed;
            let line = format!("Mark {agent}");
            self.planning.plan.steps.push(Step::Mark { agent: agent.clone(), marks, line });
        }
        Ok(Answer::Marked { what: agent.to_string(), already })
    }
}
