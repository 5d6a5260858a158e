//! Two parsed configs, field by field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::lists;
use super::path::{Path, Step};

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is no longer there.
    Removed,
    /// It has another value.
    Changed,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct FieldChange {
    /// Where: `workflow_tools[lookup_booking].request.url`. A path that ends in `[order]` speaks of the order of a
    /// list, one that ends in `[formatting]` of JSON inside a text that reads the same.
    pub field: String,
    /// The value before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub before: Option<Value>,
    /// The value after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub after: Option<Value>,
    /// What became of it.
    pub kind: ChangeKind,
}

/// A value that is there, although it may be null.
fn there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Some)
}

/// The changes of a config, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldChanges {
    /// The first [`MOST_CHANGES`].
    pub changes: Vec<FieldChange>,
    /// How many were not listed.
    pub more: usize,
}

impl FieldChanges {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.more == 0
    }
}

/// Past this many changes they are only counted.
pub const MOST_CHANGES: usize = 1_000;

/// Below this depth values are compared as a whole. Parsers refuse deeper documents long before.
pub(super) const DEEPEST: usize = 100;

/// How many times JSON inside a text inside JSON is opened.
const NESTED_TEXTS: usize = 3;

/// Compares two configs.
pub fn fields(before: &Value, after: &Value) -> FieldChanges {
    let mut walk = Walk::default();
    match (before, after) {
        (Value::Object(before), Value::Object(after)) if is_frozen(before) && is_frozen(after) => {
            for key in keys(before, after) {
                let path = Path::ROOT.then(Step::Key(key));
                match key.as_str() {
                    "files" | "included" => walk.files(&path, before.get(key), after.get(key)),
                    _ => walk.field(&path, before.get(key), after.get(key), At::default()),
                }
            }
        }
        _ => walk.field(&Path::ROOT, Some(before), Some(after), At::default()),
    }
    walk.found
}

fn is_frozen(config: &Map<String, Value>) -> bool {
    config.contains_key("format") && config.contains_key("kind")
}

/// How deep the walk is.
#[derive(Clone, Copy, Default)]
pub(super) struct At {
    depth: usize,
    /// Lists aligned by content around this place; each costs a pass over everything below it.
    pub(super) aligned: usize,
    texts: usize,
}

impl At {
    pub(super) fn deeper(self) -> Self {
        At { depth: self.depth + 1, ..self }
    }

    pub(super) fn inside_aligned(self) -> Self {
        At { aligned: self.aligned + 1, ..self }
    }
}

/// A walk over two values at once.
#[derive(Default)]
pub(super) struct Walk {
    found: FieldChanges,
}

impl Walk {
    /// Compares what stands at `path` on both sides.
    pub(super) fn field(&mut self, path: &Path<'_>, before: Option<&Value>, after: Option<&Value>, at: At) {
        match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) if at.depth < DEEPEST => {
                for key in keys(before, after) {
                    self.field(&path.then(Step::Key(key)), before.get(key), after.get(key), at.deeper());
                }
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) if at.depth < DEEPEST => {
                lists::compare(self, path, before, after, at);
            }
            (None, Some(Value::Array(after))) if lists::has_names(after) => {
                lists::compare(self, path, &[], after, at);
            }
            (Some(Value::Array(before)), None) if lists::has_names(before) => {
                lists::compare(self, path, before, &[], at);
            }
            (Some(Value::String(before)), Some(Value::String(after))) => self.text(path, before, after, at),
            (Some(Value::Number(one)), Some(Value::Number(other))) if same_number(one, other) => {}
            (before, after) if before == after => {}
            (before, after) => self.report(path, before, after),
        }
    }

    /// Adds a change.
    pub(super) fn report(&mut self, path: &Path<'_>, before: Option<&Value>, after: Option<&Value>) {
        if self.found.changes.len() == MOST_CHANGES {
            self.found.more += 1;
            return;
        }
        let kind = match (before, after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        let (before, after) = (before.cloned(), after.cloned());
        self.found.changes.push(FieldChange { field: path.show(), before, after, kind });
    }

    /// Texts; where both hold JSON, what they hold.
    fn text(&mut self, path: &Path<'_>, before: &str, after: &str, at: At) {
        if before == after {
            return;
        }
        let whole = |text: &str| Value::String(text.to_owned());
        let inner = if at.texts < NESTED_TEXTS { nested(before).zip(nested(after)) } else { None };
        let Some((old, new)) = inner else {
            return self.report(path, Some(&whole(before)), Some(&whole(after)));
        };
        let (listed, more) = (self.found.changes.len(), self.found.more);
        let inside = At { texts: at.texts + 1, ..at.deeper() };
        self.field(&path.then(Step::Inside), Some(&old), Some(&new), inside);
        if (listed, more) == (self.found.changes.len(), self.found.more) {
            self.report(&path.then(Step::Aspect("formatting")), Some(&whole(before)), Some(&whole(after)));
        }
    }

    /// The files of a config that is frozen as it is. Their wrapping (`value`, `text`) is not part of the path.
    fn files(&mut self, path: &Path<'_>, before: Option<&Value>, after: Option<&Value>) {
        let empty = Map::new();
        let (Some(old), Some(new)) =
            (before.map_or(Some(&empty), Value::as_object), after.map_or(Some(&empty), Value::as_object))
        else {
            return self.field(path, before, after, At::default());
        };
        if old.is_empty() && new.is_empty() && before != after {
            return self.report(path, before, after);
        }
        for key in keys(old, new) {
            let path = path.then(Step::File(key));
            match (old.get(key), new.get(key)) {
                (Some(Value::Object(old)), Some(Value::Object(new))) => self.file(&path, old, new),
                (old, None) => self.field(&path, old.map(unwrapped), None, At::default()),
                (None, new) => self.field(&path, None, new.map(unwrapped), At::default()),
                (old, new) => self.field(&path, old, new, At::default()),
            }
        }
    }

    fn file(&mut self, path: &Path<'_>, before: &Map<String, Value>, after: &Map<String, Value>) {
        let opaque = |file: &Map<String, Value>| file.get("format").is_some_and(|format| format == "bytes");
        if opaque(before) || opaque(after) {
            let whole = |file: &Map<String, Value>| Value::Object(file.clone());
            if before != after {
                self.report(path, Some(&whole(before)), Some(&whole(after)));
            }
            return;
        }
        for key in keys(before, after) {
            let (old, new) = (before.get(key), after.get(key));
            match key.as_str() {
                "value" | "text" | "target" => self.field(path, old, new, At::default()),
                "format" => self.field(&path.then(Step::Aspect("format")), old, new, At::default()),
                key => self.field(&path.then(Step::Key(key)), old, new, At::default()),
            }
        }
    }
}

/// The content of a file entry, where it is all there is to it.
fn unwrapped(file: &Value) -> &Value {
    let content = |key| file.get(key).filter(|_| file.as_object().is_some_and(|entry| entry.len() == 2));
    content("value").or_else(|| content("text")).unwrap_or(file)
}

fn keys<'a>(before: &'a Map<String, Value>, after: &'a Map<String, Value>) -> BTreeSet<&'a String> {
    before.keys().chain(after.keys()).collect()
}

/// `1` and `1.0` are one number in canonical JSON.
fn same_number(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    one == other || ((one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64())
}

/// The JSON that a text holds, if it holds an object or a list.
pub(super) fn nested(text: &str) -> Option<Value> {
    let holds = text.trim_start().starts_with(['{', '[']) && text.trim_end().ends_with(['}', ']']);
    holds.then(|| serde_json::from_str(text).ok()).flatten()
}
