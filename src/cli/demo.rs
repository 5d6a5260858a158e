//! `pointsman demo`: a guided tour in a throwaway repository.
//!
//! Each command is parsed and run as if it had been typed, so the tour shows what users will see; beside it stands the
//! plain git command that shows the same.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser as _;
use serde::Serialize;

use super::{Cli, Done, Session, dispatch, options::Global};
use crate::ops::Problem;
use crate::ops::embedded::{CLAIMS, FRONT_DESK, Folder, RESERVATIONS};
use crate::present::escape::{escape, escape_line};
use crate::present::terminal::Style;
use crate::store::Git;

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

/// Take a guided tour: publish, promote and roll back three agents in a throwaway repository
///
/// Needs no configuration, leaves nothing behind, and takes a few seconds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Take the tour once and end, which is what happens anyway
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
    // `--once` asks for what happens anyway.
    let Args { once: _, keep } = args;
    let place = Place::new(keep.as_deref())?;
    let mut tour = Tour { session, dir: place.dir(), stops: Vec::new() };
    tour.say(&format!("{}\n", tour.bold("A tour of Pointsman, in a repository that is thrown away afterwards")));
    if let Err(problem) = tour.take() {
        // Interrupted, the tour stumbles over its missing folder.
        stop_here_if_interrupted();
        return Err(problem);
    }
    let kept = match keep {
        Some(dir) => {
            format!("The repository is in {}: cd there and look around.\n", escape(&dir.display().to_string()))
        }
        None => "The repository is gone again; `pointsman demo --keep <folder>` leaves it.\n".to_owned(),
    };
    tour.say(&format!("\n{kept}On your own repository, begin with: pointsman init\n"));
    if session.global.json {
        session.show(&tour.stops, |_| String::new());
    }
    Ok(ExitCode::SUCCESS)
}

struct Tour<'s> {
    session: &'s Session,
    dir: PathBuf,
    stops: Vec<Stop>,
}

