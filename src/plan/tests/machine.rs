//! Random sequences of everything that can happen, and what must hold whatever happens.

use proptest::prelude::*;

use super::*;

const AGENTS: [&str; 2] = ["billing", "support"];
const ENVIRONMENTS: [&str; 3] = ["a", "b", "c"];

/// Something that happens. Numbers that name nothing are part of the game.
#[derive(Clone, Debug)]
enum Event {
    Push { agent: usize, revoked_at_once: bool },
    Merge { agent: usize, version: u32 },
    Wait { minutes: i64 },
    Ask(Ask),
    Pin { environment: usize, agent: usize, version: Option<u32> },
    Freeze { environment: usize, on: bool },
    Name { environment: usize, named: bool },
    Propose { environment: usize, agent: usize, version: Option<u32> },
}

/// A request.
#[derive(Clone, Debug)]
enum Ask {
    Promote { environment: usize, agents: Vec<(usize, Option<u32>)>, confirm: bool },
    Rollback { environment: usize, agent: usize, to: Option<u32> },
    Undo { environment: usize, newest_but: usize },
    Hold { environment: usize, agent: usize },
    Release { environment: usize, agent: usize },
    Retire { environment: usize, agent: usize },
    Revoke { agent: usize, version: u32 },
}

fn version() -> impl Strategy<Value = u32> + Clone {
    1..6_u32
}

/// Mostly one agent, so that what happens to it has a history.
fn some_agent() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![1 => Just(0), 4 => Just(1)]
}

