//! Whether a value can be a live secret at all: what stands in for one, what points at one, and what is random.
//!
//! Each question errs on the side of silence. A scanner that cries at `your-api-key` is switched off by the second
//! day, and the shapes that vendors give their tokens are caught without asking here for more than placeholders.

/// Words that people write where a secret will be.
const STAND_INS: [&str; 26] = [
    "your",
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "xxxx",
    "****",
    "....",
    "todo",
    "dummy",
    "sample",
    "fake",
    "redacted",
    "insert",
    "goes-here",
    "goes_here",
    "my-secret",
    "my_secret",
    "mysecret",
    "notreal",
    "not-real",
    "not_real",
    "deadbeef",
    "masked",
];

/// Runs that nobody's random generator gives.
const RUNS: [&str; 7] = ["12345678", "23456789", "87654321", "abcdefgh", "qwertyui", "01234567", "abcdef0123"];

/// Whether `value` stands in for a secret: `your-api-key`, `<token>`, `xxxx`, AWS's documented example key.
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = start(value, 600).to_ascii_lowercase();
    let mut kinds = [false; 256];
    value.bytes().for_each(|c| kinds[usize::from(c)] = true);
    let kinds = kinds.iter().filter(|seen| **seen).count();
    kinds <= 2
        || value.len() >= 12 && kinds <= 4
        || repeats(&value)
        || value.contains(['<', '>', '…'])
        || RUNS.iter().any(|run| value.contains(run))
        || stands_in(&value)
}

/// Whether `value` says in words that it stands in for something.
pub(super) fn stands_in(value: &str) -> bool {
    let value = start(value, 600).to_ascii_lowercase();
    STAND_INS.iter().any(|word| value.contains(word))
}

/// Whether `value` is a password that manuals and local databases use.
pub(super) fn is_default(value: &str) -> bool {
    const DEFAULTS: [&str; 18] = [
        "password",
        "passwd",
        "pass",
        "secret",
        "admin",
        "test",
        "testing",
        "user",
        "token",
        "postgres",
        "root",
        "guest",
        "mysql",
        "redis",
        "default",
        "none",
        "null",
        "undefined",
    ];
    DEFAULTS.iter().any(|default| value.eq_ignore_ascii_case(default)) || value.bytes().all(|c| c.is_ascii_digit())
}

/// Whether six equal characters follow each other.
fn repeats(value: &str) -> bool {
    let mut run = (0u8, 0);
    value.bytes().any(|c| {
        run = if c == run.0 { (c, run.1 + 1) } else { (c, 1) };
        run.1 >= 6
    })
}

/// Whether `value` names where a secret is kept instead of being one.
pub(super) fn is_reference(value: &str) -> bool {
    const SCHEMES: [&str; 17] = [
        "op:",
        "vault:",
        "env:",
        "arn:",
        "secret:",
        "secrets:",
        "secrets.",
        "ssm:",
        "file:",
        "keyvault:",
        "ref+",
        "gcp:",
        "projects/",
        "env.",
        "process.env",
        "os.environ",
        "keychain:",
    ];
    let value = start(value, 600);
    let lower = start(value, 16).to_ascii_lowercase();
    value.starts_with(['$', '%', '@', '#', '&', '*', '!'])
        || value.contains("{{")
        || value.contains("${")
        || value.contains("://")
        || SCHEMES.iter().any(|scheme| lower.starts_with(scheme))
}

/// Whether all of `value` is hexadecimal in one case, as git ids and digests are.
pub(super) fn is_hex(value: &str) -> bool {
    let all = |letter: fn(&u8) -> bool| value.bytes().all(|c| c.is_ascii_digit() || letter(&c));
    !value.is_empty() && (all(|c| matches!(c, b'a'..=b'f')) || all(|c| matches!(c, b'A'..=b'F')))
}

/// Whether `value` is a UUID.
pub(super) fn is_uuid(value: &str) -> bool {
    let value = value.trim_start_matches('{').trim_end_matches('}');
    let mut sizes = value.split('-').map(str::len);
    [8, 4, 4, 4, 12].into_iter().all(|size| sizes.next() == Some(size))
        && sizes.next().is_none()
        && value.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-')
}

/// Whether `value` looks drawn at random: long, mixed, and not made of words.
pub(super) fn is_random(value: &str) -> bool {
    let value = start(value, 600);
    if value.len() < 16 || !value.is_ascii() || is_uuid(value) {
        return false;
    }
    if is_hex(value) {
        return value.len() >= 32
            && has(value, |c| c.is_ascii_digit())
            && has(value, |c| c.is_ascii_alphabetic())
            && entropy(value) >= 3.0;
    }
    let digits = has(value, |c| c.is_ascii_digit());
    let both_cases = has(value, |c| c.is_ascii_lowercase()) && has(value, |c| c.is_ascii_uppercase());
    let letters = has(value, |c| c.is_ascii_alphabetic());
    letters && (digits || both_cases) && entropy(value) >= 3.2 && share_of_words(value) < 0.6
}

