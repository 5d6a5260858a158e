//! PolyAI's dialect: its clients' requests over real sockets, and its own `poly` where there is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::env::{Ended, Repo, World, isolated};

/// A daemon over a repository, with the local admin's token.
pub struct Shop<'w> {
    pub repo: Repo<'w>,
    pub daemon: Daemon,
    pub admin: String,
}

impl<'w> Shop<'w> {
    pub fn new(world: &'w World) -> Self {
        Self::over(world, world.repository("shop"))
    }

    pub fn over(world: &World, repo: Repo<'w>) -> Self {
        let daemon = Daemon::start(world, &repo.dir, &[]);
        let admin = std::fs::read_to_string(repo.path(".git/pointsman/admin-token")).unwrap().trim().to_owned();
        Shop { repo, daemon, admin }
    }

    pub fn token(&self, scopes: &str) -> String {
        self.repo.pointsman(&["token", "create", "--name", "ci", "--scope", scopes]).ok().stdout.trim().to_owned()
    }

    /// Writes the draft of `support`.
    pub fn draft(&self, greeting: &str) {
        self.repo.write("agents/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
    }

    /// Sends a request as it is, with what every one has.
    pub fn send(&self, head: &str, headers: &str, body: &str) -> Answer {
        self.daemon.request(&format!(
            "{head} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.daemon.address,
            body.len()
        ))
    }

    fn call(&self, key: &str, head: &str, body: Option<&Value>) -> Answer {
        let kind = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        let headers = format!("X-API-KEY: {key}\r\nX-PolyAI-Correlation-Id: adk-1f\r\n{kind}");
        self.send(head, &headers, &body.map(Value::to_string).unwrap_or_default())
    }

    fn get(&self, path: &str) -> Answer {
        self.call(&self.admin, &format!("GET {path}"), None)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(&self.admin, &format!("POST {path}"), Some(body))
    }
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    let body = answer.json();
    assert_eq!(body["error_code"], code, "{body}");
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["data", "error", "error_code", "error_id", "error_message", "success"]);
    assert_eq!((&body["success"], &body["data"]), (&json!(false), &Value::Null));
    assert_eq!(body["error_id"], answer.headers["x-polyai-correlation-id"].as_str());
}

/// Whether `found` is what `wanted` says; fixtures/polyai/README.md has the words for what differs each time.
fn fits(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| fits(wanted, found)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| fits(wanted, found))
        }
        (Value::String(wanted), Value::String(found)) => match wanted.as_str() {
            "<uuid>" => found.len() == 36 && found.as_bytes()[14] == b'7',
            "<hash>" => found.len() == 32 && found.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')),
            "<iso>" => found.len() == 24 && found.parse::<jiff::Timestamp>().is_ok(),
            "<http-date>" => jiff::fmt::rfc2822::parse(found).is_ok() && found.ends_with(" GMT") && found.len() == 29,
            "<text>" => !found.is_empty(),
            exact => exact == found,
        },
        _ => wanted == found,
    }
}

fn replaced(text: &str, kept: &BTreeMap<String, String>) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn replay(shop: &Shop<'_>, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/polyai").join(name);
    let exchanges: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut kept = BTreeMap::new();
    for exchange in exchanges {
        if let Some(greeting) = exchange["draft"].as_str() {
            shop.draft(greeting);
        }
        let ask = replaced(exchange["ask"].as_str().unwrap(), &kept);
        let answer = shop.call(&shop.admin, &ask, exchange.get("say"));
        assert_eq!(json!(answer.status), exchange["answer"], "{ask}: {answer:?}");
        assert_eq!(answer.headers["x-polyai-correlation-id"], "adk-1f", "{ask}");
        let body = answer.json();
        if let Some(wanted) = exchange.get("with") {
            let wanted: Value = serde_json::from_str(&replaced(&wanted.to_string(), &kept)).unwrap();
            assert!(fits(&wanted, &body), "{ask}\nwanted {wanted:#}\nfound {body:#}");
        }
        for (name, place) in exchange.get("keep").and_then(Value::as_object).into_iter().flatten() {
            let value = body.pointer(place.as_str().unwrap()).and_then(Value::as_str).unwrap();
            kept.insert(name.clone(), value.to_owned());
        }
    }
    shop.repo.pointsman(&["verify"]).ok();
}

