//! Looking: refs, ledger, policy, tags and environment branches, for the agents that a pass is about.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use super::environments::{Tips, environments};
use super::memory::Memory;
use super::versions::Looking;
use super::{Context, Decided, Key, Order, Standing, rebuild};
use crate::domain::{AgentId, ObjectId, VersionTag};
use crate::plan::{Candidate, EnvironmentTip, Observed, ObservedAgent, ObservedEnvironment, Request, Verdict};
use crate::policy::{Policy, PublishOn};
use crate::store::{DraftCommit, Ledger, RefPlace, Result, SEEN_LEDGER, Scope, World};

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
    /// What the publisher asks for, now that it has seen this.
    pub asked: Option<Request>,
    /// The publisher's draft, which becomes theirs with the version.
    pub draft: Option<Rc<DraftCommit>>,
    /// The planner's input.
    pub observed: Observed,
}

impl View<'_> {
    /// What is asked of a pass that carries out `order`.
    pub(super) fn request<'o>(&'o self, order: &'o Order<'_>) -> Option<&'o Request> {
        self.asked.as_ref().or(order.request.as_ref())
    }

    /// Tags of the accepted versions that stand where they should.
    pub fn accepted_tags(&self) -> impl Iterator<Item = VersionTag> {
        let known = standing_tags(&self.observed.agents);
        let fresh = self.observed.candidates.iter().filter(|it| matches!(it.verdict, Verdict::Accept(_)));
        known.chain(fresh.map(|candidate| candidate.tag.clone()))
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

/// Looks at the world for `order`, or says at once what it comes to, before a publisher is asked. With `seed`, a remote
/// that has none is given the ledger of this clone; without, nothing is written.
pub fn look<'r>(
    context: &Context<'r>,
    order: &Order<'_>,
    memory: &mut Memory,
    opened: Opened,
    seed: bool,
) -> Result<ControlFlow<Decided, View<'r>>> {
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
    let (mut asked, mut draft) = (None, None);
    // The tag of an interrupted publish may carry this very key: then it is accepted first, and is the answer.
    if let Some(publisher) = order.publisher
        && !carries_key(&candidates, order.key.as_ref())
    {
        // A key is asked before the publisher, whose draft may be another one by now, or a broken one.
        if let Some(decided) = remembered(&ledger, order.key.as_ref(), context.now)? {
            return Ok(ControlFlow::Break(decided));
        }
        let newest = looking.newest(publisher.agent, &agents, &candidates)?;
        let Some(publish) = (publisher.decide)(&Standing { ledger: &ledger, newest })? else {
            // What the publisher met is here by name, to be merged or looked at.
            world.follow(repository, standing_tags(&agents))?;
            return Ok(ControlFlow::Break(Decided::Withdrawn));
        };
        asked = Some(publish.request);
        if let Some(new) = publish.version {
            candidates.push(looking.new_version(&new, &agents, &candidates, &[], context)?);
            draft = new.draft;
        }
    }
    let mut waits = Vec::new();
    if policy.publish_on == PublishOn::Merge
        && order.publisher.is_none()
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
    Ok(ControlFlow::Continue(View {
        world,
        ledger,
        ledger_ref,
        rebuilt,
        tips,
        default_tip,
        policy_note,
        ignored,
        unseeded,
        asked,
        draft,
        observed,
    }))
}

/// Tags of the versions of `agents` that stand where they should.
fn standing_tags(agents: &BTreeMap<AgentId, ObservedAgent>) -> impl Iterator<Item = VersionTag> {
    agents.iter().flat_map(|(agent, state)| {
        let right = state.versions.keys().filter(|number| !state.astray.contains_key(number));
        right.map(|number| VersionTag { agent: agent.clone(), number: *number })
    })
}

/// What the idempotency key `key` was answered with, if it came before.
pub(super) fn remembered(ledger: &Ledger<'_>, key: Option<&Key>, now: jiff::Timestamp) -> Result<Option<Decided>> {
    let Some(key) = key else { return Ok(None) };
    let Some(record) = ledger.key(&key.name)?.filter(|record| !record.is_expired(now)) else { return Ok(None) };
    Ok(Some(if record.request == key.request { Decided::Replayed(record.answer) } else { Decided::KeyReused }))
}

fn carries_key(candidates: &[Candidate], key: Option<&Key>) -> bool {
    candidates.iter().any(|candidate| match (&candidate.verdict, key) {
        (Verdict::Accept(accepted), Some(key)) => accepted.key.is_some_and(|(name, _)| name == key.name),
        _ => false,
    })
}

fn proposed_agents(environment: &ObservedEnvironment) -> Vec<AgentId> {
    match &environment.tip {
        EnvironmentTip::Proposal(proposal) => {
            proposal.changes.iter().filter_map(|change| change.agent.clone().ok()).collect()
        }
        _ => Vec::new(),
    }
}
