//! The sections that the Atoms API divides a config into, and what changed between two.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Config;

/// A section by its name on the wire.
pub(in crate::api::atoms) type Section = &'static str;

/// The 14 sections of the API, and one for what it has no section for.
const SECTIONS: [Section; 15] = [
    "workflow_prompt",
    "workflow_tools",
    "workflow_graph",
    "llm",
    "voice",
    "language",
    "call_handling",
    "detection",
    "analytics",
    "timeouts",
    "audio",
    "privacy",
    "widget",
    "playbooks",
    "other",
];

fn section_of(key: &str) -> Section {
    match key {
        "globalPrompt" | "firstMessage" | "defaultVariables" | "workflowType" | "timezone" | "enableStyleGuide"
        | "singlePromptConfig" => "workflow_prompt",
        "preCallAPI" => "workflow_tools",
        "slmModel" | "customLLMWebSocketUrl" | "globalKnowledgeBaseId" => "llm",
        "synthesizer" | "transcriberType" | "pronunciationDicts" | "speechFormatting" => "voice",
        "language" => "language",
        "waitForUserToSpeakFirst" | "muteUserUntilFirstBotResponse" | "interruptionBackoffTimer" => "call_handling",
        "allowInterruptions" | "smartTurnConfig" | "voiceDetectionConfig" | "voiceMailDetectionConfig" => "detection",
        "postCallAnalyticsConfig" | "callDispositionConfig" => "analytics",
        "llmIdleTimeoutConfig" | "sessionTimeoutConfig" => "timeouts",
        "denoisingConfig" | "backgroundSound" => "audio",
        "redactionConfig" => "privacy",
        "widgetConfig" => "widget",
        "playbooks" => "playbooks",
        _ => "other",
    }
}

/// `config` by section; sections that say nothing are left out.
pub(in crate::api::atoms) fn sections(config: &Config) -> BTreeMap<Section, Map<String, Value>> {
    let mut sections: BTreeMap<Section, Map<String, Value>> = BTreeMap::new();
    for (key, value) in &config.atoms {
        match (key.as_str(), value) {
            ("singlePromptConfig", Value::Object(single)) => {
                for (key, value) in single {
                    let section = if key == "tools" { "workflow_tools" } else { "workflow_prompt" };
                    sections.entry(section).or_default().insert(key.clone(), value.clone());
                }
            }
            _ => drop(sections.entry(section_of(key)).or_default().insert(key.clone(), value.clone())),
        }
    }
    for (key, value) in &config.own {
        match (SECTIONS.iter().find(|section| *section == key), value) {
            (Some(section), Value::Object(entries)) => {
                sections.entry(section).or_default().extend(entries.clone());
            }
            (Some(section), value) => drop(sections.entry(section).or_default().insert(key.clone(), value.clone())),
            (None, value) => drop(sections.entry("other").or_default().insert(key.clone(), value.clone())),
        }
    }
    sections
}

/// The id of each section: 24 digits of the id that git gives the section as a blob of canonical JSON, so it changes
/// when the section does.
pub(in crate::api::atoms) fn blocks(config: &Config) -> Value {
    let sections = sections(config);
    let id = |section: &Section| {
        let value = Value::Object(sections.get(section).cloned().unwrap_or_default());
        crate::ops::lines::blob_id(crate::compile::Frozen::new(&value).bytes())
    };
    let shown = SECTIONS
        .iter()
        .filter(|section| !matches!(**section, "playbooks" | "other") || sections.contains_key(*section));
    Value::Object(shown.map(|section| ((*section).to_owned(), Value::String(id(section)))).collect())
}

/// One value that changed: its path in the section, what it was, what it is.
pub(in crate::api::atoms) type Changed = (String, Value, Value);

/// What changed from one config to another, by section.
pub(in crate::api::atoms) fn changes(before: &Config, after: &Config) -> BTreeMap<Section, Vec<Changed>> {
    let (before, after) = (sections(before), sections(after));
    let mut changes = BTreeMap::new();
    for section in SECTIONS {
        let of = |side: &BTreeMap<Section, Map<String, Value>>| {
            Value::Object(side.get(section).cloned().unwrap_or_default())
        };
        let mut changed = Vec::new();
        collect("", &of(&before), &of(&after), &mut changed);
        if !changed.is_empty() {
            changes.insert(section, changed);
        }
    }
    changes
}

fn collect(path: &str, before: &Value, after: &Value, changed: &mut Vec<Changed>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(&path, old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), changed);
            }
        }
        (old, new) if old != new => changed.push((path.to_owned(), old.clone(), new.clone())),
        _ => {}
    }
}

/// The names of the sections that changed.
pub(in crate::api::atoms) fn changed_sections(before: &Config, after: &Config) -> Value {
    json!(changes(before, after).into_keys().collect::<Vec<_>>())
}
