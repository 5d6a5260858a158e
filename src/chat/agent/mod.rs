//! What a conversation needs of a frozen config, read without trusting its shape: whatever is not as expected is not
//! there. Addresses and keys are not among it.

mod read;

use serde_json::Value;

use crate::report::Index;

/// An agent, ready to talk.
#[derive(Debug)]
pub struct Agent {
    /// What people call it.
    pub name: String,
    /// Its first message, where it speaks first.
    pub greeting: Option<String>,
    /// The instructions it speaks by.
    pub persona: String,
    /// What a conversation should achieve.
    pub goals: Vec<String>,
    /// What it knows.
    pub articles: Vec<Known>,
    /// Finds the article that answers.
    pub(super) index: Index,
    /// Rules in force.
    pub guardrails: Vec<Guardrail>,
    /// How it handles kinds of conversations.
    pub playbooks: Vec<Playbook>,
    /// The conversation as nodes; only where the workflow says so.
    pub(super) graph: Option<Graph>,
    /// What it can do.
    pub skills: Vec<Skill>,
    /// Which model writes its answers; nothing where none is named.
    pub llm: Option<Llm>,
    /// For how many days its conversations may be kept.
    pub retain_days: Option<u32>,
}

/// An article.
#[derive(Debug)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
}

/// A rule.
#[derive(Debug)]
pub struct Guardrail {
    /// Its name.
    pub name: String,
    /// `never_say`, `always_say`, `banned_topic`, `handoff` or `privacy`.
    pub kind: String,
    /// The rule in words.
    pub rule: String,
    /// What it is about.
    pub topics: Vec<String>,
    /// The words that it is about.
    pub phrases: Vec<String>,
    /// `block`, `rewrite`, `handoff` or `warn`; empty where none is said.
    pub action: String,
}

/// A way to handle one kind of conversation.
#[derive(Debug)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// What sets it off, in words.
    pub when: String,
    /// What it covers.
    pub topics: Vec<String>,
    /// What to do, in order.
    pub steps: Vec<Step>,
}

/// A step of a playbook.
#[derive(Debug)]
pub struct Step {
    /// Something to say.
    pub say: Option<String>,
    /// Something to ask.
    pub ask: Option<String>,
    /// The field that the answer goes to.
    pub collect: Option<String>,
    /// The skill to use.
    pub skill: Option<String>,
    /// The article to answer from.
    pub knowledge: Option<String>,
    /// A remark for the model.
    pub note: Option<String>,
}

/// The conversation as nodes.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) start: usize,
    pub(super) nodes: Vec<Node>,
}

/// One situation of a conversation.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) prompt: Option<String>,
    pub(super) say: Option<String>,
    pub(super) collect: Vec<String>,
    pub(super) skills: Vec<String>,
    pub(super) end: bool,
    /// The places of the nodes that it leads to, each with its condition.
    pub(super) ways: Vec<(usize, Option<String>)>,
}

/// Something that it can do.
#[derive(Debug)]
pub struct Skill {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// What to say before.
    pub say_before: Option<String>,
    /// What the model fills in, as JSON Schema.
    pub parameters: Value,
}

/// Which model writes the answers. Names and numbers only.
#[derive(Clone, Debug, PartialEq)]
pub struct Llm {
    /// The name of an endpoint in the operator's file.
    pub endpoint: String,
    /// The model there.
    pub model: Option<String>,
    /// How freely it writes.
    pub temperature: Option<f64>,
    /// The share of likely words it chooses from.
    pub top_p: Option<f64>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u64>,
    /// The endpoint and model that answer when the first do not.
    pub fallback: Option<(String, String)>,
}

impl Agent {
    /// The article that answers `question`, by the same words that the pre-publish report goes by.
    pub(super) fn answer(&self, question: &str) -> Option<&Known> {
        self.index.answer(question).and_then(|at| self.articles.get(at))
    }

    pub(super) fn article(&self, name: &str) -> Option<&Known> {
        self.articles.iter().find(|article| article.name == name)
    }
}
