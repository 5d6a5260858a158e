//! From a frozen config to an agent. Every size that a message is held against is bounded here.

use std::collections::HashMap;

use serde_json::Value;

use super::{Agent, Graph, Guardrail, Known, Llm, Node, Playbook, Skill, Step};
use crate::compile::prompt::Prompt;
use crate::report::frozen::{content, files, list, name, text, texts};
use crate::report::{Article, Content, Index, Saying, SayingKind, sayings};

/// Rules and playbooks that are followed, topics and phrases of each, and characters of a condition: every message is
/// held against all of them.
const MOST_ITEMS: usize = 300;
const MOST_TOPICS: usize = 30;
const LONGEST_CONDITION: usize = 1_000;

impl Agent {
    /// The agent of a frozen config of any kind.
    pub fn read(config: &Value) -> Self {
        let native = config.get("kind").and_then(Value::as_str) == Some("native");
        let (own_name, said) = sayings(config);
        let prompt = config.get("workflow_prompt").unwrap_or(&Value::Null);
        let (greeting, persona) = if native {
            (text(prompt, "greeting").map(str::to_owned), text(prompt, "persona").unwrap_or_default().to_owned())
        } else {
            spoken(config, &said)
        };
        let waits = config.get("call_handling").and_then(|block| block.get("caller_speaks_first"));
        let greeting = greeting.filter(|_| waits != Some(&Value::Bool(true)));
        let (articles, index) = if native { knowledge(config) } else { topics(config) };
        Agent {
            name: own_name.unwrap_or_else(|| "This agent".to_owned()),
            greeting,
            persona,
            goals: texts(prompt, "goals"),
            articles,
            index,
            guardrails: list(config, "guardrails").filter_map(guardrail).take(MOST_ITEMS).collect(),
            playbooks: list(config, "playbooks").map(playbook).take(MOST_ITEMS).collect(),
            graph: config.get("workflow_graph").filter(|_| is_graph(config)).and_then(graph),
            skills: list(config, "workflow_tools").map(skill).collect(),
            llm: config.get("llm").filter(|_| native).and_then(llm),
            retain_days: config
                .get("privacy")
                .and_then(|privacy| privacy.get("retain_days")?.as_u64())
                .and_then(|days| days.try_into().ok()),
        }
    }
}

/// Greeting and prompt of an agent of another kind. The report finds prompts deep in other formats, but shows a few lines of
/// each; where the prompt is known whole, whoever speaks by it gets all of it.
fn spoken(config: &Value, said: &[Saying]) -> (Option<String>, String) {
    let greeting = || said.iter().find(|saying| saying.kind == SayingKind::Greeting).map(|saying| saying.text.clone());
    if let Some(whole) = Prompt::of(config) {
        return (whole.greeting.or_else(greeting), whole.system);
    }
    let persona = said.iter().filter(|saying| matches!(saying.kind, SayingKind::Persona | SayingKind::Prompt));
    (greeting(), persona.map(|saying| saying.text.as_str()).collect::<Vec<_>>().join("\n\n"))
}

fn is_graph(config: &Value) -> bool {
    text(config, "workflow") == Some("workflow_graph")
}

fn owned(value: &Value, key: &str) -> Option<String> {
    text(value, key).map(str::to_owned)
}

fn topics_of(value: &Value, key: &str) -> Vec<String> {
    list(value, key).filter_map(Value::as_str).take(MOST_TOPICS).map(short).collect()
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST_CONDITION).collect()
}

fn knowledge(config: &Value) -> (Vec<Known>, Index) {
    let articles = list(config, "knowledge").map(|article| {
        let title = text(article, "title").unwrap_or_else(|| name(article)).to_owned();
        let known = Known { name: name(article).to_owned(), title, body: owned(article, "body").unwrap_or_default() };
        (known, texts(article, "questions"))
    });
    indexed(articles.collect())
}

/// The topics of a PolyAI project, which are its knowledge.
fn topics(config: &Value) -> (Vec<Known>, Index) {
    let paths = files(config).map(|(_, path, _)| path).filter(|path| path.starts_with("topics/"));
    let topics = paths.filter_map(|path| content(config, path)).filter(|topic| {
        topic.get("enabled").and_then(Value::as_bool).unwrap_or(true) && text(topic, "content").is_some()
    });
    let articles = topics.map(|topic| {
        let title = name(topic).to_owned();
        let known = Known { name: title.clone(), title, body: owned(topic, "content").unwrap_or_default() };
        (known, texts(topic, "example_queries"))
    });
    indexed(articles.collect())
}

