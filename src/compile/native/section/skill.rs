//! `skills/<name>.*`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// `skills/<name>.*`: something the agent can do, and the request it sends to do it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// What the skill does and when to use it, for the model.
    #[schemars(length(min = 1))]
    pub description: String,
    /// What the model fills in.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// The request to send; without one the skill only tells the platform that it was used.
    #[serde(default)]
    pub request: Option<Request>,
    /// What to say before the request is sent.
    #[serde(default)]
    pub say_before: Option<String>,
    /// Whether the caller must agree first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub confirm: bool,
}

/// One value that the model fills in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in the request.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// What it means, for the model.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether the skill cannot do without it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// The only values it may have.
    #[serde(default, rename = "enum")]
    pub choices: Vec<serde_json::Value>,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text.
    String,
    /// A number, possibly with a fraction.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A list.
    Array,
    /// A table.
    Object,
}

/// A request to another system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Where it goes. `{name}` stands for a field, `${name}` for a secret or setting of the environment.
    #[schemars(length(min = 1))]
    pub url: String,
    /// Header lines. A value may hold `${name}` for a secret; secrets themselves do not belong here.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The fields that leave the system: parameters of this skill, variables of the agent, or fields that a node of
    /// the graph or a step of a playbook collects.
    #[serde(default)]
    pub send: Vec<String>,
    /// Seconds to wait for the answer.
    #[serde(default)]
    #[schemars(range(min = 0.1, max = 300.0))]
    pub timeout: Option<f64>,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Create or do.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}
