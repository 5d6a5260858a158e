//! The shape of the file as people write it, and its conversion into the types that the planner reads.
//!
//! Keys of gates that are not built yet are refused by name: a gate that is silently ignored is worse than none.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::freeze::FreezeEntry;
use super::routes::NumberEntry;
use super::{AgentListing, Environment, Gates, Policy, PublishOn};
use crate::compile::{Kind, Place};
use crate::domain::nearest::nearest;
use crate::domain::toml_error::TomlMistake;
use crate::domain::{AgentId, EnvironmentName, VersionNumber};

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    /// One sentence.
    pub message: String,
    /// Where, if it is about one place of the file.
    pub place: Option<Place>,
    /// What to change.
    pub hint: Option<String>,
}

impl PolicyError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        PolicyError { message: message.into(), place: None, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// pointsman.toml: where agents are, which environments there are, and what may enter them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "pointsman.toml")]
struct PolicyFile {
    /// When versions are cut.
    publish: PublishTable,
    /// What environment branches start with, with the slash; `env/` unless that is taken by branches of your own.
    branch_prefix: Option<String>,
    /// The environments in the order of promotion. Without any: sandbox, pre-release, live.
    environments: Vec<EnvironmentTable>,
    /// Agent folders without a manifest of their own, by agent id.
    agents: BTreeMap<String, AgentTable>,
    /// Signatures on versions.
    signing: SigningTable,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct PublishTable {
    /// `tag` (a version is cut by a tag alone) or `merge` (also when the default branch moves).
    on: PublishWord,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum PublishWord {
    #[default]
    Tag,
    Merge,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum DeployWord {
    Latest,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SigningTable {
    /// Whether versions must be signed (not supported yet: leave it false).
    require: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AgentTable {
    /// The agent's folder, relative to the root of the repository; `.` for the root itself.
    path: String,
    /// How the folder is read: `native`, `polyai`, or any word of your own for a folder that is frozen as it is.
    #[serde(default)]
    kind: Option<String>,
    /// Globs of files outside the folder that belong to each version, such as `prompts/shared/**`.
    #[serde(default)]
    include: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EnvironmentTable {
    /// Its name: lower-case letters, digits, `-` and `_`.
    name: String,
    /// `latest`: every accepted version goes here by itself.
    #[serde(default)]
    deploy: Option<DeployWord>,
    /// Only versions that are or were in this environment may enter.
    #[serde(default)]
    from: Option<String>,
    /// Whether this is the environment that is called published or active elsewhere; the last one by default.
    #[serde(default)]
    published: bool,
    /// A promotion must say that it means it (`--confirm`).
    #[serde(default)]
    confirm: bool,
    /// Conditions that a version must meet before it may enter.
    #[serde(default)]
    gates: GatesTable,
    /// Times in which nothing enters; rollbacks are never stopped.
    #[serde(default)]
    freeze: Vec<FreezeEntry>,
    /// Versions fixed by pull request: agent id to number.
    #[serde(default)]
    pins: BTreeMap<String, u32>,
    /// Phone numbers and SIP headers that reach its agents.
    #[serde(default)]
    numbers: Vec<NumberEntry>,
    /// The name it had before; its history carries on.
    #[serde(default)]
    renamed_from: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct GatesTable {
    /// Its folder is, or was, the folder on the default branch.
    merged: bool,
    /// How long it must have been in the environment before, such as `30m` or `2h`.
    soak: Option<String>,
    /// Not supported yet.
    tests: Option<bool>,
    /// Not supported yet.
    approvals: Option<u32>,
}

/// JSON Schema of the file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(PolicyFile).to_value()
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: PolicyFile = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    if file.signing.require {
        return Err(PolicyError::new("`signing.require = true` is not supported yet")
            .hint("set it to false or leave the table out"));
    }
    let agents = file.agents.into_iter().map(listing).collect::<Result<BTreeMap<_, _>, _>>()?;
    let environments =
        if file.environments.is_empty() { embedded_environments() } else { environments(file.environments)? };
    Ok(Policy {
        publish_on: match file.publish.on {
            PublishWord::Tag => PublishOn::Tag,
            PublishWord::Merge => PublishOn::Merge,
        },
        branch_prefix: branch_prefix(file.branch_prefix)?,
        environments,
        agents,
    })
}

/// A TOML or shape error with its place.
fn syntax(text: &str, error: &toml::de::Error) -> PolicyError {
    let TomlMistake { message, span, hint } = error.into();
    PolicyError { message, place: span.map(|span| Place::of(text, span)), hint }
}

fn branch_prefix(given: Option<String>) -> Result<String, PolicyError> {
    let prefix = given.unwrap_or_else(|| "env/".to_owned());
    let sound = prefix.strip_suffix('/').is_some_and(|name| name.parse::<AgentId>().is_ok());
    if sound && !prefix.starts_with("pointsman/") {
        Ok(prefix)
    } else {
        Err(PolicyError::new(format!("`branch_prefix = \"{prefix}\"` cannot start a branch name"))
            .hint("use lower-case words that end in a slash, such as `deploy/`; `pointsman/` is taken"))
    }
}

fn listing((id, table): (String, AgentTable)) -> Result<(AgentId, AgentListing), PolicyError> {
    let id: AgentId = id.parse().map_err(|error| PolicyError::new(format!("`[agents.{id}]`: {error}")))?;
    let outside = || {
        PolicyError::new(format!("`path = \"{}\"` of agent `{id}` is not a folder of the repository", table.path))
            .hint("write it relative to the root, without `..`, such as `agents/support`; `.` is the root itself")
    };
    let trimmed = table.path.trim_end_matches('/');
    let path = if trimmed == "." { "" } else { trimmed };
    if table.path.is_empty() || path.split('/').any(|part| matches!(part, "." | "..")) || path.starts_with('/') {
        return Err(outside());
    }
    if path.contains("//") || path.contains('\\') || path.chars().any(char::is_control) {
        return Err(outside());
    }
    for glob in &table.include {
        if glob.starts_with(['/', '!', ':']) || glob.split('/').any(|part| part == "..") || glob.is_empty() {
            return Err(PolicyError::new(format!("`include = [\"{glob}\"]` of agent `{id}` leaves the repository"))
                .hint("write globs relative to the root, such as `prompts/shared/**`"));
        }
    }
    let kind = Kind::named(table.kind.as_deref().unwrap_or("plain"));
    if !kind.to_string().bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-') {
        return Err(PolicyError::new(format!("`kind = \"{kind}\"` of agent `{id}` is not a lower-case word")));
    }
    Ok((id, AgentListing { path: path.to_owned(), kind, include: table.include }))
}

fn embedded_environments() -> Vec<Environment> {
    let environment = |name: &str| Environment {
        name: name.parse().expect("the embedded names are valid"),
        deploy_latest: name == "sandbox",
        from: None,
        published: name == "live",
        confirm: name == "live",
        gates: Gates::default(),
        freeze: Vec::new(),
        pins: BTreeMap::new(),
        numbers: Vec::new(),
        renamed_from: None,
    };
    let mut all = ["sandbox", "pre-release", "live"].map(environment);
    for index in 1..all.len() {
        all[index].from = Some(all[index - 1].name.clone());
    }
    all.to_vec()
}

fn environment_name(text: &str) -> Result<EnvironmentName, PolicyError> {
    text.parse()
        .map_err(|error: crate::domain::environment::InvalidEnvironmentName| PolicyError::new(error.to_string()))
}

fn environments(tables: Vec<EnvironmentTable>) -> Result<Vec<Environment>, PolicyError> {
    let mut all: Vec<Environment> = Vec::new();
    let mut numbers = BTreeSet::new();
    for table in tables {
        let environment = environment(table)?;
        if all.iter().any(|other| other.name == environment.name) {
            return Err(PolicyError::new(format!("environment `{}` is named twice", environment.name)));
        }
        if let Some(from) = &environment.from
            && !all.iter().any(|other| other.name == *from)
        {
            let known = all.iter().map(|other| other.name.as_str());
            let error = PolicyError::new(format!(
                "environment `{}` takes from `{from}`, which does not stand before it",
                environment.name
            ));
            return Err(match nearest(from.as_str(), known) {
                Some(known) => error.hint(format!("did you mean `from = \"{known}\"`?")),
                None => error.hint("environments stand in the order of promotion"),
            });
        }
        for route in &environment.numbers {
            // Within one environment a number may stand several times, with different headers.
            if numbers.contains(&route.number) {
                return Err(PolicyError::new(format!("number `{}` belongs to two environments", route.number)));
            }
        }
        numbers.extend(environment.numbers.iter().map(|route| route.number.clone()));
        if let Some(old) = &environment.renamed_from
            && (*old == environment.name || all.iter().any(|other| other.renamed_from.as_ref() == Some(old)))
        {
            return Err(PolicyError::new(format!(
                "`renamed_from = \"{old}\"` of environment `{}` cannot be: one environment carries on the history of \
                 another one that is not named any more",
                environment.name
            )));
        }
        all.push(environment);
    }
    match all.iter().filter(|environment| environment.published).count() {
        0 => all.last_mut().expect("the list is not empty").published = true,
        1 => {}
        _ => return Err(PolicyError::new("more than one environment says `published = true`")),
    }
    Ok(all)
}

fn environment(table: EnvironmentTable) -> Result<Environment, PolicyError> {
    let name = environment_name(&table.name)?;
    let later = |gate: &str| {
        PolicyError::new(format!("`gates.{gate}` of environment `{name}` is not supported yet"))
            .hint("take the gate out; it would be ignored otherwise")
    };
    if table.gates.tests.is_some() {
        return Err(later("tests"));
    }
    if table.gates.approvals.is_some() {
        return Err(later("approvals"));
    }
    let soak = table.gates.soak.map(|text| soak(&name, &text)).transpose()?;
    if soak.is_some() && table.from.is_none() {
        return Err(PolicyError::new(format!("`gates.soak` of environment `{name}` needs `from`"))
            .hint("soaking is the time a version spent in the environment before"));
    }
    let pins = table.pins.into_iter().map(|(id, number)| {
        let agent: AgentId = id.parse().map_err(|error| PolicyError::new(format!("a pin of `{name}`: {error}")))?;
        let number = VersionNumber::new(number)
            .ok_or_else(|| PolicyError::new(format!("the pin of `{agent}` in `{name}` must be 1 or more")))?;
        Ok((agent, number))
    });
    Ok(Environment {
        deploy_latest: matches!(table.deploy, Some(DeployWord::Latest)),
        from: table.from.as_deref().map(environment_name).transpose()?,
        published: table.published,
        confirm: table.confirm,
        gates: Gates { merged: table.gates.merged, soak, closed: None },
        freeze: table.freeze.into_iter().map(|entry| entry.parse(&name)).collect::<Result<_, _>>()?,
        pins: pins.collect::<Result<_, PolicyError>>()?,
        numbers: table.numbers.into_iter().map(|entry| entry.parse(&name)).collect::<Result<_, _>>()?,
        renamed_from: table.renamed_from.as_deref().map(environment_name).transpose()?,
        name,
    })
}

fn soak(environment: &EnvironmentName, text: &str) -> Result<jiff::SignedDuration, PolicyError> {
    let invalid = || {
        PolicyError::new(format!("`gates.soak = \"{text}\"` of environment `{environment}` is not a length of time"))
            .hint("write it as `30m`, `2h` or `1h30m`")
    };
    let length: jiff::SignedDuration = text.parse().map_err(|_| invalid())?;
    let bounded = !length.is_negative() && length <= jiff::SignedDuration::from_hours(24 * 365);
    if bounded { Ok(length) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_there_are_three_environments() {
        let policy = Policy::default();
        let names: Vec<_> = policy.environments.iter().map(|e| e.name.to_string()).collect();
        assert_eq!(names, ["sandbox", "pre-release", "live"]);
        assert!(policy.environments[0].deploy_latest && policy.environments[2].confirm);
        assert_eq!(policy.published().unwrap().name.as_str(), "live");
        assert_eq!(policy.environments[2].from.as_ref().unwrap().as_str(), "pre-release");
    }

    #[test]
    fn a_full_file_is_read() {
        let policy = Policy::parse(
            r#"
            [publish]
            on = "merge"
            [agents."emea/billing"]
            path = "bots/billing/"
            kind = "rasa"
            include = ["prompts/shared/**"]
            [[environments]]
            name = "sandbox"
            deploy = "latest"
            [[environments]]
            name = "live"
            from = "sandbox"
            confirm = true
            gates = { merged = true, soak = "30m" }
            freeze = [{ days = ["sat", "sun"], timezone = "Europe/London" }]
            pins = { support = 7 }
            [[environments.numbers]]
            number = "+442071234567"
            agent = "support"
            match = { "X-Tier" = "gold" }
            set = { "X-Queue" = "priority" }
            "#,
        )
        .unwrap();
        assert_eq!(policy.publish_on, PublishOn::Merge);
        let live = &policy.environments[1];
        assert_eq!(live.gates, Gates { merged: true, soak: Some(jiff::SignedDuration::from_mins(30)), closed: None });
        assert_eq!(live.pins.values().next().unwrap().get(), 7);
        assert_eq!(live.numbers[0].number, "+442071234567");
        assert_eq!(policy.agents.values().next().unwrap().path, "bots/billing");
    }

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let cases = [
            ("[publsh]", "unknown key `publsh`", "did you mean `publish`?"),
            ("[[environments]]\nname='a'\nconfrim=true", "unknown key `confrim`", "did you mean `confirm`?"),
            ("[[environments]]\nname='a'\ngates={tests=true}", "not supported yet", "take the gate out"),
            ("[[environments]]\nname='a'\ngates={approvals=1}", "not supported yet", "take the gate out"),
            ("[signing]\nrequire=true", "not supported yet", "false"),
            (
                "[[environments]]\nname='sandbox'\n[[environments]]\nname='b'\nfrom='sandbx'",
                "`sandbx`",
                "`from = \"sandbox\"`",
            ),
            ("[agents.a]\npath='../x'", "not a folder", "without `..`"),
            ("branch_prefix='Env'", "cannot start", "lower-case"),
            ("[[environments]]\nname='a'\nfrom='b'", "does not stand before it", "order of promotion"),
        ];
        for (text, message, hint) in cases {
            let error = Policy::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error:?}");
            assert!(error.hint.clone().unwrap_or_default().contains(hint), "{text}: {error:?}");
        }
    }

    #[test]
    fn broken_toml_has_a_place() {
        let error = Policy::parse("[publish]\non = \n").unwrap_err();
        assert_eq!(error.place.unwrap().line, 2);
    }
}
