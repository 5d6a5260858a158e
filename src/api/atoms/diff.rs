//! Comparisons on the wire.

use serde_json::{Value, json};

use super::config::{Config, blocks, changes, sections};

/// `{unchangedSections, diffs: [{section, changes: [{path, oldValue, newValue}]}]}`
pub(super) fn json_of(before: &Config, after: &Config) -> Value {
    let changes = changes(before, after);
    let all = blocks(after);
    let names = all.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let unchanged: Vec<&str> = names.filter(|name| !changes.contains_key(*name)).collect();
    json!({ "unchangedSections": unchanged, "diffs": diffs(before, after) })
}

/// The sections that changed.
pub(super) fn diffs(before: &Config, after: &Config) -> Vec<Value> {
    let changes = changes(before, after);
    let shown = changes.into_iter().map(|(section, changed)| {
        let changed: Vec<_> = changed
            .into_iter()
            .map(|(path, old, new)| json!({ "path": path, "oldValue": old, "newValue": new }))
            .collect();
        json!({ "section": section, "changes": changed })
    });
    shown.collect()
}

/// `{sections: {name: {before, after, changed}}, hasChanges}`
pub(super) fn by_section(before: &Config, after: &Config) -> Value {
    let changed = changes(before, after);
    let (before, after) = (sections(before), sections(after));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let shown = names.into_iter().map(|name| {
        let value = json!({
            "before": before.get(name),
            "after": after.get(name),
            "changed": changed.contains_key(name),
        });
        (name.to_owned(), value)
    });
    json!({ "sections": shown.collect::<serde_json::Map<_, _>>(), "hasChanges": !changed.is_empty() })
}
