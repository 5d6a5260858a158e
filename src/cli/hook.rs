//! `pointsman hook`

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Done, Session};
use crate::ops::Problem;
use crate::ops::hook::{Refused, pre_receive, read_updates};

/// How many refused refs are told; the rest is counted.
const TOLD: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    hook: Hook,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Hook {
    /// Refuse what the next pass would refuse or put back
    ///
    /// Refuses version tags that move, vanish or cannot become a version, and changes of env/* and pointsman/ledger that
    /// do not prove themselves, whoever pushes. Everything else passes. Silent and 0 if the push may land.
    ///
    /// Install it in the bare repository on the server, as an executable file hooks/pre-receive with two lines:
    /// `#!/bin/sh` and `exec pointsman hook pre-receive`.
    PreReceive,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    match args.hook {
        Hook::PreReceive => judge(session),
    }
}

fn judge(session: &Session) -> Done {
    if std::io::stdin().is_terminal() {
        return Err(Problem::usage("not_a_hook", "git calls this with the refs of a push on standard input").hint(
            "printf '#!/bin/sh\\nexec pointsman hook pre-receive\\n' > hooks/pre-receive; chmod +x hooks/pre-receive",
        ));
    }
    let updates = read_updates(std::io::stdin().lock());
    let judged = updates.and_then(|updates| pre_receive(&session.global.dir, &updates, jiff::Timestamp::now()));
    let refused = judged.map_err(|mut problem| {
        problem.message = format!("this push cannot be judged, so it is refused: {}", problem.message);
        problem
    })?;
    if refused.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    tell(&refused, session);
    Ok(ExitCode::FAILURE)
}

fn tell(refused: &[Refused], session: &Session) {
    if session.global.json {
        let message = format!("{} of the push may not move", if refused.len() == 1 { "one ref" } else { "some refs" });
        session.fail(&Problem::refused("push_refused", message).details(serde_json::json!({ "refs": refused })));
        return;
    }
    for Refused { name, reason, hint } in refused.iter().take(TOLD) {
        session.fail(&Problem::refused("push_refused", format!("`{name}`: {reason}")).hint(hint));
    }
    if refused.len() > TOLD {
        session.fail(&Problem::refused("push_refused", format!("{} more refs are refused", refused.len() - TOLD)));
    }
}
