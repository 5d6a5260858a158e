//! Agents, and who may see them.

use serde_json::{Value, json};

use super::{Atoms, ONE, call, data, is_id, refused, text};
use crate::env::World;

#[test]
fn an_agent_is_made_shown_changed_archived_and_copied() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    let said = json!({
        "name": "Front Desk", "description": "Greets", "globalPrompt": "You are Ada.", "firstMessage": "Hi",
        "language": { "default": "en", "supported": ["en", "hi"], "switching": { "isEnabled": true } },
        "synthesizer": { "voiceConfig": { "voiceId": "emily", "model": "waves" }, "speed": 1.1 },
        "allowInboundCall": true, "origin": "mcp", "newThing": { "a": [1, null, "x"] },
    });
    let id = text(&data(&atoms.send("POST", "/agent", &said), 201));
    assert!(is_id(&json!(id)));
    // A call that comes again makes no second one; another one with that name is another agent.
    assert_eq!(data(&atoms.send("POST", "/agent", &said), 201), json!(id));
    let other = text(&data(&atoms.send("POST", "/agent", &json!({ "name": "Front Desk" })), 201));
    assert_ne!(other, id);
    let shown = atoms.get(&format!("/agent/{id}"));
    for key in [
        "name",
        "description",
        "globalPrompt",
        "firstMessage",
        "language",
        "synthesizer",
        "allowInboundCall",
        "newThing",
    ] {
        assert_eq!(shown[key], said[key], "{key}: {shown}");
    }
    assert_eq!(
        (&shown["workflowType"], &shown["archived"], &shown["agentId"]),
        (&json!("single_prompt"), &json!(false), &json!("front-desk"))
    );
    assert!(is_id(&shown["activeVersionId"]) && shown["activeVersionId"] == shown["versionId"], "{shown}");
    assert_eq!(atoms.daemon.version("live", "front-desk").as_deref(), Some("v1"));
    let persona = atoms.repo.git_out(&["show", "front-desk/v1:agents/front-desk/persona.md"]);
    assert_eq!(persona, "You are Ada.");

    let patch = |body: &Value| atoms.send("PATCH", &format!("/agent/{id}"), body);
    let body = refused(&patch(&json!({ "firstMessage": "no" })), 400, "config_through_drafts");
    assert_eq!(body["errors"][0], "Config changes must be made through drafts.");
    assert_eq!(data(&patch(&json!({ "name": "Reception", "allowInboundCall": false })), 200)["name"], "Reception");
    let shown = atoms.get(&format!("/agent/{id}"));
    assert_eq!(
        (&shown["name"], &shown["allowInboundCall"], &shown["description"]),
        (&json!("Reception"), &json!(false), &json!("Greets"))
    );
    // No version was made of it.
    assert_eq!(atoms.repo.git_out(&["tag", "--list", "front-desk/*"]), "front-desk/v1");

    let copy =
        data(&atoms.send("POST", &format!("/agent/{id}/duplicate"), &json!({ "targetOrganizationId": "x" })), 201);
    let copied = atoms.get(&format!("/agent/{}", text(&copy["_id"])));
    assert_eq!((&copied["name"], &copied["globalPrompt"]), (&json!("Reception (copy)"), &json!("You are Ada.")));

    let archive = |on: &str| atoms.call(&atoms.admin, "DELETE", &format!("/agent/{id}/archive?on={on}"), None);
    assert_eq!(data(&archive("true"), 200), json!({ "message": "Agent archived" }));
    data(&archive("true"), 200);
    let names = |query: &str| -> Vec<Value> {
        atoms.get(&format!("/agent{query}"))["agents"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect()
    };
    assert_eq!(names("?sortField=name&sortOrder=asc"), ["Front Desk", "Reception (copy)", "Support"]);
    assert_eq!(names("?search=rec&archived=true&sortField=name&sortOrder=asc"), ["Reception", "Reception (copy)"]);
    let page = atoms.get("/agent?page=2&offset=2&sortField=name&sortOrder=asc");
    assert_eq!((&page["total"], &page["totalPages"], &page["hasMore"]), (&json!(3), &json!(2), &json!(false)));
    assert_eq!(page["agents"][0]["name"], "Support");
    assert_eq!(data(&archive("false"), 200), json!({ "message": "Agent unarchived" }));
    assert_eq!(names("?type=single_prompt").len(), 4);
    // An agent that nobody published is there too, without a version.
    let support = atoms.get(&format!("/agent/{}", atoms.id("Support")));
    assert_eq!(
        (&support["activeVersionId"], &support["firstMessage"]),
        (&Value::Null, &json!("Hello, how can I help?"))
    );
    assert_eq!(atoms.repo.git_out(&["status", "--porcelain"]), "");
    atoms.holds();
}

