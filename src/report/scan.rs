//! Walks every text of a config: an address can stand anywhere, in a prompt too.

use serde_json::Value;

use super::facts::Facts;
use super::web_address;
use crate::compare::path::{Path, Step};

/// Values deeper than this are not looked at; no parser lets them through.
const DEEPEST: usize = 100;

/// A text of a config: the key it stands under, its path, made only when asked for, and the text.
pub(super) struct Found<'a> {
    pub(super) key: &'a str,
    pub(super) path: &'a Path<'a>,
    pub(super) text: &'a str,
}

/// Calls `see` for every text below `value`, which stands at `path`.
pub(super) fn texts(value: &Value, path: &Path<'_>, see: &mut dyn FnMut(&Found<'_>)) {
    walk(value, "", path, 0, see);
}

fn walk(value: &Value, key: &str, path: &Path<'_>, depth: usize, see: &mut dyn FnMut(&Found<'_>)) {
    match value {
        Value::String(text) => see(&Found { key, path, text }),
        Value::Object(entries) if depth < DEEPEST => {
            let is_system = entries.get("role").is_some_and(|role| role == "system");
            for (key, value) in entries {
                // Chat-style lists of messages keep the prompt in an entry of this role.
                let named = if is_system && key == "content" { "system" } else { key };
                walk(value, named, &path.then(Step::Key(key)), depth + 1, see);
            }
        }
        Value::Array(elements) if depth < DEEPEST => {
            for (at, value) in elements.iter().enumerate() {
                let name = value.get("name").filter(|name| name.is_string());
                walk(value, key, &path.then(name.map_or(Step::Index(at), Step::Named)), depth + 1, see);
            }
        }
        _ => {}
    }
}

/// Calls `see` for every text of the files of a config that is frozen as it is.
pub(super) fn file_texts(config: &Value, see: &mut dyn FnMut(&str, &Found<'_>)) {
    for (map, file, content) in super::frozen::files(config) {
        let root = Path::ROOT;
        let map = root.then(Step::Key(map));
        let path = map.then(Step::File(file));
        for (key, value) in content.as_object().into_iter().flatten() {
            match key.as_str() {
                "value" => texts(value, &path, &mut |found| see(file, found)),
                "text" | "body" => texts(value, &path, &mut |found| see(file, &Found { key: "", ..*found })),
                "front_matter" => texts(value, &path.then(Step::Key(key)), &mut |found| see(file, found)),
                _ => {}
            }
        }
    }
}

/// Adds the hosts that a text names.
pub(super) fn hosts(facts: &mut Facts, found: &Found<'_>, called: bool) {
    let mut place = None;
    for host in web_address::hosts_in(found.text) {
        facts.hosts.add(host, called, place.get_or_insert_with(|| found.path.show()));
    }
}