/// Whether `value` is a password that somebody chose with care: shorter than a token, of at least three kinds of
/// characters, and not made of words.
pub(super) fn is_strong_password(value: &str) -> bool {
    let kinds: [fn(&u8) -> bool; 4] =
        [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit, u8::is_ascii_punctuation];
    let kinds = kinds.iter().filter(|kind| value.bytes().any(|c| kind(&c))).count();
    (10..=200).contains(&value.len()) && kinds >= 3 && entropy(value) >= 2.8 && share_of_words(value) < 0.6
}

fn has(value: &str, kind: fn(u8) -> bool) -> bool {
    value.bytes().any(kind)
}

/// Bits of surprise per character.
fn entropy(value: &str) -> f64 {
    let mut counts = [0u32; 256];
    value.bytes().for_each(|c| counts[usize::from(c)] += 1);
    let length = value.len().max(1) as f64;
    let share = |count: &u32| f64::from(*count) / length;
    -counts.iter().filter(|count| **count > 0).map(share).map(|p| p * p.log2()).sum::<f64>()
}

/// How much of `value` is words, as in `getTokenFromVault`, `Dialog_Welcome_2` or `my-service-account-2024`.
fn share_of_words(value: &str) -> f64 {
    let bytes = value.as_bytes();
    let mut words = 0;
    let mut from = 0;
    for at in 1..=bytes.len() {
        let ends = at == bytes.len() || {
            let (before, here) = (bytes[at - 1], bytes[at]);
            before.is_ascii_alphabetic() != here.is_ascii_alphabetic()
                || before.is_ascii_lowercase() && here.is_ascii_uppercase()
        };
        if ends {
            words += if is_word(&bytes[from..at]) { at - from } else { 0 };
            from = at;
        }
    }
    let separators = bytes.iter().filter(|c| matches!(c, b'-' | b'_' | b'.' | b'/' | b':')).count();
    words as f64 / bytes.len().saturating_sub(separators).max(1) as f64
}

/// Whether letters look like a word: long enough, with a vowel, and no pile of consonants.
fn is_word(letters: &[u8]) -> bool {
    let vowel = |c: &u8| matches!(c.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let cased = letters[1..].iter().all(u8::is_ascii_lowercase) || letters.iter().all(u8::is_ascii_uppercase);
    letters.len() >= 3
        && letters.iter().all(u8::is_ascii_alphabetic)
        && cased
        && letters.iter().any(vowel)
        && !letters.split(vowel).any(|consonants| consonants.len() >= 5)
}

/// At most `size` bytes of `text`, whole characters.
fn start(text: &str, size: usize) -> &str {
    &text[..text.floor_char_boundary(size.min(text.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_told_from_values() {
        for value in [
            "your-api-key",
            "<token>",
            "xxxxxxxxxxxxxxxx",
            "changeme",
            "REPLACE_ME_WITH_KEY",
            "aaaaaaaaaaaaaaaaaaaa",
            "XXXX-XXXX",
            "sk-0000000000000000",
            "1234567890abcdef1234567890abcdef",
            "",
            "…",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        assert!(!is_placeholder(&["q7Rk2", "vLw9Zt4", "XbN8m"].concat()));
    }

    #[test]
    fn references_are_told_from_values() {
        for value in [
            "${API_KEY}",
            "{{secret}}",
            "$TOKEN",
            "op://vault/item",
            "vault:kv/a",
            "env:KEY",
            "arn:aws:x",
            "https://a.b",
        ] {
            assert!(is_reference(value), "{value}");
        }
        assert!(!is_reference("q7Rk2vLw"));
    }

    #[test]
    fn names_are_not_random_and_tokens_are() {
        for name in [
            "getAccessTokenFromVault",
            "my-service-account-2024",
            "customer_authentication_token_2",
            "copilots_header_cref7_LookupDataAgent",
            "3f1c9d2e-0b4a-4c5d-8e6f-7a8b9c0d1e2f",
            "short7Q",
            "ProductionDatabasePassword1",
        ] {
            assert!(!is_random(name), "{name}");
        }
        for value in [
            ["q7Rk2vLw", "9Zt4XbN8mPs3"].concat(),
            ["9f8c7b6a5d4e3f2a", "1b0c9d8e7f6a5b4c"].concat(),
            ["dHk2/9aQ+x", "Zp0Lm3Rt=="].concat(),
        ] {
            assert!(is_random(&value), "{value}");
        }
        assert!(is_strong_password(&["kT7#", "qz9!Lm"].concat()));
        assert!(!is_strong_password("Password1"));
    }
}
