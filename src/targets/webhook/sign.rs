//! Signatures of Standard Webhooks (standard-webhooks.md, "Signature scheme"): `v1,` and the base64 of HMAC-SHA256 over
//! `<id>.<timestamp>.<body>`, one for each key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::operator::SigningSecrets;

/// The value of `webhook-signature`. `seconds` is the value of `webhook-timestamp`, the time of this attempt.
pub(super) fn signature(secrets: &SigningSecrets, id: &str, seconds: i64, body: &[u8]) -> String {
    let one = |key: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    secrets.reveal().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification and of its reference libraries.
    #[test]
    fn the_published_example_comes_out() {
        let secrets = SigningSecrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn during_a_rotation_there_is_one_for_each_key() {
        let two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let signed = signature(&SigningSecrets::parse(two).unwrap(), "a", 1, b"");
        assert_eq!(signed.split(' ').filter(|one| one.starts_with("v1,")).count(), 2);
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_*"] {
            assert_eq!(SigningSecrets::parse(bad), None);
        }
    }
}
