//! What the model is told: the agent's instructions as one system message, its skills as tools, and the conversation.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::chat::agent::{Agent, Guardrail, Llm, Playbook};
use crate::chat::store::{Line, Role};

/// Bytes of knowledge that are told whole; of more, only the article that answers the newest message.
const KNOWLEDGE_TOLD: usize = 48 << 10;

/// Bytes of the conversation that are told, the newest.
const CONVERSATION_TOLD: usize = 128 << 10;

/// The tool by which the model says that a person is to take over.
pub(super) const HAND_OVER: &str = "hand_over_to_person";

/// The body of the first request of a reply.
pub(super) fn request(agent: &Agent, llm: &Llm, model: &str, lines: &[Line]) -> Value {
    let newest = lines.iter().rev().find(|line| line.role == Role::User).map_or("", |line| line.said.content.as_str());
    let mut messages = vec![json!({ "role": "system", "content": system(agent, newest) })];
    let mut told = 0;
    let fits = |line: &&Line| {
        told += line.said.content.len();
        told <= CONVERSATION_TOLD
    };
    let recent = lines.iter().rev().take_while(fits).count();
    for line in &lines[lines.len() - recent..] {
        messages.push(json!({ "role": line.role, "content": line.said.content }));
    }
    let mut body = json!({ "model": model, "messages": messages, "stream": true });
    let tools = tools(agent);
    let options = [
        ("temperature", llm.temperature.map(Value::from)),
        ("top_p", llm.top_p.map(Value::from)),
        ("max_tokens", llm.max_tokens.map(Value::from)),
        ("tools", (!tools.is_empty()).then_some(Value::Array(tools))),
    ];
    for (key, value) in options {
        if let Some(value) = value {
            body[key] = value;
        }
    }
    body
}

fn system(agent: &Agent, newest: &str) -> String {
    let mut text = if agent.persona.is_empty() { format!("You are {}.", agent.name) } else { agent.persona.clone() };
    section(&mut text, "Goals", agent.goals.iter().map(|goal| format!("- {goal}")));
    section(&mut text, "Rules", agent.guardrails.iter().map(rule));
    section(&mut text, "Playbooks", agent.playbooks.iter().map(playbook));
    if let Some(graph) = &agent.graph {
        let nodes = graph.nodes.iter().map(|node| {
            let ways = node
                .ways
                .iter()
                .map(|(to, when)| format!("to `{}`: {}", graph.nodes[*to].id, when.as_deref().unwrap_or("always")));
            let parts = [
                node.prompt.clone(),
                node.say.as_ref().map(|say| format!("Say: {say}")),
                (!node.collect.is_empty()).then(|| format!("Find out: {}", node.collect.join(", "))),
                (!node.skills.is_empty()).then(|| format!("Skills: {}", node.skills.join(", "))),
                (!node.ways.is_empty()).then(|| format!("Go on {}", ways.collect::<Vec<_>>().join("; "))),
            ];
            format!("- `{}`: {}", node.id, parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        });
        section(&mut text, &format!("Stations of the conversation, from `{}` on", graph.nodes[graph.start].id), nodes);
    }
    let whole: usize = agent.articles.iter().map(|known| known.body.len()).sum();
    let told = |name: &str| whole <= KNOWLEDGE_TOLD || agent.answer(newest).is_some_and(|known| known.name == name);
    let articles = agent.articles.iter().filter(|known| told(&known.name));
    section(&mut text, "Knowledge", articles.map(|known| format!("### {}\n{}", known.title, known.body)));
    text
}

fn section(text: &mut String, heading: &str, entries: impl Iterator<Item = String>) {
    let mut entries = entries.peekable();
    if entries.peek().is_some() {
        let _ = write!(text, "\n\n## {heading}");
    }
    for entry in entries {
        text.push('\n');
        text.push_str(&entry);
    }
}

fn rule(rule: &Guardrail) -> String {
    let mut text = format!("- {}", rule.rule);
    let phrases = rule.phrases.iter().map(|phrase| format!("“{phrase}”")).collect::<Vec<_>>().join(", ");
    match rule.kind.as_str() {
        _ if phrases.is_empty() => {}
        "never_say" => text.push_str(&format!(" Never say: {phrases}.")),
        "always_say" => text.push_str(&format!(" Say: {phrases}.")),
        "handoff" => text.push_str(&format!(" Call `{HAND_OVER}` on: {phrases}.")),
        _ => text.push_str(&format!(" It is about: {phrases}.")),
    }
    text
}

fn playbook(playbook: &Playbook) -> String {
    let steps = playbook.steps.iter().enumerate().map(|(at, step)| {
        let parts = [
            ("say", &step.say),
            ("ask", &step.ask),
            ("find out", &step.collect),
            ("use the skill", &step.skill),
            ("answer from the article", &step.knowledge),
            ("note", &step.note),
        ];
        let parts = parts.iter().filter_map(|(what, text)| Some(format!("{what}: {}", text.as_ref()?)));
        format!("\n  {}. {}", at + 1, parts.collect::<Vec<_>>().join("; "))
    });
    format!("- {} {}", playbook.when, steps.collect::<String>())
}

/// A skill's name as the protocol takes it: up to 64 letters, digits, `_` and `-` (OpenAI API reference, "tools").
pub(super) fn tool_name(skill: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    skill.chars().take(64).map(|c| if fits(c) { c } else { '_' }).collect()
}

fn tools(agent: &Agent) -> Vec<Value> {
    let function = |name: &str, description: &str, parameters: &Value| json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } });
    let mut tools: Vec<_> = agent
        .skills
        .iter()
        .map(|skill| function(&tool_name(&skill.name), &skill.description, &skill.parameters))
        .collect();
    if agent.guardrails.iter().any(|rule| rule.kind == "handoff" || rule.action == "handoff") {
        let nothing = json!({ "type": "object", "properties": {} });
        tools.push(function(HAND_OVER, "A person takes over the conversation.", &nothing));
    }
    tools
}
