//! The sandbox over real sockets: conversations, pins, models, bills, and what happens when anything breaks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::{Service, data, problem};
use crate::daemon::Answer;
use crate::env::{Repo, World};
use crate::model_server::{Act, ModelServer};

const KEY: &str = "sk-canary-operators-key";

impl Service<'_> {
    /// Publishes the draft of `support` with this greeting and moves it up to live.
    fn release(&self, greeting: &str) {
        self.repo.write("agents/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
        data(&self.post("/agents/support/publish", &json!({})), 201);
        for to in ["pre-release", "live"] {
            data(&self.post("/agents/support/promote", &json!({ "to": to, "confirm": true })), 200);
        }
    }

    fn begin(&self, body: &Value) -> Value {
        data(&self.post("/chat/sessions", body), 201)
    }

    fn say(&self, session: &Value, headers: &str, body: &Value) -> Answer {
        let path = format!("/chat/sessions/{}/messages", session["id"].as_str().unwrap());
        self.call(&self.admin, "POST", &path, headers, Some(body))
    }

    fn usage(&self) -> Value {
        data(&self.get("/usage"), 200)
    }
}

fn draft() -> Value {
    json!({ "agentId": "support", "draftMode": true })
}

fn live() -> Value {
    json!({ "agentId": "support" })
}

/// The events of an answer: names and data. The transfer is chunked.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/event-stream"), "{answer:?}");
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().to_owned()
    };
    let blocks = answer.body.split("\n\n").filter(|block| block.contains("data:"));
    blocks
        .map(|block| (field(block, "event:"), serde_json::from_str(&field(block, "data:")).unwrap_or_default()))
        .collect()
}

/// A repository whose agent names the operator's model, and the operator's file.
fn with_model<'w>(world: &'w World, server: &ModelServer, more: &str) -> (Repo<'w>, String) {
    let repo = world.repository("shop");
    repo.write("agents/support/llm.toml", "endpoint = \"house\"\nmodel = \"large\"\ntemperature = 0.5\n");
    repo.write("agents/support/skills/book.toml", "description = \"Books a table\"\n");
    repo.write(
        "agents/support/guardrails/calm.toml",
        "rule = \"Stay calm\"\nkind = \"never_say\"\nphrases = [\"calm down\"]\n",
    );
    world.write(
        "operator.toml",
        format!("outgoing.allow = [\"127.0.0.1\"]\n[models.house]\nurl = \"http://{}/v1\"\nkey = {{ env = \"MODEL_KEY\" }}\n{more}\n", server.address),
    );
    (repo, world.path("operator.toml").display().to_string())
}

fn with_server<'w>(world: &'w World, server: &ModelServer, more: &str) -> Service<'w> {
    let (repo, file) = with_model(world, server, more);
    Service::over(world, repo, &["--config", &file], &[("MODEL_KEY", KEY)])
}

