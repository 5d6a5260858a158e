//! The shape of the file as people write it, and its conversion into [`Settings`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::model::{ModelTable, model};
use super::target_table::{TargetTable, may_be_called, one_writer_each, target};
use super::telemetry::{TelemetryTable, telemetry};
use super::{Hooks, Mistake, Outgoing, Secret, SecretSource, Settings, Tls};
use crate::domain::toml_error::TomlMistake;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    tls: Option<TlsTable>,
    state: Option<PathBuf>,
    remote: Option<String>,
    resync: Option<String>,
    tag_audit: Option<String>,
    log: Log,
    telemetry: Option<TelemetryTable>,
    read_tokens: BTreeMap<String, SecretSource>,
    atoms: AtomsTable,
    hooks: HookTables,
    outgoing: OutgoingTable,
    targets: BTreeMap<String, TargetTable>,
    models: BTreeMap<String, ModelTable>,
    sandbox: SandboxTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SandboxTable {
    keep_days: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Log {
    format: LogFormat,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AtomsTable {
    v1: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HookTables {
    github: Option<HookTable>,
    gitlab: Option<HookTable>,
    gitea: Option<HookTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HookTable {
    secret: SecretSource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OutgoingTable {
    allow: Vec<String>,
}

pub(super) type ReadSecret<'f> = dyn Fn(&SecretSource) -> std::io::Result<String> + 'f;

pub(super) fn parse(text: &str, read: &ReadSecret<'_>) -> Result<Settings, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| mistake(text, &error))?;
    let defaults = Settings::default();
    let tokens = file.read_tokens.into_iter().map(|(name, source)| {
        let token = secret(&format!("read_tokens.{name}"), &source, read)?;
        if token.reveal().len() < 16 {
            return Err(Mistake::new(format!("the read token `{name}` is shorter than 16 characters"))
                .hint("openssl rand -hex 32 makes a good one"));
        }
        Ok((name, token))
    });
    let hook = |name: &str, table: Option<HookTable>| {
        table.map(|table| secret(&format!("hooks.{name}.secret"), &table.secret, read)).transpose()
    };
    let allow = file.outgoing.allow.iter().map(|entry| entry.parse());
    let outgoing = Outgoing {
        allow: allow
            .collect::<Result<_, _>>()
            .map_err(|error: super::outgoing::InvalidHost| Mistake::new(format!("outgoing.allow: {error}")))?,
    };
    let models = file.models.into_iter().map(|(name, table)| {
        let model = model(&name, table, &outgoing, read)?;
        Ok((name, model))
    });
    let models = models.collect::<Result<_, _>>()?;
    let keep_days = file.sandbox.keep_days.unwrap_or(defaults.keep_days);
    if !(1..=36_500).contains(&keep_days) {
        return Err(Mistake::new("`sandbox.keep_days` is not a number from 1 to 36500").hint("keep_days = 30"));
    }
    let traces = |table| telemetry(table, &outgoing, cfg!(feature = "opentelemetry"));
    let settings = Settings {
        listen: file.listen.unwrap_or(defaults.listen),
        tls: file.tls.map(|TlsTable { cert, key }| Tls { cert, key }),
        state: file.state,
        remote: file.remote,
        resync: length("resync", file.resync, defaults.resync)?,
        tag_audit: length("tag_audit", file.tag_audit, defaults.tag_audit)?,
        json_logs: file.log.format == LogFormat::Json,
        telemetry: file.telemetry.map(traces).transpose()?,
        read_tokens: tokens.collect::<Result<_, _>>()?,
        atoms_v1: file.atoms.v1.unwrap_or(defaults.atoms_v1),
        hooks: Hooks {
            github: hook("github", file.hooks.github)?,
            gitlab: hook("gitlab", file.hooks.gitlab)?,
            gitea: hook("gitea", file.hooks.gitea)?,
        },
        outgoing,
        models,
        keep_days,
        targets: file.targets.into_iter().map(|(name, table)| target(name, table, read)).collect::<Result<_, _>>()?,
    };
    one_writer_each(&settings)?;
    may_be_called(&settings)?;
    Ok(settings)
}

fn mistake(text: &str, error: &toml::de::Error) -> Mistake {
    let TomlMistake { message, span, hint } = error.into();
    let place = span.map(|span| {
        let before = &text[..text.floor_char_boundary(span.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("line {line}, column {column}: ")
    });
    Mistake { message: format!("{}{}", place.unwrap_or_default(), message.replace('\n', ", ")), hint }
}

pub(super) fn secret(key: &str, source: &SecretSource, read: &ReadSecret<'_>) -> Result<Secret, Mistake> {
    let text = read(source).map_err(|error| Mistake::new(format!("{key}: {source}: {error}")))?;
    if text.trim().is_empty() {
        return Err(Mistake::new(format!("{key}: the {source} is empty")));
    }
    Ok(Secret::new(text))
}

/// A length of time such as `30s`; at least a second, at most a day.
pub(super) fn length(key: &str, given: Option<String>, default: Duration) -> Result<Duration, Mistake> {
    let Some(text) = given else { return Ok(default) };
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    let in_range = |length: &Duration| (1..=24 * 60 * 60).contains(&length.as_secs());
    parsed.filter(in_range).ok_or_else(|| {
        Mistake::new(format!("`{key} = \"{text}\"` is not a length of time between 1s and 24h"))
            .hint("write it as `30s` or `5m`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &SecretSource) -> std::io::Result<String> {
        match source {
            SecretSource::Env(name) if name == "GOOD" => Ok("0123456789abcdef0123456789abcdef".to_owned()),
            _ => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "not set")),
        }
    }

    fn refused(text: &str) -> Mistake {
        parse(text, &read).unwrap_err()
    }

    #[test]
    fn a_full_file_is_read() {
        let settings = parse(
            r#"
            listen = "0.0.0.0:8080"
            resync = "2m"
            read_tokens.voice = { env = "GOOD" }
            hooks.github.secret = { env = "GOOD" }
            outgoing.allow = ["hooks.example.com", "127.0.0.1"]
            [targets.edge]
            kind = "directory"
            path = "/srv/agents"
            environments = ["live"]
            [targets.bus]
            kind = "nats"
            url = "nats://127.0.0.1:4222"
            "#,
            &read,
        )
        .unwrap();
        assert_eq!(settings.resync, Duration::from_secs(120));
        assert_eq!(settings.targets.len(), 2);
        assert!(settings.hooks.github.is_some() && settings.hooks.gitea.is_none());
        assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let mistake = refused("\nlissten = \"0.0.0.0:1\"");
        assert_eq!(mistake.message, "line 2, column 1: unknown key `lissten`");
        assert_eq!(mistake.hint.as_deref(), Some("did you mean `listen`?"));
        assert!(refused("hooks.github.secret = { env = \"NONE\" }").message.contains("environment variable `NONE`"));
        assert!(refused("resync = \"0s\"").message.contains("between 1s and 24h"));
        assert!(refused("[targets.a]\nkind=\"directory\"").message.contains("has no `path`"));
        assert!(refused("[targets.a]\nkind=\"nats\"\nurl=\"x\"\npath=\"/x\"").message.contains("nats target"));
        let twice = "[targets.a]\nkind=\"directory\"\npath=\"/x\"\n[targets.b]\nkind=\"directory\"\npath=\"/x\"";
        assert!(refused(twice).message.contains("as another target does"));
        let slashed = "[targets.a]\nkind=\"nats\"\nurl=\"nats://a.example\"\nbucket_prefix=\"a/\"";
        assert!(refused(slashed).message.contains("no bucket's name"));
        let weak = "[targets.a]\nkind=\"webhook\"\nurl=\"https://a.example\"\nsecret={env=\"GOOD\"}";
        assert!(refused(weak).message.contains("whsec_"));
    }

    #[test]
    fn what_may_not_be_called_is_told_with_the_line_to_add_and_no_password_is_printed() {
        let git = |url: &str| refused(&format!("[targets.a]\nkind=\"git\"\nurl=\"{url}\""));
        let mistake = git("http://127.0.0.1:3000/live.git");
        assert_eq!(mistake.message, "`targets.a.url` names `127.0.0.1`, which may not be called");
        assert_eq!(mistake.hint.as_deref(), Some("add \"127.0.0.1\" to `outgoing.allow`"));
        let mistake = git("https://ada:canary@git.example.com/live.git");
        assert_eq!(mistake.message, "`targets.a.url` holds a password");
        assert!(!format!("{mistake:?}").contains("canary"));
        assert!(git("ext::sh -c id").message.contains("neither an absolute path"));
        let listed = "outgoing.allow=[\"hooks.example.com\"]\n[targets.a]\nkind=\"git\"\nurl=\"git@git.example.com:x\"";
        assert!(refused(listed).message.contains("`git.example.com`"));
    }
}
