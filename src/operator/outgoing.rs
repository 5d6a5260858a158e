//! Which hosts may be called. An address in a config or an answer comes from strangers: without a list, nothing is
//! called but what the operator's own file names, and that only at public addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// One entry of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// A host by name, and nothing below it.
    Name(String),
    /// All hosts below a domain: written `*.example.com`.
    Below(String),
    /// Addresses: written `10.1.0.0/16` or `127.0.0.1`.
    Net(IpNet),
}

/// A text that is no entry of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host: write `hooks.example.com`, `*.example.com` or `10.1.0.0/16`")]
pub struct InvalidHost(pub String);

impl FromStr for AllowedHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(AllowedHost::Net(net));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(AllowedHost::Net(address.into()));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let label = |label: &str| {
            (1..=63).contains(&label.len()) && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(InvalidHost(text.to_owned()));
        }
        let name = name.to_ascii_lowercase();
        Ok(if below { AllowedHost::Below(name) } else { AllowedHost::Name(name) })
    }
}

/// The allow-list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Its entries. Without any, every host at a public address may be called.
    pub allow: Vec<AllowedHost>,
}

impl Outgoing {
    /// Whether `host`, a name or an address as an URL has it, may be asked for at all.
    pub fn allows_host(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.allows_address(address, false);
        }
        self.allow.is_empty()
            || self.names(&host)
            || self.allow.iter().any(|entry| matches!(entry, AllowedHost::Net(_)))
    }

    /// Whether `host` is on the list by its name.
    pub fn names(&self, host: &str) -> bool {
        self.allow.iter().any(|entry| match entry {
            AllowedHost::Name(name) => name == host,
            AllowedHost::Below(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
            AllowedHost::Net(_) => false,
        })
    }

    /// Whether `address`, which a name was resolved to, may be called. `named` says that the name is on the list: that
    /// does not open private addresses, which only a network on the list does.
    pub fn allows_address(&self, address: IpAddr, named: bool) -> bool {
        // An IPv4 address in IPv6 clothes is that IPv4 address.
        let address = address.to_canonical();
        let listed = self.allow.iter().any(|entry| match entry {
            AllowedHost::Net(net) => net.contains(&address),
            _ => false,
        });
        listed || ((named || self.allow.is_empty()) && is_public(address))
    }
}

/// Whether `address` is one of the public internet: not this machine's, not a private or link-local network's, no
/// multicast, no documentation or benchmark range (IANA special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            // Only 2000::/3 is handed out; of it, documentation, Teredo, ORCHID and 6to4 are no plain hosts.
            (segments[0] & 0xe000) == 0x2000
                && !(segments[0] == 0x2001 && segments[1] < 0x200)
                && !(segments[0] == 0x2001 && segments[1] == 0xdb8)
                && segments[0] != 0x2002
                && segments[0] != 0x3fff
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Outgoing {
        Outgoing { allow: entries.iter().map(|entry| entry.parse().unwrap()).collect() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn without_a_list_only_public_addresses_are_called() {
        let open = list(&[]);
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!open.allows_address(ip(private), false), "{private}");
        }
        assert!(open.allows_address(ip("93.184.215.14"), false));
        assert!(open.allows_address(ip("2606:2800:21f::1"), false));
    }

    #[test]
    fn a_name_on_the_list_opens_no_private_address_and_a_network_does() {
        let named = list(&["hooks.example.com", "*.corp.example"]);
        assert!(named.allows_host("Hooks.Example.com") && named.allows_host("a.b.corp.example"));
        assert!(!named.allows_host("example.com") && !named.allows_host("evilcorp.example"));
        assert!(!named.allows_host("corp.example"));
        assert!(named.allows_address(ip("93.184.215.14"), true));
        assert!(!named.allows_address(ip("93.184.215.14"), false));
        assert!(!named.allows_address(ip("10.1.2.3"), true));
        let net = list(&["10.1.0.0/16"]);
        assert!(net.allows_address(ip("10.1.2.3"), false) && net.allows_host("10.1.2.3"));
        assert!(!net.allows_address(ip("10.2.2.3"), false) && !net.allows_address(ip("93.184.215.14"), false));
        assert!(net.allows_host("name.resolved.later"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "http://a", "a/b", "a b", "*", "*.", "a..b", "1.2.3.4/99"] {
            assert!(text.parse::<AllowedHost>().is_err(), "{text}");
        }
    }
}
