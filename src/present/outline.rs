//! The pre-publish report as chapters of one-line items, told apart by who wrote each piece; the terminal and the
//! Markdown renderer quote the pieces in their own way.

use super::terminal::counted;
use crate::compile::Severity;
use crate::report::{Entry, Host, KnowledgeReport, Listed, Report, Saying, SayingKind};

/// A part of the report.
pub(super) struct Chapter {
    pub(super) title: &'static str,
    pub(super) items: Vec<Item>,
    /// Facts that are not listed.
    pub(super) more: usize,
}

/// One fact.
pub(super) struct Item {
    pub(super) mark: Mark,
    pub(super) pieces: Vec<Piece>,
}

/// How a fact stands to the live version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It is the same, or there is nothing to compare with.
    Kept,
    /// The live version does not have it.
    New,
    /// Only the live version has it.
    Gone,
    /// The live version has another text there, which differs in what is not shown.
    Changed,
}

/// A piece of an item.
pub(super) enum Piece {
    /// Words of ours.
    Ours(String),
    /// A sentence that holds names from the repository between backticks.
    Sentence(String),
    /// A text from the repository.
    Quote(String),
}

fn ours(text: impl Into<String>) -> Piece {
    Piece::Ours(text.into())
}

fn quote(text: impl Into<String>) -> Piece {
    Piece::Quote(text.into())
}

/// The chapters, in the order in which people ask.
pub(super) fn chapters(report: &Report) -> Vec<Chapter> {
    let with = |title, (items, more)| Chapter { title, items, more };
    let compared = report.compared_with_live;
    vec![
        with("Will say", sayings(&report.will_say, compared)),
        with(
            "Won't say",
            items(&report.wont_say, compared, |prohibition| {
                let mut pieces = vec![quote(&prohibition.guardrail)];
                if let Some(rule) = &prohibition.rule {
                    pieces.extend([ours(": "), quote(rule)]);
                }
                pieces.extend(named("; topics ", &prohibition.topics));
                pieces.extend(named("; phrases ", &prohibition.phrases));
                pieces
            }),
        ),
        with(
            "Data leaving the system",
            items(&report.data_leaving, compared, |data| {
                let mut pieces = vec![quote(&data.skill), ours(" sends")];
                match data.fields.is_empty() {
                    true => pieces.push(ours(" no named field")),
                    false => pieces.extend(named(" ", &data.fields)),
                }
                pieces.extend([ours(" to "), quote(data.host.as_deref().unwrap_or("an address it does not name"))]);
                pieces.extend([ours(" by "), quote(format!("{} {}", data.method, data.url))]);
                if let Some(environment) = &data.environment {
                    pieces.extend([ours(" in "), quote(environment)]);
                }
                pieces
            }),
        ),
        with(
            "Hosts",
            items(&report.hosts, compared, |host| {
                let mut pieces = vec![quote(&host.host), ours(if host.called { " called by" } else { " named in" })];
                let places = places(host);
                for (at, place) in places.iter().take(3).enumerate() {
                    pieces.extend([ours(if at == 0 { " " } else { ", " }), Piece::Sentence((*place).to_owned())]);
                }
                if places.len() > 3 {
                    pieces.push(ours(format!(" and {} more", places.len() - 3)));
                }
                pieces
            }),
        ),
        with(
            "Guardrails",
            items(&report.guardrails, compared, |guardrail| {
                let mut pieces =
                    vec![ours(if guardrail.active { "active " } else { "disabled " }), quote(&guardrail.name)];
                for word in [&guardrail.kind, &guardrail.action].into_iter().flatten() {
                    pieces.extend([ours(", "), quote(word)]);
                }
                pieces
            }),
        ),
        with("Knowledge", knowledge(&report.knowledge, compared)),
        with(
            "Can transfer to",
            items(&report.numbers, compared, |number| {
                let mut pieces = vec![quote(&number.number), ours(", "), Piece::Sentence(number.name.clone())];
                if let Some(when) = &number.when {
                    pieces.extend([ours(": "), quote(when)]);
                }
                pieces
            }),
        ),
        with("Warnings", (report.warnings.iter().map(warning).collect(), 0)),
    ]
}

