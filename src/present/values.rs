//! A field's values in few words.

use serde_json::Value;

use super::escape::{cut, escape};
use super::terminal::counted;
use crate::compare::{FieldChange, Part, words};

/// A text longer than this is not shown in a table.
const LONGEST_TEXT: usize = 80;

/// Texts longer than this together are not counted by words.
const COUNTED_UP_TO: usize = 100_000;

/// A value on one line; a list, an object or a long text is cut.
pub(super) fn short(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) if is_long(text) => {
            let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            format!("{} ({})", escape(&cut(first.trim(), 40)), counted(text.chars().count(), "character"))
        }
        Some(Value::String(text)) => escape(text),
        Some(Value::Object(entries)) if entries.len() > 3 => counted(entries.len(), "field"),
        Some(Value::Array(elements)) if elements.len() > 6 => counted(elements.len(), "element"),
        Some(value) => escape(&cut(&value.to_string(), LONGEST_TEXT)),
    }
}

/// What a change of a long text comes to: `3 words removed, 5 added`.
pub(super) fn word_count(change: &FieldChange) -> Option<String> {
    let (Some(Value::String(before)), Some(Value::String(after))) = (&change.before, &change.after) else {
        return None;
    };
    if !(is_long(before) || is_long(after)) || before.len() + after.len() > COUNTED_UP_TO {
        return None;
    }
    let segments = words(before, after);
    let count = |kind| {
        let of_kind = segments.iter().filter(|part| part.kind == kind);
        of_kind.map(|part| part.text.split_whitespace().count()).sum::<usize>()
    };
    Some(format!("{} removed, {} added", counted(count(Part::Delete), "word"), count(Part::Insert)))
}

fn is_long(text: &str) -> bool {
    text.len() > LONGEST_TEXT || text.contains('\n')
}
