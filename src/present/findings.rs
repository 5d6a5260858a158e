//! Findings in a terminal, as compilers show them: the line, a caret under the place, what is wrong, what to do.

use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Style;
use super::escape::{escape, escape_line};
use super::terminal::counted;
use crate::compile::{Finding, Place, Severity};

/// Findings shown; the rest is counted.
const MOST_FINDINGS: usize = 200;

/// All findings and a line that sums them up.
pub fn findings(findings: &[Finding], style: &Style) -> String {
    format!("{}{}\n", listed(findings, style), summary(findings))
}

/// All findings, each with an empty line below it. Where there are too many, the worst are shown.
pub fn listed(findings: &[Finding], style: &Style) -> String {
    let mut shown: Vec<&Finding> = findings.iter().collect();
    if shown.len() > MOST_FINDINGS {
        shown.sort_by_key(|finding| finding.severity);
        shown.truncate(MOST_FINDINGS);
    }
    let mut text = String::new();
    for one in shown {
        text.push_str(&finding(one, style));
        text.push_str("\n\n");
    }
    if findings.len() > MOST_FINDINGS {
        writeln!(text, "…and {} more\n", findings.len() - MOST_FINDINGS).expect("writing to a string does not fail");
    }
    text
}

/// `2 errors, 1 warning`, or `no findings`.
pub fn summary(findings: &[Finding]) -> String {
    let parts: Vec<String> = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
        .into_iter()
        .map(|(severity, word)| (findings.iter().filter(|finding| finding.severity == severity).count(), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| counted(count, word))
        .collect();
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// One finding.
pub fn finding(finding: &Finding, style: &Style) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(escape(&finding.message)).id(&*finding.code);
    let origin = Origin::path(escape(&finding.path));
    let mut group: Group<'_> = match &finding.place {
        Some(place) => {
            let start = column_in_excerpt(place, &finding.message);
            let (source, span) = excerpt(place, start);
            // Where the line is shown as it stands, its own column is the true one; else that is given apart.
            let shown_whole = source == place.excerpt && start + 1 == place.column;
            let snippet = Snippet::source(source)
                .line_start(place.line)
                .annotation(AnnotationKind::Primary.span(span))
                .path(shown_whole.then(|| escape(&finding.path)));
            match shown_whole {
                true => title.element(snippet),
                false => title.element(origin.line(place.line).char_column(place.column)).element(snippet),
            }
        }
        None => title.element(origin),
    };
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(escape(hint)));
    }
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(style.width.max(40)).render(&[group])
}

/// The excerpt as it is shown, and the bytes of it that the finding is about.
fn excerpt(place: &Place, start: usize) -> (String, std::ops::Range<usize>) {
    let (before, marked) = (escape_line(&part(place, 0, start)), escape_line(&part(place, start, place.length)));
    let after = escape_line(&part(place, start.saturating_add(place.length), usize::MAX));
    let span = before.len()..before.len() + marked.len();
    (format!("{before}{marked}{after}"), span)
}

/// Characters of the excerpt.
fn part(place: &Place, skip: usize, take: usize) -> String {
    place.excerpt.chars().skip(skip).take(take).collect()
}

/// Where the place's column stands in its excerpt. A line of more than 160 characters is cut 80 characters ahead of
/// the column. Whether it was does not always show: an excerpt of 121 to 159 characters may be a whole line or the
/// end of a longer one, and then the reading whose text the message names is taken.
fn column_in_excerpt(place: &Place, message: &str) -> usize {
    const WHOLE: usize = 160;
    const AHEAD: usize = WHOLE / 2;
    let column = place.column.saturating_sub(1);
    let length = place.excerpt.chars().count();
    let (in_whole, in_cut) = (column.min(length), AHEAD.min(length));
    if column < AHEAD {
        return in_whole;
    }
    if length >= WHOLE || column > length {
        return in_cut;
    }
    let may_be_cut = column + length > WHOLE + AHEAD;
    let named = |start| {
        let text = part(place, start, place.length);
        !text.trim().is_empty() && message.contains(&text)
    };
    if may_be_cut && named(in_cut) && !named(in_whole) { in_cut } else { in_whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let text = "name = \"support\"\nworkflw = \"single_prompt\"\n";
        let shown = Finding::new(Severity::Error, "unknown-key", "agents/support/agent.toml", "unknown key `workflw`")
            .at(text, 17..24)
            .hint("did you mean `workflow`?");
        insta::assert_snapshot!(findings(&[shown], &Style::PLAIN), @r#"
        error[unknown-key]: unknown key `workflw`
         --> agents/support/agent.toml:2:1
          |
        2 | workflw = "single_prompt"
          | ^^^^^^^
          |
          = help: did you mean `workflow`?

        1 error
        "#);
    }

    #[test]
    fn a_place_far_into_a_long_line_keeps_its_caret() {
        let text = format!("{{\"a\": \"{}\", \"secret\": 1}}", "x".repeat(5_000));
        let at = text.find("secret").unwrap();
        let found = Finding::new(Severity::Error, "secret", "a.json", "a secret").at(&text, at..at + 6);
        let place = found.place.as_ref().unwrap();
        let (source, span) = excerpt(place, column_in_excerpt(place, &found.message));
        assert_eq!(&source[span], "secret");
        assert!(finding(&found, &Style::PLAIN).contains(" --> a.json:1:5012\n"));
    }

    #[test]
    fn the_end_of_a_long_line_is_told_from_a_whole_line() {
        for (ahead, behind) in [(118, 70), (118, 5), (150, 3), (100, 59), (300, 20), (10, 300)] {
            let text = format!("{}`name`{}", "x".repeat(ahead), "y".repeat(behind));
            let found = Finding::new(Severity::Error, "x", "a.yaml", "unknown `name`").at(&text, ahead..ahead + 6);
            let place = found.place.as_ref().unwrap();
            let (source, span) = excerpt(place, column_in_excerpt(place, &found.message));
            assert_eq!(&source[span], "`name`", "{ahead} {behind}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let text = "日本: né x\n";
        let at = text.find('x').unwrap();
        let shown = finding(&Finding::new(Severity::Error, "x", "a.yaml", "x").at(text, at..at + 1), &Style::PLAIN);
        assert!(shown.contains("a.yaml:1:8\n"), "{shown}");
    }

    #[test]
    fn a_finding_without_a_place_names_its_file() {
        let shown = finding(&Finding::new(Severity::Note, "x", "a\u{1b}b", "odd `\u{202e}`"), &Style::PLAIN);
        assert_eq!(shown, "note[x]: odd `\\u{202e}`\n--> a\\u{1b}b");
    }

    proptest! {
        #[test]
        fn no_place_panics(text in any::<String>(), at in 0usize..400, length in 0usize..400, column in 0usize..400) {
            let mut one = Finding::new(Severity::Warning, "x", text.clone(), text.clone()).at(&text, at..at + length);
            let shown = finding(&one, &Style::PLAIN);
            prop_assert!(!shown.chars().any(|letter| letter.is_control() && letter != '\n'));
            if let Some(place) = &mut one.place {
                (place.column, place.length) = (column, length);
            }
            finding(&one, &Style { color: true, width: 0 });
        }
    }
}
