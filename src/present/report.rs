//! The pre-publish report in a terminal and as Markdown.

use std::fmt::Write;

use super::Style;
use super::escape::{cut, escape};
use super::markdown::Page;
use super::outline::{Chapter, Item, Mark, Piece, chapters};
use super::quoting::{code, sentence};
use super::terminal::Ink;
use crate::report::Report;

/// Characters shown of one quoted text.
const LONGEST_QUOTE: usize = 600;

/// The report for a terminal.
pub fn terminal(report: &Report, style: &Style) -> String {
    let mut text = String::new();
    let title = heading(report, |name| format!("`{}`", escape(name)));
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
            };
            let line = format!("{sign} {}", item.pieces.iter().map(plain).collect::<String>());
            text.push_str(&ink.map_or(line.as_str().into(), |ink| style.paint(ink, &line)));
            text.push('\n');
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
        // Lines of one text stay apart, but none starts at the left edge, where it could pass for a line of ours.
        Piece::Quote(text) => {
            let shown = cut(text, LONGEST_QUOTE);
            let lines: Vec<String> = shown.lines().map(escape).collect();
            lines.join("\n      ")
        }
    }
}

/// The report as Markdown, for a pull request.
pub fn markdown(report: &Report) -> String {
    let mut page = Page::new();
    page.push(&format!("### {}\n", heading(report, code)));
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
    };
    let piece = |piece: &Piece| match piece {
        Piece::Ours(text) => text.clone(),
        Piece::Sentence(text) => sentence(text),
        Piece::Quote(text) => code(&cut(text, LONGEST_QUOTE)),
    };
    format!("- {mark}{}\n", item.pieces.iter().map(piece).collect::<String>())
}

fn heading(report: &Report, quoted: impl Fn(&str) -> String) -> String {
    let name = report.name.as_deref().map(|name| format!(" for {}", quoted(name))).unwrap_or_default();
    let against = if report.compared_with_live { "compared with live" } else { "nothing is live yet" };
    format!("Pre-publish report{name}, {against}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Finding, Severity};
    use crate::report::report;
    use crate::report::tests::native;

    #[test]
    fn the_terminal_marks_what_is_new_and_gone() {
        let mut draft = native();
        draft["workflow_tools"][0]["request"]["url"] = "https://new.example/b".into();
        let findings = [Finding::new(Severity::Warning, "unused", "agents/s/a.md", "`imprint` is never used")];
        let shown = terminal(&report(&draft, Some(&native()), &findings), &Style::PLAIN);
        insta::assert_snapshot!(shown, @"
        Pre-publish report for `Support`, compared with live

        Will say
          greeting, greeting: Hello, this is Ada.
          line, privacy notice: We keep nothing.
          persona, persona: You are Ada.
              Be brief.
              See https://help.example.com/faq.
              4
              5 and 2 more lines
          always, guardrail `recorded`: This call is recorded.
          question, playbook `refund`: Which order?
          line, playbook `refund`: Done.
          line, skill `lookup_booking`: One moment.

        Won't say
          no_prices: Never name a price; phrases only today

        Data leaving the system
        + lookup_booking sends phone to new.example by POST https://new.example/b
        - lookup_booking sends phone, booking_id to api.example.com by POST https://api.example.com/bookings/{booking_id}?key=…

        Hosts
          help.example.com named in workflow_prompt.persona
        + new.example called by skill `lookup_booking` workflow_tools[lookup_booking].request.url
        - api.example.com called by skill `lookup_booking` workflow_tools[lookup_booking].request.url

        Guardrails
          active no_prices, never_say
          disabled politics, banned_topic
          active recorded, always_say

        Knowledge
          3 articles, 2 of 3 topics and questions answered
          no article answers gift cards of playbook `refund`
          nothing leads to article imprint

        Can transfer to
          +442071234567, desk: asked for

        Warnings
          warning[unused] agents/s/a.md `imprint` is never used
        ");
    }

    #[test]
    fn markdown_quotes_what_comes_from_the_repository() {
        let mut draft = native();
        draft["workflow_prompt"]["greeting"] = "Hi @everyone, <b>see</b> https://x.example `code`".into();
        let shown = markdown(&report(&draft, None, &[]));
        assert!(shown.contains("`` Hi @everyone, <b>see</b> https://x.example `code` ``"), "{shown}");
        assert!(shown.starts_with("### Pre-publish report for `Support`, nothing is live yet\n"));
        assert!(shown.contains("**Warnings**: nothing"));
    }
}
