//! `pointsman discard`

use super::{Done, Session, views};
use crate::ops::discard::Discarded;
use crate::present::terminal::Style;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let discarded = session.during("discarding", || place.discard(&agent))?;
    Ok(session.show(&discarded, |style| text(&discarded, style)))
}

fn text(discarded: &Discarded, _: &Style) -> String {
    let tag = &discarded.version.tag;
    let Some(kept) = &discarded.kept else { return format!("the draft is {tag} already\n") };
    let paths: Vec<_> = discarded.paths.iter().map(|path| views::shell_word(path)).collect();
    if paths.is_empty() {
        return format!("the draft is {tag} again: its files had been deleted\n");
    }
    format!(
        "the draft is {tag} again\nwhat was there is kept for {} days; to get it back:\n  git restore --source={kept} -- {}\n",
        discarded.kept_days,
        paths.join(" ")
    )
}
