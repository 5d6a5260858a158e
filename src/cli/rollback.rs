//! `pointsman rollback`

use super::options::Asked;
use super::{Done, Session, views};
use crate::domain::{DeploymentId, EnvironmentName, VersionNumber};

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
    let (place, manner) = (session.place()?, args.asked.manner());
    let moved = match args.deployment {
        Some(id) => session.during("rolling back", || place.undo(id, &manner))?,
        None => {
            let agent = place.agent(args.agent.as_deref())?;
            session.during("rolling back", || place.rollback(agent, args.env.clone(), args.to, &manner))?
        }
    };
    Ok(views::show_moved(session, &moved))
}
