//! `pointsman promote`

use jiff::{SignedDuration, Timestamp};

use super::options::Asked;
use super::{Done, Session, views};
use crate::domain::{EnvironmentName, VersionNumber};
use crate::ops::Kind;

/// How often `--wait` looks at least; what it waits for may come earlier, by a change of the policy.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// Where to
    #[arg(long, value_name = "ENVIRONMENT")]
    to: EnvironmentName,
    /// Which version, as 7 or v7
    #[arg(long, value_name = "N")]
    version: Option<VersionNumber>,
    /// Say that you mean it, where the environment asks
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    asked: Asked,
    /// Wait until soak and freeze are over, for at most an hour or as long as said (`--wait=30m`)
    ///
    /// Where something else is missing, or the time comes later than that, it is not waited for.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1h")]
    wait: Option<SignedDuration>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let mut place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let deadline = args.wait.and_then(|wait| Timestamp::now().checked_add(wait).ok());
    let mut version = args.version;
    let moved = loop {
        let now = Timestamp::now();
        let manner = args.asked.manner();
        let tried = session.during("promoting", || place.promote(&agent, &args.to, version, args.confirm, &manner));
        let mut problem = match tried {
            Ok(moved) => break moved,
            Err(problem) => problem,
        };
        let (Some(deadline), Some(opening)) = (deadline, opening(&problem.details)) else { return Err(problem) };
        if opening.at > deadline {
            problem.kind = Kind::Waited;
            return Err(problem.hint(format!("the time comes at {:.0}: --wait=<time> waits longer", opening.at)));
        }
        session.tell(&format!("waiting: {}", problem.message));
        // What is waited for is the version that was meant at the beginning, whatever is published meanwhile.
        version = Some(opening.version);
        let pause = opening.at.duration_since(now).clamp(SignedDuration::from_millis(10), LOOK_EVERY);
        std::thread::sleep(pause.unsigned_abs());
        // The moment belongs to the workspace: a new look is a new one.
        place = session.place()?;
    };
    Ok(views::show_moved(session, &moved))
}

/// When a refused version may enter.
struct Opening {
    version: VersionNumber,
    at: Timestamp,
}

/// When every gate that is not met will have opened by itself; nothing if one of them needs somebody to do something.
fn opening(details: &serde_json::Value) -> Option<Opening> {
    let unmet = details.get("unmet")?.as_array()?;
    let until = |gate: &serde_json::Value| gate.get("until")?.as_str()?.parse::<Timestamp>().ok();
    let at = unmet.iter().map(until).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let version = unmet.first()?.get("version")?.as_u64()?;
    Some(Opening { version: VersionNumber::new(u32::try_from(version).ok()?)?, at })
}
