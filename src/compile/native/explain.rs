//! What a JSON Schema validator found, in the words of somebody who has the file open.

use std::ops::Range;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::types::JsonType;

use super::shape::Shape;
use crate::compile::document::{Node, Value};
use crate::compile::{Finding, Severity};
use crate::domain::nearest::nearest;

/// How many findings one file may bring: finding the line of each costs a walk through the file.
pub const MOST: usize = 50;

/// Checks `node`, the content of the file `path` with the text `text`, against `shape`.
pub fn check(shape: &Shape, path: &str, text: &str, node: &Node, findings: &mut Vec<Finding>) -> bool {
    let instance = node.to_json();
    let mut explainer = Explainer { shape, path, text, root: node, found: Vec::new() };
    for error in shape.validator.iter_errors(&instance) {
        explainer.explain(&error, 0);
        if explainer.is_full() {
            break;
        }
    }
    let clean = explainer.found.is_empty();
    findings.append(&mut explainer.found);
    clean
}

struct Explainer<'a> {
    shape: &'a Shape,
    path: &'a str,
    text: &'a str,
    root: &'a Node,
    found: Vec<Finding>,
}

/// Where an error is: the value, the key that holds it, and how to call it.
struct Spot<'a> {
    node: &'a Node,
    name: String,
}

impl Explainer<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= MOST
    }

    fn tell(&mut self, code: &'static str, span: Range<usize>, message: String, hint: Option<String>) {
        let mut finding = Finding::new(Severity::Error, code, self.path, message).at(self.text, span);
        finding.hint = hint;
        self.found.push(finding);
    }

    fn explain(&mut self, error: &ValidationError<'_>, depth: usize) {
        let Spot { node, name } = spot(self.root, error);
        let span = node.span.clone();
        let about = || self.description(error);
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                self.unknown_keys(node, &name, error, unexpected);
            }
            ValidationErrorKind::Required { property } => {
                let missing = property.as_str().unwrap_or_default();
                let message = format!("{name} lacks `{missing}`");
                self.tell("missing-key", span, message, Some(format!("add `{missing}`")));
            }
            ValidationErrorKind::Type { kind } => {
                let wanted = match kind {
                    TypeKind::Single(kind) => vec![*kind],
                    TypeKind::Multiple(kinds) => kinds.iter().filter(|kind| *kind != JsonType::Null).collect(),
                };
                let words: Vec<_> = wanted.iter().map(|kind| type_word(*kind)).collect();
                let message = format!("{name} must be {}, and this is {}", words.join(" or "), value_word(&node.value));
                let scalar = matches!(node.value, Value::Number(_) | Value::Bool(_));
                let hint = if wanted.contains(&JsonType::String) && scalar {
                    Some("put quotes around it".to_owned())
                } else {
                    about()
                };
                self.tell("wrong-type", span, message, hint);
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<_> = options.as_array().into_iter().flatten().filter_map(|one| one.as_str()).collect();
                self.not_a_choice(node, &name, &options);
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                self.none_fits(node, &name, error.instance_path().as_str(), context, depth);
            }
            ValidationErrorKind::Pattern { .. } => {
                let message = format!("{} is not a valid value for {name}", shown(node));
                self.tell("wrong-value", span, message, about());
            }
            ValidationErrorKind::MinLength { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MinProperties { .. } => {
                self.tell("empty", span, format!("{name} is empty"), about());
            }
            ValidationErrorKind::MaxLength { limit } => {
                self.tell("wrong-value", span, format!("{name} is longer than {limit} characters"), about());
            }
            ValidationErrorKind::Minimum { limit } => {
                let message = format!("{name} is {}, and {} is the least allowed", shown(node), whole(limit));
                self.tell("wrong-value", span, message, about());
            }
            ValidationErrorKind::Maximum { limit } => {
                let message = format!("{name} is {}, and {} is the most allowed", shown(node), whole(limit));
                self.tell("wrong-value", span, message, about());
            }
            _ => {
                let message = format!("{name} does not fit the format: {}", error.masked_with("the value"));
                self.tell("wrong-value", span, message, about());
            }
        }
    }

    fn unknown_keys(&mut self, node: &Node, name: &str, error: &ValidationError<'_>, unexpected: &[String]) {
        let pointer = parent(error.schema_path().as_str());
        let known: Vec<&str> = self
            .shape
            .schema
            .pointer(&format!("{pointer}/properties"))
            .and_then(serde_json::Value::as_object)
            .map(|properties| properties.keys().map(String::as_str).filter(|key| *key != "$schema").collect())
            .unwrap_or_default();
        for key in unexpected {
            if self.is_full() {
                return;
            }
            let span = node.entry(key).map_or(node.span.clone(), |entry| entry.key_span.clone());
            let hint = match nearest(key, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("known keys: {}", quoted(&known)),
            };
            let message = format!("{name} has no key `{}`", cut(key));
            self.tell("unknown-key", span, message, Some(hint));
        }
    }

    /// No branch of a choice between schemas fits. Ours are two: one of several words, or something that may be left
    /// out. The errors of a single real branch say more than "none fits".
    fn none_fits(
        &mut self,
        node: &Node,
        name: &str,
        at: &str,
        branches: &[Vec<ValidationError<'static>>],
        depth: usize,
    ) {
        let real: Vec<_> = branches.iter().filter(|branch| !is_null_branch(branch)).collect();
        let mut words = Vec::new();
        branches.iter().flatten().for_each(|error| constants(error, at, &mut words, 0));
        match real.as_slice() {
            [branch] if words.is_empty() && depth < 8 => branch.iter().for_each(|error| self.explain(error, depth + 1)),
            _ if words.is_empty() => {
                let message = format!("{name} has none of the forms it may have");
                self.tell("wrong-value", node.span.clone(), message, None);
            }
            _ => {
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                self.not_a_choice(node, name, &words);
            }
        }
    }

    fn not_a_choice(&mut self, node: &Node, name: &str, words: &[&str]) {
        let meant = |typed: &str| {
            let same = words.iter().copied().find(|word| word.eq_ignore_ascii_case(typed));
            same.or_else(|| nearest(typed, words.iter().copied()))
        };
        let hint = match node.as_str().and_then(meant) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("choose one of {}", quoted(words)),
        };
        let message = format!("{} is not a valid value for {name}", shown(node));
        self.tell("wrong-value", node.span.clone(), message, Some(hint));
    }

    /// What the schema says about the field in question.
    fn description(&self, error: &ValidationError<'_>) -> Option<String> {
        let pointer = parent(error.schema_path().as_str());
        let field = self.shape.schema.pointer(pointer)?;
        let described = field.get("description").or_else(|| {
            // The rules for the items of a list stand below the description of the list.
            self.shape.schema.pointer(pointer.strip_suffix("/items")?)?.get("description")
        });
        let text = described?.as_str()?.replace('\n', " ");
        Some(text.trim_end_matches('.').to_owned())
    }
}

