//! A comparison in a terminal: fields as a table, then the lines of each file, in two columns where there is room.

use std::fmt;

use super::Style;
use super::escape::escape;
use super::rows::{Cell, Row, WORD_BUDGET, rows};
use super::side_by_side;
use super::terminal::{Ink, counted, table};
use super::values::{short, words_changed};
use crate::compare::{Blob, ChangeKind, Comparison, ContentChange, FileChange, FileChangeKind, Form, Section};

/// Which parts of a comparison to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Which fields differ.
    pub fields: bool,
    /// Which lines of which files differ.
    pub lines: bool,
}

impl Parts {
    /// Everything.
    pub const ALL: Parts = Parts { fields: true, lines: true };
}

/// Renders a comparison.
pub fn comparison(comparison: &Comparison, parts: Parts, style: &Style) -> String {
    let mut text = String::new();
    write(comparison, parts, style, &mut text).expect("writing to a string does not fail");
    text
}

fn write(comparison: &Comparison, parts: Parts, style: &Style, out: &mut dyn fmt::Write) -> fmt::Result {
    let sides = format!("{} → {}", escape(&comparison.before), escape(&comparison.after));
    writeln!(out, "{}: {}", style.paint(Ink::Heading, &sides), summary(comparison))?;
    if parts.fields && !comparison.changes.is_empty() {
        writeln!(out, "\n{}", style.paint(Ink::Heading, "Fields"))?;
        out.write_str(&fields(comparison, style))?;
    }
    for file in comparison.files.iter().filter(|_| parts.lines) {
        writeln!(out, "\n{}", style.paint(Ink::Heading, &file_title(file)))?;
        match &file.content {
            None => {}
            Some(ContentChange::Binary { before, after }) => {
                writeln!(out, "{} → {}", blob(before.as_ref()), blob(after.as_ref()))?;
            }
            Some(ContentChange::Text { sections }) => {
                for section in sections {
                    out.write_str(&lines(section, style))?;
                }
            }
        }
    }
    Ok(())
}

/// The difference in one line.
pub fn summary(comparison: &Comparison) -> String {
    if comparison.identical {
        return "identical".to_owned();
    }
    let files = counted(comparison.files.len(), "file");
    if comparison.same_meaning {
        return format!("bytes differ, meaning the same ({files})");
    }
    if !comparison.fields_compared {
        return format!("{files} differ; fields not compared, because one side does not compile");
    }
    let fields = comparison.changes.len() + comparison.more_changes;
    format!("{} and {files} differ", counted(fields, "field"))
}

pub(super) fn sign(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "+",
        ChangeKind::Removed => "-",
        ChangeKind::Changed => "~",
    }
}

/// The table of changed fields. Fields of one file stand together under its name, or the name would fill the table.
fn fields(comparison: &Comparison, style: &Style) -> String {
    let mut text = String::new();
    for group in comparison.changes.chunk_by(|one, next| in_file(&one.field).0 == in_file(&next.field).0) {
        let file = group.first().map_or("", |change| in_file(&change.field).0);
        if !file.is_empty() {
            text.push_str(&format!("{}\n", escape(file)));
        }
        let rows: Vec<Vec<String>> = group
            .iter()
            .map(|change| {
                let after = words_changed(change, escape).unwrap_or_else(|| short(change.after.as_ref()));
                let field = escape(in_file(&change.field).1);
                vec![sign(change.kind).to_owned(), field, short(change.before.as_ref()), after]
            })
            .collect();
        text.push_str(&table(&["", "field", "before", "after"], &rows, style));
    }
    if comparison.more_changes > 0 {
        text.push_str(&format!("…and {} more\n", comparison.more_changes));
    }
    text
}

/// The file that a field belongs to and the rest of its path, where the path starts with a file.
fn in_file(field: &str) -> (&str, &str) {
    let start = ["files[\"", "included[\""].into_iter().find(|start| field.starts_with(start));
    let end = start.and_then(|start| field.get(start.len()..)?.find("\"]").map(|end| start.len() + end + 2));
    match end.and_then(|end| field.split_at_checked(end)) {
        Some((file, "")) => (file, "(content)"),
        Some((file, rest)) => (file, rest.trim_start_matches('.')),
        None => ("", field),
    }
}

/// What became of a file, in one line.
pub(super) fn file_title(file: &FileChange) -> String {
    let path = escape(&file.path);
    let word = match file.kind {
        FileChangeKind::Added => "added",
        FileChangeKind::Removed => "removed",
        FileChangeKind::Changed => "changed",
        FileChangeKind::Mode => "mode changed",
        FileChangeKind::Renamed => "renamed",
    };
    let from = file.before_path.as_ref().map(|from| format!(" from {}", escape(from))).unwrap_or_default();
    let modes = match (&file.before_mode, &file.after_mode) {
        (Some(old), Some(new)) if old != new => format!(", mode {old} → {new}"),
        _ => String::new(),
    };
    let meaning = if file.same_meaning { ", meaning the same" } else { "" };
    format!("{path} ({word}{from}{modes}{meaning})")
}

/// What a section shows, where it is not simply the file's lines.
pub(super) fn section_title(section: &Section) -> Option<&'static str> {
    match section.form {
        Form::Lines => None,
        Form::FrontMatter => Some("front matter"),
        Form::Body => Some("body"),
        Form::Readable if section.hunks.is_empty() => Some("only the formatting differs"),
        Form::Readable => Some("readable form: keys sorted, long texts unfolded"),
    }
}

