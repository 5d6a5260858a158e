//! The facts of a PolyAI ADK project, from the files that its platform reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::coverage::{Article, Content, cover};
use super::facts::{DataLeaving, Facts, Guardrail, Number, Prohibition, Saying, SayingKind};
use super::frozen::{content, files, list, name, text, texts};
use super::{scan, web_address};

/// Reads the facts of a frozen PolyAI project.
pub(super) fn facts(config: &Value) -> Facts {
    let own_name = content(config, "project.yaml").and_then(|project| text(project, "name")).map(str::to_owned);
    let mut facts = Facts { name: own_name, ..Facts::default() };
    channels(config, &mut facts);
    persona(config, &mut facts);
    safety(config, &mut facts);
    phrases(config, &mut facts);
    integrations(config, &mut facts);
    topics(config, &mut facts);
    for (_, path, file) in files(config).filter(|(_, path, _)| path.starts_with("flows/") && path.contains("/steps/")) {
        let prompt = file.get("value").and_then(|step| text(step, "prompt"));
        facts.sayings.extend(prompt.map(|prompt| Saying::new(SayingKind::Prompt, format!("`{path}`"), prompt)));
    }
    if let Some(templates) = content(config, "config/sms_templates.yaml") {
        for template in list(templates, "sms_templates") {
            let from = format!("text message `{}`", name(template));
            facts.sayings.extend(text(template, "text").map(|text| Saying::new(SayingKind::Sms, from, text)));
        }
    }
    for handoff in content(config, "config/handoffs.yaml").into_iter().flat_map(|file| list(file, "handoffs")) {
        if let Some(number) = handoff.get("sip_config").and_then(|sip| text(sip, "phone_number")) {
            let when = text(handoff, "description").map(str::to_owned);
            facts.numbers.push(Number { number: number.to_owned(), name: name(handoff).to_owned(), when });
        }
    }
    scan::file_texts(config, &mut |_, found| scan::hosts(&mut facts, found, false));
    facts
}

fn channels(config: &Value, facts: &mut Facts) {
    for channel in ["voice", "chat"] {
        let Some(settings) = content(config, &format!("{channel}/configuration.yaml")) else { continue };
        let at = |outer: &str, key: &str| settings.get(outer).and_then(|inner| text(inner, key));
        if let Some(welcome) = at("greeting", "welcome_message") {
            facts.sayings.push(Saying::new(SayingKind::Greeting, channel, welcome));
        }
        let disclaimer = settings.get("disclaimer_messages");
        if disclaimer.is_some_and(|message| message.get("enabled") == Some(&Value::Bool(true)))
            && let Some(message) = at("disclaimer_messages", "message")
        {
            facts.sayings.push(Saying::new(SayingKind::AlwaysSay, format!("{channel} disclaimer"), message));
        }
        if let Some(style) = at("style_prompt", "prompt") {
            facts.sayings.push(Saying::new(SayingKind::Persona, format!("{channel} style"), style));
        }
    }
}

fn persona(config: &Value, facts: &mut Facts) {
    if let Some(role) = content(config, "agent_settings/role.yaml") {
        let parts: Vec<&str> =
            ["value", "additional_info", "custom"].iter().filter_map(|key| text(role, key)).collect();
        if !parts.is_empty() {
            facts.sayings.push(Saying::new(SayingKind::Persona, "role", &parts.join("\n")));
        }
    }
    if let Some(personality) = content(config, "agent_settings/personality.yaml") {
        let adjectives = personality.get("adjectives").and_then(Value::as_object).into_iter().flatten();
        let chosen: Vec<&str> =
            adjectives.filter(|(_, on)| on.as_bool() == Some(true)).map(|(word, _)| word.as_str()).collect();
        let mut parts = vec![chosen.join(", ")];
        parts.extend(text(personality, "custom").map(str::to_owned));
        parts.retain(|part| !part.is_empty());
        if !parts.is_empty() {
            facts.sayings.push(Saying::new(SayingKind::Persona, "personality", &parts.join("\n")));
        }
    }
    let rules = config.get("files").and_then(|files| text(files.get("agent_settings/rules.txt")?, "text"));
    facts.sayings.extend(rules.map(|rules| Saying::new(SayingKind::Persona, "rules", rules)));
}

