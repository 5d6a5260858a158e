//! `pointsman test`: an agent's own tests, run here.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::chat::Place;
use super::{Done, Session};
use crate::chat::{Exam, OFFLINE, Role};
use crate::ops::pinned::{self, Pinned};
use crate::ops::side::SideName;
use crate::ops::{Problem, Workspace};
use crate::present::Style;
use crate::present::escape::escape;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is one only
    agent: Option<String>,
    /// What is tested: draft, draft:<branch>, v3, or an environment
    #[arg(long, value_name = "SIDE", default_value = "draft")]
    against: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let workspace = session.workspace()?;
    let pinned = session.during("compiling", || args.pinned(&workspace))?;
    let room = args.place.room(session)?;
    args.place.tell_offline(&pinned, session);
    let run = || room.runtime.block_on(room.sandbox.examine(pinned, room.offline));
    let exam = session.during("testing", run)?;
    let code = if exam.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    session.show(&exam, |style| shown(&exam, style));
    Ok(code)
}

impl Args {
    fn pinned(&self, workspace: &Workspace) -> Result<Pinned, Problem> {
        let agent = workspace.agent(self.agent.as_deref())?;
        match (self.against.parse::<SideName>(), self.against.parse()) {
            (Ok(side), _) => pinned::pin(workspace, &agent, &side),
            (Err(_), Ok(environment)) => pinned::live(workspace, &agent, Some(&environment)),
            (Err(problem), Err(_)) => Err(problem),
        }
    }
}

fn shown(exam: &Exam, style: &Style) -> String {
    let paint = |code: &str, text: &str| match style.color {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    };
    let mut text = String::new();
    for test in &exam.tests {
        let sign = if test.passed { paint("32", "ok  ") } else { paint("1;31", "FAIL") };
        let about = test.description.as_deref().map(|about| format!("  {}", escape(about))).unwrap_or_default();
        let _ = writeln!(text, "{sign}  {}{about}", escape(&test.name));
        for failure in &test.failures {
            let _ = writeln!(text, "      {}", escape(failure));
        }
        for line in test.transcript.iter().filter(|_| !test.passed) {
            let who = if line.role == Role::User { "you" } else { "agent" };
            let _ = writeln!(text, "      {}", paint("2", &format!("{who}: {}", escape(&line.said.content))));
        }
    }
    let by = if exam.responder == OFFLINE { "offline".to_owned() } else { format!("by `{}`", escape(&exam.responder)) };
    let what = exam.version.map_or_else(|| "the draft".to_owned(), |version| version.to_string());
    let _ = match exam.tests.len() {
        0 => writeln!(text, "{} has no tests: write one in tests/", exam.agent_id),
        _ => {
            writeln!(text, "{} passed, {} failed: {what} of {}, answered {by}", exam.passed, exam.failed, exam.agent_id)
        }
    };
    text
}
