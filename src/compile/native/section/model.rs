//! The blocks `llm`, `voice` and `language`: what thinks, what speaks, and in which tongue.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `llm.*`: the model that writes the answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// The name of a model endpoint in the operator's file. Never a URL: where data goes is the operator's decision.
    #[serde(default)]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub endpoint: Option<String>,
    /// The model at that endpoint.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub model: Option<String>,
    /// How freely it writes, from 0 to 2.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// The share of likely words it chooses from, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub top_p: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// What answers when the first model does not.
    #[serde(default)]
    pub fallback: Option<Fallback>,
}

/// A second model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// The name of its endpoint; without one, the same as the first model's.
    #[serde(default)]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub endpoint: Option<String>,
    /// The model.
    #[schemars(length(min = 1))]
    pub model: String,
}

/// `voice.*`: how the agent sounds and hears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    /// Who makes the voice.
    #[serde(default)]
    pub provider: Option<String>,
    /// The voice, as its provider names it.
    #[serde(default)]
    pub voice_id: Option<String>,
    /// The provider's speech model.
    #[serde(default)]
    pub model: Option<String>,
    /// How fast it speaks; 1 is normal.
    #[serde(default)]
    #[schemars(range(min = 0.25, max = 4.0))]
    pub speed: Option<f64>,
    /// How even it sounds, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub stability: Option<f64>,
    /// How close it stays to the original voice, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub similarity: Option<f64>,
    /// How expressive it is, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub style: Option<f64>,
    /// Words and how to say them.
    #[serde(default)]
    pub pronunciations: BTreeMap<String, String>,
    /// What turns the caller's speech into text.
    #[serde(default)]
    pub transcriber: Option<Transcriber>,
}

/// What turns speech into text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transcriber {
    /// Who makes it.
    #[serde(default)]
    pub provider: Option<String>,
    /// The provider's model.
    #[serde(default)]
    pub model: Option<String>,
    /// Words it should listen for, such as names of products.
    #[serde(default)]
    pub keywords: Vec<String>,
}

/// `language.*`: the languages the agent speaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// The language it starts in, such as `en-GB`.
    #[schemars(regex(pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"))]
    pub primary: String,
    /// All languages it speaks.
    #[serde(default)]
    #[schemars(inner(regex(pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")))]
    pub supported: Vec<String>,
    /// What it does when the caller changes the language.
    #[serde(default)]
    pub policy: Option<LanguagePolicy>,
}

/// What an agent does when the caller changes the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LanguagePolicy {
    /// It follows the caller among the supported languages.
    CodeSwitch,
    /// It keeps to the primary language.
    SingleLanguage,
}