#[test]
fn the_public_half_answers_as_documented() {
    let world = World::new();
    replay(&Shop::new(&world), "public.json");
}

#[test]
fn the_development_kits_half_answers_as_its_command_reads_it() {
    let world = World::new();
    replay(&Shop::new(&world), "adk.json");
}

#[test]
fn a_version_hash_begins_the_tags_id_and_is_the_same_everywhere() {
    let world = World::new();
    let shop = Shop::new(&world);
    let published = shop.post("/v1/agents/support/deployments/publish", &json!({})).json();
    let hash = published["deployment"]["version"].as_str().unwrap();
    assert!(shop.repo.git_out(&["rev-parse", "support/v1"]).starts_with(hash));
    let id = published["id"].as_str().unwrap();
    for to in ["pre-release", "live"] {
        let path = format!("/v1/agents/support/deployments/{id}/promote");
        let promoted = shop.post(&path, &json!({ "targetEnvironment": to }));
        assert_eq!(promoted.json()["deployment"]["version"], hash, "{promoted:?}");
    }
    // What the answer says is served when it is there.
    assert_eq!(shop.daemon.version("live", "support").as_deref(), Some("v1"));
    assert!(shop.repo.git_out(&["log", "-1", "--format=%B", "env/live"]).contains("Pointsman-Move: support - v1"));
}