impl Tour<'_> {
    fn take(&mut self) -> Result<(), Problem> {
        self.quietly(&["init", "-q", "-b", "main", "--template=", "."])?;
        for (key, value) in SETTINGS {
            self.quietly(&["config", key, value])?;
        }
        for (agent, files) in AGENTS {
            write(&self.dir.join("agents").join(agent), files)?;
        }
        self.stop(
            "Agents are folders",
            "Three agents: a dental practice's front desk (one prompt), an insurer's claims line (a graph), and a\n\
             restaurant's bookings (a PolyAI project). `init` finds them and writes the policy, which you commit.",
        );
        self.pointsman("init")?;
        self.git("add -A")?;
        self.git("commit -q -m 'Three agents'")?;
        self.pointsman("reconcile --once")?;
        self.git("branch")?;

        self.stop(
            "Publish: the working tree is the draft, a tag is a version",
            "A version is frozen: compiled, checked, numbered, and kept for ever. `sandbox` takes each one by itself.",
        );
        self.pointsman("publish front-desk --note 'As on the old system'")?;
        self.pointsman("publish claims --note 'As on the old system'")?;
        self.pointsman("publish reservations --note 'As on the old system'")?;
        self.git("tag -n1")?;

        self.stop(
            "Promote: a branch per environment says what is live",
            "Several agents move in one commit or not at all. `live` wants to hear that you mean it.",
        );
        self.pointsman("release front-desk claims reservations --to pre-release")?;
        self.refused("release front-desk claims reservations --to live")?;
        self.pointsman("release front-desk claims reservations --to live --confirm")?;
        self.git("log --first-parent --format='%h %an: %s' env/live")?;

        self.stop(
            "Change something and publish again",
            "Here somebody edits the greeting of the front desk. Nothing has to be committed first.",
        );
        self.edit_greeting()?;
        self.pointsman("diff front-desk")?;
        self.git("diff --unified=0 agents/front-desk")?;
        self.pointsman("publish front-desk --note 'Say that calls are recorded'")?;
        self.git("cat-file -p front-desk/v2")?;
        self.pointsman("promote front-desk --to pre-release")?;
        self.pointsman("promote front-desk --to live --confirm")?;
        self.pointsman("status")?;

        self.stop(
            "What is live is a published version, byte for byte",
            "The environment names the very tree that the ledger keeps for the version. Anybody can check that.",
        );
        self.git("rev-parse env/live:agents/front-desk")?;
        self.git("rev-parse pointsman/ledger:agents/front-desk/v2")?;

        self.stop(
            "Roll back: one commit forward that names the older version again",
            "Nothing is compiled. The agent is held there, so nothing automatic brings the bad version back.",
        );
        self.pointsman("rollback front-desk --reason 'Callers hang up at the notice'")?;
        self.git("rev-parse env/live:agents/front-desk")?;
        self.git("rev-parse pointsman/ledger:agents/front-desk/v1")?;
        self.git("diff --stat env/pre-release env/live -- agents/front-desk/source")?;

        self.stop("The audit trail", "Who moved what, where, when and why. In git it is the first-parent history.");
        self.pointsman("history front-desk --env live")?;
        self.git("log --first-parent --format='%h %an: %s' env/live -- agents/front-desk")?;

        self.stop(
            "Check everything",
            "Each promise is checked over the whole repository, from git alone. Git's own check says nothing where \
             nothing is wrong.",
        );
        self.pointsman("verify")?;
        self.git("fsck --strict --no-progress")?;
        Ok(())
    }

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
        let done = dispatch(&cli.command, &inner);
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

    fn edit_greeting(&self) -> Result<(), Problem> {
        let path = self.dir.join("agents/front-desk/agent.toml");
        let io = |error: std::io::Error| broken(&error.to_string());
        let text = std::fs::read_to_string(&path).map_err(io)?;
        let edited: Vec<_> = text
            .lines()
            .map(|line| match line.strip_prefix("greeting = \"") {
                Some(_) => "greeting = \"Linden Dental, this is Robin. This call is recorded. How can I help?\"",
                None => line,
            })
            .collect();
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

/// Where the tour takes place.
enum Place {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn new(keep: Option<&Path>) -> Result<Self, Problem> {
        let io = |error: std::io::Error| Problem::refused("io", format!("cannot make the repository: {error}"));
        let Some(dir) = keep else {
            let dir = tempfile::Builder::new().prefix("pointsman-demo-").tempdir().map_err(io)?;
            remove_when_interrupted(dir.path().to_owned());
            return Ok(Place::Temporary(dir));
        };
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            let message = format!("folder `{}` is not empty", dir.display());
            return Err(Problem::refused("taken", message).hint("--keep <a new folder>"));
        }
        std::fs::create_dir_all(dir).map_err(io)?;
        Ok(Place::Kept(dir.canonicalize().map_err(io)?))
    }

    fn dir(&self) -> PathBuf {
        match self {
            Place::Kept(dir) => dir.clone(),
            Place::Temporary(dir) => dir.path().to_owned(),
        }
    }
}

/// Whether Ctrl-C was heard.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whoever removes the folder also ends the process.
fn stop_here_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Ctrl-C ends the process without running destructors, so the folder is removed by whoever hears it.
fn remove_when_interrupted(dir: PathBuf) {
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            // What is being written at this moment may be made again behind the removal.
            for _ in 0..20 {
                let _ = std::fs::remove_dir_all(&dir);
                std::thread::sleep(Duration::from_millis(10));
            }
            std::process::exit(130);
        }
    });
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

/// The words of a command line whose only quotes are single ones.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        let word = words.last_mut().expect("there is always one");
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => word.push(letter),
        }
    }
    words
}

/// `text` in lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

fn cut(line: &str, width: usize) -> String {
    match line.char_indices().nth(width) {
        Some(_) => format!("{}…", line.chars().take(width - 1).collect::<String>()),
        None => line.to_owned(),
    }
}
