//! One environment while a plan is made: what it will serve once the steps so far are done.

use std::collections::BTreeMap;

use super::{
    Catalog, EnvironmentCommit, EnvironmentTip, KnownVersion, Observed, ObservedEnvironment, Plan, PlannedMove, Served,
    Step, Wait,
};
use crate::domain::ledger::{Hold, fold_rollbacks};
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, EnvironmentName, Identity, VersionNumber};
use crate::policy::Environment;

pub(super) struct Working<'a> {
    pub(super) name: EnvironmentName,
    pub(super) state: &'a ObservedEnvironment,
    /// Absent where the policy names the environment no longer: it is served, but moves no more.
    pub(super) policy: Option<&'a Environment>,
    pub(super) serves: BTreeMap<AgentId, Served>,
    pub(super) holds: BTreeMap<AgentId, Hold>,
    pub(super) rolled_back: BTreeMap<AgentId, Vec<VersionNumber>>,
}

impl<'a> Working<'a> {
    pub(super) fn new(observed: &'a Observed, state: &'a ObservedEnvironment) -> Self {
        let head = state.head.as_ref().or(state.renamed.as_ref().map(|(_, head)| head));
        Working {
            name: state.name.clone(),
            state,
            policy: observed.policy.environment(&state.name).filter(|_| state.named),
            serves: state.serves.clone(),
            holds: state.holds.clone(),
            rolled_back: head.map(|head| head.rolled_back.clone()).unwrap_or_default(),
        }
    }

    /// Whether its branch belongs to somebody else.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.state.tip, EnvironmentTip::Foreign(_))
    }

    pub(super) fn version(&self, agent: &AgentId) -> Option<VersionNumber> {
        self.serves.get(agent).and_then(|served| served.version())
    }

    /// Whether `version` of `agent` was rolled back from here since the last explicit promotion.
    pub(super) fn was_rolled_back(&self, agent: &AgentId, version: VersionNumber) -> bool {
        self.rolled_back.get(agent).is_some_and(|versions| versions.contains(&version))
    }

    /// What an explicit promotion of `agent` to `version` does to its hold: nothing, or begins (`Some(Some)`) or ends
    /// (`Some(None)`) one. It ends a hold; but where the latest version goes in by itself, one of another version
    /// begins a hold, or the next pass would undo it.
    pub(super) fn hold_after_promotion(
        &self,
        agent: &AgentId,
        version: VersionNumber,
        versions: &Catalog<'_>,
        hold: impl FnOnce() -> Hold,
    ) -> Option<Option<Hold>> {
        let held = self.holds.get(agent);
        let by_itself = self.policy.is_some_and(|policy| policy.deploy_latest && !policy.pins.contains_key(agent));
        let newest = versions.newest(agent, |_| true).map(|(number, _)| number);
        if by_itself && newest != Some(version) {
            let stays_held = held.is_some_and(|held| held.rolled_back_from.is_none());
            return (!stays_held || self.version(agent) != Some(version)).then(|| Some(hold()));
        }
        held.is_some().then_some(None)
    }

    pub(super) fn wait(
        &self,
        agent: Option<&AgentId>,
        version: Option<VersionNumber>,
        code: &'static str,
        reason: impl Into<String>,
        until: Option<jiff::Timestamp>,
    ) -> Wait {
        Wait {
            environment: self.name.clone(),
            agent: agent.cloned(),
            version,
            code: code.into(),
            reason: reason.into(),
            until,
        }
    }

    /// A move of `agent` to `version`, or out of the environment.
    pub(super) fn planned(&self, agent: &AgentId, to: Option<(VersionNumber, KnownVersion)>) -> PlannedMove {
        PlannedMove {
            agent: agent.clone(),
            from: self.version(agent),
            to: to.map(|(number, _)| number),
            entry: to.map(|(_, known)| known.entry),
        }
    }

    /// Adds a commit to the plan and to what this environment serves.
    pub(super) fn commit(&mut self, plan: &mut Plan, commit: EnvironmentCommit) {
        for made in &commit.moves {
            match made.to {
                // A hold is about an agent and moves nothing, whatever is served.
                _ if matches!(commit.action, Action::Hold | Action::ReleaseHold) => {}
                Some(version) => drop(self.serves.insert(made.agent.clone(), Served::Version(version))),
                None => drop(self.serves.remove(&made.agent)),
            }
            fold_rollbacks(&mut self.rolled_back, commit.action, &made.agent, made.from, made.to);
        }
        for (agent, hold) in &commit.holds {
            match hold {
                Some(hold) => self.holds.insert(agent.clone(), hold.clone()),
                None => self.holds.remove(agent),
            };
        }
        plan.steps.push(Step::Commit(commit));
    }

    /// A commit with everything but its moves and holds left empty.
    pub(super) fn draft_commit(
        &self,
        action: Action,
        cause: Cause,
        actor: Option<Identity>,
        subject: String,
    ) -> EnvironmentCommit {
        EnvironmentCommit {
            environment: self.name.clone(),
            action,
            cause,
            actor,
            subject,
            text: String::new(),
            moves: Vec::new(),
            holds: BTreeMap::new(),
            routes: None,
            beside: None,
            asked: false,
        }
    }

    /// `agent v7`, or how many agents.
    pub(super) fn shown(moves: &[PlannedMove]) -> String {
        match moves {
            [only] => match only.to {
                Some(version) => format!("{} {version}", only.agent),
                None => only.agent.to_string(),
            },
            many => format!("{} agents", many.len()),
        }
    }
}
