//! `pointsman retire`

use super::{Done, Session, views};
use crate::domain::EnvironmentName;
use crate::ops::moves::{Manner, carry_out};
use crate::plan::Intent;

/// Take an agent out of an environment
///
/// Nothing brings it back by itself; an explicit promotion does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// Where; the published environment by default
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentName>,
    /// Why, in your words
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let workspace = session.workspace()?;
    let agent = workspace.agent(args.agent.as_deref())?;
    let intent = Intent::Retire { environment: args.env.clone(), agent: agent.clone() };
    let manner = Manner { reason: args.reason.clone(), dry_run: args.dry_run, ..Manner::default() };
    let moved = carry_out(&workspace, "retire", intent, [agent].into(), &manner)?;
    Ok(views::show_moved(session, &moved))
}
