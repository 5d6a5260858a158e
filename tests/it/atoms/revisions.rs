//! v2: branches and revisions.

use serde_json::{Value, json};

use super::{Atoms, ONE, data, is_id, refused, text};
use crate::env::World;

#[test]
fn a_draft_on_main_is_edited_published_and_live_at_once() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    atoms.repo.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    let head = atoms.repo.git_out(&["rev-parse", "HEAD"]);
    let agent = atoms.id("Support");
    let main = atoms.main(&agent);
    let at = |path: &str| format!("/agent/{agent}/branches/{main}{path}");
    let before = atoms.get(&at(""));
    assert_eq!(
        (&before["isLive"], &before["hasOpenDraft"], &before["revisionsCount"]),
        (&json!(true), &json!(false), &json!(1))
    );
    assert_eq!((&before["branch"]["name"], &before["headRevisionNumber"]), (&json!("main"), &json!(1)));
    refused(&atoms.call(&atoms.admin, "GET", &at("/draft"), None), 404, "unknown_draft");

    let said = json!({ "firstMessage": "Good day", "slmModel": "gpt-4.1", "synthesizer": { "voiceConfig": { "voiceId": "emily" } }, "odd": { "deep": [1] } });
    let draft = data(&atoms.send("PUT", &at("/draft"), &said), 200);
    assert_eq!((&draft["status"], &draft["draftRevision"]), (&json!("draft"), &json!(1)));
    assert!(is_id(&draft["_id"]) && is_id(&draft["blocks"]["voice"]) && is_id(&draft["branch"]));
    assert_eq!(draft["blocks"].as_object().unwrap().len(), 14);
    // The same again is the same draft.
    assert_eq!(data(&atoms.send("PUT", &at("/draft"), &said), 200)["draftRevision"], 1);
    let second = data(
        &atoms.send("PUT", &at("/draft"), &json!({ "synthesizer": { "speed": 1.5 }, "expectedRevision": 1 })),
        200,
    );
    assert_eq!(second["draftRevision"], 2);
    assert_ne!(second["blocks"]["voice"], draft["blocks"]["voice"]);
    assert_eq!(second["blocks"]["llm"], draft["blocks"]["llm"]);
    let open = atoms.get(&at("/draft"));
    assert_eq!((&open["editCount"], &open["editHistory"][0]["changedSections"]), (&json!(2), &json!(["voice"])));
    assert_eq!(open["editHistory"][1]["revision"], 1);
    let shown = atoms.get(&format!("/agent/{agent}?draftId={}", text(&draft["_id"])));
    assert_eq!((&shown["_configSource"], &shown["_configRevision"]), (&json!("draft"), &json!(2)));
    assert_eq!(shown["synthesizer"], json!({ "voiceConfig": { "voiceId": "emily" }, "speed": 1.5 }));
    assert_eq!((&shown["odd"], &shown["_resolvedConfig"]["modelName"]), (&said["odd"], &json!("gpt-4.1")));
    assert_eq!(shown["_resolvedConfig"]["prompt"], "You help customers of a small shop.\n");
    // What is live is untouched so far.
    assert_eq!(atoms.get(&format!("/agent/{agent}"))["firstMessage"], "Hello, how can I help?");

    let diff =
        atoms.get(&format!("/agent/{agent}/diff?a={}&b={main}%3Adraft", text(&before["branch"]["headRevisionId"])));
    let sections: Vec<_> = diff["diffs"].as_array().unwrap().iter().map(|it| it["section"].clone()).collect();
    assert_eq!(sections, ["llm", "other", "voice", "workflow_prompt"]);
    let greeting = json!([{ "path": "firstMessage", "oldValue": "Hello, how can I help?", "newValue": "Good day" }]);
    assert_eq!(diff["diffs"][3]["changes"], greeting);
    assert!(diff["unchangedSections"].as_array().unwrap().contains(&json!("language")));

    let published = data(&atoms.send("POST", &at("/draft/publish"), &json!({ "label": "Second" })), 200);
    let revision = &published["revision"];
    assert_eq!(
        (&published["state"], &revision["status"], &revision["label"]),
        (&json!("committed"), &json!("published"), &json!("Second"))
    );
    assert_eq!(
        (&revision["isActive"], &revision["revisionNumber"], &revision["versionNumber"]),
        (&json!(true), &json!(2), &json!(2))
    );
    assert_eq!(revision["parentVersion"], before["branch"]["headRevisionId"]);
    assert_eq!(atoms.daemon.version("live", "support").as_deref(), Some("v2"));
    // Clients ask again after a broken line: the same revision, no second tag.
    let again = data(&atoms.call(&atoms.admin, "POST", &at("/draft/publish"), None), 200);
    assert_eq!(again["revision"]["_id"], revision["_id"]);
    assert_eq!(atoms.repo.git_out(&["tag", "--list", "support/*"]), "support/v1\nsupport/v2");
    assert_eq!(atoms.get(&at(""))["branch"]["headRevisionId"], revision["_id"]);
    assert_eq!(data(&atoms.call(&atoms.admin, "POST", &at("/draft/publish/cancel"), None), 200)["cancelled"], false);

    // It is all git: the version is the tip of a branch, what people have checked out is as it was.
    assert_eq!(
        atoms.repo.git_out(&["rev-parse", "support/v2^{commit}"]),
        atoms.repo.git_out(&["rev-parse", "draft/support/main"])
    );
    assert_eq!(atoms.repo.git_out(&["status", "--porcelain"]), "");
    assert_eq!(atoms.repo.git_out(&["rev-parse", "HEAD", "main"]), format!("{head}\n{head}"));
    let voice = atoms.repo.git_out(&["show", "draft/support/main:agents/support/voice.toml"]);
    assert!(voice.contains("voice_id = \"emily\"") && voice.contains("speed = 1.5"), "{voice}");
    atoms.holds();
}

