//! The planner on a small world in memory: what a plan says is carried out at once, and planned again, which must give
//! nothing more.

mod branches;
mod gates;
mod holds;
mod latest_and_pins;
mod machine;
mod rollbacks;
mod several;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::*;
use crate::domain::ledger::{AcceptedHead, Hold, Marks, VersionNumberKey, VersionRecord, fold_rollbacks};
use crate::domain::record::{Action, Cause};
use crate::domain::{DeploymentId, Digest, Identity, ObjectId};
use crate::policy::Policy;

/// A commit on an environment's line, as history remembers it.
#[derive(Clone, Debug)]
struct Past {
    time: jiff::Timestamp,
    action: Action,
    moves: Vec<PlannedMove>,
}

/// An environment that has begun.
#[derive(Clone, Debug, Default)]
struct Line {
    past: Vec<Past>,
    serves: BTreeMap<AgentId, VersionNumber>,
    holds: BTreeMap<AgentId, Hold>,
    routes: Option<Vec<u8>>,
    rolled_back: BTreeMap<AgentId, Vec<VersionNumber>>,
}

/// Everything that a plan is about.
#[derive(Clone, Debug)]
struct World {
    policy: Policy,
    now: jiff::Timestamp,
    versions: BTreeMap<AgentId, BTreeSet<VersionNumber>>,
    marks: BTreeMap<AgentId, Marks>,
    merged: BTreeSet<(AgentId, VersionNumber)>,
    lines: BTreeMap<EnvironmentName, Line>,
    /// Branches that are not where they were left.
    tips: BTreeMap<EnvironmentName, EnvironmentTip>,
    /// Tags that nobody has judged yet.
    pushed: Vec<VersionTag>,
}

fn agent(text: &str) -> AgentId {
    text.parse().unwrap()
}

fn env(text: &str) -> EnvironmentName {
    text.parse().unwrap()
}

