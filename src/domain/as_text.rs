//! Types that JSON has as people write them: `Display` one way, `FromStr` back, so that what was parsed once is a valid
//! value everywhere, and a document with an invalid one does not parse.

/// Writes and reads the types as text.
macro_rules! as_text {
    ($($type:ty),* $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
pub(crate) use as_text;

use super::{AgentId, Digest, EnvironmentName, ObjectId};

as_text!(AgentId, EnvironmentName, ObjectId, Digest);
