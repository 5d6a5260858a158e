//! Which kind of agent a folder holds, told from the names of its files alone.
//!
//! `init` and `new` ask here and write the answer down in `pointsman.toml`; nothing is guessed while compiling. The
//! order of `Signs::kind` matters: real folders carry the marks of several kinds (an `agent.json` is common), so the
//! pairs of names that only one vendor uses come first.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::AgentId;

/// Folders nested deeper than this are not looked at as homes of an agent.
const DEEPEST: usize = 16;

/// What a folder was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The word for `kind` in `pointsman.toml`.
    pub kind: &'static str,
    /// The names that gave it away.
    pub why: &'static str,
}

/// An agent that a repository seems to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The folder, seen from the repository's root; empty for the root itself.
    pub folder: String,
    /// Its kind, and why.
    pub detected: Detected,
    /// An id that fits the grammar and stands beside the other proposed ids.
    pub id: AgentId,
}

/// The kind of the folder that holds `paths` (seen from that folder). Nothing where there are no files; `plain` where
/// no layout is recognised.
pub fn detect<'a>(paths: impl IntoIterator<Item = &'a str>) -> Option<Detected> {
    let mut paths = paths.into_iter().peekable();
    paths.peek()?;
    let mut signs = Signs::default();
    paths.for_each(|path| signs.note(path));
    Some(signs.kind().unwrap_or(Detected { kind: "plain", why: "no known layout" }))
}

/// The agents that a repository with the files `paths` seems to hold: native ones first, then the others, each list in
/// the order of folders. A folder inside a proposed one is a part of it, so it is not proposed again.
pub fn propose<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<Proposal> {
    let mut folders: BTreeMap<&str, Signs> = BTreeMap::new();
    for path in paths {
        folders.entry("").or_default().note(path);
        for (at, _) in path.match_indices('/').take(DEEPEST) {
            folders.entry(&path[..at]).or_default().note(&path[at + 1..]);
        }
    }
    let found: Vec<(&str, Detected)> =
        folders.iter().filter_map(|(folder, signs)| signs.kind().map(|detected| (*folder, detected))).collect();
    let mut accepted: Vec<(&str, Detected)> = Vec::new();
    let mut homes: BTreeSet<&str> = BTreeSet::new();
    let mut around: BTreeSet<&str> = BTreeSet::new();
    for native in [true, false] {
        for (folder, detected) in found.iter().filter(|(_, detected)| (detected.kind == "native") == native) {
            // A native agent below wins over a weaker mark above it, such as the `locale/` of a web page at the root.
            let nested = parents(folder).any(|parent| homes.contains(parent));
            if !nested && !around.contains(folder) {
                homes.insert(folder);
                around.extend(parents(folder));
                accepted.push((folder, detected.clone()));
            }
        }
    }
    let mut ids = Ids::default();
    accepted
        .into_iter()
        .map(|(folder, detected)| Proposal { folder: folder.to_owned(), detected, id: ids.suggest(folder) })
        .collect()
}

/// An id for an agent in `folder`, which need not fit the grammar.
pub fn suggested_id(folder: &str) -> AgentId {
    Ids::default().suggest(folder)
}

/// The folders around `folder`, the root included.
fn parents(folder: &str) -> impl Iterator<Item = &str> {
    let root = (!folder.is_empty()).then_some("");
    root.into_iter().chain(folder.match_indices('/').map(|(at, _)| &folder[..at]))
}

/// The marks of the known layouts that a folder's files carry.
#[derive(Clone, Debug, Default)]
struct Signs {
    agent_toml: bool,
    project_yaml: bool,
    agent_settings: bool,
    agent_rules: bool,
    agents_json: bool,
    agent_configs: bool,
    app_json: bool,
    instructions: bool,
    agent_json: bool,
    flows: bool,
    flow_config: bool,
    domain_yml: bool,
    config_yml: bool,
    manifest: bool,
    bot_locales: bool,
    bot_components: bool,
    assistants: bool,
    agent_folders: bool,
    workspaces: bool,
    agentforce: bool,
    letta: bool,
    locale: bool,
}