#[test]
fn branches_go_their_own_ways_and_one_of_them_is_live() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    atoms.repo.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    let agent = atoms.id("Support");
    let main = atoms.main(&agent);
    let all = format!("/agent/{agent}/branches");
    let create = |name: &str| atoms.send("POST", &all, &json!({ "sourceBranchId": main, "name": name }));
    let branch = data(&create("Feature X: try/out"), 200);
    let (feature, first) = (text(&branch["_id"]), text(&branch["sourceRevisionId"]));
    assert!(is_id(&branch["_id"]) && branch["headRevisionId"] == branch["sourceRevisionId"]);
    assert_eq!(
        (&branch["name"], &branch["isDefault"], &branch["openDraftId"]),
        (&json!("Feature X: try/out"), &json!(false), &Value::Null)
    );
    // The call that comes twice, and the one that means another branch.
    assert_eq!(data(&create("Feature X: try/out"), 200)["_id"], branch["_id"]);
    refused(&create("MAIN"), 400, "reserved_name");
    refused(&create(""), 400, "invalid_name");
    let at = |path: &str| format!("{all}/{feature}{path}");
    refused(&atoms.send("POST", &at("/live"), &json!({})), 400, "no_revision");

    data(&atoms.send("PUT", &at("/draft"), &json!({ "firstMessage": "From the branch" })), 200);
    refused(&create("Feature X: try/out"), 409, "branch_name_exists");
    let made = data(&atoms.send("POST", &at("/draft/publish"), &json!({})), 200)["revision"].clone();
    assert_eq!(
        (&made["isActive"], &made["revisionNumber"], &made["branch"]),
        (&json!(false), &json!(1), &json!(feature))
    );
    // Main goes on without it, and does not ask for what the branch holds.
    data(&atoms.send("PUT", &format!("{all}/{main}/draft"), &json!({ "firstMessage": "From main" })), 200);
    let on_main =
        data(&atoms.send("POST", &format!("{all}/{main}/draft/publish"), &json!({})), 200)["revision"].clone();
    assert_eq!(
        (&on_main["isActive"], &on_main["revisionNumber"], &on_main["versionNumber"]),
        (&json!(true), &json!(2), &json!(3))
    );
    assert_eq!(atoms.daemon.version("live", "support").as_deref(), Some("v3"));

    let live = data(&atoms.call(&atoms.admin, "POST", &at("/live"), None), 200);
    assert_eq!((&live["isLive"], &live["branch"]["_id"]), (&json!(true), &json!(feature)));
    assert_eq!(atoms.daemon.version("live", "support").as_deref(), Some("v2"));
    data(&atoms.call(&atoms.admin, "POST", &at("/live"), None), 200);
    refused(&atoms.call(&atoms.admin, "POST", &at("/archive"), None), 400, "live_branch");
    assert_eq!(atoms.get(&format!("/agent/{agent}"))["firstMessage"], "From the branch");

    // A new name, the same branch with the same revisions.
    let renamed = data(&atoms.send("PATCH", &at(""), &json!({ "name": "y" })), 200);
    assert_eq!((&renamed["_id"], &renamed["name"]), (&json!(feature), &json!("y")));
    assert_eq!(atoms.get(&at("/revisions"))["total"], 1);
    let refs = atoms.repo.git_out(&["for-each-ref", "--format=%(refname)", "refs/heads/draft"]);
    assert_eq!(refs, "refs/heads/draft/support/main\nrefs/heads/draft/support/y");

    data(&atoms.send("POST", &format!("{all}/{main}/live"), &json!({})), 200);
    assert_eq!(data(&atoms.send("POST", &at("/archive"), &json!({})), 200), json!({ "archived": true }));
    assert_eq!(data(&atoms.send("POST", &at("/archive"), &json!({})), 200), json!({ "archived": true }));
    assert_eq!(atoms.get(&all)["branches"].as_array().unwrap().len(), 1);
    // Its revisions can be asked for still, and its tip is kept.
    assert_eq!(atoms.get(&at("/revisions"))["revisions"][0]["_id"], made["_id"]);
    assert_eq!(atoms.get(&at(""))["branch"]["status"], "archived");
    assert_eq!(atoms.repo.git_out(&["for-each-ref", "refs/pointsman/discarded/support"]).lines().count(), 1);
    refused(&atoms.send("PUT", &at("/draft"), &json!({ "firstMessage": "x" })), 400, "archived");
    let _ = first;
    atoms.holds();
}

