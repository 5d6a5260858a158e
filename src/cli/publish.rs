//! `pointsman publish`

use super::{Done, Session, views};
use crate::compile::Severity;
use crate::ops::publish::{PublishCall, Published};
use crate::present::escape::escape;
use crate::present::findings;
use crate::present::terminal::Style;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// A note, in your words
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// A short name for the version
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// A longer description, on one line
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Publish the tip of a branch, or of a pull request (pr/<n>), in place of the working tree
    #[arg(long, value_name = "BRANCH")]
    draft: Option<String>,
    /// Publish although the newest version is not in this history
    #[arg(long)]
    over: bool,
    /// Answer the same again when called with this key again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let place = session.place()?;
    let agent = place.agent(args.agent.as_deref())?;
    let call = PublishCall {
        note: args.note.clone(),
        label: args.label.clone(),
        description: args.description.clone(),
        draft: args.draft.clone(),
        over: args.over,
        idempotency_key: args.idempotency_key.clone(),
    };
    let published = session.during(&format!("publishing {agent}"), || place.publish(&agent, &call))?;
    let told: Vec<_> =
        published.findings.iter().filter(|finding| finding.severity != Severity::Note).cloned().collect();
    if !told.is_empty() && !session.global.json {
        session.tell(findings::findings(&told, &session.style).trim_end());
    }
    views::policy(session, published.policy.as_deref());
    Ok(session.show(&published, |style| text(&published, style)))
}

fn text(published: &Published, _: &Style) -> String {
    let version = &published.version;
    let head = if published.created { "published" } else { "unchanged: it is" };
    let mut text = format!("{head} {} ({})\n", version.tag, version.digest);
    if published.created && !version.note.is_empty() {
        text.push_str(&format!("  {}\n", escape(version.note.lines().next().unwrap_or_default())));
    }
    for environment in &published.deployed {
        text.push_str(&format!("  live in {environment}\n"));
    }
    text.push_str(&views::waits(&published.waits));
    text
}
