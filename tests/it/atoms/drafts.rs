//! v1: drafts and versions, over the same ids.

use serde_json::{Value, json};

use super::{Atoms, ONE, data, is_id, refused, text};
use crate::env::World;

#[test]
fn a_draft_is_made_edited_published_and_activated() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    let agent = atoms.id("Support");
    let at = |path: &str| format!("/agent/{agent}{path}");
    let first = text(&atoms.get(&at("/versions"))["versions"][0]["_id"]);
    refused(&atoms.send("POST", &at("/drafts"), &json!({})), 400, "bad_request");
    let new = json!({ "sourceVersionId": first, "draftName": "NLP Improvements" });
    let draft = data(&atoms.send("POST", &at("/drafts"), &new), 201);
    let id = text(&draft["draftId"]);
    assert!(is_id(&draft["draftId"]) && draft["_id"] == draft["draftId"]);
    assert_eq!(
        (&draft["draftName"], &draft["sourceVersionId"], &draft["status"]),
        (&json!("NLP Improvements"), &json!(first), &json!("draft"))
    );
    assert_eq!(data(&atoms.send("POST", &at("/drafts"), &new), 201)["_id"], draft["_id"]);
    assert_eq!(atoms.get(&at("/drafts")).as_array().unwrap().len(), 1);

    let config = at(&format!("/drafts/{id}/config"));
    let edited = data(
        &atoms.send(
            "PATCH",
            &config,
            &json!({ "singlePromptConfig": { "prompt": "New prompt" }, "language": { "default": "en" } }),
        ),
        200,
    );
    assert_eq!(edited["draftRevision"], 1);
    let tools = json!({ "singlePromptConfig": { "tools": [{ "type": "end_call", "name": "bye" }] } });
    assert_eq!(data(&atoms.send("PATCH", &config, &tools), 200)["draftRevision"], 2);
    let detail = atoms.get(&at(&format!("/drafts/{id}?limit=1")));
    assert_eq!((&detail["editCount"], detail["editHistory"].as_array().unwrap().len()), (&json!(2), 1));
    let diff = atoms.get(&at(&format!("/drafts/{id}/diff")));
    assert_eq!(diff["hasChanges"], true);
    assert_eq!(diff["sections"]["workflow_tools"]["after"]["tools"][0]["name"], "bye");
    assert_eq!(diff["sections"]["workflow_tools"]["changed"], true);
    assert_eq!(atoms.get(&at(&format!("/drafts/{id}/diff?compareTo={first}"))), diff);
    let renamed = atoms.send("PATCH", &at(&format!("/drafts/{id}")), &json!({ "draftName": "Better" }));
    assert_eq!(data(&renamed, 200), json!({ "draftName": "Better" }));

    let publish = at(&format!("/drafts/{id}/publish"));
    let release = json!({ "label": "Release 2", "description": "Knows\nmore", "activate": true });
    let version = data(&atoms.send("POST", &publish, &release), 201);
    assert_eq!(
        (&version["versionNumber"], &version["label"], &version["isActive"]),
        (&json!(2), &json!("Release 2"), &json!(true))
    );
    assert_eq!(
        (&version["status"], &version["draftId"], &version["sourceVersionId"]),
        (&json!("published"), &json!(id), &json!(first))
    );
    assert_eq!((&version["draftName"], &version["activatedByName"]), (&json!("Better"), &json!("local admin")));
    assert_eq!(atoms.daemon.version("live", "support").as_deref(), Some("v2"));
    // Asked again after a broken line: the same version, though the draft is gone.
    assert_eq!(data(&atoms.send("POST", &publish, &release), 201)["_id"], version["_id"]);
    assert_eq!(atoms.get(&at("/drafts")), json!([]));
    assert_eq!(atoms.repo.git_out(&["for-each-ref", "refs/heads/draft"]), "");
    // v2 knows it as a revision of main.
    let main = atoms.main(&agent);
    let revisions = atoms.get(&at(&format!("/branches/{main}/revisions")));
    assert_eq!((&revisions["total"], &revisions["revisions"][0]["_id"]), (&json!(2), &version["_id"]));
    assert_eq!(atoms.get(&at(&format!("/branches/{main}")))["isLive"], true);

    let back = atoms.call(&atoms.admin, "PATCH", &at(&format!("/versions/{first}/activate")), None);
    // One that never was live before may be activated, however old.
    assert_eq!(data(&back, 200)["isActive"], true);
    atoms.holds();
}

