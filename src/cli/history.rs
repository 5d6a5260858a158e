//! `pointsman history`

use super::{Done, Session, views};
use crate::domain::EnvironmentName;
use crate::ops::inspect::HistoryEntry;
use crate::present::escape::escape;
use crate::present::terminal::{Style, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this agent
    agent: Option<String>,
    /// Only this environment
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentName>,
    /// At most this many lines
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let agent = args.agent.as_deref().map(|agent| place.agent(Some(agent))).transpose()?;
    let entries = place.history(agent.as_ref(), args.env.as_ref(), args.limit)?;
    if entries.is_empty() {
        session.tell("nothing moved yet");
    }
    Ok(session.show(&entries, |style| text(&entries, style)))
}

fn text(entries: &[HistoryEntry], style: &Style) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut rows = Vec::new();
    for entry in entries {
        let record = &entry.record;
        let reason = escape(record.text.lines().next().unwrap_or_default());
        let head = |what: String| {
            let actor = record.actor.split('<').next().unwrap_or_default().trim();
            let action = record.action.word().to_owned();
            vec![
                format!("{:.0}", entry.time),
                record.environment.to_string(),
                action,
                what,
                escape(actor),
                reason.clone(),
            ]
        };
        if record.moves.is_empty() {
            rows.push(head(escape(&record.subject)));
        }
        for made in &record.moves {
            rows.push(head(format!("{} {} -> {}", made.agent, views::version(made.from), views::version(made.to))));
        }
    }
    table(&["when", "where", "what", "agent", "by", "why"], &rows, style)
}
