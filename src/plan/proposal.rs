//! Bringing a branch back to where Pointsman can stand on it: begin, follow, accept a proposal, heal.

use super::environment::Working;
use super::gates::{joined, unmet};
use super::{EnvironmentTip, History, Plan, PlannedMove, Proposal, ProposedChange, Served, Sight, Step, Unmet};
use crate::domain::ObjectId;
use crate::domain::ledger::Hold;
use crate::domain::record::{Action, Cause};

/// How many faults of one proposal are looked for and told.
const MOST_FAULTS: usize = 20;

impl Working<'_> {
    /// Steps that make the branch's tip the accepted head.
    pub(super) fn settle<H: History>(
        &mut self,
        plan: &mut Plan,
        sight: &Sight<'_, H>,
        before: Option<&Working<'_>>,
    ) -> Result<(), H::Error> {
        if let EnvironmentTip::Foreign(tip) = &self.state.tip {
            let reason = format!(
                "branch of `{}` at {} is not one of Pointsman's and is left alone; rename it, or set branch_prefix in pointsman.toml",
                self.name,
                tip.short()
            );
            plan.waits.push(self.wait(None, None, "foreign_branch", reason, None));
            return Ok(());
        }
        let begins = self.state.head.is_none();
        if begins {
            plan.steps.push(Step::Begin { environment: self.name.clone(), carries_on: self.state.renamed.clone() });
        }
        match &self.state.tip {
            EnvironmentTip::Foreign(_) | EnvironmentTip::Accepted => {}
            EnvironmentTip::Behind if begins => {}
            EnvironmentTip::Behind => plan.steps.push(Step::Follow { environment: self.name.clone() }),
            // An environment that begins may find an older branch of ours under its name. It becomes a second parent
            // too: a branch is never pushed backwards.
            EnvironmentTip::Rewritten(tip) if begins => {
                self.heal(plan, *tip, format!("Begin {} beside an older branch of that name", self.name));
            }
            EnvironmentTip::Rewritten(tip) => {
                self.heal(plan, *tip, format!("Put {} back: its history was rewritten", self.name));
            }
            EnvironmentTip::Proposal(proposal) => self.answer_proposal(plan, proposal, sight, before)?,
        }
        if !self.state.named {
            let reason =
                format!("`{}` is not named in pointsman.toml any more: it is served, but moves no more", self.name);
            plan.waits.push(self.wait(None, None, "not_named", reason, None));
        }
        Ok(())
    }

    /// A commit that changes nothing of what is served and has `tip` as its second parent.
    fn heal(&mut self, plan: &mut Plan, tip: ObjectId, subject: String) {
        let mut commit = self.draft_commit(Action::Heal, Cause::PullRequest, None, subject);
        commit.text = format!("The tip {tip} does not continue what was accepted.");
        commit.beside = Some(tip);
        self.commit(plan, commit);
    }

    fn answer_proposal<H: History>(
        &mut self,
        plan: &mut Plan,
        proposal: &Proposal,
        sight: &Sight<'_, H>,
        before: Option<&Working<'_>>,
    ) -> Result<(), H::Error> {
        let mut moves = Vec::new();
        let mut faults = Vec::new();
        for change in &proposal.changes {
            match self.judge_change(change, sight, before)? {
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
                let hold = || Hold {
                    actor: proposal.author.to_string(),
                    time: sight.now,
                    reason: proposal.subject.clone(),
                    rolled_back_from: None,
                };
                let hold = match made.to {
                    Some(version) => self.hold_after_promotion(&made.agent, version, &sight.versions, hold),
                    // A removal is a `retire`, which begins a hold.
                    None => Some(Some(hold())),
                };
                commit.holds.extend(hold.map(|hold| (made.agent.clone(), hold)));
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
        change: &ProposedChange,
        sight: &Sight<'_, H>,
        before: Option<&Working<'_>>,
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
        let Some(known) = sight.versions.get(agent, version) else {
            return Ok(Err(format!("{agent} {version} is not a published version.")));
        };
        let mut unmet = unmet(policy, agent, version, before, sight)?;
        if let Some(pin) = policy.pins.get(agent).filter(|pin| **pin != version) {
            unmet.push(Unmet::Pinned { pin: *pin });
        }
        if unmet.is_empty() {
            return Ok(Ok(self.planned(agent, Some((version, known)))));
        }
        Ok(Err(format!("{agent} {version} may not enter {}: {}.", self.name, joined(&unmet))))
    }
}
