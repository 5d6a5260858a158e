//! Two texts by lines: the hunks of a diff.

use super::align::{Step, align};
use super::words::Part;

/// A line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "DiffLine")]
pub struct Line {
    /// On both sides, before only or after only.
    pub kind: Part,
    /// The line without its newline; a carriage return stays.
    pub text: String,
    /// Set where the file ends without a newline after this line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unterminated: bool,
}

/// Lines that differ and a few around them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    /// The first line before, from 1; the line above where nothing was there.
    pub before_start: usize,
    /// How many lines of the text before it covers.
    pub before_lines: usize,
    /// The first line after, from 1; the line above where nothing is there.
    pub after_start: usize,
    /// How many lines of the text after it covers.
    pub after_lines: usize,
    /// The lines, removed ones ahead of the added ones that replace them.
    pub lines: Vec<Line>,
}

/// How many equal lines stand around a change.
pub const CONTEXT: usize = 3;

/// The hunks of two texts.
pub fn hunks(before: &str, after: &str) -> Vec<Hunk> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    grouped(&align(&old, &new)).into_iter().map(|group| hunk(group, &old, &new)).collect()
}

/// The steps of each hunk, with equal stretches cut to what is shown of them.
fn grouped(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut groups: Vec<Vec<Step>> = Vec::new();
    let mut open: Vec<Step> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let Step::Equal { before, after } = step else {
            open.push(step.clone());
            continue;
        };
        let length = before.len();
        let first = |count: usize| Step::Equal {
            before: before.start..before.start + count,
            after: after.start..after.start + count,
        };
        let last =
            |count: usize| Step::Equal { before: before.end - count..before.end, after: after.end - count..after.end };
        let final_step = at + 1 == steps.len();
        if open.is_empty() {
            if !final_step {
                open.push(last(length.min(CONTEXT)));
            }
        } else if final_step || length > 2 * CONTEXT {
            open.push(first(length.min(CONTEXT)));
            groups.push(std::mem::take(&mut open));
            if !final_step {
                open.push(last(CONTEXT));
            }
        } else {
            open.push(step.clone());
        }
    }
    if !open.is_empty() {
        groups.push(open);
    }
    groups
}

fn hunk(steps: Vec<Step>, old: &[&str], new: &[&str]) -> Hunk {
    let mut hunk = Hunk::default();
    for (at, step) in steps.into_iter().enumerate() {
        let same = matches!(step, Step::Equal { .. });
        let (Step::Equal { before, after } | Step::Replace { before, after }) = step;
        if at == 0 {
            (hunk.before_start, hunk.after_start) = (before.start, after.start);
        }
        hunk.before_lines += before.len();
        hunk.after_lines += after.len();
        if same {
            hunk.lines.extend(old[before].iter().map(|text| line(Part::Equal, text)));
        } else {
            hunk.lines.extend(old[before].iter().map(|text| line(Part::Delete, text)));
            hunk.lines.extend(new[after].iter().map(|text| line(Part::Insert, text)));
        }
    }
    hunk.before_start += usize::from(hunk.before_lines > 0);
    hunk.after_start += usize::from(hunk.after_lines > 0);
    hunk
}

fn line(kind: Part, text: &str) -> Line {
    let bare = text.strip_suffix('\n');
    Line { kind, text: bare.unwrap_or(text).to_owned(), unterminated: bare.is_none() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(before: &str, after: &str) -> Vec<(usize, usize, usize, usize)> {
        hunks(before, after).iter().map(|h| (h.before_start, h.before_lines, h.after_start, h.after_lines)).collect()
    }

    #[test]
    fn far_changes_are_apart_and_near_ones_together() {
        let text = |at: &[usize]| {
            (1..=20).map(|n| if at.contains(&n) { format!("new {n}\n") } else { format!("{n}\n") }).collect::<String>()
        };
        assert_eq!(counts(&text(&[]), &text(&[2, 18])), [(1, 5, 1, 5), (15, 6, 15, 6)]);
        assert_eq!(counts(&text(&[]), &text(&[2, 9])), [(1, 12, 1, 12)]);
        assert_eq!(counts(&text(&[]), &text(&[])), []);
    }

    #[test]
    fn an_empty_side_starts_at_the_line_above() {
        assert_eq!(counts("", "a\nb\n"), [(0, 0, 1, 2)]);
        assert_eq!(counts("a\n", ""), [(1, 1, 0, 0)]);
    }

    #[test]
    fn a_lost_final_newline_is_a_change() {
        let found = hunks("a\nb\n", "a\nb");
        assert_eq!(found[0].lines.iter().filter(|line| line.unterminated).count(), 1);
    }
}
