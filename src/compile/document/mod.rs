//! JSON, YAML, TOML and Markdown front matter as one tree in which every key and value knows its place.
//!
//! The compiler checks meaning on this tree, so that a finding can point at the line whatever the format was.

use std::ops::Range;

/// A value and the bytes of the file it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value's bytes in the file.
    pub span: Range<usize>,
    /// The value.
    pub value: Value,
}

/// A value as JSON knows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A finite number.
    Number(serde_json::Number),
    /// A text.
    String(String),
    /// Values in order.
    Array(Vec<Node>),
    /// Entries in the order of the file; keys are unique.
    Object(Vec<Entry>),
}

/// One entry of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The key's bytes in the file.
    pub key_span: Range<usize>,
    /// What it holds.
    pub node: Node,
}

impl Node {
    /// The entry `key`, where this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Object(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The text, where this is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The same value without places.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(*value),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::String(text) => serde_json::Value::String(text.clone()),
            Value::Array(nodes) => nodes.iter().map(Node::to_json).collect(),
            Value::Object(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect(),
        }
    }
}