fn safety(config: &Value, facts: &mut Facts) {
    for (place, path) in [
        ("agent", "agent_settings/safety_filters.yaml"),
        ("voice", "voice/safety_filters.yaml"),
        ("chat", "chat/safety_filters.yaml"),
    ] {
        let Some(filters) = content(config, path) else { continue };
        let on = |value: &Value| value.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        for (category, setting) in filters.get("categories").and_then(Value::as_object).into_iter().flatten() {
            let guardrail = format!("{place} safety filter");
            let active = on(filters) && on(setting);
            if active {
                facts.prohibitions.push(Prohibition {
                    guardrail: guardrail.clone(),
                    kind: "banned_topic".to_owned(),
                    rule: None,
                    topics: vec![category.clone()],
                    phrases: Vec::new(),
                });
            }
            facts.guardrails.push(Guardrail {
                name: format!("{guardrail}: {category}"),
                kind: Some("banned_topic".to_owned()),
                action: text(setting, "level").map(|level| format!("level {level}")),
                rule: None,
                active,
            });
        }
    }
}

fn phrases(config: &Value, facts: &mut Facts) {
    let file = content(config, "voice/response_control/phrase_filtering.yaml");
    for filter in file.into_iter().flat_map(|file| list(file, "phrase_filtering")) {
        let said = filter.get("say_phrase").and_then(Value::as_bool).unwrap_or(false);
        let (guardrail, rule) = (name(filter).to_owned(), text(filter, "description").map(str::to_owned));
        if !said {
            facts.prohibitions.push(Prohibition {
                guardrail: guardrail.clone(),
                kind: "never_say".to_owned(),
                rule: rule.clone(),
                topics: Vec::new(),
                phrases: texts(filter, "regular_expressions"),
            });
        }
        facts.guardrails.push(Guardrail {
            name: guardrail,
            kind: Some(if said { "watch_phrase" } else { "never_say" }.to_owned()),
            action: text(filter, "function").map(|function| format!("calls {function}")),
            rule,
            active: true,
        });
    }
}

/// One address per environment stands in the file; equal ones are told once.
fn integrations(config: &Value, facts: &mut Facts) {
    let file = content(config, "config/api_integrations.yaml");
    for integration in file.into_iter().flat_map(|file| list(file, "api_integrations")) {
        let mut addresses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (environment, settings) in integration.get("environments").and_then(Value::as_object).into_iter().flatten()
        {
            if let Some(address) = text(settings, "base_url") {
                addresses.entry(address).or_default().push(environment);
            }
        }
        for (address, environments) in addresses {
            let host = web_address::host(address);
            if let Some(host) = &host {
                facts.hosts.add(host.clone(), true, &format!("integration `{}`", name(integration)));
            }
            for operation in list(integration, "operations") {
                let resource = text(operation, "resource").unwrap_or_default();
                let url = format!("{}/{}", address.trim_end_matches('/'), resource.trim_start_matches('/'));
                facts.data_leaving.push(DataLeaving {
                    skill: format!("{}.{}", name(integration), name(operation)),
                    environment: Some(environments.join(", ")),
                    fields: web_address::placeholders(&url),
                    method: text(operation, "method").unwrap_or("GET").to_uppercase(),
                    host: host.clone(),
                    url: web_address::shown(&url),
                });
            }
        }
    }
}

/// Topics are all offered to the model, so none counts as unused.
fn topics(config: &Value, facts: &mut Facts) {
    let topics = files(config).filter(|(_, path, _)| path.starts_with("topics/")).filter_map(|(_, path, file)| {
        let topic = file.get("value").filter(|topic| topic.get("enabled") != Some(&Value::Bool(false)))?;
        Some((path, topic))
    });
    let contents: Vec<Content<'_>> = topics
        .map(|(path, topic)| Content {
            article: Article { name: path.to_owned(), title: text(topic, "name").unwrap_or(path).to_owned() },
            questions: texts(topic, "example_queries"),
            body: text(topic, "content").unwrap_or_default(),
        })
        .collect();
    facts.coverage = cover(contents, Vec::new(), &BTreeSet::new());
    facts.coverage.unused.clear();
}
