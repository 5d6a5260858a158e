//! Version numbers, the tags that carry them, and the digest of a frozen config.

use std::fmt;
use std::str::FromStr;

use super::AgentId;

/// How far ahead of the newest known version a pushed tag may be (`support/v99` after `v3` is a slip of the finger).
pub const FARTHEST_AHEAD: u32 = 100;

/// The number of a version: 1 or more, written `v7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber(u32);

/// A text that is not `v` and a number without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version: write `v` and a number without leading zeros, such as `v7`")]
pub struct InvalidVersion(pub String);

impl VersionNumber {
    /// The first version of any agent.
    pub const FIRST: VersionNumber = VersionNumber(1);

    /// `number` as a version, if it is 1 or more.
    pub fn new(number: u32) -> Option<Self> {
        (number >= 1).then_some(VersionNumber(number))
    }

    /// The bare number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The number after this one.
    pub fn next(self) -> Self {
        VersionNumber(self.0.saturating_add(1))
    }
}

impl FromStr for VersionNumber {
    type Err = InvalidVersion;

    /// Reads `v7`; a bare `7` is taken too, because people type it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('v').unwrap_or(text);
        let plain = !digits.is_empty()
            && digits.len() <= 9
            && !digits.starts_with('0')
            && digits.bytes().all(|c| c.is_ascii_digit());
        let number = if plain { digits.parse().ok() } else { None };
        number.and_then(VersionNumber::new).ok_or_else(|| InvalidVersion(text.to_owned()))
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl serde::Serialize for VersionNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for VersionNumber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        VersionNumber::new(number).ok_or_else(|| serde::de::Error::custom("a version number is 1 or more"))
    }
}

/// One version of one agent: `support/v7`, the name of its tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionTag {
    /// The agent that was frozen.
    pub agent: AgentId,
    /// Its number.
    pub number: VersionNumber,
}

impl VersionTag {
    /// The full ref name, `refs/tags/support/v7`.
    pub fn ref_name(&self) -> String {
        format!("refs/tags/{self}")
    }
}

impl FromStr for VersionTag {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidVersion(text.to_owned());
        let (agent, number) = text.rsplit_once('/').ok_or_else(invalid)?;
        if !number.starts_with('v') {
            return Err(invalid());
        }
        let agent = agent.parse().map_err(|_| invalid())?;
        let number = number.parse().map_err(|_| invalid())?;
        Ok(VersionTag { agent, number })
    }
}

impl serde::Serialize for VersionTag {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for VersionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.agent, self.number)
    }
}

/// The sha256 of a frozen config's canonical bytes, written `sha256:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected `sha256:` and 64 hexadecimal digits")]
pub struct InvalidDigest(pub String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Digest(sha2::Sha256::digest(bytes).into())
    }

    /// The 64 hexadecimal digits alone.
    pub fn hex(&self) -> String {
        super::object_id::to_hex(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("sha256:")
            .and_then(super::object_id::from_hex::<32>)
            .map(Digest)
            .ok_or_else(|| InvalidDigest(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_round_trip() {
        assert_eq!("v7".parse::<VersionNumber>().unwrap().to_string(), "v7");
        let tag: VersionTag = "emea/billing/v12".parse().unwrap();
        assert_eq!(tag.ref_name(), "refs/tags/emea/billing/v12");
    }

    #[test]
    fn refuses_near_misses() {
        for text in
            ["support/v07", "support/vx", "support/v0", "support/7", "support", "v7", "Support/v7", "a/v99999999999"]
        {
            assert!(text.parse::<VersionTag>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn digests_round_trip() {
        let digest = Digest::of(b"{}");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("sha256:zz".parse::<Digest>().is_err());
    }
}
