//! Promote: one or several agents up into an environment, all of them or none.

use std::collections::BTreeMap;

use super::{Outcome, Verb};
use crate::domain::ledger::Hold;
use crate::domain::record::Action;
use crate::domain::{AgentId, EnvironmentName, VersionNumber};
use crate::plan::environment::Working;
use crate::plan::gates::unmet;
use crate::plan::{Answer, EnvironmentCommit, History, PlannedMove, Refusal, Unmet, UnmetGate, taken_from};
use crate::policy::Environment;

impl<H: History> Verb<'_, '_, H> {
    pub(super) fn promote(
        &mut self,
        index: usize,
        versions: &BTreeMap<AgentId, Option<VersionNumber>>,
        confirm: bool,
    ) -> Result<Outcome, H::Error> {
        let (target, sight) = (self.environment(index), &self.planning.sight);
        let policy = target.policy.expect("find refuses environments without a policy");
        let before = taken_from(&self.planning.environments, target.policy);
        let mut moves = Vec::new();
        let mut holds = BTreeMap::new();
        let mut missing = Vec::new();
        for (agent, version) in versions {
            let chosen = match (version, before) {
                (Some(version), _) => Some(*version),
                (None, Some(before)) => before.version(agent),
                (None, None) => sight.versions.newest(agent, |_| true).map(|(number, _)| number),
            };
            let Some(version) = chosen else { return Ok(Err(self.nothing_to_promote(agent, policy))) };
            let Some(known) = sight.versions.get(agent, version) else {
                return Ok(Err(self.unknown_version(agent, version)));
            };
            let there = target.version(agent) == Some(version);
            let mut miss = |gate| missing.push(UnmetGate { agent: agent.clone(), version, gate });
            // Against a pin even what is there is no promotion: it would end a hold, and then the pin moves in.
            let held = target.holds.contains_key(agent);
            if let Some(pin) = policy.pins.get(agent).filter(|pin| **pin != version && (held || !there)) {
                miss(Unmet::Pinned { pin: *pin });
            }
            if !there {
                unmet(policy, agent, version, before, sight)?.into_iter().for_each(&mut miss);
                if policy.confirm && !confirm {
                    miss(Unmet::Confirm);
                }
            }
            let hold = target.hold_after_promotion(agent, version, &sight.versions, || self.new_hold(None));
            if !there || hold.is_some() {
                moves.push(target.planned(agent, Some((version, known))));
            }
            holds.extend(hold.map(|hold| (agent.clone(), hold)));
        }
        if !missing.is_empty() {
            return Ok(Err(gate_refusal(&policy.name, missing)));
        }
        if moves.is_empty() {
            let because = format!("`{}` serves it already", policy.name);
            return Ok(Ok(self.already(index, versions.keys(), because)));
        }
        Ok(Ok(self.promoted(index, moves, holds)))
    }

    fn promoted(&mut self, index: usize, moves: Vec<PlannedMove>, holds: BTreeMap<AgentId, Option<Hold>>) -> Answer {
        let subject = format!("Promote {} to {}", Working::shown(&moves), self.environment(index).name);
        let commit = self.draft(index, Action::Promote, subject);
        self.commit(index, EnvironmentCommit { moves, holds, ..commit })
    }

    /// Why there is no version that could be meant.
    fn nothing_to_promote(&self, agent: &AgentId, policy: &Environment) -> Refusal {
        if !self.planning.sight.versions.knows(agent) {
            return self.unknown_agent(agent);
        }
        match &policy.from {
            Some(from) => {
                Refusal::new("gate_unmet", format!("`{agent}` is not in `{from}`, so there is nothing to promote"))
                    .hint(format!("pointsman promote {agent} --to {from}"))
            }
            None => Refusal::new("revoked", format!("every version of `{agent}` is revoked"))
                .hint(format!("pointsman publish {agent}")),
        }
    }
}

fn gate_refusal(environment: &EnvironmentName, unmet: Vec<UnmetGate>) -> Refusal {
    let only_confirm = unmet.iter().all(|missing| missing.gate == Unmet::Confirm);
    let reasons: Vec<_> =
        unmet.iter().map(|missing| format!("{} {}: {}", missing.agent, missing.version, missing.gate)).collect();
    let message = if only_confirm {
        format!("`{environment}` asks for confirmation")
    } else {
        format!("`{environment}` may not be entered: {}", reasons.join("; "))
    };
    let hint = unmet.iter().find_map(|UnmetGate { agent, gate, .. }| match gate {
        Unmet::Pinned { pin } => {
            Some(format!("change the pin of {agent} in pointsman.toml (it says {}) by pull request", pin.get()))
        }
        Unmet::From { from } => Some(format!("pointsman promote {agent} --to {from}")),
        Unmet::Confirm if only_confirm => Some("say --confirm if you mean it".to_owned()),
        Unmet::Merged => Some("merge the change to the default branch first".to_owned()),
        Unmet::Soak { ready: Some(_), .. } | Unmet::Frozen { until: Some(_), .. } => {
            Some("--wait goes on until the time has come".to_owned())
        }
        _ => None,
    });
    Refusal { code: "gate_unmet", message, hint, unmet }
}