#[test]
fn deployments_are_compared_and_stand_in_one_history() {
    let world = World::new();
    let shop = Shop::new(&world);
    let publish = |greeting: &str| {
        shop.draft(greeting);
        let said = json!({ "deploymentMessage": greeting });
        shop.post("/v1/agents/support/deployments/publish", &said).json()["id"].as_str().unwrap().to_owned()
    };
    let (one, two) = (publish("one"), publish("two"));
    shop.post(&format!("/v1/agents/support/deployments/{one}/promote"), &json!({}));
    for with in [two.as_str(), "sandbox"] {
        let compared = shop.get(&format!("/v1/agents/support/deployments/{one}/compare?with={with}")).json();
        assert_eq!((&compared["before"]["id"], &compared["after"]["id"]), (&json!(one), &json!(two)), "{compared}");
        let change = &compared["changes"][0];
        assert_eq!(
            (&change["before"], &change["after"], &change["kind"]),
            (&json!("one"), &json!("two"), &json!("changed"))
        );
        assert_eq!(compared["identical"], false);
    }
    refused(&shop.get(&format!("/v1/agents/support/deployments/{one}/compare")), 404, "DEPLOYMENT_NOT_FOUND");
    let history = shop.get("/v1/agents/support/deployments/history").json();
    let line: Vec<_> = history["deployments"].as_array().unwrap().iter().map(|it| it["environment"].as_str()).collect();
    assert_eq!(line, [Some("pre-release"), Some("sandbox"), Some("sandbox")]);
    assert_eq!(
        shop.get("/v1/agents/support/deployments/history?limit=1").json()["deployments"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn what_was_taken_out_is_deployed_no_more() {
    let world = World::new();
    let shop = Shop::new(&world);
    shop.post("/v1/agents/support/deployments/publish", &json!({}));
    shop.repo.pointsman(&["retire", "support", "--env", "sandbox"]).ok();
    let active = shop.get("/v1/agents/support/deployments/active").json();
    assert_eq!(active["activeDeployments"]["sandbox"], Value::Null);
    let active = shop.get("/adk/v1/accounts/a/projects/support/deployments/active").json();
    assert_eq!(active["sandbox"], json!({ "deployment_id": "", "version": "" }));
    let listed = shop.get("/v1/agents/support/deployments?environment=sandbox").json();
    assert_eq!(listed["deployments"].as_array().unwrap().len(), 1);
}

#[test]
fn gates_that_are_not_the_ladder_say_what_they_wait_for() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write(
        "pointsman.toml",
        "[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n[[environments]]\nname = \"pre-release\"\nfrom = \"sandbox\"\n\
         gates = { soak = \"30m\" }\n[[environments]]\nname = \"live\"\nfrom = \"pre-release\"\n",
    );
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Wait a while"]).ok();
    let shop = Shop::over(&world, repo);
    let id = shop.post("/v1/agents/support/deployments/publish", &json!({})).json()["id"].clone();
    let path = format!("/v1/agents/support/deployments/{}/promote", id.as_str().unwrap());
    let waits = shop.post(&path, &json!({}));
    refused(&waits, 412, "GATE_UNMET");
    assert!(waits.json()["error"].as_str().unwrap().contains("of 30m"), "{waits:?}");
}

#[test]
fn other_environments_are_told_by_their_order_or_refused_clearly() {
    let world = World::new();
    let repo = world.repository("shop");
    let policy = |names: &[&str]| {
        let tables = names.iter().map(|name| format!("[[environments]]\nname = \"{name}\"\n"));
        let text = tables.collect::<String>().replacen("\"\n[[", "\"\ndeploy = \"latest\"\n[[", 1);
        repo.write("pointsman.toml", text);
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-qm", "Environments"]).ok();
    };
    policy(&["dev", "staging", "production"]);
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    let admin = std::fs::read_to_string(repo.path(".git/pointsman/admin-token")).unwrap().trim().to_owned();
    let call = |head: &str| {
        daemon.request(&format!(
            "{head} HTTP/1.1\r\nHost: {}\r\nX-API-KEY: {admin}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            daemon.address
        ))
    };
    let published = call("POST /v1/agents/support/deployments/publish");
    assert_eq!((published.status, &published.json()["deployment"]["environment"]), (201, &json!("sandbox")));
    assert_eq!(daemon.version("dev", "support").as_deref(), Some("v1"));
    policy(&["dev", "qa", "staging", "production"]);
    let refusal = call("GET /v1/agents/support/deployments/active");
    refused(&refusal, 400, "DEPLOYMENTS_INVALID_ENVIRONMENT");
    assert!(refusal.json()["error"].as_str().unwrap().contains("`qa`"), "{refusal:?}");
}

#[test]
fn a_project_is_found_by_the_id_in_its_folder() {
    let world = World::new();
    let repo = world.repository("shop");
    let project = |folder: &str, id: &str| {
        let text = format!("region: us-1\naccount_id: shop\nproject_id: {id}\nproject_name: Desk\n");
        repo.write(&format!("agents/{folder}/project.yaml"), text);
        repo.write(&format!("agents/{folder}/agent_settings/rules.txt"), "Be brief.\n");
    };
    project("emea/desk", "PROJECT-AB12CD34");
    project("emea/twin", "PROJECT-SAME");
    project("apac/twin", "PROJECT-SAME");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Projects"]).ok();
    let shop = Shop::over(&world, repo);
    // Before its first version, after it, and by its own id with the slash encoded.
    for _ in 0..2 {
        let published = shop.post("/v1/agents/PROJECT-AB12CD34/deployments/publish", &json!({}));
        assert_eq!(published.json()["deployment"]["agentId"], "PROJECT-AB12CD34", "{published:?}");
    }
    let by_id = shop.get("/v1/agents/emea%2Fdesk/deployments?environment=sandbox").json();
    assert_eq!(by_id["deployments"][0]["agentId"], "emea/desk");
    assert_eq!(by_id["deployments"].as_array().unwrap().len(), 1);
    refused(&shop.get("/v1/agents/PROJECT-SAME/deployments/active"), 409, "AMBIGUOUS_PROJECT");
    let listed = shop.get("/v1/accounts/shop/agents").json();
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|agent| agent["agentId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["apac/twin", "PROJECT-AB12CD34", "emea/twin", "support"]);
    // Who may not know of an agent is told nothing by its project id, nor by one that nobody has.
    let apac = shop.token("agents:read@apac/*");
    for id in ["PROJECT-AB12CD34", "PROJECT-NOBODY12", "emea%2Fdesk", "emea%2Fnobody", "desk"] {
        let told = shop.call(&apac, &format!("GET /v1/agents/{id}/deployments/active"), None);
        refused(&told, 403, "USER_ACCESS_FORBIDDEN");
        assert!(!told.body.contains("emea/desk") || id.contains("desk"), "{told:?}");
        for verb in ["promote", "rollback"] {
            let path = format!("POST /v1/agents/{id}/deployments/01940000-0000-7000-8000-000000000001/{verb}");
            refused(&shop.call(&apac, &path, None), 403, "USER_ACCESS_FORBIDDEN");
        }
    }
    let chatter = shop.token("chat:write");
    for id in ["PROJECT-AB12CD34", "PROJECT-NOBODY12"] {
        let told = shop.call(&chatter, &format!("GET /v1/agents/{id}/deployments/active"), None);
        refused(&told, 403, "USER_ACCESS_FORBIDDEN");
        assert!(told.body.contains("`agents:read`"), "{told:?}");
    }
    let twin = shop.call(&apac, "GET /v1/agents/PROJECT-SAME/deployments/active", None);
    refused(&twin, 403, "USER_ACCESS_FORBIDDEN");
}

#[test]
fn a_branch_is_a_draft_by_name() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["branch", "feature/greeting"]).ok();
    repo.git(&["checkout", "-q", "--orphan", "elsewhere"]).ok();
    repo.git(&["rm", "-rqf", "."]).ok();
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Nothing of it"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    let shop = Shop::over(&world, repo);
    shop.post("/v1/agents/support/deployments/publish", &json!({}));
    let branches = shop.get("/v1/agents/support/branches").json();
    let named =
        |branch: &Value| (branch["name"].as_str().unwrap().to_owned(), branch["branchId"].as_str().unwrap().to_owned());
    let found: Vec<_> = branches["branches"].as_array().unwrap().iter().map(named).collect();
    assert_eq!(found.len(), 2, "{branches}");
    assert_eq!(found[0], ("main".to_owned(), "main".to_owned()));
    assert!(found[1].0 == "feature/greeting" && found[1].1.starts_with("BRANCH-"), "{branches}");
    refused(&shop.get("/v1/agents/nobody/branches"), 404, "PROJECT_NOT_FOUND");
}

#[test]
fn what_another_clone_did_is_found() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = world.repository("shop");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let shop = Shop::over(&world, repo);
    let published = shop.post("/v1/agents/support/deployments/publish", &json!({}));
    assert_eq!(published.status, 201, "{published:?}");
    let other = world.clone_of(&origin, "other");
    let moved = other.pointsman(&["promote", "support", "--to", "pre-release", "--json"]).ok().json();
    let path = format!("/v1/agents/support/deployments/{}/promote", moved["deployment"].as_str().unwrap());
    let promoted = shop.post(&path, &json!({}));
    assert_eq!(promoted.json()["deployment"]["environment"], "live", "{promoted:?}");
    assert_eq!(other.pointsman(&["status", "--json"]).code, 0);
    other.pointsman(&["rollback", "support", "--env", "live"]).refused("nothing was in `live` before", "");
}

