//! The vendor's own clients, unmodified: the Python package in both generations, its command line, the MCP server.
//!
//! `.ci/run` installs them below `target/clients`. Where they are missing the stories are skipped with the reason, but
//! never in CI.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Atoms, ONE, admin_token, is_id, refused};
use crate::daemon::Daemon;
use crate::env::{Ended, World, isolated};

fn in_source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether the client at `path` is installed; if not, says so.
fn installed(path: &Path) -> bool {
    if path.exists() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not installed; .ci/run does it", path.display());
    eprintln!("skipped: {} is not installed; .ci/run does it", path.display());
    false
}

fn client(atoms: &Atoms<'_>, program: &Path) -> Command {
    let mut command = isolated(program.to_str().unwrap(), &atoms.repo.world.home());
    let base = format!("http://{}", atoms.daemon.address);
    command.env("BASE", &base).env("KEY", &atoms.admin);
    command.env("SMALLEST_BASE_URL", &base).env("SMALLEST_API_KEY", &atoms.admin);
    command.env("SMALLESTAI_TELEMETRY", "0").env("DO_NOT_TRACK", "1").env("COLUMNS", "200");
    command
}

fn python() -> PathBuf {
    in_source("target/clients/bin/python")
}

#[track_caller]
fn drive(atoms: &Atoms<'_>, script: &str, more: &[(&str, &str)]) -> Value {
    let mut command = client(atoms, &python());
    command.arg(in_source(&format!("tests/clients/{script}"))).envs(more.iter().copied());
    let ended = Ended::of(command.output().unwrap());
    assert_eq!(ended.code, 0, "{}\n{}\n{}", ended.stdout, ended.stderr, atoms.daemon.log());
    ended.json()
}

#[test]
fn the_python_package_drives_branches_and_revisions() {
    if !installed(&python()) {
        return;
    }
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    let out = drive(&atoms, "atoms_v2.py", &[]);
    let expected = json!({
        "created": ["Python", "You are Ada.", "gpt-4.1", "en", { "deep": [1, "x"] }, false],
        "renamed": "Python agent",
        "listed": ["Python agent", "Support"],
        "main": ["main", true, true, false, 1],
        "no_draft": [404, "NotFoundError"],
        "draft": [1, 2, ["workflow_prompt"]],
        "diff": ["voice", "workflow_prompt"],
        "conflict": [1, 2, "Hello!"],
        "base": true,
        "published": ["committed", 2, "Second", true],
        "cancelled": false,
        "third": ["published", 3, true],
        "revisions": [3, ["Third", "Second", null]],
        "resolved": "You are Bob.",
        "trail": 3,
        "feature": [false, 1, true, false],
        "live_prompt": "You are Eve.",
        "archive_live": [400, "BadRequestError"],
        "renamed_branch": "feature y",
        "discarded": true,
        "archived": true,
        "restored": ["committed", 4, true],
        "reserved": [400, "BadRequestError"],
        "test_call": [400, "BadRequestError"],
        "unknown_branch": [404, "NotFoundError"],
        "after_archive": ["Support"],
        "copy": "Python agent (copy)",
        "moved": ["Moved", "You are Ada.", "gpt-4.1", { "deep": [1, "x"] }],
        "account": true,
        "wrong_key": [401, "UnauthorizedError"],
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&out[key], value, "{key}: {out}");
    }
    assert!(is_id(&out["agent"]));
    assert_eq!(
        (&out["unknown_agent"][0], &out["unknown_agent"][2]["errors"]),
        (&json!(400), &json!(["No agent found"]))
    );
    assert_eq!(atoms.daemon.version("live", "python").as_deref(), Some("v5"));
    atoms.holds();
}

#[test]
fn the_python_package_drives_drafts_and_versions() {
    if !installed(&python()) {
        return;
    }
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    atoms.repo.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    let agent = atoms.id("Support");
    let out = drive(&atoms, "atoms_v1.py", &[("AGENT", &agent)]);
    let expected = json!({
        "first": [1, 1, true],
        "draft": ["draft", "NLP Improvements", true],
        "edited": [1, true],
        "detail": [1, "NLP"],
        "diff": true,
        "active_drafts": 1,
        "published": [2, "Release 2", "Briefer", true],
        "drafts_left": 0,
        "back": [1, true],
        "forth": [2, true],
        "pinned": [true, "Gold"],
        "pins": ["Gold"],
        "compared": ["language", "workflow_prompt", "workflow_tools"],
        "resolved": [2, "Be brief."],
        "gone": [404, "NotFoundError"],
        "no_source": [400, "BadRequestError"],
        "test_call": [400, "BadRequestError"],
    });
    assert_eq!(out, expected);
    atoms.holds();
}

