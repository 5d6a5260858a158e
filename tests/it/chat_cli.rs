//! Talking and testing from the command line, without a server.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::env::{Ended, Repo, World};
use crate::model_server::{Act, ModelServer};

/// A pointsman command that reads `input`.
fn with_input(repo: &Repo<'_>, args: &[&str], input: &str, environment: &[(&str, &str)]) -> Ended {
    let mut command = repo.command(args);
    command.envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever refuses early closes it before it is read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ended::of(child.wait_with_output().unwrap())
}

fn bookings(world: &World) -> Repo<'_> {
    let repo = world.repository("shop");
    repo.write(
        "agents/support/playbooks/book.toml",
        "when = \"The caller wants a table\"\ntopics = [\"table\"]\n[[steps]]\nask = \"For how many?\"\n[[steps]]\nsay = \"Done.\"\n",
    );
    repo.write(
        "agents/support/knowledge/hours.md",
        "---\ntitle: Opening hours\nquestions: [When are you open?]\n---\nFrom nine to five.\n",
    );
    repo.write(
        "agents/support/tests/books.toml",
        "[[turns]]\nuser = \"A table, please\"\n[turns.expect]\nsays = [\"how many\"]\n",
    );
    repo
}

#[test]
fn lines_in_are_replies_out_and_a_conversation_goes_on_later() {
    let world = World::new();
    let repo = bookings(&world);
    let first = with_input(&repo, &["chat", "support", "--draft"], "A table, please\n\nWhen are you open?\n", &[]).ok();
    assert_eq!(first.stdout, "Hello, how can I help?\nFor how many?\nFrom nine to five.\n\nFor how many?\n");
    let told = first.stderr.lines().find_map(|line| line.strip_prefix("session ")).unwrap().to_owned();
    assert!(first.stderr.starts_with("support: the draft ("), "{}", first.stderr);
    // The draft is another one by now; the conversation is not.
    repo.write("agents/support/playbooks/book.toml", "when = \"x\"\n[[steps]]\nsay = \"Changed\"\n");
    let on = with_input(&repo, &["chat", "--session", &told, "--json"], "Four\n", &[]).ok();
    let lines: Vec<Value> = on.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["messages"].as_array().unwrap().len()), (2, 5));
    assert_eq!((&lines[1]["content"], &lines[1]["digest"]), (&json!("Done."), &lines[0]["digest"]));
    repo.pointsman(&["chat", "support"]).refused("`support` has no published version", "talk to the draft");
    repo.pointsman(&["chat", "--session", "nothing"]).refused("there is no session `nothing`", "");
    repo.write("agents/support/agent.toml", "name = \n");
    repo.pointsman(&["chat", "support", "--draft"]).refused("so it cannot be tried", "pointsman check support");
}

#[test]
fn a_conversation_that_began_over_the_api_is_the_same_one_in_the_terminal() {
    let world = World::new();
    let repo = bookings(&world);
    repo.pointsman(&["publish", "support"]).ok();
    for to in ["pre-release", "live"] {
        repo.pointsman(&["promote", "support", "--to", to, "--confirm"]).ok();
    }
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    let live = with_input(&repo, &["chat", "support", "--environment", "live", "--json"], "A table\n", &[]).ok();
    let begun: Value = serde_json::from_str(live.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&begun["version"], &begun["environment"]), (&json!(1), &json!("live")));
    let admin = std::fs::read_to_string(repo.path(".git/pointsman/admin-token")).unwrap();
    let read = daemon.request(&format!(
        "GET /api/v1/chat/sessions/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        begun["id"].as_str().unwrap(),
        admin.trim()
    ));
    assert_eq!(read.json()["data"]["messages"][2]["content"], "For how many?");
}

#[test]
fn tests_pass_or_fail_with_a_reason_and_the_exit_code_says_so() {
    let world = World::new();
    let repo = bookings(&world);
    let passed = repo.pointsman(&["test", "support"]).ok();
    assert!(passed.stdout.contains("ok    books") && passed.stdout.contains("1 passed, 0 failed"), "{}", passed.stdout);
    repo.pointsman(&["publish", "support"]).ok();
    repo.write(
        "agents/support/tests/books.toml",
        "[[turns]]\nuser = \"A table, please\"\n[turns.expect]\nhandoff = true\n",
    );
    let failed = repo.pointsman(&["test", "support", "--json"]);
    assert_eq!(
        (failed.code, &failed.json()["tests"][0]["failures"]),
        (1, &json!(["after “A table, please”: no person takes over"]))
    );
    assert_eq!(repo.pointsman(&["test", "support"]).code, 1);
    // What was published was tested with its own tests.
    for against in ["v1", "sandbox", "env:sandbox"] {
        assert_eq!(repo.pointsman(&["test", "support", "--against", against, "--json"]).ok().json()["version"], 1);
    }
    repo.pointsman(&["test", "support", "--against", "live"]).refused("`support` has no published version", "");
    assert_eq!(repo.pointsman(&["test", "support", "--against", "No Side"]).code, 2);
}

