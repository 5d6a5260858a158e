//! `pointsman hold` and `pointsman release-hold`

use super::options::Asked;
use super::{Done, Session, views};
use crate::client::Verb;
use crate::domain::EnvironmentName;

#[derive(Debug, clap::Args)]
pub struct HoldArgs {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// Where; the published environment by default
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentName>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// Where; the published environment by default
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentName>,
    #[command(flatten)]
    asked: Asked,
}

pub(super) fn hold(args: &HoldArgs, session: &Session) -> Done {
    let place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let moved = place.change(Verb::Hold, agent, args.env.clone(), &args.asked.manner())?;
    Ok(views::show_moved(session, &moved))
}

pub(super) fn release(args: &ReleaseArgs, session: &Session) -> Done {
    let place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let moved = place.change(Verb::ReleaseHold, agent, args.env.clone(), &args.asked.manner())?;
    Ok(views::show_moved(session, &moved))
}
