//! Looking: refs, ledger, policy, tags and environment branches, for the agents that a pass is about.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::{Judged, judge};
use super::memory::Memory;
use super::{Context, NewVersion, Order, rebuild};
use crate::compile::COMPILER;
use crate::domain::ledger::AcceptedHead;
use crate::domain::version::FARTHEST_AHEAD;
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionNumber, VersionTag};
use crate::plan::{
    AstrayTag, Candidate, EnvironmentTip, KnownVersion, Observed, ObservedAgent, ObservedEnvironment, Proposal,
    ProposedChange, Served, Verdict, Wait,
};
use crate::policy::{Policy, PublishOn};
use crate::store::{
    AgentContent, AgentFolder, EntryMode, EnvironmentTree, Error, Ledger, Located, RefPlace, Repository, Result,
    SEEN_LEDGER, Scope, Tip, TreeChange, World, root_commit,
};

/// The most changes of one proposal that are judged; with more it is put back unread.
const MOST_PROPOSED: usize = 20_000;

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

struct Looking<'r, 'a> {
    repository: &'r Repository,
    ledger: Ledger<'r>,
    memory: &'a mut Memory,
    /// Tags of the agents that are looked at, by name.
    tags: BTreeMap<String, ObjectId>,
    ignored: Vec<(String, String)>,
    /// Agents whose documents in the ledger cannot be read: nothing is decided about them.
    unreadable: BTreeSet<AgentId>,
}

impl<'r, 'a> Looking<'r, 'a> {
    fn new(
        repository: &'r Repository,
        world: &World,
        ledger: Ledger<'r>,
        memory: &'a mut Memory,
        scope: &Scope,
    ) -> Result<Self> {
        let tags = world.tags(repository, scope)?;
        Ok(Looking { repository, ledger, memory, tags, ignored: Vec::new(), unreadable: BTreeSet::new() })
    }