#[test]
fn branches_are_those_of_the_remote() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = world.repository("shop");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let shop = Shop::over(&world, repo);
    // Made by somebody else, and never fetched here.
    let other = world.clone_of(&origin, "other");
    other.git(&["checkout", "-q", "-b", "hotfix"]).ok();
    other.git(&["commit", "-q", "--allow-empty", "-m", "Fix"]).ok();
    other.git(&["push", "-q", "origin", "hotfix"]).ok();
    let branches = shop.get("/v1/agents/support/branches").json();
    let names: Vec<_> =
        branches["branches"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["main", "hotfix"]);
}

#[test]
fn whatever_is_asked_is_answered_in_the_envelope() {
    let world = World::new();
    let shop = Shop::new(&world);
    for path in
        ["/v1", "/v1/", "/v1/agents", "/v1/agents/support", "/v1/x/y/z", "/adk/v1", "/adk/v1/", "/adk/v1/nothing"]
    {
        refused(&shop.get(path), 404, "NOT_FOUND");
    }
    let wrong = shop.call(&shop.admin, "PUT /v1/agents/support/deployments", None);
    refused(&wrong, 405, "METHOD_NOT_ALLOWED");
    assert!(wrong.headers["allow"].contains("GET"), "{wrong:?}");
    refused(&shop.call(&shop.admin, "POST /adk/v1/accounts", None), 405, "METHOD_NOT_ALLOWED");
    refused(&shop.get("/v1/agents/%ff/deployments/active"), 400, "SCHEMA_VALIDATION_FAILED");
    refused(&shop.get("/v1/agents/support/deployments?environment=staging"), 400, "DEPLOYMENTS_INVALID_ENVIRONMENT");
    refused(&shop.get("/v1/agents/support/deployments?environment=live&limit=none"), 400, "SCHEMA_VALIDATION_FAILED");
    let key = format!("X-API-KEY: {}\r\n", shop.admin);
    let publish = "POST /v1/agents/support/deployments/publish";
    refused(&shop.send(publish, &format!("{key}Content-Type: text/plain\r\n"), "hi"), 415, "UNSUPPORTED_MEDIA_TYPE");
    let large = format!("\"{}\"", "a".repeat(2 << 20));
    refused(&shop.send(publish, &format!("{key}Content-Type: application/json\r\n"), &large), 413, "TOO_LARGE");
    refused(&shop.send(publish, &key, "{"), 400, "SCHEMA_VALIDATION_FAILED");
    refused(&shop.post("/v1/agents/support/deployments/publish", &json!([])), 400, "SCHEMA_VALIDATION_FAILED");
    shop.repo.write("agents/support/agent.toml", "name = \n");
    refused(&shop.post("/v1/agents/support/deployments/publish", &json!({})), 400, "DEPLOYMENTS_VALIDATION_FAILED");
    // A correlation id that is none gets a new one, and never breaks the answer.
    let odd = shop.send("GET /v1/nothing", &format!("X-PolyAI-Correlation-Id: a b\"{}\r\n", "c".repeat(300)), "");
    refused(&odd, 404, "NOT_FOUND");
    assert_eq!(odd.json()["error_id"].as_str().unwrap().len(), 36);
}

