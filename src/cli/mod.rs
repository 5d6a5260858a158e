//! The command line: global options, one file per verb, and the way an error leaves the program.

mod compare;
mod history;
mod hold;
mod options;
mod promote;
mod publish;
mod reconcile;
mod release;
mod retire;
mod revoke;
mod rollback;
mod session;
mod status;
mod versions;
mod views;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ops::Problem;
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
    Status(status::Args),
    Publish(publish::Args),
    Versions(versions::Args),
    Promote(promote::Args),
    Rollback(rollback::Args),
    Release(release::Args),
    Hold(hold::HoldArgs),
    ReleaseHold(hold::ReleaseArgs),
    Retire(retire::Args),
    Revoke(revoke::Args),
    History(history::Args),
    Compare(compare::Args),
    Reconcile(reconcile::Args),
}

/// Parses the process's arguments, runs the verb and returns the exit code: 0 done, 1 refused or found errors, 2
/// usage, 3 waited too long.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.global.start_logging();
    let session = Session::new(cli.global);
    let result = match &cli.command {
        Command::Status(args) => status::run(args, &session),
        Command::Publish(args) => publish::run(args, &session),
        Command::Versions(args) => versions::run(args, &session),
        Command::Promote(args) => promote::run(args, &session),
        Command::Rollback(args) => rollback::run(args, &session),
        Command::Release(args) => release::run(args, &session),
        Command::Hold(args) => hold::hold(args, &session),
        Command::ReleaseHold(args) => hold::release(args, &session),
        Command::Retire(args) => retire::run(args, &session),
        Command::Revoke(args) => revoke::run(args, &session),
        Command::History(args) => history::run(args, &session),
        Command::Compare(args) => compare::run(args, &session),
        Command::Reconcile(args) => reconcile::run(args, &session),
    };
    match result {
        Ok(code) => code,
        Err(problem) => {
            session.fail(&problem);
            ExitCode::from(problem.exit_code())
        }
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
}