impl Signs {
    fn note(&mut self, path: &str) {
        // Four parts decide everything below, so a path of a thousand folders costs no more than a short one.
        let parts: Vec<&str> = path.splitn(5, '/').collect();
        match parts.as_slice() {
            ["agent.toml"] => self.agent_toml = true,
            ["project.yaml"] => self.project_yaml = true,
            ["agents.json"] => self.agents_json = true,
            ["app.json"] => self.app_json = true,
            ["agent.json"] => self.agent_json = true,
            ["domain.yml" | "domain.yaml"] | ["domain", _, ..] => self.domain_yml = true,
            ["config.yml" | "config.yaml"] => self.config_yml = true,
            ["Manifest.json"] => self.manifest = true,
            ["workspaces.json"] => self.workspaces = true,
            [name] if name.len() > 3 && name.ends_with(".af") => self.letta = true,
            ["agent_settings", rest @ ..] if !rest.is_empty() => {
                self.agent_settings = true;
                self.agent_rules |= rest == ["rules.txt"];
            }
            ["agent_configs", _, ..] => self.agent_configs = true,
            ["agents", _, "instruction.txt"] => self.instructions = true,
            ["agents", _, "agent.json"] => self.agent_folders = true,
            ["flows", rest @ ..] if !rest.is_empty() => {
                self.flows = true;
                self.flow_config |= matches!(rest, [_, "flow_config.yaml"]);
            }
            [_, "BotLocales", _, ..] => self.bot_locales = true,
            ["botcomponents", _, ..] => self.bot_components = true,
            ["resources", _, "assistants", _, ..] => self.assistants = true,
            ["aiAuthoringBundles" | "genAiPlannerBundles", _, ..] => self.agentforce = true,
            ["locale", _, rest @ ..] if !rest.is_empty() => self.locale |= is_skill_text(rest[rest.len() - 1]),
            _ => {}
        }
    }

    fn kind(&self) -> Option<Detected> {
        let known = [
            (self.agent_toml, "native", "`agent.toml`"),
            (self.project_yaml && self.agent_settings, "polyai", "`project.yaml` and `agent_settings/`"),
            (
                self.agent_rules && self.flow_config,
                "polyai",
                "`agent_settings/rules.txt` and `flows/*/flow_config.yaml`",
            ),
            (self.agents_json && self.agent_configs, "elevenlabs", "`agents.json` and `agent_configs/`"),
            (self.app_json && self.instructions, "cx-agent-studio", "`app.json` and `agents/*/instruction.txt`"),
            (self.agent_json && self.flows, "dialogflow-cx", "`agent.json` and `flows/`"),
            (self.domain_yml && self.config_yml, "rasa", "`domain.yml` and `config.yml`"),
            (self.manifest && self.bot_locales, "lex", "`Manifest.json` and `*/BotLocales/`"),
            (self.bot_components, "copilot-studio", "`botcomponents/`"),
            (self.assistants, "vapi", "`resources/*/assistants/`"),
            (self.agent_folders && self.workspaces, "retell", "`agents/*/agent.json` and `workspaces.json`"),
            (self.agentforce, "agentforce", "`aiAuthoringBundles/` or `genAiPlannerBundles/`"),
            (self.letta, "letta", "an `.af` file"),
            (self.locale, "ovos", "the intents and dialogs of `locale/*/`"),
        ];
        known.into_iter().find(|(holds, ..)| *holds).map(|(_, kind, why)| Detected { kind, why })
    }
}

/// Whether a file below `locale/<language>/` is one of a voice skill; every second web page has a `locale/` too.
fn is_skill_text(path: &str) -> bool {
    [".intent", ".dialog", ".voc", ".entity", ".rx"].iter().any(|ending| path.ends_with(ending))
}

/// Hands out ids that fit the grammar and do not collide, in time that does not grow with their number.
#[derive(Default)]
struct Ids {
    taken: BTreeSet<String>,
    around: BTreeSet<String>,
    last_number: BTreeMap<String, usize>,
}

impl Ids {
    fn suggest(&mut self, folder: &str) -> AgentId {
        let mut slug = slug(folder);
        if parents(&slug).any(|parent| self.taken.contains(parent)) {
            slug = slug.replace('/', "-");
        }
        let number = self.last_number.entry(slug.clone()).or_default();
        loop {
            *number += 1;
            let text = if *number == 1 { slug.clone() } else { format!("{slug}-{number}") };
            if self.taken.contains(&text) || self.around.contains(&text) {
                continue;
            }
            if let Ok(id) = text.parse() {
                self.around.extend(parents(&text).map(str::to_owned));
                self.taken.insert(text);
                return id;
            }
        }
    }
}

/// `folder` in the grammar of agent ids, short enough that a number can follow.
fn slug(folder: &str) -> String {
    let path = folder.strip_prefix("agents/").unwrap_or(folder);
    let segments: Vec<String> = path.split('/').map(segment).filter(|segment| !segment.is_empty()).collect();
    let whole = segments.join("/");
    if whole.len() <= 80 && whole.parse::<AgentId>().is_ok() {
        return whole;
    }
    let last = segments.last().map_or("agent", |last| &last[..last.len().min(60)]).trim_end_matches(['.', '-']);
    if last.parse::<AgentId>().is_ok() { last.to_owned() } else { format!("agent-{last}").replace('.', "-") }
        .trim_end_matches('-')
        .to_owned()
}

/// One segment in lower case, everything foreign to the grammar turned into single dashes.
fn segment(name: &str) -> String {
    let mut segment = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.') && !segment.ends_with('.') {
            segment.push(letter);
        } else if !segment.ends_with(['-', '.']) {
            segment.push('-');
        }
    }
    segment.trim_start_matches(['-', '_', '.']).trim_end_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests;
