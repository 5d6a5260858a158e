//! Looking at environments: what each serves and holds, and where its branch stands.

use std::collections::BTreeMap;

use super::proposal::proposal;
use super::rebuild;
use crate::domain::ledger::AcceptedHead;
use crate::domain::{AgentId, EnvironmentName, ObjectId};
use crate::plan::{EnvironmentTip, Observed, ObservedEnvironment, Served};
use crate::store::{EnvironmentTree, Ledger, RefPlace, Repository, Result, Tip, World, root_commit};

/// Where each environment's branch points.
pub type Tips = BTreeMap<EnvironmentName, Option<ObjectId>>;

/// All environments: those of the policy in its order, then those that are named no longer.
pub(super) fn environments(
    repository: &Repository,
    world: &World,
    ledger: &Ledger<'_>,
    observed: &Observed,
) -> Result<(Vec<ObservedEnvironment>, Tips)> {
    let mut heads = ledger.heads()?;
    let mut all = Vec::new();
    let mut tips = BTreeMap::new();
    for policy in &observed.policy.environments {
        let head = heads.remove(&policy.name);
        let renamed = match (&head, &policy.renamed_from) {
            (None, Some(old)) if observed.policy.environment(old).is_none() => {
                heads.remove(old).map(|head| (old.clone(), head))
            }
            _ => None,
        };
        let tip = world.read(repository, &RefPlace::Environment(policy.name.clone()))?;
        tips.insert(policy.name.clone(), tip);
        all.push(environment(repository, observed, policy.name.clone(), true, head, renamed, tip)?);
    }
    for (name, head) in heads {
        let tip = world.read(repository, &RefPlace::Environment(name.clone()))?;
        tips.insert(name.clone(), tip);
        all.push(environment(repository, observed, name, false, Some(head), None, tip)?);
    }
    Ok((all, tips))
}

fn environment(
    repository: &Repository,
    observed: &Observed,
    name: EnvironmentName,
    named: bool,
    head: Option<AcceptedHead>,
    renamed: Option<(EnvironmentName, AcceptedHead)>,
    tip: Option<ObjectId>,
) -> Result<ObservedEnvironment> {
    let base = head.as_ref().or(renamed.as_ref().map(|(_, head)| head)).map(|head| head.head);
    let tip = match (&head, tip) {
        (Some(head), tip) => match repository.tip(head.head, tip)? {
            Tip::Accepted => EnvironmentTip::Accepted,
            Tip::Behind(_) => EnvironmentTip::Behind,
            Tip::Proposal(tip) => {
                let base = repository.commit(head.head)?.tree;
                EnvironmentTip::Proposal(proposal(repository, observed, base, tip)?)
            }
            Tip::Rewritten(tip) => EnvironmentTip::Rewritten(tip),
        },
        (None, None) => EnvironmentTip::Behind,
        // No accepted head: a branch is ours only if it grew from our root.
        (None, Some(tip)) if tip == root_commit(repository) => EnvironmentTip::Behind,
        (None, Some(tip)) if base.is_some_and(|base| base == tip) => EnvironmentTip::Behind,
        (None, Some(tip)) if rebuild::is_ours(repository, tip)? => EnvironmentTip::Rewritten(tip),
        (None, Some(tip)) => EnvironmentTip::Foreign(tip),
    };
    let mut serves = BTreeMap::new();
    let mut holds = BTreeMap::new();
    let mut routes = None;
    if let Some(base) = base {
        let tree = EnvironmentTree::new(repository, repository.commit(base)?.tree);
        let few = observed.agents.len() <= 8;
        let served = if few {
            let mut served = BTreeMap::new();
            for agent in observed.agents.keys() {
                if let Some(id) = tree.serves(agent)? {
                    served.insert(agent.clone(), id);
                }
            }
            served
        } else {
            tree.serves_among(&observed.agents.keys().cloned().collect())?
        };
        for (agent, id) in served {
            let served = served_version(observed, &agent, id);
            serves.insert(agent, served);
        }
        if few {
            for agent in observed.agents.keys() {
                if let Some(hold) = tree.hold(agent)? {
                    holds.insert(agent.clone(), hold);
                }
            }
        } else {
            holds = tree.holds()?;
        }
        routes = tree.routes()?.map(|blob| repository.blob(blob)).transpose()?;
    }
    Ok(ObservedEnvironment { name, named, head, renamed, tip, serves, holds, routes })
}

/// The version of `agent` that is served as `tree`.
pub(super) fn served_version(observed: &Observed, agent: &AgentId, tree: ObjectId) -> Served {
    let versions = observed.agents.get(agent).into_iter().flat_map(|state| &state.versions);
    let number = versions.rev().find(|(_, known)| known.entry == tree).map(|(number, _)| *number);
    number.map_or(Served::Unknown(tree), Served::Version)
}
