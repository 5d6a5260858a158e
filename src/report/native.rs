//! The facts of a native agent.

use std::collections::BTreeSet;

use serde_json::Value;

use super::coverage::{Article, Content, cover};
use super::facts::{DataLeaving, Facts, Guardrail, Number, Prohibition, Saying, SayingKind};
use super::frozen::{list, name, text, texts};
use super::{scan, web_address};
use crate::compare::path::Path;

/// Reads the facts of a native frozen config.
pub(super) fn facts(config: &Value) -> Facts {
    let mut facts = Facts { name: text(config, "name").map(str::to_owned), ..Facts::default() };
    greeting_and_persona(config, &mut facts);
    guardrails(config, &mut facts);
    lines(config, &mut facts);
    skills(config, &mut facts);
    knowledge(config, &mut facts);
    if let Some(calls) = config.get("call_handling") {
        for transfer in list(calls, "transfer") {
            let when = text(transfer, "when").map(str::to_owned);
            if let Some(number) = text(transfer, "number") {
                facts.numbers.push(Number { number: number.to_owned(), name: name(transfer).to_owned(), when });
            }
        }
    }
    scan::texts(config, &Path::ROOT, &mut |found| scan::hosts(&mut facts, found, false));
    facts
}

fn greeting_and_persona(config: &Value, facts: &mut Facts) {
    let prompt = config.get("workflow_prompt").unwrap_or(&Value::Null);
    if let Some(greeting) = text(prompt, "greeting") {
        facts.sayings.push(Saying::new(SayingKind::Greeting, "greeting", greeting));
    }
    if let Some(greeting) = config.get("widget").and_then(|widget| text(widget, "greeting")) {
        facts.sayings.push(Saying::new(SayingKind::Greeting, "widget", greeting));
    }
    let inner = |outer: &str, key: &str| config.get(outer)?.get(key);
    let notices = [
        ("privacy notice", config.get("privacy"), "notice"),
        ("after hours", inner("call_handling", "after_hours"), "say"),
        ("voicemail", inner("detection", "voicemail"), "message"),
    ];
    for (from, block, key) in notices {
        let said = block.and_then(|block| text(block, key));
        facts.sayings.extend(said.map(|said| Saying::new(SayingKind::Say, from, said)));
    }
    if let Some(persona) = text(prompt, "persona") {
        facts.sayings.push(Saying::new(SayingKind::Persona, "persona", persona));
    }
}

fn guardrails(config: &Value, facts: &mut Facts) {
    for guardrail in list(config, "guardrails") {
        let active = guardrail.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        let kind = text(guardrail, "kind").unwrap_or_default();
        let rule = text(guardrail, "rule").or_else(|| text(guardrail, "description")).map(str::to_owned);
        let (topics, phrases) = (texts(guardrail, "topics"), texts(guardrail, "phrases"));
        match kind {
            "always_say" if active => {
                let said = if phrases.is_empty() { rule.iter().cloned().collect() } else { phrases };
                let from = format!("guardrail `{}`", name(guardrail));
                facts.sayings.extend(said.iter().map(|text| Saying::new(SayingKind::AlwaysSay, from.as_str(), text)));
            }
            "never_say" | "banned_topic" if active => {
                let (guardrail, kind, rule) = (name(guardrail).to_owned(), kind.to_owned(), rule.clone());
                facts.prohibitions.push(Prohibition { guardrail, kind, rule, topics, phrases });
            }
            _ => {}
        }
        facts.guardrails.push(Guardrail {
            name: name(guardrail).to_owned(),
            kind: text(guardrail, "kind").map(str::to_owned),
            action: text(guardrail, "action").map(str::to_owned),
            rule,
            active,
        });
    }
}

fn lines(config: &Value, facts: &mut Facts) {
    for playbook in list(config, "playbooks") {
        let from = format!("playbook `{}`", name(playbook));
        for step in list(playbook, "steps") {
            for (key, kind) in [("say", SayingKind::Say), ("ask", SayingKind::Ask)] {
                facts.sayings.extend(text(step, key).map(|line| Saying::new(kind, from.as_str(), line)));
            }
        }
    }
    for node in config.get("workflow_graph").into_iter().flat_map(|graph| list(graph, "nodes")) {
        let from = format!("graph node `{}`", text(node, "id").unwrap_or_else(|| name(node)));
        facts.sayings.extend(text(node, "say").map(|line| Saying::new(SayingKind::Say, from.as_str(), line)));
    }
}

fn skills(config: &Value, facts: &mut Facts) {
    for skill in list(config, "workflow_tools") {
        let from = format!("skill `{}`", name(skill));
        facts.sayings.extend(text(skill, "say_before").map(|line| Saying::new(SayingKind::Say, from.as_str(), line)));
        let Some((request, url)) = skill.get("request").and_then(|request| Some((request, text(request, "url")?)))
        else {
            continue;
        };
        let mut fields = texts(request, "send");
        for field in web_address::placeholders(url) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        let host = web_address::host(url);
        if let Some(host) = &host {
            facts.hosts.add(host.clone(), true, &from);
        }
        facts.data_leaving.push(DataLeaving {
            skill: name(skill).to_owned(),
            environment: None,
            fields,
            method: text(request, "method").unwrap_or("GET").to_uppercase(),
            host,
            url: web_address::shown(url),
        });
    }
}

fn knowledge(config: &Value, facts: &mut Facts) {
    let contents: Vec<Content<'_>> = list(config, "knowledge")
        .map(|article| Content {
            article: Article {
                name: name(article).to_owned(),
                title: text(article, "title").unwrap_or_else(|| name(article)).to_owned(),
            },
            questions: texts(article, "questions"),
            body: text(article, "body").unwrap_or_default(),
        })
        .collect();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut asked = Vec::new();
    for playbook in list(config, "playbooks") {
        let by = format!("playbook `{}`", name(playbook));
        asked.extend(texts(playbook, "topics").into_iter().map(|topic| (topic, by.clone())));
        named.extend(list(playbook, "steps").filter_map(|step| text(step, "knowledge")));
    }
    for node in config.get("workflow_graph").into_iter().flat_map(|graph| list(graph, "nodes")) {
        named.extend(list(node, "knowledge").filter_map(Value::as_str));
    }
    for test in list(config, "tests") {
        let by = format!("test `{}`", name(test));
        asked.extend(texts(test, "questions").into_iter().map(|question| (question, by.clone())));
    }
    facts.coverage = cover(contents, asked, &named);
}
