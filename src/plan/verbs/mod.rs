//! Requests. Each ends in steps or in a refusal that names what is missing; a request for several agents is carried
//! out for all of them or for none.

mod holds;
mod mark;
mod promote;
mod revoke;
mod rollback;

use std::collections::BTreeMap;

use super::environment::Working;
use super::{Answer, EnvironmentCommit, History, Intent, PlannedMove, Planning, Refusal, Request, Verdict};
use crate::domain::ledger::Hold;
use crate::domain::nearest::nearest;
use crate::domain::record::plain_text;
use crate::domain::{AgentId, EnvironmentName, VersionNumber, VersionTag};

type Outcome = Result<Answer, Refusal>;

/// A request at work on the environments as they will be after the steps so far.
struct Verb<'p, 'a, H> {
    planning: &'p mut Planning<'a, H>,
    request: &'p Request,
}

impl<H: History> Planning<'_, H> {
    /// Carries out `request`.
    pub(super) fn answer(&mut self, request: &Request) -> Result<Answer, H::Error> {
        let mut verb = Verb { planning: self, request };
        let outcome = match &request.intent {
            Intent::Publish { agent, unchanged } => verb.published(agent, *unchanged),
            Intent::Promote { to, versions, confirm } => match verb.find(Some(to)) {
                Ok(index) => verb.promote(index, versions, *confirm)?,
                Err(refusal) => Err(refusal),
            },
            Intent::Rollback { environment, agent, to } => match verb.find(environment.as_ref()) {
                Ok(index) => verb.rollback(index, agent, *to)?,
                Err(refusal) => Err(refusal),
            },
            Intent::Undo { environment, deployment: _, moves } => {
                verb.find(Some(environment)).and_then(|index| verb.undo(index, moves))
            }
            Intent::Retire { environment, agent } => {
                verb.find(environment.as_ref()).and_then(|index| verb.retire(index, agent))
            }
            Intent::Hold { environment, agent } => {
                verb.find(environment.as_ref()).and_then(|index| verb.hold(index, agent))
            }
            Intent::ReleaseHold { environment, agent } => {
                verb.find(environment.as_ref()).and_then(|index| verb.release_hold(index, agent))
            }
            Intent::Revoke { version } => verb.revoke(version),
            Intent::Mark { version, change } => verb.mark(version, change),
            Intent::MarkAgent { agent, change } => verb.mark_agent(agent, change),
        };
        Ok(outcome.unwrap_or_else(Answer::Refused))
    }
}

