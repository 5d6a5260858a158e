//! `pointsman init`

use std::process::ExitCode;

use serde::Serialize;

use super::{Done, Session};
use crate::ops::import::{Became, Import, Imported, import};
use crate::ops::init::{Initialised, init};
use crate::present::escape::escape;
use crate::present::terminal::{Style, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Make first versions from what an environment serves now, such as live=v2.3 or live=4f1c9a2
    ///
    /// Every agent in that commit is tagged there and promoted into the environment by way of those before it. Give it
    /// once per environment; running it twice changes nothing.
    #[arg(long, value_name = "ENVIRONMENT=COMMIT")]
    import: Vec<Import>,
}

/// What happened, for `--json`.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    initialised: Initialised,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imported: Vec<Imported>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let initialised = session.during("looking for agents", || init(&session.workspace()?))?;
    let mut imported = Vec::new();
    if initialised.committed && !args.import.is_empty() {
        // A workspace of its own: the moment of a move is not that of the look.
        let workspace = session.workspace()?;
        imported = session.during("importing", || import(&workspace, &args.import))?;
    }
    let shown = Shown { initialised, imported };
    session.show(&shown, |style| text(args, &shown, style));
    let refused = shown.imported.iter().any(|imported| imported.became == Became::Refused);
    Ok(if refused { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn text(args: &Args, shown: &Shown, style: &Style) -> String {
    let found = &shown.initialised;
    let mut parts = Vec::new();
    if !found.agents.is_empty() {
        let rows: Vec<_> = found
            .agents
            .iter()
            .map(|agent| {
                let folder = if agent.folder.is_empty() { "." } else { &agent.folder };
                let why = match (&agent.why, agent.added) {
                    (Some(why), true) => format!("found by {why}: listed"),
                    (Some(why), false) => format!("found by {why}"),
                    (None, _) => "listed before".to_owned(),
                };
                vec![agent.agent.to_string(), escape(folder), agent.kind.clone(), escape(&why)]
            })
            .collect();
        parts.push(table(&["agent", "folder", "kind", ""], &rows, style));
    }
    let mut text = String::new();
    for note in &found.notes {
        text.push_str(&format!("note: {}\n", escape(note)));
    }
    if found.wrote_policy {
        text.push_str("wrote pointsman.toml\n");
    }
    for name in &found.begun {
        text.push_str(&format!("began {name}\n"));
    }
    for imported in &shown.imported {
        text.push_str(&line(imported));
    }
    parts.extend([text, next(args, shown)]);
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn line(imported: &Imported) -> String {
    let Imported { environment, agent, version, became, reason } = imported;
    let what = version.map_or_else(|| agent.to_string(), |version| format!("{agent} {version}"));
    let why = reason.as_deref().map(|reason| format!(": {}", escape(reason))).unwrap_or_default();
    match became {
        Became::Imported => format!("{environment}: {what} is live\n"),
        Became::Already => format!("{environment}: {what} was live already\n"),
        Became::LeftAlone => format!("{environment}: {what} left alone{why}\n"),
        Became::Refused => format!("{environment}: {what} refused{why}\n"),
    }
}

/// What to type next.
fn next(args: &Args, shown: &Shown) -> String {
    let found = &shown.initialised;
    let mut lines = Vec::new();
    if found.agents.is_empty() {
        lines.push("pointsman new <agent>          # writes a first agent folder".to_owned());
    }
    if !found.committed {
        lines.push("git add pointsman.toml && git commit -m \"Release agents with Pointsman\"".to_owned());
        if found.remote {
            lines.push(format!("git push origin HEAD:{}", super::views::shell_word(&found.default_branch)));
        }
        let again = args.import.iter().map(|import| {
            format!(" --import {}", super::views::shell_word(&format!("{}={}", import.environment, import.revision)))
        });
        lines.push(format!("pointsman init{}", again.collect::<String>()));
    } else if shown.imported.iter().any(|imported| imported.became == Became::Refused) {
        lines.push("pointsman status".to_owned());
    } else if let (Some(first), true) = (found.agents.first(), shown.imported.is_empty()) {
        lines.push("pointsman status".to_owned());
        lines.push(format!("pointsman check {}", first.agent));
        lines.push(format!("pointsman publish {} --note \"First\"", first.agent));
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("next:\n{}", lines.iter().map(|line| format!("  {line}\n")).collect::<String>())
}
