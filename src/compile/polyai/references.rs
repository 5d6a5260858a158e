//! References by name in prompts, rules and messages: `{{fn:…}}`, `{{ho:…}}` and their like.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::names::Names;
use super::project::{Project, ProjectFile};
use super::report::{Report, shown};
use crate::compile::document::{Node, Value};
use crate::compile::{Severity, Source};

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{\s{0,4}(fn|ft|entity|attr|ho|twilio_sms|vrbl|tn)\s{0,4}:([^{}]{0,200})\}\}")
        .expect("the pattern is fixed")
});

/// Folders whose texts the agent reads; a README may show a reference without meaning it.
const FOLDERS: [&str; 8] = ["agent_settings", "chat", "config", "flows", "test_suite", "tests", "topics", "voice"];

/// Checks every reference in the project and in the files it includes.
pub(super) fn check(project: &Project, names: &Names, source: &Source, report: &mut Report) {
    for (path, file) in &project.files {
        let mut parts = path.split('/');
        let read = parts.next().is_some_and(|folder| FOLDERS.contains(&folder)) && !path.ends_with(".py");
        if !read {
            continue;
        }
        let flow = path.strip_prefix("flows/").and_then(|rest| rest.split_once('/')).map(|(flow, _)| flow);
        match &file.document {
            Some(document) => document.roots.iter().for_each(|root| check_values(root, flow, file, names, report)),
            None => check_text(file.text, 0..file.text.len(), flow, file, names, report),
        }
    }
    for (path, file) in &source.included {
        if let Some(text) = file.text() {
            let file = ProjectFile { shown: path.clone(), text, document: None };
            check_text(text, 0..text.len(), None, &file, names, report);
        }
    }
    check_plain_names(project, names, report);
}

/// Names of functions that stand without braces: what a phrase filter calls, and what a test expects to be called.
fn check_plain_names(project: &Project, names: &Names, report: &mut Report) {
    let everywhere: BTreeSet<&str> =
        names.functions.iter().chain(names.flows.values().flat_map(|flow| &flow.functions)).copied().collect();
    if let Some(file) = project.files.get("voice/response_control/phrase_filtering.yaml") {
        let filters = file.root().and_then(|root| root.get("phrase_filtering")).map(Node::items).unwrap_or_default();
        for node in filters.iter().filter_map(|filter| filter.get("function")) {
            if let Some(name) = node.as_str().filter(|name| !name.is_empty()) {
                check_code(name, "function", &names.functions, names, file, node.span.clone(), report);
            }
        }
    }
    let tests = project.below("test_suite/", ".yaml").chain(project.below("tests/", ".yaml"));
    for (_, file) in tests {
        let calls = file.root().and_then(|root| root.get("function_call_assertions"));
        for node in calls.map(Node::items).unwrap_or_default().iter().filter_map(|call| call.get("name")) {
            if let Some(name) = node.as_str() {
                check_code(name, "function", &everywhere, names, file, node.span.clone(), report);
            }
        }
    }
}