fn v(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

fn tag(text: &str) -> VersionTag {
    text.parse().unwrap()
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// An id that is as good as any other.
fn object(agent: &AgentId, number: VersionNumber) -> ObjectId {
    Digest::of(format!("{agent}/{number}").as_bytes()).hex()[..40].parse().unwrap()
}

fn somebody() -> Identity {
    "Ada <ada@example.com>".parse().unwrap()
}

impl World {
    /// A world with this `pointsman.toml`, on a Wednesday at noon.
    fn new(policy: &str) -> Self {
        World {
            policy: Policy::parse(policy).unwrap(),
            now: at("2026-06-03T12:00:00Z"),
            versions: BTreeMap::new(),
            marks: BTreeMap::new(),
            merged: BTreeSet::new(),
            lines: BTreeMap::new(),
            tips: BTreeMap::new(),
            pushed: Vec::new(),
        }
    }

    fn set_policy(&mut self, policy: &str) {
        self.policy = Policy::parse(policy).unwrap();
    }

    fn later(&mut self, minutes: i64) {
        self.now += jiff::SignedDuration::from_mins(minutes);
    }

    fn is_revoked(&self, agent: &AgentId, number: VersionNumber) -> bool {
        let mark = self.marks.get(agent).and_then(|marks| marks.versions.get(&VersionNumberKey(number)));
        mark.is_some_and(|mark| mark.revoked.is_some())
    }

    /// The line that `name` stands for: its own, or the one it is renamed from.
    fn line(&self, name: &EnvironmentName) -> Option<&Line> {
        self.lines.get(name).or_else(|| {
            let old = self.policy.environment(name)?.renamed_from.as_ref()?;
            self.policy.environment(old).is_none().then(|| self.lines.get(old))?
        })
    }

    fn observed(&self) -> Observed {
        let agents = self.versions.iter().map(|(agent, numbers)| {
            let known = |number: VersionNumber| KnownVersion {
                entry: object(agent, number),
                revoked: self.is_revoked(agent, number),
            };
            let versions = numbers.iter().map(|number| (*number, known(*number))).collect();
            let marks = self.marks.get(agent).cloned().unwrap_or_default();
            (agent.clone(), ObservedAgent { versions, marks, ..ObservedAgent::default() })
        });
        let mut agents: BTreeMap<_, _> = agents.collect();
        for pinned in self.policy.environments.iter().flat_map(|environment| environment.pins.keys()) {
            agents.entry(pinned.clone()).or_default();
        }
        let named = self.policy.environments.iter().map(|environment| (environment.name.clone(), true));
        let carried_on = |name: &EnvironmentName| {
            let mut others = self.policy.environments.iter();
            others.any(|other| other.renamed_from.as_ref() == Some(name) && !self.lines.contains_key(&other.name))
        };
        let unnamed = self.lines.keys().filter(|name| self.policy.environment(name).is_none() && !carried_on(name));
        let environments = named.chain(unnamed.map(|name| (name.clone(), false)));
        Observed {
            policy: self.policy.clone(),
            environments: environments.map(|(name, named)| self.observed_environment(name, named)).collect(),
            agents,
            candidates: self.pushed.iter().map(candidate).collect(),
            waits: Vec::new(),
        }
    }

    fn observed_environment(&self, name: EnvironmentName, named: bool) -> ObservedEnvironment {
        let head = |line: &Line| AcceptedHead {
            head: object(&agent("head"), v(1)),
            height: line.past.len() as u64 + 1,
            rolled_back: line.rolled_back.clone(),
        };
        let own = self.lines.get(&name);
        let line = self.line(&name).cloned().unwrap_or_default();
        let renamed_from = self.policy.environment(&name).and_then(|policy| policy.renamed_from.clone());
        ObservedEnvironment {
            named,
            head: own.map(head),
            renamed: renamed_from.filter(|_| own.is_none()).and_then(|old| Some((old, head(self.line(&name)?)))),
            tip: self.tips.get(&name).cloned().unwrap_or(match own {
                Some(_) => EnvironmentTip::Accepted,
                None => EnvironmentTip::Behind,
            }),
            serves: line.serves.into_iter().map(|(agent, number)| (agent, Served::Version(number))).collect(),
            holds: line.holds,
            routes: line.routes,
            name,
        }
    }

    fn plan(&self, request: Option<&Request>) -> Plan {
        let Ok(plan) = plan(&self.observed(), request, self, self.now);
        plan
    }

    fn apply(&mut self, plan: &Plan) {
        self.pushed.clear();
        self.tips.clear();
        for step in &plan.steps {
            match step {
                Step::Accept { tag, .. } => {
                    self.versions.entry(tag.agent.clone()).or_default().insert(tag.number);
                }
                Step::Mark { agent, marks, .. } => drop(self.marks.insert(agent.clone(), marks.clone())),
                Step::Begin { environment, carries_on } => {
                    let line = carries_on.as_ref().map(|(old, _)| self.lines.remove(old).unwrap()).unwrap_or_default();
                    assert!(self.lines.insert(environment.clone(), line).is_none(), "{environment} begins twice");
                }
                Step::Commit(commit) => self.commit(commit),
                _ => {}
            }
        }
    }

    fn commit(&mut self, commit: &EnvironmentCommit) {
        let line = self.lines.get_mut(&commit.environment).expect("an environment begins before it moves");
        for made in &commit.moves {
            assert_eq!(made.from, line.serves.get(&made.agent).copied(), "{commit:?} says the wrong `from`");
            assert_eq!(made.entry, made.to.map(|to| object(&made.agent, to)), "{commit:?} names the wrong tree");
            match made.to {
                Some(to) => drop(line.serves.insert(made.agent.clone(), to)),
                None => drop(line.serves.remove(&made.agent)),
            }
            fold_rollbacks(&mut line.rolled_back, commit.action, &made.agent, made.from, made.to);
        }
        for (agent, hold) in &commit.holds {
            match hold {
                Some(hold) => drop(line.holds.insert(agent.clone(), hold.clone())),
                None => drop(line.holds.remove(agent)),
            }
        }
        if let Some(routes) = &commit.routes {
            line.routes.clone_from(routes);
        }
        line.past.push(Past { time: self.now, action: commit.action, moves: commit.moves.clone() });
    }

    /// One pass, carried out. What it decided must be all there was to decide.
    #[track_caller]
    fn pass(&mut self, request: Option<&Request>) -> Plan {
        let plan = self.plan(request);
        self.apply(&plan);
        assert_eq!(self.plan(None).steps, [], "after {plan:#?}");
        plan
    }

    #[track_caller]
    fn ask(&mut self, intent: Intent) -> Answer {
        let request = Request { intent, actor: somebody(), cause: Cause::Cli, reason: "because".to_owned() };
        self.pass(Some(&request)).answer.unwrap()
    }

    /// Asks for what must be refused, and returns the refusal.
    #[track_caller]
    fn refused(&mut self, intent: Intent) -> Refusal {
        match self.ask(intent) {
            Answer::Refused(refusal) => refusal,
            other => panic!("it was not refused: {other:?}"),
        }
    }

    /// Asks for what must move something.
    #[track_caller]
    fn moves(&mut self, intent: Intent) -> Vec<PlannedMove> {
        match self.ask(intent) {
            Answer::Moved { moves, .. } => moves,
            other => panic!("nothing moved: {other:?}"),
        }
    }

    /// Asks for what must be so already, and returns why.
    #[track_caller]
    fn already(&mut self, intent: Intent) -> String {
        match self.ask(intent) {
            Answer::Already { because, .. } => because,
            other => panic!("it was not so: {other:?}"),
        }
    }

    /// Publishes the next version of `name` and returns the pass.
    #[track_caller]
    fn publish(&mut self, name: &str) -> Plan {
        let newest = self.versions.get(&agent(name)).and_then(|versions| versions.last().copied());
        let number = newest.map_or(VersionNumber::FIRST, VersionNumber::next);
        self.pushed.push(VersionTag { agent: agent(name), number });
        self.pass(None)
    }

    fn serves(&self, environment: &str, name: &str) -> Option<u32> {
        self.lines.get(&env(environment))?.serves.get(&agent(name)).map(|number| number.get())
    }

    fn hold(&self, environment: &str, name: &str) -> Option<&Hold> {
        self.lines.get(&env(environment))?.holds.get(&agent(name))
    }

    /// The waits of a pass that changes nothing, as `environment code`.
    fn waits(&self) -> Vec<String> {
        let waits = self.plan(None).waits;
        waits.iter().map(|wait| format!("{} {}", wait.environment, wait.code)).collect()
    }

    fn propose(&mut self, environment: &str, changes: &[(&str, Option<u32>)]) {
        let changes = changes.iter().map(|(name, to)| ProposedChange {
            agent: Ok(agent(name)),
            to: to.map(|number| Served::Version(v(number))),
        });
        let proposal = Proposal {
            tip: object(&agent("tip"), v(1)),
            author: "Eve <eve@example.com>".parse().unwrap(),
            subject: "By hand".to_owned(),
            changes: changes.collect(),
        };
        self.tips.insert(env(environment), EnvironmentTip::Proposal(proposal));
    }
}

impl History for World {
    type Error = Infallible;

    fn stays(
        &self,
        environment: &EnvironmentName,
        agent: &AgentId,
        version: VersionNumber,
    ) -> Result<Vec<Stay>, Infallible> {
        let mut stays: Vec<Stay> = Vec::new();
        for past in self.line(environment).into_iter().flat_map(|line| &line.past) {
            for made in past.moves.iter().filter(|made| made.agent == *agent && made.from != made.to) {
                if made.from == Some(version)
                    && let Some(stay) = stays.last_mut()
                {
                    stay.until = Some(past.time);
                }
                if made.to == Some(version) {
                    stays.push(Stay { since: past.time, until: None });
                }
            }
        }
        stays.reverse();
        Ok(stays)
    }

    fn earlier(
        &self,
        environment: &EnvironmentName,
        agent: &AgentId,
        wanted: &mut dyn FnMut(VersionNumber) -> bool,
    ) -> Result<Option<VersionNumber>, Infallible> {
        let past = self.line(environment).into_iter().flat_map(|line| line.past.iter().rev());
        let moves = past.flat_map(|past| &past.moves).filter(|made| made.agent == *agent && made.from != made.to);
        Ok(moves.filter_map(|made| made.from).find(|from| wanted(*from)))
    }

    fn merged(&self, agent: &AgentId, version: VersionNumber) -> Result<bool, Infallible> {
        Ok(self.merged.contains(&(agent.clone(), version)))
    }
}

fn candidate(tag: &VersionTag) -> Candidate {
    let id = object(&tag.agent, tag.number);
    let record = VersionRecord {
        agent: tag.agent.clone(),
        number: tag.number,
        note: String::new(),
        publisher: somebody(),
        time: jiff::Timestamp::UNIX_EPOCH,
        tag: id,
        commit: id,
        folder: format!("agents/{}", tag.agent),
        digest: Digest::of(b"{}"),
        compiler: "1".to_owned(),
        kind: "native".to_owned(),
        parent: None,
        source: None,
        draft: None,
        label: None,
        description: None,
    };
    let verdict = Verdict::Accept(Box::new(Accepted { entry: id, record, key: None }));
    Candidate { tag: tag.clone(), object: id, create: false, verdict }
}

fn promote(name: &str, to: &str, version: Option<u32>) -> Intent {
    Intent::Promote { to: env(to), versions: [(agent(name), version.map(v))].into(), confirm: false }
}

fn promote_confirmed(name: &str, to: &str, version: Option<u32>) -> Intent {
    Intent::Promote { to: env(to), versions: [(agent(name), version.map(v))].into(), confirm: true }
}

fn rollback(name: &str, environment: &str, to: Option<u32>) -> Intent {
    Intent::Rollback { environment: Some(env(environment)), agent: agent(name), to: to.map(v) }
}

fn hold(name: &str, environment: &str) -> Intent {
    Intent::Hold { environment: Some(env(environment)), agent: agent(name) }
}

fn release(name: &str, environment: &str) -> Intent {
    Intent::ReleaseHold { environment: Some(env(environment)), agent: agent(name) }
}

fn retire(name: &str, environment: &str) -> Intent {
    Intent::Retire { environment: Some(env(environment)), agent: agent(name) }
}

fn revoke(text: &str) -> Intent {
    Intent::Revoke { version: tag(text) }
}

/// Two environments: everything goes to the first by itself, `extra` is said of the second.
fn two(extra: &str) -> String {
    format!("[[environments]]\nname = 'a'\ndeploy = 'latest'\n[[environments]]\nname = 'b'\nfrom = 'a'\n{extra}")
}

#[test]
fn a_new_environment_begins_empty_before_anything_moves_in_it() {
    let mut world = World::new("");
    let plan = world.publish("support");
    let begun = plan.steps.iter().filter(|step| matches!(step, Step::Begin { .. })).count();
    assert_eq!(begun, 3);
    assert_eq!(world.serves("sandbox", "support"), Some(1));
    assert_eq!(world.serves("live", "support"), None);
}

#[test]
fn the_same_questions_with_the_same_answers_give_the_same_plan() {
    let mut world = World::new(&two("pins = { support = 1 }"));
    world.publish("support");
    world.pushed.push(tag("support/v2"));
    assert_eq!(world.plan(None), world.plan(None));
}

#[test]
fn an_unknown_environment_or_agent_is_refused_with_the_nearest_name() {
    let mut world = World::new("");
    world.publish("support");
    assert_eq!(world.refused(promote("support", "sandbx", None)).hint.unwrap(), "did you mean `sandbox`?");
    assert_eq!(world.refused(promote("suport", "pre-release", Some(1))).hint.unwrap(), "did you mean `support`?");
    assert!(world.refused(promote("support", "pre-release", Some(9))).hint.unwrap().contains("newest is v1"));
}

#[test]
fn without_a_name_the_published_environment_is_meant() {
    let mut world = World::new("[[environments]]\nname='a'\npublished=true\n[[environments]]\nname='b'");
    world.publish("support");
    world.moves(promote("support", "a", None));
    world.moves(Intent::Retire { environment: None, agent: agent("support") });
    assert_eq!(world.serves("a", "support"), None);
}

/// The id under which `past` stands in history, which the planner does not look at.
fn some_deployment() -> DeploymentId {
    "0193a0a4-4a4d-7c3e-8000-000000000001".parse().unwrap()
}
