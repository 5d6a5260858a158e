//! Covers secrets in what a finding shows: its excerpt, its message, its hint.

use std::collections::BTreeMap;

use super::{Hit, mask};
use crate::compile::{Finding, Place};

/// The widest excerpt, in characters, as in [`Place`].
const EXCERPT: usize = 160;

/// Secrets per file that messages are compared with. Beyond that a message that quotes the file says nothing.
const MOST_COMPARED: usize = 200;

/// `text` with each hit cut to its beginning and an ellipsis. A short secret shows less than four characters.
pub(super) fn cover(text: &str, hits: &[Hit]) -> String {
    let mut covered = String::new();
    let mut from = 0;
    for hit in hits {
        let secret = &text[hit.span.clone()];
        covered.push_str(&text[from..hit.span.start]);
        covered.extend(secret.chars().take(shown(secret)));
        covered.push('…');
        from = hit.span.end;
    }
    covered.push_str(&text[from..]);
    covered
}

/// Which of the lines that begin at `starts` (the first at 0) holds the byte `at`.
pub(super) fn line_of(starts: &[usize], at: usize) -> usize {
    starts.partition_point(|start| *start <= at).saturating_sub(1)
}

pub(super) fn shown(secret: &str) -> usize {
    (secret.chars().count() / 4).min(4)
}

/// The lines of a file that hold secrets, with the secrets covered.
pub(super) struct Masked<'a> {
    text: &'a str,
    starts: &'a [usize],
    lines: BTreeMap<usize, Line>,
    secrets: Vec<&'a str>,
}

/// A line whose secrets are covered, and where they were.
struct Line {
    text: String,
    /// Of each secret in the line: its first column and the one past it (from 0), and how much of it is shown.
    covered: Vec<(usize, usize, usize)>,
}

impl Line {
    /// Where the character of column `column` (from 0) of the file's line stands in the covered one.
    fn shift(&self, column: usize) -> usize {
        let mut removed = 0;
        for (start, end, shown) in self.covered.iter().take_while(|(start, ..)| *start < column) {
            if column < *end {
                return column.min(start + shown) - removed;
            }
            removed += (end - start).saturating_sub(shown + 1);
        }
        column - removed
    }

    /// The part of the line to show around `column` (from 0, in the file's line).
    fn excerpt(&self, column: usize) -> String {
        let wide = self.text.chars().nth(EXCERPT).is_some();
        let skip = if wide { self.shift(column).saturating_sub(EXCERPT / 2) } else { 0 };
        self.text.chars().skip(skip).take(EXCERPT).collect()
    }
}

impl<'a> Masked<'a> {
    /// Covers `hits` (in order, not touching) in `text`, whose lines begin at `starts`.
    pub(super) fn new(text: &'a str, starts: &'a [usize], hits: &[Hit]) -> Self {
        let mut parts: BTreeMap<usize, Vec<Hit>> = BTreeMap::new();
        for hit in hits {
            let first = line_of(starts, hit.span.start);
            for (line, from) in starts.iter().enumerate().skip(first).take_while(|(_, from)| **from < hit.span.end) {
                let end = starts.get(line + 1).map_or(text.len(), |next| next - 1);
                let span = hit.span.start.max(*from)..hit.span.end.min(end);
                if !span.is_empty() {
                    parts
                        .entry(line)
                        .or_default()
                        .push(Hit { span: span.start - from..span.end - from, ..hit.clone() });
                }
            }
        }
        let lines = parts
            .into_iter()
            .map(|(line, hits)| {
                let end = starts.get(line + 1).map_or(text.len(), |next| next - 1);
                (line, Line::new(&text[starts[line]..end], &hits))
            })
            .collect();
        let secrets = hits.iter().map(|hit| &text[hit.span.clone()]).filter(|secret| secret.len() >= 8).collect();
        Masked { text, starts, lines, secrets }
    }

    /// Where `hit` is, with an excerpt that does not show it.
    pub(super) fn place(&self, hit: &Hit) -> Place {
        let line = line_of(self.starts, hit.span.start);
        let column = self.text[self.starts[line]..hit.span.start].chars().count();
        let excerpt = self.lines.get(&line).map_or_else(String::new, |line| line.excerpt(column));
        let length = shown(&self.text[hit.span.clone()]) + 1;
        Place { line: line + 1, column: column + 1, excerpt, length }
    }

    /// Covers this file's secrets in a finding about it.
    pub(super) fn cover(&self, finding: &mut Finding) {
        if let Some(place) = &mut finding.place
            && let Some(line) = place.line.checked_sub(1).and_then(|line| self.lines.get(&line))
        {
            place.excerpt = line.excerpt(place.column.saturating_sub(1));
        }
        finding.message = self.cover_text(&finding.message);
        finding.hint = finding.hint.as_deref().map(|hint| self.cover_text(hint));
    }

    /// Covers what of `text` begins as one of the secrets does; messages may have cut the rest.
    fn cover_text(&self, text: &str) -> String {
        if self.secrets.len() > MOST_COMPARED && text.contains('`') {
            return "something is wrong here; what it is would show a secret".to_owned();
        }
        let mut text = mask(text);
        for secret in &self.secrets {
            let start = &secret[..secret.floor_char_boundary(8)];
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(start)).map(|found| from + found) {
                let same: usize =
                    text[at..].chars().zip(secret.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
                let kept: String = secret.chars().take(shown(secret)).collect();
                text.replace_range(at..at + same, &format!("{kept}…"));
                from = at + kept.len() + '…'.len_utf8();
            }
        }
        text
    }
}

impl Line {
    fn new(text: &str, hits: &[Hit]) -> Self {
        let text = text.trim_end_matches('\r');
        let hits: Vec<Hit> = hits
            .iter()
            .map(|hit| Hit { span: hit.span.start.min(text.len())..hit.span.end.min(text.len()), ..hit.clone() })
            .collect();
        let (mut column, mut at) = (0, 0);
        let mut covered = Vec::new();
        for hit in &hits {
            column += text[at..hit.span.start].chars().count();
            let secret = &text[hit.span.clone()];
            let length = secret.chars().count();
            covered.push((column, column + length, shown(secret)));
            column += length;
            at = hit.span.end;
        }
        Line { text: cover(text, &hits), covered }
    }
}