#[test]
fn no_route_answers_without_a_token_or_for_another_right() {
    let world = World::new();
    let shop = Shop::new(&world);
    let id = shop.post("/v1/agents/support/deployments/publish", &json!({})).json()["id"].as_str().unwrap().to_owned();
    let none = shop.token("chat:write");
    let surfaces = pointsman::api::SURFACES.iter().filter(|surface| surface.name.starts_with("polyai"));
    let mut asked = 0;
    for (surface, route) in surfaces.flat_map(|surface| surface.routes.iter().map(move |route| (surface, route))) {
        let path = route.path.replace("{agent}", "support").replace("{account}", "a").replace("{deployment}", &id);
        let head = format!("{} {}{path}", route.method, surface.prefix);
        refused(&shop.call("pm_sk_wrong", &head, None), 401, "AUTH_USER_UNAUTHORISED");
        refused(&shop.call(&none, &head, None), 403, "USER_ACCESS_FORBIDDEN");
        asked += 1;
    }
    assert_eq!(asked, 15);
    // Another dialect's way to show a token is none of this one's.
    let bearer = shop.send("GET /adk/v1/accounts", &format!("Authorization: Bearer {}\r\n", shop.admin), "");
    refused(&bearer, 401, "AUTH_USER_UNAUTHORISED");
    assert!(!bearer.headers.contains_key("www-authenticate"), "{bearer:?}");
}

#[test]
fn every_route_stands_in_the_document_with_what_it_needs() {
    use pointsman::api::Needs;
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/polyai.md")).unwrap();
    let surfaces = pointsman::api::SURFACES.iter().filter(|surface| surface.name.starts_with("polyai"));
    for (surface, route) in surfaces.flat_map(|surface| surface.routes.iter().map(move |route| (surface, route))) {
        let needs = match route.needs {
            Needs::Read => "`agents:read`",
            Needs::Write => "`agents:write`",
            Needs::Chat => "`chat:write`",
            Needs::Deploy => "`deploy:<",
        };
        let row = format!("| `{} {}{}` | {needs}", route.method, surface.prefix, route.path);
        assert!(document.contains(&row), "docs/polyai.md lacks {row}");
    }
}

