//! The pre-publish report in a terminal and as Markdown.

use std::fmt::Write;

use super::Style;
use super::escape::{cut, escape};
use super::markdown::Page;
use super::outline::{Chapter, Item, Mark, Piece, chapters};
use super::quoting::{code, sentence};
use super::terminal::Ink;
use super::width::wrapped;
use crate::report::Report;

/// Characters shown of one quoted text.
const LONGEST_QUOTE: usize = 600;

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// `draft`, `draft:<branch>`, `v3`.
    pub side: &'a str,
    /// What it is compared with, such as `v2 in live`.
    pub live: Option<&'a str>,
}

/// The report for a terminal.
pub fn terminal(subject: Subject<'_>, report: &Report, style: &Style) -> String {
    let mut text = String::new();
    let title = heading(subject, escape);
    writeln!(text, "{}", style.paint(Ink::Heading, &title)).expect("writing to a string does not fail");
    for Chapter { title, items, more } in chapters(report) {
        writeln!(text, "\n{}", style.paint(Ink::Heading, title)).expect("writing to a string does not fail");
        if items.is_empty() {
            text.push_str("  nothing\n");
        }
        for item in items {
            let (sign, ink) = match item.mark {
                Mark::Kept => (' ', None),
                Mark::New => ('+', Some(Ink::Added)),
                Mark::Gone => ('-', Some(Ink::Removed)),
                Mark::Changed => ('~', Some(Ink::Changed)),
            };
            let whole = item.pieces.iter().map(plain).collect::<String>();
            for line in indented(sign, &whole, style.width) {
                text.push_str(&ink.map_or(line.as_str().into(), |ink| style.paint(ink, &line)));
                text.push('\n');
            }
        }
        if more > 0 {
            text.push_str(&format!("  …and {more} more\n"));
        }
    }
    text
}

fn plain(piece: &Piece) -> String {
    match piece {
        Piece::Ours(text) => text.clone(),
        Piece::Sentence(text) => escape(text),
        Piece::Quote(text) => {
            let shown = cut(text, LONGEST_QUOTE);
            let lines: Vec<String> = shown.lines().map(escape).collect();
            lines.join("\n")
        }
    }
}

/// An item on lines of at most `width`. Only its first line starts at the left edge, where the sign is: a text from
/// the repository could pass for an item of ours there.
fn indented(sign: char, whole: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, part) in whole.split('\n').enumerate() {
        let (first, others) = if at == 0 { (format!("{sign} "), "    ") } else { ("      ".to_owned(), "      ") };
        for (at, line) in wrapped(part, width.saturating_sub(others.len())).into_iter().enumerate() {
            lines.push(format!("{}{line}", if at == 0 { &first } else { others }));
        }
    }
    lines
}

/// The report as Markdown, for a pull request.
pub fn markdown(subject: Subject<'_>, report: &Report) -> String {
    let mut page = Page::new();
    page.push(&format!("### {}\n", heading(subject, code)));
    for Chapter { title, items, more } in chapters(report) {
        if items.is_empty() {
            page.push(&format!("\n**{title}**: nothing\n"));
            continue;
        }
        page.push(&format!("\n**{title}**\n\n"));
        page.push_items(items.iter().map(bullet), more);
    }
    page.finish()
}

fn bullet(item: &Item) -> String {
    let mark = match item.mark {
        Mark::Kept => "",
        Mark::New => "**new** ",
        Mark::Gone => "**gone** ",
        Mark::Changed => "**changed** ",
    };
    let piece = |piece: &Piece| match piece {
        Piece::Ours(text) => text.clone(),
        Piece::Sentence(text) => sentence(text),
        Piece::Quote(text) => code(&cut(text, LONGEST_QUOTE)),
    };
    format!("- {mark}{}\n", item.pieces.iter().map(piece).collect::<String>())
}

fn heading(Subject { agent, side, live }: Subject<'_>, quoted: impl Fn(&str) -> String) -> String {
    let against = match live {
        Some(live) => format!("compared with {}", quoted(live)),
        None => "not live yet, so all of it is new".to_owned(),
    };
    format!("Pre-publish report of {}, {}: {against}", quoted(agent), quoted(side))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Finding, Severity};
    use crate::report::report;
    use crate::report::tests::native;

    const LIVE: Subject<'_> = Subject { agent: "support", side: "draft", live: Some("v2 in live") };
    const NEW: Subject<'_> = Subject { live: None, ..LIVE };

    #[test]
    fn the_terminal_marks_what_is_new_and_gone() {
        let mut draft = native();
        draft["workflow_tools"][0]["request"]["url"] = "https://new.example/b".into();
        let findings = [Finding::new(Severity::Warning, "unused", "agents/s/a.md", "`imprint` is never used")];
        let shown = terminal(LIVE, &report(&draft, Some(&native()), &findings), &Style::PLAIN);
        insta::assert_snapshot!(shown, @r#"
        Pre-publish report of support, draft: compared with v2 in live

        Will say
          greeting: Hello, this is Ada.
          line, privacy notice: We keep nothing.
          persona: You are Ada.
              Be brief.
              See https://help.example.com/faq.
              4
              5 (and 2 more lines)
          always, guardrail `recorded`: This call is recorded.
          question, playbook `refund`: Which order?
          line, playbook `refund`: Done.
          line, skill `lookup_booking`: One moment.

        Won't say
          no_prices: Never name a price; phrases only today

        Data leaving the system
        + lookup_booking sends phone to new.example by POST https://new.example/b
        - lookup_booking sends phone, booking_id to api.example.com by POST
            https://api.example.com/bookings/{booking_id}?key=…

        Hosts
          help.example.com named in workflow_prompt.persona
        + new.example called by skill `lookup_booking`
        - api.example.com called by skill `lookup_booking`

        Guardrails
          active no_prices, never_say
          disabled politics, banned_topic
          active recorded, always_say

        Knowledge
          3 articles, 2 of 3 topics and questions answered
          no article answers "gift cards" of playbook `refund`
          nothing leads to article imprint

        Can transfer to
          +442071234567, desk: asked for

        Warnings
          warning[unused] agents/s/a.md `imprint` is never used
        "#);
    }

    #[test]
    fn markdown_quotes_what_comes_from_the_repository() {
        let mut draft = native();
        draft["workflow_prompt"]["greeting"] = "Hi @everyone, <b>see</b> https://x.example `code`".into();
        let shown = markdown(NEW, &report(&draft, None, &[]));
        assert!(shown.contains("`` Hi @everyone, <b>see</b> https://x.example `code` ``"), "{shown}");
        assert!(shown.starts_with("### Pre-publish report of `support`, `draft`: not live yet, so all of it is new\n"));
        assert!(shown.contains("**Warnings**: nothing"));
    }
}