#[test]
fn an_earlier_revision_comes_back_as_a_new_one_and_a_discarded_draft_is_kept() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    let agent = atoms.id("Support");
    let main = atoms.main(&agent);
    let at = |path: &str| format!("/agent/{agent}/branches/{main}{path}");
    let first = text(&atoms.get(&at("/revisions"))["revisions"][0]["_id"]);
    data(&atoms.send("PUT", &at("/draft"), &json!({ "firstMessage": "Two" })), 200);
    data(&atoms.send("POST", &at("/draft/publish"), &json!({})), 200);

    data(&atoms.send("PUT", &at("/draft"), &json!({ "firstMessage": "Never" })), 200);
    assert_eq!(data(&atoms.call(&atoms.admin, "DELETE", &at("/draft"), None), 200), json!({ "discarded": true }));
    data(&atoms.call(&atoms.admin, "DELETE", &at("/draft"), None), 200);
    assert_eq!(atoms.get(&at(""))["hasOpenDraft"], false);
    let kept = atoms.repo.git_out(&["for-each-ref", "--format=%(refname)", "refs/pointsman/discarded/support"]);
    assert!(atoms.repo.git_out(&["show", &format!("{kept}:agents/support/agent.toml")]).contains("Never"));

    let restored = data(&atoms.send("POST", &at(&format!("/revisions/{first}/restore")), &json!({})), 200);
    let revision = &restored["revision"];
    assert_eq!((&revision["revisionNumber"], &revision["restoredFromRevisionId"]), (&json!(3), &json!(first)));
    let again = data(&atoms.send("POST", &at(&format!("/revisions/{first}/restore")), &json!({})), 200);
    assert_eq!(again["revision"]["_id"], revision["_id"]);
    assert_eq!(atoms.get(&at("/revisions?limit=1"))["revisions"].as_array().unwrap().len(), 1);
    assert_eq!(atoms.get(&at("/revisions?skip=2"))["revisions"][0]["_id"], first);
    let same = |a: &str, b: &str| atoms.repo.git_out(&["rev-parse", a]) == atoms.repo.git_out(&["rev-parse", b]);
    assert!(same("support/v1:agents/support", "support/v3:agents/support"));
    let one = atoms.get(&at(&format!("/revisions/{first}")));
    assert_eq!(one["resolvedConfig"]["firstMessage"], "Hello, how can I help?");
    let history = atoms.get(&at(&format!("/revisions/{}/history", text(&revision["_id"]))));
    assert_eq!(history["trail"].as_array().unwrap().len(), 3);
    assert_eq!(history["trail"][0]["changedSections"], json!(["workflow_prompt"]));
    refused(&atoms.call(&atoms.admin, "GET", &at("/revisions/0123456789abcdef01234567"), None), 404, "unknown_version");
    atoms.holds();
}