#[test]
fn a_move_needs_the_right_to_where_it_goes() {
    let world = World::new();
    let shop = Shop::new(&world);
    let writer = shop.token("agents:write,agents:read");
    let publish = |greeting: &str| {
        shop.draft(greeting);
        let published = shop.call(&writer, "POST /v1/agents/support/deployments/publish", None);
        assert_eq!(published.status, 201, "{published:?}");
        published.json()["id"].as_str().unwrap().to_owned()
    };
    let (one, two) = (publish("one"), publish("two"));
    let deployer = shop.token("deploy:pre-release@support,agents:read");
    let promote = |key: &str, to: &str| {
        let path = format!("POST /v1/agents/support/deployments/{two}/promote");
        shop.call(key, &path, Some(&json!({ "targetEnvironment": to })))
    };
    refused(&promote(&writer, "pre-release"), 403, "USER_ACCESS_FORBIDDEN");
    assert_eq!(promote(&deployer, "pre-release").status, 200);
    refused(&promote(&deployer, "live"), 403, "USER_ACCESS_FORBIDDEN");
    // Back and forth in sandbox takes sandbox's right either way.
    let rollback =
        |key: &str, id: &str| shop.call(key, &format!("POST /v1/agents/support/deployments/{id}/rollback"), None);
    refused(&rollback(&deployer, &one), 403, "USER_ACCESS_FORBIDDEN");
    assert_eq!(rollback(&shop.admin, &one).status, 200);
    for key in [&deployer, &writer] {
        refused(&rollback(key, &two), 403, "USER_ACCESS_FORBIDDEN");
    }
    assert_eq!(shop.daemon.version("sandbox", "support").as_deref(), Some("v1"));
    // Publishing ends what the rollback began, so that takes it too.
    let publish = "POST /v1/agents/support/deployments/publish";
    let held = shop.call(&writer, publish, None);
    refused(&held, 403, "USER_ACCESS_FORBIDDEN");
    assert!(held.json()["error"].as_str().unwrap().contains("v2 is published, but not deployed"), "{held:?}");
    let both = shop.token("agents:write,deploy:sandbox");
    assert_eq!(shop.call(&both, publish, None).status, 201);
    assert_eq!(shop.daemon.version("sandbox", "support").as_deref(), Some("v2"));
}

/// What the vendor's Python sample does: the same two calls, with the id read where it reads it.
const SAMPLE: &str = r#"
import os
import requests

key = {"x-api-key": os.environ["POLYAI_API_KEY"]}
deployments = os.environ["BASE"] + "/v1/agents/support/deployments"
published = requests.post(deployments + "/publish", headers=key, json={"environment": "sandbox"})
promoted = requests.post(deployments + "/" + published.json()["id"] + "/promote", headers=key)
promoted.raise_for_status()
print(promoted.json()["deployment"]["environment"])
"#;

#[test]
fn what_the_vendors_python_sample_does_works() {
    let Some(python) = crate::langfuse::python() else { return };
    let world = World::new();
    let shop = Shop::new(&world);
    let base = format!("http://{}", shop.daemon.address);
    let mut command = isolated(python.to_str().unwrap(), &world.home());
    command.args(["-c", SAMPLE]).env("BASE", base).env("POLYAI_API_KEY", &shop.admin);
    assert_eq!(Ended::of(command.output().unwrap()).ok().stdout.trim(), "pre-release");
}

/// PolyAI's own command, against the controller.
struct Poly<'s> {
    shop: &'s Shop<'s>,
    binary: PathBuf,
    project: PathBuf,
}

impl Poly<'_> {
    fn run(&self, args: &[&str]) -> Ended {
        let mut command = isolated(self.binary.to_str().unwrap(), &self.shop.repo.world.home());
        command.current_dir(&self.project).args(args).env("POLY_ADK_KEY", &self.shop.admin);
        command
            .env("POLY_ADK_BASE_URL", format!("http://{}/adk/v1", self.shop.daemon.address))
            .env("DO_NOT_TRACK", "1");
        Ended::of(command.output().unwrap())
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).ok().json()
    }
}