/// Walks the texts of `root`. Comments are no texts.
fn check_values(root: &Node, flow: Option<&str>, file: &ProjectFile, names: &Names, report: &mut Report) {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match &node.value {
            Value::String(text) => check_text(text, node.span.clone(), flow, file, names, report),
            Value::Array(items) => open.extend(items),
            Value::Object(entries) => open.extend(entries.iter().map(|entry| &entry.node)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Checks the references in `text`, which the file holds in the bytes `within`, perhaps escaped or folded.
fn check_text(
    text: &str,
    within: Range<usize>,
    flow: Option<&str>,
    file: &ProjectFile,
    names: &Names,
    report: &mut Report,
) {
    let mut from = within.start;
    let mut verbatim = true;
    for found in REFERENCE.captures_iter(text) {
        let (Some(whole), Some(kind), Some(name)) = (found.get(0), found.get(1), found.get(2)) else { continue };
        let rest = file.text.get(from..within.end).filter(|_| verbatim);
        let place = rest.and_then(|rest| rest.find(whole.as_str()));
        // Escapes hide the rest too, and looking for each in vain would take quadratic time.
        verbatim = place.is_some();
        let span = place.map_or(within.clone(), |at| from + at..from + at + whole.len());
        from = if place.is_some() { span.end } else { from };
        check_one(kind.as_str(), name.as_str().trim(), flow, file, span, names, report);
    }
}

fn check_one(
    kind: &str,
    name: &str,
    flow: Option<&str>,
    file: &ProjectFile,
    span: Range<usize>,
    names: &Names,
    report: &mut Report,
) {
    let (what, home, declared, severity) = match kind {
        "fn" => return check_code(name, "function", &names.functions, names, file, span, report),
        "vrbl" => return check_code(name, "variable", &names.variables, names, file, span, report),
        "ft" => {
            let Some(flow) = flow else {
                let message = format!("`{{{{ft:{}}}}}` works only in the steps of a flow", shown(name));
                let hint = Some(format!("use a global function: `{{{{fn:{}}}}}`", shown(name)));
                return report.at(Severity::Warning, "outside-flow", file, span, message, hint);
            };
            let none = BTreeSet::new();
            let functions = names.flows.get(flow).map_or(&none, |flow| &flow.functions);
            return check_code(name, "function of this flow", functions, names, file, span, report);
        }
        "entity" => ("entity", "config/entities.yaml", &names.entities, Severity::Error),
        "attr" => ("variant attribute", "config/variant_attributes.yaml", &names.attributes, Severity::Error),
        "ho" => ("handoff", "config/handoffs.yaml", &names.handoffs, Severity::Error),
        "twilio_sms" => ("SMS template", "config/sms_templates.yaml", &names.sms_templates, Severity::Error),
        _ => ("translation", "config/translations.yaml", &names.translations, Severity::Warning),
    };
    let Some(known) = declared else { return };
    if known.contains(name) {
        return;
    }
    if is_platform_id(kind, name) {
        let message =
            format!("`{{{{{kind}:{}}}}}` is an id of the platform, which cannot be checked here", shown(name));
        let hint = Some(format!("write the name that `{home}` gives the {what}"));
        return report.at(Severity::Note, "platform-id", file, span, message, hint);
    }
    let nearest = report.nearest(name, known.iter().map(String::as_str));
    let hint = match nearest {
        Some(near) => format!("did you mean `{{{{{kind}:{near}}}}}`?"),
        None => format!("add `{}` to `{home}`, or remove the reference", shown(name)),
    };
    let message = format!("there is no {what} `{}`", shown(name));
    report.at(severity, "dangling-reference", file, span, message, Some(hint));
}

/// Checks a name that Python files define: counted where there are none, a note where only this one is missing.
pub(super) fn check_code(
    name: &str,
    what: &str,
    known: &BTreeSet<&str>,
    names: &Names,
    file: &ProjectFile,
    span: Range<usize>,
    report: &mut Report,
) {
    if !names.has_code {
        report.unchecked_code += 1;
    } else if !known.contains(name) {
        let nearest = report.nearest(name, known.iter().copied());
        let hint = nearest.map(|near| format!("did you mean `{near}`?"));
        let message = format!("no code in this folder defines the {what} `{}`", shown(name));
        report.at(Severity::Note, "missing-code", file, span, message, hint);
    }
}

/// Whether `name` is how the platform numbers things, as in `handoff-1` or `SMS_TEMPLATE-4f2a`.
fn is_platform_id(kind: &str, name: &str) -> bool {
    let Some((word, number)) = name.split_once('-') else { return false };
    let capital = !word.is_empty() && word.bytes().all(|c| c.is_ascii_uppercase() || c == b'_');
    let numbered = kind == "ho" && word == "handoff" && number.bytes().all(|c| c.is_ascii_digit());
    !number.is_empty() && (capital || numbered)
}
