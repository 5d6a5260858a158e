//! Bringing a branch back to where Pointsman can stand on it: begin, follow, accept a proposal, heal.

use super::environment::Working;
use super::gates::{self, Elsewhere};
use super::{EnvironmentTip, History, Plan, PlannedMove, Proposal, Served, Step};
use crate::domain::ledger::Hold;
use crate::domain::record::{Action, Cause};

/// How many faults of one proposal are looked for and told.
const MOST_FAULTS: usize = 20;

impl Working<'_> {
    /// Steps that make the branch's tip the accepted head.
    pub(super) fn settle<H: History>(
        &mut self,
        plan: &mut Plan,
        history: &H,
        now: jiff::Timestamp,
        before: &Elsewhere,
    ) -> Result<(), H::Error> {
        match &self.state.tip {
            EnvironmentTip::Foreign(tip) => {
                let reason = format!(
                    "branch of `{}` at {} is not one of Pointsman's and is left alone; rename it, or set branch_prefix in pointsman.toml",
                    self.name,
                    tip.short()
                );
                plan.waits.push(self.wait(None, None, "foreign_branch", reason, None));
                return Ok(());
            }
            _ if self.state.head.is_none() => {
                plan.steps.push(Step::Begin { environment: self.name.clone(), carries_on: self.state.renamed.clone() });
            }
            _ => {}
        }
        match &self.state.tip {
            EnvironmentTip::Foreign(_) | EnvironmentTip::Accepted => {}
            EnvironmentTip::Behind if self.state.head.is_none() => {}
            EnvironmentTip::Behind => plan.steps.push(Step::Follow { environment: self.name.clone() }),
            // Also where the environment only begins: a branch is never pushed backwards.
            EnvironmentTip::Rewritten(tip) => {
                let mut commit = self.draft_commit(
                    Action::Heal,
                    Cause::PullRequest,
                    None,
                    format!("Put {} back: its history was rewritten", self.name),
                );
                commit.text = format!("The tip {tip} does not continue what was accepted.");
                commit.beside = Some(*tip);
                self.commit(plan, commit);
            }
            EnvironmentTip::Proposal(proposal) => self.answer_proposal(plan, proposal, history, now, before)?,
        }
        if !self.state.named {
            let reason =
                format!("`{}` is not named in pointsman.toml any more: it is served, but moves no more", self.name);
            plan.waits.push(self.wait(None, None, "not_named", reason, None));
        }
        Ok(())
    }

    fn answer_proposal<H: History>(
        &mut self,
        plan: &mut Plan,
        proposal: &Proposal,
        history: &H,
        now: jiff::Timestamp,
        before: &Elsewhere,
    ) -> Result<(), H::Error> {
        let mut moves = Vec::new();
        let mut faults = Vec::new();
        for change in &proposal.changes {
            match self.judge_change(change, history, now, before)? {
                Ok(made) => moves.push(made),
                Err(fault) => faults.push(fault),
            }
            // They fall together: more reasons help nobody, and each may cost a walk through history.
            if faults.len() >= MOST_FAULTS {
                break;
            }
        }
        let accepted = faults.is_empty() && !moves.is_empty();
        let (action, verb) = if accepted { (Action::Accept, "Accept") } else { (Action::Heal, "Put back") };
        let subject = format!("{verb} a change of {}: {}", self.name, proposal.subject);
        let mut commit = self.draft_commit(action, Cause::PullRequest, Some(proposal.author.clone()), subject);
        commit.beside = Some(proposal.tip);
        if accepted {
            for made in &moves {
                // An explicit promotion ends a hold; a removal is a `retire`, which begins one.
                let hold = made.to.is_none().then(|| Hold {
                    actor: proposal.author.to_string(),
                    time: now,
                    reason: proposal.subject.clone(),
                    rolled_back_from: None,
                });
                if hold.is_some() || self.holds.contains_key(&made.agent) {
                    commit.holds.insert(made.agent.clone(), hold);
                }
            }
            commit.moves = moves;
        } else if faults.is_empty() {
            commit.text = "Nothing below agents/ was changed, and everything else is generated.".to_owned();
        } else {
            commit.text = faults.join("\n");
        }
        self.commit(plan, commit);
        Ok(())
    }

    fn judge_change<H: History>(
        &self,
        change: &super::ProposedChange,
        history: &H,
        now: jiff::Timestamp,
        before: &Elsewhere,
    ) -> Result<Result<PlannedMove, String>, H::Error> {
        let agent = match &change.agent {
            Ok(agent) => agent,
            Err(path) => return Ok(Err(format!("`{path}` is not an agent."))),
        };
        let Some(policy) = self.policy else {
            return Ok(Err(format!("`{}` is not named in pointsman.toml.", self.name)));
        };
        let version = match change.to {
            None => return Ok(Ok(self.planned(agent, None))),
            Some(Served::Version(version)) => version,
            Some(Served::Unknown(tree)) => {
                return Ok(Err(format!("What stands at `{agent}` ({}) is not a published version.", tree.short())));
            }
        };
        let versions = self.observed.versions(agent);
        let Some(known) = versions.get(&version) else {
            return Ok(Err(format!("{agent} {version} is not a published version.")));
        };
        let mut unmet = gates::unmet(policy, agent, version, before, history, now)?;
        if known.revoked {
            unmet.push(super::Unmet::Revoked);
        }
        if let Some(pin) = policy.pins.get(agent).filter(|pin| **pin != version) {
            unmet.push(super::Unmet::Pinned { pin: *pin });
        }
        if unmet.is_empty() {
            return Ok(Ok(self.planned(agent, Some((version, *known)))));
        }
        let reasons: Vec<_> = unmet.iter().map(ToString::to_string).collect();
        Ok(Err(format!("{agent} {version} may not enter {}: {}.", self.name, reasons.join("; "))))
    }
}
