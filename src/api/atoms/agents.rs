//! Agents: list, make, show, change what is apart from versions, archive, copy.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::config::{Config, METADATA, files, is_config};
use super::ids;
use super::seen::{Seen, number, text};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::compile::{Content, FileMode, Kind, Source, SourceFile, compile};
use crate::domain::AgentId;
use crate::domain::ledger::AgentMarkChange;
use crate::ops::lines::{self, Files};
use crate::ops::{Problem, moves, side};
use crate::tokens::Right;

/// How many agents a page has unless asked for otherwise. The command line asks for all at once.
const PAGE: usize = 20;

/// The agent as the API shows it, with the config of `config`.
fn agent_json(seen: &Seen<'_>, frozen: &Value, config: &Config) -> Result<Map<String, Value>, Problem> {
    let marks = moves::marks_of(seen.workspace(), &seen.agent)?;
    let id = ids::of_agent(&seen.agent);
    let (newest, oldest) = (seen.lines.versions.first(), seen.lines.versions.last());
    let active = seen.active().map(|version| &version.id);
    let mut shown = config.atoms.clone();
    let name = marks.name.clone().or_else(|| frozen["name"].as_str().map(str::to_owned));
    let own = json!({
        "_id": id,
        "name": name.unwrap_or_else(|| seen.agent.to_string()),
        "description": marks.description.clone().or_else(|| frozen["description"].as_str().map(str::to_owned)),
        "organization": ids::organization(),
        "workflowId": id,
        "workflowType": config.workflow_type(),
        "activeVersionId": active,
        "versionId": active,
        "archived": marks.archived.is_some(),
        "archivedAt": marks.archived,
        "createdBy": oldest.map(|version| &version.published_by.email),
        "createdAt": oldest.map(|version| version.published_at),
        "updatedAt": newest.map(|version| version.published_at),
        "phoneNumber": numbers(seen)?,
        // The agent by the name that every other tool of Pointsman knows.
        "agentId": seen.agent,
    });
    if let Value::Object(own) = own {
        shown.extend(own);
    }
    shown.extend(marks.settings);
    Ok(shown)
}

/// The numbers that reach the agent in the published environment.
fn numbers(seen: &Seen<'_>) -> Result<Vec<String>, Problem> {
    let policy = seen.workspace().policy()?;
    let routes = policy.published().map(|environment| environment.numbers.as_slice()).unwrap_or_default();
    Ok(routes.iter().filter(|route| route.agent == seen.agent).map(|route| route.number.to_string()).collect())
}

/// The config that an agent shows where none is asked for: the active one, else the newest of the main line.
fn shown(seen: &Seen<'_>) -> Result<(Value, Config), Problem> {
    let main = seen.lines.main();
    match seen.active().or(main.head()).or(seen.lines.versions.first()) {
        Some(version) => seen.config_of(version),
        None => match side::draft(seen.workspace(), &seen.agent, None) {
            Ok(found) => seen.config(&found),
            Err(_) => seen.config_on(main),
        },
    }
}

/// `GET /agent?page=&offset=&search=&type=&sortField=&sortOrder=&archived=`: `offset` is the size of a page.
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let (page, size) = (number(call, "page", 1, 1, 1_000_000)?, number(call, "offset", PAGE, 1, 100_000_000)?);
    let archived = call.query.get("archived").is_some_and(|said| said == "true");
    let mut agents = Vec::new();
    for agent in ids::known(call)?.into_iter().filter(|agent| call.may_read(agent)) {
        let seen = Seen::known(call, agent)?;
        // One whose draft does not compile is listed without a config.
        let (frozen, config) = shown(&seen).unwrap_or_default();
        agents.push(agent_json(&seen, &frozen, &config)?);
    }
    let search = call.query.get("search").map(|text| text.to_lowercase());
    let text_of =
        |agent: &Map<String, Value>, key: &str| agent.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    agents.retain(|agent| {
        let kept = archived || agent["archived"] == false;
        let found = search.as_ref().is_none_or(|search| text_of(agent, "name").to_lowercase().contains(search));
        kept && found && call.query.get("type").is_none_or(|kind| agent["workflowType"] == *kind)
    });
    let field = call.query.get("sortField").map_or("createdAt", String::as_str).to_owned();
    agents.sort_by_key(|agent| (text_of(agent, &field), text_of(agent, "agentId")));
    if call.query.get("sortOrder").is_none_or(|order| order != "asc") {
        agents.reverse();
    }
    let total = agents.len();
    let pages = total.div_ceil(size);
    let agents: Vec<_> = agents.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    Answer::ok(&json!({
        "agents": agents, "total": total, "totalCount": total, "totalPages": pages, "hasMore": page < pages,
    }))
}

