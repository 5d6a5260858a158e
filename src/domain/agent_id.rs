//! Agent ids: the path of an agent's folder, a leading `agents/` dropped.
//!
//! The grammar is narrower than git's for ref names, because an id becomes a tag prefix, a path in two trees and a
//! part of a URL. Whatever passes here is safe in all three.

use std::fmt;
use std::str::FromStr;

/// The longest id, in characters.
pub const LONGEST: usize = 100;

/// Names that stand beside the version folders of an agent in the ledger, so no later segment may take them.
const RESERVED: [&str; 2] = ["evidence", "rejected"];

/// The id of one released unit, for example `support` or `emea/billing`.
///
/// ```
/// use pointsman::domain::AgentId;
/// let id: AgentId = "emea/billing".parse().unwrap();
/// assert_eq!(id.to_string(), "emea/billing");
/// assert!("Emea".parse::<AgentId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(String);

/// Why a text is not an agent id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAgentId {
    /// Nothing was given.
    #[error("an agent id must not be empty")]
    Empty,
    /// More than [`LONGEST`] characters.
    #[error("an agent id has at most {LONGEST} characters, this one has {0}")]
    TooLong(usize),
    /// One segment between slashes breaks the grammar.
    #[error("`{segment}` cannot be part of an agent id: {reason}")]
    Segment {
        /// The offending segment, as it was written.
        segment: String,
        /// What the grammar asks for.
        reason: &'static str,
    },
}

impl AgentId {
    /// The id of the folder at `path` (slash-separated, relative to the repository's root).
    pub fn of_folder(path: &str) -> Result<Self, InvalidAgentId> {
        path.strip_prefix("agents/").unwrap_or(path).parse()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether one of the two ids is a leading part of the other (`emea` and `emea/billing`), which the layout of
    /// the ledger cannot hold.
    pub fn collides_with(&self, other: &AgentId) -> bool {
        let within = |short: &str, long: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('/'));
        within(&self.0, &other.0) || within(&other.0, &self.0)
    }
}

fn segment_fault(segment: &str, first: bool) -> Option<&'static str> {
    let lower_or_digit = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = segment.as_bytes();
    if bytes.is_empty() {
        return Some("segments between slashes must not be empty");
    }
    if !lower_or_digit(bytes[0]) {
        return Some("a segment starts with a lower-case letter or a digit");
    }
    if !bytes.iter().all(|&c| lower_or_digit(c) || matches!(c, b'.' | b'_' | b'-')) {
        return Some("only lower-case letters, digits, `.`, `_` and `-` are allowed");
    }
    if segment.contains("..") {
        return Some("`..` is not allowed");
    }
    if segment.ends_with('.') || segment.ends_with(".lock") || segment.ends_with(".json") {
        return Some("a segment must not end in `.`, `.lock` or `.json`");
    }
    if segment.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit())) {
        return Some("`v` and digits is how versions are written");
    }
    if !first && RESERVED.contains(&segment) {
        return Some("this name is used by the ledger");
    }
    None
}

impl FromStr for AgentId {
    type Err = InvalidAgentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidAgentId::Empty);
        }
        let length = text.chars().count();
        if length > LONGEST {
            return Err(InvalidAgentId::TooLong(length));
        }
        for (position, segment) in text.split('/').enumerate() {
            if let Some(reason) = segment_fault(segment, position == 0) {
                return Err(InvalidAgentId::Segment { segment: segment.to_owned(), reason });
            }
        }
        Ok(AgentId(text.to_owned()))
    }
}

/// Maps are looked up by what a request says, which may be no AgentId at all.
impl std::borrow::Borrow<str> for AgentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in ["support", "emea/billing", "a.b-c_d/9", "v7x", "vx"] {
            assert_eq!(text.parse::<AgentId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_would_break_a_ref_a_path_or_a_url() {
        for text in [
            "",
            "Support",
            "my agent",
            "a..b",
            "../a",
            ".a",
            "a/.b",
            "a//b",
            "/a",
            "a/",
            "v7",
            "a/v12",
            "a.lock",
            "a.json",
            "a.",
            "a/rejected",
            "é",
            "a\u{7}b",
            "a\\b",
            "-a",
            "a~b",
        ] {
            assert!(text.parse::<AgentId>().is_err(), "{text:?} was accepted");
        }
        assert_eq!("a".repeat(300).parse::<AgentId>(), Err(InvalidAgentId::TooLong(300)));
    }

    #[test]
    fn leading_parts_collide() {
        let id = |text: &str| text.parse::<AgentId>().unwrap();
        assert!(id("emea").collides_with(&id("emea/billing")));
        assert!(!id("emea").collides_with(&id("emea2/billing")));
        assert!(!id("emea").collides_with(&id("emea")));
    }
}
