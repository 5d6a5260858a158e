//! `pointsman retire`

use super::options::Asked;
use super::{Done, Session, views};
use crate::client::Verb;
use crate::domain::EnvironmentName;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// Where; the published environment by default
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentName>,
    #[command(flatten)]
    asked: Asked,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let moved = place.change(Verb::Retire, agent, args.env.clone(), &args.asked.manner())?;
    Ok(views::show_moved(session, &moved))
}
