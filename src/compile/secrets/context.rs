//! Secrets that only their surroundings give away: what follows `Bearer`, what stands between two dashed lines, what
//! comes before the `@` of a URL.
//!
//! Each function gets the text and where the beginning stands, looks a bounded distance ahead, and gives the bytes
//! that must not be shown.

use std::ops::Range;

use super::Hit;
use super::plausible::{is_default, is_hex, is_placeholder, is_random, is_reference, stands_in};

/// How far apart an id and the secret that goes with it may stand.
const NEAR: usize = 240;

/// The longest private key that is looked at as a whole.
const LONGEST_KEY: usize = 16_384;

/// Whether the character before `at` makes what begins there a part of something longer.
pub(super) fn is_glued(bytes: &[u8], at: usize, alphabet: fn(u8) -> bool) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| bytes[before]) else { return false };
    // In JSON a line break before the token is written `\n`, and that `n` is no part of it.
    let escaped = matches!(before, b'n' | b'r' | b't') && at >= 2 && bytes[at - 2] == b'\\';
    !escaped && before != b'=' && (before.is_ascii_alphanumeric() || alphabet(before))
}

fn run(text: &str, from: usize, most: usize, alphabet: fn(u8) -> bool) -> Range<usize> {
    from..from + text.as_bytes()[from..].iter().take(most).take_while(|c| alphabet(**c)).count()
}

fn window(text: &str, from: usize, size: usize) -> &str {
    let end = text.floor_char_boundary((from + size).min(text.len()));
    text.get(from..end).unwrap_or_default()
}

/// A private key block with something in it; the header alone is how manuals speak of keys.
pub(super) fn private_key(text: &str, start: Range<usize>) -> Option<Range<usize>> {
    let label = window(text, start.end, 64);
    let label = &label[..label.find("-----")?];
    if !label.contains("PRIVATE KEY") || label.contains('\n') {
        return None;
    }
    let body_start = start.end + label.len() + 5;
    let body = window(text, body_start, LONGEST_KEY);
    let body = &body[..body.find("-----").unwrap_or(body.len())];
    let is_key = |line: &str| {
        let mut kinds = [false; 256];
        line.bytes().for_each(|c| kinds[usize::from(c)] = true);
        line.len() >= 40 && kinds.iter().filter(|seen| **seen).count() >= 16 && !stands_in(line)
    };
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    body.split(|c| !base64(c)).any(is_key).then(|| start.start..body_start + body.trim_end().len())
}

/// The 32 hexadecimal digits that stand near a Twilio account id.
pub(super) fn twilio_token(text: &str, start: Range<usize>) -> Option<Range<usize>> {
    let hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    let id = run(text, start.end, 33, hex);
    if is_glued(text.as_bytes(), start.start, hex) || id.len() != 32 {
        return None;
    }
    words(text, id.end, NEAR, |c| c.is_ascii_alphanumeric()).find(|span| {
        let value = &text[span.clone()];
        value.len() == 32 && is_hex(value) && is_random(value) && !is_placeholder(value)
    })
}

/// The secret that stands near an AWS access key id.
pub(super) fn aws_secret(text: &str, id: Range<usize>) -> Option<Hit> {
    let base64 = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/');
    words(text, text.floor_char_boundary(id.start.saturating_sub(NEAR)), 2 * NEAR + id.len(), base64)
        .find(|span| {
            let value = &text[span.clone()];
            value.len() == 40 && !is_hex(value) && is_random(value) && !is_placeholder(value)
        })
        .map(|span| Hit { span, what: "AWS secret access key" })
}

/// The runs of `alphabet` in the `size` bytes from `from`.
fn words(text: &str, from: usize, size: usize, alphabet: fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let window = window(text, from, size);
    let offset = move |part: &str| part.as_ptr() as usize - window.as_ptr() as usize + from;
    let foreign = move |c: char| u8::try_from(c).map_or(true, |c| !alphabet(c));
    window.split(foreign).map(move |part| offset(part)..offset(part) + part.len())
}

/// A SendGrid key: two runs of fixed length.
pub(super) fn sendgrid_key(text: &str, start: Range<usize>) -> Option<Range<usize>> {
    let span = run(text, start.end, 80, is_token);
    let (id, secret) = text[span.clone()].split_once('.')?;
    let fits = id.len() == 22 && secret.len() == 43 && !is_glued(text.as_bytes(), start.start, is_token);
    (fits && !is_placeholder(secret)).then_some(start.start..span.end)
}

/// The longest JSON web token that is looked at as a whole.
const LONGEST_TOKEN: usize = 8_192;

fn is_token(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')
}

/// A signed JSON web token; not the one of the format's own website.
pub(super) fn jwt(text: &str, start: Range<usize>) -> Option<Range<usize>> {
    if is_glued(text.as_bytes(), start.start, is_token) {
        return None;
    }
    let span = run(text, start.start, LONGEST_TOKEN, is_token);
    let token = &text[span.clone()];
    let parts: Vec<&str> = token.splitn(6, '.').collect();
    let long = parts.len() >= 3 && parts.iter().take(3).all(|part| part.len() >= 10);
    let documented = token.contains(".eyJzdWIiOiIxMjM0NTY3ODkw");
    (long && !documented && !token.contains("...") && !parts[2..].iter().any(|part| stands_in(part))).then_some(span)
}

/// What follows `Bearer`.
pub(super) fn bearer(text: &str, start: Range<usize>) -> Option<Range<usize>> {
    let span = run(text, start.end, LONGEST_TOKEN, |c| is_token(c) || matches!(c, b'~' | b'+' | b'/' | b'='));
    let value = &text[span.clone()];
    (!is_placeholder(value) && is_random(value)).then_some(span)
}

/// What follows `Basic`, where it is base64 of a name and a password.
pub(super) fn basic(text: &str, start: Range<usize>) -> Option<Range<usize>> {
    let span = run(text, start.end, 512, |c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'='));
    let plain = decode(&text[span.clone()])?;
    let (user, password) = plain.split_once(':')?;
    is_password(user, password).then_some(span)
}

/// The password in `scheme://user:password@host`.
pub(super) fn url_password(text: &str, start: Range<usize>) -> Option<Range<usize>> {
    let before = start.start.checked_sub(1)?;
    let authority = window(text, start.end, 256);
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>' | '`' | '?' | '#' | '\\' | ',');
    let authority = &authority[..authority.find(ends).unwrap_or(authority.len())];
    let (userinfo, host) = authority.rsplit_once('@')?;
    let (user, password) = userinfo.split_once(':')?;
    let local = ["localhost", "127.", "example.", "host"].iter().any(|local| host.starts_with(local));
    let live = text.as_bytes()[before].is_ascii_alphanumeric()
        && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && !local
        && !host.contains("example")
        && is_password(user, password);
    let from = start.end + user.len() + 1;
    live.then_some(from..from + password.len())
}

fn is_password(user: &str, password: &str) -> bool {
    password.len() >= 4
        && password != user
        && !is_default(password)
        && !is_placeholder(password)
        && !is_reference(password)
        && !password.contains(['{', '}', '(', ')', '[', ']'])
}

/// What `text` is the base64 of, where that is printable ASCII.
fn decode(text: &str) -> Option<String> {
    let mut plain = String::new();
    let (mut bits, mut held) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            let byte = u8::try_from(bits >> held & 0xff).ok().filter(|c| c.is_ascii_graphic())?;
            plain.push(char::from(byte));
        }
    }
    Some(plain)
}
