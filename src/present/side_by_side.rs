//! Two columns: before and after, each line wrapped in its own half.

use super::Style;
use super::rows::{Cell, Row};
use super::terminal::Ink;
use super::width;

/// From this width on, two columns are easier to read than one.
pub(super) const FROM_WIDTH: usize = 100;

/// Columns of a line number with its blank.
const NUMBER: usize = 5;

/// Lines that one cell may take.
const TALLEST: usize = 60;

/// Draws rows in two columns.
pub(super) fn draw(rows: &[Row], style: &Style) -> String {
    let half = style.width.saturating_sub(3) / 2;
    let mut text = String::new();
    for row in rows {
        let (sign, inks) = match (&row.before, &row.after) {
            _ if row.same => (" ", None),
            (Some(_), Some(_)) => ("~", Some(())),
            (Some(_), None) => ("-", Some(())),
            _ => ("+", Some(())),
        };
        let left = wrapped(row.before.as_ref(), half, style, inks.map(|()| (Ink::Removed, Ink::RemovedWord)));
        let right = wrapped(row.after.as_ref(), half, style, inks.map(|()| (Ink::Added, Ink::AddedWord)));
        for at in 0..left.len().max(right.len()) {
            let blank = " ".repeat(half);
            let part = |side: &[String]| side.get(at).cloned().unwrap_or_else(|| blank.clone());
            let line = format!("{} {} {}", part(&left), if at == 0 { sign } else { " " }, part(&right));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// The lines of one cell, each as wide as `columns`.
fn wrapped(cell: Option<&Cell>, columns: usize, style: &Style, inks: Option<(Ink, Ink)>) -> Vec<String> {
    let Some(cell) = cell else { return Vec::new() };
    let room = columns.saturating_sub(NUMBER).max(2);
    let number = format!("{:>4} ", cell.number);
    let mut lines = vec![style.paint(Ink::Faint, &number).into_owned()];
    let mut used = 0;
    let end = if cell.unterminated { " (no newline at end)" } else { "" };
    let tail = (false, end);
    for (marked, text) in cell.spans.iter().map(|span| (span.marked, span.text.as_str())).chain([tail]) {
        let ink = inks.map(|(line, word)| if marked { word } else { line });
        let mut piece = String::new();
        for word in text.split_inclusive(' ') {
            // A word that would fit on a line of its own is not broken.
            let length: usize = word.trim_end().chars().map(width::of).sum();
            let breaks = used > 0 && length <= room && used + length > room;
            if breaks {
                flush(&mut lines, &mut piece, ink, style);
                pad(&mut lines, room.saturating_sub(used));
                lines.push(" ".repeat(NUMBER));
                used = 0;
            }
            for letter in word.chars() {
                let wide = width::of(letter);
                if used + wide > room {
                    flush(&mut lines, &mut piece, ink, style);
                    pad(&mut lines, room.saturating_sub(used));
                    lines.push(" ".repeat(NUMBER));
                    used = 0;
                    if letter == ' ' {
                        continue;
                    }
                }
                piece.push(letter);
                used += wide;
            }
        }
        flush(&mut lines, &mut piece, ink, style);
        if lines.len() > TALLEST {
            break;
        }
    }
    pad(&mut lines, room.saturating_sub(used));
    if lines.len() > TALLEST {
        lines.truncate(TALLEST);
        lines.push(format!("{:<columns$}", format!("{}…", " ".repeat(NUMBER))));
    }
    lines
}

fn flush(lines: &mut [String], piece: &mut String, ink: Option<Ink>, style: &Style) {
    if let Some(line) = lines.last_mut() {
        match ink {
            Some(ink) => line.push_str(&style.paint(ink, piece)),
            None => line.push_str(piece),
        }
    }
    piece.clear();
}

fn pad(lines: &mut [String], blanks: usize) {
    if let Some(line) = lines.last_mut() {
        line.extend(std::iter::repeat_n(' ', blanks));
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::{WORD_BUDGET, rows};
    use super::*;
    use crate::compare::lines::hunks;

    fn drawn(before: &str, after: &str, style: Style) -> String {
        let mut budget = WORD_BUDGET;
        draw(&rows(&hunks(before, after)[0], &mut budget), &style)
    }

    #[test]
    fn long_lines_wrap_in_their_own_column() {
        let before = "same\nNever quote a price to a caller under any circumstances\n";
        let after = "same\nNever quote a fee to a caller under any circumstances\nnew\n";
        assert_eq!(
            drawn(before, after, Style { color: false, width: 63 }),
            concat!(
                "   1 same                           1 same\n",
                "   2 Never quote a price to a  ~    2 Never quote a fee to a\n",
                "     caller under any                 caller under any\n",
                "     circumstances                    circumstances\n",
                "                               +    3 new\n",
            )
        );
    }

    #[test]
    fn wide_signs_take_two_columns() {
        let text = drawn("日本語日本語日本語\n", "日本語日本語日本酒\n", Style { color: false, width: 33 });
        assert!(text.starts_with("   1 日本語日本"), "{text}");
    }

    #[test]
    fn no_width_panics() {
        for width in 0..40 {
            drawn("a b c\nd", "a x c 日\n", Style { color: true, width });
        }
    }
}
