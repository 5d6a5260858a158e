//! `graph.*`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// `graph.*`: the conversation as nodes and the ways between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// The id of the node that a conversation starts at.
    pub start: String,
    /// The nodes.
    #[schemars(length(min = 1))]
    pub nodes: Vec<GraphNode>,
}

/// One situation of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphNode {
    /// Its name, unique in the graph.
    #[schemars(length(min = 1, max = 100))]
    pub id: String,
    /// What the model should do here.
    #[serde(default)]
    pub prompt: Option<String>,
    /// What to say on arrival, word for word.
    #[serde(default)]
    pub say: Option<String>,
    /// The fields to collect before moving on.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub collect: Vec<String>,
    /// The skills that may be used here.
    #[serde(default)]
    pub skills: Vec<String>,
    /// The articles to answer from here.
    #[serde(default)]
    pub knowledge: Vec<String>,
    /// Whether the conversation ends here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub end: bool,
    /// The ways on; the first whose condition holds is taken.
    #[serde(default)]
    pub transitions: Vec<Transition>,
}

/// A way from one node to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// The id of the node it leads to.
    pub to: String,
    /// The condition, for the model; without one the way is always open.
    #[serde(default)]
    pub when: Option<String>,
}
