//! What came of one thing that a caller said.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reply and what was done on the way to it. Nothing of it left this machine but words to the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ChatSaid")]
pub struct Said {
    /// The words.
    pub content: String,
    /// Skills that would have been used; none is ever carried out here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// Articles that were answered from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub articles: Vec<String>,
    /// Guardrails that applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<String>,
    /// Whether a person is to take over.
    #[serde(default)]
    pub handoff: bool,
}

impl Said {
    /// Adds a paragraph.
    pub(super) fn say(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if !self.content.is_empty() {
            self.content.push_str("\n\n");
        }
        self.content.push_str(text);
    }

    /// Notes a name once.
    pub(super) fn note(names: &mut Vec<String>, name: &str) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
}
