//! A pass from look to done, tried again when somebody was faster.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::apply::apply;
use super::history::GitHistory;
use super::memory::{Memory, Settled, fingerprint};
use super::observe::{View, look, open, remembered};
use super::parts::Part;
use super::{Context, Key, Order, Outcome, Remember};
use crate::domain::Digest;
use crate::plan::{Answer, Observed, Plan, Step, plan};
use crate::store::{Error, Result};

/// How long a pass goes on losing races before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest pause between two attempts; each one costs a fetch and a push.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What a pass came to.
pub enum Decided {
    /// It was carried out.
    Done(Box<Outcome>),
    /// The idempotency key was answered before; this is that answer.
    Replayed(serde_json::Value),
    /// The idempotency key came with another request before.
    KeyReused,
    /// The publisher wants nothing made.
    Withdrawn,
}

/// Runs one pass. `answer` turns what the request came to into what an idempotency key remembers.
pub fn run(context: &Context<'_>, order: &Order<'_>, memory: &mut Memory, answer: &Remember<'_>) -> Result<Decided> {
    match attempt(context, order, memory, answer, None) {
        // What the remote said no to may have been decided on a state that has passed: read and decide once more.
        Err(failure) if matches!(failure.0, Error::PushRefused { .. }) => {}
        other => return other.map_err(|failure| failure.0),
    }
    attempt(context, order, memory, answer, None).or_else(|failure| {
        let (error, plan) = *failure;
        let alone = Part::all(&plan).len() < 2 && !order.is_plain();
        if alone || !matches!(error, Error::PushRefused { .. }) {
            return Err(error);
        }
        tracing::debug!(%error, "refused twice, trying the parts alone");
        one_by_one(context, order, memory, answer, &plan)
    })
}

/// Carries out the parts of `plan` alone, each decided anew, so that one protected ref stops only itself. A refusal of
/// the part that was asked for is an error; others are told.
fn one_by_one(
    context: &Context<'_>,
    order: &Order<'_>,
    memory: &mut Memory,
    answer: &Remember<'_>,
    plan: &Plan,
) -> Result<Decided> {
    let own = Part::answered(plan);
    let mut done: Option<Outcome> = None;
    let mut refused = Vec::new();
    for part in Part::all(plan) {
        let asked = own.as_ref() == Some(&part);
        let alone = if asked { order.clone() } else { Order::look_at(order.scope.clone()) };
        match attempt(context, &alone, memory, answer, Some(&part)) {
            Ok(Decided::Done(outcome)) => match &mut done {
                Some(done) => done.absorb(*outcome),
                None => done = Some(*outcome),
            },
            Ok(other) => return Ok(other),
            Err(failure) => match failure.0 {
                // Without the versions nothing else of this plan can be proven.
                error @ Error::PushRefused { .. } if !asked && part != Part::Versions => refused.push((part, error)),
                error => return Err(error),
            },
        }
    }
    if done.is_none() && order.is_plain() {
        // All of it was refused. The look was a good one all the same, and says what waits.
        match attempt(context, order, memory, answer, Some(&Part::Answer)).map_err(|failure| failure.0)? {
            Decided::Done(outcome) => done = Some(*outcome),
            other => return Ok(other),
        }
    }
    match (done, refused.pop()) {
        (Some(mut outcome), last) => {
            refused.into_iter().chain(last).for_each(|(part, refusal)| part.tell(&refusal, &mut outcome));
            Ok(Decided::Done(Box::new(outcome)))
        }
        (None, Some((_, refusal))) => Err(refusal),
        (None, None) => attempt(context, order, memory, answer, None).map_err(|failure| failure.0),
    }
}

