use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::compile::{Content, FileMode, Kind, Source, SourceFile, compile};

fn folder(files: &[(&str, &str)]) -> Source {
    let files: BTreeMap<_, _> = files
        .iter()
        .map(|(path, text)| {
            let content = Content::Bytes(text.as_bytes().to_vec());
            ((*path).to_owned(), SourceFile { mode: FileMode::Regular, content })
        })
        .collect();
    Source {
        agent: "support".parse().unwrap(),
        kind: Kind::Native,
        folder: "agents/support".to_owned(),
        file_count: files.len(),
        files,
        included: BTreeMap::new(),
        filtered: BTreeSet::new(),
        conflicted: BTreeSet::new(),
    }
}

fn read(source: &Source) -> (Value, Config) {
    let compiled = compile(source);
    let errors: Vec<_> = compiled.errors().collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let frozen = compiled.frozen.unwrap().value();
    let persona = source.files.get("persona.md").and_then(|file| file.text());
    let config = Config::of(&frozen, persona);
    (frozen, config)
}

/// The folder after `said`, and what it shows then.
fn said(source: &Source, said: &Value) -> (Source, Config) {
    let (frozen, before) = read(source);
    let mut after = source.clone();
    for (path, bytes) in files(source, &frozen, &before.after(said.as_object().unwrap())).unwrap() {
        match bytes {
            Some(bytes) => {
                let file = SourceFile { mode: FileMode::Regular, content: Content::Bytes(bytes) };
                after.files.insert(path, file);
            }
            None => drop(after.files.remove(&path)),
        }
    }
    after.file_count = after.files.len();
    let config = read(&after).1;
    (after, config)
}

#[test]
fn whatever_is_said_comes_back_and_what_has_a_place_stands_there() {
    let all = json!({
        "globalPrompt": "You are Ada.\r\n",
        "singlePromptConfig": { "prompt": "Book tables.", "tools": [{ "type": "end_call", "name": "bye" }] },
        "firstMessage": "Hi!",
        "slmModel": "gpt-4.1",
        "synthesizer": { "voiceConfig": { "voiceId": "emily", "model": "waves", "gender": "f" }, "speed": 1.2, "similarity": 0, "consistency": 7 },
        "transcriberType": "pulse",
        "language": { "default": "en", "supported": ["en", "hi"], "switching": { "isEnabled": true } },
        "backgroundSound": "",
        "allowInterruptions": false,
        "interruptionBackoffTimer": 1.5,
        "waitForUserToSpeakFirst": true,
        "smartTurnConfig": { "isEnabled": true, "waitTimeInSecs": 3 },
        "denoisingConfig": { "isEnabled": true },
        "defaultVariables": { "company": "Acme" },
        "postCallAnalyticsConfig": { "summaryPrompt": "Sum up.", "dispositionMetrics": [{ "identifier": "done" }] },
        "workflowType": "single_prompt",
        "brandNew": { "deep": [1, 2.5, null, "x"] },
    });
    let (source, config) = said(&folder(&[("agent.toml", "# ours\nname = \"Ada\"\n")]), &all);
    assert_eq!(Value::Object(config.atoms.clone()), all);
    let text = |path: &str| source.files[path].text().unwrap();
    assert_eq!(text("persona.md"), "You are Ada.\r\n\n\nBook tables.");
    assert!(text("agent.toml").starts_with("# ours\nname = \"Ada\"\n"), "{}", text("agent.toml"));
    assert!(text("voice.toml").contains("voice_id = \"emily\""));
    assert_eq!(text("audio.toml"), "denoise = true\nbackground = \"none\"\n");
    // What no native file would take stays among the rest.
    assert!(text("atoms.json").contains("\"consistency\": 7"));
    assert!(config.own.is_empty(), "{:?}", config.own);
    // Saying it again changes nothing.
    let (frozen, before) = read(&source);
    assert!(files(&source, &frozen, &before.after(all.as_object().unwrap())).unwrap().is_empty());
}

#[test]
fn a_part_is_merged_and_null_takes_away() {
    let (source, _) = said(
        &folder(&[("agent.toml", "name = \"Ada\"\n")]),
        &json!({ "singlePromptConfig": { "prompt": "P" }, "synthesizer": { "voiceConfig": { "voiceId": "a" } }, "defaultVariables": { "a": "1" }, "x": 1 }),
    );
    let (source, config) = said(
        &source,
        &json!({ "singlePromptConfig": { "tools": [] }, "synthesizer": { "speed": 2 }, "defaultVariables": { "b": "2" }, "x": null, "_id": "no", "name": "no" }),
    );
    assert_eq!(
        Value::Object(config.atoms),
        json!({
            "singlePromptConfig": { "prompt": "P", "tools": [] },
            "synthesizer": { "voiceConfig": { "voiceId": "a" }, "speed": 2 },
            "defaultVariables": { "b": "2" },
            "workflowType": "single_prompt",
        })
    );
    let (source, config) =
        said(&source, &json!({ "synthesizer": null, "singlePromptConfig": null, "defaultVariables": null }));
    assert_eq!(Value::Object(config.atoms), json!({ "workflowType": "single_prompt" }));
    assert_eq!(source.files.keys().collect::<Vec<_>>(), ["agent.toml"]);
}

#[test]
fn what_people_wrote_stays_and_is_shown_as_it_is() {
    let source = folder(&[
        ("agent.toml", "name = \"Ada\" # the name\ngoals = [\"help\"]\n"),
        ("voice.yaml", "voice_id: emily\nstyle: 0.5\n"),
        ("skills/book.toml", "description = \"Books a table\"\n"),
        ("llm.toml", "# why this one\nendpoint = \"main\"\nmodel = \"small\"\n"),
    ]);
    let (_, config) = read(&source);
    assert_eq!(config.atoms["slmModel"], "small");
    assert_eq!(config.own["voice"], json!({ "style": 0.5 }));
    assert_eq!(config.own["workflow_tools"][0]["name"], "book");
    let (source, config) = said(&source, &json!({ "slmModel": "large", "synthesizer": { "speed": 1.5 } }));
    assert_eq!(source.files["llm.toml"].text().unwrap(), "# why this one\nendpoint = \"main\"\nmodel = \"large\"\n");
    assert!(!source.files.contains_key("voice.yaml"));
    assert_eq!(config.own["voice"], json!({ "style": 0.5 }));
    assert_eq!(config.atoms["synthesizer"], json!({ "voiceConfig": { "voiceId": "emily" }, "speed": 1.5 }));
    assert_eq!(config.own["workflow_prompt"]["goals"], json!(["help"]));
}

#[test]
fn changes_are_told_by_section_and_rotate_its_block() {
    let config = |value: Value| Config { atoms: value.as_object().unwrap().clone(), own: Map::new() };
    let before = config(json!({ "slmModel": "a", "language": { "default": "en" }, "odd": 1 }));
    let after = config(
        json!({ "slmModel": "b", "language": { "default": "en" }, "odd": 1, "singlePromptConfig": { "tools": [1] } }),
    );
    let told = changes(&before, &after);
    assert_eq!(told["llm"], [("slmModel".to_owned(), json!("a"), json!("b"))]);
    assert_eq!(told["workflow_tools"], [("tools".to_owned(), Value::Null, json!([1]))]);
    assert_eq!(told.len(), 2);
    let (old, new) = (blocks(&before), blocks(&after));
    assert_ne!(old["llm"], new["llm"]);
    assert_eq!(old["language"], new["language"]);
    assert_eq!(old.as_object().unwrap().len(), 14);
    assert!(old["llm"].as_str().unwrap().len() == 24 && old["other"].is_string());
}
