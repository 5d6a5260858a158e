//! JSON, YAML, TOML and Markdown front matter as one tree in which every key and value knows its place.
//!
//! The compiler checks meaning on this tree, so that a finding can point at the line whatever the format was. The
//! text is a stranger's: nesting, the number of values and what YAML aliases expand to are all bounded.

use std::ops::Range;

use super::finding::{Finding, Severity};

pub mod front_matter;
mod json;
mod number;
mod place;
mod remark;
mod toml;
mod yaml;

pub use front_matter::{Markdown, markdown};
use remark::Remarks;
pub use remark::{Remark, SyntaxError};

/// How deep values may nest in a file.
pub const DEEPEST: usize = 128;

/// How many values a file may hold. The largest real file known has a tenth of them.
pub const MOST_VALUES: usize = 500_000;

/// A format with structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// RFC 8259, nothing more: no comments, no trailing commas.
    Json,
    /// YAML 1.2 with the core schema, and merge keys from YAML 1.1.
    Yaml,
    /// TOML 1.1.
    Toml,
}

impl Format {
    /// The format that the extension of `path` promises, upper case or lower.
    pub fn of_path(path: &str) -> Option<Self> {
        match extension(path)?.to_ascii_lowercase().as_str() {
            "json" => Some(Format::Json),
            "yaml" | "yml" => Some(Format::Yaml),
            "toml" => Some(Format::Toml),
            _ => None,
        }
    }

    /// Its name in a frozen config.
    pub fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Yaml => "yaml",
            Format::Toml => "toml",
        }
    }
}

/// The extension of the last part of `path`, if it has one; `.gitignore` has none.
pub fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then_some(extension)
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The values at the top, at least one. Only YAML can have more: one per document. An empty YAML file is one null.
    pub roots: Vec<Node>,
    /// What was changed in reading, or looks like a slip.
    pub remarks: Vec<Remark>,
}

impl Document {
    /// The first value, and the only one except in YAML of several documents.
    pub fn root(&self) -> &Node {
        self.roots.first().expect("a document has at least one root")
    }
}

/// Reads `text`, all of a file. Places count from the start of `text`, a byte order mark included.
pub fn parse(format: Format, text: &str) -> Result<Document, SyntaxError> {
    let skipped = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    parse_part(format, text, skipped..text.len())
}

/// Reads the bytes `part` of `text`, which must lie on character boundaries; places count from the start of `text`.
fn parse_part(format: Format, text: &str, part: Range<usize>) -> Result<Document, SyntaxError> {
    let (start, text) = (part.start, text.get(part).unwrap_or_default());
    let mut remarks = Remarks::default();
    let parsed = match format {
        Format::Json => json::parse(text, &mut remarks).map(|root| vec![root]),
        Format::Yaml => yaml::parse(text, &mut remarks),
        Format::Toml => toml::parse(text, &mut remarks).map(|root| vec![root]),
    };
    match parsed {
        Ok(mut roots) => {
            let mut remarks = remarks.finish();
            if start > 0 {
                roots.iter_mut().for_each(|root| root.shift(start));
                remarks.iter_mut().for_each(|remark| shift(&mut remark.span, start));
            }
            Ok(Document { roots, remarks })
        }
        Err(mut error) => {
            shift(&mut error.span, start);
            Err(error)
        }
    }
}

fn shift(span: &mut Range<usize>, by: usize) {
    span.start += by;
    span.end += by;
}

/// A value and the bytes of the file it was read from. What a YAML alias stands for keeps the place of its anchor.
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
    /// A finite number that a double holds exactly, or the nearest double where the file has a fraction.
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
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry `key` together with the key's place.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries, where this is an object; else none.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Object(entries) => entries,
            _ => &[],
        }
    }

    /// The items, where this is an array; else none.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
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

    fn shift(&mut self, by: usize) {
        shift(&mut self.span, by);
        match &mut self.value {
            Value::Array(nodes) => nodes.iter_mut().for_each(|node| node.shift(by)),
            Value::Object(entries) => {
                for entry in entries {
                    shift(&mut entry.key_span, by);
                    entry.node.shift(by);
                }
            }
            _ => {}
        }
    }
}