/// `GET /agent/{id}?draftId=&versionId=`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let (draft, version) = (call.query.get("draftId"), call.query.get("versionId"));
    let (source, revision, (frozen, config)) = match (draft, version) {
        (Some(id), _) => {
            let line = seen.lines.lines.iter().find(|line| ids::of_draft(line) == *id && line.has_draft());
            let line = line.ok_or_else(|| {
                Problem::refused("unknown_draft", format!("no draft `{id}` of this agent")).hint("read its branches")
            })?;
            (Some("draft"), Some(line.edits.len()), seen.config_on(line)?)
        }
        (None, Some(id)) => (Some("version"), None, seen.config_of(seen.version(id)?)?),
        (None, None) => (None, None, shown(&seen)?),
    };
    let mut agent = agent_json(&seen, &frozen, &config)?;
    agent.insert("_resolvedConfig".to_owned(), Value::Object(Seen::resolved(&config)));
    if let Some(source) = source {
        agent.insert("_configSource".to_owned(), source.into());
        agent.insert("_configRevision".to_owned(), json!(revision));
    }
    Answer::ok(&agent)
}

/// `GET /agent/{id}/workflow`: what the MCP server reads prompts from.
pub(super) fn workflow(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let (_, config) = shown(&seen)?;
    let resolved = config.resolved();
    Answer::ok(&json!({
        "_id": ids::of_agent(&seen.agent),
        "type": config.workflow_type(),
        "singlePromptConfig": { "prompt": resolved["prompt"], "tools": resolved.get("tools").unwrap_or(&json!([])) },
    }))
}

/// What a body says about an agent apart from its versions.
fn metadata(said: &Map<String, Value>) -> Result<AgentMarkChange, Problem> {
    let text = |key: &str| match said.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(String::new())),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Problem::usage("bad_request", format!("`{key}` is a text")).hint("send it as a string")),
    };
    let settings = METADATA.iter().skip(2).filter_map(|key| Some(((*key).to_owned(), said.get(*key)?.clone())));
    Ok(AgentMarkChange {
        archived: None,
        name: text("name")?,
        description: text("description")?,
        settings: settings.collect::<BTreeMap<_, _>>(),
    })
}

/// `PATCH /agent/{id}`: only what is apart from versions.
pub(super) fn update(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let said = super::branches::body(call)?;
    if let Some(key) = said.keys().find(|key| is_config(key)) {
        return Err(Problem::usage("config_through_drafts", "Config changes must be made through drafts.")
            .hint(format!("PUT /agent/{}/branches/<branch>/draft with `{key}`", call.named("id"))));
    }
    let change = metadata(&said)?;
    if change == AgentMarkChange::default() {
        return Err(Problem::usage("bad_request", "nothing is to be changed").hint("say name or description"));
    }
    moves::mark_agent(&call.workspace, &seen.agent, change)?;
    let (frozen, config) = shown(&seen)?;
    Answer::ok(&agent_json(&seen, &frozen, &config)?)
}

/// `DELETE /agent/{id}/archive?on=`
pub(super) fn archive(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let on = call.query.get("on").is_none_or(|on| on != "false");
    let change = AgentMarkChange { archived: Some(on), ..AgentMarkChange::default() };
    moves::mark_agent(&call.workspace, &seen.agent, change)?;
    Answer::ok(&json!({ "message": if on { "Agent archived" } else { "Agent unarchived" } }))
}

/// `POST /agent`: a folder on the main line's branch, published at once, and active where the gates let it.
pub(super) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut said = super::branches::body(call)?;
    let name =
        text(call, "name", 200)?.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "New agent".to_owned());
    said.insert("name".to_owned(), name.clone().into());
    let description = text(call, "description", 2000)?;
    let mut config = said.clone();
    config.retain(|key, value| is_config(key) && !value.is_null());
    let manifest = manifest(&name, description.as_deref());
    let source = folder([("agent.toml".to_owned(), manifest.clone())].into());
    let mut made = files(&source, &Value::Null, &config)?;
    made.entry("agent.toml".to_owned()).or_insert(Some(manifest));
    let mut settings = metadata(&said)?;
    (settings.name, settings.description) = (None, None);
    settings.settings.retain(|_, value| !value.is_null());
    let agent = begin(call, &name, made, &settings)?;
    Ok(Answer::ok(&ids::of_agent(&agent))?.status(StatusCode::CREATED).moved())
}

