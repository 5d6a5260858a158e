//! Langfuse's read route: raw, and by its own Python package.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::daemon::Answer;
use crate::env::{Ended, Repo, World, isolated};
use crate::polyai::Shop;

/// Python with the packages of `.ci/requirements-clients.txt`. Where `CI` is set it must be there.
pub fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing: .ci/run installs it", python.display());
    eprintln!("skipped: no vendors' clients in target/clients; .ci/run installs them");
    None
}

fn ask(shop: &Shop<'_>, key: &str, head: &str) -> Answer {
    let basic = BASE64_STANDARD.encode(format!("pk-lf-any:{key}"));
    shop.send(head, &format!("Authorization: Basic {basic}\r\n"), "")
}

fn get(shop: &Shop<'_>, path: &str) -> Answer {
    ask(shop, &shop.admin, &format!("GET /api/public/v2/prompts/{path}"))
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    let body = answer.json();
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((keys, &body["error"]), (vec!["error", "message"], &json!(error)), "{body}");
}

/// Two versions of `emea/support`; the first is live, the second in sandbox.
fn two_versions(repo: &Repo<'_>) {
    let write = |greeting: &str, persona: &str| {
        repo.write("agents/emea/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
        repo.write("agents/emea/support/persona.md", persona);
        repo.pointsman(&["publish", "emea/support", "--note", greeting]).ok();
    };
    write("One", "You help {{customer}}.\n");
    repo.pointsman(&["promote", "emea/support", "--to", "pre-release"]).ok();
    repo.pointsman(&["promote", "emea/support", "--to", "live", "--confirm"]).ok();
    write("Two", "You help everybody.\n");
}

#[test]
fn a_label_is_an_environment_and_a_version_its_number() {
    let world = World::new();
    let repo = world.repository("shop");
    two_versions(&repo);
    let shop = Shop::over(&world, repo);
    let live = get(&shop, "emea%2Fsupport?label=live").json();
    assert_eq!((&live["name"], &live["version"], &live["type"]), (&json!("emea/support"), &json!(1), &json!("text")));
    assert_eq!(live["prompt"], "You help {{customer}}.\n");
    assert_eq!(live["labels"], json!(["live", "pre-release", "production"]));
    assert_eq!(live["tags"], json!(["native", "emea"]));
    assert_eq!(live["commitMessage"], "One");
    let served: Value = shop.daemon.get("/config/live/emea/support").json();
    assert_eq!(live["config"], served);
    // Without a label, and with the slash as it is, it is the same prompt.
    for same in ["emea%2Fsupport", "emea/support", "emea%2Fsupport?label=production", "emea/support?version=1"] {
        assert_eq!(get(&shop, same).json(), live, "{same}");
    }
    for newest in ["emea/support?label=latest", "emea/support?label=sandbox", "emea/support?version=2"] {
        let found = get(&shop, newest).json();
        assert_eq!((&found["version"], &found["labels"]), (&json!(2), &json!(["sandbox", "latest"])), "{newest}");
    }
    let chat = get(&shop, "emea/support:chat?label=live").json();
    assert_eq!((&chat["name"], &chat["type"]), (&json!("emea/support:chat"), &json!("chat")));
    let said =
        json!([{ "role": "system", "content": "You help {{customer}}.\n" }, { "role": "assistant", "content": "One" }]);
    assert_eq!(chat["prompt"], said);
}

#[test]
fn what_is_not_there_is_refused_in_langfuses_form() {
    let world = World::new();
    let repo = world.repository("shop");
    two_versions(&repo);
    let shop = Shop::over(&world, repo);
    for path in
        ["nobody", "NOBODY", "emea/support?version=9", "emea/support?label=staging", "support", "support?label=live"]
    {
        refused(&get(&shop, path), 404, "LangfuseNotFoundError");
    }
    for path in ["emea/support?version=x", "emea/support?version=1&label=live"] {
        refused(&get(&shop, path), 400, "InvalidRequestError");
    }
    refused(&ask(&shop, &shop.admin, "GET /api/public/nothing"), 404, "LangfuseNotFoundError");
    refused(&ask(&shop, &shop.admin, "POST /api/public/v2/prompts/support"), 405, "MethodNotAllowedError");
}

#[test]
fn the_secret_key_is_a_token_and_says_what_may_be_read() {
    let world = World::new();
    let repo = world.repository("shop");
    two_versions(&repo);
    let shop = Shop::over(&world, repo);
    let surface = pointsman::api::SURFACES.iter().find(|surface| surface.name == "langfuse").unwrap();
    let (none, apac) = (shop.token("chat:write"), shop.token("agents:read@apac/*"));
    for route in surface.routes {
        let head = format!("{} {}{}", route.method, surface.prefix, route.path.replace("{*agent}", "emea/support"));
        let wrong = ask(&shop, "pm_sk_wrong", &head);
        refused(&wrong, 401, "UnauthorizedError");
        assert!(wrong.headers["www-authenticate"].starts_with("Basic "), "{wrong:?}");
        for key in [&none, &apac] {
            refused(&ask(&shop, key, &head), 403, "ForbiddenError");
        }
        let bearer = shop.send(&head, &format!("Authorization: Bearer {}\r\n", shop.admin), "");
        refused(&bearer, 401, "UnauthorizedError");
    }
    // An id that nobody has is no different, whether it could be one or not.
    for name in ["emea/nobody", "NOBODY"] {
        refused(&ask(&shop, &apac, &format!("GET /api/public/v2/prompts/{name}")), 403, "ForbiddenError");
    }
    let emea = shop.token("agents:read@emea/*");
    assert_eq!(ask(&shop, &emea, "GET /api/public/v2/prompts/emea/support").status, 200);
}

/// What an application does that reads its prompts from Langfuse.
const APPLICATION: &str = r#"
import json
from langfuse import get_client

client = get_client()
live = client.get_prompt("emea/support", label="live")
default = client.get_prompt("emea/support")
newest = client.get_prompt("emea/support", label="latest")
first = client.get_prompt("emea/support", version=1)
chat = client.get_prompt("emea/support:chat", type="chat")
missing = client.get_prompt("nobody", fallback="Say sorry.", max_retries=0)
try:
    client.get_prompt("nobody", max_retries=0)
    error = None
except Exception as problem:
    error = type(problem).__name__
print(json.dumps({
    "live": [live.version, live.labels, live.tags, live.compile(customer="Ada"), live.config["kind"]],
    "default": default.version,
    "newest": [newest.version, newest.compile()],
    "first": first.version,
    "chat": chat.compile(customer="Ada"),
    "missing": [missing.is_fallback, missing.prompt],
    "error": error,
}))
"#;

#[test]
fn langfuses_own_package_reads_prompts() {
    let Some(python) = python() else { return };
    let world = World::new();
    let repo = world.repository("shop");
    two_versions(&repo);
    let shop = Shop::over(&world, repo);
    let mut command = isolated(python.to_str().unwrap(), &world.home());
    command.args(["-c", APPLICATION]);
    command.env("LANGFUSE_HOST", format!("http://{}", shop.daemon.address)).env("LANGFUSE_TRACING_ENABLED", "false");
    command.env("LANGFUSE_PUBLIC_KEY", "pk-lf-any").env("LANGFUSE_SECRET_KEY", shop.token("agents:read"));
    let read = Ended::of(command.output().unwrap()).ok().json();
    assert_eq!(
        read["live"],
        json!([1, ["live", "pre-release", "production"], ["native", "emea"], "You help Ada.\n", "native"])
    );
    assert_eq!(
        (&read["default"], &read["first"], &read["newest"]),
        (&json!(1), &json!(1), &json!([2, "You help everybody.\n"]))
    );
    assert_eq!(read["chat"][0], json!({ "role": "system", "content": "You help Ada.\n" }));
    assert_eq!(read["missing"], json!([true, "Say sorry."]));
    assert_eq!(read["error"], "NotFoundError");
}
