//! The control API over real sockets: what a program does that releases agents.

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::env::{Repo, World};

/// A daemon over a repository, with the local admin's token.
pub struct Service<'w> {
    pub repo: Repo<'w>,
    pub daemon: Daemon,
    pub admin: String,
}

impl<'w> Service<'w> {
    pub fn new(world: &'w World) -> Self {
        Self::over(world, world.repository("shop"), &[], &[])
    }

    /// A daemon over `repo`, with more arguments and more in its environment.
    pub fn over(world: &'w World, repo: Repo<'w>, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let daemon = Daemon::start_with(world, &repo.dir, args, environment);
        let admin = std::fs::read_to_string(repo.path(".git/pointsman/admin-token")).unwrap().trim().to_owned();
        Service { repo, daemon, admin }
    }

    pub fn token(&self, scopes: &str) -> String {
        self.repo.pointsman(&["token", "create", "--name", "ci", "--scope", scopes]).ok().stdout.trim().to_owned()
    }

    pub fn call(&self, token: &str, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        self.daemon.request(&format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{kind}{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.daemon.address,
            body.len()
        ))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call(&self.admin, "GET", path, "", None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(&self.admin, "POST", path, "", Some(body))
    }
}

#[track_caller]
pub fn data(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["success"], true);
    body["data"].clone()
}

#[track_caller]
pub fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let body = answer.json();
    assert_eq!(body["code"], code, "{body}");
    assert!(body["type"].as_str().unwrap().ends_with(code) && body["hint"].is_string(), "{body}");
    body
}

#[test]
fn a_program_publishes_promotes_and_rolls_back() {
    let world = World::new();
    let service = Service::new(&world);
    let published = data(&service.post("/agents/support/publish", &json!({ "note": "First" })), 201);
    assert_eq!((&published["version"], &published["note"]), (&json!(1), &json!("First")));
    // What moved is served when the answer is there.
    assert_eq!(service.daemon.version("sandbox", "support").as_deref(), Some("v1"));
    assert_eq!(data(&service.post("/agents/support/publish", &json!({})), 200)["created"], false);

    data(&service.post("/agents/support/promote", &json!({ "to": "pre-release" })), 200);
    problem(&service.post("/agents/support/promote", &json!({ "to": "live" })), 409, "gate_unmet");
    data(&service.post("/agents/support/promote", &json!({ "to": "live", "confirm": true, "reason": "Launch" })), 200);
    assert_eq!(service.daemon.version("live", "support").as_deref(), Some("v1"));

    service.repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Two\"\n");
    let draft = service.get("/agents/support/draft");
    let reviewed = format!("If-Match: {}\r\n", draft.headers["etag"]);
    service.repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Changed since\"\n");
    let stale = service.call(&service.admin, "POST", "/agents/support/publish", &reviewed, Some(&json!({})));
    problem(&stale, 409, "version_mismatch");
    let key = "Idempotency-Key: once\r\n";
    let second = service.call(&service.admin, "POST", "/agents/support/publish", key, Some(&json!({ "note": "2" })));
    assert_eq!(data(&second, 201)["version"], 2);
    let again = service.call(&service.admin, "POST", "/agents/support/publish", key, Some(&json!({ "note": "2" })));
    assert_eq!(again.json()["data"]["version"], 2);
    for to in ["pre-release", "live"] {
        data(&service.post("/agents/support/promote", &json!({ "to": to, "confirm": true })), 200);
    }
    let versions = data(&service.get("/agents/support/versions"), 200);
    let first = versions["versions"][1]["id"].as_str().unwrap().to_owned();
    let back = data(&service.post("/agents/support/rollback", &json!({ "versionId": first, "reason": "worse" })), 200);
    assert_eq!(back["moves"][0]["to"], 1);
    assert_eq!(service.daemon.version("live", "support").as_deref(), Some("v1"));
    let diff = data(&service.get("/agents/support/versions/v1/diff?against=v2"), 200);
    assert!(diff["changes"].as_array().unwrap().iter().any(|change| change["kind"] == "changed"), "{diff}");
    let history = data(&service.get("/history?environment=live"), 200);
    assert_eq!(history["history"][0]["cause"], "api");
    service.repo.pointsman(&["verify"]).ok();
}

#[test]
fn a_token_does_what_its_scopes_say_and_a_refusal_tells_nothing_else() {
    let world = World::new();
    let service = Service::new(&world);
    data(&service.post("/agents/support/publish", &json!({})), 201);
    let reader = service.token("agents:read@emea/*");
    for agent in ["support", "nobody"] {
        let refused = service.call(&reader, "GET", &format!("/agents/{agent}"), "", None);
        let body = problem(&refused, 403, "forbidden");
        assert_eq!(body["details"]["missingScope"], format!("agents:read@{agent}"));
    }
    assert_eq!(data(&service.call(&reader, "GET", "/agents", "", None), 200)["total"], 0);
    let deployer = service.token("deploy:pre-release,agents:read");
    data(&service.call(&deployer, "POST", "/agents/support/promote", "", Some(&json!({ "to": "pre-release" }))), 200);
    let refused =
        service.call(&deployer, "POST", "/agents/support/promote", "", Some(&json!({ "to": "live", "confirm": true })));
    problem(&refused, 403, "forbidden");
    problem(&service.call(&deployer, "POST", "/agents/support/publish", "", None), 403, "forbidden");
    service.repo.pointsman(&["token", "revoke", "ci"]).ok();
    problem(&service.call(&deployer, "GET", "/agents", "", None), 401, "unauthorized");
    problem(&service.call("pm_sk_nothing", "GET", "/agents/support", "", None), 401, "unauthorized");
    let file = std::fs::read_to_string(service.repo.path(".git/pointsman/tokens.json")).unwrap();
    assert!(!file.contains(&deployer) && !service.daemon.log().contains(&deployer));
}

