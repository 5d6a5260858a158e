//! Checks that need more than one file: whatever one names, another must have.

use std::collections::BTreeSet;

use super::explain::MOST;
use super::folder::Step::{Item, Key};
use super::folder::{Folder, Read, Step};
use super::section::{GuardrailKind, LanguagePolicy, Request, Skill, Workflow};
use crate::compile::{Finding, Severity};
use crate::domain::nearest::nearest;

/// How many suggestions are looked for in one agent: each compares a name with all others.
const SUGGESTIONS: usize = 100;

/// Collects findings, so many per file.
pub(super) struct Teller<'f> {
    findings: &'f mut Vec<Finding>,
    in_file: usize,
    suggestions: usize,
}

impl<'f> Teller<'f> {
    pub(super) fn new(findings: &'f mut Vec<Finding>) -> Self {
        Teller { findings, in_file: 0, suggestions: SUGGESTIONS }
    }

    fn next_file(&mut self) {
        self.in_file = 0;
    }

    pub(super) fn tell<T>(
        &mut self,
        severity: Severity,
        code: &'static str,
        file: &Read<'_, T>,
        way: &[Step],
        message: String,
        hint: impl Into<String>,
    ) {
        self.in_file += 1;
        if self.in_file <= MOST {
            let finding = Finding::new(severity, code, &file.path, message).at(file.text, file.span(way));
            self.findings.push(finding.hint(hint));
        }
    }

    /// An error about `typed`, which names nothing; `what` it should name, and `known` the names there are.
    pub(super) fn dangling<'n, T>(
        &mut self,
        file: &Read<'_, T>,
        way: &[Step],
        what: &str,
        typed: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let hint = self.suggestion(typed, known).unwrap_or_else(|| format!("add that {what}, or take the name out"));
        self.tell(Severity::Error, "dangling", file, way, format!("there is no {what} `{typed}`"), hint);
    }

    fn suggestion<'n>(&mut self, typed: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
        if self.in_file >= MOST || self.suggestions == 0 {
            return None;
        }
        self.suggestions -= 1;
        nearest(typed, known.into_iter().take(1_000)).map(|known| format!("did you mean `{known}`?"))
    }
}

/// Checks everything that `folder` says about itself.
pub fn check(folder: &Folder<'_>, findings: &mut Vec<Finding>) {
    let mut teller = Teller::new(findings);
    check_workflow(folder, &mut teller);
    teller.next_file();
    super::graph_check::check(folder, &mut teller);
    let collected = collected(folder);
    for skill in &folder.skills {
        teller.next_file();
        check_skill(skill, folder, &collected, &mut teller);
    }
    for playbook in &folder.playbooks {
        teller.next_file();
        for (index, step) in playbook.value.steps.iter().enumerate() {
            let way = |key| [Key("steps"), Item(index), Key(key)];
            if let Some(skill) = step.skill.as_deref().filter(|skill| !folder.has("skills", skill)) {
                teller.dangling(playbook, &way("skill"), "skill", skill, folder.names_in("skills"));
            }
            if let Some(article) = step.knowledge.as_deref().filter(|article| !folder.has("knowledge", article)) {
                teller.dangling(playbook, &way("knowledge"), "article", article, folder.names_in("knowledge"));
            }
        }
    }
    check_guardrails(folder, &mut teller);
    check_tests(folder, &mut teller);
    check_language(folder, &mut teller);
    super::call_check::check(folder, &mut teller);
}

fn check_workflow(folder: &Folder<'_>, teller: &mut Teller<'_>) {
    let Some(agent) = &folder.agent else { return };
    let way = [Key("workflow")];
    match agent.value.workflow {
        Workflow::WorkflowGraph if !folder.has("graph", "") => {
            let message = "the workflow is a graph, and there is no graph".to_owned();
            teller.tell(Severity::Error, "no-graph", agent, &way, message, "add `graph.toml` beside this file");
        }
        Workflow::SinglePrompt if folder.has("graph", "") => {
            let message = "the graph is not used, because the workflow is a single prompt".to_owned();
            let hint = "write `workflow = \"workflow_graph\"`, or remove the graph";
            teller.tell(Severity::Warning, "unused-graph", agent, &way, message, hint);
        }
        Workflow::SinglePrompt if !folder.has("persona", "") => {
            let message = "a single prompt is wanted, and there is no `persona.md`".to_owned();
            teller.tell(Severity::Warning, "no-persona", agent, &way, message, "write the prompt to `persona.md`");
        }
        _ => {}
    }
}

/// The fields that any skill may send: variables, and what the graph and the playbooks collect.
fn collected<'a>(folder: &'a Folder<'_>) -> BTreeSet<&'a str> {
    let variables = folder.agent.iter().flat_map(|agent| agent.value.variables.keys());
    let nodes = folder.graph.iter().flat_map(|graph| &graph.value.nodes).flat_map(|node| &node.collect);
    let steps = folder.playbooks.iter().flat_map(|playbook| &playbook.value.steps);
    let steps = steps.filter_map(|step| step.collect.as_ref());
    variables.chain(nodes).chain(steps).map(String::as_str).collect()
}

