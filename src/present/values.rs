//! A field's values in few words.

use serde_json::Value;

use super::escape::{cut, escape};
use super::terminal::counted;
use crate::compare::{FieldChange, Part, words};

/// A text longer than this is not shown in a table.
const LONGEST_TEXT: usize = 80;

/// Characters shown of the words that came or went.
const LONGEST_WORDS: usize = 60;

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

/// What a change of a long text comes to, by words: `1 word removed: price; 2 added: service fee`. Each text of words
/// is shown as `quoted` makes it.
pub(super) fn words_changed(change: &FieldChange, quoted: impl Fn(&str) -> String) -> Option<String> {
    let (Some(Value::String(before)), Some(Value::String(after))) = (&change.before, &change.after) else {
        return None;
    };
    if !(is_long(before) || is_long(after)) || before.len() + after.len() > COUNTED_UP_TO {
        return None;
    }
    let segments = words(before, after);
    let mut told: Vec<String> = Vec::new();
    for (kind, verb) in [(Part::Delete, "removed"), (Part::Insert, "added")] {
        let texts = segments.iter().filter(|part| part.kind == kind).map(|part| part.text.trim());
        let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        let count: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
        if count > 0 {
            let count = if told.is_empty() { counted(count, "word") } else { count.to_string() };
            told.push(format!("{count} {verb}: {}", quoted(&cut(&texts.join(" … "), LONGEST_WORDS))));
        }
    }
    Some(if told.is_empty() { "only blanks differ".to_owned() } else { told.join("; ") })
}

fn is_long(text: &str) -> bool {
    text.len() > LONGEST_TEXT || text.contains('\n')
}
