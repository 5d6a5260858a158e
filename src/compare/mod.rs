//! What differs between two versions of an agent, a version and the draft, or two environments.
//!
//! Three answers, from the strictest to the most telling: whether the bytes differ (a version is its bytes), whether
//! the parsed meaning differs (formatters rewrite files for nothing), and which fields and lines do. All of it is
//! pure: the same two sides give the same answer anywhere.

pub mod align;
mod cover;
pub mod environments;
pub mod fields;
pub mod files;
pub mod lines;
mod lists;
pub(crate) mod path;
pub mod readable;
pub mod unified;
pub mod words;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compile::SourceFile;

pub use environments::{AgentDifference, AgentDifferenceKind, environments};
pub use fields::{ChangeKind, FieldChange};
pub use files::{Blob, ContentChange, FileChange, FileChangeKind, Form, Section};
pub use lines::{Hunk, Line};
pub use unified::unified;
pub use words::{Part, Segment, words};

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called: `draft`, `v3`, `env:live`.
    pub label: String,
    /// The frozen config; absent where the files do not compile.
    pub config: Option<Value>,
    /// The files of the folder and, under their path in the repository, the included ones.
    pub files: BTreeMap<String, SourceFile>,
}

/// What differs between two sides.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What the side before is called.
    pub before: String,
    /// What the side after is called.
    pub after: String,
    /// Whether the bytes are the same.
    pub identical: bool,
    /// Whether the bytes differ but parse to the same config. Only a label: a version is its bytes.
    pub same_meaning: bool,
    /// Whether both sides have a config; without one, `changes` says nothing.
    pub fields_compared: bool,
    /// The fields that differ.
    pub changes: Vec<FieldChange>,
    /// How many changed fields are not listed.
    pub more_changes: usize,
    /// The files that differ.
    pub files: Vec<FileChange>,
}

/// Compares two sides. Secrets in their files are covered, so that none leaves through a comparison.
pub fn compare(before: &Side, after: &Side) -> Comparison {
    let (before, after) = &cover::covered(before, after);
    let configs = before.config.as_ref().zip(after.config.as_ref());
    let found = configs.map(|(old, new)| fields::fields(old, new)).unwrap_or_default();
    let files = files::files(before, after);
    // Configs can differ over equal files when one was frozen by another compiler; that is no identity either.
    let identical = files.is_empty() && found.is_empty() && before.config.is_some() == after.config.is_some();
    let mut comparison = Comparison {
        before: before.label.clone(),
        after: after.label.clone(),
        identical,
        same_meaning: !identical && configs.is_some() && found.is_empty(),
        fields_compared: configs.is_some(),
        changes: found.changes,
        more_changes: found.more,
        files,
    };
    cover::cover_made_forms(&mut comparison);
    comparison
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::compile::{Content, FileMode};
    use serde_json::json;

    pub(crate) fn file(text: &str) -> SourceFile {
        SourceFile { mode: FileMode::Regular, content: Content::Bytes(text.as_bytes().to_vec()) }
    }

    pub(crate) fn executable(text: &str) -> SourceFile {
        SourceFile { mode: FileMode::Executable, ..file(text) }
    }

    pub(crate) fn side(files: &[(&str, &str)]) -> Side {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect();
        Side { label: "v1".into(), config: None, files }
    }

    /// A side whose JSON files are frozen as the compiler would.
    pub(crate) fn frozen(label: &str, files: &[(&str, &str)]) -> Side {
        let entry = |text: &str| match serde_json::from_str::<Value>(text) {
            Ok(value) => json!({"format": "json", "value": value}),
            Err(_) => json!({"format": "text", "text": text}),
        };
        let entries: serde_json::Map<_, _> =
            files.iter().map(|(path, text)| ((*path).to_owned(), entry(text))).collect();
        let config = json!({"format": 1, "kind": "plain", "files": entries});
        Side { label: label.into(), config: Some(config), ..side(files) }
    }

    #[test]
    fn a_formatter_changes_bytes_and_no_meaning() {
        let before = frozen("v1", &[("a.json", "{\"x\": [1, 2], \"name\": \"Caf\\u00e9\"}")]);
        let after = frozen("v2", &[("a.json", "{\n  \"name\": \"Café\",\n  \"x\": [\n    1,\n    2\n  ]\n}\n")]);
        let found = compare(&before, &after);
        assert!(!found.identical && found.same_meaning && found.changes.is_empty());
        assert_eq!(found.files.len(), 1, "bytes that differ are never hidden");
    }

    #[test]
    fn a_side_that_does_not_compile_has_no_meaning_to_compare() {
        let found = compare(&side(&[("a", "x")]), &side(&[("a", "y")]));
        assert!(!found.same_meaning && !found.fields_compared);
        assert!(compare(&side(&[("a", "x")]), &side(&[("a", "x")])).identical);
    }

    #[test]
    fn a_long_escaped_prompt_is_compared_in_its_readable_form() {
        let prompt = |word: &str| {
            let lines: Vec<String> = (0..300).map(|line| format!("Rule {line}: {word}.")).collect();
            json!({"agent": {"prompt": lines.join("\n").replacen("word.", "other.", 1)}}).to_string()
        };
        let before = frozen("v1", &[("a.json", &prompt("word").replace("Rule 7: word", "Rule 7: term"))]);
        let after = frozen("v2", &[("a.json", &prompt("word"))]);
        let found = compare(&before, &after);
        let Some(ContentChange::Text { sections }) = &found.files[0].content else { panic!("text") };
        assert_eq!(sections[0].form, Form::Readable);
        let changed: Vec<&str> = sections[0].hunks[0]
            .lines
            .iter()
            .filter(|line| line.kind != Part::Equal)
            .map(|line| line.text.trim())
            .collect();
        assert_eq!(changed, ["Rule 7: term.", "Rule 7: word."]);
    }

    #[test]
    fn markdown_halves_are_compared_apart() {
        let before = side(&[("a.md", "---\ntitle: A\n---\nBody\n")]);
        let after = side(&[("a.md", "---\ntitle: A\n---\nBody 2\n")]);
        let found = compare(&before, &after);
        let Some(ContentChange::Text { sections }) = &found.files[0].content else { panic!("text") };
        assert_eq!((sections.len(), sections[0].form, sections[0].hunks[0].before_start), (1, Form::Body, 4));
    }

    #[test]
    fn modes_and_renames_are_told() {
        let before = side(&[("a.sh", "x"), ("old.md", "long enough")]);
        let mut after = side(&[("new.md", "long enough")]);
        after.files.insert("a.sh".into(), executable("x"));
        let found = compare(&before, &after);
        let kinds: Vec<_> = found.files.iter().map(|file| (file.path.as_str(), file.kind)).collect();
        assert_eq!(kinds, [("a.sh", FileChangeKind::Mode), ("new.md", FileChangeKind::Renamed)]);
        assert_eq!(found.files[1].before_path.as_deref(), Some("old.md"));
    }

    #[test]
    fn ten_megabytes_on_one_line_end_quickly() {
        let text = |seed: usize| {
            let items: Vec<String> = (0..400_000).map(|at| format!("\"item {}\"", at * seed % 99_991)).collect();
            format!("[{}]", items.join(","))
        };
        let found = compare(&frozen("v1", &[("a.json", &text(7))]), &frozen("v2", &[("a.json", &text(11))]));
        assert_eq!(found.changes.len(), fields::MOST_CHANGES.min(found.changes.len()));
        assert!(!found.identical);
    }
}
