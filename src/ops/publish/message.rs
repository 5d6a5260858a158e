//! The message of a version's tag.

use super::PublishCall;
use crate::domain::VersionNumber;
use crate::domain::record::{one_line, plain_text, trailers};
use crate::reconcile::Key;

/// How our trailers begin.
const OURS: &str = "Pointsman-";

/// The note of a version that was published without one: a tag has to say something.
pub const NO_NOTE: &str = "Published without a note";

/// The tag's message: the note, then what is known at publish as trailers.
pub(in crate::ops) fn tag_message(
    call: &PublishCall,
    parent: Option<VersionNumber>,
    source: Option<VersionNumber>,
    key: Option<&Key>,
) -> String {
    let mut message = call.note.as_deref().map(plain_text).unwrap_or_default();
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("Pointsman-{name}: {value}"));
        }
    };
    line("Label", call.label.as_deref().map(one_line));
    line("Description", call.description.as_deref().map(one_line));
    line("Draft", call.draft.as_deref().map(one_line));
    line("Parent", parent.map(|number| number.to_string()));
    line("Source", source.map(|number| number.to_string()));
    line("Key", key.map(|key| format!("{} {}", key.name, key.request)));
    if message.is_empty() {
        message.push_str(NO_NOTE);
    }
    // The last paragraph is read as ours if it looks like it, so a note that imitates one must not stand last.
    if lines.is_empty() && trailers(&message).iter().any(|(name, _)| name.starts_with(OURS)) {
        lines.push(format!("{OURS}Parent: -"));
    }
    if !lines.is_empty() {
        message.push_str("\n\n");
        message.push_str(&lines.join("\n"));
    }
    message.push('\n');
    message
}
