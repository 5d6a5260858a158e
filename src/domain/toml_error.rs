//! What is wrong with a TOML file of ours, in words for whoever wrote it.

use std::ops::Range;

use super::nearest::nearest;

/// A mistake in a TOML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TomlMistake {
    /// One sentence.
    pub message: String,
    /// Which bytes it is about, if one place is.
    pub span: Option<Range<usize>>,
    /// The known key that was meant, as a question.
    pub hint: Option<String>,
}

impl From<&toml::de::Error> for TomlMistake {
    fn from(error: &toml::de::Error) -> Self {
        // serde lists the known keys after the sentence; a reader wants the nearest one, not all of them.
        let message =
            error.message().split(", expected").next().unwrap_or_default().replace("unknown field", "unknown key");
        let typed = message.split('`').nth(1).unwrap_or_default();
        let known = error.message().split('`').skip(3).step_by(2);
        let hint = if message.starts_with("unknown") {
            nearest(typed, known).map(|known| format!("did you mean `{known}`?"))
        } else {
            None
        };
        TomlMistake { message, span: error.span(), hint }
    }
}
