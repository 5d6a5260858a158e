//! Who did something: the name and address that git writes into commits and tags.

use std::fmt;
use std::str::FromStr;

/// A name and an e-mail address, written `Ada Lovelace <ada@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Identity {
    /// The person's or program's name; never empty.
    pub name: String,
    /// The address; may be empty, as git allows.
    pub email: String,
}

/// A text that is not of the form `Name <address>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name a person: write `Name <address>`")]
pub struct InvalidIdentity(pub String);

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidIdentity(text.to_owned());
        let (name, rest) = text.split_once('<').ok_or_else(invalid)?;
        let email = rest.strip_suffix('>').ok_or_else(invalid)?;
        let name = name.trim();
        let clean = |part: &str| !part.chars().any(|c| c.is_control() || matches!(c, '<' | '>'));
        if name.is_empty() || !clean(name) || !clean(email) {
            return Err(invalid());
        }
        Ok(Identity { name: name.to_owned(), email: email.trim().to_owned() })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses() {
        let ada: Identity = "Ada Lovelace <ada@example.com>".parse().unwrap();
        assert_eq!(ada.to_string(), "Ada Lovelace <ada@example.com>");
        for text in ["", "Ada", "<ada@example.com>", "Ada <a", "A\nB <a>"] {
            assert!(text.parse::<Identity>().is_err(), "{text:?} was accepted");
        }
    }
}
