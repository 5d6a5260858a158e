//! `guardrails/<name>.*` and `playbooks/<name>.*`: what the agent must and must not do, and how it goes about things.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;

/// `guardrails/<name>.*`: a rule that holds in every conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    /// Why the rule exists.
    #[serde(default)]
    pub description: Option<String>,
    /// The rule, for the model.
    #[schemars(length(min = 1))]
    pub rule: String,
    /// What kind of rule it is.
    pub kind: GuardrailKind,
    /// The topics it is about.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub topics: Vec<String>,
    /// The words it is about: what is never said, or always said.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub phrases: Vec<String>,
    /// What happens when the rule applies.
    #[serde(default)]
    pub action: Option<Action>,
    /// Whether the rule is in force.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// The kind of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailKind {
    /// Something that must not be said.
    NeverSay,
    /// Something that must be said.
    AlwaysSay,
    /// A topic that the agent stays out of.
    BannedTopic,
    /// A situation in which a person takes over.
    Handoff,
    /// A rule about personal data.
    Privacy,
}

/// What happens when a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The answer is not given.
    Block,
    /// The answer is changed until it fits.
    Rewrite,
    /// A person takes over.
    Handoff,
    /// The answer is given and a warning recorded.
    Warn,
}

/// `playbooks/<name>.*`: how the agent handles one kind of conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// What the playbook is for.
    #[serde(default)]
    pub description: Option<String>,
    /// What sets it off, for the model.
    #[schemars(length(min = 1))]
    pub when: String,
    /// The topics it covers.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub topics: Vec<String>,
    /// What to do, in order.
    #[schemars(length(min = 1))]
    pub steps: Vec<Step>,
}

/// One step of a playbook; it does at least one of these things.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Step {
    /// Something to say.
    #[serde(default)]
    pub say: Option<String>,
    /// Something to ask.
    #[serde(default)]
    pub ask: Option<String>,
    /// The field that the answer goes to.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub collect: Option<String>,
    /// The skill to use.
    #[serde(default)]
    pub skill: Option<String>,
    /// The article to answer from.
    #[serde(default)]
    pub knowledge: Option<String>,
    /// A remark for the model, never said.
    #[serde(default)]
    pub note: Option<String>,
}
