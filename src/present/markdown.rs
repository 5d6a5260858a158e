//! Pull request comments: findings and comparisons as GitHub-flavoured Markdown.
//!
//! A comment has a limit that GitHub enforces, so each is built piece by piece and says what it leaves out.

use super::comparison::{Parts, blob, file_title, one_column, section_title, sign, summary};
use super::escape::cut;
use super::findings;
use super::quoting::{code, sentence};
use super::rows::{Cell, WORD_BUDGET, rows};
use super::terminal::counted;
use super::values::{short, words_changed};
use crate::compare::{AgentDifference, AgentDifferenceKind, Comparison, ContentChange, Section};
use crate::compile::{Finding, Severity};

/// A comment has at most this many characters; GitHub refuses more than 65,536.
pub const LONGEST_COMMENT: usize = 60_000;

/// Characters kept for the notes about what was left out.
const RESERVED: usize = 1_000;

/// Characters shown of one block of lines.
const LONGEST_BLOCK: usize = 20_000;

/// A comment that grows until it is full and then counts what it leaves out.
pub(super) struct Page {
    text: String,
    length: usize,
    left_out: usize,
}

impl Page {
    pub(super) fn new() -> Self {
        Page { text: String::new(), length: 0, left_out: 0 }
    }

    /// Adds a piece as a whole, or counts it as left out.
    pub(super) fn push(&mut self, piece: &str) -> bool {
        let length = piece.chars().count();
        if self.length + length > LONGEST_COMMENT - RESERVED {
            self.left_out += 1;
            return false;
        }
        self.text.push_str(piece);
        self.length += length;
        true
    }

    /// Adds the items of a list, and a line that says how many are not shown.
    pub(super) fn push_items(&mut self, items: impl Iterator<Item = String>, mut more: usize) {
        let before = self.left_out;
        for item in items {
            self.push(&item);
        }
        more += self.left_out - before;
        self.left_out = before;
        if more > 0 {
            self.push(&format!("- …and {more} more\n"));
        }
    }

    /// The comment.
    pub(super) fn finish(mut self) -> String {
        if self.left_out > 0 {
            self.text.push_str(&format!("\n…and {} more\n", self.left_out));
        }
        self.text
    }
}

/// What the compiler found in these agents, for a pull request. The worst comes first, because a comment may be cut.
pub fn check(agents: &[&str], findings: &[Finding]) -> String {
    let mut page = Page::new();
    let title = match agents {
        [only] => code(&cut(only, 200)),
        [] => "repository".to_owned(),
        many => format!("{} agents", many.len()),
    };
    page.push(&format!("### {title}: {}\n", findings::summary(findings)));
    let mut worst: Vec<&Finding> = findings.iter().collect();
    worst.sort_by_key(|finding| finding.severity);
    if !worst.is_empty() {
        page.push("\n");
    }
    page.push_items(worst.into_iter().map(finding), 0);
    page.finish()
}

fn finding(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let line = finding.place.as_ref().map(|place| format!(":{}", place.line)).unwrap_or_default();
    let message = sentence(&cut(&finding.message, 1_000));
    let mut text = format!("- **{severity}** {}: {message}\n", code(&format!("{}{line}", finding.path)));
    if let Some(place) = &finding.place {
        text.push_str(&format!("  {}\n", code(place.excerpt.trim())));
    }
    if let Some(hint) = &finding.hint {
        text.push_str(&format!("  {}\n", sentence(&cut(hint, 1_000))));
    }
    text
}

/// A comparison, for a pull request.
pub fn diff(title: &str, comparison: &Comparison, parts: Parts) -> String {
    let mut page = Page::new();
    push_diff(&mut page, title, comparison, parts);
    page.finish()
}

/// Two environments, or an environment and the drafts, for a pull request: every agent that differs.
pub fn environments(before: &str, after: &str, agents: &[AgentDifference], parts: Parts) -> String {
    let mut page = Page::new();
    let differing: Vec<_> = agents.iter().filter(|agent| agent.kind != AgentDifferenceKind::Identical).collect();
    let sides = format!("{} → {}", code(before), code(after));
    page.push(&format!("### {sides}: {} of {} differ\n", differing.len(), counted(agents.len(), "agent")));
    for agent in differing {
        match &agent.comparison {
            Some(comparison) => {
                page.push("\n");
                push_diff(&mut page, &agent.agent, comparison, parts);
            }
            None => {
                let (label, side) = match &agent.before {
                    Some(label) => (label, before),
                    None => (agent.after.as_ref().unwrap_or(&agent.agent), after),
                };
                page.push(&format!("\n### {}: {} only in {}\n", code(&agent.agent), code(label), code(side)));
            }
        }
    }
    page.finish()
}