#[test]
fn two_editors_of_one_draft_are_told_of_each_other() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    let agent = atoms.id("Support");
    let path = format!("/agent/{agent}/branches/{}/draft", atoms.main(&agent));
    data(&atoms.send("PUT", &path, &json!({ "firstMessage": "One" })), 200);
    data(&atoms.send("PUT", &path, &json!({ "firstMessage": "Two", "expectedRevision": 1 })), 200);
    let stale = atoms.send("PUT", &path, &json!({ "firstMessage": "Three", "expectedRevision": 1 }));
    let body = refused(&stale, 409, "draft_conflict");
    assert_eq!(body["errors"], json!(["workflow_prompt.firstMessage"]));
    let conflict = &body["data"]["conflict"];
    assert_eq!((&conflict["expectedRevision"], &conflict["latestRevision"]), (&json!(1), &json!(2)));
    assert_eq!(
        conflict["diffs"][0]["changes"][0],
        json!({ "path": "firstMessage", "oldValue": "One", "newValue": "Two" })
    );
    // Another field is nobody's business, and whoever does not ask wins.
    assert_eq!(
        data(&atoms.send("PUT", &path, &json!({ "slmModel": "m", "expectedRevision": 1 })), 200)["draftRevision"],
        3
    );
    data(&atoms.send("PUT", &path, &json!({ "firstMessage": "Three" })), 200);
    let unknown = refused(
        &atoms.send("PUT", &path, &json!({ "slmModel": "n", "expectedRevision": 9 })),
        409,
        "base_revision_unavailable",
    );
    assert_eq!(unknown["errors"], json!(["base_revision_unavailable"]));

    // Many at once: every edit is there in the end.
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (atoms, path) = (&atoms, &path);
            scope.spawn(move || data(&atoms.send("PUT", path, &json!({ format!("key{number}"): number })), 200));
        }
    });
    let draft = atoms.get(&path);
    assert_eq!(draft["editCount"], 10);
    let shown = atoms.get(&format!("/agent/{agent}?draftId={}", text(&draft["latest"]["_id"])));
    assert!((0..6).all(|number| shown[format!("key{number}")] == number), "{shown}");
    refused(&atoms.send("PUT", &path, &json!({})), 400, "bad_request");
    refused(&atoms.send("PUT", &path, &json!([])), 400, "bad_request");
    refused(&atoms.send("PUT", &path, &json!({ "expectedRevision": "1", "slmModel": "x" })), 400, "bad_request");
    atoms.holds();
}

