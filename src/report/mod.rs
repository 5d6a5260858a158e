//! The report that is read before publishing: what callers will hear, what they will not, what data leaves and where
//! to, and what of it is new compared with the version that is live.
//!
//! A diff answers "what did I edit"; this answers "what does it do". Everything is taken from the frozen config, by
//! kind of agent, as a list of facts; two such lists, draft and live, make the report.

mod coverage;
mod facts;
pub mod frozen;
mod native;
mod other;
mod polyai;
mod scan;
mod web_address;

use std::borrow::Cow;

use serde_json::Value;

use crate::compile::{Finding, Severity};

pub use coverage::{Article, Asked, Content, Coverage, Index, is_small, words};
pub use facts::{DataLeaving, Guardrail, Host, Number, Prohibition, Saying, SayingKind};

use facts::{Fact, Facts};

/// The report.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What the agent calls itself, if its config says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of folder: `native`, `polyai` or the word of the policy.
    pub kind: String,
    /// Whether there is a live version to compare with; if not, everything is new.
    pub compared_with_live: bool,
    /// Greeting, persona, lines of playbooks and graphs, and what must be said.
    pub will_say: Listed<Saying>,
    /// What it must never say and topics it must not touch.
    pub wont_say: Listed<Prohibition>,
    /// Which skill sends which fields where.
    pub data_leaving: Listed<DataLeaving>,
    /// Every host that is called or named.
    pub hosts: Listed<Host>,
    /// All guardrails, the disabled ones too.
    pub guardrails: Listed<Guardrail>,
    /// What the knowledge answers and what it does not.
    pub knowledge: KnowledgeReport,
    /// Phone numbers that a call may be handed to.
    pub numbers: Listed<Number>,
    /// What the compiler found.
    pub warnings: Vec<Warning>,
}

/// Facts of one sort.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct Listed<T> {
    /// The facts of the draft.
    pub entries: Vec<Entry<T>>,
    /// Facts of the live version that the draft no longer has.
    pub removed: Vec<T>,
    /// How many more there are than the two lists hold.
    pub more: usize,
}

/// One fact.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "{T}Entry")]
pub struct Entry<T> {
    /// Whether the live version does not have it.
    pub new: bool,
    /// The fact.
    #[serde(flatten)]
    pub fact: T,
}

/// Knowledge and what is asked of it.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeReport {
    /// The articles.
    pub articles: Listed<Article>,
    /// Topics of playbooks and questions of tests, with the article that answers each.
    pub asked: Listed<Asked>,
    /// How many of them an article answers.
    pub answered: usize,
    /// Articles that no playbook, graph node or question leads to.
    pub unused: Vec<String>,
}

/// A finding of the compiler, without its excerpt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Warning {
    /// Error, warning or note.
    pub severity: Severity,
    /// The stable word of the finding.
    pub code: Cow<'static, str>,
    /// The file.
    pub path: String,
    /// The line, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What was found.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Facts listed of one sort; the rest is counted.
pub const MOST_LISTED: usize = 500;

/// Makes the report of a frozen config, compared with the one that is live.
pub fn report(draft: &Value, live: Option<&Value>, findings: &[Finding]) -> Report {
    let facts = facts_of(draft);
    let live = live.map(facts_of);
    let knowledge = KnowledgeReport {
        answered: facts.coverage.asked.iter().filter(|asked| asked.article.is_some()).count(),
        articles: listed(facts.coverage.articles, live.as_ref().map(|live| &live.coverage.articles)),
        asked: listed(facts.coverage.asked, live.as_ref().map(|live| &live.coverage.asked)),
        unused: facts.coverage.unused.into_iter().take(MOST_LISTED).collect(),
    };
    Report {
        name: facts.name,
        kind: draft.get("kind").and_then(Value::as_str).unwrap_or("plain").to_owned(),
        compared_with_live: live.is_some(),
        will_say: listed(facts.sayings, live.as_ref().map(|live| &live.sayings)),
        wont_say: listed(facts.prohibitions, live.as_ref().map(|live| &live.prohibitions)),
        data_leaving: listed(facts.data_leaving, live.as_ref().map(|live| &live.data_leaving)),
        hosts: listed(facts.hosts.into_list(), live.as_ref().map(|live| live.hosts.clone().into_list()).as_ref()),
        guardrails: listed(facts.guardrails, live.as_ref().map(|live| &live.guardrails)),
        knowledge,
        numbers: listed(facts.numbers, live.as_ref().map(|live| &live.numbers)),
        warnings: findings.iter().map(warning).collect(),
    }
}

/// What the agent of a frozen config is called and what it says, by its kind.
pub fn sayings(config: &Value) -> (Option<String>, Vec<Saying>) {
    let Facts { name, sayings, .. } = facts_of(config);
    (name, sayings)
}

fn facts_of(config: &Value) -> Facts {
    match config.get("kind").and_then(Value::as_str) {
        Some("native") => native::facts(config),
        Some("polyai") => polyai::facts(config),
        _ => other::facts(config),
    }
}

fn listed<T: Fact>(draft: Vec<T>, live: Option<&Vec<T>>) -> Listed<T> {
    let keys = |facts: &[T]| facts.iter().map(Fact::key).collect::<std::collections::HashSet<_>>();
    let (in_draft, in_live) = (keys(&draft), live.map(|live| keys(live)).unwrap_or_default());
    let gone = live.into_iter().flatten().filter(|fact| !in_draft.contains(&fact.key()));
    let mut removed: Vec<T> = gone.cloned().collect();
    let more = draft.len().saturating_sub(MOST_LISTED) + removed.len().saturating_sub(MOST_LISTED);
    removed.truncate(MOST_LISTED);
    let entry = |fact: T| Entry { new: !in_live.contains(&fact.key()), fact };
    Listed { entries: draft.into_iter().take(MOST_LISTED).map(entry).collect(), removed, more }
}

fn warning(finding: &Finding) -> Warning {
    Warning {
        severity: finding.severity,
        code: finding.code.clone(),
        path: finding.path.clone(),
        line: finding.place.as_ref().map(|place| place.line),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
