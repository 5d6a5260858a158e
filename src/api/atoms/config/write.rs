//! The files of a native folder that hold a config.

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table};

use super::leaves::LEAVES;
use super::{get, take};
use crate::compile::Source;
use crate::ops::Problem;
use crate::ops::lines::Files;

/// The endings of a block's file.
const FORMATS: [&str; 4] = ["toml", "yaml", "yml", "json"];

/// What a value becomes in a native file.
struct Native {
    path: &'static [&'static str],
    value: Option<Value>,
}

/// The files that change so that the folder `source`, whose frozen config is `frozen`, says `atoms`. A file that people
/// wrote in TOML keeps its comments and order.
pub(in crate::api::atoms) fn files(
    source: &Source,
    frozen: &Value,
    atoms: &Map<String, Value>,
) -> Result<Files, Problem> {
    let mut rest = atoms.clone();
    let mut native = Vec::new();
    for leaf in LEAVES {
        // `language.toml` says nothing without a primary language.
        let alone = leaf.native == ["language", "supported"]
            && !native.iter().any(|it: &Native| it.path == ["language", "primary"] && it.value.is_some());
        let value = get(&rest, leaf.atoms).filter(|_| !alone).and_then(leaf.to_native);
        if value.is_some() {
            take(&mut rest, leaf.atoms);
        }
        native.push(Native { path: leaf.native, value });
    }
    let mut files = Files::new();
    prompt(source, &mut rest, &mut files);
    if rest.get("workflowType") == frozen.get("workflow")
        || (frozen.is_null() && rest.get("workflowType") == Some(&Value::from("single_prompt")))
    {
        rest.remove("workflowType");
    }
    let sections: std::collections::BTreeSet<&str> = native.iter().map(|it| it.path[0]).collect();
    for section in sections {
        let own = frozen.get(section).and_then(Value::as_object).cloned().unwrap_or_default();
        let changed = native.iter().filter(|it| it.path[0] == section && get(&own, &it.path[1..]) != it.value.as_ref());
        let changed: Vec<_> = changed.collect();
        if changed.is_empty() {
            continue;
        }
        let name = if section == "workflow_prompt" { "agent" } else { section };
        block(source, name, &own, &changed, &mut files)?;
    }
    let known = source.files.get("atoms.json").and_then(|file| file.bytes());
    let mut text = serde_json::to_vec_pretty(&rest).expect("a config is JSON");
    text.push(b'\n');
    match (rest.is_empty(), known) {
        (true, None) => {}
        (true, Some(_)) => drop(files.insert("atoms.json".to_owned(), None)),
        (false, known) if known == Some(&text) => {}
        (false, _) => drop(files.insert("atoms.json".to_owned(), Some(text))),
    }
    Ok(files)
}

/// The persona is the global prompt and the agent's own one below it.
fn prompt(source: &Source, rest: &mut Map<String, Value>, files: &mut Files) {
    let own = take_text(rest, &["singlePromptConfig", "prompt"]);
    let global = rest.get("globalPrompt").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let persona = match (&global, &own) {
        (Some(global), Some(own)) => Some(format!("{global}\n\n{own}")),
        (one, other) => one.clone().or_else(|| other.clone()),
    };
    let (name, known) = source
        .files
        .iter()
        .find(|(path, _)| matches!(path.to_ascii_lowercase().as_str(), "persona.md" | "persona.markdown"))
        .map_or(("persona.md", None), |(path, file)| (path.as_str(), file.bytes()));
    match persona {
        Some(persona) if known == Some(persona.as_bytes()) => {}
        Some(persona) => drop(files.insert(name.to_owned(), Some(persona.into_bytes()))),
        None if known.is_some() => drop(files.insert(name.to_owned(), None)),
        None => {}
    }
}

/// Takes a text that says something.
fn take_text(rest: &mut Map<String, Value>, path: &[&str]) -> Option<String> {
    get(rest, path).and_then(Value::as_str).filter(|text| !text.is_empty())?;
    take(rest, path)?.as_str().map(str::to_owned)
}

/// The file of one block after `changed`.
fn block(
    source: &Source,
    name: &str,
    own: &Map<String, Value>,
    changed: &[&Native],
    files: &mut Files,
) -> Result<(), Problem> {
    let path = format!("{name}.toml");
    let broken = |error: String| {
        Problem::refused("findings", format!("`{path}` does not parse: {error}")).hint("mend the file, then try again")
    };
    let text = match source.files.get(&path) {
        Some(file) => file.text().unwrap_or_default().to_owned(),
        // YAML and JSON are written anew as TOML: their writers keep neither comments nor order.
        None => toml::to_string(own).map_err(|error| broken(error.to_string()))?,
    };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| broken(error.to_string()))?;
    for native in changed {
        set(document.as_table_mut(), &native.path[1..], native.value.as_ref());
    }
    for format in FORMATS.iter().skip(1) {
        let other = format!("{name}.{format}");
        if source.files.contains_key(&other) {
            files.insert(other, None);
        }
    }
    if document.is_empty() {
        if source.files.contains_key(&path) {
            files.insert(path, None);
        }
    } else {
        files.insert(path, Some(document.to_string().into_bytes()));
    }
    Ok(())
}

fn set(table: &mut dyn toml_edit::TableLike, path: &[&str], value: Option<&Value>) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        match value.and_then(to_toml) {
            Some(value) => drop(table.insert(first, Item::Value(value))),
            None => drop(table.remove(first)),
        }
        return;
    }
    if value.is_some() && table.get(first).is_none_or(|item| !item.is_table_like()) {
        table.insert(first, Item::Table(Table::new()));
    }
    let Some(below) = table.get_mut(first).and_then(Item::as_table_like_mut) else { return };
    set(below, rest, value);
    if below.is_empty() {
        table.remove(first);
    }
}

/// `value` as TOML has it; null has no place there.
fn to_toml(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().filter_map(to_toml).collect::<toml_edit::Array>().into(),
        Value::Object(entries) => {
            let table = entries.iter().filter_map(|(key, value)| Some((key.as_str(), to_toml(value)?)));
            table.collect::<toml_edit::InlineTable>().into()
        }
    })
}
