//! Hosts and addresses in texts, fit to be shown.

use std::sync::LazyLock;

use regex::Regex;

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(?:https?|wss?)://[^\s"'<>`\\]{1,2000}"#).expect("the pattern is a constant and is valid")
});

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\+[1-9][0-9](?:[ .()\-]{0,2}[0-9]){5,14}|\bsips?:[^\s<>,;@]{1,64}@[A-Za-z0-9.\-]{1,253})")
        .expect("the pattern is a constant and is valid")
});

/// The host of an address, in lower case and with its port. A placeholder stays as it is written.
pub(super) fn host(url: &str) -> Option<String> {
    let url = url.trim();
    let authority = match url.split_once("://") {
        Some((_, rest)) => rest,
        None if url.starts_with(['$', '{']) => url,
        None => return None,
    };
    let end = authority.find(['/', '?', '#', '\\']).unwrap_or(authority.len());
    let (authority, _) = authority.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| if host.contains('{') { host.to_owned() } else { host.to_lowercase() })
}

/// The address without what may be a secret: user names, passwords and the values of its query.
pub(super) fn shown(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let mut shown = match address.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => address.to_owned(),
    };
    for (at, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((key, value)) if value.starts_with(['$', '{']) => shown.push_str(&format!("{key}={value}")),
            Some((key, _)) => shown.push_str(&format!("{key}=…")),
            None => shown.push('…'),
        }
    }
    shown
}

/// The fields that an address names in braces, as in `/bookings/{booking_id}`; `${secret}` is not one.
pub(super) fn placeholders(url: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut parts = url.split('{');
    let mut ahead = parts.next().unwrap_or_default();
    for part in parts {
        if let Some((name, _)) = part.split_once('}') {
            let field = name.trim();
            let plain =
                !field.is_empty() && field.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter));
            if plain && !ahead.ends_with('$') && !found.iter().any(|known| known == field) {
                found.push(field.to_owned());
            }
        }
        ahead = part;
    }
    found
}

/// The hosts that a text names.
pub(super) fn hosts_in(text: &str) -> impl Iterator<Item = String> {
    ADDRESS
        .find_iter(text)
        .filter_map(|found| host(found.as_str().trim_end_matches(['.', ',', ')', ';', ':', ']', '!'])))
}

/// The phone numbers and SIP addresses that a text names.
pub(super) fn numbers_in(text: &str) -> impl Iterator<Item = &str> {
    NUMBER.find_iter(text).map(|found| found.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_addresses() {
        for (url, expected) in [
            ("https://API.example.com/x?y", Some("api.example.com")),
            ("https://user:pw@h.example:8443#f", Some("h.example:8443")),
            ("https://${Host}/x", Some("${Host}")),
            ("${BASE}/x", Some("${BASE}")),
            ("/relative", None),
            ("https:///", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        assert_eq!(shown("https://u:pw@h/x?key=abc&to={id}&raw"), "https://h/x?key=…&to={id}&…");
    }

    #[test]
    fn fields_in_an_address_leave_too() {
        assert_eq!(placeholders("https://h/{booking_id}/{{name}}/${token}/{booking_id}"), ["booking_id", "name"]);
        assert!(placeholders("{{{").is_empty());
    }

    #[test]
    fn hosts_and_numbers_in_a_prompt() {
        let text = "See (https://help.example.com/a). Call +44 20 7123 4567 or sip:desk@pbx.example, not 12345.";
        assert_eq!(hosts_in(text).collect::<Vec<_>>(), ["help.example.com"]);
        assert_eq!(numbers_in(text).collect::<Vec<_>>(), ["+44 20 7123 4567", "sip:desk@pbx.example"]);
    }
}