    fn agents(&mut self, scope: &Scope) -> Result<BTreeMap<AgentId, ObservedAgent>> {
        let folders = match scope {
            Scope::All => self.ledger.agents()?,
            Scope::Agents(agents) => {
                let mut folders = BTreeMap::new();
                for agent in agents {
                    if let Some(folder) = self.ledger.agent(agent)? {
                        folders.insert(agent.clone(), folder);
                    }
                }
                folders
            }
        };
        let mut agents = BTreeMap::new();
        for (agent, folder) in folders {
            match self.agent(&agent, &folder) {
                Ok(state) => drop(agents.insert(agent, state)),
                // One unreadable document stops its own agent; who asks for that agent is told.
                Err(Error::Corrupt { what, .. }) if *scope == Scope::All => {
                    self.ignored.push((agent.to_string(), format!("{what}; `{agent}` is left as it is")));
                    self.unreadable.insert(agent);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(agents)
    }

    /// What the ledger holds of one agent, and its tags that are not where they belong.
    fn agent(&mut self, agent: &AgentId, folder: &AgentFolder<'_>) -> Result<ObservedAgent> {
        let marks = folder.marks()?;
        let rejections = folder.rejections()?;
        let mut versions = BTreeMap::new();
        let mut astray = BTreeMap::new();
        for (number, entry) in folder.versions() {
            let mark = marks.versions.get(&crate::domain::ledger::VersionNumberKey(number));
            let revoked = mark.is_some_and(|mark| mark.revoked.is_some());
            versions.insert(number, KnownVersion { entry, revoked });
            let (right, _) = self.right_tag(entry)?;
            let name = format!("{agent}/{number}");
            let found = self.tags.get(&name).copied();
            if found == Some(right) {
                continue;
            }
            // What is remembered must not lead to a step: it is read again.
            self.memory.tags.remove(&entry);
            let (right, raw) = self.right_tag(entry)?;
            if found != Some(right) {
                astray.insert(number, AstrayTag { right, found, raw });
            }
        }
        Ok(ObservedAgent { versions, marks, rejections, astray })
    }

    /// The tag object that an entry names, and the blob that holds its bytes.
    fn right_tag(&mut self, entry: ObjectId) -> Result<(ObjectId, ObjectId)> {
        if let Some(known) = self.memory.tags.get(&entry) {
            return Ok(*known);
        }
        let read = self.repository.read_entry(entry)?;
        let right = Repository::tag_id(&self.repository.blob(read.tag)?);
        self.memory.tags.insert(entry, (right, read.tag));
        Ok((right, read.tag))
    }

    /// Tags that the ledger does not know, judged, and refusals whose tag is gone.
    fn candidates(&mut self, agents: &BTreeMap<AgentId, ObservedAgent>) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        let mut fresh: Vec<(VersionTag, ObjectId)> = Vec::new();
        for (name, object) in &self.tags {
            let tag: VersionTag = match name.parse() {
                Ok(tag) => tag,
                Err(_) => {
                    let of_agent = name.rsplit_once('/').and_then(|(agent, _)| agent.parse::<AgentId>().ok());
                    if of_agent.is_some_and(|agent| agents.contains_key(&agent)) {
                        let reason = format!(
                            "`{name}` is not the name of a version: write `v` and a number without leading zeros"
                        );
                        self.ignored.push((name.clone(), reason));
                    }
                    continue;
                }
            };
            if self.unreadable.contains(&tag.agent) {
                continue;
            }
            let state = agents.get(&tag.agent);
            if state.is_some_and(|state| state.versions.contains_key(&tag.number)) {
                continue;
            }
            let judged_before = state.and_then(|state| state.rejections.get(&tag.number));
            if judged_before.is_some_and(|before| before.object == *object && before.compiler == COMPILER) {
                continue;
            }
            if let Some(reason) = self.memory.not_ours.get(&(name.clone(), *object)) {
                self.ignored.push((name.clone(), reason.clone()));
                continue;
            }
            fresh.push((tag, *object));
        }
        fresh.sort();
        // Ids accepted on the way: two new ones may collide with each other.
        let mut ids: Vec<AgentId> = Vec::new();
        let mut newest: BTreeMap<AgentId, VersionNumber> = BTreeMap::new();
        for (tag, object) in fresh {
            let known = agents.get(&tag.agent).and_then(|state| state.versions.keys().next_back().copied());
            let highest = newest.get(&tag.agent).copied().max(known);
            let collision = self.collision(&tag.agent, &ids)?;
            let judged = match judge(self.repository, &tag, object, highest, collision.as_ref()) {
                // Objects that are damaged or missing here stop this tag only, and may be whole the next time.
                Err(error @ (Error::Corrupt { .. } | Error::Git { .. })) => {
                    self.ignored.push((tag.to_string(), format!("`{tag}` cannot be judged: {error}")));
                    continue;
                }
                judged => judged?,
            };
            match judged {
                Judged::NotOurs(reason) => {
                    self.memory.not_ours.insert((tag.to_string(), object), reason.clone());
                    self.ignored.push((tag.to_string(), reason));
                }
                Judged::Verdict(verdict) => {
                    if matches!(verdict, Verdict::Accept(_)) {
                        newest.insert(tag.agent.clone(), tag.number);
                        ids.push(tag.agent.clone());
                    }
                    candidates.push(Candidate { tag, object, create: false, verdict });
                }
            }
        }
        for (agent, state) in agents {
            for (number, rejection) in &state.rejections {
                let tag = VersionTag { agent: agent.clone(), number: *number };
                if !self.tags.contains_key(&tag.to_string()) {
                    let object = rejection.object;
                    candidates.push(Candidate { tag, object, create: false, verdict: Verdict::Gone });
                }
            }
        }
        Ok(candidates)
    }

    /// The number after the highest among tags, entries and refusals.
    fn next_number(
        &self,
        agent: &AgentId,
        agents: &BTreeMap<AgentId, ObservedAgent>,
        candidates: &[Candidate],
    ) -> VersionNumber {
        let state = agents.get(agent);
        let accepted = state.and_then(|state| state.versions.keys().next_back().copied());
        let pending = candidates
            .iter()
            .filter(|candidate| candidate.tag.agent == *agent && matches!(candidate.verdict, Verdict::Accept(_)))
            .map(|candidate| candidate.tag.number)
            .max();
        let known = accepted.max(pending);
        // What is too far ahead is refused and takes no number, or one slip would burn a thousand.
        let farthest = known.map_or(0, VersionNumber::get).saturating_add(FARTHEST_AHEAD);
        let refused = state.into_iter().flat_map(|state| state.rejections.keys().copied());
        let prefix = format!("{agent}/");
        let names =
            self.tags.range(prefix.clone()..).map(|(name, _)| name).take_while(|name| name.starts_with(&prefix));
        let tagged = names.filter_map(|name| name.parse::<VersionTag>().ok()).map(|tag| tag.number);
        let taken = refused.chain(tagged).filter(|number| number.get() <= farthest).max();
        known.max(taken).map_or(VersionNumber::FIRST, VersionNumber::next)
    }

    /// An agent whose id begins `agent`'s or the other way round.
    fn collision(&self, agent: &AgentId, accepted: &[AgentId]) -> Result<Option<AgentId>> {
        match accepted.iter().find(|other| other.collides_with(agent)) {
            Some(other) => Ok(Some(other.clone())),
            None => self.ledger.collision(agent),
        }
    }

    fn new_version(
        &mut self,
        new: &NewVersion,
        agents: &BTreeMap<AgentId, ObservedAgent>,
        candidates: &[Candidate],
        taken: &[AgentId],
        context: &Context<'_>,
    ) -> Result<Candidate> {
        let number = self.next_number(&new.agent, agents, candidates);
        let tag = VersionTag { agent: new.agent.clone(), number };
        let object = self.repository.stage_tag(&tag.to_string(), new.commit, &new.tagger, context.now, &new.message);
        let collision = self.collision(&new.agent, taken)?;
        let highest = agents.get(&new.agent).and_then(|state| state.versions.keys().next_back().copied());
        let verdict = match judge(self.repository, &tag, object, highest, collision.as_ref())? {
            Judged::Verdict(verdict) => verdict,
            Judged::NotOurs(reason) => Verdict::Refuse(crate::domain::ledger::Rejection {
                object,
                code: "misplaced".to_owned(),
                reason,
                compiler: COMPILER.to_owned(),
            }),
        };
        Ok(Candidate { tag, object, create: true, verdict })
    }

    /// With `publish.on = "merge"`: versions of what the default branch holds and no version does.
    fn merged_versions(
        &mut self,
        tip: ObjectId,
        scope: &Scope,
        agents: &BTreeMap<AgentId, ObservedAgent>,
        candidates: &[Candidate],
        context: &Context<'_>,
        waits: &mut Vec<Wait>,
    ) -> Result<Vec<Candidate>> {
        let commit = self.repository.commit(tip)?;
        // Where agents are is read from the very commit that is tagged, as the judge will do.
        let policy = match self.repository.policy_text(tip)?.map(|text| Policy::parse(&text)) {
            None => Policy::default(),
            Some(Ok(policy)) => policy,
            Some(Err(_)) => return Ok(Vec::new()),
        };
        let (located, _) = self.repository.discover(commit.tree, &policy)?;
        self.memory.unpublishable.retain(|(commit, _), _| *commit == tip);
        let mut made: Vec<Candidate> = Vec::new();
        for located in located.values().filter(|located| scope.covers(&located.agent)) {
            let agent = &located.agent;
            if self.unreadable.contains(agent) {
                continue;
            }
            // A tag that waits to be judged speaks for itself first.
            if candidates.iter().any(|candidate| candidate.tag.agent == *agent) {
                continue;
            }
            let Some(content) = self.repository.content(commit.tree, located)? else { continue };
            if let Some(state) = agents.get(agent)
                && self.is_published(tip, located, content, state)?
            {
                continue;
            }
            if let Some(reason) = self.memory.unpublishable.get(&(tip, agent.clone())) {
                waits.extend(merge_refused(&policy, agent, reason));
                continue;
            }
            let subject = commit.message.lines().next().unwrap_or_default();
            let mut message = crate::domain::record::one_line(subject);
            message.push('\n');
            let tagger = context.committer.clone();
            let new = NewVersion { agent: agent.clone(), commit: tip, tagger, message, after: None };
            let taken: Vec<_> = made.iter().map(|candidate| candidate.tag.agent.clone()).collect();
            let candidate = self.new_version(&new, agents, candidates, &taken, context)?;
            if let Verdict::Refuse(rejection) = &candidate.verdict {
                waits.extend(merge_refused(&policy, agent, &rejection.reason));
                self.memory.unpublishable.insert((tip, agent.clone()), rejection.reason.clone());
                continue;
            }
            made.push(candidate);
        }
        Ok(made)
    }

    /// Whether the default branch's `content` needs no version: it is the newest one's; or it is an older one's, and
    /// the newest was published from elsewhere and is not merged yet, so that there is nothing new on the branch.
    fn is_published(
        &self,
        tip: ObjectId,
        located: &Located,
        content: AgentContent,
        state: &ObservedAgent,
    ) -> Result<bool> {
        let mut newest = None;
        for known in state.versions.values().rev() {
            let published = self.repository.read_entry(known.entry)?.content;
            let newest = *newest.get_or_insert(published);
            if published == content {
                return Ok(newest == content || !self.repository.was_merged(tip, located, newest)?);
            }
        }
        Ok(false)
    }
}

/// What waits because an agent of the default branch cannot be published.
fn merge_refused(policy: &Policy, agent: &AgentId, reason: &str) -> Option<Wait> {
    Some(Wait {
        environment: policy.environments.first()?.name.clone(),
        agent: Some(agent.clone()),
        version: None,
        code: "merge_refused".into(),
        reason: format!("{agent} on the default branch cannot be published: {reason}"),
        until: None,
    })
}

/// Where each environment's branch points.
type Tips = BTreeMap<EnvironmentName, Option<ObjectId>>;

fn environments(
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

fn served_version(observed: &Observed, agent: &AgentId, tree: ObjectId) -> Served {
    let versions = observed.agents.get(agent).into_iter().flat_map(|state| &state.versions);
    let number = versions.rev().find(|(_, known)| known.entry == tree).map(|(number, _)| *number);
    number.map_or(Served::Unknown(tree), Served::Version)
}

/// What `tip` changes below `agents/`, seen from the accepted tree `base`.
fn proposal(repository: &Repository, observed: &Observed, base: ObjectId, tip: ObjectId) -> Result<Proposal> {
    let commit = repository.commit(tip)?;
    let below = |root| repository.entry_at(root, "agents");
    let mut changes = Vec::new();
    match (below(base)?, below(commit.tree)?) {
        (_, Some((mode, id))) if mode != EntryMode::Tree => {
            changes.push(ProposedChange { agent: Err("agents".to_owned()), to: Some(Served::Unknown(id)) });
        }
        (before, after) => {
            let id = |place: Option<(EntryMode, ObjectId)>| place.map(|(_, id)| id);
            let compared = repository.changes(id(before), id(after), &mut |change| {
                let descend = proposed(repository, observed, change, &mut changes)?;
                Ok(descend && changes.len() <= MOST_PROPOSED)
            });
            match compared {
                Err(Error::Corrupt { what, .. }) => changes.push(ProposedChange { agent: Err(what), to: None }),
                other => other?,
            }
        }
    }
    if changes.len() > MOST_PROPOSED {
        changes.truncate(MOST_PROPOSED);
        let too_many = format!("agents/… (more than {MOST_PROPOSED} changes)");
        changes.push(ProposedChange { agent: Err(too_many), to: None });
    }
    changes.sort_by(|a, b| path(a).cmp(path(b)));
    let subject = crate::domain::record::one_line(commit.message.lines().next().unwrap_or_default());
    Ok(Proposal { tip, author: commit.author, subject, changes })
}

fn path(change: &ProposedChange) -> &str {
    change.agent.as_ref().map_or_else(String::as_str, AgentId::as_str)
}

/// Takes one differing path below `agents/`; says whether it is a folder around agents, to be looked into.
fn proposed(
    repository: &Repository,
    observed: &Observed,
    change: &TreeChange,
    changes: &mut Vec<ProposedChange>,
) -> Result<bool> {
    if change.only_folders() && change.path.len() <= crate::domain::agent_id::LONGEST {
        let mut entry = false;
        for (_, tree) in [change.before, change.after].into_iter().flatten() {
            entry |= repository.tree(tree)?.get("version.json").is_some();
        }
        if !entry {
            return Ok(true);
        }
    }
    let agent = change.path.parse::<AgentId>().map_err(|_| change.path.clone());
    let to = change.after.map(|(mode, id)| match &agent {
        Ok(agent) if mode == EntryMode::Tree => served_version(observed, agent, id),
        _ => Served::Unknown(id),
    });
    changes.push(ProposedChange { agent, to });
    Ok(false)
}
