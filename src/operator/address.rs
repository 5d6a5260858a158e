//! Addresses of targets: which host an URL calls, read once, so that everybody checks the same one.

use reqwest::Url;

/// A host that is called for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it is called over HTTP.
    pub web: bool,
    /// Whether the host proves its name by a certificate before anything is told to it.
    pub proven: bool,
}

/// The host that `url` calls, if its scheme is one of `schemes` (name and port). The error completes "`<url>` …" and
/// does not repeat the address, which may hold a password.
pub(super) fn called(url: &str, schemes: &[(&str, u16)]) -> Result<Called, String> {
    let parsed: Url = url.parse().map_err(|error| format!("is no address: {error}"))?;
    let Some((scheme, default)) = schemes.iter().find(|(scheme, _)| *scheme == parsed.scheme()) else {
        let known: Vec<_> = schemes.iter().map(|(scheme, _)| format!("{scheme}://")).collect();
        return Err(format!("does not begin with {}", known.join(" or ")));
    };
    if parsed.password().is_some() {
        return Err("holds a password".to_owned());
    }
    let host = parsed.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let host = plain(host);
    if host.is_empty() {
        return Err("names no host".to_owned());
    }
    // Git, curl and ssh read the address once more, each in its own way. What they could read otherwise is refused.
    if written_host(url).is_none_or(|written| plain(written) != host) {
        return Err(format!("names the host `{host}` in a spelling that others may read otherwise"));
    }
    Ok(Called {
        host,
        port: parsed.port().unwrap_or(*default),
        web: scheme.starts_with("http"),
        proven: matches!(*scheme, "https" | "tls"),
    })
}

/// The host in `url` as it is written; nothing unless it is plainly `scheme://[user@]host[:port]`.
fn written_host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = match authority.split_once('@') {
        Some((user, place)) => is_plain(user).then_some(place)?,
        None => authority,
    };
    if let Some(rest) = place.strip_prefix('[') {
        return rest.split_once(']').map(|(address, _)| address);
    }
    let host = place.split_once(':').map_or(place, |(host, _)| host);
    is_plain(host).then_some(host)
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'))
}

/// The host that git calls for `url`; nothing where it is a folder of this machine.
pub(super) fn git_called(url: &str) -> Result<Option<Called>, String> {
    if url.starts_with('/') || url.starts_with("file:///") {
        return Ok(None);
    }
    if url.contains("://") {
        return called(url, &[("https", 443), ("http", 80), ("ssh", 22), ("git", 9418)]).map(Some);
    }
    // `user@host:path`, as scp writes it.
    let place = url.split_once(':').filter(|(place, path)| !place.contains('/') && !path.starts_with(':'));
    let host = place.map(|(place, _)| place.rsplit_once('@').map_or(place, |(_, host)| host));
    match host {
        Some(host) if is_plain(host) && !host.starts_with('-') && !url.starts_with('-') => {
            Ok(Some(Called { host: plain(host), port: 22, web: false, proven: false }))
        }
        _ => Err("is neither an absolute path nor an address that git knows".to_owned()),
    }
}

/// In one spelling: lower case, without the dot of the root.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_in_every_form_that_git_takes() {
        let host = |url| git_called(url).map(|called| called.map(|called| (called.host, called.port)));
        let at = |host: &str, port| Ok(Some((host.to_owned(), port)));
        assert_eq!(host("https://Git.Example.com./live.git"), at("git.example.com", 443));
        assert_eq!(host("ssh://git@example.com:2222/live.git"), at("example.com", 2222));
        assert_eq!(host("git@example.com:live.git"), at("example.com", 22));
        assert_eq!(host("http://[::1]:8080/x"), at("::1", 8080));
        assert_eq!(host("/srv/live.git"), Ok(None));
        assert_eq!(host("file:///srv/live.git"), Ok(None));
        for url in [
            "",
            "live.git",
            "../live.git",
            "ext::sh -c id",
            "ext::x://y",
            "-oProxyCommand=id:x",
            "u@-oProxyCommand=id:x",
            "https://u:secret@example.com/x",
            "https:///example.com/x",
            "u@[::1]:x",
            "u@a b:x",
            "http://0x7f.1/x",
            "http://example.com\\@127.0.0.1/x",
            "http://a@b@example.com/x",
            "http://ex%61mple.com/x",
            "ssh://-oProxyCommand=id/x",
            "ftp://example.com/x",
            "file://host/x",
        ] {
            let refused = host(url).unwrap_err();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
