//! `pointsman promote`

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Done, Session, views};
use crate::domain::{EnvironmentName, VersionNumber};
use crate::ops::Kind;
use crate::ops::moves::{Manner, carry_out, promote};

/// How long `--wait` goes on, and how often it looks.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Move a version up into an environment
///
/// By default the version that is in the environment before, else the newest one. Every gate of the environment must
/// be met.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// Where to
    #[arg(long, value_name = "ENVIRONMENT")]
    to: EnvironmentName,
    /// Which version, as 7 or v7
    #[arg(long, value_name = "N")]
    version: Option<VersionNumber>,
    /// Say that you mean it, where the environment asks
    #[arg(long)]
    confirm: bool,
    /// Why, in your words
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Wait until soak and freeze are over, for at most an hour
    #[arg(long)]
    wait: bool,
    /// Answer the same again when called with this key again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let agent = session.workspace()?.agent(args.agent.as_deref())?;
    let started = Instant::now();
    let moved = loop {
        // The moment belongs to the workspace: a new look is a new one.
        let workspace = session.workspace()?;
        let versions = BTreeMap::from([(agent.clone(), args.version)]);
        let (intent, agents): (_, BTreeSet<_>) = promote(args.to.clone(), versions, args.confirm);
        let manner = Manner {
            reason: args.reason.clone(),
            dry_run: args.dry_run,
            idempotency_key: args.idempotency_key.clone(),
        };
        let tried = session.during("promoting", || carry_out(&workspace, "promote", intent, agents, &manner));
        match tried {
            Err(mut problem) if args.wait && only_time_helps(&problem.details) => {
                if started.elapsed() >= LONGEST_WAIT {
                    problem.kind = Kind::Waited;
                    return Err(problem);
                }
                session.tell(&format!("waiting: {}", problem.message));
                std::thread::sleep(LOOK_EVERY);
            }
            other => break other?,
        }
    };
    Ok(views::show_moved(session, &moved))
}

/// Whether every gate that is not met will open by itself.
fn only_time_helps(details: &serde_json::Value) -> bool {
    let unmet = details.get("unmet").and_then(serde_json::Value::as_array);
    unmet.is_some_and(|unmet| unmet.iter().all(|gate| gate.get("until").is_some_and(|until| !until.is_null())))
}
