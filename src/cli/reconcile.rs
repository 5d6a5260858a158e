//! `pointsman reconcile --once`

use std::process::ExitCode;

use serde::Serialize;

use super::{Done, Session, views};
use crate::ops::Problem;
use crate::plan::{Step, Wait};
use crate::present::escape::escape;
use crate::reconcile::{Decided, Foreseen, Memory, Order, foresee, run as run_pass};
use crate::store::Scope;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run one pass and end
    #[arg(long, required = true)]
    once: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// What a pass did, or would do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Passed {
    steps: Vec<String>,
    waits: Vec<Wait>,
    ignored: Vec<String>,
    policy: Option<String>,
    dry_run: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    debug_assert!(args.once);
    let workspace = session.workspace()?;
    let context = workspace.context();
    let mut memory = Memory::load(&workspace.repository);
    let order = Order::look_at(Scope::All);
    let passed = if args.dry_run {
        let Foreseen { plan, policy_note, ledger, .. } = foresee(&context, &order, &mut memory)?;
        let steps = ledger.into_iter().chain(plan.steps.iter().map(Step::to_string)).collect();
        Passed { steps, waits: plan.waits, ignored: Vec::new(), policy: policy_note, dry_run: true }
    } else {
        let decided = session
            .during("reconciling", || run_pass(&context, &order, &mut memory, &|_, _| serde_json::Value::Null))?;
        let Decided::Done(outcome) = decided else {
            return Err(Problem::refused("refused", "the pass had an idempotency key, which none has"));
        };
        memory.save(&workspace.repository);
        let told = outcome.plan.steps.iter().map(Step::to_string);
        let mut steps: Vec<_> = outcome.ledger.into_iter().chain(told).collect();
        steps.extend(outcome.kept.iter().map(|(tag, kept)| format!("kept what was found at {tag} under {kept}")));
        Passed {
            steps,
            waits: outcome.plan.waits,
            ignored: outcome.ignored.into_iter().map(|(_, reason)| reason).collect(),
            policy: outcome.policy_note,
            dry_run: false,
        }
    };
    session.show(&passed, |_| text(&passed));
    Ok(ExitCode::SUCCESS)
}

fn text(passed: &Passed) -> String {
    let mut text = String::new();
    if let Some(policy) = &passed.policy {
        text.push_str(&format!("warning: {}\n", escape(policy)));
    }
    let would = if passed.dry_run { "would: " } else { "" };
    for step in &passed.steps {
        text.push_str(&format!("{would}{}\n", escape(step)));
    }
    if passed.steps.is_empty() {
        text.push_str("nothing to do\n");
    }
    text.push_str(&views::waits(&passed.waits));
    for ignored in &passed.ignored {
        text.push_str(&format!("ignored: {}\n", escape(ignored)));
    }
    text
}
