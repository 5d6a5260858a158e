//! `pointsman rollback`

use super::options::Asked;
use super::{Done, Session, views};
use crate::domain::{DeploymentId, EnvironmentName, VersionNumber};
use crate::ops::moves::{carry_out, undo};
use crate::plan::Intent;

/// Go back to a version that was live, and stay there
///
/// One commit that names the older version again; nothing is compiled, no gate or freeze stops it. The agent is held
/// in that environment until `release-hold` or an explicit promotion. Rolling back again answers with the rollback
/// that stands; name a version with --to to go further back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    #[arg(conflicts_with = "deployment")]
    agent: Option<String>,
    /// Where; the published environment by default
    #[arg(long, value_name = "ENVIRONMENT", conflicts_with = "deployment")]
    env: Option<EnvironmentName>,
    /// To which version; by default the newest one before the present that was not rolled back from
    #[arg(long, value_name = "N", conflicts_with = "deployment")]
    to: Option<VersionNumber>,
    /// Undo a whole deployment, all its agents at once
    #[arg(long, value_name = "ID")]
    deployment: Option<DeploymentId>,
    #[command(flatten)]
    asked: Asked,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let workspace = session.workspace()?;
    let (intent, agents) = match args.deployment {
        Some(id) => undo(&workspace, id)?,
        None => {
            let agent = workspace.agent(args.agent.as_deref())?;
            let agents = [agent.clone()].into();
            (Intent::Rollback { environment: args.env.clone(), agent, to: args.to }, agents)
        }
    };
    let moved =
        session.during("rolling back", || carry_out(&workspace, "rollback", intent, agents, &args.asked.manner()))?;
    Ok(views::show_moved(session, &moved))
}
