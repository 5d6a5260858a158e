//! The report that is read before publishing: what callers will hear, what they will not, what data leaves and where
//! to, and what of it is new compared with the version that is live.
//!
//! A diff answers "what did I edit"; this answers "what does it do". Everything is taken from the frozen config, by
//! kind of agent, as a list of facts; two such lists, draft and live, make the report.

mod coverage;
mod facts;
mod frozen;
mod native;
mod other;
mod polyai;
mod scan;
mod web_address;

use serde_json::Value;

use crate::compile::{Finding, Severity};

pub use coverage::{Article, Asked, Coverage};
pub use facts::{DataLeaving, Guardrail, Host, Number, Prohibition, Saying, SayingKind};

use facts::{Fact, Facts};

/// The report.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// What the agent calls itself, if its config says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of folder: `native`, `polyai` or the word of the policy.
    pub kind: String,
    /// Whether there is a live version to compare with; if not, everything is new.
    pub compared_with_live: bool,
    /// Greeting, persona, lines of playbooks and graphs, and what must be said.
    pub will_say: Listed<Saying>,
    /// What it must never say and topics it must not touch.
    pub wont_say: Listed<Prohibition>,
    /// Which skill sends which fields where.
    pub data_leaving: Listed<DataLeaving>,
    /// Every host that is called or named.
    pub hosts: Listed<Host>,
    /// All guardrails, the disabled ones too.
    pub guardrails: Listed<Guardrail>,
    /// What the knowledge answers and what it does not.
    pub knowledge: KnowledgeReport,
    /// Phone numbers that a call may be handed to.
    pub numbers: Listed<Number>,
    /// What the compiler found.
    pub warnings: Vec<Warning>,
}

/// Facts of one sort.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listed<T> {
    /// The facts of the draft.
    pub entries: Vec<Entry<T>>,
    /// Facts of the live version that the draft no longer has.
    pub removed: Vec<T>,
    /// How many more there are than the two lists hold.
    pub more: usize,
}

/// One fact.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Entry<T> {
    /// Whether the live version does not have it.
    pub new: bool,
    /// The fact.
    #[serde(flatten)]
    pub fact: T,
}

/// Knowledge and what is asked of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KnowledgeReport {
    /// The articles.
    pub articles: Listed<Article>,
    /// Topics of playbooks and questions of tests, with the article that answers each.
    pub asked: Listed<Asked>,
    /// How many of them an article answers.
    pub answered: usize,
    /// Articles that no playbook, graph node or question leads to.
    pub unused: Vec<String>,
}

/// A finding of the compiler, without its excerpt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// Error, warning or note.
    pub severity: Severity,
    /// The stable word of the finding.
    pub code: &'static str,
    /// The file.
    pub path: String,
    /// The line, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What was found.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Facts listed of one sort; the rest is counted.
pub const MOST_LISTED: usize = 500;

/// Makes the report of a frozen config, compared with the one that is live.
pub fn report(draft: &Value, live: Option<&Value>, findings: &[Finding]) -> Report {
    let facts = facts_of(draft);
    let live = live.map(facts_of);
    let knowledge = KnowledgeReport {
        answered: facts.coverage.asked.iter().filter(|asked| asked.article.is_some()).count(),
        articles: listed(facts.coverage.articles, live.as_ref().map(|live| &live.coverage.articles)),
        asked: listed(facts.coverage.asked, live.as_ref().map(|live| &live.coverage.asked)),
        unused: facts.coverage.unused.into_iter().take(MOST_LISTED).collect(),
    };
    Report {
        name: facts.name,
        kind: draft.get("kind").and_then(Value::as_str).unwrap_or("plain").to_owned(),
        compared_with_live: live.is_some(),
        will_say: listed(facts.sayings, live.as_ref().map(|live| &live.sayings)),
        wont_say: listed(facts.prohibitions, live.as_ref().map(|live| &live.prohibitions)),
        data_leaving: listed(facts.data_leaving, live.as_ref().map(|live| &live.data_leaving)),
        hosts: listed(facts.hosts.into_list(), live.as_ref().map(|live| live.hosts.clone().into_list()).as_ref()),
        guardrails: listed(facts.guardrails, live.as_ref().map(|live| &live.guardrails)),
        knowledge,
        numbers: listed(facts.numbers, live.as_ref().map(|live| &live.numbers)),
        warnings: findings.iter().map(warning).collect(),
    }
}

fn facts_of(config: &Value) -> Facts {
    match config.get("kind").and_then(Value::as_str) {
        Some("native") => native::facts(config),
        Some("polyai") => polyai::facts(config),
        _ => other::facts(config),
    }
}

fn listed<T: Fact>(draft: Vec<T>, live: Option<&Vec<T>>) -> Listed<T> {
    let keys = |facts: &[T]| facts.iter().map(Fact::key).collect::<std::collections::HashSet<_>>();
    let (in_draft, in_live) = (keys(&draft), live.map(|live| keys(live)).unwrap_or_default());
    let gone = live.into_iter().flatten().filter(|fact| !in_draft.contains(&fact.key()));
    let mut removed: Vec<T> = gone.cloned().collect();
    let more = draft.len().saturating_sub(MOST_LISTED) + removed.len().saturating_sub(MOST_LISTED);
    removed.truncate(MOST_LISTED);
    let entry = |fact: T| Entry { new: !in_live.contains(&fact.key()), fact };
    Listed { entries: draft.into_iter().take(MOST_LISTED).map(entry).collect(), removed, more }
}

fn warning(finding: &Finding) -> Warning {
    Warning {
        severity: finding.severity,
        code: finding.code,
        path: finding.path.clone(),
        line: finding.place.as_ref().map(|place| place.line),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
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
            "call_handling": {"transfer": [{"name": "desk", "number": "+442071234567", "when": "asked for"}]},
            "tests": [{"name": "hours", "questions": ["Are you open?"]}],
        })
    }

    #[test]
    fn a_native_agent_says_refuses_and_sends() {
        let found = report(&native(), None, &[]);
        let says: Vec<_> = found.will_say.entries.iter().map(|entry| entry.fact.text.as_str()).collect();
        let persona = "You are Ada.\nBe brief.\nSee https://help.example.com/faq.\n4\n5";
        let said = ["Hello, this is Ada.", persona, "This call is recorded.", "Which order?", "Done.", "One moment."];
        assert_eq!(says, said);
        assert_eq!(found.will_say.entries[1].fact.more_lines, 2);
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
                 "used_by": ["skill `lookup_booking`", "workflow_tools[lookup_booking].request.url"]},
                {"new": true, "host": "help.example.com", "called": false, "used_by": ["workflow_prompt.persona"]},
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
}
