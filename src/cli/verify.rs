//! `pointsman verify`

use std::process::ExitCode;

use super::{Done, Session};
use crate::ops::verify::{Verified, verify};
use crate::present::escape::escape;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: &Args, session: &Session) -> Done {
    let workspace = session.workspace()?;
    let verified = session.during("verifying", || verify(&workspace))?;
    let shown = session.show(&verified, |_| text(&verified));
    Ok(if verified.ok { shown } else { ExitCode::FAILURE })
}

fn text(verified: &Verified) -> String {
    let mut text = String::new();
    for violation in &verified.violations {
        text.push_str(&format!("wrong: {}: {}\n", escape(&violation.object), escape(&violation.message)));
        text.push_str(&format!(" hint: {}\n", escape(&violation.hint)));
    }
    for pending in &verified.pending {
        text.push_str(&format!("pending: {}\n", escape(pending)));
    }
    if !verified.pending.is_empty() {
        text.push_str(" hint: run pointsman reconcile --once\n");
    }
    if let Some(policy) = &verified.policy {
        text.push_str(&format!("policy: {}\n", escape(policy)));
    }
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let checked = verified.checked;
    text.push_str(&format!(
        "checked {} of {}, {}, {}",
        count(checked.versions, "version"),
        count(checked.agents, "agent"),
        count(checked.environments, "environment"),
        count(checked.commits, "commit"),
    ));
    text.push_str(&match (verified.violations.len(), verified.pending.len()) {
        (0, 0) => ": everything is as it must be\n".to_owned(),
        (0, pending) => format!(": {pending} pending\n"),
        (wrong, 0) => format!(": {wrong} wrong\n"),
        (wrong, pending) => format!(": {wrong} wrong, {pending} pending\n"),
    });
    text
}
