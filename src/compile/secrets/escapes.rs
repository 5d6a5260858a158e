//! Secrets behind the `\u` escapes of JSON, TOML and YAML: `\u0041KIA…` is as live as `AKIA…`.

use std::ops::Range;

/// A text with its escaped ASCII characters as themselves, and where each of its bytes comes from.
pub(super) struct Plain {
    pub(super) text: String,
    /// For each byte of `text` and its end: the place in the original.
    places: Vec<usize>,
}

impl Plain {
    /// Where `span` stands in the original.
    pub(super) fn place(&self, span: &Range<usize>) -> Range<usize> {
        self.places[span.start]..self.places[span.end]
    }
}

/// `text` without its escapes; nothing where it has none of a printable ASCII character.
pub(super) fn unescaped(text: &str) -> Option<Plain> {
    const ESCAPE: usize = r"\u0041".len();
    let mut plain = Plain { text: String::with_capacity(text.len()), places: Vec::with_capacity(text.len() + 1) };
    let mut rest = 0;
    for (at, _) in text.match_indices(r"\u00") {
        let Some(character) = character(text.get(at..at + ESCAPE)).filter(|_| at >= rest) else { continue };
        plain.take(text, rest..at);
        plain.text.push(character);
        plain.places.push(at);
        rest = at + ESCAPE;
    }
    if rest == 0 {
        return None;
    }
    plain.take(text, rest..text.len());
    plain.places.push(text.len());
    Some(plain)
}

impl Plain {
    fn take(&mut self, text: &str, span: Range<usize>) {
        self.text.push_str(&text[span.clone()]);
        self.places.extend(span);
    }
}

/// The character that `escape` stands for. Quotes and backslashes stay as they are, or the text would read otherwise.
fn character(escape: Option<&str>) -> Option<char> {
    let code = u8::from_str_radix(escape?.get(4..)?, 16).ok()?;
    (code.is_ascii_graphic() && !matches!(code, b'"' | b'\\')).then_some(char::from(code))
}
