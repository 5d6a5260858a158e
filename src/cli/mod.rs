//! The command line: global options, one file per verb, and the way an error leaves the program.

mod chat;
mod check;
mod compare;
mod completions;
mod deliveries;
mod demo;
mod diff;
mod discard;
mod history;
mod hold;
mod hook;
mod init;
mod new;
mod options;
mod place;
mod promote;
mod protect;
mod publish;
mod reconcile;
mod release;
mod remote;
mod report;
mod retire;
mod revoke;
mod rollback;
mod schema;
mod serve;
mod session;
mod status;
mod test;
mod token;
mod verbs;
mod verify;
mod versions;
mod views;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::ops::Problem;
use crate::present::escape::escape;
use crate::telemetry;
pub use session::Session;
use verbs::Verb;

/// GitOps for AI voice and chat agents: tags are versions, branches are environments
///
/// The working tree is the draft. `publish` freezes it as an annotated tag; `promote` and `rollback` move environment
/// branches, which say what is live. Everything is plain git underneath, and `pointsman verify` checks all of it.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: options::Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Parses the process's arguments, runs the verb and returns the exit code: 0 done, 1 refused or found errors, 2
/// usage, 3 waited too long.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    // A daemon's log is set by its own file, which is read first.
    if !matches!(cli.verb, Verb::Serve(_)) {
        telemetry::start_log(&cli.global.log_filter("error"), false);
    }
    let session = Session::new(cli.global);
    match cli.verb.run(&session) {
        Ok(code) => code,
        Err(problem) => {
            session.fail(&problem);
            ExitCode::from(problem.exit_code())
        }
    }
}

/// Help and version go out as they are; what is wrong with the arguments quotes them, so it is escaped.
fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    for line in error.render().to_string().lines() {
        eprintln!("{}", escape(line));
    }
    ExitCode::from(2)
}

/// What a verb returns.
pub(crate) type Done = Result<ExitCode, Problem>;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_sound() {
        super::Cli::command().debug_assert();
    }

    /// An option of a verb that happens to have a global one's name would silently take its place.
    #[test]
    fn no_verb_loses_a_global_option() {
        let mut command = super::Cli::command();
        let globals: Vec<_> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
        assert!(globals.len() > 5);
        command.build();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            for global in &globals {
                let found = verb.get_arguments().find(|arg| arg.get_id() == global.get_id());
                let same = found
                    .is_some_and(|arg| (arg.get_short(), arg.get_long()) == (global.get_short(), global.get_long()));
                assert!(same, "{} has another `{}`", verb.get_name(), global.get_id());
            }
        }
    }

    /// First lines read as orders: no full stop, no third person.
    #[test]
    fn every_verb_says_what_it_does_as_an_order() {
        let mut command = super::Cli::command();
        command.build();
        for verb in command.get_subcommands() {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let first = about.split(' ').next().unwrap_or_default();
            assert!(first.starts_with(|c: char| c.is_ascii_uppercase()), "{}: {about}", verb.get_name());
            assert!(!first.ends_with('s') && !first.ends_with("ing"), "{}: {about}", verb.get_name());
            assert!(!about.ends_with('.') && about.len() < 110, "{}: {about}", verb.get_name());
            for arg in verb.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty() && !help.ends_with('.'), "{} {}: {help}", verb.get_name(), arg.get_id());
            }
        }
    }
}
