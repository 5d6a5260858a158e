//! Options that every verb takes.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::domain::Identity;
use crate::ops::moves::Manner;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Global options.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every verb")]
pub struct Global {
    /// Run as if started in <DIR>
    #[arg(short = 'C', value_name = "DIR", default_value = ".", global = true, hide_default_value = true)]
    pub dir: PathBuf,
    /// Print JSON: the same data as the API
    #[arg(long, global = true)]
    pub json: bool,
    /// Leave the remote alone: decide on this repository's own refs
    #[arg(long, global = true)]
    pub local: bool,
    /// Let the controller at <URL> do it, in place of working here [env: POINTSMAN_SERVER]
    ///
    /// Its token is in the variable POINTSMAN_TOKEN; for a controller of this machine, the one that it keeps for its own
    /// administrator is found.
    #[arg(long, value_name = "URL", global = true)]
    pub server: Option<String>,
    /// Act as this person, written 'Name <address>'
    #[arg(long, value_name = "IDENTITY", global = true)]
    pub author: Option<Identity>,
    /// Print results and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, hide_default_value = true)]
    pub color: Colour,
    /// Log what is done to standard error; twice for more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

impl Global {
    /// What is logged: `--verbose`, else the variable POINTSMAN_LOG, else `default`.
    pub fn log_filter(&self, default: &str) -> String {
        match self.verbose {
            0 => std::env::var("POINTSMAN_LOG").unwrap_or_else(|_| default.to_owned()),
            1 => "pointsman=info".to_owned(),
            _ => "pointsman=debug".to_owned(),
        }
    }
}

/// How a move is asked for; the same for every verb that moves something.
#[derive(Clone, Debug, clap::Args)]
pub struct Asked {
    /// Why, in your words
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Answer the same again when called with this key again
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

impl Asked {
    /// As operations take it.
    pub fn manner(&self) -> Manner {
        Manner { reason: self.reason.clone(), dry_run: self.dry_run, idempotency_key: self.idempotency_key.clone() }
    }
}
