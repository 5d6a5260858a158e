//! `agent.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `agent.toml`: what the agent is. The file makes a folder an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The name people know the agent by.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// What the agent is for, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
    /// How the agent decides what to do next.
    #[serde(default)]
    pub workflow: Workflow,
    /// The first message of every conversation.
    #[serde(default)]
    pub greeting: Option<String>,
    /// What a conversation should achieve.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub goals: Vec<String>,
    /// Values that the caller's side may set for a conversation, each with its default.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// How an agent decides what to do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// One prompt (`persona.md`) with all skills and knowledge at hand.
    #[default]
    SinglePrompt,
    /// The nodes and transitions of `graph.*`.
    WorkflowGraph,
}
