//! The frozen config of a native agent, put together from what was read.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::folder::{Folder, Knowledge, Read};

/// The config. `included` holds the frozen files from outside the folder.
///
/// `None` without a manifest; there is an error about it then.
pub fn config(folder: &Folder<'_>, included: Map<String, Value>) -> Option<Value> {
    let agent = &folder.agent.as_ref()?.value;
    let mut knowledge: Vec<_> = folder.knowledge.iter().collect();
    knowledge.sort_by(|a, b| a.name.cmp(&b.name));
    let knowledge: Vec<_> = knowledge.into_iter().map(article).collect();
    let mut config = json!({
        "format": 1,
        "kind": "native",
        "name": agent.name,
        "description": agent.description,
        "workflow": agent.workflow,
        "workflow_prompt": {
            "persona": folder.persona,
            "greeting": agent.greeting,
            "goals": agent.goals,
            "variables": agent.variables,
        },
        "workflow_tools": items(&folder.skills),
        "workflow_graph": folder.graph.as_ref().map(|graph| pruned(&graph.value)),
        "knowledge": knowledge,
        "guardrails": items(&folder.guardrails),
        "playbooks": items(&folder.playbooks),
        "tests": items(&folder.tests),
    });
    prune(&mut config);
    if let Value::Object(entries) = &mut config {
        let blocks = folder.blocks.iter().filter(|(_, value)| value.as_object().is_some_and(|block| !block.is_empty()));
        entries.extend(blocks.map(|(block, value)| ((*block).to_owned(), value.clone())));
        let atoms = folder.atoms.iter().filter(|settings| settings.as_object().is_some_and(|all| !all.is_empty()));
        entries.extend(atoms.map(|settings| ("atoms".to_owned(), settings.clone())));
        if !included.is_empty() {
            entries.insert("included".to_owned(), Value::Object(included));
        }
    }
    Some(config)
}

/// Line ends as `\n` and no byte order mark: models read both as text, and editors put them in unasked.
pub fn prose(text: &str) -> String {
    text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n")
}

/// `section` without what was left out of its file.
pub fn pruned<T: Serialize>(section: &T) -> Value {
    let mut value = serde_json::to_value(section).expect("sections are made of texts, numbers, lists and maps");
    prune(&mut value);
    value
}

/// Removes absent values and empty lists and tables from every object. Items of lists stay.
fn prune(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.values_mut().for_each(prune);
            entries.retain(|_, value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(entries) => !entries.is_empty(),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// The files of one folder, each with its name, sorted by it.
fn items<T: Serialize>(reads: &[Read<'_, T>]) -> Vec<Value> {
    let sorted: BTreeMap<_, _> = reads.iter().map(|read| (read.name, read)).collect();
    sorted.into_iter().map(|(name, read)| named(name, pruned(&read.value))).collect()
}

fn named(name: &str, mut item: Value) -> Value {
    if let Value::Object(entries) = &mut item {
        entries.insert("name".to_owned(), name.into());
    }
    item
}

fn article(knowledge: &Knowledge) -> Value {
    let heading =
        || knowledge.body.lines().find_map(|line| line.strip_prefix("# ")).map(|title| title.trim().to_owned());
    let title = knowledge.article.title.clone().or_else(heading).unwrap_or_else(|| knowledge.name.clone());
    json!({
        "name": knowledge.name,
        "title": title,
        "questions": knowledge.article.questions,
        "body": knowledge.body,
    })
}
