//! Drafts that have a name: the branches on which an agent is worked on.

use std::collections::BTreeSet;

use super::{Problem, Workspace};
use crate::domain::{AgentId, Identity};
use crate::policy::Policy;

/// One of them.
#[derive(Clone, Debug)]
pub struct NamedDraft {
    /// The branch.
    pub name: String,
    /// Whether it is the default branch.
    pub is_default: bool,
    /// When its tip was committed.
    pub updated_at: jiff::Timestamp,
    /// Who wrote its tip.
    pub updated_by: Identity,
    /// The agents that have a folder in it.
    pub agents: BTreeSet<AgentId>,
}

/// Whether work on `agent` may stand in the branch: a line of work (`ops::lines`) is about one agent, whatever else its
/// tree holds.
fn may_hold(branch: &str, agent: &AgentId) -> bool {
    branch
        .strip_prefix("draft/")
        .is_none_or(|line| line.strip_prefix(agent.as_str()).is_some_and(|name| name.starts_with('/')))
}

/// The branches that hold any of `agents`, the default branch first, then by name. A branch whose policy does not parse
/// is read without one.
pub fn list(workspace: &Workspace, agents: &BTreeSet<AgentId>) -> Result<Vec<NamedDraft>, Problem> {
    let repository = &workspace.repository;
    let world = workspace.world()?;
    let (default, _) = world.default_branch(repository)?;
    let mut drafts = Vec::new();
    for (name, tip) in world.branches(repository)? {
        let commit = repository.commit(tip)?;
        let text = repository.policy_text(tip)?.unwrap_or_default();
        let policy = Policy::parse(&text).unwrap_or_default();
        let mut held = BTreeSet::new();
        for agent in agents.iter().filter(|agent| may_hold(&name, agent)) {
            if repository.locate(commit.tree, &policy, agent)?.is_ok() {
                held.insert(agent.clone());
            }
        }
        let is_default = name == default;
        if is_default || !held.is_empty() {
            drafts.push(NamedDraft {
                name,
                is_default,
                updated_at: commit.time,
                updated_by: commit.author,
                agents: held,
            });
        }
    }
    drafts.sort_by(|a, b| b.is_default.cmp(&a.is_default).then_with(|| a.name.cmp(&b.name)));
    Ok(drafts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_work_is_about_one_agent() {
        let agent: AgentId = "emea/billing".parse().unwrap();
        for (branch, may) in [
            ("main", true),
            ("summer", true),
            ("draft/emea/billing/summer", true),
            ("draft/emea/billing-two/summer", false),
            ("draft/support/main", false),
        ] {
            assert_eq!(may_hold(branch, &agent), may, "{branch}");
        }
    }
}
