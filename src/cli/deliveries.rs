//! `pointsman deliveries`

use std::path::PathBuf;

use serde::Serialize;

use super::{Done, Session};
use crate::ops::Problem;
use crate::present::escape::escape;
use crate::present::terminal::{Style, counted, table};
use crate::targets::{Letter, Letters};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The controller's state folder, as `serve --state` has it; by default that of a controller in this repository
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Send the message <ID> again, or `all` of them
    #[arg(long, value_name = "ID")]
    replay: Option<String>,
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    dead_letters: Vec<Letter>,
    replayed: Vec<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let state = match &args.state {
        Some(state) => state.clone(),
        None => session.workspace()?.repository.own_dir(),
    };
    let cannot = |error: std::io::Error| {
        Problem::refused("io", format!("cannot read `{}`: {error}", state.display()))
            .hint("run it as the user that the controller runs as")
    };
    if args.state.is_some() && !state.is_dir() {
        return Err(Problem::usage("no_such_folder", format!("no folder `{}`", state.display()))
            .hint("--state names the state folder of `pointsman serve`"));
    }
    let letters = Letters::below(&state);
    let mut found = Found { dead_letters: letters.dead().map_err(cannot)?, replayed: Vec::new() };
    if let Some(wanted) = &args.replay {
        let all = wanted == "all";
        let (chosen, rest): (Vec<_>, Vec<_>) =
            found.dead_letters.into_iter().partition(|letter| all || letter.id == *wanted);
        if chosen.is_empty() && !all {
            return Err(Problem::refused("no_such_letter", format!("no dead letter `{wanted}`"))
                .hint(format!("pointsman deliveries --state {} lists them", state.display())));
        }
        for letter in chosen {
            letters.replay(&letter).map_err(cannot)?;
            found.replayed.push(letter.id);
        }
        found.dead_letters = rest;
        session.tell(&format!("{} on the way", counted(found.replayed.len(), "message")));
    } else if found.dead_letters.is_empty() {
        session.tell("no message was given up");
    }
    Ok(session.show(&found, |style| text(&found.dead_letters, style)))
}

fn text(letters: &[Letter], style: &Style) -> String {
    if letters.is_empty() {
        return String::new();
    }
    let row = |letter: &Letter| {
        vec![
            escape(&letter.id),
            escape(&letter.target),
            letter.environment.to_string(),
            format!("{:.0}", letter.given_up),
            letter.attempts.to_string(),
            escape(&letter.failure),
        ]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    table(&["id", "target", "environment", "given up", "attempts", "why"], &rows, style)
}
