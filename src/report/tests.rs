//! Whole reports, by kind of agent.

use super::*;
use proptest::prelude::*;
use serde_json::json;

pub(crate) fn native() -> Value {
    json!({
        "format": 1, "kind": "native", "name": "Support", "workflow": "single_prompt",
        "workflow_prompt": {
            "greeting": "Hello, this is Ada.",
            "persona": "You are Ada.\n\nBe brief.\nSee https://help.example.com/faq.\n4\n5\n6\n7\n",
        },
        "workflow_tools": [{
            "name": "lookup_booking", "description": "Finds a booking", "say_before": "One moment.",
            "request": {
                "method": "post", "send": ["phone"],
                "url": "https://user:pw@api.example.com/bookings/{booking_id}?key=1",
            },
        }],
        "knowledge": [
            {"name": "opening", "title": "Opening hours", "questions": ["When are you open?"], "body": "Nine."},
            {"name": "imprint", "title": "Imprint", "body": "Company."},
            {"name": "refunds", "title": "Refunds", "body": "Five days."},
        ],
        "guardrails": [
            {"name": "no_prices", "kind": "never_say", "rule": "Never name a price", "phrases": ["only today"]},
            {"name": "politics", "kind": "banned_topic", "topics": ["elections"], "enabled": false},
            {"name": "recorded", "kind": "always_say", "rule": "This call is recorded."},
        ],
        "playbooks": [{
            "name": "refund", "topics": ["refunds", "gift cards"],
            "steps": [{"ask": "Which order?"}, {"say": "Done.", "knowledge": "refunds"}],
        }],
        "privacy": {"notice": "We keep nothing."},
        "call_handling": {"transfer": [{"name": "desk", "number": "+442071234567", "when": "asked for"}]},
        "tests": [{"name": "hours", "questions": ["Are you open?"]}],
    })
}

#[test]
fn a_native_agent_says_refuses_and_sends() {
    let found = report(&native(), None, &[]);
    let says: Vec<_> = found.will_say.entries.iter().map(|entry| entry.fact.text.as_str()).collect();
    let persona = "You are Ada.\nBe brief.\nSee https://help.example.com/faq.\n4\n5";
    let said = [
        "Hello, this is Ada.",
        "We keep nothing.",
        persona,
        "This call is recorded.",
        "Which order?",
        "Done.",
        "One moment.",
    ];
    assert_eq!(says, said);
    assert_eq!(found.will_say.entries[2].fact.more_lines, 2);
    let refuses: Vec<_> = found.wont_say.entries.iter().map(|entry| entry.fact.guardrail.as_str()).collect();
    assert_eq!(refuses, ["no_prices"], "a disabled guardrail forbids nothing");
    assert_eq!(
        serde_json::to_value(&found.data_leaving).unwrap(),
        json!({"entries": [{
            "new": true, "skill": "lookup_booking", "fields": ["phone", "booking_id"], "method": "POST",
            "host": "api.example.com", "url": "https://api.example.com/bookings/{booking_id}?key=…",
        }], "removed": [], "more": 0})
    );
    assert_eq!(
        serde_json::to_value(&found.hosts.entries).unwrap(),
        json!([
            {"new": true, "host": "api.example.com", "called": true,
             "usedBy": ["skill `lookup_booking`", "workflow_tools[lookup_booking].request.url"]},
            {"new": true, "host": "help.example.com", "called": false, "usedBy": ["workflow_prompt.persona"]},
        ])
    );
    let asked: Vec<_> =
        found.knowledge.asked.entries.iter().map(|e| (e.fact.text.as_str(), e.fact.article.as_deref())).collect();
    let answers = [("refunds", Some("refunds")), ("gift cards", None), ("Are you open?", Some("opening"))];
    assert_eq!((asked, found.knowledge.answered), (answers.to_vec(), 2));
    assert_eq!(found.knowledge.unused, ["imprint"]);
    assert_eq!(found.numbers.entries[0].fact.number, "+442071234567");
}

#[test]
fn what_is_new_or_gone_is_seen_against_live() {
    let live = native();
    let mut draft = native();
    draft["playbooks"][0]["steps"] = json!([{"say": "First of all."}, {"ask": "Which order?"}]);
    draft["workflow_prompt"]["persona"] = json!("You are Ada.\n\nBe brief.\n3\n4\n5\n6\n7\nchanged far below\n");
    draft["workflow_tools"][0]["request"]["url"] = json!("https://other.example/b");
    let found = report(&draft, Some(&live), &[]);
    let new: Vec<_> =
        found.will_say.entries.iter().filter(|e| e.new).map(|e| (e.fact.kind, e.fact.from.as_str())).collect();
    assert_eq!(new, [(SayingKind::Persona, "persona"), (SayingKind::Say, "playbook `refund`")]);
    assert_eq!(found.will_say.removed.last().unwrap().text, "Done.");
    let gone: Vec<_> = found.hosts.removed.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(gone, ["api.example.com", "help.example.com"]);
    assert!(found.data_leaving.entries[0].new && !found.guardrails.entries[0].new);
}

