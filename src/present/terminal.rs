//! What the terminal renderers share: colour, width and tables.

use std::borrow::Cow;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// How to render. Whoever makes it decides about colour; nothing here looks at the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colour.
    pub color: bool,
    /// How many columns there are.
    pub width: usize,
}

/// A colour, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Heading,
    Added,
    Removed,
    AddedWord,
    RemovedWord,
    Changed,
    Faint,
}

impl Style {
    /// No colour, 80 columns.
    pub const PLAIN: Style = Style { color: false, width: 80 };

    /// `text` as a heading, made safe to show.
    pub fn heading(&self, text: &str) -> String {
        self.paint(Ink::Heading, &super::escape::escape(text)).into_owned()
    }

    /// `text`, which is escaped already, in a colour.
    pub(super) fn paint<'a>(&self, ink: Ink, text: &'a str) -> Cow<'a, str> {
        let code = match ink {
            Ink::Heading => "1",
            Ink::Added => "32",
            Ink::Removed => "31",
            Ink::AddedWord => "1;32;7",
            Ink::RemovedWord => "1;31;7",
            Ink::Changed => "33",
            Ink::Faint => "2",
        };
        if self.color && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m").into() } else { text.into() }
    }
}

/// The longest word that a narrow table keeps whole: a moment in time, `2026-01-31T23:59:59Z`.
const LONGEST_WHOLE_WORD: usize = 20;

/// A table without lines that fits the width. The first cell of a row may be a sign (`+`, `-`, `~`), which colours
/// it. Cells are escaped already.
pub fn table(header: &[&str], rows: &[Vec<String>], style: &Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(style.width.max(20)).unwrap_or(u16::MAX));
    table.set_header(header.iter().map(|cell| (*cell).to_owned()));
    for row in rows {
        table.add_row(row.iter().map(String::as_str));
    }
    // The second column holds what people search for, so it is broken last; in the others short words stay whole.
    for at in 0..header.len() {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let least = match at {
            1 => cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min((style.width / 2).saturating_sub(2)),
            _ => cells.flat_map(|cell| cell.split_whitespace()).map(|word| word.chars().count()).max().unwrap_or(0),
        };
        let fits = at == 1 || least <= LONGEST_WHOLE_WORD;
        if let Some(column) = table.column_mut(at).filter(|_| fits) {
            let least = u16::try_from(least + 2).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
    }
    let mut text = String::new();
    let mut ink = None;
    for (at, line) in table.lines().enumerate() {
        let line = line.trim_end();
        ink = match line.trim_start().split(' ').next() {
            _ if at == 0 => Some(Ink::Faint),
            Some("+") => Some(Ink::Added),
            Some("-") => Some(Ink::Removed),
            Some("~") => None,
            _ => ink,
        };
        match ink {
            Some(ink) => text.push_str(&style.paint(ink, line)),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_and_have_no_lines() {
        let rows = vec![vec!["+".to_owned(), "a".to_owned()], vec!["~".to_owned(), "word ".repeat(12)]];
        let shown = table(&["", "field"], &rows, &Style { color: false, width: 40 });
        assert!(shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
        assert!(shown.starts_with("    field\n +  a\n"), "{shown:?}");
        assert!(table(&["", "f"], &rows, &Style { color: true, width: 40 }).contains("\u{1b}[32m +  a\u{1b}[0m"));
    }
}