fn ask() -> impl Strategy<Value = Ask> {
    let some = proptest::option::of(version());
    let (e, a) = (0..ENVIRONMENTS.len(), some_agent());
    prop_oneof![
        4 => (e.clone(), proptest::collection::vec((a.clone(), some.clone()), 1..3), any::<bool>())
            .prop_map(|(environment, agents, confirm)| Ask::Promote { environment, agents, confirm }),
        4 => (e.clone(), a.clone(), proptest::option::weighted(0.3, version()))
            .prop_map(|(environment, agent, to)| Ask::Rollback { environment, agent, to }),
        1 => (e.clone(), 0..4_usize).prop_map(|(environment, newest_but)| Ask::Undo { environment, newest_but }),
        1 => (e.clone(), a.clone()).prop_map(|(environment, agent)| Ask::Hold { environment, agent }),
        4 => (e.clone(), a.clone()).prop_map(|(environment, agent)| Ask::Release { environment, agent }),
        1 => (e.clone(), a.clone()).prop_map(|(environment, agent)| Ask::Retire { environment, agent }),
        1 => (a.clone(), version()).prop_map(|(agent, version)| Ask::Revoke { agent, version }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let some = proptest::option::of(version());
    let (e, a) = (0..ENVIRONMENTS.len(), some_agent());
    prop_oneof![
        5 => (a.clone(), proptest::bool::weighted(0.1))
            .prop_map(|(agent, revoked_at_once)| Event::Push { agent, revoked_at_once }),
        2 => (a.clone(), version()).prop_map(|(agent, version)| Event::Merge { agent, version }),
        2 => (1..15_i64).prop_map(|minutes| Event::Wait { minutes }),
        10 => ask().prop_map(Event::Ask),
        2 => (e.clone(), a.clone(), some.clone())
            .prop_map(|(environment, agent, version)| Event::Pin { environment, agent, version }),
        1 => (e.clone(), any::<bool>()).prop_map(|(environment, on)| Event::Freeze { environment, on }),
        1 => (e.clone(), proptest::bool::weighted(0.7))
            .prop_map(|(environment, named)| Event::Name { environment, named }),
        2 => (e.clone(), a.clone(), some.clone())
            .prop_map(|(environment, agent, version)| Event::Propose { environment, agent, version }),
    ]
}

/// What the policy of a run says; it is written out as a file and parsed, as in life.
#[derive(Clone, Default)]
struct Rules {
    pins: BTreeMap<(usize, usize), u32>,
    frozen: BTreeSet<usize>,
    unnamed: BTreeSet<usize>,
}

impl Rules {
    fn policy(&self) -> Policy {
        let says = [
            "deploy = 'latest'",
            "from = 'a'\ndeploy = 'latest'\ngates = { soak = '10m' }",
            "from = 'a'\nconfirm = true\ngates = { merged = true }",
        ];
        let mut text = String::new();
        // The first one always stays: the others take from it.
        for (index, name) in
            ENVIRONMENTS.iter().enumerate().filter(|(index, _)| *index == 0 || !self.unnamed.contains(index))
        {
            text.push_str(&format!("[[environments]]\nname = '{name}'\n{}\n", says[index]));
            if self.frozen.contains(&index) {
                text.push_str("freeze = [{ from = '2020-01-01' }]\n");
            }
            let pins = self.pins.iter().filter(|((environment, _), _)| *environment == index);
            let pins: Vec<_> = pins.map(|((_, agent), version)| format!("{} = {version}", AGENTS[*agent])).collect();
            text.push_str(&format!("pins = {{ {} }}\n", pins.join(", ")));
        }
        Policy::parse(&text).unwrap()
    }
}

/// Versions that were rolled back from since the last explicit promotion, read from history alone.
fn rolled_back(past: &[Past], agent: &AgentId) -> BTreeSet<VersionNumber> {
    let mut versions = BTreeSet::new();
    for past in past {
        for made in past.moves.iter().filter(|made| made.agent == *agent) {
            match (past.action, made.from) {
                (Action::Promote | Action::Accept, _) if made.to.is_some() => versions.clear(),
                (Action::Rollback, Some(from)) if made.from != made.to => {
                    versions.insert(from);
                }
                _ => {}
            }
        }
    }
    versions
}

fn was_in(line: Option<&Line>, agent: &AgentId, version: VersionNumber) -> bool {
    let past = line.into_iter().flat_map(|line| &line.past);
    past.flat_map(|past| &past.moves).any(|made| made.agent == *agent && made.to == Some(version))
}

impl World {
    fn intent(&self, ask: &Ask) -> Option<Intent> {
        let name = |index: &usize| agent(AGENTS[*index]);
        let place = |index: &usize| env(ENVIRONMENTS[*index]);
        Some(match ask {
            Ask::Promote { environment, agents, confirm } => Intent::Promote {
                to: place(environment),
                versions: agents.iter().map(|(agent, version)| (name(agent), version.map(v))).collect(),
                confirm: *confirm,
            },
            Ask::Rollback { environment, agent, to } => {
                Intent::Rollback { environment: Some(place(environment)), agent: name(agent), to: to.map(v) }
            }
            Ask::Undo { environment, newest_but } => {
                let past = &self.lines.get(&place(environment))?.past;
                let undone = past.iter().rev().nth(*newest_but)?;
                let moves = undone.moves.iter().map(|made| (made.agent.clone(), made.to, made.from)).collect();
                Intent::Undo { environment: place(environment), deployment: some_deployment(), moves }
            }
            Ask::Hold { environment, agent } => {
                Intent::Hold { environment: Some(place(environment)), agent: name(agent) }
            }
            Ask::Release { environment, agent } => {
                Intent::ReleaseHold { environment: Some(place(environment)), agent: name(agent) }
            }
            Ask::Retire { environment, agent } => {
                Intent::Retire { environment: Some(place(environment)), agent: name(agent) }
            }
            Ask::Revoke { agent, version } => {
                Intent::Revoke { version: VersionTag { agent: name(agent), number: v(*version) } }
            }
        })
    }

    /// Goes through `plan` step by step, and checks each against the world as it is at that step.
    fn check_steps(&self, plan: &Plan) -> World {
        let mut world = self.clone();
        for step in &plan.steps {
            if let Step::Commit(commit) = step {
                world.check_commit(commit);
            }
            world.apply(&Plan { steps: vec![step.clone()], ..Plan::default() });
        }
        world
    }

    fn check_commit(&self, commit: &EnvironmentCommit) {
        let policy = self.policy.environment(&commit.environment);
        let line = self.lines.get(&commit.environment);
        let past = line.map(|line| &line.past[..]).unwrap_or_default();
        for made in commit.moves.iter().filter(|made| made.from != made.to) {
            let policy = policy.expect("an environment that is not named moves no more");
            let Some(to) = made.to else { continue };
            let agent = &made.agent;
            assert!(!self.is_revoked(agent, to), "something revoked is entered: {commit:?}");
            if commit.action == Action::Rollback {
                assert!(was_in(line, agent, to), "a rollback to what was never there: {commit:?}");
                continue;
            }
            if let Some(from) = &policy.from {
                let before = self.lines.get(from);
                assert!(was_in(before, agent, to), "it never was in {from}: {commit:?}");
                let past = before.map(|line| &line.past[..]).unwrap_or_default();
                assert!(!rolled_back(past, agent).contains(&to), "it was rolled back in {from}: {commit:?}");
            }
            assert!(!policy.gates.merged || self.merged.contains(&(agent.clone(), to)), "not merged: {commit:?}");
            assert!(policy.freeze.is_empty(), "something enters in a freeze: {commit:?}");
            if commit.action == Action::Deploy {
                let held = line.is_some_and(|line| line.holds.contains_key(agent));
                assert!(!held, "something automatic enters a held agent: {commit:?}");
                assert!(!rolled_back(past, agent).contains(&to), "it returns to what was rolled back from: {commit:?}");
            } else {
                let pin = policy.pins.get(agent);
                assert!(pin.is_none_or(|pin| *pin == to), "a promotion against a pin: {commit:?}");
            }
        }
    }

    /// Where an agent is not what policy wants, a reason is told.
    fn check_waits(&self, plan: &Plan) {
        for policy in &self.policy.environments {
            let Some(line) = self.lines.get(&policy.name) else { continue };
            for (agent, versions) in &self.versions {
                let rolled_back = rolled_back(&line.past, agent);
                let usable =
                    |number: &&VersionNumber| !self.is_revoked(agent, **number) && !rolled_back.contains(number);
                let latest = versions.iter().rev().find(usable).filter(|_| policy.deploy_latest);
                let Some(wanted) = policy.pins.get(agent).or(latest) else { continue };
                let present = line.serves.get(agent);
                let stepping_back = !policy.pins.contains_key(agent)
                    && present.is_some_and(|present| wanted < present && !self.is_revoked(agent, *present));
                if present == Some(wanted) || stepping_back {
                    continue;
                }
                let told = |wait: &&Wait| wait.environment == policy.name && wait.agent.as_ref() == Some(agent);
                let reasons: Vec<_> = plan.waits.iter().filter(told).collect();
                assert_eq!(reasons.len(), 1, "{agent} in {} is at {present:?}, not at {wanted}", policy.name);
                assert!(!reasons[0].reason.is_empty());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(events in proptest::collection::vec(event(), 1..40)) {
        let mut rules = Rules::default();
        let mut world = World::new("");
        for event in &events {
            let mut request = None;
            match event {
                Event::Push { agent: index, revoked_at_once } => {
                    let agent = agent(AGENTS[*index]);
                    let newest = world.versions.get(&agent).and_then(|versions| versions.last().copied());
                    let number = newest.map_or(VersionNumber::FIRST, VersionNumber::next);
                    let tag = VersionTag { agent, number };
                    request = revoked_at_once.then(|| Intent::Revoke { version: tag.clone() });
                    world.pushed.push(tag);
                }
                Event::Merge { agent: index, version } => {
                    world.merged.insert((agent(AGENTS[*index]), v(*version)));
                }
                Event::Wait { minutes } => world.later(*minutes),
                Event::Ask(ask) => request = world.intent(ask),
                Event::Pin { environment, agent, version } => match version {
                    Some(version) => drop(rules.pins.insert((*environment, *agent), *version)),
                    None => drop(rules.pins.remove(&(*environment, *agent))),
                },
                Event::Freeze { environment, on: true } => {
                    rules.frozen.insert(*environment);
                },
                Event::Freeze { environment, on: false } => {
                    rules.frozen.remove(environment);
                },
                Event::Name { environment, named: false } => {
                    rules.unnamed.insert(*environment);
                },
                Event::Name { environment, named: true } => {
                    rules.unnamed.remove(environment);
                },
                Event::Propose { environment, agent, version } => {
                    let name = ENVIRONMENTS[*environment];
                    if world.lines.contains_key(&env(name)) && world.serves(name, AGENTS[*agent]) != *version {
                        world.propose(name, &[(AGENTS[*agent], *version)]);
                    }
                }
            }
            world.policy = rules.policy();
            let request = request.map(|intent| Request {
                intent,
                actor: somebody(),
                cause: Cause::Cli,
                reason: String::new(),
            });
            let plan = world.plan(request.as_ref());
            if let Some(Answer::Refused(_) | Answer::Already { .. }) = plan.answer {
                prop_assert_eq!(&plan.steps, &world.plan(None).steps, "a request that came to nothing has steps");
            }
            world = world.check_steps(&plan);
            if let Some(Answer::Moved { environment, action, moves }) = &plan.answer
                && !matches!(action, Action::Hold | Action::ReleaseHold)
            {
                let serves = &world.lines[environment].serves;
                let stands = moves.iter().all(|made| serves.get(&made.agent).copied() == made.to);
                prop_assert!(stands, "what was asked for is undone in the same pass: {:?}", plan);
            }
            let again = world.plan(None);
            prop_assert_eq!(&again.steps, &[], "the plan is no fixpoint after {:?}", plan);
            world.check_waits(&again);
        }
    }
}