#[test]
fn the_command_line_lists_makes_shows_and_updates_agents() {
    let program = in_source("target/clients/bin/smallestai");
    if !installed(&program) {
        return;
    }
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    let run = |args: &[&str]| Ended::of(client(&atoms, &program).args(args).output().unwrap());
    let made = run(&["agents", "create", "demo", "--prompt", "You are Ada.", "--first-message", "Hi"]).ok().stdout;
    let id = made.split_whitespace().find(|word| is_id(&json!(word))).unwrap_or_else(|| panic!("{made}")).to_owned();
    let listed: Value = run(&["agents", "list", "--json"]).ok().json();
    assert!(listed.as_array().unwrap().contains(&json!({ "id": id, "name": "demo" })), "{listed}");
    assert!(run(&["agents", "list"]).ok().stdout.contains("demo"));
    let updated =
        run(&["agents", "update", &id, "--prompt", "You are Bob.", "--name", "renamed", "--language", "en"]).ok();
    assert!(updated.stdout.contains("Updated agent"), "{updated:?}");
    let shown: Value = run(&["agents", "get", &id, "--json"]).ok().json();
    assert_eq!(
        (&shown["name"], &shown["globalPrompt"], &shown["firstMessage"]),
        (&json!("renamed"), &json!("You are Bob."), &json!("Hi"))
    );
    assert!(run(&["agents", "get", &id]).ok().stdout.contains("renamed"));
    // What was updated is live.
    let config = atoms.daemon.get("/config/live/demo").json();
    assert_eq!(config["workflow_prompt"]["persona"], "You are Bob.");
    assert_ne!(run(&["agents", "get", "0123456789abcdef01234567"]).code, 0);
    assert_ne!(run(&["agents", "update", &id]).code, 0);
    atoms.holds();
}

#[test]
fn an_assistant_edits_publishes_and_switches_through_the_mcp_server() {
    let modules = in_source("target/clients/npm");
    if !installed(&modules.join("node_modules/@developer-smallestai/smallest-mcp-server/dist/index.js")) {
        return;
    }
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    let mut command = client(&atoms, Path::new("node"));
    command.env("CLIENTS", &modules).arg(in_source("tests/clients/atoms_mcp.mjs"));
    let ended = Ended::of(command.output().unwrap()).ok();
    let out = ended.json();
    assert_eq!((&out["tools"], &out["created"]), (&json!(83), &json!("Agent created successfully")));
    let says = |tool: &str, expected: &str| {
        let said = &out[tool];
        let message = said["message"].as_str().or(said.as_str()).unwrap_or_default();
        assert!(message.contains(expected), "{tool}: {said}");
    };
    says(
        "updated",
        "Metadata updated directly: name. Config changes saved to draft. Fields: firstMessage, singlePromptConfig",
    );
    says("tool", "API-call tool 'lookup' added (1 tool total).");
    says("actions", "Call actions saved to draft.");
    assert_eq!(out["draft"]["editCount"], 3);
    says("published", "Published and live. Changes are now serving.");
    assert_eq!((&out["agent"]["name"], &out["agent"]["firstMessage"]), (&json!("MCP agent"), &json!("Hello")));
    assert_eq!((&out["prompt"]["prompt"], &out["prompt"]["tools"][0]["name"]), (&json!("Be kind."), &json!("lookup")));
    says("branch", "Branch 'mcp branch' created.");
    says("choose", "This agent has multiple branches");
    says("onBranch", "Config changes saved to draft. Fields: singlePromptConfig");
    assert_eq!(out["listed"][1]["hasOpenDraft"], true);
    assert_eq!(out["revisions"]["total"], 2);
    assert_eq!(out["revision"]["resolvedConfig"]["prompt"], "Be kind.");
    let changed = json!([{ "path": "prompt", "oldValue": "Be kind.", "newValue": "Be brief." }]);
    assert_eq!(out["diff"]["diffs"], json!([{ "section": "workflow_prompt", "changes": changed }]));
    says("branchPublished", "Published to the branch. Use make_branch_live to serve this branch.");
    says("live", "Branch is now live.");
    says("renamed", "Branch renamed to 'mcp two'.");
    says("deleteLive", "the live branch cannot be archived");
    says("discarded", "Draft discarded.");
    says("deleted", "Branch deleted.");
    assert_eq!((&out["agents"]["totalCount"], &out["agents"]["hasMore"]), (&json!(2), &json!(false)));
    says("testAgent", "places no calls");
    says("unknown", "No agent found");
    assert_eq!(atoms.daemon.version("live", "from-mcp").as_deref(), Some("v2"));
    atoms.holds();
}

#[test]
fn an_operator_sends_callers_of_the_first_generation_to_the_second() {
    let world = World::new();
    world.write("serve.toml", "[atoms]\nv1 = false\n");
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    let daemon = Daemon::start(&world, &repo.dir, &["--config", world.path("serve.toml").to_str().unwrap()]);
    let admin = admin_token(&repo.path(".git/pointsman"));
    let atoms = Atoms { repo, daemon, admin };
    let agent = atoms.id("Support");
    let answer = atoms.call(&atoms.admin, "GET", &format!("/agent/{agent}/versions"), None);
    refused(&answer, 409, "versioning_v2_migration_required");
    assert_eq!(answer.headers["deprecation"], "true");
    assert_eq!(atoms.get(&format!("/agent/{agent}/branches"))["branches"][0]["branch"]["name"], "main");
    if installed(&python()) {
        let out = drive(&atoms, "atoms_v1.py", &[("AGENT", &agent), ("MIGRATED", "1")]);
        assert_eq!(out, json!({ "migrated": [409, "versioning_v2_migration_required", "true"] }));
    }
}
