//! `pointsman status`

use super::{Done, Session, views};
use crate::ops::status::{AgentStatus, DraftState, Status, status};
use crate::present::escape::escape;
use crate::present::terminal::{Style, table};
use crate::reconcile::Note;
use crate::store::age_text;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask the remote first
    #[arg(long)]
    fetch: bool,
    /// Only this agent
    agent: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let mut found = if args.fetch {
        let workspace = place.only_here("--fetch asks the remote of this repository")?;
        session.during("looking", || status(workspace, true))?
    } else {
        session.during("looking", || place.status())?
    };
    if let Some(agent) = &args.agent {
        let agent = place.agent(Some(agent))?;
        found.agents.retain(|status| status.agent == agent);
        if found.agents.is_empty() {
            return Err(place.unknown_agent(&agent));
        }
    }
    Ok(session.show(&found, |style| text(&found, style)))
}

fn text(status: &Status, style: &Style) -> String {
    let mut text = String::new();
    let names: Vec<_> = status.environments.iter().map(|environment| environment.name.to_string()).collect();
    if status.agents.is_empty() {
        text.push_str("no agents here: pointsman new <agent> makes one\n");
    } else {
        let mut header = vec!["agent", "draft", "newest"];
        header.extend(names.iter().map(String::as_str));
        let rows: Vec<_> = status.agents.iter().map(|agent| row(status, agent)).collect();
        text.push_str(&table(&header, &rows, style));
    }
    for environment in &status.environments {
        if let Some(note) = &environment.note {
            text.push_str(&format!("{}: {}\n", environment.name, escape(note)));
        }
    }
    for agent in &status.agents {
        for (environment, why) in &agent.held {
            text.push_str(&format!("{} is held in {environment} {}\n", agent.agent, escape(why)));
        }
        for (tag, why) in &agent.refused {
            text.push_str(&format!("{tag} was refused: {}\n", escape(why)));
        }
    }
    match &status.pending_tags[..] {
        [] => {}
        [only] => text.push_str(&format!("tag {} waits for a pass: pointsman reconcile --once\n", escape(only))),
        many => text.push_str(&format!("{} tags wait for a pass: pointsman reconcile --once\n", many.len())),
    }
    if let Some(note) = &status.controller {
        text.push_str(&controller(note, jiff::Timestamp::now()));
    }
    for note in &status.notes {
        text.push_str(&format!("note: {}\n", escape(note)));
    }
    text
}

fn controller(note: &Note, now: jiff::Timestamp) -> String {
    let ago = |at| age_text(now.duration_since(at).try_into().unwrap_or_default());
    let mut text = format!("controller: last pass {} ago", ago(note.at));
    match (&note.failure, note.confirmed) {
        (None, _) => {}
        (Some(failure), Some(confirmed)) => {
            text.push_str(&format!(", failed: {}; what is served was right {} ago", escape(failure), ago(confirmed)));
        }
        (Some(failure), None) => text.push_str(&format!(", failed: {}", escape(failure))),
    }
    text.push('\n');
    text.push_str(&views::waits(&note.waits));
    text
}

fn row(status: &Status, agent: &AgentStatus) -> Vec<String> {
    let draft = match agent.draft {
        DraftState::Published => "published",
        DraftState::Changed => "changed",
        DraftState::Unpublished => "unpublished",
        DraftState::NoFolder => "no folder",
    };
    let mut row = vec![agent.agent.to_string(), draft.to_owned(), views::version(agent.newest)];
    for environment in &status.environments {
        let held = if agent.held.contains_key(&environment.name) { " (held)" } else { "" };
        row.push(format!("{}{held}", views::version(agent.serves.get(&environment.name).copied())));
    }
    row
}
