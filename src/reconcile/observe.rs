//! Looking: refs, ledger, policy, tags and environment branches, for the agents that a pass is about.

use std::collections::BTreeSet;

use super::environments::{Tips, environments};
use super::memory::Memory;
use super::versions::Looking;
use super::{Context, Order, rebuild};
use crate::domain::{AgentId, ObjectId, VersionNumber, VersionTag};
use crate::plan::{EnvironmentTip, Observed, ObservedEnvironment, Verdict};
use crate::policy::{Policy, PublishOn};
use crate::store::{Ledger, RefPlace, Result, SEEN_LEDGER, Scope, World};

/// What was seen, with what applying a plan needs beside it.
pub struct View<'r> {
    /// Where refs are.
    pub world: World,
    /// The ledger to build on.
    pub ledger: Ledger<'r>,
    /// What the ledger's ref points at; differs from the ledger's tip where the branch was lost.
    pub ledger_ref: Option<ObjectId>,
    /// Entries and heads that were found again because the ledger is lost.
    pub rebuilt: Option<rebuild::Rebuilt>,
    /// The branches' tips.
    pub tips: Tips,
    /// The default branch's tip.
    pub default_tip: Option<ObjectId>,
    /// What is wrong with the policy, if anything.
    pub policy_note: Option<String>,
    /// Tags that look like versions but are none.
    pub ignored: Vec<(String, String)>,
    /// Whether the remote has neither ledger nor environments, and is given those of this clone.
    pub unseeded: bool,
    /// The planner's input.
    pub observed: Observed,
}

impl View<'_> {
    /// Tags of the accepted versions that stand where they should.
    pub fn accepted_tags(&self) -> impl Iterator<Item = VersionTag> {
        let known = self.observed.agents.iter().flat_map(|(agent, state)| {
            let right = state.versions.keys().filter(|number| !state.astray.contains_key(number));
            right.map(|number| VersionTag { agent: agent.clone(), number: *number })
        });
        let fresh = self.observed.candidates.iter().filter(|it| matches!(it.verdict, Verdict::Accept(_)));
        known.chain(fresh.map(|candidate| candidate.tag.clone()))
    }

    /// The newest version of `agent`, those that this pass accepts included and one that it makes left out.
    pub fn newest(&self, agent: &AgentId) -> Option<VersionNumber> {
        let known = self.observed.agents.get(agent).and_then(|state| state.versions.keys().next_back().copied());
        let accepted = self.observed.candidates.iter().filter(|candidate| {
            candidate.tag.agent == *agent && !candidate.create && matches!(candidate.verdict, Verdict::Accept(_))
        });
        accepted.map(|candidate| candidate.tag.number).max().max(known)
    }

    /// What becomes of the ledger's branch, if it is not where it should be.
    pub fn ledger_trouble(&self) -> Option<String> {
        match (&self.rebuilt, self.ledger.tip()) {
            _ if self.unseeded => Some("give the remote the ledger and the environments of this clone".to_owned()),
            (Some(found), _) => {
                let heads = found.parents.len();
                Some(format!("rebuild the lost ledger from environment history ({heads} commits prove themselves)"))
            }
            (None, Some(tip)) if self.ledger_ref != Some(tip) => {
                Some(format!("put the lost branch pointsman/ledger back to {}", tip.short()))
            }
            _ => None,
        }
    }
}

/// The world as it is now, and the policy that holds in it.
pub struct Opened {
    world: World,
    default_tip: Option<ObjectId>,
    policy: Policy,
    policy_note: Option<String>,
}

/// Reads the remote again, where there is one, and the policy.
pub fn open(context: &Context<'_>, scope: &Scope) -> Result<Opened> {
    let repository = context.repository;
    let mut world = World::of(repository, context.local);
    world.tags_as_fetched = context.tags_as_fetched;
    world.refresh(repository, scope)?;
    let (_, default_tip) = world.default_branch(repository)?;
    let (policy, policy_note) = world.policy(repository)?;
    if policy.branch_prefix != world.branch_prefix {
        world.branch_prefix.clone_from(&policy.branch_prefix);
        world.refresh(repository, scope)?;
    }
    Ok(Opened { world, default_tip, policy, policy_note })
}

