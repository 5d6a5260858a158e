//! YAML: our own loader over `saphyr-parser`'s events, because it must know places, bound what aliases expand to, and
//! say what was lost.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::place::Characters;
use super::remark::{Remarks, SyntaxError, shown};
use super::{DEEPEST, Entry, MOST_VALUES, Node, Value};

mod budget;
mod scalar;

use budget::Budget;

/// Reads `text`: one node per document, at least one.
pub(super) fn parse(text: &str, remarks: &mut Remarks) -> Result<Vec<Node>, SyntaxError> {
    let mut loader = Loader {
        characters: Characters::new(text),
        budget: Budget::for_file_of(text.len()),
        remarks,
        roots: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        values: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => loader.take(event, span)?,
            Err(error) => return Err(explain(text, &loader.characters, &error)),
        }
    }
    if loader.roots.is_empty() {
        loader.roots.push(Node { span: 0..0, value: Value::Null });
    }
    Ok(loader.roots)
}

fn explain(text: &str, characters: &Characters<'_>, error: &saphyr_parser::ScanError) -> SyntaxError {
    let at = text.floor_char_boundary(characters.byte(error.marker().index()));
    let end = text.ceil_char_boundary((at + 1).min(text.len()));
    if error.info().starts_with("recursion limit") {
        return too_deep(at..end);
    }
    let found = SyntaxError::new(at..end, error.info().trim_end_matches('.').to_owned());
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = text[line..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
    if indent.into_iter().any(|byte| byte == b'\t') {
        found.hint("indent with spaces; YAML takes no tabs")
    } else {
        found
    }
}

/// A collection whose end has not been seen yet.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        seen: HashSet<String>,
        /// The key that waits for its value.
        key: Option<Key>,
        /// What `<<` brings in, in order.
        merged: Vec<Node>,
    },
}

enum Key {
    Named(String, Range<usize>),
    Merge,
}

struct Loader<'a> {
    characters: Characters<'a>,
    budget: Budget,
    remarks: &'a mut Remarks,
    roots: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    values: usize,
}

