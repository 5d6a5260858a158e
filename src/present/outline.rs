//! The pre-publish report as chapters of one-line items, told apart by who wrote each piece; the terminal and the
//! Markdown renderer quote the pieces in their own way.

use super::terminal::counted;
use crate::compile::Severity;
use crate::report::{Entry, KnowledgeReport, Listed, Report, SayingKind};

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
        with(
            "Will say",
            items(&report.will_say, compared, |saying| {
                let mut pieces = vec![ours(saying_word(saying.kind)), ours(", "), Piece::Sentence(saying.from.clone())];
                pieces.extend([ours(": "), quote(&saying.text)]);
                if saying.more_lines > 0 {
                    pieces.push(ours(format!(" and {}", counted_more(saying.more_lines, "line"))));
                }
                pieces
            }),
        ),
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
                pieces
                    .extend(host.used_by.iter().take(3).flat_map(|place| [ours(" "), Piece::Sentence(place.clone())]));
                if host.used_by.len() > 3 {
                    pieces.push(ours(format!(" and {} more", host.used_by.len() - 3)));
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
            ours("no article answers "),
            quote(&entry.fact.text),
            ours(" of "),
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
