//! The calls, one function for each operation of the command line.

use super::Client;
use super::line::Asked;
use crate::api::wire::{
    Agents, Change, ComparedEnvironments, Difference, History, Promotion, Publish, PublishAnswer, Reason, Release,
    Rollback, Versions,
};
use crate::domain::{AgentId, DeploymentId, EnvironmentName, VersionNumber};
use crate::ops::Problem;
use crate::ops::discard::Discarded;
use crate::ops::inspect::{ComparedAgent, HistoryEntry, VersionView};
use crate::ops::moves::{Manner, Moved};
use crate::ops::publish::{PublishCall, Published};
use crate::ops::report::PrePublish;
use crate::ops::side::SideName;
use crate::ops::status::{AgentStatus, Status};

/// The most lines of history that a controller gives at once.
const MOST_LINES: usize = 500;

/// The largest page of versions.
const PAGE: usize = 100;

/// What one agent is asked to do in an environment.
#[derive(Clone, Copy, Debug)]
pub enum Verb {
    /// Be taken out.
    Retire,
    /// Stay where it is.
    Hold,
    /// Move again.
    ReleaseHold,
}

impl Client {
    /// Some agents, and how many there are.
    pub fn agents(&self) -> Result<(Vec<AgentId>, usize), Problem> {
        let page: Agents = self.line.ask(Asked::get(&["agents"]).query("limit", Some(500)))?;
        Ok((page.agents.into_iter().map(|status| status.agent).collect(), page.total))
    }

    /// How one agent stands.
    pub fn agent(&self, agent: &AgentId) -> Result<AgentStatus, Problem> {
        self.line.ask(Asked::get(&["agents", agent.as_str()]))
    }

    /// Where everything stands.
    pub fn status(&self) -> Result<Status, Problem> {
        self.line.ask(Asked::get(&["status"]))
    }

    /// Publishes the draft of `agent`.
    pub fn publish(&self, agent: &AgentId, call: &PublishCall) -> Result<Published, Problem> {
        let said = Publish {
            note: call.note.clone(),
            label: call.label.clone(),
            description: call.description.clone(),
            draft: call.draft.clone(),
            over: call.over,
            // The command line promotes only when it is told to.
            activate: Some(false),
            confirm: false,
        };
        let asked = Asked::post(&["agents", agent.as_str(), "publish"], &said);
        let answer: PublishAnswer = self.line.ask(asked.key(call.idempotency_key.as_deref()))?;
        Ok(answer.published())
    }

