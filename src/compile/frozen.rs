//! A frozen config: canonical JSON (RFC 8785) and its digest. It exists in canonical form only.

use crate::domain::Digest;

/// The bytes of a `config.json` and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    bytes: Vec<u8>,
    digest: Digest,
}

impl Frozen {
    /// Freezes `value`.
    pub fn new(value: &serde_json::Value) -> Self {
        let bytes = serde_json_canonicalizer::to_vec(value).expect("a JSON value always has a canonical form");
        let digest = Digest::of(&bytes);
        Frozen { bytes, digest }
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The config as a value.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).expect("a frozen config is JSON")
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_by_utf16_and_numbers_take_the_shortest_form() {
        let value: serde_json::Value =
            serde_json::from_str(r#"{"b":1.0,"a":[1e21,0.000001,"\u000f€"],"\ud83d\ude00":1,"\ufb33":2}"#).unwrap();
        let text = String::from_utf8(Frozen::new(&value).bytes().to_vec()).unwrap();
        assert_eq!(text, "{\"a\":[1e+21,0.000001,\"\\u000f€\"],\"b\":1,\"😀\":1,\"\u{fb33}\":2}");
    }
}
