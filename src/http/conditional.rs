//! `If-None-Match`, as RFC 9110 section 13.1.2 has it: a list of entity tags, weak ones too, or `*`.

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};

/// Whether the caller already has what `etag` names.
pub(super) fn has_it(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|given| given == etag || lists(given.as_bytes(), etag.as_bytes()))
}

/// Whether one of the tags in `list` is `etag`; the comparison is weak. What is no list of tags matches nothing.
fn lists(list: &[u8], etag: &[u8]) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        let tag = rest.strip_prefix(b"W/").unwrap_or(rest);
        let Some(after) = tag.strip_prefix(b"\"") else { return false };
        // A comma may stand inside the quotes, so the list is read tag by tag and not split.
        let Some(end) = after.iter().position(|&c| c == b'"') else { return false };
        if &tag[..end + 2] == etag {
            return true;
        }
        rest = match after[end + 1..].trim_ascii_start().strip_prefix(b",") {
            Some(more) => more,
            None => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_weak_tags_and_the_star_match() {
        let held = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(line));
            });
            has_it(&headers, &HeaderValue::from_static("\"sha256:ab\""))
        };
        assert!(held(&["\"sha256:ab\""]));
        assert!(held(&["W/\"sha256:ab\""]));
        assert!(held(&["*"]));
        assert!(held(&[" \"x,y\" , W/\"z\",\"sha256:ab\""]));
        assert!(held(&["\"x\"", "\"sha256:ab\""]));
        for none in ["", "\"sha256:abc\"", "sha256:ab", "\"sha256:ab", "\"x\" \"sha256:ab\"", "w/\"sha256:ab\"", ","] {
            let mut headers = HeaderMap::new();
            headers.append(IF_NONE_MATCH, HeaderValue::from_str(none).unwrap());
            assert!(!has_it(&headers, &HeaderValue::from_static("\"sha256:ab\"")), "{none}");
        }
        assert!(!held(&[]));
    }
}
