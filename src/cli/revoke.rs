//! `pointsman revoke`

use super::options::Asked;
use super::{Done, Session, views};
use crate::domain::VersionNumber;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent
    agent: String,
    /// The version, as 7 or v7
    version: VersionNumber,
    #[command(flatten)]
    asked: Asked,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let agent = place.agent(Some(&args.agent))?;
    let moved = place.revoke(agent, args.version, &args.asked.manner())?;
    Ok(views::show_moved(session, &moved))
}