#[test]
fn gates_and_freezes_say_no_in_the_vendors_words() {
    let world = World::new();
    let ladder =
        "[[environments]]\nname = \"sandbox\"\n[[environments]]\nname = \"live\"\nfrom = \"sandbox\"\nconfirm = true\n";
    let atoms = Atoms::new(&world, ladder);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    let agent = atoms.id("Support");
    let live = format!("/agent/{agent}/branches/{}/live", atoms.main(&agent));
    let body = refused(&atoms.send("POST", &live, &json!({})), 409, "gate_unmet");
    assert_eq!(body["details"]["unmet"][0]["gate"], "from");
    atoms.repo.pointsman(&["promote", "support", "--to", "sandbox"]).ok();
    data(&atoms.send("POST", &live, &json!({})), 200);

    let days = "days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]";
    atoms.repo.write("pointsman.toml", format!("{ladder}freeze = [{{ {days}, timezone = \"UTC\" }}]\n"));
    atoms.repo.git(&["commit", "-qam", "Freeze"]).ok();
    let draft = format!("/agent/{agent}/branches/{}/draft", atoms.main(&agent));
    data(&atoms.send("PUT", &draft, &json!({ "firstMessage": "Later" })), 200);
    // The revision is committed; that it is not served is told beside it.
    let made = data(&atoms.send("POST", &format!("{draft}/publish"), &json!({})), 200);
    assert_eq!((&made["state"], &made["revision"]["isActive"]), (&json!("committed"), &json!(false)));
    assert_eq!(made["activation"]["refused"][0]["code"], "gate_unmet");
    atoms.repo.pointsman(&["promote", "support", "--to", "sandbox"]).ok();
    refused(&atoms.send("POST", &live, &json!({})), 423, "config_freeze_active");
    atoms.holds();
}

#[test]
fn a_person_and_a_program_edit_the_same_agent() {
    let world = World::new();
    let atoms = Atoms::new(&world, ONE);
    atoms.repo.pointsman(&["publish", "support"]).ok();
    let agent = atoms.id("Support");
    let main = atoms.main(&agent);
    let at = |path: &str| format!("/agent/{agent}/branches/{main}{path}");
    data(&atoms.send("PUT", &at("/draft"), &json!({ "firstMessage": "From the program" })), 200);
    // A person publishes from the working tree meanwhile.
    atoms.repo.publish_support("From the person");
    let stale = refused(&atoms.send("POST", &at("/draft/publish"), &json!({})), 409, "version_mismatch");
    assert!(text(&stale["message"]).contains("support/v2"), "{stale}");
    data(&atoms.call(&atoms.admin, "DELETE", &at("/draft"), None), 200);
    assert_eq!(atoms.get(&at(""))["headRevisionNumber"], 2);
    // The next draft begins with what the person published.
    data(&atoms.send("PUT", &at("/draft"), &json!({ "slmModel": "m" })), 200);
    let made = data(&atoms.send("POST", &at("/draft/publish"), &json!({})), 200);
    let shown = atoms.get(&format!("/agent/{agent}?versionId={}", text(&made["revision"]["_id"])));
    assert_eq!((&shown["firstMessage"], &shown["slmModel"]), (&json!("From the person"), &json!("m")));
    // And the person takes it in with git.
    atoms.repo.git(&["merge", "-q", "-m", "Take in", "support/v3"]).ok();
    assert!(atoms.repo.path("agents/support/llm.toml").exists());
    atoms.repo.publish_support("Again");
    // A branch that somebody has checked out is left alone.
    atoms.repo.git(&["switch", "-q", "draft/support/main"]).ok();
    let busy = atoms.send("PUT", &at("/draft"), &json!({ "slmModel": "n" }));
    refused(&busy, 409, "unsupported");
    atoms.holds();
}
