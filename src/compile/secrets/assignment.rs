//! Values that stand at a key such as `api_key`, in any of the ways files write that down.
//!
//! `api_key: v`, `"apiKey": "v"`, `API_KEY=v`, `\"token\": \"v\"` inside a string, and the pair of lines
//! `key: X-Api-Key` and `value: v` all count. One pass finds the words; a short look to the right finds the value.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::{Regex, RegexBuilder};

use super::Hit;
use super::plausible::{is_default, is_hex, is_placeholder, is_random, is_reference, is_strong_password, is_uuid};

/// Words that a key ends in when it holds a secret; `-` stands for what may separate their parts. Where one begins
/// another, the longer one comes first.
const WORDS: [&str; 21] = [
    "api-key",
    "access-key",
    "account-key",
    "private-key",
    "signing-key",
    "encryption-key",
    "auth-key",
    "service-key",
    "subscription-key",
    "license-key",
    "master-key",
    "shared-key",
    "secret-key",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "credentials",
    "credential",
];

/// The same with what only API keys are written with: `API Key`, `api.key`.
const MORE: [&str; 2] = ["api key", "api.key"];

static FIND_WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let joined = WORDS.iter().map(|word| word.replace('-', ""));
    let separated =
        WORDS.iter().filter(|word| word.contains('-')).flat_map(|word| [(*word).to_owned(), word.replace('-', "_")]);
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(separated.chain(joined).chain(MORE.map(str::to_owned)))
        .expect("a short list of words fits into an automaton")
});

/// From the end of the word to the start of the value: an ending, a quote, at times the key of the value, a separator.
static BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
    let quote = r#"\\{0,3}["'`]?"#;
    let ending = "(?:[_-]?(?:value|live|prod|production|staging|sandbox|development|dev|[0-9]{1,2}))?";
    let separator = r"[ \t]{0,8}(?:=>|:=|[:=>])[ \t]{0,8}";
    let paired = format!(r"(?:[ \t]{{0,8}},?(?:\\[rn]|[ \t\r\n]){{0,40}}{quote}value{quote})?");
    RegexBuilder::new(&format!("^{ending}{quote}{paired}{separator}(?P<open>{quote})"))
        .case_insensitive(true)
        .unicode(false)
        .size_limit(1 << 20)
        .build()
        .expect("the pattern is bounded in every part")
});

/// How much text is looked at between the word and the value.
const GAP: usize = 160;

/// The longest value that is looked at.
const LONGEST: usize = 600;

/// Parts of keys (without separators) that hold something public although they end in one of the words.
const PUBLIC: [&str; 15] = [
    "public",
    "publish",
    "pagetoken",
    "nexttoken",
    "synctoken",
    "cursortoken",
    "continuation",
    "csrf",
    "checksum",
    "commit",
    "etag",
    "stoptoken",
    "padtoken",
    "eostoken",
    "bostoken",
];

pub(super) fn get_ready() {
    LazyLock::force(&FIND_WORDS);
}

/// Every value in `text` that stands at a secret's key and looks live.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    hits.extend(FIND_WORDS.find_iter(text).filter_map(|word| read(text, word.range())));
}

fn read(text: &str, word: Range<usize>) -> Option<Hit> {
    let gap = &text[word.end..text.floor_char_boundary((word.end + GAP).min(text.len()))];
    let between = BETWEEN.captures(gap)?;
    let open = between.name("open")?.as_str();
    let from = word.end + between.get(0)?.end();
    let key = key_around(text, word.clone());
    if PUBLIC.iter().any(|public| key.contains(public)) {
        return None;
    }
    let span = value(text, from, open)?;
    let value = &text[span.clone()];
    let is_password = ["password", "passwd", "passphrase", "pwd"].iter().any(|word| key.contains(word));
    let live = is_random(value) || is_password && is_strong_password(value);
    let exempt = is_placeholder(value)
        || is_reference(value)
        || is_default(value)
        || is_uuid(value)
        // A bare `token` may be a git id; an `api_key` is not.
        || key == "token" && is_hex(value) && matches!(value.len(), 40 | 64);
    (live && !exempt).then_some(Hit { span, what: if is_password { "password" } else { "secret value" } })
}

/// The key that `word` ends, in lower case and without separators.
fn key_around(text: &str, word: Range<usize>) -> String {
    let part = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    let before = text.as_bytes()[..word.start].iter().rev().take(48).take_while(|c| part(c)).count();
    text[word.start - before..word.end].replace(['_', '-', '.', ' '], "").to_ascii_lowercase()
}

/// The value from `from` on: to the closing quote, or where an unquoted word ends. Prose and code are no values.
fn value(text: &str, from: usize, open: &str) -> Option<Range<usize>> {
    let end = text.floor_char_boundary((from + LONGEST).min(text.len()));
    let rest = &text[from..end];
    let quote = open.chars().last().filter(|c| matches!(c, '"' | '\'' | '`'));
    let ends = |c: char| match quote {
        Some(quote) => c == quote || matches!(c, '\\' | '\n' | '\r'),
        None => {
            c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\\' | ',' | ';' | '<' | '>' | '(' | ')' | '[' | ']')
        }
    };
    let length = rest.find(ends).unwrap_or(rest.len());
    let value = &rest[..length];
    let after = rest[length..].chars().next();
    let is_code = quote.is_none() && matches!(after, Some('(' | '['));
    let is_prose = value.contains(char::is_whitespace);
    (!value.is_empty() && !is_code && !is_prose).then_some(from..from + length)
}
