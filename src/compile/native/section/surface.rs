//! The blocks `analytics`, `audio`, `privacy` and `widget`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FieldType;

/// `analytics.*`: what is written down after a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Analytics {
    /// How to summarise a conversation, for the model.
    #[serde(default)]
    pub summary: Option<String>,
    /// Facts to take out of it.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// What makes a conversation a success.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub success_criteria: Vec<String>,
}

/// A fact to take out of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name, unique among the fields.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// What it means, for the model.
    #[serde(default)]
    pub description: Option<String>,
}

/// `audio.*`: how a call sounds around the voices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audio {
    /// The sound behind the agent's voice.
    #[serde(default)]
    pub background: Option<Background>,
    /// Whether noise is taken out of the caller's voice.
    #[serde(default)]
    pub denoise: Option<bool>,
    /// How loud the background is, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub volume: Option<f64>,
}

/// A sound behind the agent's voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// Silence.
    None,
    /// An office.
    Office,
    /// A café.
    Cafe,
    /// A call centre.
    CallCenter,
    /// Static.
    Static,
}

/// `privacy.*`: what is kept and for how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Whether conversations are recorded.
    #[serde(default)]
    pub record: Option<bool>,
    /// What the caller is told about it.
    #[serde(default)]
    pub notice: Option<String>,
    /// How many days recordings and transcripts are kept.
    #[serde(default)]
    #[schemars(range(max = 36500))]
    pub retain_days: Option<u32>,
    /// What is blotted out of transcripts, such as `card_number`.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub redact: Vec<String>,
}

/// `widget.*`: the chat window on a web page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Widget {
    /// What stands at its top.
    #[serde(default)]
    pub title: Option<String>,
    /// Its colour, such as `#1b6ef3`.
    #[serde(default)]
    #[schemars(regex(pattern = "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"))]
    pub color: Option<String>,
    /// The corner it stands in.
    #[serde(default)]
    pub position: Option<Position>,
    /// What it says first.
    #[serde(default)]
    pub greeting: Option<String>,
    /// Things to tap instead of typing.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub suggestions: Vec<String>,
}

/// A corner of a web page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Bottom right.
    BottomRight,
    /// Bottom left.
    BottomLeft,
    /// Top right.
    TopRight,
    /// Top left.
    TopLeft,
}