fn indexed(articles: Vec<(Known, Vec<String>)>) -> (Vec<Known>, Index) {
    let contents: Vec<_> = articles
        .iter()
        .map(|(known, questions)| Content {
            article: Article { name: known.name.clone(), title: known.title.clone() },
            questions: questions.clone(),
            body: &known.body,
        })
        .collect();
    let index = Index::of(&contents);
    (articles.into_iter().map(|(known, _)| known).collect(), index)
}

fn guardrail(rule: &Value) -> Option<Guardrail> {
    if rule.get("enabled").and_then(Value::as_bool) == Some(false) {
        return None;
    }
    Some(Guardrail {
        name: name(rule).to_owned(),
        kind: owned(rule, "kind")?,
        rule: text(rule, "rule").map(short).unwrap_or_default(),
        topics: topics_of(rule, "topics"),
        phrases: topics_of(rule, "phrases"),
        action: owned(rule, "action").unwrap_or_default(),
    })
}

fn playbook(playbook: &Value) -> Playbook {
    let step = |step: &Value| Step {
        say: owned(step, "say"),
        ask: owned(step, "ask"),
        collect: owned(step, "collect"),
        skill: owned(step, "skill"),
        knowledge: owned(step, "knowledge"),
        note: owned(step, "note"),
    };
    Playbook {
        name: name(playbook).to_owned(),
        when: text(playbook, "when").map(short).unwrap_or_default(),
        topics: topics_of(playbook, "topics"),
        steps: list(playbook, "steps").map(step).collect(),
    }
}

fn graph(graph: &Value) -> Option<Graph> {
    let places: HashMap<&str, usize> =
        list(graph, "nodes").enumerate().filter_map(|(at, node)| Some((text(node, "id")?, at))).collect();
    let place = |id: &str| places.get(id).copied();
    let nodes = list(graph, "nodes").map(|node| Node {
        id: name(node).to_owned(),
        prompt: owned(node, "prompt"),
        say: owned(node, "say"),
        collect: texts(node, "collect"),
        skills: texts(node, "skills"),
        end: node.get("end").and_then(Value::as_bool).unwrap_or(false),
        ways: list(node, "transitions")
            .filter_map(|way| Some((place(text(way, "to")?)?, owned(way, "when"))))
            .collect(),
    });
    Some(Graph { start: place(text(graph, "start")?)?, nodes: nodes.collect() })
}

fn skill(skill: &Value) -> Skill {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for parameter in list(skill, "parameters") {
        let mut shape = serde_json::json!({ "type": text(parameter, "type").unwrap_or("string") });
        if let Some(description) = text(parameter, "description") {
            shape["description"] = description.into();
        }
        if let Some(choices) = parameter.get("enum").filter(|choices| choices.is_array()) {
            shape["enum"] = choices.clone();
        }
        if parameter.get("required").and_then(Value::as_bool) == Some(true) {
            required.push(name(parameter));
        }
        properties.insert(name(parameter).to_owned(), shape);
    }
    Skill {
        name: name(skill).to_owned(),
        description: owned(skill, "description").unwrap_or_default(),
        say_before: owned(skill, "say_before"),
        parameters: serde_json::json!({ "type": "object", "properties": properties, "required": required }),
    }
}

fn llm(block: &Value) -> Option<Llm> {
    let endpoint = owned(block, "endpoint")?;
    let fallback = block.get("fallback").and_then(|fallback| {
        let place = owned(fallback, "endpoint").unwrap_or_else(|| endpoint.clone());
        Some((place, owned(fallback, "model")?))
    });
    let number = |key: &str| block.get(key).and_then(Value::as_f64);
    Some(Llm {
        model: owned(block, "model"),
        temperature: number("temperature"),
        top_p: number("top_p"),
        max_tokens: block.get("max_tokens").and_then(Value::as_u64),
        fallback,
        endpoint,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_of_another_kind_speaks_by_its_whole_prompt_or_by_what_the_report_finds_deep_in_it() {
        let long = "Be kind and brief.\n".repeat(200);
        let whole = json!({ "kind": "plain", "files": { "system_prompt.md": { "text": long } } });
        assert_eq!(Agent::read(&whole).persona, long);
        let deep = json!({ "agent": { "prompt": { "prompt": "You answer for a bank." } } });
        let deep = json!({ "kind": "elevenlabs", "files": { "agent.json": { "value": deep } } });
        assert_eq!(Agent::read(&deep).persona, "You answer for a bank.");
    }
}
