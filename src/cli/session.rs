//! How a verb meets the person or program that called it: results to stdout, everything else to stderr.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;

use super::options::{Colour, Global};
use super::place::Place;
use super::remote::Remote;
use crate::compile::Severity;
use crate::ops::{Problem, Workspace};
use crate::present::escape::escape;
use crate::present::findings;
use crate::present::terminal::Style;
use crate::store::age_text;
use crate::store::locks::LockFile;

/// How long a command may be silent on a terminal before it says what it is doing.
const SILENCE: Duration = Duration::from_millis(400);

/// One run of the program.
pub struct Session {
    /// The global options.
    pub global: Global,
    /// How results are drawn.
    pub style: Style,
    /// Lock files that no program seems to hold any more, told beside the result.
    locks: RefCell<Vec<LockFile>>,
    /// Whether a person reads the results as they come.
    pub terminal: bool,
    /// Where everything goes that would be printed, for a command inside another one.
    captured: Option<RefCell<String>>,
}

impl Session {
    /// A session with these options.
    pub fn new(global: Global) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colour = match global.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let width = if terminal { terminal_width() } else { 100 };
        Session { style: Style { color: colour, width }, terminal, global, locks: RefCell::default(), captured: None }
    }

    /// A session that prints nothing and keeps what it would have printed.
    pub(super) fn capturing(global: Global, style: Style) -> Self {
        Session { global, style, terminal: false, locks: RefCell::default(), captured: Some(RefCell::default()) }
    }

    /// What was kept.
    pub(super) fn into_captured(self) -> String {
        self.captured.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Where a verb is carried out that a controller could carry out too: there if one is named, else here.
    pub fn place(&self) -> Result<Place, Problem> {
        // A command inside another one works where that one does.
        let outer = self.captured.is_none();
        let set = || std::env::var("POINTSMAN_SERVER").ok().filter(|address| outer && !address.is_empty());
        match self.global.server.clone().or_else(set) {
            Some(address) => Remote::new(address, self).map(|remote| Place::There(Box::new(remote))),
            None => self.workspace().map(|workspace| Place::Here(Box::new(workspace))),
        }
    }

    /// Opens the repository that the options name.
    pub fn workspace(&self) -> Result<Workspace, Problem> {
        let Global { dir, local, author, .. } = &self.global;
        if !dir.is_dir() {
            return Err(Problem::usage("no_such_folder", format!("no folder `{}`", dir.display()))
                .hint("-C names a folder inside a git repository"));
        }
        let workspace = Workspace::open(dir, *local, jiff::Timestamp::now(), author.clone())?;
        self.locks.replace(workspace.repository.forgotten_locks());
        Ok(workspace)
    }

    /// Prints a result: JSON if asked for, else the text.
    pub fn show<T: Serialize>(&self, value: &T, text: impl FnOnce(&Style) -> String) -> ExitCode {
        if self.global.json {
            self.print_json(value);
        } else {
            self.print(&text(&self.style));
        }
        self.tell_locks(None);
        ExitCode::SUCCESS
    }

    /// Prints a result as JSON.
    pub fn print_json<T: Serialize>(&self, value: &T) {
        let json = serde_json::to_string_pretty(value).expect("results have string keys only");
        self.print(&format!("{json}\n"));
    }

    /// Refuses another format beside `--json`.
    pub fn only_one_format(&self, other: bool) -> Result<(), Problem> {
        if self.global.json && other {
            return Err(
                Problem::usage("two_formats", "`--json` and `--format` ask for two formats").hint("leave one out")
            );
        }
        Ok(())
    }

    /// Prints to stdout. A reader that went away (`| head`) is no error.
    pub fn print(&self, text: &str) {
        if let Some(captured) = &self.captured {
            captured.borrow_mut().push_str(text);
            return;
        }
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// Tells something beside the result, unless `--quiet`.
    pub fn tell(&self, text: &str) {
        if let Some(captured) = &self.captured {
            captured.borrow_mut().push_str(&format!("{text}\n"));
        } else if !self.global.quiet {
            eprintln!("{text}");
        }
    }

    /// Tells something that is wrong although the result stands; also with `--quiet`.
    pub fn warn(&self, text: &str) {
        let (yellow, reset) = if self.colours_stderr() { ("\x1b[1;33m", "\x1b[0m") } else { ("", "") };
        eprintln!("{yellow}warning{reset}: {}", escape(text));
    }

    /// Tells the forgotten locks, once, except for the one that `problem` is about.
    fn tell_locks(&self, problem: Option<&Problem>) {
        for LockFile { path, age } in self.locks.take() {
            let path = path.display().to_string();
            if problem.is_none_or(|problem| !problem.message.contains(&path)) {
                let (path, age) = (escape(&path), age_text(age));
                self.tell(&format!("note: the lock file `{path}` is {age} old and stops git commands; if none is at work here: rm '{path}'"));
            }
        }
    }

    /// Prints an error with its hint, or as JSON.
    pub fn fail(&self, problem: &Problem) {
        if self.global.json {
            let json = serde_json::to_string_pretty(&serde_json::json!({ "error": problem }));
            eprintln!("{}", json.expect("a problem has string keys only"));
            return;
        }
        self.tell_locks(Some(problem));
        let (red, cyan, reset) =
            if self.colours_stderr() { ("\x1b[1;31m", "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
        let errors: Vec<_> = problem
            .findings
            .iter()
            .flat_map(|all| all.iter())
            .filter(|finding| finding.severity == Severity::Error)
            .cloned()
            .collect();
        if !errors.is_empty() {
            let style = Style { color: self.colours_stderr(), width: self.style.width };
            eprintln!("{}", findings::findings(&errors, &style));
        }
        eprintln!("{red}error{reset}: {}", escape(&problem.message));
        if let Some(hint) = &problem.hint {
            eprintln!(" {cyan}hint{reset}: {}", escape(hint));
        }
    }

    fn colours_stderr(&self) -> bool {
        match self.global.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }

    /// Runs `work`; if it takes long and a person is watching, says what is being done.
    pub fn during<T>(&self, doing: &str, work: impl FnOnce() -> T) -> T {
        if self.captured.is_some() || self.global.quiet || !std::io::stderr().is_terminal() {
            return work();
        }
        let (done, wait) = mpsc::channel::<()>();
        let line = format!("{doing} …");
        let teller = std::thread::spawn(move || {
            if wait.recv_timeout(SILENCE).is_err_and(|error| error == mpsc::RecvTimeoutError::Timeout) {
                eprint!("{line}");
                let _ = wait.recv();
                eprint!("\r\x1b[K");
            }
        });
        let result = work();
        drop(done);
        let _ = teller.join();
        result
    }
}

/// Columns of the terminal: COLUMNS where it is set, else as the terminal says, else 100.
fn terminal_width() -> usize {
    let set = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    set.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))).unwrap_or(100)
}