fn check_skill(skill: &Read<'_, Skill>, folder: &Folder<'_>, collected: &BTreeSet<&str>, teller: &mut Teller<'_>) {
    let mut parameters = BTreeSet::new();
    for (index, parameter) in skill.value.parameters.iter().enumerate() {
        if !parameters.insert(parameter.name.as_str()) {
            let message = format!("two parameters are called `{}`", parameter.name);
            let way = [Key("parameters"), Item(index), Key("name")];
            teller.tell(Severity::Error, "duplicate-name", skill, &way, message, "rename one of them");
        }
        if parameter.description.as_deref().is_none_or(|text| text.trim().is_empty()) {
            let message = format!("the parameter `{}` has no description, so the model must guess", parameter.name);
            let way = [Key("parameters"), Item(index)];
            teller.tell(Severity::Warning, "no-description", skill, &way, message, "add `description`");
        }
    }
    let Some(request) = &skill.value.request else { return };
    check_url(skill, request, teller);
    if folder.incomplete {
        // The file that collects a field may be one that could not be read.
        return;
    }
    let sent = request.send.iter().enumerate().map(|(index, field)| (field.as_str(), Some(index)));
    let in_url = placeholders(&request.url).map(|field| (field, None));
    for (field, index) in sent.chain(in_url) {
        if parameters.contains(field) || collected.contains(field) {
            continue;
        }
        let way = [Key("request"), Key(if index.is_some() { "send" } else { "url" }), Item(index.unwrap_or(0))];
        let known = parameters.iter().chain(collected).copied();
        let hint = teller
            .suggestion(field, known)
            .unwrap_or_else(|| format!("add a parameter `{field}`, or collect it in the graph or a playbook"));
        let message = format!("`{}` sends a field nobody collects: `{field}`", skill.name);
        teller.tell(Severity::Error, "uncollected", skill, &way, message, hint);
    }
}

fn check_url(skill: &Read<'_, Skill>, request: &Request, teller: &mut Teller<'_>) {
    let way = [Key("request"), Key("url")];
    let url = request.url.as_str();
    let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"].iter().any(|host| url.starts_with(host));
    if url.starts_with("http://") && !local {
        let message = format!("`{}` sends data without encryption", skill.name);
        teller.tell(Severity::Warning, "plain-http", skill, &way, message, "write `https://`");
    } else if !(url.starts_with("https://") || url.starts_with("${") || local) {
        let message = "this is not a web address".to_owned();
        teller.tell(
            Severity::Error,
            "wrong-value",
            skill,
            &way,
            message,
            "write `https://…`, or `${name}` for a setting",
        );
    }
}

/// The fields that `{name}` in `url` stands for; `${name}` is not one.
fn placeholders(url: &str) -> impl Iterator<Item = &str> {
    url.match_indices('{').filter_map(|(at, _)| {
        let before = url.get(..at)?;
        let name = url.get(at + 1..)?.split(['}', '{', '/']).next()?;
        let closed = url.get(at + 1 + name.len()..)?.starts_with('}');
        (closed && !before.ends_with('$') && !name.is_empty()).then_some(name)
    })
}

fn check_guardrails(folder: &Folder<'_>, teller: &mut Teller<'_>) {
    let nobody =
        !folder.incomplete && folder.call_handling.as_ref().is_none_or(|calls| calls.value.transfer.is_empty());
    for guardrail in &folder.guardrails {
        teller.next_file();
        let kind = guardrail.value.kind;
        if kind == GuardrailKind::BannedTopic && guardrail.value.topics.is_empty() {
            let message = format!("`{}` bans a topic and names none", guardrail.name);
            teller.tell(Severity::Warning, "no-topic", guardrail, &[Key("kind")], message, "add `topics = […]`");
        }
        if kind == GuardrailKind::Handoff && guardrail.value.enabled && nobody {
            let message = format!("`{}` hands the caller over, and nobody is there to take over", guardrail.name);
            let hint = "add a `transfer` to `call_handling.toml`";
            teller.tell(Severity::Warning, "no-transfer", guardrail, &[Key("kind")], message, hint);
        }
    }
}

fn check_tests(folder: &Folder<'_>, teller: &mut Teller<'_>) {
    for test in &folder.tests {
        teller.next_file();
        if test.value.turns.is_empty() && test.value.questions.is_empty() {
            let message = format!("the test `{}` tests nothing", test.name);
            teller.tell(Severity::Warning, "empty", test, &[], message, "add `turns` or `questions`");
        }
        for (index, turn) in test.value.turns.iter().enumerate() {
            let skill = turn.expect.as_ref().and_then(|expect| expect.skill.as_deref());
            if let Some(skill) = skill.filter(|skill| !folder.has("skills", skill)) {
                let way = [Key("turns"), Item(index), Key("expect"), Key("skill")];
                teller.dangling(test, &way, "skill", skill, folder.names_in("skills"));
            }
        }
        let Some(agent) = &folder.agent else { continue };
        for name in test.value.variables.keys().filter(|name| !agent.value.variables.contains_key(*name)) {
            let known = agent.value.variables.keys().map(String::as_str);
            teller.dangling(test, &[Key("variables")], "variable", name, known);
        }
    }
}

fn check_language(folder: &Folder<'_>, teller: &mut Teller<'_>) {
    let Some(language) = &folder.language else { return };
    teller.next_file();
    let supported = &language.value.supported;
    if !supported.is_empty() && !supported.contains(&language.value.primary) {
        let message = format!("the primary language `{}` is not among the supported ones", language.value.primary);
        teller.tell(Severity::Warning, "language", language, &[Key("primary")], message, "add it to `supported`");
    }
    if language.value.policy == Some(LanguagePolicy::SingleLanguage) && supported.len() > 1 {
        let message = "the agent keeps to one language, so the other supported ones are never spoken".to_owned();
        let hint = "write `policy = \"code_switch\"`";
        teller.tell(Severity::Warning, "language", language, &[Key("policy")], message, hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_a_url_are_fields_and_secrets_are_not() {
        let of = |url| placeholders(url).collect::<Vec<_>>();
        assert_eq!(of("https://x/{a}/b?c={c}&k=${KEY}"), ["a", "c"]);
        assert_eq!(of("https://x/{/{}{{a}}é{"), ["a"]);
    }
}