pub(super) fn blob(blob: Option<&Blob>) -> String {
    let Some(blob) = blob else { return "nothing".to_owned() };
    let digest = blob.digest.map(|digest| format!(", {digest}")).unwrap_or_else(|| ", too large to read".to_owned());
    format!("{}{digest}", counted(usize::try_from(blob.size).unwrap_or(usize::MAX), "byte"))
}

fn lines(section: &Section, style: &Style) -> String {
    let mut text = String::new();
    if let Some(title) = section_title(section) {
        text.push_str(&style.paint(Ink::Faint, &format!("[{title}]")));
        text.push('\n');
    }
    let mut budget = WORD_BUDGET;
    for (at, hunk) in section.hunks.iter().enumerate() {
        let rows = rows(hunk, &mut budget);
        if style.width >= side_by_side::FROM_WIDTH {
            if at > 0 {
                text.push_str(&style.paint(Ink::Faint, "   ⋮"));
                text.push('\n');
            }
            text.push_str(&side_by_side::draw(&rows, style));
        } else {
            let range = format!(
                "@@ -{},{} +{},{} @@",
                hunk.before_start, hunk.before_lines, hunk.after_start, hunk.after_lines
            );
            text.push_str(&style.paint(Ink::Changed, &range));
            text.push('\n');
            one_column(&rows, &mut |sign, cell| {
                text.push_str(&line(sign, cell, style));
                text.push('\n');
            });
        }
    }
    if section.more_lines > 0 {
        text.push_str(&format!("…and {} more\n", counted(section.more_lines, "line")));
    }
    text
}

/// Calls `draw` for every line as a unified diff orders them: removed ones ahead of the added ones beside them.
pub(super) fn one_column(rows: &[Row], draw: &mut dyn FnMut(char, &Cell)) {
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|row| row.same == first.same).count();
        let (rows, after) = rest.split_at(run);
        for cell in rows.iter().filter_map(|row| row.before.as_ref()) {
            draw(if first.same { ' ' } else { '-' }, cell);
        }
        for cell in rows.iter().filter(|row| !row.same).filter_map(|row| row.after.as_ref()) {
            draw('+', cell);
        }
        rest = after;
    }
}

fn line(sign: char, cell: &Cell, style: &Style) -> String {
    let (ink, word) = match sign {
        '-' => (Some(Ink::Removed), Ink::RemovedWord),
        '+' => (Some(Ink::Added), Ink::AddedWord),
        _ => (None, Ink::Changed),
    };
    let paint = |ink: Option<Ink>, text: &str| match ink {
        Some(ink) => style.paint(ink, text).into_owned(),
        None => text.to_owned(),
    };
    let mut text = paint(ink, &sign.to_string());
    for span in &cell.spans {
        text.push_str(&paint(if span.marked { Some(word) } else { ink }, &span.text));
    }
    if cell.unterminated {
        text.push_str("\n\\ No newline at end of file");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::compare::tests::frozen;

    fn example() -> Comparison {
        let rules = |word: &str| format!("Be kind.\nNever quote a {word} over the phone.\n");
        let before = frozen("v3", &[("a.json", "{\"voice\": {\"speed\": 1}}\n"), ("rules.txt", &rules("price"))]);
        let after = frozen("draft", &[("a.json", "{\"voice\": {\"speed\": 2}}\n"), ("rules.txt", &rules("fee"))]);
        compare(&before, &after)
    }

    #[test]
    fn one_column_where_there_is_little_room() {
        insta::assert_snapshot!(comparison(&example(), Parts::ALL, &Style::PLAIN), @r#"
        v3 → draft: 2 fields and 2 files differ

        Fields
        files["a.json"]
            field        before  after
         ~  voice.speed  1       2
        files["rules.txt"]
            field      before                    after
         ~  (content)  Be kind. (45 characters)  1 word removed: price; 1 added: fee

        a.json (changed)
        @@ -1,1 +1,1 @@
        -{"voice": {"speed": 1}}
        +{"voice": {"speed": 2}}

        rules.txt (changed)
        @@ -1,2 +1,2 @@
         Be kind.
        -Never quote a price over the phone.
        +Never quote a fee over the phone.
        "#);
    }

    #[test]
    fn two_columns_and_marked_words_where_there_is_room() {
        let shown = comparison(&example(), Parts::ALL, &Style { color: true, width: 110 });
        assert!(shown.contains("\u{1b}[1;31;7mprice\u{1b}[0m"), "{shown}");
        assert!(shown.contains("\u{1b}[1;32;7mfee\u{1b}[0m"), "{shown}");
        assert!(!shown.contains("@@"));
    }

    #[test]
    fn the_same_meaning_is_said_beside_the_bytes() {
        let before = frozen("v1", &[("a.json", "{\"x\": 1}")]);
        let found = compare(&before, &frozen("v2", &[("a.json", "{\n\"x\": 1}")]));
        assert_eq!(summary(&found), "bytes differ, meaning the same (1 file)");
        assert_eq!(comparison(&compare(&before, &before), Parts::ALL, &Style::PLAIN), "v1 → v1: identical\n");
    }

    #[test]
    fn nothing_from_a_file_reaches_the_terminal_raw() {
        let side = |word: &str| frozen("v\u{1b}1", &[("a\u{1b}[2J.txt", word), ("b\u{202e}.txt", "\u{9b}x\r\n")]);
        let empty = frozen("v2", &[]);
        for width in [40, 120] {
            for found in [compare(&side("\u{1b}]0;x\u{7}"), &side("y\u{200b}")), compare(&empty, &side("\u{1b}"))] {
                let shown = comparison(&found, Parts::ALL, &Style { color: false, width });
                assert!(!shown.chars().any(|letter| letter.is_control() && letter != '\n'), "{shown:?}");
            }
        }
    }
}
