//! Looking at versions: what the ledger has accepted, which tags wait to be judged, and what the default branch holds
//! that no version does.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::{Judged, judge};
use super::memory::Memory;
use super::{Context, NewVersion};
use crate::compile::COMPILER;
use crate::domain::version::FARTHEST_AHEAD;
use crate::domain::{AgentId, ObjectId, VersionNumber, VersionTag};
use crate::plan::{AstrayTag, Candidate, KnownVersion, ObservedAgent, Verdict, Wait};
use crate::policy::Policy;
use crate::store::{AgentContent, AgentFolder, Entry, Error, Ledger, Located, Repository, Result, Scope, World};

/// One look at tags and ledger.
pub(super) struct Looking<'r, 'a> {
    repository: &'r Repository,
    ledger: Ledger<'r>,
    memory: &'a mut Memory,
    /// Tags of the agents that are looked at, by name.
    tags: BTreeMap<String, ObjectId>,
    /// Tags that look like versions but are none, with the reason.
    pub(super) ignored: Vec<(String, String)>,
    /// Agents whose documents in the ledger cannot be read: nothing is decided about them.
    unreadable: BTreeSet<AgentId>,
}

impl<'r, 'a> Looking<'r, 'a> {
    pub(super) fn new(
        repository: &'r Repository,
        world: &World,
        ledger: Ledger<'r>,
        memory: &'a mut Memory,
        scope: &Scope,
    ) -> Result<Self> {
        let tags = world.tags(repository, scope)?;
        Ok(Looking { repository, ledger, memory, tags, ignored: Vec::new(), unreadable: BTreeSet::new() })
    }

    pub(super) fn agents(&mut self, scope: &Scope) -> Result<BTreeMap<AgentId, ObservedAgent>> {
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
            self.memory.doubt_tag(entry);
            let (right, raw) = self.right_tag(entry)?;
            if found != Some(right) {
                astray.insert(number, AstrayTag { right, found, raw });
            }
        }
        Ok(ObservedAgent { versions, marks, rejections, astray })
    }

    /// The tag object that an entry names, and the blob that holds its bytes.
    fn right_tag(&mut self, entry: ObjectId) -> Result<(ObjectId, ObjectId)> {
        if let Some(known) = self.memory.tag(entry) {
            return Ok(known);
        }
        let read = self.repository.read_entry(entry)?;
        let right = Repository::tag_id(&self.repository.blob(read.tag)?);
        self.memory.know_tag(entry, (right, read.tag));
        Ok((right, read.tag))
    }

    /// Tags that the ledger does not know, judged, and refusals whose tag is gone.
    pub(super) fn candidates(&mut self, agents: &BTreeMap<AgentId, ObservedAgent>) -> Result<Vec<Candidate>> {
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

    /// The newest version of `agent`, with those that this pass accepts.
    pub(super) fn newest(
        &self,
        agent: &AgentId,
        agents: &BTreeMap<AgentId, ObservedAgent>,
        candidates: &[Candidate],
    ) -> Result<Option<(VersionNumber, Entry)>> {
        let known = agents.get(agent).and_then(|state| state.versions.iter().next_back());
        let known = known.map(|(number, version)| (*number, version.entry));
        let accepted = candidates.iter().filter(|candidate| candidate.tag.agent == *agent);
        let accepted = accepted.filter_map(|candidate| match &candidate.verdict {
            Verdict::Accept(accepted) => Some((candidate.tag.number, accepted.entry)),
            _ => None,
        });
        let newest = accepted.chain(known).max_by_key(|(number, _)| *number);
        newest.map(|(number, entry)| Ok((number, self.repository.read_entry(entry)?))).transpose()
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

    pub(super) fn new_version(
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
    pub(super) fn merged_versions(
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
        let located = match self.repository.discover(commit.tree, &policy) {
            Ok((located, _)) => located,
            // Tags and environments go on where the branch cannot be searched.
            Err(error @ Error::Corrupt { .. }) => {
                let environment = policy.environments.first().map(|environment| environment.name.clone());
                waits.extend(environment.map(|environment| Wait {
                    environment,
                    agent: None,
                    version: None,
                    code: "merge_unread".into(),
                    reason: format!("the default branch cannot be searched for agents: {error}"),
                    until: None,
                }));
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
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
            let new = NewVersion { agent: agent.clone(), commit: tip, tagger, message, draft: None };
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
