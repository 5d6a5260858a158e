//! The lines of a hunk side by side, edited lines with their edited words marked: what both the terminal and the
//! Markdown renderer draw.

use super::escape::{cut, escape_line};
use crate::compare::words::likeness;
use crate::compare::{Hunk, Line, Part, words};

/// A line before and the line after that took its place; either may be missing.
pub(super) struct Row {
    pub(super) before: Option<Cell>,
    pub(super) after: Option<Cell>,
    /// Whether nothing differs.
    pub(super) same: bool,
}

/// One line, escaped.
pub(super) struct Cell {
    /// Its number in the text, from 1.
    pub(super) number: usize,
    /// Its pieces.
    pub(super) spans: Vec<Span>,
    /// Whether the text ends here without a newline.
    pub(super) unterminated: bool,
}

/// A piece of a line.
pub(super) struct Span {
    /// Whether the other side does not have it.
    pub(super) marked: bool,
    /// The escaped text.
    pub(super) text: String,
}

/// Lines less alike than this, in hundredths, are another line and not an edited one.
const ALIKE: usize = 40;

/// In lines longer than this, what is far from any change is left out.
const LONG_LINE: usize = 300;

/// Characters kept at either end of a piece that is left out.
const KEPT: usize = 60;

/// Characters shown of one piece.
const LONGEST_PIECE: usize = 2_000;

/// Bytes that are compared by words in one rendering; later lines are shown without marks.
pub(super) const WORD_BUDGET: usize = 400_000;

/// The rows of a hunk.
pub(super) fn rows(hunk: &Hunk, budget: &mut usize) -> Vec<Row> {
    let mut rows = Vec::with_capacity(hunk.lines.len());
    let mut numbers = (hunk.before_start.max(1), hunk.after_start.max(1));
    let mut lines = hunk.lines.as_slice();
    while let Some(first) = lines.first() {
        let run = |part: Part, lines: &[Line]| lines.iter().take_while(|line| line.kind == part).count();
        if first.kind == Part::Equal {
            let cell = |number| cell(number, first, vec![Span { marked: false, text: first.text.clone() }]);
            rows.push(Row { before: Some(cell(numbers.0)), after: Some(cell(numbers.1)), same: true });
            numbers = (numbers.0 + 1, numbers.1 + 1);
            lines = &lines[1..];
            continue;
        }
        let (removed, rest) = lines.split_at(run(Part::Delete, lines));
        let (added, rest) = rest.split_at(run(Part::Insert, rest));
        for at in 0..removed.len().max(added.len()) {
            rows.extend(pair((removed.get(at), numbers.0 + at), (added.get(at), numbers.1 + at), budget));
        }
        numbers = (numbers.0 + removed.len(), numbers.1 + added.len());
        lines = rest;
    }
    rows
}

fn pair(before: (Option<&Line>, usize), after: (Option<&Line>, usize), budget: &mut usize) -> Vec<Row> {
    let whole = |(line, number): (Option<&Line>, usize)| {
        line.map(|line| cell(number, line, vec![Span { marked: false, text: line.text.clone() }]))
    };
    if let ((Some(old), _), (Some(new), _)) = (before, after) {
        let cost = old.text.len() + new.text.len();
        if cost <= *budget {
            *budget -= cost;
            let segments = words(&old.text, &new.text);
            if likeness(&segments) >= ALIKE {
                let spans = |other: Part| {
                    let ours = segments.iter().filter(|segment| segment.kind != other);
                    ours.map(|segment| Span { marked: segment.kind != Part::Equal, text: segment.text.to_owned() })
                        .collect()
                };
                let (old, new) = (cell(before.1, old, spans(Part::Insert)), cell(after.1, new, spans(Part::Delete)));
                return vec![Row { before: Some(old), after: Some(new), same: false }];
            }
        }
    }
    [(whole(before), None), (None, whole(after))]
        .into_iter()
        .filter(|(before, after)| before.is_some() || after.is_some())
        .map(|(before, after)| Row { before, after, same: false })
        .collect()
}

/// Escapes the pieces and leaves out what is far from a change.
fn cell(number: usize, line: &Line, mut spans: Vec<Span>) -> Cell {
    let any_marked = spans.iter().any(|span| span.marked);
    let last = spans.len().saturating_sub(1);
    for (at, span) in spans.iter_mut().enumerate() {
        if any_marked && !span.marked && line.text.len() > LONG_LINE {
            span.text = without_middle(&span.text, at > 0, at < last);
        }
        span.text = escape_line(&cut(&span.text, LONGEST_PIECE));
    }
    Cell { number, spans, unterminated: line.unterminated }
}

fn without_middle(text: &str, keep_start: bool, keep_end: bool) -> String {
    let count = text.chars().count();
    if count <= 2 * KEPT {
        return text.to_owned();
    }
    let start = text.chars().take(if keep_start { KEPT } else { 0 });
    let end = text.chars().skip(if keep_end { count - KEPT } else { count });
    start.chain(['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::lines::hunks;

    fn shown(before: &str, after: &str) -> Vec<String> {
        let cell = |cell: &Option<Cell>| match cell {
            None => "-".to_owned(),
            Some(cell) => {
                let mark = |span: &Span| if span.marked { format!("<{}>", span.text) } else { span.text.clone() };
                format!("{} {}", cell.number, cell.spans.iter().map(mark).collect::<String>())
            }
        };
        let mut budget = WORD_BUDGET;
        let rows = hunks(before, after).iter().flat_map(|hunk| rows(hunk, &mut budget)).collect::<Vec<_>>();
        rows.iter().map(|row| format!("{} | {}", cell(&row.before), cell(&row.after))).collect()
    }

    #[test]
    fn edited_lines_stand_opposite_with_their_words_marked() {
        assert_eq!(
            shown("a\nsay good day to all\nz\n", "a\nsay good night to all\nnew one\nz\n"),
            ["1 a | 1 a", "2 say good <day> to all | 2 say good <night> to all", "- | 3 new one", "3 z | 4 z"]
        );
    }

    #[test]
    fn another_line_is_not_an_edited_one() {
        assert_eq!(shown("completely different\n", "no likeness here\n").len(), 2);
    }

    #[test]
    fn a_long_line_is_cut_around_its_change() {
        let line = |word: &str| format!("{} {word} {}\n", "lorem ".repeat(200), "ipsum ".repeat(200));
        let rows = shown(&line("one"), &line("two"));
        assert!(rows[0].contains("<one>") && rows[0].contains('…') && rows[0].chars().count() < 400, "{rows:?}");
    }
}