#[test]
fn what_does_not_fit_is_a_problem_with_something_to_do() {
    let world = World::new();
    let service = Service::new(&world);
    problem(&service.get("/agents/nobody"), 404, "unknown_agent");
    problem(&service.get("/agents/NOBODY"), 400, "invalid_agent_id");
    problem(&service.get("/agents/support/versions/v9"), 404, "unknown_version");
    problem(&service.post("/agents/support/promote", &json!({ "to": "live", "nonsense": 1 })), 400, "bad_request");
    problem(&service.post("/agents/support/rollback", &json!({})), 409, "no_published_version");
    problem(&service.post("/deployments/x/rollback", &json!({})), 404, "unknown_deployment");
    let text = service.daemon.request(&format!(
        "POST /api/v1/agents/support/publish HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        service.daemon.address, service.admin
    ));
    problem(&text, 415, "unsupported_media_type");
    service.repo.write("agents/support/agent.toml", "name = \n");
    let broken = problem(&service.post("/agents/support/publish", &json!({})), 422, "findings");
    assert_eq!(broken["errors"][0]["place"]["line"], 1);
}

#[test]
fn marks_change_after_a_publish_and_nothing_that_is_served() {
    let world = World::new();
    let service = Service::new(&world);
    data(&service.post("/agents/support/publish", &json!({ "label": "first", "description": "As published" })), 201);
    let before =
        service.repo.git_out(&["rev-parse", "env/sandbox", "support/v1", "pointsman/ledger:agents/support/v1"]);
    let patch = |body: &Value| service.call(&service.admin, "PATCH", "/agents/support/versions/v1", "", Some(body));
    let marked = data(&patch(&json!({ "label": "Launch\nday", "starred": true })), 200);
    assert_eq!((&marked["label"], &marked["starred"]), (&json!("Launch day"), &json!(true)));
    assert_eq!((&marked["description"], &marked["archived"]), (&json!("As published"), &json!(false)));
    let ledger = service.repo.git_out(&["rev-parse", "pointsman/ledger"]);
    // Saying the same again writes nothing.
    data(&patch(&json!({ "starred": true })), 200);
    assert_eq!(service.repo.git_out(&["rev-parse", "pointsman/ledger"]), ledger);
    assert_eq!(data(&patch(&json!({ "description": null, "archived": true })), 200)["description"], Value::Null);
    assert_eq!(data(&service.get("/agents/support/versions"), 200)["total"], 0);
    assert_eq!(data(&service.get("/agents/support/versions?archived=true"), 200)["versions"][0]["label"], "Launch day");
    let after = service.repo.git_out(&["rev-parse", "env/sandbox", "support/v1", "pointsman/ledger:agents/support/v1"]);
    assert_eq!(before, after);
    problem(&patch(&json!({})), 400, "bad_request");
    problem(&patch(&json!({ "pinned": true })), 400, "bad_request");
    let unknown =
        service.call(&service.admin, "PATCH", "/agents/support/versions/v9", "", Some(&json!({ "label": "" })));
    problem(&unknown, 404, "unknown_version");
    service.repo.pointsman(&["verify"]).ok();
}

#[test]
fn every_route_stands_in_the_document_with_what_it_needs() {
    use pointsman::api::{Needs, SURFACES};
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let document = std::fs::read_to_string(path).unwrap();
    let routes = SURFACES.iter().find(|surface| surface.name == "native").unwrap().routes;
    for route in routes {
        let call = format!("| `{} {}` |", route.method, route.path);
        let line = document.lines().find(|line| line.starts_with(&call));
        let line = line.unwrap_or_else(|| panic!("docs/api.md lacks {call}"));
        let needs = match route.needs {
            Needs::Read => "`agents:read`",
            Needs::Write => "`agents:write`",
            Needs::Deploy => "`deploy:<",
            Needs::Chat => "`chat:write`",
        };
        assert!(line.contains(needs), "{line}");
    }
    let told = document.lines().filter(|line| {
        ["| `GET /", "| `POST /", "| `PATCH /", "| `DELETE /"].iter().any(|start| line.starts_with(start))
    });
    assert_eq!(told.count(), routes.len());
}

#[test]
fn no_route_answers_without_a_token() {
    use pointsman::api::Needs;
    let world = World::new();
    let service = Service::new(&world);
    let (chats, reads) = (service.token("chat:write"), service.token("agents:read"));
    let native = pointsman::api::SURFACES.iter().find(|surface| surface.name == "native").unwrap();
    for route in native.routes {
        let path = route.path.replace("{agent}", "support").replace("{version}", "v1").replace("{deployment}", "x");
        let path = path.replace("{session}", "x");
        let path = path.replace("{a}", "sandbox").replace("{b}", "live");
        let body = (route.method == "POST").then(|| json!({ "to": "live", "agents": { "support": 1 } }));
        let body = if path.ends_with("/releases") { body } else { body.map(|_| json!({})) };
        problem(&service.call("pm_sk_wrong", route.method, &path, "", body.as_ref()), 401, "unauthorized");
        // A token for something else is told what it lacks.
        let none = if route.needs == Needs::Chat { &reads } else { &chats };
        problem(&service.call(none, route.method, &path, "", body.as_ref()), 403, "forbidden");
    }
}
