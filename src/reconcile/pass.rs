//! A pass from look to done, tried again when somebody was faster.

use std::time::{Duration, Instant};

use super::apply::apply;
use super::history::GitHistory;
use super::memory::{Memory, Settled, fingerprint};
use super::observe::{View, look, open};
use super::{Context, Key, Order, Outcome, Remember};
use crate::domain::Digest;
use crate::plan::{Answer, Observed, Plan, Step, plan};
use crate::store::Result;

/// How long a pass goes on losing races before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a pass came to.
pub enum Decided {
    /// It was carried out.
    Done(Box<Outcome>),
    /// The idempotency key was answered before; this is that answer.
    Replayed(serde_json::Value),
    /// The idempotency key came with another request before.
    KeyReused,
}

/// Runs one pass. `answer` turns what the request came to into what an idempotency key remembers.
pub fn run(context: &Context<'_>, order: &Order, memory: &mut Memory, answer: &Remember<'_>) -> Result<Decided> {
    let started = Instant::now();
    let mut wait = Duration::from_millis(2);
    loop {
        let opened = open(context, &order.scope)?;
        // Read before anything else is looked at: what moves in the meantime makes the mark a stale one.
        let mark = if order.is_plain() { fingerprint(context.repository) } else { None };
        if let Some(outcome) = quiet(context, mark) {
            return Ok(Decided::Done(outcome));
        }
        let view = look(context, order, memory, opened, true)?;
        if let Some(decided) = remembered(&view, order.key.as_ref(), context.now)? {
            return Ok(decided);
        }
        let plan = decide(context, &view, order)?;
        let key = match (&order.key, &plan.answer) {
            // A refusal is not remembered: what was missing may be there the next time.
            (Some(_), Some(Answer::Refused(_) | Answer::Published(_)) | None) | (None, _) => None,
            (Some(key), Some(_)) => Some((key, answer)),
        };
        match apply(context, &view, plan, key) {
            // The tag of an interrupted publish carried this very key: its answer is in the ledger now.
            Ok(outcome) if order.request.is_none() && accepts_key(&outcome.plan, order.key.as_ref()) => {}
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
                wait = (wait * 2).min(Duration::from_millis(200));
            }
            Err(error) => return Err(error),
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
pub fn foresee(context: &Context<'_>, order: &Order, memory: &mut Memory) -> Result<Foreseen> {
    let opened = open(context, &order.scope)?;
    let view = look(context, order, memory, opened, false)?;
    let plan = decide(context, &view, order)?;
    context.repository.drop_staged();
    let ledger = view.ledger_trouble();
    Ok(Foreseen { plan, observed: view.observed, policy_note: view.policy_note, ledger })
}

/// The plan of a pass, without carrying it out.
pub fn dry_run(context: &Context<'_>, order: &Order, memory: &mut Memory) -> Result<(Plan, Observed, Option<String>)> {
    let Foreseen { plan, observed, policy_note, .. } = foresee(context, order, memory)?;
    Ok((plan, observed, policy_note))
}

fn decide(context: &Context<'_>, view: &View<'_>, order: &Order) -> Result<Plan> {
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
    plan(observed, order.request.as_ref(), &history, context.now)
}

fn remembered(view: &View<'_>, key: Option<&Key>, now: jiff::Timestamp) -> Result<Option<Decided>> {
    let Some(key) = key else { return Ok(None) };
    let Some(record) = view.ledger.key(&key.name)? else { return Ok(None) };
    if record.is_expired(now) {
        return Ok(None);
    }
    Ok(Some(if record.request == key.request { Decided::Replayed(record.answer) } else { Decided::KeyReused }))
}

/// Between a half and one and a half, different in each process and each time.
fn jitter() -> f64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    0.5 + (random % 1000) as f64 / 1000.0
}
