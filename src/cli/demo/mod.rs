//! `pointsman demo`: a guided tour in a throwaway repository.
//!
//! Each command is parsed and run as if it had been typed, so the tour shows what users will see; beside it stands the
//! plain git command that shows the same.

mod live;
mod place;
mod stops;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use serde::Serialize;

use super::{Cli, Done, Session, options::Global};
use crate::ops::Problem;
use crate::ops::embedded::{CLAIMS, FRONT_DESK, Folder, RESERVATIONS};
use crate::present::escape::{escape, escape_line};
use crate::present::terminal::Style;
use crate::store::Git;
use place::{Place, stop_here_if_interrupted};
use text::{cut, words, wrap};

/// The agents of the tour: a single prompt, a graph, a PolyAI project.
const AGENTS: [(&str, Folder); 3] = [("front-desk", FRONT_DESK), ("claims", CLAIMS), ("reservations", RESERVATIONS)];

/// Settings of the repository, so that the tour goes the same way on every machine: without a name, with hooks set up
/// for everything, with files ignored everywhere.
const SETTINGS: [(&str, &str); 6] = [
    ("user.name", "Robin Demo"),
    ("user.email", "robin@example.com"),
    ("core.autocrlf", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.abbrev", "8"),
];

/// Lines of a command's output that are shown.
const MOST_LINES: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after the tour, without waiting for Ctrl-C; so does --json
    #[arg(long)]
    once: bool,
    /// Make the repository in <DIR>, and leave it there to look around
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// One command and what it printed.
#[derive(Debug, Serialize)]
struct Shown {
    command: String,
    output: String,
}

/// A stop of the tour.
#[derive(Debug, Serialize)]
struct Stop {
    title: &'static str,
    text: &'static str,
    commands: Vec<Shown>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let Args { once, keep } = args;
    let place = Place::new(keep.as_deref())?;
    let mut tour = Tour { session, dir: place.dir(), stops: Vec::new() };
    tour.say(&format!("{}\n", tour.bold("A tour of Pointsman, in a repository that is thrown away afterwards")));
    let controller = match tour.take().and_then(|()| tour.serve()) {
        Ok(controller) => controller,
        Err(problem) => {
            // Interrupted, the tour stumbles over its missing folder.
            stop_here_if_interrupted();
            return Err(problem);
        }
    };
    let kept = match keep {
        Some(dir) => {
            format!("The repository is in {}: cd there and look around.\n", escape(&dir.display().to_string()))
        }
        None => "The repository is gone with this; `pointsman demo --keep <folder>` leaves it.\n".to_owned(),
    };
    tour.say(&format!("\n{kept}On your own repository, begin with: pointsman init\n"));
    if session.global.json {
        session.show(&tour.stops, |_| String::new());
    } else if !once {
        tour.go_on_serving(&controller);
        stop_here_if_interrupted();
    }
    Ok(ExitCode::SUCCESS)
}

struct Tour<'s> {
    session: &'s Session,
    dir: PathBuf,
    stops: Vec<Stop>,
}

