//! What the compiler has to say about a folder, in the manner of a good compiler: where, what, and what to do.

use std::borrow::Cow;
use std::cmp::Ordering;

/// How much a finding matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Publish refuses.
    Error,
    /// Publish goes on; a person should look.
    Warning,
    /// Worth knowing.
    Note,
}

/// A place in a file. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// The line's text, shortened to about 160 characters around the column.
    pub excerpt: String,
    /// How many characters of the line the finding is about (at least 1).
    pub length: usize,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// Error, warning or note.
    pub severity: Severity,
    /// A stable word for scripts, such as `unknown-key`.
    pub code: Cow<'static, str>,
    /// The file, seen from the repository's root; the folder where it is about the whole agent.
    pub path: String,
    /// Where in the file, if it is about one place.
    pub place: Option<Place>,
    /// One sentence without a full stop, the object in backticks.
    pub message: String,
    /// What to type or change, if that is known.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding about a whole file.
    pub fn new(
        severity: Severity,
        code: impl Into<Cow<'static, str>>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Finding { severity, code: code.into(), path: path.into(), place: None, message: message.into(), hint: None }
    }

    /// The same finding with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same finding at the bytes `span` of `text`, the file's content.
    #[must_use]
    pub fn at(mut self, text: &str, span: std::ops::Range<usize>) -> Self {
        self.place = Some(Place::of(text, span));
        self
    }

    /// The code of a finding that was made here.
    #[cfg(test)]
    pub(crate) fn word(&self) -> &'static str {
        match &self.code {
            Cow::Borrowed(code) => code,
            Cow::Owned(code) => panic!("`{code}` was read from elsewhere"),
        }
    }

    /// Order for readers: by file, then place, then severity.
    pub fn reading_order(&self, other: &Self) -> Ordering {
        let place = |finding: &Finding| finding.place.as_ref().map_or((0, 0), |place| (place.line, place.column));
        (self.path.as_str(), place(self), self.severity, &self.message).cmp(&(
            other.path.as_str(),
            place(other),
            other.severity,
            &other.message,
        ))
    }
}

/// The widest excerpt, in characters: one-line JSON files of half a megabyte exist.
const EXCERPT: usize = 160;

impl Place {
    /// The place of the bytes `span` in `text`. A span past the end or inside a character is moved back to the
    /// nearest boundary.
    pub fn of(text: &str, span: std::ops::Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.floor_char_boundary(span.end.clamp(start, text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let column = text[line_start..start].chars().count();
        let length = text[start..end.min(line_end)].chars().count().max(1);
        let skip = if line.chars().count() <= EXCERPT { 0 } else { column.saturating_sub(EXCERPT / 2) };
        Place {
            line: text[..start].matches('\n').count() + 1,
            column: column + 1,
            excerpt: line.chars().skip(skip).take(EXCERPT).collect(),
            length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let text = "a: 1\nbé: x\n";
        let at = text.find('x').unwrap();
        let place = Place::of(text, at..at + 1);
        assert_eq!((place.line, place.column, place.excerpt.as_str(), place.length), (2, 5, "bé: x", 1));
    }

    #[test]
    fn a_span_past_the_end_is_the_end() {
        let place = Place::of("ab", 9..12);
        assert_eq!((place.line, place.column), (1, 3));
    }
}
