use serde_json::{Value, json};

use super::conversation::{HANDOFF, NO_ANSWER, WITHHELD};
use super::*;

fn agent(with: Value) -> Agent {
    let mut config = json!({
        "format": 1, "kind": "native", "name": "Desk", "workflow": "single_prompt",
        "workflow_prompt": { "greeting": "Hello" },
        "knowledge": [
            { "name": "hours", "title": "Opening hours", "questions": ["When are you open?"], "body": "From nine to five." },
            { "name": "prices", "title": "Prices", "questions": ["What does a cleaning cost?"], "body": "A cleaning is 40." }
        ],
        "playbooks": [
            { "name": "book", "when": "The caller wants an appointment", "topics": ["appointment", "check-up"], "steps": [
                { "ask": "What is your name?", "collect": "name" },
                { "ask": "Which day?", "collect": "day", "skill": "find_times" },
                { "say": "Booked.", "skill": "book" },
                { "knowledge": "hours" }
            ] }
        ],
        "workflow_tools": [{ "name": "book", "description": "Books", "say_before": "One moment." }]
    });
    config.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    Agent::read(&config)
}

fn rule(kind: &str, action: &str, topics: Value, phrases: Value) -> Value {
    json!({ "guardrails": [{ "name": "rule", "kind": kind, "rule": "A rule", "action": action, "topics": topics, "phrases": phrases, "enabled": true }] })
}

fn content(agent: &Agent, heard: &[&str]) -> String {
    reply(agent, heard.iter().copied()).content
}

#[test]
fn a_playbook_is_gone_through_step_by_step_and_a_question_does_not_lose_its_place() {
    let agent = agent(json!({}));
    let mut heard = vec!["Hi, I would like a check-up."];
    assert_eq!(content(&agent, &heard), "What is your name?");
    heard.push("When are you open?");
    let aside = reply(&agent, heard.iter().copied());
    assert_eq!(
        (aside.content.as_str(), aside.articles),
        ("From nine to five.\n\nWhat is your name?", vec!["hours".to_owned()])
    );
    heard.push("Ida Holt");
    assert_eq!(content(&agent, &heard), "Which day?");
    heard.push("Tuesday");
    let last = reply(&agent, heard.iter().copied());
    assert_eq!(last.content, "Booked.\n\nOne moment.\n\nFrom nine to five.");
    assert_eq!(last.skills, ["find_times", "book"]);
    heard.push("Thanks");
    assert_eq!(content(&agent, &heard), NO_ANSWER);
    heard.push("cleaning cost");
    assert_eq!(content(&agent, &heard), "A cleaning is 40.");
}

#[test]
fn rules_come_before_everything_else() {
    let banned = agent(rule("banned_topic", "rewrite", json!(["discounts"]), json!([])));
    assert_eq!(content(&banned, &["Is there a discount on an appointment?"]), "I cannot talk about discounts.");
    let warned = agent(rule("banned_topic", "warn", json!(["discounts"]), json!([])));
    let said = reply(&warned, ["A discount on an appointment, please"]);
    assert_eq!((said.content.as_str(), said.guardrails), ("What is your name?", vec!["rule".to_owned()]));
    let person = agent(rule("handoff", "handoff", json!(["complaint"]), json!(["speak to a human"])));
    let said = reply(&person, ["I want to speak to a human."]);
    assert!(said.handoff && said.content == HANDOFF);
    assert!(reply(&person, ["I want to speak to a human.", "Hello?"]).handoff, "it stays with the person");
    assert!(!reply(&person, ["A human wants to speak"]).handoff);
    let urgent = agent(rule("always_say", "block", json!(["bleeding"]), json!(["call 999 now"])));
    assert_eq!(content(&urgent, &["It is bleeding, I want an appointment"]), "call 999 now");
    let notice = agent(rule("always_say", "", json!([]), json!(["This chat is recorded."])));
    assert_eq!(content(&notice, &["appointment"]), "What is your name?\n\nThis chat is recorded.");
    assert_eq!(content(&notice, &["appointment", "Ida"]), "Which day?");
    let never = agent(rule("never_say", "block", json!([]), json!(["is 40"])));
    assert_eq!(content(&never, &["What does a cleaning cost?"]), WITHHELD);
    let off = agent(
        json!({ "guardrails": [{ "name": "off", "kind": "banned_topic", "rule": "x", "topics": ["hours"], "enabled": false }] }),
    );
    assert_eq!(content(&off, &["When are you open, which hours?"]), "From nine to five.");
}

#[test]
fn a_graph_leads_by_the_words_of_its_conditions() {
    let agent = agent(json!({
        "workflow": "workflow_graph", "playbooks": [], "knowledge": [],
        "workflow_graph": { "start": "safety", "nodes": [
            { "id": "safety", "say": "Is anybody hurt?", "transitions": [
                { "to": "emergency", "when": "Somebody is hurt or bleeding" }, { "to": "identify", "when": "Everybody is safe" }] },
            { "id": "emergency", "say": "Call 112.", "end": true },
            { "id": "identify", "collect": ["policy_number"], "skills": ["find_policy"], "transitions": [{ "to": "bye" }] },
            { "id": "bye", "say": "Goodbye.", "end": true }
        ] }
    }));
    assert_eq!(content(&agent, &["We crashed"]), "Is anybody hurt?");
    assert_eq!(content(&agent, &["We crashed", "My daughter is bleeding"]), "Call 112.");
    let unclear = content(&agent, &["We crashed", "hm"]);
    assert!(unclear.contains("“Everybody is safe”"), "{unclear}");
    let on = reply(&agent, ["We crashed", "No, everybody is safe"]);
    assert_eq!((on.content.as_str(), on.skills), ("Please tell me: policy number.", vec!["find_policy".to_owned()]));
    assert_eq!(content(&agent, &["We crashed", "everybody is safe", "M 12", "thanks", "thanks"]), "Goodbye.");
}

#[test]
fn other_kinds_say_who_they_are_and_what_they_know() {
    let file = |value: Value| json!({ "format": "yaml", "value": value });
    let polyai = Agent::read(&json!({ "format": 1, "kind": "polyai", "files": {
        "project.yaml": file(json!({ "name": "Larkfield" })),
        "chat/configuration.yaml": file(json!({ "greeting": { "welcome_message": "Good day." } })),
        "topics/parking.yaml": file(json!({ "name": "Parking", "enabled": true, "example_queries": ["Where can I park?"], "content": "Nowhere." })),
        "topics/vouchers.yaml": file(json!({ "name": "Vouchers", "enabled": false, "example_queries": ["Do you sell vouchers?"], "content": "At the desk." }))
    } }));
    assert_eq!(polyai.greeting.as_deref(), Some("Good day."));
    assert_eq!(content(&polyai, &["Where can I park?"]), "Nowhere.");
    assert_eq!(content(&polyai, &["Do you sell vouchers?"]), NO_ANSWER);
    let plain = Agent::read(&json!({ "format": 1, "kind": "plain", "files": {} }));
    assert!(content(&plain, &["Hello"]).starts_with("I am This agent."));
    // Whatever the shape, nothing panics.
    for odd in [json!(null), json!([]), json!({ "kind": "native", "playbooks": 3, "guardrails": [1], "knowledge": {} })]
    {
        content(&Agent::read(&odd), &["Hello?", ""]);
    }
}
