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
    assert_eq!((&back["id"], &back["agentId"], &back["version"]), (&json!(first), &json!("support"), &json!(1)));
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
    assert_eq!(data(&patch(&json!({})), 200)["label"], "Launch day");
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

#[test]
fn agents_come_in_pages_and_can_be_asked_for_by_what_they_are() {
    let world = World::new();
    let service = Service::new(&world);
    for agent in ["emea/billing", "emea/sales", "apac/sales"] {
        service.repo.write(&format!("agents/{agent}/agent.toml"), "name = \"One\"\n");
    }
    service.repo.git(&["add", "-A"]);
    service.repo.git(&["commit", "-qm", "More agents"]);
    data(&service.post("/agents/emea%2Fsales/publish", &json!({})), 201);
    let ids = |query: &str| -> Vec<String> {
        let found = data(&service.get(&format!("/agents{query}")), 200);
        found["agents"].as_array().unwrap().iter().map(|it| it["agent"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(""), ["apac/sales", "emea/billing", "emea/sales", "support"]);
    let first = data(&service.get("/agents?limit=3"), 200);
    assert_eq!((&first["total"], &first["nextCursor"]), (&json!(4), &json!("emea/sales")));
    let last = data(&service.get("/agents?limit=3&cursor=emea%2Fsales"), 200);
    assert_eq!((last["agents"].as_array().unwrap().len(), &last["nextCursor"]), (1, &json!(null)));
    assert_eq!(ids("?group=emea"), ["emea/billing", "emea/sales"]);
    assert_eq!(ids("?search=SALES"), ["apac/sales", "emea/sales"]);
    assert_eq!(ids("?draft=published"), ["emea/sales"]);
    assert_eq!(ids("?environment=sandbox&group=emea"), ["emea/sales"]);
    assert_eq!(ids("?environment=live"), Vec::<String>::new());
    for wrong in [
        "?limit=0",
        "?limit=501",
        "?limit=x",
        "?cursor=..",
        "?draft=old",
        "?environment=A",
        "?page=2",
        "?limit=1&limit=2",
    ] {
        problem(
            &service.get(&format!("/agents{wrong}")),
            400,
            if wrong.contains("cursor") { "invalid_agent_id" } else { "bad_request" },
        );
    }
    let near = problem(&service.get("/agents?limt=2"), 400, "bad_request");
    assert_eq!(near["hint"], "did you mean `limit`?");
}

#[test]
fn a_condition_is_compared_or_refused_and_never_ignored() {
    let world = World::new();
    let service = Service::new(&world);
    data(&service.post("/agents/support/publish", &json!({})), 201);
    let other = format!("If-Match: \"sha256:{}\"\r\n", "0".repeat(64));
    service.repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Precious\"\n");
    let discard = |headers: &str| service.call(&service.admin, "DELETE", "/agents/support/draft", headers, None);
    problem(&discard(&other), 409, "version_mismatch");
    let reviewed = service.get("/agents/support/draft").headers["etag"].clone();
    assert_eq!(data(&discard(&format!("If-Match: \"x\", {reviewed}\r\n")), 200)["changed"], true);
    assert_eq!(data(&discard("If-Match: *\r\n"), 200)["changed"], false);
    let body = json!({ "to": "pre-release" });
    let promote = service.call(&service.admin, "POST", "/agents/support/promote", &other, Some(&body));
    problem(&promote, 400, "bad_request");
}

#[test]
fn what_is_too_much_or_not_there_is_told_in_the_same_form() {
    let world = World::new();
    let service = Service::new(&world);
    let admin = &service.admin;
    problem(&service.get("/nothing"), 404, "not_found");
    problem(&service.get("/agents/support/nothing/at/all"), 404, "not_found");
    let wrong = service.call(admin, "PUT", "/agents/support/promote", "", None);
    problem(&wrong, 405, "method_not_allowed");
    assert_eq!(wrong.headers["allow"], "POST");
    problem(&service.get("/agents/%ff"), 400, "bad_request");
    problem(&service.get(&format!("/history?agent={}", "a".repeat(9000))), 414, "uri_too_long");
    let large = json!({ "note": "x".repeat(2 << 20) });
    problem(&service.post("/agents/support/publish", &large), 413, "too_large");
    let head = format!("X-Padding: {}\r\n", "x".repeat(13 * 1024));
    problem(&service.call(admin, "GET", "/agents", &head, None), 431, "headers_too_large");
    // Bytes that are no text in a header are no reason to fail.
    let odd = service.daemon.request(&format!(
        "GET /api/v1/agents HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {admin}\r\nIf-Match: \u{e9}\r\nX-Odd: \u{7f9e}\r\nConnection: close\r\n\r\n",
        service.daemon.address
    ));
    data(&odd, 200);
    for body in ["null", "[]", "\"x\"", "7", "{", "{\"note\": 1}"] {
        let answer = service.daemon.request(&format!(
            "POST /api/v1/agents/support/publish HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {admin}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            service.daemon.address,
            body.len()
        ));
        problem(&answer, 400, "bad_request");
    }
}

#[test]
fn wrong_tokens_are_slowed_down_and_the_right_one_is_not() {
    let world = World::new();
    let service = Service::new(&world);
    let wrong = || service.call("pm_sk_wrong", "GET", "/agents", "", None);
    let limited = std::iter::repeat_with(wrong).take(70).find(|answer| answer.status != 401).unwrap();
    problem(&limited, 429, "too_many_attempts");
    let wait: u64 = limited.headers["retry-after"].parse().unwrap();
    assert!((1..=61).contains(&wait) && limited.headers["ratelimit"].starts_with("\"wrong-tokens\";r=0;t="));
    data(&service.get("/agents"), 200);
    // Who shows none is told to.
    let none = service.daemon.get("/api/v1/agents");
    problem(&none, 401, "unauthorized");
    assert!(none.headers["www-authenticate"].starts_with("Bearer"));
}

#[test]
fn no_page_of_another_origin_may_read_anything() {
    let world = World::new();
    let service = Service::new(&world);
    let origin = "Origin: https://evil.example\r\n";
    for path in ["/api/v1/agents", "/openapi.json", "/docs", "/config/sandbox", "/healthz"] {
        for method in ["GET", "OPTIONS"] {
            let answer = service.daemon.request(&format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\n{origin}Access-Control-Request-Method: GET\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
                service.daemon.address, service.admin
            ));
            let allowed: Vec<_> = answer.headers.keys().filter(|name| name.starts_with("access-control")).collect();
            assert!(allowed.is_empty(), "{method} {path}: {allowed:?}");
        }
    }
    let page = service.daemon.get("/docs");
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = &page.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn a_token_for_one_group_hears_of_no_other() {
    let world = World::new();
    let service = Service::new(&world);
    data(&service.post("/agents/support/publish", &json!({ "note": "First" })), 201);
    service.repo.git(&["tag", "support/v9", "HEAD"]);
    service.daemon.eventually("the tag is refused", || service.get("/status").body.contains("support/v9"));
    assert!(!data(&service.get("/history"), 200)["history"].as_array().unwrap().is_empty());
    let token = service.token("agents:read@emea/*");
    for path in ["/agents", "/status", "/history", "/environments", "/usage"] {
        let answer = service.call(&token, "GET", path, "", None);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.body.contains("support"), "{path}: {}", answer.body);
    }
}
