//! One environment while a plan is made: what it will serve once the steps so far are done.

use std::collections::BTreeMap;

use super::{
    EnvironmentCommit, EnvironmentTip, KnownVersion, Observed, ObservedEnvironment, Plan, PlannedMove, Served, Step,
    Wait,
};
use crate::domain::ledger::Hold;
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, EnvironmentName, Identity, VersionNumber};
use crate::policy::Environment;

pub(super) struct Working<'a> {
    pub(super) name: EnvironmentName,
    pub(super) observed: &'a Observed,
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
            observed,
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
                Some(version) => self.serves.insert(made.agent.clone(), Served::Version(version)),
                None => self.serves.remove(&made.agent),
            };
            match commit.action {
                Action::Rollback => {
                    let from = self.rolled_back.entry(made.agent.clone()).or_default();
                    from.extend(made.from.filter(|version| !from.contains(version) && made.from != made.to));
                }
                Action::Promote | Action::Accept => drop(self.rolled_back.remove(&made.agent)),
                _ => {}
            }
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