#[test]
fn versions_are_listed_compared_pinned_and_activated() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support", "--label", "one"]).ok();
    atoms.repo.publish_support("Two");
    let agent = atoms.id("Support");
    let at = |path: &str| format!("/agent/{agent}{path}");
    let listed = atoms.get(&at("/versions?limit=1&skip=1"));
    assert_eq!((&listed["total"], &listed["versions"][0]["label"]), (&json!(2), &json!("one")));
    let all = atoms.get(&at("/versions"))["versions"].clone();
    let (second, first) = (text(&all[0]["_id"]), text(&all[1]["_id"]));
    let activate = |id: &str| atoms.call(&atoms.admin, "PATCH", &at(&format!("/versions/{id}/activate")), None);
    for _ in 0..2 {
        assert_eq!(data(&activate(&first), 200)["isActive"], true);
    }
    assert_eq!(data(&activate(&second), 200)["isActive"], true);
    // Back to what was live before, and forth again.
    let back = data(&activate(&first), 200);
    assert!(back["isActive"] == true && back["activatedAt"].is_string(), "{back}");
    assert_eq!(atoms.daemon.version("live", "support").as_deref(), Some("v1"));
    assert_eq!(data(&activate(&second), 200)["isActive"], true);

    let diff = atoms.get(&at(&format!("/versions/diff?versionA={first}&versionB={second}")));
    assert_eq!(
        diff["diffs"][0]["changes"],
        json!([{ "path": "firstMessage", "oldValue": "Hello, how can I help?", "newValue": "Two" }])
    );
    let patch = |body: &Value| atoms.send("PATCH", &at(&format!("/versions/{first}")), body);
    let marked = data(&patch(&json!({ "label": "Gold", "isPinned": true })), 200);
    assert_eq!((&marked["label"], &marked["isPinned"]), (&json!("Gold"), &json!(true)));
    let pinned = atoms.get(&at("/versions?isPinned=true"));
    assert_eq!((&pinned["total"], &pinned["versions"][0]["_id"]), (&json!(2), &json!(first)));
    assert_eq!(pinned["versions"].as_array().unwrap().len(), 1);
    refused(&patch(&json!({})), 400, "bad_request");
    refused(&patch(&json!({ "isPinned": "yes" })), 400, "bad_request");
    let detail = atoms.get(&at(&format!("/versions/{second}")));
    assert_eq!(
        (&detail["version"]["versionNumber"], &detail["resolvedConfig"]["firstMessage"]),
        (&json!(2), &json!("Two"))
    );
    refused(&atoms.call(&atoms.admin, "GET", &at("/versions/nope"), None), 404, "unknown_version");
    refused(&atoms.send("POST", &at(&format!("/versions/{first}/test-call")), &json!({})), 400, "not_supported");
    atoms.holds();
}

#[test]
fn a_discarded_draft_is_gone_from_lists_and_kept_in_git() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    let agent = atoms.id("Support");
    let at = |path: &str| format!("/agent/{agent}{path}");
    let first = text(&atoms.get(&at("/versions"))["versions"][0]["_id"]);
    let draft = data(&atoms.send("POST", &at("/drafts"), &json!({ "sourceVersionId": first })), 201);
    assert_eq!(draft["draftName"], "Draft 1");
    let id = text(&draft["draftId"]);
    data(&atoms.send("PATCH", &at(&format!("/drafts/{id}/config")), &json!({ "firstMessage": "Gone" })), 200);
    let copy = data(&atoms.send("POST", &at("/drafts"), &json!({ "sourceDraftId": id, "draftName": "copy" })), 201);
    data(&atoms.call(&atoms.admin, "DELETE", &at(&format!("/drafts/{id}")), None), 200);
    refused(&atoms.call(&atoms.admin, "GET", &at(&format!("/drafts/{id}")), None), 404, "unknown_draft");
    let kept = atoms.repo.git_out(&["for-each-ref", "--format=%(refname)", "refs/pointsman/discarded"]);
    assert!(atoms.repo.git_out(&["show", &format!("{kept}:agents/support/agent.toml")]).contains("Gone"));
    let diff = atoms.get(&at(&format!("/drafts/{}/diff", text(&copy["_id"]))));
    assert_eq!(diff["sections"]["workflow_prompt"]["after"]["firstMessage"], "Gone");
    atoms.holds();
}
