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
mod verify;
mod versions;
mod views;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ops::Problem;
use crate::present::escape::escape;
use crate::telemetry;
pub use session::Session;

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
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    New(new::Args),
    Status(status::Args),
    Check(check::Args),
    Report(report::Args),
    Diff(diff::Args),
    Publish(publish::Args),
    Versions(versions::Args),
    Promote(promote::Args),
    Rollback(rollback::Args),
    Release(release::Args),
    Hold(hold::HoldArgs),
    ReleaseHold(hold::ReleaseArgs),
    Retire(retire::Args),
    Revoke(revoke::Args),
    Discard(discard::Args),
    Chat(chat::Args),
    Test(test::Args),
    History(history::Args),
    Compare(compare::Args),
    Reconcile(reconcile::Args),
    Serve(serve::Args),
    Token(token::Args),
    Verify(verify::Args),
    Protect(protect::Args),
    Hook(hook::Args),
    Deliveries(deliveries::Args),
    Demo(demo::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// Parses the process's arguments, runs the verb and returns the exit code: 0 done, 1 refused or found errors, 2
/// usage, 3 waited too long.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    // A daemon's log is set by its own file, which is read first.
    if !matches!(cli.command, Command::Serve(_)) {
        telemetry::start_log(&cli.global.log_filter("error"), false);
    }
    let session = Session::new(cli.global);
    match dispatch(&cli.command, &session) {
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

impl Command {
    /// Whether a controller can carry it out; the others are about the files and the state of this machine.
    fn is_for_a_server(&self) -> bool {
        match self {
            Command::Status(_)
            | Command::Report(_)
            | Command::Diff(_)
            | Command::Publish(_)
            | Command::Versions(_)
            | Command::Promote(_)
            | Command::Rollback(_)
            | Command::Release(_)
            | Command::Hold(_)
            | Command::ReleaseHold(_)
            | Command::Retire(_)
            | Command::Revoke(_)
            | Command::Discard(_)
            | Command::History(_)
            | Command::Compare(_) => true,
            Command::Init(_)
            | Command::New(_)
            | Command::Check(_)
            | Command::Chat(_)
            | Command::Test(_)
            | Command::Reconcile(_)
            | Command::Serve(_)
            | Command::Token(_)
            | Command::Verify(_)
            | Command::Protect(_)
            | Command::Hook(_)
            | Command::Deliveries(_)
            | Command::Demo(_)
            | Command::Schema(_)
            | Command::Completions(_) => false,
        }
    }
}

fn dispatch(command: &Command, session: &Session) -> Done {
    if session.global.server.is_some() && !command.is_for_a_server() {
        return Err(Problem::usage(
            "not_for_a_server",
            "this verb works on what is on this machine, and no server can do it",
        )
        .hint("leave out --server; where it must run over there, run it there"));
    }
    match command {
        Command::Init(args) => init::run(args, session),
        Command::New(args) => new::run(args, session),
        Command::Status(args) => status::run(args, session),
        Command::Check(args) => check::run(args, session),
        Command::Report(args) => report::run(args, session),
        Command::Diff(args) => diff::run(args, session),
        Command::Publish(args) => publish::run(args, session),
        Command::Versions(args) => versions::run(args, session),
        Command::Promote(args) => promote::run(args, session),
        Command::Rollback(args) => rollback::run(args, session),
        Command::Release(args) => release::run(args, session),
        Command::Hold(args) => hold::hold(args, session),
        Command::ReleaseHold(args) => hold::release(args, session),
        Command::Retire(args) => retire::run(args, session),
        Command::Revoke(args) => revoke::run(args, session),
        Command::Discard(args) => discard::run(args, session),
        Command::Chat(args) => chat::run(args, session),
        Command::Test(args) => test::run(args, session),
        Command::History(args) => history::run(args, session),
        Command::Compare(args) => compare::run(args, session),
        Command::Reconcile(args) => reconcile::run(args, session),
        Command::Serve(args) => serve::run(args, session),
        Command::Token(args) => token::run(args, session),
        Command::Verify(args) => verify::run(args, session),
        Command::Protect(args) => protect::run(args, session),
        Command::Hook(args) => hook::run(args, session),
        Command::Deliveries(args) => deliveries::run(args, session),
        Command::Demo(args) => demo::run(args, session),
        Command::Schema(args) => schema::run(args, session),
        Command::Completions(args) => completions::run(args, session),
    }
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
        let command = super::Cli::command();
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