#[test]
fn what_people_wrote_by_hand_is_shown_as_it_is() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.write("agents/support/voice.yaml", "voice_id: emily\nstyle: 0.5\n");
    atoms.repo.write("agents/support/skills/book.toml", "description = \"Books a table\"\n");
    atoms.repo.pointsman(&["publish", "support"]).ok();
    let agent = atoms.get(&format!("/agent/{}", atoms.id("Support")));
    assert_eq!(agent["synthesizer"], json!({ "voiceConfig": { "voiceId": "emily" } }));
    assert_eq!(agent["_resolvedConfig"]["voice"], json!({ "style": 0.5 }));
    assert_eq!(agent["_resolvedConfig"]["workflow_tools"][0]["name"], "book");
    // Who sends back everything they were shown changes nothing.
    let path = format!("/agent/{}/branches/{}/draft", atoms.id("Support"), atoms.main(&atoms.id("Support")));
    assert_eq!(data(&atoms.send("PUT", &path, &agent), 200)["draftRevision"], 0);
}

#[test]
fn a_token_sees_its_agents_and_nobody_learns_of_others() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.write("agents/emea/billing/agent.toml", "name = \"Billing\"\n");
    atoms.repo.pointsman(&["publish", "support"]).ok();
    atoms.repo.pointsman(&["publish", "emea/billing"]).ok();
    let (support, billing) = (atoms.id("Support"), atoms.id("Billing"));
    let emea = atoms.token("agents:read@emea/*,agents:write@emea/*");
    let listed = data(&atoms.call(&emea, "GET", "/agent", None), 200);
    assert_eq!((&listed["total"], &listed["agents"][0]["_id"]), (&json!(1), &json!(billing)));
    let nobody = "0123456789abcdef01234567";
    // One that there is and one that there is not are told in the same words.
    for (method, path) in [
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/branches"),
        ("POST", "/branches"),
        ("GET", "/versions"),
        ("PATCH", "/versions/x/activate"),
        ("POST", "/branches/x/live"),
    ] {
        let ask = |id: &str| atoms.call(&emea, method, &format!("/agent/{id}{path}"), None);
        let (hidden, unknown) = (ask(&support), ask(nobody));
        assert_eq!((hidden.status, &hidden.body), (unknown.status, &unknown.body), "{method} {path}");
        refused(&hidden, 403, "forbidden");
        assert!(!hidden.body.contains("support"), "{}", hidden.body);
    }
    refused(&atoms.call(&emea, "POST", "/agent", Some(&json!({ "name": "x" }))), 403, "forbidden");
    let main = atoms.main(&billing);
    let path = format!("/agent/{billing}/branches/{main}");
    data(&atoms.call(&emea, "PUT", &format!("{path}/draft"), Some(&json!({ "firstMessage": "Hi" }))), 200);
    let made = data(&atoms.call(&emea, "POST", &format!("{path}/draft/publish"), None), 200);
    assert_eq!(made["state"], "committed");
    // Committing is one right, going live another.
    let refusal = refused(&atoms.call(&emea, "POST", &format!("{path}/live"), None), 403, "forbidden");
    assert!(text(&refusal["message"]).contains("deploy:live@emea/billing"), "{refusal}");
    let reader = atoms.token("agents:read");
    refused(
        &atoms.call(&reader, "PUT", &format!("{path}/draft"), Some(&json!({ "firstMessage": "Hi" }))),
        403,
        "forbidden",
    );
    atoms.holds();
}

#[test]
fn no_route_answers_without_a_token_and_every_answer_is_json() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    let none = atoms.token("chat:write");
    let surface = pointsman::api::SURFACES.iter().find(|surface| surface.name == "atoms").unwrap();
    for route in surface.routes {
        let path = ["{id}", "{branch}", "{revision}", "{draft}", "{version}"]
            .iter()
            .fold(route.path.to_owned(), |path, name| path.replace(name, "x"));
        let body = matches!(route.method, "POST" | "PUT" | "PATCH").then(|| json!({}));
        refused(&call(&atoms.daemon, "pm_sk_wrong", route.method, &path, body.as_ref()), 401, "unauthorized");
        refused(&call(&atoms.daemon, &none, route.method, &path, body.as_ref()), 403, "forbidden");
    }
    let account = atoms.call(&atoms.admin, "GET", "/account/get-account-details", None).json();
    assert!(is_id(&account["organizations"][0]["orgId"]) && account["userId"].is_string(), "{account}");
    assert!(atoms.get("/user")["userEmail"].is_string());
    let text_body = atoms.daemon.request(&format!(
        "POST /atoms/v1/agent HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        atoms.admin
    ));
    refused(&text_body, 415, "unsupported_media_type");
    refused(&atoms.call(&atoms.admin, "GET", "/nothing/here", None), 404, "not_found");
    refused(&atoms.call(&atoms.admin, "DELETE", "/agent", None), 405, "method_not_allowed");
    refused(&atoms.send("POST", "/agent", &json!([1])), 400, "bad_request");
    for query in ["page=0", "page=x", "offset=0"] {
        refused(&atoms.call(&atoms.admin, "GET", &format!("/agent?{query}"), None), 400, "bad_request");
    }
}