/// The value that `error` is about. Its path came from the same tree, so it leads somewhere; if not, the root it is.
fn spot<'a>(root: &'a Node, error: &ValidationError<'_>) -> Spot<'a> {
    let (mut node, mut key, mut item) = (root, None, None);
    for segment in error.instance_path().segments() {
        let below = match &segment {
            LocationSegment::Property(name) => {
                (key, item) = (Some(name.to_string()), None);
                node.get(name)
            }
            LocationSegment::Index(index) => {
                item = Some(*index + 1);
                node.items().get(*index)
            }
        };
        match below {
            Some(below) => node = below,
            None => break,
        }
    }
    let name = match (key, item) {
        (Some(key), None) => format!("`{}`", cut(&key)),
        (Some(key), Some(item)) => format!("item {item} of `{}`", cut(&key)),
        (None, _) => "this file".to_owned(),
    };
    Spot { node, name }
}

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn is_null_branch(branch: &[ValidationError<'_>]) -> bool {
    matches!(branch, [error] if matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) }))
}

/// Adds the constants that would have satisfied `error`, if it is about the value at the path `at` itself.
fn constants(error: &ValidationError<'_>, at: &str, words: &mut Vec<String>, depth: usize) {
    if error.instance_path().as_str() != at {
        return;
    }
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => words.extend(expected_value.as_str().map(str::to_owned)),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } if depth < 8 => {
            context.iter().flatten().for_each(|error| constants(error, at, words, depth + 1));
        }
        _ => {}
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn cut(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain(['…']).collect() }
}

/// A scalar for a message.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::String(text) => format!("`{}`", cut(text)),
        Value::Number(number) => format!("`{number}`"),
        Value::Bool(value) => format!("`{value}`"),
        other => value_word(other).to_owned(),
    }
}

/// A limit as people write it: `4` rather than `4.0`.
fn whole(limit: &serde_json::Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn type_word(kind: JsonType) -> &'static str {
    match kind {
        JsonType::String => "a text",
        JsonType::Number => "a number",
        JsonType::Integer => "a whole number",
        JsonType::Boolean => "true or false",
        JsonType::Array => "a list",
        JsonType::Object => "a table of keys",
        JsonType::Null => "nothing",
    }
}

fn value_word(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(true) => "`true`",
        Value::Bool(false) => "`false`",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table of keys",
        Value::Null => "nothing",
    }
}