impl Tour<'_> {
    /// Begins a stop.
    fn stop(&mut self, title: &'static str, text: &'static str) {
        let number = self.stops.len() + 1;
        let wrapped = wrap(text, self.width());
        self.say(&format!("\n{}\n{wrapped}\n", self.bold(&format!("{number}. {title}"))));
        self.stops.push(Stop { title, text, commands: Vec::new() });
    }

    /// Runs one of our commands as if it had been typed in the repository.
    fn pointsman(&mut self, line: &str) -> Result<(), Problem> {
        match self.typed(line) {
            (output, Ok(code)) => {
                self.shown(&format!("pointsman {line}"), &output);
                // `verify` answers with its exit code; everything else here ends well or with a problem.
                if code == ExitCode::SUCCESS { Ok(()) } else { Err(broken(&format!("`pointsman {line}` failed"))) }
            }
            (_, Err(problem)) => Err(problem),
        }
    }

    /// Runs one that is to be refused.
    fn refused(&mut self, line: &str) -> Result<(), Problem> {
        match self.typed(line) {
            (_, Ok(_)) => Err(broken(&format!("`pointsman {line}` was not refused"))),
            (_, Err(problem)) => {
                let hint = problem.hint.as_deref().map(|hint| format!(" hint: {}\n", escape(hint))).unwrap_or_default();
                self.shown(&format!("pointsman {line}"), &format!("error: {}\n{hint}", escape(&problem.message)));
                Ok(())
            }
        }
    }

    fn typed(&self, line: &str) -> (String, Done) {
        stop_here_if_interrupted();
        let words = [vec!["pointsman".to_owned()], words(line)].concat();
        let cli = match Cli::try_parse_from(words) {
            Ok(cli) => cli,
            Err(error) => return (String::new(), Err(broken(&error.to_string()))),
        };
        let global = Global { dir: self.dir.clone(), local: true, ..cli.global };
        let style = Style { width: self.width().saturating_sub(2), ..self.session.style };
        let inner = Session::capturing(global, style);
        let done = cli.verb.run(&inner);
        (inner.into_captured(), done)
    }

    /// Runs a git command and shows what it prints.
    fn git(&mut self, line: &str) -> Result<(), Problem> {
        let output = self.quietly(&words(line))?;
        self.shown(&format!("git {line}"), &output);
        Ok(())
    }

    fn quietly<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Result<String, Problem> {
        Ok(String::from_utf8_lossy(&Git::in_dir(&self.dir).impersonal().run(args)?).into_owned())
    }

    fn shown(&mut self, command: &str, output: &str) {
        let width = self.width().saturating_sub(2);
        let lines: Vec<_> = output.trim_end().lines().collect();
        let (cyan, reset) = if self.session.style.color { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
        let mut text = format!("\n{cyan}$ {command}{reset}\n");
        for line in lines.iter().take(MOST_LINES) {
            // Our own output is wrapped, and escaped and coloured already; git's is cut.
            let line = match (line.contains('\u{1b}'), command.starts_with("git ")) {
                (true, _) => (*line).to_owned(),
                (false, true) => cut(&escape_line(line), width),
                (false, false) if line.chars().count() > width => wrap(line, width).replace('\n', "\n  "),
                (false, false) => (*line).to_owned(),
            };
            text.push_str(format!("  {line}").trim_end());
            text.push('\n');
        }
        if lines.len() > MOST_LINES {
            text.push_str(&format!("  … {} more lines\n", lines.len() - MOST_LINES));
        }
        self.say(&text);
        if let Some(stop) = self.stops.last_mut() {
            stop.commands.push(Shown { command: command.to_owned(), output: output.to_owned() });
        }
    }

    /// Somebody edits the greeting of the front desk.
    fn greet(&self, greeting: &str) -> Result<(), Problem> {
        let path = self.dir.join("agents/front-desk/agent.toml");
        let io = |error: std::io::Error| broken(&error.to_string());
        let text = std::fs::read_to_string(&path).map_err(io)?;
        let line = format!("greeting = \"{greeting}\"");
        let edited: Vec<_> =
            text.lines().map(|old| if old.starts_with("greeting = \"") { line.as_str() } else { old }).collect();
        std::fs::write(&path, edited.join("\n") + "\n").map_err(io)
    }

    fn width(&self) -> usize {
        self.session.style.width.clamp(40, 80)
    }

    fn bold(&self, text: &str) -> String {
        if self.session.style.color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn say(&self, text: &str) {
        if !self.session.global.json {
            self.session.print(text);
        }
    }
}

fn write(folder: &Path, files: Folder) -> Result<(), Problem> {
    let io = |error: std::io::Error| broken(&error.to_string());
    for (path, bytes) in files {
        stop_here_if_interrupted();
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(io)?;
        std::fs::write(path, bytes).map_err(io)?;
    }
    Ok(())
}

fn broken(what: &str) -> Problem {
    Problem::refused("demo", format!("the tour stopped: {what}"))
}
