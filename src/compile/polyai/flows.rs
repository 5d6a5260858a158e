//! Flows: where each starts, where its steps lead, and what they collect.

use std::ops::Range;

use super::names::{FlowNames, Names, slug};
use super::project::{Project, ProjectFile};
use super::references::check_code;
use super::report::{Report, shown};
use crate::compile::Severity;
use crate::compile::document::Node;

/// Checks every flow of the project.
pub(super) fn check(project: &Project, names: &Names, report: &mut Report) {
    for (flow, own) in &names.flows {
        let steps_folder = format!("flows/{flow}/steps/");
        let config = format!("flows/{flow}/flow_config.yaml");
        match project.files.get(config.as_str()) {
            Some(file) => check_start(file, flow, own, report),
            None => {
                let first = project.below(&steps_folder, ".yaml").next();
                if let Some((_, step)) = first {
                    let message = format!("the flow `{}` has steps and no `flow_config.yaml`", shown(flow));
                    let hint = Some("add `flow_config.yaml` with `name`, `description` and `start_step`".to_owned());
                    report.at(Severity::Error, "missing-file", step, 0..0, message, hint);
                }
            }
        }
        for (_, file) in project.below(&steps_folder, ".yaml") {
            check_step(file, own, names, report);
        }
    }
}

fn check_start(file: &ProjectFile, flow: &str, own: &FlowNames, report: &mut Report) {
    let Some(root) = file.root() else { return };
    let Some(node) = root.get("start_step") else {
        let message = format!("the flow `{}` does not say where it starts", shown(flow));
        let hint = own.steps.first().map(|step| format!("add `start_step: {step}`"));
        return report.at(Severity::Error, "missing-key", file, root.span.clone(), message, hint);
    };
    let Some(name) = node.as_str() else {
        let message = "`start_step` must be the name of a step".to_owned();
        return report.at(Severity::Error, "wrong-type", file, node.span.clone(), message, None);
    };
    if own.steps.contains(name) || own.function_steps.contains(name) {
        return;
    }
    let message = format!("the flow `{}` starts at `{}`, which is none of its steps", shown(flow), shown(name));
    let hint = step_hint(name, own, report);
    report.at(Severity::Error, "dangling-reference", file, node.span.clone(), message, hint);
}

/// The step that was probably meant; names that differ in spelling only come first.
fn step_hint(name: &str, own: &FlowNames, report: &mut Report) -> Option<String> {
    let known = || own.steps.iter().map(String::as_str).chain(own.function_steps.iter().copied());
    let same = slug(name);
    if !report.may_look_up() {
        return None;
    }
    let near = known().find(|step| slug(step) == same).or_else(|| report.nearest(name, known()));
    near.map(|near| format!("did you mean `{near}`?"))
}

fn check_step(file: &ProjectFile, own: &FlowNames, names: &Names, report: &mut Report) {
    let Some(root) = file.root() else { return };
    if let Some(kind) = root.get("step_type")
        && !matches!(kind.as_str(), Some("default_step" | "advanced_step"))
    {
        let message = "`step_type` is neither `default_step` nor `advanced_step`".to_owned();
        report.at(Severity::Warning, "unknown-value", file, kind.span.clone(), message, None);
    }
    for entity in root.get("extracted_entities").map(Node::items).unwrap_or_default() {
        check_entity(entity, file, names, report);
    }
    for condition in root.get("conditions").map(Node::items).unwrap_or_default() {
        for entity in condition.get("required_entities").map(Node::items).unwrap_or_default() {
            check_entity(entity, file, names, report);
        }
        let leads = condition.get("condition_type").and_then(Node::as_str) == Some("step_condition");
        match condition.get("child_step") {
            Some(child) => check_child(child, file, own, names, report),
            None if leads => {
                let message = "a `step_condition` does not say which step follows".to_owned();
                let hint = Some("add `child_step: …`".to_owned());
                report.at(Severity::Error, "missing-key", file, condition.span.clone(), message, hint);
            }
            None => {}
        }
    }
}

fn check_child(child: &Node, file: &ProjectFile, own: &FlowNames, names: &Names, report: &mut Report) {
    let Some(name) = child.as_str().filter(|name| !own.steps.contains(*name)) else { return };
    // A step that is code goes by the name of its file, so only such a name may be missing with the code.
    let may_be_code = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
    if may_be_code && (!names.has_code || own.function_steps.contains(name)) {
        let span: Range<usize> = child.span.clone();
        return check_code(name, "step", &own.function_steps, names, file, span, report);
    }
    let message = format!("there is no step `{}` in this flow", shown(name));
    let hint = step_hint(name, own, report);
    report.at(Severity::Error, "dangling-reference", file, child.span.clone(), message, hint);
}

fn check_entity(node: &Node, file: &ProjectFile, names: &Names, report: &mut Report) {
    let (Some(name), Some(known)) = (node.as_str(), &names.entities) else { return };
    if known.contains(name) {
        return;
    }
    let hint = match report.nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add `{}` to `config/entities.yaml`", shown(name)),
    };
    let message = format!("there is no entity `{}`", shown(name));
    report.at(Severity::Error, "dangling-reference", file, node.span.clone(), message, Some(hint));
}