#[test]
fn a_draft_is_talked_to_as_it_is_and_a_session_keeps_what_it_began_with() {
    let world = World::new();
    let service = Service::new(&world);
    problem(&service.post("/chat/sessions", &live()), 409, "no_published_version");
    let first = service.begin(&draft());
    assert_eq!(first["messages"][0]["content"], "Hello, how can I help?");
    assert_eq!((&first["draftMode"], &first["version"]), (&json!(true), &Value::Null));
    assert_eq!(first["digest"], service.get("/agents/support/draft").json()["data"]["digest"]);

    service.release("Version one");
    let pinned = service.begin(&live());
    assert_eq!((&pinned["version"], &pinned["environment"]), (&json!(1), &json!("live")));
    assert_eq!(pinned["messages"][0]["content"], "Version one");
    let digest = data(&service.get("/agents/support/versions/v1"), 200)["digest"].clone();
    assert_eq!(pinned["digest"], digest);
    service.release("Version two");
    let spoken = data(&service.say(&pinned, "", &json!({ "content": "Hello" })), 200);
    assert_eq!((&spoken["version"], &spoken["digest"], &spoken["role"]), (&json!(1), &digest, &json!("assistant")));
    assert_eq!(service.begin(&live())["version"], 2);
    service.repo.write("agents/support/agent.toml", "name = \n");
    problem(&service.post("/chat/sessions", &draft()), 422, "findings");
    let read = data(&service.get(&format!("/chat/sessions/{}", pinned["id"].as_str().unwrap())), 200);
    let roles: Vec<_> =
        read["messages"].as_array().unwrap().iter().map(|line| line["role"].as_str().unwrap()).collect();
    assert_eq!((roles, &read["digest"]), (vec!["assistant", "user", "assistant"], &digest));
    let before = data(&service.say(&first, "", &json!({ "message": "Still there?" })), 200);
    assert_eq!((&before["digest"], &before["version"]), (&first["digest"], &Value::Null));
    for (body, status, code) in [
        (json!({ "agentId": "nobody" }), 404, "unknown_agent"),
        (json!({ "agentId": "nobody", "draftMode": true }), 404, "unknown_agent"),
        (json!({ "agentId": "NO BODY" }), 400, "invalid_agent_id"),
        (json!({ "agentId": "support", "environment": "nowhere" }), 404, "unknown_environment"),
        (json!({ "agentId": "support", "environment": "live", "draftMode": true }), 400, "bad_request"),
        (json!({}), 400, "bad_request"),
    ] {
        problem(&service.post("/chat/sessions", &body), status, code);
    }
    problem(&service.say(&pinned, "", &json!({ "content": " " })), 400, "bad_request");
    problem(&service.say(&pinned, "", &json!({ "content": "x".repeat(40_000) })), 400, "bad_request");
    problem(&service.say(&json!({ "id": "nothing" }), "", &json!({ "content": "x" })), 404, "unknown_session");
}

#[test]
fn a_model_answers_word_by_word_and_is_told_who_it_is() {
    let (world, server) = (World::new(), ModelServer::start());
    let service = with_server(&world, &server, "");
    let session = service.begin(&draft());
    assert_eq!(session["responder"], "house");
    server.will([Act::Says(&["Good ", "day", "."])]);
    let told = events(&service.say(&session, "Accept: text/event-stream\r\n", &json!({ "content": "Hello" })));
    let words: Vec<_> =
        told.iter().filter(|(name, _)| name == "delta").map(|(_, data)| data["content"].as_str().unwrap()).collect();
    assert_eq!(words, ["Good ", "day", "."]);
    let (last, done) = told.last().unwrap();
    assert_eq!((last.as_str(), &done["content"], &done["digest"]), ("done", &json!("Good day."), &session["digest"]));
    let asked = server.requests().remove(0);
    assert_eq!(
        (asked.path.as_str(), asked.authorization.as_deref()),
        ("/v1/chat/completions", Some(format!("Bearer {KEY}").as_str()))
    );
    assert_eq!(
        (&asked.body["model"], &asked.body["temperature"], &asked.body["stream"]),
        (&json!("large"), &json!(0.5), &json!(true))
    );
    let system = asked.body["messages"][0]["content"].as_str().unwrap();
    assert!(system.contains("You help customers of a small shop.") && system.contains("“calm down”"), "{system}");
    assert_eq!(asked.body["messages"][2], json!({ "role": "user", "content": "Hello" }));

    // A skill is noted, never carried out, and the model goes on.
    server.will([Act::Asks("book"), Act::Whole("Booked. Now calm down!")]);
    let spoken = data(&service.say(&session, "", &json!({ "content": "A table, please" })), 200);
    assert_eq!((&spoken["skills"], &spoken["guardrails"]), (&json!(["book"]), &json!(["calm"])));
    let rounds = server.requests();
    assert_eq!(rounds[0].body["tools"][0]["function"]["name"], "book");
    let messages = rounds[1].body["messages"].as_array().unwrap();
    assert_eq!(messages.last().unwrap()["tool_call_id"], "c1");
    assert_eq!(messages[messages.len() - 2]["tool_calls"][0]["function"]["arguments"], "{}");

    let offline = service.begin(&json!({ "agentId": "support", "draftMode": true, "offline": true }));
    assert_eq!(offline["responder"], "offline");
    data(&service.say(&offline, "", &json!({ "content": "Hello" })), 200);
    assert!(server.requests().is_empty());
}
