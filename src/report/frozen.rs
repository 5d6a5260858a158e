//! Reading a frozen config without trusting its shape: whatever is not as expected is simply not there.

use serde_json::Value;

/// The text under `key`, if there is one that says something.
pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.trim().is_empty())
}

/// The elements of the list under `key`; nothing where there is no list.
pub fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The texts in the list under `key`.
pub fn texts(value: &Value, key: &str) -> Vec<String> {
    list(value, key).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What an element is called, or that it is not.
pub fn name(value: &Value) -> &str {
    ["name", "id", "title"].into_iter().find_map(|key| text(value, key)).unwrap_or("(no name)")
}

/// The files of a config that is frozen as it is: `files` or `included`, the path, the file.
pub fn files(config: &Value) -> impl Iterator<Item = (&'static str, &str, &Value)> {
    ["files", "included"].into_iter().flat_map(move |map| {
        let files = config.get(map).and_then(Value::as_object).into_iter().flatten();
        files.map(move |(path, file)| (map, path.as_str(), file))
    })
}

/// The parsed content of the file at `path`.
pub fn content<'a>(config: &'a Value, path: &str) -> Option<&'a Value> {
    config.get("files")?.get(path)?.get("value")
}
