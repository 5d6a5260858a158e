//! The front matter of `knowledge/*.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The front matter of `knowledge/<name>.md`; the article itself follows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Article {
    /// The article's title; without one, its first heading, else the name of the file.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub title: Option<String>,
    /// Questions that the article answers.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub questions: Vec<String>,
}
