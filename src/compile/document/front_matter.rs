//! Markdown that starts with settings: YAML between `---` lines or TOML between `+++` lines.

use std::ops::Range;

use super::{Document, Format, SyntaxError, Value, parse_part};

/// A Markdown file, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Markdown {
    /// The settings and the format they are written in, if the file starts with some.
    pub front_matter: Option<(Format, Document)>,
    /// The bytes of the text after them.
    pub body: Range<usize>,
}

/// Takes apart `text`, all of a Markdown file.
///
/// A line `---` is also Markdown's horizontal rule, so what stands between two of them counts as settings only where
/// it is a mapping, or was plainly meant as one.
pub fn markdown(text: &str) -> Result<Markdown, SyntaxError> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let plain = Markdown { front_matter: None, body: start..text.len() };
    let Some((format, settings, body)) = fences(text, start) else { return Ok(plain) };
    match parse_part(format, text, settings.clone()) {
        Ok(document) => match document.roots.as_slice() {
            [root] if matches!(root.value, Value::Object(_) | Value::Null) => {
                Ok(Markdown { front_matter: Some((format, document)), body })
            }
            _ => Ok(plain),
        },
        Err(error) if meant_as_settings(&text[settings]) => Err(error),
        Err(_) => Ok(plain),
    }
}

/// The format, the bytes between the fences and the bytes after them.
fn fences(text: &str, start: usize) -> Option<(Format, Range<usize>, Range<usize>)> {
    let mut lines = text[start..].split_inclusive('\n');
    let first = lines.next()?;
    let fence = first.trim_end();
    let format = match fence {
        "---" => Format::Yaml,
        "+++" => Format::Toml,
        _ => return None,
    };
    let settings = start + first.len();
    let mut at = settings;
    for line in lines {
        if line.trim_end() == fence {
            return Some((format, settings..at, at + line.len()..text.len()));
        }
        at += line.len();
    }
    None
}

/// Whether the first line that says something starts with `key:` or `key =`.
fn meant_as_settings(settings: &str) -> bool {
    let Some(line) = settings.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')) else {
        return false;
    };
    let key = line.trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '"' | '\''));
    key.len() < line.len() && key.trim_start().starts_with([':', '='])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(text: &str) -> (Option<serde_json::Value>, &str) {
        let markdown = markdown(text).unwrap();
        let settings = markdown.front_matter.map(|(_, document)| document.root().to_json());
        (settings, &text[markdown.body])
    }

    #[test]
    fn settings_are_split_from_the_body() {
        let settings = Some(serde_json::json!({"title": "x"}));
        assert_eq!(taken_apart("---\ntitle: x\n---\nBody\n"), (settings.clone(), "Body\n"));
        assert_eq!(taken_apart("\u{feff}---\r\ntitle: x\r\n---\r\nBody"), (settings.clone(), "Body"));
        assert_eq!(taken_apart("+++\ntitle = \"x\"\n+++\n"), (settings, ""));
        assert_eq!(taken_apart("---\n---\nBody"), (Some(serde_json::Value::Null), "Body"));
    }

    #[test]
    fn horizontal_rules_are_not_settings() {
        for text in [
            "---\n",
            "---\nSome prose\n",
            "---\nSome prose\n---\nmore",
            "---\n*a [b: c\n---\n",
            "# Title\n---\na: b\n---\n",
        ] {
            assert_eq!(taken_apart(text), (None, text));
        }
    }

    #[test]
    fn broken_settings_are_an_error_in_the_file() {
        let text = "---\ntitle: x\nquestions: [a\n---\nBody";
        let error = markdown(text).unwrap_err();
        assert!(error.span.start > 4 && error.span.end <= text.len(), "{error:?}");
    }
}