/// What is said. A text whose shown lines are those of the live version is told once, as changed.
fn sayings(listed: &Listed<Saying>, compared: bool) -> (Vec<Item>, usize) {
    let alike =
        |one: &Saying, other: &Saying| one.kind == other.kind && one.from == other.from && one.text == other.text;
    let pieces = |saying: &Saying, note: &str| {
        let word = saying_word(saying.kind);
        let mut pieces = vec![ours(word)];
        if saying.from != word {
            pieces.extend([ours(", "), Piece::Sentence(saying.from.clone())]);
        }
        pieces.extend([ours(": "), quote(&saying.text)]);
        if saying.more_lines > 0 {
            pieces.push(ours(format!(" (and {})", counted_more(saying.more_lines, "line"))));
        }
        pieces.push(ours(note));
        pieces
    };
    let mut gone: Vec<&Saying> = listed.removed.iter().collect();
    let mut items = Vec::new();
    for Entry { new, fact } in &listed.entries {
        let mark = match *new && compared {
            true if gone.iter().any(|gone| alike(gone, fact)) => Mark::Changed,
            true => Mark::New,
            false => Mark::Kept,
        };
        let note = if mark == Mark::Changed { " (changed below these lines)" } else { "" };
        gone.retain(|gone| mark != Mark::Changed || !alike(gone, fact));
        // What gave way to a new text stands ahead of it, or the two would be pages apart.
        if mark == Mark::New {
            let here = |gone: &&Saying| gone.kind == fact.kind && gone.from == fact.from;
            let (replaced, rest) = gone.into_iter().partition::<Vec<_>, _>(here);
            gone = rest;
            items.extend(replaced.into_iter().map(|fact| Item { mark: Mark::Gone, pieces: pieces(fact, "") }));
        }
        items.push(Item { mark, pieces: pieces(fact, note) });
    }
    items.extend(gone.into_iter().map(|fact| Item { mark: Mark::Gone, pieces: pieces(fact, "") }));
    (items, listed.more)
}

/// Where a host stands. The field of a skill says no more than the skill.
fn places(host: &Host) -> Vec<&str> {
    let of_skill = |place: &str| {
        let skill = place.strip_prefix("workflow_tools[").and_then(|rest| rest.split(']').next());
        skill.is_some_and(|skill| host.used_by.contains(&format!("skill `{skill}`")))
    };
    host.used_by.iter().map(String::as_str).filter(|place| !of_skill(place)).collect()
}

fn items<T>(listed: &Listed<T>, compared: bool, pieces: impl Fn(&T) -> Vec<Piece>) -> (Vec<Item>, usize) {
    let mark = |new| if new && compared { Mark::New } else { Mark::Kept };
    let entry = |entry: &Entry<T>| Item { mark: mark(entry.new), pieces: pieces(&entry.fact) };
    let gone = |fact: &T| Item { mark: Mark::Gone, pieces: pieces(fact) };
    (listed.entries.iter().map(entry).chain(listed.removed.iter().map(gone)).collect(), listed.more)
}

/// What is answered is only counted; what is not is listed.
fn knowledge(knowledge: &KnowledgeReport, compared: bool) -> (Vec<Item>, usize) {
    let articles = knowledge.articles.entries.len();
    let asked = knowledge.asked.entries.len();
    let kept = |pieces| Item { mark: Mark::Kept, pieces };
    if articles + asked == 0 && knowledge.articles.removed.is_empty() {
        return (Vec::new(), 0);
    }
    let mut all = vec![kept(vec![ours(format!(
        "{}, {} of {} answered",
        counted(articles, "article"),
        knowledge.answered,
        if asked == 1 { "1 topic or question".to_owned() } else { format!("{asked} topics and questions") },
    ))])];
    let unanswered = knowledge.asked.entries.iter().filter(|entry| entry.fact.article.is_none());
    all.extend(unanswered.map(|entry| Item {
        mark: if entry.new && compared { Mark::New } else { Mark::Kept },
        pieces: vec![
            ours("no article answers \""),
            quote(&entry.fact.text),
            ours("\" of "),
            Piece::Sentence(entry.fact.by.clone()),
        ],
    }));
    all.extend(knowledge.unused.iter().map(|name| kept(vec![ours("nothing leads to article "), quote(name)])));
    let (listed, more) = items(&knowledge.articles, compared, |article| vec![ours("article "), quote(&article.title)]);
    all.extend(listed.into_iter().filter(|item| item.mark != Mark::Kept));
    (all, more)
}

fn named(word: &str, names: &[String]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (at, name) in names.iter().take(20).enumerate() {
        pieces.push(ours(if at == 0 { word } else { ", " }));
        pieces.push(quote(name));
    }
    if names.len() > 20 {
        pieces.push(ours(format!(" and {} more", names.len() - 20)));
    }
    pieces
}

fn warning(warning: &crate::report::Warning) -> Item {
    let severity = match warning.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let line = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
    let mut pieces = vec![
        ours(format!("{severity}[{}] ", warning.code)),
        quote(format!("{}{line}", warning.path)),
        ours(" "),
        Piece::Sentence(warning.message.clone()),
    ];
    if let Some(hint) = &warning.hint {
        pieces.extend([ours("; "), Piece::Sentence(hint.clone())]);
    }
    Item { mark: Mark::Kept, pieces }
}

fn saying_word(kind: SayingKind) -> &'static str {
    match kind {
        SayingKind::Greeting => "greeting",
        SayingKind::Persona => "persona",
        SayingKind::AlwaysSay => "always",
        SayingKind::Say => "line",
        SayingKind::Ask => "question",
        SayingKind::Prompt => "prompt",
        SayingKind::Sms => "text message",
    }
}

fn counted_more(count: usize, one: &str) -> String {
    if count == 1 { format!("1 more {one}") } else { format!("{count} more {one}s") }
}
