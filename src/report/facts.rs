//! What can be said about an agent, as plain lists; one folder kind fills them from its own files.

use std::collections::{BTreeMap, BTreeSet};

use super::coverage::Coverage;
use crate::domain::Digest;

/// Something the report lists; two facts with one key are the same fact in draft and live.
pub(super) trait Fact: Clone {
    /// What makes it this fact. Positions are no part of it, or a new first step would make every later one new.
    fn key(&self) -> Vec<String>;
}

/// Everything known about one config.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) name: Option<String>,
    pub(super) sayings: Vec<Saying>,
    pub(super) prohibitions: Vec<Prohibition>,
    pub(super) data_leaving: Vec<DataLeaving>,
    pub(super) hosts: Hosts,
    pub(super) guardrails: Vec<Guardrail>,
    pub(super) coverage: Coverage,
    pub(super) numbers: Vec<Number>,
}

/// Why the agent will say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SayingKind {
    /// The first message.
    Greeting,
    /// The instructions it speaks by; shown by their first lines.
    Persona,
    /// A guardrail demands it.
    AlwaysSay,
    /// A line of a playbook, a graph node or a skill.
    Say,
    /// A question of a playbook.
    Ask,
    /// A prompt of a step or of another part; shown by its first lines.
    Prompt,
    /// A text message that it can send.
    Sms,
}

/// Something the agent will say, or be told to say.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Saying {
    /// Why.
    pub kind: SayingKind,
    /// Where it stands: `persona.md`, ``playbook `refund` ``.
    pub from: String,
    /// The text, or its first lines.
    pub text: String,
    /// How many lines of it are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_lines: usize,
    /// Of the whole text; what is read back has none to compare by.
    #[serde(skip, default = "unknown")]
    whole: Digest,
}

fn unknown() -> Digest {
    Digest::of(b"")
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Lines shown of a text.
const LINES_SHOWN: usize = 5;

/// Characters shown of a text.
const CHARACTERS_SHOWN: usize = 600;

impl Saying {
    /// A saying; of a long text the first lines are kept.
    pub(super) fn new(kind: SayingKind, from: impl Into<String>, text: &str) -> Self {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first: Vec<&str> = lines.by_ref().take(LINES_SHOWN).collect();
        let joined = first.join("\n");
        let mut shown: String = joined.chars().take(CHARACTERS_SHOWN).collect();
        if shown.len() < joined.len() {
            shown.push('…');
        }
        let more_lines = lines.count();
        Saying { kind, from: from.into(), text: shown, more_lines, whole: Digest::of(text.as_bytes()) }
    }
}

impl Fact for Saying {
    fn key(&self) -> Vec<String> {
        vec![format!("{:?}", self.kind), self.from.clone(), self.whole.to_string()]
    }
}

/// Something the agent must not say.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Prohibition {
    /// The guardrail that forbids it.
    pub guardrail: String,
    /// `never_say` or `banned_topic`.
    pub kind: String,
    /// The rule as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Topics it must not touch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Phrases it must not use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phrases: Vec<String>,
}

impl Fact for Prohibition {
    fn key(&self) -> Vec<String> {
        let mut key = vec![self.guardrail.clone(), self.kind.clone(), self.rule.clone().unwrap_or_default()];
        key.extend(self.topics.iter().map(|topic| format!("topic {topic}")));
        key.extend(self.phrases.iter().map(|phrase| format!("phrase {phrase}")));
        key
    }
}

/// One way for data to leave the system.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct DataLeaving {
    /// The skill that sends.
    pub skill: String,
    /// The environment it does so in, where an agent's files tell several apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What it sends.
    pub fields: Vec<String>,
    /// How.
    pub method: String,
    /// Where to; absent where the address does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The address, without user names and query values.
    pub url: String,
}

impl Fact for DataLeaving {
    fn key(&self) -> Vec<String> {
        let environment = self.environment.clone().unwrap_or_default();
        let mut key = vec![self.skill.clone(), environment, self.method.clone(), self.url.clone()];
        key.extend(self.fields.iter().cloned());
        key
    }
}

/// A host that the agent calls or names.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The host, in lower case, with its port.
    pub host: String,
    /// Whether it is called; otherwise a text only names it.
    pub called: bool,
    /// Where it stands.
    pub used_by: Vec<String>,
}

impl Fact for Host {
    fn key(&self) -> Vec<String> {
        vec![self.host.clone(), self.called.to_string()]
    }
}

/// Hosts while they are collected.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(BTreeMap<String, (bool, BTreeSet<String>)>);

/// Places listed of one host.
const PLACES: usize = 20;

impl Hosts {
    pub(super) fn add(&mut self, host: String, called: bool, place: &str) {
        let (is_called, places) = self.0.entry(host).or_default();
        *is_called |= called;
        if places.len() < PLACES {
            places.insert(place.to_owned());
        }
    }

    pub(super) fn into_list(self) -> Vec<Host> {
        let host = |(host, (called, used_by)): (_, (_, BTreeSet<_>))| Host {
            host,
            called,
            used_by: used_by.into_iter().collect(),
        };
        self.0.into_iter().map(host).collect()
    }
}

/// A guardrail.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Guardrail {
    /// Its name.
    pub name: String,
    /// What it does: `never_say`, `handoff`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What happens when it is met: `block`, `warn`, a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The rule as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether it is on.
    pub active: bool,
}

impl Fact for Guardrail {
    fn key(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![self.name.clone(), text(&self.kind), text(&self.action), text(&self.rule), self.active.to_string()]
    }
}

/// A number that a call may be handed to.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "HandoffNumber")]
pub struct Number {
    /// The number or SIP address as written.
    pub number: String,
    /// Where it stands, or what it is called.
    pub name: String,
    /// When a call goes there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

impl Fact for Number {
    fn key(&self) -> Vec<String> {
        vec![self.number.clone(), self.name.clone(), self.when.clone().unwrap_or_default()]
    }
}