#[test]
fn a_polyai_project_is_read_by_its_files() {
    let yaml = |value: Value| json!({"format": "yaml", "value": value});
    let config = json!({"format": 1, "kind": "polyai", "files": {
        "agent_settings/rules.txt": {"format": "text", "text": "Be kind.\n"},
        "agent_settings/personality.yaml": yaml(json!({"adjectives": {"Calm": true, "Loud": false}})),
        "voice/configuration.yaml": yaml(json!({"greeting": {"welcome_message": "Hello!"},
            "disclaimer_messages": {"message": "Recorded.", "enabled": true}})),
        "voice/safety_filters.yaml": yaml(json!({"categories": {"hate": {"enabled": true, "level": "low"}}})),
        "config/handoffs.yaml": yaml(json!({"handoffs": [{"name": "desk",
            "sip_config": {"method": "refer", "phone_number": "+1234567890"}}]})),
        "config/api_integrations.yaml": yaml(json!({"api_integrations": [{"name": "crm",
            "environments": {"live": {"base_url": "https://crm.example"},
                "pre-release": {"base_url": "https://dev.crm.example/"}, "sandbox": {"base_url": "https://dev.crm.example/"}},
            "operations": [{"name": "status", "method": "GET", "resource": "/b/{booking_id}"}]}]})),
        "topics/hours.yaml": yaml(json!({"name": "Hours", "content": "Nine", "example_queries": ["When?"]})),
        "topics/off.yaml": yaml(json!({"name": "Off", "enabled": false})),
        "flows/main/steps/start.yaml": yaml(json!({"prompt": "What is your name?"})),
    }});
    let found = report(&config, None, &[]);
    let says: Vec<_> = found.will_say.entries.iter().map(|entry| entry.fact.text.as_str()).collect();
    assert_eq!(says, ["Hello!", "Recorded.", "Calm", "Be kind.", "What is your name?"]);
    let sends: Vec<_> = found.data_leaving.entries.iter().map(|entry| entry.fact.url.as_str()).collect();
    assert_eq!(sends, ["https://crm.example/b/{booking_id}", "https://dev.crm.example/b/{booking_id}"]);
    assert_eq!(found.data_leaving.entries[1].fact.environment.as_deref(), Some("pre-release, sandbox"));
    assert_eq!(found.numbers.entries[0].fact.number, "+1234567890");
    assert_eq!(found.wont_say.entries[0].fact.topics, ["hate"]);
    assert_eq!(found.knowledge.articles.entries.len(), 1);
    assert!(found.knowledge.unused.is_empty());
}

#[test]
fn any_other_folder_tells_prompts_hosts_and_numbers() {
    let config = json!({"format": 1, "kind": "elevenlabs", "files": {
        "agent.json": {"format": "json", "value": {"agent": {"first_message": "Hi.",
            "prompt": {"prompt": "Be kind. Call +44 20 7123 4567.", "llm": "x"}},
            "messages": [{"role": "system", "content": "Be brief."}],
            "tools": [{"name": "crm", "api_schema": {"url": "https://crm.example/x"}}]}},
        "domain.yml": {"format": "yaml", "value": {"responses": {"utter_bye": [{"text": "Bye!"}]}}},
        "prompts/system.md": {"format": "text", "text": "See https://docs.example/a."},
    }});
    let found = report(&config, None, &[]);
    let says: Vec<_> = found.will_say.entries.iter().map(|e| (e.fact.kind, e.fact.from.as_str())).collect();
    assert_eq!(
        says,
        [
            (SayingKind::Greeting, r#"`files["agent.json"].agent.first_message`"#),
            (SayingKind::Prompt, r#"`files["agent.json"].agent.prompt.prompt`"#),
            (SayingKind::Prompt, r#"`files["agent.json"].messages[0].content`"#),
            (SayingKind::Say, r#"`files["domain.yml"].responses.utter_bye[0].text`"#),
            (SayingKind::Prompt, r#"`files["prompts/system.md"]`"#),
        ]
    );
    let hosts: Vec<_> = found.hosts.entries.iter().map(|e| (e.fact.host.as_str(), e.fact.called)).collect();
    assert_eq!(hosts, [("crm.example", true), ("docs.example", false)]);
    assert_eq!(found.numbers.entries[0].fact.number, "+44 20 7123 4567");
}

proptest! {
    #[test]
    fn no_shape_of_config_panics(seed in prop::collection::vec((0usize..400, 0u8..6), 0..8), live in any::<bool>()) {
        let mut config = native();
        for (at, kind) in seed {
            let mut left = at;
            spoil(&mut config, &mut left, kind);
        }
        let live = live.then(native);
        report(&config, live.as_ref(), &[]);
        if let Some(config) = config.as_object_mut() {
            config.insert("kind".into(), json!("polyai"));
        }
        report(&config, live.as_ref(), &[]);
    }
}

/// Replaces the value that is `left` steps into the tree.
fn spoil(value: &mut Value, left: &mut usize, kind: u8) {
    if *left == 0 {
        *value = [json!(null), json!([]), json!({}), json!("{https://}"), json!(7), json!([[{"name": 1}]])]
            [usize::from(kind)]
        .clone();
    }
    *left = left.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| spoil(value, left, kind)),
        Value::Object(map) => map.values_mut().for_each(|value| spoil(value, left, kind)),
        _ => {}
    }
}