    /// The versions of `agent`, newest first, and how many there are; at most `limit` of them are asked for.
    pub fn versions(&self, agent: &AgentId, limit: usize) -> Result<(Vec<VersionView>, usize), Problem> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = limit.saturating_sub(all.len()).clamp(1, PAGE);
            let asked = Asked::get(&["agents", agent.as_str(), "versions"]).query("limit", Some(page));
            let page: Versions = self.line.ask(asked.query("cursor", cursor))?;
            all.extend(page.versions);
            cursor = page.next_cursor;
            if cursor.is_none() || all.len() >= limit {
                return Ok((all, page.total));
            }
        }
    }

    /// Moves `agent` up.
    pub fn promote(
        &self,
        agent: &AgentId,
        to: &EnvironmentName,
        version: Option<VersionNumber>,
        confirm: bool,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        let (reason, dry_run) = (manner.reason.clone(), manner.dry_run);
        let version = version.map(Into::into);
        let said = Promotion { version, to: Some(to.clone()), confirm, reason, dry_run };
        self.moves(&["agents", agent.as_str(), "promote"], &said, manner)
    }

    /// Moves several agents together.
    pub fn release(
        &self,
        to: &EnvironmentName,
        versions: impl IntoIterator<Item = (AgentId, Option<VersionNumber>)>,
        confirm: bool,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        let agents = versions.into_iter().map(|(agent, version)| (agent, version.map(Into::into))).collect();
        let (reason, dry_run) = (manner.reason.clone(), manner.dry_run);
        self.moves(&["releases"], &Release { to: to.clone(), agents, confirm, reason, dry_run }, manner)
    }

    /// Goes back with one agent.
    pub fn rollback(
        &self,
        agent: &AgentId,
        environment: Option<&EnvironmentName>,
        to: Option<VersionNumber>,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        let (reason, dry_run) = (manner.reason.clone(), manner.dry_run);
        let said = Rollback { version: to.map(Into::into), environment: environment.cloned(), reason, dry_run };
        self.moves(&["agents", agent.as_str(), "rollback"], &said, manner)
    }

    /// Undoes a deployment.
    pub fn undo(&self, deployment: DeploymentId, manner: &Manner) -> Result<Moved, Problem> {
        let said = Reason { reason: manner.reason.clone(), dry_run: manner.dry_run };
        self.moves(&["deployments", &deployment.to_string(), "rollback"], &said, manner)
    }

    /// Retires, holds or releases one agent.
    pub fn change(
        &self,
        verb: Verb,
        agent: &AgentId,
        environment: Option<&EnvironmentName>,
        manner: &Manner,
    ) -> Result<Moved, Problem> {
        let (reason, dry_run) = (manner.reason.clone(), manner.dry_run);
        let word = match verb {
            Verb::Retire => "retire",
            Verb::Hold => "hold",
            Verb::ReleaseHold => "release-hold",
        };
        let said = Change { environment: environment.cloned(), reason, dry_run };
        self.moves(&["agents", agent.as_str(), word], &said, manner)
    }

    /// Refuses every later move to a version.
    pub fn revoke(&self, agent: &AgentId, version: VersionNumber, manner: &Manner) -> Result<Moved, Problem> {
        let said = Reason { reason: manner.reason.clone(), dry_run: manner.dry_run };
        self.moves(&["agents", agent.as_str(), "versions", &version.to_string(), "revoke"], &said, manner)
    }

    fn moves(&self, path: &[&str], said: &impl serde::Serialize, manner: &Manner) -> Result<Moved, Problem> {
        self.line.ask(Asked::post(path, said).key(manner.idempotency_key.as_deref()))
    }

    /// Puts the draft back to the newest version.
    pub fn discard(&self, agent: &AgentId) -> Result<Discarded, Problem> {
        self.line.ask(Asked::delete(&["agents", agent.as_str(), "draft"]))
    }

    /// The audit trail, newest first.
    pub fn history(
        &self,
        agent: Option<&AgentId>,
        environment: Option<&EnvironmentName>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, Problem> {
        if !(1..=MOST_LINES).contains(&limit) {
            return Err(Problem::usage("bad_request", format!("a controller gives 1 to {MOST_LINES} lines at once"))
                .hint("--limit 500, or in a clone: git log --first-parent <environment branch>"));
        }
        let asked = Asked::get(&["history"]).query("agent", agent).query("environment", environment);
        Ok(self.line.ask::<History>(asked.query("limit", Some(limit)))?.history)
    }

    /// Two environments side by side.
    pub fn compare(&self, before: &EnvironmentName, after: &EnvironmentName) -> Result<Vec<ComparedAgent>, Problem> {
        let asked = Asked::get(&["environments", before.as_str(), "compare", after.as_str()]);
        Ok(self.line.ask::<ComparedEnvironments>(asked)?.agents)
    }

    /// Two sides of `agent`; with `patch`, their files as a patch too.
    pub fn diff(
        &self,
        agent: &AgentId,
        before: Option<&SideName>,
        after: Option<&SideName>,
        patch: bool,
    ) -> Result<Difference, Problem> {
        let asked = Asked::get(&["agents", agent.as_str(), "diff"]).query("from", before).query("to", after);
        self.line.ask(asked.query("format", patch.then_some("unified")))
    }

    /// The report of one side of `agent`.
    pub fn report(&self, agent: &AgentId, side: &SideName) -> Result<PrePublish, Problem> {
        self.line.ask(Asked::get(&["agents", agent.as_str(), "prepublish-report"]).query("of", Some(side)))
    }
}
