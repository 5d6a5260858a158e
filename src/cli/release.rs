//! `pointsman release`

use std::collections::BTreeMap;
use std::str::FromStr;

use super::options::Asked;
use super::{Done, Session, views};
use crate::domain::{AgentId, EnvironmentName, VersionNumber};
use crate::ops::Problem;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agents, each with a version where it is not the one to be expected: support billing=v3
    #[arg(required = true, value_name = "AGENT[=VERSION]")]
    agents: Vec<Part>,
    /// Where to
    #[arg(long, value_name = "ENVIRONMENT")]
    to: EnvironmentName,
    /// Say that you mean it, where the environment asks
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    asked: Asked,
}

/// One agent of a release.
#[derive(Clone, Debug)]
struct Part {
    agent: AgentId,
    version: Option<VersionNumber>,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (agent, version) = match text.split_once('=') {
            Some((agent, version)) => {
                (agent, Some(version.parse::<VersionNumber>().map_err(|error| error.to_string())?))
            }
            None => (text, None),
        };
        Ok(Part {
            agent: agent.parse().map_err(|error: crate::domain::agent_id::InvalidAgentId| error.to_string())?,
            version,
        })
    }
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let mut versions = BTreeMap::new();
    for part in &args.agents {
        if versions.insert(part.agent.clone(), part.version).is_some() {
            return Err(Problem::usage("named_twice", format!("`{}` is named twice", part.agent)));
        }
    }
    let manner = args.asked.manner();
    let moved = session.during("releasing", || place.release(&args.to, versions, args.confirm, &manner))?;
    Ok(views::show_moved(session, &moved))
}
