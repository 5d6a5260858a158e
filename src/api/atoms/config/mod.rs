//! An agent's config as the Atoms API shows it, and as the files of a native folder hold it.
//!
//! Both say much the same in other words. What a native file has a place for stands there ([`leaves`]); the rest stands
//! in `atoms.json`, so that everything that was said comes back. What an agent's files say beyond that is shown as it is.

mod leaves;
mod sections;
mod write;

use serde_json::{Map, Value};

use leaves::LEAVES;

pub(super) use sections::{blocks, changed_sections, changes, sections};
pub(super) use write::files;

/// What the API keeps about an agent apart from its versions; never part of a config.
pub(super) const METADATA: [&str; 6] =
    ["name", "description", "avatarUrl", "telephonyProductId", "allowInboundCall", "visibleToEveryone"];

/// What an agent shows beside its config.
const SHOWN: [&str; 14] = [
    "agentId",
    "organization",
    "workflowId",
    "activeVersionId",
    "versionId",
    "archived",
    "archivedAt",
    "createdAt",
    "updatedAt",
    "createdBy",
    "phoneNumber",
    "totalCalls",
    "origin",
    "expectedRevision",
];

/// Keys that are one value, however deep: they are replaced and not merged.
const WHOLE: [&str; 3] = ["defaultVariables", "preCallAPI", "playbooks"];

/// A config in both views.
#[derive(Clone, Debug, Default)]
pub(super) struct Config {
    /// What the Atoms API has words for, in its words, and whatever was said to it besides.
    pub(super) atoms: Map<String, Value>,
    /// What only the agent's own files say, by section.
    pub(super) own: Map<String, Value>,
}

impl Config {
    /// Reads a frozen config. `persona` is the prompt as the file has it, where that is known.
    pub(super) fn of(frozen: &Value, persona: Option<&str>) -> Self {
        let Some(entries) = frozen.as_object() else { return Config::default() };
        let mut own = entries.clone();
        for key in ["format", "kind", "name", "description"] {
            own.remove(key);
        }
        let mut atoms = match own.remove("atoms") {
            Some(Value::Object(atoms)) => atoms,
            _ => Map::new(),
        };
        if frozen["kind"] != "native" {
            return Config { atoms, own };
        }
        if let Some(workflow) = own.remove("workflow")
            && !atoms.contains_key("workflowType")
        {
            atoms.insert("workflowType".to_owned(), workflow);
        }
        for leaf in LEAVES {
            if let Some(value) = take(&mut own, leaf.native).map(|value| (leaf.to_atoms)(value)) {
                put(&mut atoms, leaf.atoms, value);
            }
        }
        let frozen_persona = take(&mut own, &["workflow_prompt", "persona"]);
        let text = persona.map(str::to_owned).or_else(|| frozen_persona?.as_str().map(str::to_owned));
        if let Some(prompt) = text.and_then(|text| single_prompt(&text, atoms.get("globalPrompt"))) {
            put(&mut atoms, &["singlePromptConfig", "prompt"], prompt.into());
        }
        Config { atoms, own }
    }

    /// What it comes to, flat, as a call would be served with it.
    pub(super) fn resolved(&self) -> Value {
        let mut resolved = self.atoms.clone();
        if let Some(Value::Object(single)) = resolved.remove("singlePromptConfig") {
            resolved.extend(single);
        }
        if let Some(prompt) = resolved.get("globalPrompt").filter(|_| !self.atoms.contains_key("singlePromptConfig")) {
            let prompt = prompt.clone();
            resolved.insert("prompt".to_owned(), prompt);
        }
        if let Some(Value::Object(language)) = self.atoms.get("language") {
            let named = [
                ("default", "defaultLanguage"),
                ("supported", "supportedLanguages"),
                ("switching", "languageSwitching"),
            ];
            for (from, to) in named {
                resolved.extend(language.get(from).map(|value| (to.to_owned(), value.clone())));
            }
        }
        resolved.extend(self.atoms.get("slmModel").map(|model| ("modelName".to_owned(), model.clone())));
        for (section, value) in &self.own {
            resolved.entry(section.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(resolved)
    }

    /// This config after what `said` changes: a null takes a key away, tables are merged, everything else is replaced.
    pub(super) fn after(&self, said: &Map<String, Value>) -> Map<String, Value> {
        let mut atoms = self.atoms.clone();
        for (key, value) in said.iter().filter(|(key, _)| is_config(key)) {
            merge_key(&mut atoms, key, value, WHOLE.contains(&key.as_str()));
        }
        atoms
    }

    /// `single_prompt` or `workflow_graph`, or what else it was called.
    pub(super) fn workflow_type(&self) -> &str {
        self.atoms.get("workflowType").and_then(Value::as_str).unwrap_or("single_prompt")
    }
}

/// Whether `key` is part of a config. Whoever sends back what they were shown means only that part of it.
pub(super) fn is_config(key: &str) -> bool {
    !key.starts_with('_') && !METADATA.contains(&key) && !SHOWN.contains(&key)
}

fn merge_key(into: &mut Map<String, Value>, key: &str, value: &Value, whole: bool) {
    match (value, into.get_mut(key)) {
        (Value::Null, _) => drop(into.remove(key)),
        (Value::Object(said), Some(Value::Object(known))) if !whole => {
            for (key, value) in said {
                merge_key(known, key, value, false);
            }
        }
        (value, _) => drop(into.insert(key.to_owned(), value.clone())),
    }
}

/// The prompt of the persona apart from the global prompt that stands before it.
fn single_prompt(persona: &str, global: Option<&Value>) -> Option<String> {
    let Some(global) = global.and_then(Value::as_str) else { return Some(persona.to_owned()) };
    match persona.strip_prefix(global) {
        Some("") => None,
        Some(rest) => Some(rest.strip_prefix("\n\n").unwrap_or(rest).to_owned()),
        None => Some(persona.to_owned()),
    }
}

/// The value at `path` below `entries`.
fn get<'v>(entries: &'v Map<String, Value>, path: &[&str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    let value = entries.get(*first)?;
    if rest.is_empty() { Some(value) } else { get(value.as_object()?, rest) }
}

/// Takes the value at `path` out of `entries`, with the tables that it leaves empty.
fn take(entries: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return entries.remove(*first);
    }
    let below = entries.get_mut(*first)?.as_object_mut()?;
    let taken = take(below, rest);
    if below.is_empty() {
        entries.remove(*first);
    }
    taken
}

/// Puts `value` at `path` below `entries`.
fn put(entries: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        entries.insert((*first).to_owned(), value);
        return;
    }
    let below = entries.entry((*first).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if !below.is_object() {
        *below = Value::Object(Map::new());
    }
    put(below.as_object_mut().expect("it is one now"), rest, value);
}

#[cfg(test)]
mod tests;