impl Loader<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let span = self.bytes(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::SequenceStart(anchor, tag) => {
                self.begin(span, anchor, tag.as_deref(), Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let content =
                    Content::Mapping { entries: Vec::new(), seen: HashSet::new(), key: None, merged: Vec::new() };
                self.begin(span, anchor, tag.as_deref(), content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.characters.byte(span.start.index());
        start..self.characters.byte(span.end.index()).max(start)
    }

    /// Whether the next node is a key.
    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { key: None, .. }, .. }))
    }

    fn count(&mut self, span: &Range<usize>) -> Result<(), SyntaxError> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(SyntaxError::new(span.clone(), format!("the file holds more than {MOST_VALUES} values")));
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Range<usize>,
    ) -> Result<(), SyntaxError> {
        self.count(&span)?;
        if self.expects_key() {
            let key = if style == ScalarStyle::Plain && text == "<<" {
                Key::Merge
            } else {
                Key::Named(text.to_owned(), span.clone())
            };
            if anchor != 0 {
                self.remember(anchor, Node { span: span.clone(), value: Value::String(text.to_owned()) })?;
            }
            return self.key(key);
        }
        let value = scalar::resolve(text, style, tag, &span, self.remarks);
        self.complete(Node { span, value }, anchor)
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), SyntaxError> {
        self.count(&span)?;
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(SyntaxError::new(span, "this alias stands inside the value it refers to"));
        };
        let Some(depth) = self.budget.charge(node) else { return Err(too_much(span)) };
        if self.open.len() + depth > DEEPEST {
            return Err(too_deep(span));
        }
        let node = node.clone();
        if self.expects_key() {
            let text = match &node.value {
                Value::String(text) => text.clone(),
                Value::Null => "null".to_owned(),
                Value::Bool(value) => value.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Array(_) | Value::Object(_) => return Err(not_a_key(span)),
            };
            return self.key(Key::Named(text, span));
        }
        self.complete(node, 0)
    }

    fn begin(
        &mut self,
        span: Range<usize>,
        anchor: usize,
        tag: Option<&Tag>,
        content: Content,
    ) -> Result<(), SyntaxError> {
        self.count(&span)?;
        if self.expects_key() {
            return Err(not_a_key(span));
        }
        if self.open.len() >= DEEPEST {
            return Err(too_deep(span));
        }
        if let Some(tag) = tag {
            scalar::remark_on_tag(tag, &span, self.remarks);
        }
        self.open.push(Open { start: span.start, anchor, content });
        Ok(())
    }

    fn end(&mut self, span: Range<usize>) -> Result<(), SyntaxError> {
        let Some(Open { start, anchor, content }) = self.open.pop() else { return Ok(()) };
        // The end of a block collection is only noticed at the next token, so its last value tells where it ended.
        let closed = if span.is_empty() { None } else { Some(span.end) };
        let (end, value) = match content {
            Content::Sequence(items) => (closed.or(items.last().map(|item| item.span.end)), Value::Array(items)),
            Content::Mapping { mut entries, mut seen, merged, .. } => {
                let end = closed.or(entries.last().map(|entry| entry.node.span.end.max(entry.key_span.end)));
                for source in merged {
                    merge(source, &mut entries, &mut seen)?;
                }
                (end, Value::Object(entries))
            }
        };
        let end = end.unwrap_or(start).max(start);
        self.complete(Node { span: start..end, value }, anchor)
    }

    fn key(&mut self, found: Key) -> Result<(), SyntaxError> {
        let Some(Open { content: Content::Mapping { key, seen, .. }, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        if let Key::Named(text, span) = &found
            && !seen.insert(text.clone())
        {
            let message = format!("the key `{}` stands twice in this mapping", shown(text));
            return Err(SyntaxError::new(span.clone(), message).hint("remove one of them"));
        }
        *key = Some(found);
        Ok(())
    }

    /// Puts a whole value where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        if anchor != 0 {
            self.remember(anchor, node.clone())?;
        }
        match self.open.last_mut() {
            None => self.roots.push(node),
            Some(Open { content: Content::Sequence(items), .. }) => items.push(node),
            Some(Open { content: Content::Mapping { entries, key, merged, .. }, .. }) => match key.take() {
                Some(Key::Named(key, key_span)) => entries.push(Entry { key, key_span, node }),
                Some(Key::Merge) => merged.push(node),
                None => return Err(not_a_key(node.span)),
            },
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: Node) -> Result<(), SyntaxError> {
        if self.budget.charge(&node).is_none() {
            return Err(too_much(node.span));
        }
        self.anchors.insert(anchor, node);
        Ok(())
    }
}

/// Adds the entries of `source` that are not there yet.
fn merge(source: Node, entries: &mut Vec<Entry>, seen: &mut HashSet<String>) -> Result<(), SyntaxError> {
    match source.value {
        Value::Object(more) => {
            entries.extend(more.into_iter().filter(|entry| seen.insert(entry.key.clone())));
            Ok(())
        }
        Value::Array(sources) if sources.iter().all(|source| matches!(source.value, Value::Object(_))) => {
            sources.into_iter().try_for_each(|source| merge(source, entries, seen))
        }
        _ => Err(SyntaxError::new(source.span, "`<<` merges a mapping or a list of mappings, and this is neither")),
    }
}

fn too_much(span: Range<usize>) -> SyntaxError {
    SyntaxError::new(span, "the aliases of this file expand to far more than the file itself")
        .hint("write the repeated values out, or move them to a file of their own")
}

fn too_deep(span: Range<usize>) -> SyntaxError {
    SyntaxError::new(span, format!("values are nested more than {DEEPEST} deep"))
}

fn not_a_key(span: Range<usize>) -> SyntaxError {
    SyntaxError::new(span, "a list or a mapping cannot be a key").hint("quote a key that starts with `[` or `{`")
}

#[cfg(test)]
mod tests;