#[test]
fn polyais_own_command_works() {
    let Some(binary) = std::env::var_os("POLY_BIN").map(PathBuf::from) else {
        eprintln!("skipped: POLY_BIN names no `poly`; fixtures/polyai has its requests");
        return;
    };
    let world = World::new();
    let shop = Shop::new(&world);
    let publish = |greeting: &str| {
        shop.draft(greeting);
        let said = json!({ "deploymentMessage": greeting });
        let published = shop.post("/v1/agents/support/deployments/publish", &said).json();
        published["deployment"]["version"].as_str().unwrap().to_owned()
    };
    let (one, two) = (publish("one"), publish("two"));
    world.write("project/project.yaml", "region: us-1\naccount_id: shop\nproject_id: support\nproject_name: Support\n");
    let poly = Poly { shop: &shop, binary, project: world.path("project") };

    let list = poly.json(&["deployments", "list"]);
    let hashes = |list: &Value| {
        let versions = list["versions"].as_array().unwrap().iter();
        versions.map(|version| version["version_hash"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(hashes(&list), [two.as_str(), one.as_str()]);
    assert_eq!(list["active_deployment_hashes"], json!({ "sandbox": two, "pre-release": "", "live": "" }));
    assert_eq!(hashes(&poly.json(&["deployments", "list", "--limit", "1"])), [two.as_str()]);
    assert_eq!(hashes(&poly.json(&["deployments", "list", "--offset", "1"])), [one.as_str()]);
    assert_eq!(hashes(&poly.json(&["deployments", "list", "--hash", &one[..9]])), [one.as_str()]);
    for args in [
        &["deployments", "list"][..],
        &["deployments", "list", "--details"],
        &["deployments", "list", "--env", "live"],
        &["deployments", "list", "--env", "pre-release", "--json"],
        &["deployments", "show", &one],
    ] {
        poly.run(args).ok();
    }
    let shown = poly.json(&["deployments", "show", &two[..9]]);
    assert_eq!((&shown["success"], &shown["deployment"]["version_hash"]), (&json!(true), &json!(two)));
    assert_eq!(shown["included_deployments"].as_array().unwrap().len(), 1);

    let promote = ["deployments", "promote", "--from", "sandbox", "--to", "pre-release", "-m", "Ready"];
    assert_eq!(poly.json(&[&promote[..], &["--dry-run"]].concat())["dry_run"], true);
    poly.run(&[&promote[..], &["--dry-run"]].concat()).ok();
    assert_eq!(shop.daemon.version("pre-release", "support"), None);
    let promoted = poly.json(&promote);
    assert_eq!((&promoted["success"], &promoted["from_hash"]), (&json!(true), &json!(two)), "{promoted}");
    // The same again is there already.
    assert_eq!(poly.json(&promote)["success"], true);
    poly.run(&["deployments", "promote", "--from", "pre-release", "--to", "live", "--force"]).ok();
    assert_eq!(shop.daemon.version("live", "support").as_deref(), Some("v2"));
    let live = poly.json(&["deployments", "show", &two, "--env", "live"]);
    assert_eq!(live["deployment"]["deployment_metadata"]["deployment_type"], "promotion");

    let dry = poly.json(&["deployments", "rollback", "--to", &one, "--dry-run"]);
    assert_eq!((&dry["dry_run"], &dry["target_hash"]), (&json!(true), &json!(one)));
    assert_eq!(poly.json(&["deployments", "rollback", "--to", &one, "-m", "worse"])["success"], true);
    assert_eq!(shop.daemon.version("sandbox", "support").as_deref(), Some("v1"));
    let rolled = poly.json(&["deployments", "list", "--limit", "1"]);
    assert_eq!(
        rolled["versions"][0]["deployment_metadata"],
        json!({ "deployment_message": "worse", "deployment_type": "rollback" })
    );
    poly.run(&["deployments", "rollback", "--to", &two, "--force"]).ok();
    assert_eq!(shop.daemon.version("sandbox", "support").as_deref(), Some("v2"));
    poly.run(&["deployments", "promote", "--from", &two[..9], "--to", "pre-release", "--force"]).ok();

    shop.repo.git(&["branch", "feature/greeting"]).ok();
    poly.run(&["branch", "list"]).ok();
    let branches = poly.json(&["branch", "list"]);
    assert_eq!((&branches["current_branch"], &branches["branches"]["main"]), (&json!("main"), &json!("main")));
    assert!(branches["branches"]["feature/greeting"].as_str().unwrap().starts_with("BRANCH-"), "{branches}");

    // What is refused is refused here too, with a code that scripts see.
    let skipped = poly.run(&["deployments", "promote", "--from", &one, "--to", "live", "--json"]);
    assert_eq!(skipped.code, 1, "{skipped:?}");
    let nobody = poly.run(&["deployments", "show", "ffffffffff", "--json"]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    shop.repo.pointsman(&["verify"]).ok();
}
