//! Revoke: every later move to a version is refused.

use super::{Outcome, Verb};
use crate::domain::VersionTag;
use crate::domain::ledger::{Revocation, VersionNumberKey};
use crate::domain::record::plain_text;
use crate::plan::{Answer, History, Step};

impl<H: History> Verb<'_, '_, H> {
    pub(super) fn revoke(&mut self, version: &VersionTag) -> Outcome {
        let VersionTag { agent, number } = version;
        let sight = &mut self.planning.sight;
        let Some(known) = sight.versions.get(agent, *number) else { return Err(self.unknown_version(agent, *number)) };
        if !known.revoked {
            let mut marks = sight.observed.agents.get(agent).map(|state| state.marks.clone()).unwrap_or_default();
            let mark = marks.versions.entry(VersionNumberKey(*number)).or_default();
            let reason = plain_text(&self.request.reason);
            mark.revoked = Some(Revocation { actor: self.request.actor.to_string(), time: sight.now, reason });
            self.planning.plan.steps.push(Step::Mark {
                agent: agent.clone(),
                marks,
                line: format!("Revoke {version}"),
            });
            // What follows in this plan must not move there any more.
            sight.versions.revoke(version);
        }
        // Where it is served in the end is known when the plan is complete.
        Ok(Answer::Revoked { version: version.clone(), served_in: Vec::new(), already: known.revoked })
    }
}
