//! A pass from look to done, tried again when somebody was faster.

use std::time::{Duration, Instant};

use super::apply::apply;
use super::history::GitHistory;
use super::observe::{Memory, View, look};
use super::{Context, Key, Order, Outcome, Remember};
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
        let view = look(context, order, memory, false)?;
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
            Ok(outcome) => return Ok(Decided::Done(Box::new(outcome))),
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

/// The plan of a pass, without carrying it out.
pub fn dry_run(context: &Context<'_>, order: &Order, memory: &mut Memory) -> Result<(Plan, Observed, Option<String>)> {
    let view = look(context, order, memory, true)?;
    let plan = decide(context, &view, order)?;
    context.repository.drop_staged();
    Ok((plan, view.observed, view.policy_note))
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
