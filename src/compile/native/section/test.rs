//! `tests/<name>.*`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `tests/<name>.*`: a conversation and what must come of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What the test is for.
    #[serde(default)]
    pub description: Option<String>,
    /// A word to group tests by.
    #[serde(default)]
    pub kind: Option<String>,
    /// Values for the agent's variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What the caller says, in order, and what must follow.
    #[serde(default)]
    pub turns: Vec<TestTurn>,
    /// Questions that the knowledge must answer.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub questions: Vec<String>,
}

/// One thing the caller says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestTurn {
    /// The caller's words.
    pub user: String,
    /// What must follow.
    #[serde(default)]
    pub expect: Option<Expectation>,
}

/// What must follow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Words that the answer must hold.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub says: Vec<String>,
    /// Words that the answer must not hold.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub never_says: Vec<String>,
    /// The skill that must be used.
    #[serde(default)]
    pub skill: Option<String>,
    /// Whether a person must take over, or must not.
    #[serde(default)]
    pub handoff: Option<bool>,
}
