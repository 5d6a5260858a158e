//! Texts that several verbs print.

use std::process::ExitCode;

use super::Session;
use crate::domain::VersionNumber;
use crate::ops::moves::Moved;
use crate::plan::Wait;
use crate::present::escape::escape;

/// `v7`, or a dash.
pub(super) fn version(version: Option<VersionNumber>) -> String {
    version.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

/// Prints what a move came to.
pub(super) fn show_moved(session: &Session, result: &Moved) -> ExitCode {
    policy(session, result.policy.as_deref());
    session.show(result, |_| moved(result))
}

/// Says loudly that something is wrong with pointsman.toml.
pub(super) fn policy(session: &Session, note: Option<&str>) {
    if let Some(note) = note {
        session.warn(note);
    }
}

/// What a move came to, in lines.
fn moved(moved: &Moved) -> String {
    let mut text = String::new();
    let place = moved.environment.as_ref().map(ToString::to_string).unwrap_or_default();
    for made in &moved.moves {
        let line = match (&moved.action, made.from == made.to) {
            (Some(_), true) => format!("{} stays at {} in {place}", made.agent, version(made.to)),
            (Some(_), false) => {
                format!("{}: {} -> {} in {place}", made.agent, version(made.from), version(made.to))
            }
            (None, _) => format!("{} is at {} in {place}", made.agent, version(made.to)),
        };
        let dry = if moved.dry_run { "would: " } else { "" };
        text.push_str(&format!("{dry}{line}\n"));
    }
    if let Some(deployment) = moved.deployment {
        text.push_str(&format!("deployment {deployment}\n"));
    }
    if let Some(note) = &moved.note {
        text.push_str(&format!("{}\n", escape(note)));
    }
    text.push_str(&waits(&moved.waits));
    text
}

/// Reasons of what waits, in lines.
pub(super) fn waits(waits: &[Wait]) -> String {
    waits.iter().map(|wait| format!("waits: {}\n", escape(&wait.reason))).collect()
}

/// A word as a shell takes it: quoted where it must be.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", escape(word).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(shell_word(":/agents/support"), ":/agents/support");
        assert_eq!(shell_word("it's $(here)"), "'it'\\''s $(here)'");
        assert_eq!(shell_word(""), "''");
    }
}
