//! Names of environments: places where a version is served.

use std::fmt;
use std::str::FromStr;

/// The name of an environment, for example `pre-release`: one segment of the agent grammar, at most 40 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName(String);

/// A text that is not the name of an environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an environment name: use 1 to 40 lower-case letters, digits, `-` or `_`, starting with a letter or a digit"
)]
pub struct InvalidEnvironmentName(pub String);

impl EnvironmentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvironmentName {
    type Err = InvalidEnvironmentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = (1..=40).contains(&text.len())
            && plain(text.as_bytes()[0])
            && text.bytes().all(|c| plain(c) || matches!(c, b'-' | b'_'));
        if fits { Ok(EnvironmentName(text.to_owned())) } else { Err(InvalidEnvironmentName(text.to_owned())) }
    }
}

/// Maps are looked up by what a request says, which may be no EnvironmentName at all.
impl std::borrow::Borrow<str> for EnvironmentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses() {
        assert_eq!("pre-release".parse::<EnvironmentName>().unwrap().to_string(), "pre-release");
        for text in ["", "Live", "a/b", "a..b", "-a", "a b", &"a".repeat(41)] {
            assert!(text.parse::<EnvironmentName>().is_err(), "{text:?} was accepted");
        }
    }
}