fn push_diff(page: &mut Page, title: &str, comparison: &Comparison, parts: Parts) {
    let sides = format!("{} → {}", code(&comparison.before), code(&comparison.after));
    page.push(&format!("### {}, {sides}: {}\n", code(&cut(title, 200)), summary(comparison)));
    if parts.fields && !comparison.changes.is_empty() {
        page.push("\n**Fields**\n\n");
        let change = |change: &crate::compare::FieldChange| {
            let value = |value: Option<&serde_json::Value>| value.map(|_| code(&short(value)));
            let values = words_changed(change, code).unwrap_or_else(|| {
                match (value(change.before.as_ref()), value(change.after.as_ref())) {
                    (Some(before), Some(after)) => format!("{before} → {after}"),
                    (before, after) => before.or(after).unwrap_or_default(),
                }
            });
            format!("- `{}` {}: {values}\n", sign(change.kind), code(&change.field))
        };
        page.push_items(comparison.changes.iter().map(change), comparison.more_changes);
    }
    for file in comparison.files.iter().filter(|_| parts.lines) {
        let mut text = format!("\n**File** {}\n", code(&file_title(file)));
        match &file.content {
            None => {}
            Some(ContentChange::Binary { before, after }) => {
                text.push_str(&format!("\n{} → {}\n", blob(before.as_ref()), blob(after.as_ref())));
            }
            Some(ContentChange::Text { sections }) => sections.iter().for_each(|one| text.push_str(&section(one))),
        }
        page.push(&text);
    }
}

fn section(section: &Section) -> String {
    let mut lines = Vec::new();
    let (mut budget, mut length, mut more) = (WORD_BUDGET, 0, section.more_lines);
    for hunk in &section.hunks {
        lines.push(format!(
            "@@ -{},{} +{},{} @@",
            hunk.before_start, hunk.before_lines, hunk.after_start, hunk.after_lines
        ));
        one_column(&rows(hunk, &mut budget), &mut |sign, cell| {
            let line = line(sign, cell);
            length += line.chars().count() + 1;
            if length <= LONGEST_BLOCK { lines.push(line) } else { more += 1 }
        });
    }
    let mut text = section_title(section).map(|title| format!("\n{title}\n")).unwrap_or_default();
    if !lines.is_empty() {
        let longest = lines.iter().flat_map(|line| line.split(|letter| letter != '`')).map(str::len).max();
        let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
        text.push_str(&format!("\n{fence}diff\n{}\n{fence}\n", lines.join("\n")));
    }
    if more > 0 {
        text.push_str(&format!("\n…and {more} more lines\n"));
    }
    text
}

fn line(sign: char, cell: &Cell) -> String {
    let text: String = cell.spans.iter().map(|span| span.text.as_str()).collect();
    let end = if cell.unterminated { "\n\\ No newline at end of file" } else { "" };
    format!("{sign}{text}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::compare::tests::{frozen, side};

    #[test]
    fn a_check_lists_findings_with_place_and_hint() {
        let text = "name = \"x\"\nworkflw = 1\n";
        let one = Finding::new(Severity::Error, "unknown-key", "a/agent.toml", "unknown key `workflw`")
            .at(text, 11..18)
            .hint("write `workflow`");
        insta::assert_snapshot!(check(&["support"], &[one]), @r"
        ### `support`: 1 error

        - **error** `a/agent.toml:2`: unknown key `workflw`
          `workflw = 1`
          write `workflow`
        ");
    }

    #[test]
    fn a_diff_lists_fields_and_lines() {
        let before = frozen("v1", &[("a.json", "{\"x\": 1}\n"), ("rules.txt", "one\n```\ntwo\n")]);
        let after = frozen("draft", &[("a.json", "{\"x\": 2}\n"), ("rules.txt", "one\n```\nthree\n")]);
        insta::assert_snapshot!(diff("support", &compare(&before, &after), Parts::ALL), @r#"
        ### `support`, `v1` → `draft`: 2 fields and 2 files differ

        **Fields**

        - `~` `files["a.json"].x`: `1` → `2`
        - `~` `files["rules.txt"]`: 1 word removed: `two`; 1 added: `three`

        **File** `a.json (changed)`

        ```diff
        @@ -1,1 +1,1 @@
        -{"x": 1}
        +{"x": 2}
        ```

        **File** `rules.txt (changed)`

        ````diff
        @@ -1,3 +1,3 @@
         one
         ```
        -two
        +three
        ````
        "#);
    }

    #[test]
    fn comments_stay_below_the_limit_and_say_what_is_left_out() {
        let one = Finding::new(Severity::Warning, "x", "a.toml", "word ".repeat(150));
        let shown = check(&["support"], &vec![one; 500]);
        assert!(shown.chars().count() <= LONGEST_COMMENT);
        assert!(shown.contains("more\n"), "{}", &shown[shown.len() - 100..]);
        let names: Vec<String> = (0..40).map(|at| format!("{at}.txt")).collect();
        let text = "a line of text\n".repeat(1_000);
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), text.as_str())).collect();
        let shown = diff("support", &compare(&side(&[]), &side(&files)), Parts::ALL);
        assert!(shown.chars().count() <= LONGEST_COMMENT && shown.ends_with("more\n"));
    }
}
