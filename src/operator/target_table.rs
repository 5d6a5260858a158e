//! `[targets.<name>]` of the operator's file: every mistake in it is told when the file is read, not at the first
//! delivery.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::file::{ReadSecret, secret};
use super::{Called, Destination, Mistake, SecretSource, Settings, SigningSecrets, Target};
use crate::domain::EnvironmentName;

/// All keys of all kinds, so that one that belongs to another kind is named as such.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetTable {
    kind: TargetKind,
    #[serde(default)]
    environments: Vec<EnvironmentName>,
    path: Option<PathBuf>,
    url: Option<String>,
    branch_prefix: Option<String>,
    bucket_prefix: Option<String>,
    secret: Option<SecretSource>,
    credentials: Option<SecretSource>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TargetKind {
    Directory,
    Git,
    Webhook,
    Nats,
}

pub(super) fn target(name: String, table: TargetTable, read: &ReadSecret<'_>) -> Result<Target, Mistake> {
    let at = format!("targets.{name}");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
        return Err(Mistake::new(format!("`{name}` is not the name of a target"))
            .hint("use up to 40 letters, digits, `-` and `_`"));
    }
    let missing = |key: &str, example: &str| {
        Mistake::new(format!("`{at}` has no `{key}`")).hint(format!("add a line: {key} = {example}"))
    };
    let prefix = |given: Option<String>, default: &str| {
        let prefix = given.unwrap_or_else(|| default.to_owned());
        let fits =
            prefix.len() <= 40 && prefix.chars().all(|c| plain(c) || c == '/') && !prefix.starts_with(['/', '-']);
        if fits && !prefix.contains("//") {
            Ok(prefix)
        } else {
            Err(Mistake::new(format!("`{at}`: `{prefix}` is not a prefix of names")))
        }
    };
    let TargetTable { kind, environments, path, url, branch_prefix, bucket_prefix, secret: signing, credentials } =
        table;
    let foreign: &[(&str, bool, &[TargetKind])] = &[
        ("path", path.is_some(), &[TargetKind::Directory]),
        ("url", url.is_some(), &[TargetKind::Git, TargetKind::Webhook, TargetKind::Nats]),
        ("branch_prefix", branch_prefix.is_some(), &[TargetKind::Git]),
        ("bucket_prefix", bucket_prefix.is_some(), &[TargetKind::Nats]),
        ("secret", signing.is_some(), &[TargetKind::Webhook]),
        ("credentials", credentials.is_some(), &[TargetKind::Nats]),
    ];
    if let Some((key, ..)) = foreign.iter().find(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
        return Err(Mistake::new(format!(
            "`{at}` is a {} target, which has no `{key}`",
            format!("{kind:?}").to_lowercase()
        ))
        .hint("leave the line out, or change `kind`"));
    }
    let url = |example: &str| url.clone().ok_or_else(|| missing("url", example));
    let destination = match kind {
        TargetKind::Directory => {
            let path = path.ok_or_else(|| missing("path", "\"/srv/agents\""))?;
            if !path.is_absolute() {
                return Err(Mistake::new(format!("`{at}.path` is not an absolute path")).hint("begin it with `/`"));
            }
            Destination::Directory { path }
        }
        TargetKind::Git => Destination::Git {
            url: url("\"ssh://git@example.com/live.git\"")?,
            branch_prefix: prefix(branch_prefix, "live/")?,
        },
        TargetKind::Webhook => {
            let url = url("\"https://example.com/hook\"")?;
            let source = signing.ok_or_else(|| missing("secret", "{ env = \"HOOK_SECRET\" }"))?;
            let key = format!("{at}.secret");
            let secret = SigningSecrets::parse(secret(&key, &source, read)?.reveal()).ok_or_else(|| {
                Mistake::new(format!("{key}: the {source} is not `whsec_` and 24 to 64 bytes in base64"))
                    .hint("make one with: echo whsec_$(openssl rand -base64 32)")
            })?;
            Destination::Webhook { url, secret }
        }
        TargetKind::Nats => Destination::Nats {
            url: url("\"nats://127.0.0.1:4222\"")?,
            bucket_prefix: prefix(bucket_prefix, "pointsman-").and_then(|prefix| {
                let wrong = || Mistake::new(format!("`{at}.bucket_prefix` holds a `/`, which no bucket's name may"));
                if prefix.contains('/') { Err(wrong().hint("use `-` or `_`")) } else { Ok(prefix) }
            })?,
            credentials: credentials.map(|source| secret(&format!("{at}.credentials"), &source, read)).transpose()?,
        },
    };
    Ok(Target { name, environments, destination })
}

/// The same rule for all: also what the operator's own file names must be allowed to be called, so that one list says
/// where the machine connects to. What a name leads to is checked again whenever it was resolved.
pub(super) fn may_be_called(settings: &Settings) -> Result<(), Mistake> {
    for Target { name, destination, .. } in &settings.targets {
        let called = destination.called().map_err(|error| {
            let mistake = Mistake::new(format!("`targets.{name}.url` {error}"));
            if error == "holds a password" {
                let hint = match destination {
                    Destination::Nats { .. } => "name the secret in a line `credentials = { env = … }`",
                    _ => "leave it to git's credential helpers: git help credentials",
                };
                return mistake.hint(hint);
            }
            mistake
        })?;
        for Called { host, .. } in called {
            if !settings.outgoing.allows_host(&host) {
                return Err(Mistake::new(format!("`targets.{name}.url` names `{host}`, which may not be called"))
                    .hint(format!("add \"{host}\" to `outgoing.allow`")));
            }
        }
    }
    Ok(())
}

/// Two targets in one place would correct each other for ever.
pub(super) fn one_writer_each(settings: &Settings) -> Result<(), Mistake> {
    let mut places = BTreeSet::new();
    for Target { name, destination, .. } in &settings.targets {
        let place = match destination {
            Destination::Directory { path } => format!("the folder `{}`", path.components().as_path().display()),
            Destination::Git { url, branch_prefix } => format!("the branches `{branch_prefix}*` of `{url}`"),
            Destination::Nats { url, bucket_prefix, .. } => format!("the buckets `{bucket_prefix}*` of `{url}`"),
            Destination::Webhook { .. } => continue,
        };
        if !places.insert(place.clone()) {
            return Err(Mistake::new(format!("`targets.{name}` writes to {place}, as another target does"))
                .hint("give each target a place of its own"));
        }
    }
    Ok(())
}