#[test]
fn the_operators_model_answers_where_its_file_is_named() {
    let (world, server) = (World::new(), ModelServer::start());
    let repo = bookings(&world);
    repo.write("agents/support/llm.toml", "endpoint = \"house\"\n");
    let file = |more: &str| {
        let text = format!(
            "outgoing.allow = [\"127.0.0.1\"]\n[models.house]\nurl = \"http://{}/v1\"\nkey = {{ env = \"MODEL_KEY\" }}\n{more}",
            server.address
        );
        world.write("operator.toml", text);
        world.path("operator.toml").display().to_string()
    };
    let offline = with_input(&repo, &["chat", "support", "--draft"], "A table\n", &[]).ok();
    assert!(offline.stderr.contains("the offline responder answers") && offline.stdout.contains("For how many?"));
    assert!(server.requests().is_empty());
    let path = file("");
    let key = [("MODEL_KEY", "sk-canary")];
    let args = ["chat", "support", "--draft", "--config", &path];
    let unnamed =
        with_input(&repo, &args, "Hello\n", &key).refused("nothing says which model `house` is to use", "add `model`");
    assert!(!unnamed.stderr.contains("canary"));
    file("model = \"large\"\n");
    server.will([Act::Says(&["Good \u{1b}[31mday", "\u{202e}."])]);
    let answered = with_input(&repo, &args, "Hello\n", &key).ok();
    // What a model says moves no cursor.
    assert!(answered.stdout.ends_with("Good \\u{1b}[31mday\\u{202e}.\n"), "{}", answered.stdout);
    server.will([Act::Status(401)]);
    let failed = with_input(&repo, &args, "Hello\n", &key).refused("the model endpoint `house` answered 401", "");
    assert!(!failed.stderr.contains("canary") && !failed.stderr.contains(&server.address));
    server.will([Act::Whole("For how many people?")]);
    let tested =
        repo.command(&["test", "support", "--config", &path, "--json"]).env("MODEL_KEY", "k").output().unwrap();
    assert_eq!((Ended::of(tested).ok().json()["responder"]), json!("house"));
}

#[test]
fn a_controller_on_its_mirror_tries_the_default_branch_and_serves_chats_while_the_remote_is_away() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = bookings(&world);
    repo.git(&["remote", "add", "origin", origin.to_str().unwrap()]).ok();
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Take bookings"]).ok();
    repo.git(&["push", "-q", "-u", "origin", "main"]).ok();
    repo.pointsman(&["publish", "support"]).ok();
    let (state, remote) = (world.path("state"), format!("file://{}", origin.display()));
    let daemon = Daemon::start(&world, &world.home(), &["--remote", &remote, "--state", state.to_str().unwrap()]);
    daemon.serves("sandbox", "support", "v1");
    let admin = std::fs::read_to_string(state.join("admin-token")).unwrap();
    let post = |path: &str, body: Value| {
        let body = body.to_string();
        daemon.request(&format!(
            "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            admin.trim(),
            body.len()
        ))
    };
    // What is pushed is the draft; what only stands in somebody's folder is not.
    repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Pushed\"\n");
    repo.git(&["commit", "-qam", "Greet"]).ok();
    repo.git(&["push", "-q"]).ok();
    repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Unpushed\"\n");
    let draft = post("/chat/sessions", json!({ "agentId": "support", "draftMode": true }));
    assert_eq!((draft.status, &draft.json()["data"]["messages"][0]["content"]), (201, &json!("Pushed")));
    let away = world.path("away.git");
    std::fs::rename(&origin, &away).unwrap();
    let served = post("/chat/sessions", json!({ "agentId": "support", "environment": "sandbox" })).json();
    assert_eq!(
        (&served["data"]["version"], &served["data"]["messages"][0]["content"]),
        (&json!(1), &json!("Hello, how can I help?"))
    );
    let path = format!("/chat/sessions/{}/messages", served["data"]["id"].as_str().unwrap());
    assert_eq!(post(&path, json!({ "content": "A table" })).json()["data"]["content"], "For how many?");
    assert!(state.join("sandbox.db").exists());
}
