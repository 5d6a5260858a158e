//! `pointsman report`

use std::process::ExitCode;

use clap::ValueEnum;

use super::{Done, Session};
use crate::domain::VersionNumber;
use crate::ops::report::PrePublish;
use crate::ops::side::SideName;
use crate::present::report::{Subject, markdown, terminal};
use crate::present::terminal::Style;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// Report on the tip of a branch, or of a pull request (pr/<n>), in place of the working tree
    #[arg(long, value_name = "BRANCH", conflicts_with = "version")]
    draft: Option<String>,
    /// Report on a version
    #[arg(long, value_name = "N")]
    version: Option<VersionNumber>,
    /// How to print: for people, for programs, or as a pull request comment
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// As --json.
    Json,
    /// As a pull request comment.
    Markdown,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    session.only_one_format(args.format.is_some_and(|format| format != Format::Json))?;
    let format = args.format.unwrap_or(if session.global.json { Format::Json } else { Format::Text });
    let place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let side = match (&args.draft, args.version) {
        (Some(branch), _) => SideName::NamedDraft(branch.clone()),
        (None, Some(version)) => SideName::Version(version),
        (None, None) => SideName::Draft,
    };
    let made = session.during("reading", || place.report(&agent, &side))?;
    let PrePublish { environment, live, report, .. } = &made;
    let live = live.zip(environment.as_ref()).map(|(version, environment)| format!("{version} in {environment}"));
    let subject = Subject { agent: agent.as_str(), side: &made.side, live: live.as_deref() };
    match format {
        Format::Text => {
            // Lines are broken for people; what reads a pipe wants each item whole.
            let width = if session.terminal { session.style.width } else { usize::MAX };
            session.print(&terminal(subject, report, &Style { width, ..session.style }));
        }
        Format::Markdown => session.print(&markdown(subject, report)),
        Format::Json => session.print_json(&made),
    }
    Ok(ExitCode::SUCCESS)
}