/// `agent.toml` of a new agent.
fn manifest(name: &str, description: Option<&str>) -> Vec<u8> {
    let mut document = toml_edit::DocumentMut::new();
    document["name"] = toml_edit::value(name.trim());
    if let Some(description) = description {
        document["description"] = toml_edit::value(description);
    }
    document.to_string().into_bytes()
}

fn folder(files: BTreeMap<String, Vec<u8>>) -> Source {
    let files: BTreeMap<_, _> = files
        .into_iter()
        .map(|(path, bytes)| (path, SourceFile { mode: FileMode::Regular, content: Content::Bytes(bytes) }))
        .collect();
    Source {
        agent: "new".parse().expect("it is an id"),
        kind: Kind::Native,
        folder: "agents/new".to_owned(),
        file_count: files.len(),
        files,
        included: BTreeMap::new(),
        filtered: BTreeSet::new(),
        conflicted: BTreeSet::new(),
    }
}

/// Makes an agent of `files`, under the first free id that `name` gives; an agent of that id with these very files is the
/// answer to whoever asks again.
fn begin(call: &Call, name: &str, files: Files, settings: &AgentMarkChange) -> Result<AgentId, Problem> {
    let whole = files.iter().map(|(path, bytes)| (path.clone(), bytes.clone().unwrap_or_default())).collect();
    let compiled = compile(&folder(whole));
    let slug = slug(name);
    let mut number = 1;
    let agent = loop {
        let id = if number == 1 { slug.clone() } else { format!("{slug}-{number}") };
        let agent: AgentId = id.parse()?;
        call.authorise(Right::AgentsWrite, Some(&agent))?;
        if compiled.frozen.is_none() {
            return Err(side::findings_problem(&agent, &compiled.findings, "no agent was made"));
        }
        match lines::create(&call.workspace, &agent, &files) {
            Err(problem) if problem.code == "taken" && number < 1000 => number += 1,
            other => {
                other?;
                break agent;
            }
        }
    };
    let version = lines::publish_new(&call.workspace, &agent)?;
    if !settings.settings.is_empty() {
        moves::mark_agent(&call.workspace, &agent, settings.clone())?;
    }
    let seen = Seen::known(call, agent.clone())?;
    if seen.active().is_none()
        && let Err(problem) = seen.activate(&version)
    {
        tracing::info!(%agent, reason = %problem, "a new agent is not active yet");
    }
    Ok(agent)
}

/// An agent's id that looks like its name.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() >= 60 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-').to_owned();
    let version_like = slug.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|c| c.is_ascii_digit()));
    if slug.is_empty() || version_like { format!("agent-{slug}").trim_end_matches('-').to_owned() } else { slug }
}

/// `POST /agent/{id}/duplicate`: a new agent with the files of the active version, else of the newest.
pub(super) fn duplicate(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    call.authorise(Right::AgentsRead, Some(&seen.agent))?;
    let version = seen.active().or(seen.lines.versions.first()).ok_or_else(|| {
        Problem::refused("no_published_version", "the agent has no published version").hint("publish it first")
    })?;
    let found = side::find(&call.workspace, &seen.agent, &side::SideName::Version(version.version))?;
    let (frozen, config) = seen.config(&found)?;
    let source = side::source(&call.workspace, &found)?;
    if source.kind != Kind::Native || !source.included.is_empty() {
        return Err(Problem::usage("not_native", "only a native agent without included files is copied over the API")
            .hint("copy its folder"));
    }
    let shown = agent_json(&seen, &frozen, &config)?;
    let name = format!("{} (copy)", shown["name"].as_str().unwrap_or("Agent"));
    let mut made = Files::new();
    for (path, file) in &source.files {
        made.insert(path.clone(), file.bytes().map(<[u8]>::to_vec));
    }
    let manifest = source.files.get("agent.toml").and_then(|file| file.text()).unwrap_or_default();
    let mut document: toml_edit::DocumentMut = manifest.parse().map_err(|error: toml_edit::TomlError| {
        Problem::refused("corrupt", format!("agent.toml does not parse: {error}")).hint("pointsman verify")
    })?;
    document["name"] = toml_edit::value(name.as_str());
    made.insert("agent.toml".to_owned(), Some(document.to_string().into_bytes()));
    let agent = begin(call, &name, made, &AgentMarkChange::default())?;
    Ok(Answer::ok(&json!({ "_id": ids::of_agent(&agent) }))?.status(StatusCode::CREATED).moved())
}