/// Looks at the world for `order`. With `seed`, a remote that has none is given the ledger of this clone; without,
/// nothing is written.
pub fn look<'r>(
    context: &Context<'r>,
    order: &Order,
    memory: &mut Memory,
    opened: Opened,
    seed: bool,
) -> Result<View<'r>> {
    let repository = context.repository;
    let Opened { mut world, default_tip, policy, policy_note } = opened;
    let mut unseeded = false;
    if let Some(ours) = world.seed(repository)? {
        rebuild::must_be_ours(repository, ours)?;
        if seed {
            world.seed_remote(repository, ours)?;
            tracing::info!("gave the remote the ledger and environments of this clone");
        } else {
            world = world.local();
            unseeded = true;
        }
    }
    world.check(repository)?;

    let ledger_ref = world.read(repository, &RefPlace::Ledger)?;
    let mut rebuilt = None;
    let ledger = match ledger_ref {
        Some(tip) => {
            rebuild::must_be_ours(repository, tip)?;
            Ledger::at(repository, Some(tip))?
        }
        // A lost ledger that was seen here before is put back; nothing needs to be found out again.
        None => match repository.read_ref(SEEN_LEDGER)? {
            Some(seen) => Ledger::at(repository, Some(seen))?,
            None => {
                rebuilt = rebuild::rebuild(repository, &world, &policy)?;
                match &rebuilt {
                    Some(found) => Ledger::at_root(repository, found.root),
                    None => Ledger::at(repository, None)?,
                }
            }
        },
    };

    let mut looking = Looking::new(repository, &world, ledger, memory, &order.scope)?;
    let agents = looking.agents(&order.scope)?;
    let mut candidates = looking.candidates(&agents)?;
    if let Some(new) = &order.publish {
        candidates.push(looking.new_version(new, &agents, &candidates, &[], context)?);
    }
    let mut waits = Vec::new();
    if policy.publish_on == PublishOn::Merge
        && order.publish.is_none()
        && let Some(tip) = default_tip
    {
        let merged = looking.merged_versions(tip, &order.scope, &agents, &candidates, context, &mut waits)?;
        candidates.extend(merged);
    }
    let mut agents = agents;
    for candidate in &candidates {
        agents.entry(candidate.tag.agent.clone()).or_default();
    }
    // A pin may name an agent that has no version yet, and then waits.
    let pinned = policy.environments.iter().flat_map(|environment| environment.pins.keys());
    for agent in pinned.filter(|agent| order.scope.covers(agent)) {
        agents.entry(agent.clone()).or_default();
    }
    let ignored = std::mem::take(&mut looking.ignored);
    let mut observed = Observed { policy, environments: Vec::new(), agents, candidates, waits };
    let (seen, mut tips) = environments(repository, &world, &ledger, &observed)?;
    observed.environments = seen;
    // Proposals may touch agents outside the scope, whose versions are then needed too.
    let touched: BTreeSet<AgentId> = observed.environments.iter().flat_map(proposed_agents).collect();
    let missing: BTreeSet<_> = touched.into_iter().filter(|agent| !observed.agents.contains_key(agent)).collect();
    if !missing.is_empty() {
        let scope = Scope::Agents(missing);
        world.refresh(repository, &scope)?;
        let more = Looking::new(repository, &world, ledger, memory, &scope)?.agents(&scope)?;
        observed.agents.extend(more);
        (observed.environments, tips) = environments(repository, &world, &ledger, &observed)?;
    }
    Ok(View { world, ledger, ledger_ref, rebuilt, tips, default_tip, policy_note, ignored, unseeded, observed })
}

fn proposed_agents(environment: &ObservedEnvironment) -> Vec<AgentId> {
    match &environment.tip {
        EnvironmentTip::Proposal(proposal) => {
            proposal.changes.iter().filter_map(|change| change.agent.clone().ok()).collect()
        }
        _ => Vec::new(),
    }
}