impl<'a, H: History> Verb<'_, 'a, H> {
    fn published(&self, agent: &AgentId, unchanged: Option<VersionNumber>) -> Outcome {
        let sight = &self.planning.sight;
        if let Some(number) = unchanged {
            return match sight.versions.get(agent, number) {
                Some(_) => Ok(Answer::Unchanged(VersionTag { agent: agent.clone(), number })),
                None => Err(self.unknown_version(agent, number)),
            };
        }
        let mut candidates = sight.observed.candidates.iter();
        let made = candidates.find(|candidate| candidate.create && candidate.tag.agent == *agent);
        let made = made
            .ok_or_else(|| Refusal::new("nothing_to_publish", format!("nothing of `{agent}` was to be published")))?;
        match &made.verdict {
            Verdict::Accept(_) => Ok(Answer::Published(made.tag.clone())),
            Verdict::Refuse(rejection) => Err(Refusal::new("refused", rejection.reason.clone())),
            Verdict::Gone => Err(Refusal::new("refused", format!("`{}` is gone", made.tag))),
        }
    }

    fn environment(&self, index: usize) -> &Working<'a> {
        &self.planning.environments[index]
    }

    /// The environment called `name`, or the published one, where something may move.
    fn find(&self, name: Option<&EnvironmentName>) -> Result<usize, Refusal> {
        let Planning { sight, environments, .. } = &*self.planning;
        let published = sight.observed.policy.published().map(|environment| &environment.name);
        let Some(name) = name.or(published) else {
            return Err(Refusal::new("no_environment", "no environment is named"));
        };
        let Some(index) = environments.iter().position(|environment| environment.name == *name) else {
            let known: Vec<_> = environments.iter().map(|environment| environment.name.as_str()).collect();
            let refusal = Refusal::new("unknown_environment", format!("no environment `{name}`"));
            return Err(match nearest(name.as_str(), known.iter().copied()) {
                Some(near) => refusal.hint(format!("did you mean `{near}`?")),
                None => refusal.hint(format!("there are: {}", known.join(", "))),
            });
        };
        if environments[index].is_foreign() {
            return Err(Refusal::new("foreign_branch", format!("the branch of `{name}` is not one of Pointsman's"))
                .hint("rename that branch, or set branch_prefix in pointsman.toml"));
        }
        if environments[index].policy.is_none() {
            return Err(Refusal::new(
                "not_named",
                format!("`{name}` is not named in pointsman.toml any more, so nothing moves there"),
            )
            .hint("name it again, or say `renamed_from` in the one that carries it on"));
        }
        Ok(index)
    }

    fn unknown_agent(&self, agent: &AgentId) -> Refusal {
        let versions = &self.planning.sight.versions;
        let refusal = Refusal::new("no_published_version", format!("`{agent}` has no published version"));
        let known = versions.agents().into_iter().filter(|known| versions.knows(known)).map(AgentId::as_str);
        match nearest(agent.as_str(), known) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal.hint(format!("pointsman publish {agent}")),
        }
    }

    fn unknown_version(&self, agent: &AgentId, version: VersionNumber) -> Refusal {
        let Some(newest) = self.planning.sight.versions.newest_at_all(agent) else { return self.unknown_agent(agent) };
        Refusal::new("unknown_version", format!("`{agent}` has no version {version}"))
            .hint(format!("the newest is {newest}: pointsman versions {agent}"))
    }

    /// A hold by whoever asks, for the reason they give.
    fn new_hold(&self, rolled_back_from: Option<VersionNumber>) -> Hold {
        Hold {
            actor: self.request.actor.to_string(),
            time: self.planning.sight.now,
            reason: plain_text(&self.request.reason),
            rolled_back_from,
        }
    }

    /// A commit in the name of whoever asks.
    fn draft(&self, index: usize, action: crate::domain::record::Action, subject: String) -> EnvironmentCommit {
        let Request { cause, actor, reason, .. } = self.request;
        let commit = self.environment(index).draft_commit(action, *cause, Some(actor.clone()), subject);
        EnvironmentCommit { text: plain_text(reason), asked: true, ..commit }
    }

    /// Adds the commit that the request comes to.
    fn commit(&mut self, index: usize, commit: EnvironmentCommit) -> Answer {
        let EnvironmentCommit { environment, action, moves, .. } = commit.clone();
        self.planning.environments[index].commit(&mut self.planning.plan, commit);
        Answer::Moved { environment, action, moves }
    }

    /// The answer where nothing has to be done for `agents`.
    fn already<'i>(
        &self,
        index: usize,
        agents: impl IntoIterator<Item = &'i AgentId>,
        because: impl Into<String>,
    ) -> Answer {
        let environment = self.environment(index);
        let serves: BTreeMap<_, _> =
            agents.into_iter().map(|agent| (agent.clone(), environment.version(agent))).collect();
        Answer::Already { environment: environment.name.clone(), serves, because: because.into() }
    }

    /// A move from a version to itself: it names the agent that a hold is about.
    fn stays(&self, index: usize, agent: &AgentId) -> PlannedMove {
        let environment = self.environment(index);
        let present = environment
            .version(agent)
            .and_then(|version| Some((version, self.planning.sight.versions.get(agent, version)?)));
        environment.planned(agent, present)
    }
}
