//! Settings with a fixed vocabulary: the project's own file, safety filters, variants, switches.

use super::names::Declared;
use super::project::{Project, ProjectFile};
use super::report::{Report, shown};
use crate::compile::document::{Node, Value};
use crate::compile::{Severity, Source};

/// Where the platform runs.
const REGIONS: [&str; 6] = ["us-1", "euw-1", "uk-1", "studio", "staging", "dev"];

/// What `project.yaml` must say.
const REQUIRED: [&str; 3] = ["region", "account_id", "project_id"];

/// What a safety filter knows.
const CATEGORIES: [&str; 4] = ["violence", "hate", "sexual", "self_harm"];
const LEVELS: [&str; 3] = ["lenient", "medium", "strict"];

/// Checks all settings.
pub(super) fn check(project: &Project, variants: &Declared, source: &Source, report: &mut Report) {
    match project.files.get("project.yaml") {
        Some(file) => check_project(file, report),
        None => report.warn(
            "missing-file",
            &source.folder,
            "there is no `project.yaml`, so nobody can tell which project this is".to_owned(),
            "add `project.yaml` with `region`, `account_id` and `project_id`",
        ),
    }
    for path in ["agent_settings/safety_filters.yaml", "voice/safety_filters.yaml", "chat/safety_filters.yaml"] {
        if let Some(file) = project.files.get(path) {
            check_safety(file, report);
        }
    }
    for (_, file) in project.below("topics/", ".yaml") {
        if let Some(enabled) = file.root().and_then(|root| root.get("enabled")) {
            check_switch(enabled, file, report);
        }
    }
    if let Some(file) = project.files.get("config/variant_attributes.yaml") {
        check_variants(file, variants, report);
    }
}

fn check_project(file: &ProjectFile, report: &mut Report) {
    let Some(root) = file.root() else { return };
    for key in REQUIRED {
        match root.get(key).map(|node| (node, &node.value)) {
            None | Some((_, Value::Null)) => {
                let message = format!("`project.yaml` does not say `{key}`");
                let hint = Some(format!("add `{key}: …`"));
                report.at(Severity::Error, "missing-key", file, root.span.start..root.span.start, message, hint);
            }
            Some((node, Value::String(text))) if text.trim().is_empty() => {
                let message = format!("`{key}` is empty");
                report.at(Severity::Error, "missing-key", file, node.span.clone(), message, None);
            }
            Some((node, Value::Array(_) | Value::Object(_) | Value::Bool(_))) => {
                let message = format!("`{key}` must be a text");
                report.at(Severity::Error, "wrong-type", file, node.span.clone(), message, None);
            }
            Some(_) => {}
        }
    }
    if let Some((node, region)) = root.get("region").and_then(|node| Some((node, node.as_str()?)))
        && !region.trim().is_empty()
        && !REGIONS.contains(&region)
    {
        let message = format!("`{}` is not a region known here", shown(region));
        let hint = one_of(region, &REGIONS, report);
        report.at(Severity::Warning, "unknown-value", file, node.span.clone(), message, Some(hint));
    }
}

fn check_safety(file: &ProjectFile, report: &mut Report) {
    let Some(root) = file.root() else { return };
    if let Some(enabled) = root.get("enabled") {
        check_switch(enabled, file, report);
    }
    let Some(categories) = root.get("categories") else { return };
    for entry in categories.entries() {
        if !CATEGORIES.contains(&entry.key.as_str()) {
            let message = format!("`{}` is not a category of safety filters", shown(&entry.key));
            let hint = one_of(&entry.key, &CATEGORIES, report);
            report.at(Severity::Warning, "unknown-key", file, entry.key_span.clone(), message, Some(hint));
        }
        if let Some(enabled) = entry.node.get("enabled") {
            check_switch(enabled, file, report);
        }
        if let Some(level) = entry.node.get("level")
            && !level.as_str().is_some_and(|level| LEVELS.contains(&level))
        {
            let written = level.as_str().unwrap_or_default();
            let message = "`level` is none of `lenient`, `medium` and `strict`".to_owned();
            let hint = one_of(written, &LEVELS, report);
            report.at(Severity::Error, "unknown-value", file, level.span.clone(), message, Some(hint));
        }
    }
    for category in CATEGORIES.iter().filter(|category| categories.get(category).is_none()) {
        let message = format!("the safety filter does not say what happens to `{category}`");
        let hint = Some(format!("add `{category}` with `enabled` and `level`"));
        report.at(Severity::Warning, "missing-key", file, categories.span.clone(), message, hint);
    }
}

/// A switch that is not true or false, such as `"yes"`, is on or off by accident.
fn check_switch(node: &Node, file: &ProjectFile, report: &mut Report) {
    if !matches!(node.value, Value::Bool(_)) {
        let message = "`enabled` must be true or false".to_owned();
        let hint = Some("write `true` or `false` without quotes".to_owned());
        report.at(Severity::Error, "wrong-type", file, node.span.clone(), message, hint);
    }
}

/// An attribute has a value for each variant and for nothing else.
fn check_variants(file: &ProjectFile, variants: &Declared, report: &mut Report) {
    let (Some(root), Some(variants)) = (file.root(), variants) else { return };
    for attribute in root.get("attributes").map(Node::items).unwrap_or_default() {
        let Some(values) = attribute.get("values") else { continue };
        for entry in values.entries().iter().filter(|entry| !variants.contains(&entry.key)) {
            let hint = report
                .nearest(&entry.key, variants.iter().map(String::as_str))
                .map_or_else(|| "add it to `variants`".to_owned(), |near| format!("did you mean `{near}`?"));
            let message = format!("there is no variant `{}`", shown(&entry.key));
            report.at(Severity::Error, "dangling-reference", file, entry.key_span.clone(), message, Some(hint));
        }
        let known = values.entries().iter().filter(|entry| variants.contains(&entry.key)).count();
        let missing = variants.len() - known;
        if missing > 0 {
            let name = attribute.get("name").and_then(Node::as_str).unwrap_or_default();
            let message = format!("the attribute `{}` has no value for {missing} of the variants", shown(name));
            let hint = Some("give every variant a value, if only `\"\"`".to_owned());
            report.at(Severity::Warning, "missing-key", file, values.span.clone(), message, hint);
        }
    }
}

fn one_of(written: &str, known: &[&'static str], report: &mut Report) -> String {
    match report.nearest(written, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of `{}`", known.join("`, `")),
    }
}
