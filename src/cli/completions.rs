//! `pointsman completions`

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, Done, Session};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pointsman", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(session.show(&json!({ "shell": args.shell.to_string(), "script": script }), |_| script.clone()))
}
