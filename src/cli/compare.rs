//! `pointsman compare`

use super::{Done, Session, views};
use crate::domain::EnvironmentName;
use crate::ops::inspect::ComparedAgent;
use crate::present::terminal::{Style, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One environment
    before: EnvironmentName,
    /// The other
    after: EnvironmentName,
    /// Also show agents that are the same in both
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let mut agents = session.place()?.compare(&args.before, &args.after)?;
    let total = agents.len();
    if !args.all && !session.global.json {
        agents.retain(|agent| !agent.same);
    }
    session.tell(&format!("{} of {total} agents differ", agents.iter().filter(|agent| !agent.same).count()));
    Ok(session.show(&agents, |style| text(args, &agents, style)))
}

fn text(args: &Args, agents: &[ComparedAgent], style: &Style) -> String {
    if agents.is_empty() {
        return String::new();
    }
    let row = |agent: &ComparedAgent| {
        let mark = if agent.same { "" } else { "differs" };
        vec![agent.agent.to_string(), views::version(agent.before), views::version(agent.after), mark.to_owned()]
    };
    let rows: Vec<_> = agents.iter().map(row).collect();
    table(&["agent", args.before.as_str(), args.after.as_str(), ""], &rows, style)
}