/// Looks, decides and carries out, again as long as somebody is faster; `part` leaves the other parts of the plan out.
/// An error comes with the plan that met it.
fn attempt(
    context: &Context<'_>,
    order: &Order<'_>,
    memory: &mut Memory,
    answer: &Remember<'_>,
    part: Option<&Part>,
) -> std::result::Result<Decided, Box<(Error, Plan)>> {
    let unplanned = |error| Box::new((error, Plan::default()));
    let started = Instant::now();
    let mut wait = Duration::from_millis(2);
    loop {
        let opened = open(context, &order.scope).map_err(unplanned)?;
        // Read before anything else is looked at: what moves in the meantime makes the mark a stale one.
        let mark =
            if order.is_plain() && part.is_none() { fingerprint(context.repository, context.local) } else { None };
        if let Some(outcome) = quiet(context, mark) {
            return Ok(Decided::Done(outcome));
        }
        let view = match look(context, order, memory, opened, true).map_err(unplanned)? {
            ControlFlow::Continue(view) => view,
            ControlFlow::Break(decided) => {
                context.repository.drop_staged();
                return Ok(decided);
            }
        };
        if let Some(decided) = remembered(&view.ledger, order.key.as_ref(), context.now).map_err(unplanned)? {
            return Ok(decided);
        }
        let mut plan = decide(context, &view, order).map_err(unplanned)?;
        let key = match (&order.key, &plan.answer) {
            // A refusal is not remembered: what was missing may be there the next time.
            (Some(_), Some(Answer::Refused(_) | Answer::Published(_)) | None) | (None, _) => None,
            (Some(key), Some(_)) => Some((key, answer)),
        };
        if let Some(part) = part {
            part.only(&mut plan);
        }
        match apply(context, &view, plan.clone(), key) {
            // The tag of an interrupted publish carried this very key: its answer is in the ledger now.
            Ok(outcome) if view.request(order).is_none() && accepts_key(&outcome.plan, order.key.as_ref()) => {}
            Ok(outcome) => {
                let idle = outcome.plan.steps.is_empty() && outcome.ledger.is_none();
                if let (Some(fingerprint), true) = (mark, idle) {
                    settle(context, fingerprint, &outcome);
                }
                return Ok(Decided::Done(Box::new(outcome)));
            }
            Err(error) if error.is_lost_race() && started.elapsed() < PATIENCE => {
                tracing::debug!(%error, "somebody was faster, deciding again");
                context.repository.drop_staged();
                std::thread::sleep(wait.mul_f64(jitter()));
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(error) => {
                context.repository.drop_staged();
                return Err(Box::new((error, plan)));
            }
        }
    }
}

fn accepts_key(plan: &Plan, key: Option<&Key>) -> bool {
    let Some(key) = key else { return false };
    plan.steps.iter().any(|step| match step {
        Step::Accept { accepted, .. } => accepted.key.is_some_and(|(name, _)| name == key.name),
        _ => false,
    })
}

/// The outcome of a pass over everything, if nothing has changed since the last one and nothing is due.
fn quiet(context: &Context<'_>, mark: Option<Digest>) -> Option<Box<Outcome>> {
    let settled = Settled::load(context.repository, mark, context.now)?;
    Some(Box::new(Outcome {
        plan: Plan { waits: settled.waits, ..Plan::default() },
        heads: Vec::new(),
        made: None,
        kept: Vec::new(),
        ledger_tip: None,
        ledger: None,
        policy_note: settled.policy_note,
        ignored: settled.ignored,
    }))
}

/// Remembers that a pass over everything found nothing to do.
fn settle(context: &Context<'_>, fingerprint: Digest, outcome: &Outcome) {
    let settled = Settled {
        fingerprint,
        due: outcome.plan.waits.iter().filter_map(|wait| wait.until).min(),
        waits: outcome.plan.waits.clone(),
        policy_note: outcome.policy_note.clone(),
        ignored: outcome.ignored.clone(),
    };
    settled.save(context.repository);
}

/// What a pass would do.
#[derive(Debug)]
pub struct Foreseen {
    /// Its plan.
    pub plan: Plan,
    /// What it rests on.
    pub observed: Observed,
    /// What is wrong with the policy, if anything.
    pub policy_note: Option<String>,
    /// What becomes of a ledger branch that is not where it should be.
    pub ledger: Option<String>,
}

/// What a pass would do, without carrying it out; only tracking refs follow the remote.
pub fn foresee(context: &Context<'_>, order: &Order<'_>, memory: &mut Memory) -> Result<Foreseen> {
    let opened = open(context, &order.scope)?;
    let ControlFlow::Continue(view) = look(context, order, memory, opened, false)? else {
        unreachable!("only a publisher is asked, and none publishes without carrying it out");
    };
    let plan = decide(context, &view, order)?;
    context.repository.drop_staged();
    let ledger = view.ledger_trouble();
    Ok(Foreseen { plan, observed: view.observed, policy_note: view.policy_note, ledger })
}

/// The plan of a pass, without carrying it out.
pub fn dry_run(
    context: &Context<'_>,
    order: &Order<'_>,
    memory: &mut Memory,
) -> Result<(Plan, Observed, Option<String>)> {
    let Foreseen { plan, observed, policy_note, .. } = foresee(context, order, memory)?;
    Ok((plan, observed, policy_note))
}

fn decide(context: &Context<'_>, view: &View<'_>, order: &Order<'_>) -> Result<Plan> {
    let observed = &view.observed;
    let heads = observed.environments.iter().filter_map(|environment| {
        let head = environment.head.as_ref().or(environment.renamed.as_ref().map(|(_, head)| head))?;
        Some((environment.name.clone(), head.head))
    });
    let agents = observed.agents.keys();
    let entries = agents.flat_map(|agent| {
        observed.versions(agent).into_iter().map(|(number, known)| ((agent.clone(), number), known.entry))
    });
    let wants_entries = observed.policy.environments.iter().any(|environment| environment.gates.merged);
    let history = GitHistory {
        repository: context.repository,
        heads: heads.collect(),
        default_tip: view.default_tip,
        policy: observed.policy.clone(),
        entries: if wants_entries { entries.collect() } else { Default::default() },
    };
    plan(observed, view.request(order), &history, context.now)
}

/// Between a half and one and a half, different in each process and each time.
fn jitter() -> f64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    0.5 + (random % 1000) as f64 / 1000.0
}
