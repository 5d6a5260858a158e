//! A controller on a mirror of its own: drafts are branches of the remote.

use serde_json::json;

use super::{ONE, admin_token, call, data, text};
use crate::daemon::Daemon;
use crate::env::World;

#[test]
fn drafts_are_branches_of_the_remote_and_every_clone_sees_them() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let seed = world.repository("seed");
    seed.write("pointsman.toml", ONE);
    seed.git(&["add", "-A"]).ok();
    seed.git(&["commit", "-qm", "Policy"]).ok();
    seed.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    seed.git(&["push", "-q", "-u", "origin", "main"]).ok();
    seed.git(&["remote", "set-head", "origin", "main"]).ok();
    seed.pointsman(&["publish", "support"]).ok();
    let state = world.path("state");
    let remote = format!("file://{}", origin.display());
    let daemon = Daemon::start(&world, &world.home(), &["--remote", &remote, "--state", state.to_str().unwrap()]);
    daemon.eventually("the mirror is there", || daemon.get("/readyz").status == 200);
    let admin = admin_token(&state);
    let ask = |method: &str, path: &str, body: Option<&serde_json::Value>| call(&daemon, &admin, method, path, body);
    let agent = text(&data(&ask("GET", "/agent", None), 200)["agents"][0]["_id"]);
    let main = text(&data(&ask("GET", &format!("/agent/{agent}/branches"), None), 200)["branches"][0]["branch"]["_id"]);
    let at = |path: &str| format!("/agent/{agent}/branches/{main}{path}");
    data(&ask("PUT", &at("/draft"), Some(&json!({ "firstMessage": "From afar" }))), 200);
    let published = data(&ask("POST", &at("/draft/publish"), None), 200);
    assert_eq!(published["revision"]["versionNumber"], 2);
    data(&ask("POST", &at("/live"), None), 200);
    daemon.serves("live", "support", "v2");

    let fork = data(
        &ask("POST", &format!("/agent/{agent}/branches"), Some(&json!({ "sourceBranchId": main, "name": "x" }))),
        200,
    );
    let fork = text(&fork["_id"]);
    // Somebody pushes to the very branch.
    let clone = world.clone_of(&origin, "clone");
    clone.git(&["switch", "-q", "-c", "x", "origin/draft/support/x"]).ok();
    clone.write("agents/support/persona.md", "By hand.\n");
    clone.git(&["commit", "-qam", "By hand"]).ok();
    clone.git(&["push", "-q", "origin", "x:draft/support/x"]).ok();
    let draft = data(&ask("GET", &format!("/agent/{agent}/branches/{fork}/draft"), None), 200);
    assert_eq!((&draft["editCount"], &draft["editHistory"][0]["editorName"]), (&json!(1), &json!("Ada")));
    data(&ask("PUT", &format!("/agent/{agent}/branches/{fork}/draft"), Some(&json!({ "slmModel": "m" }))), 200);
    data(&ask("PATCH", &format!("/agent/{agent}/branches/{fork}"), Some(&json!({ "name": "y z" }))), 200);
    let made = data(&ask("POST", &format!("/agent/{agent}/branches/{fork}/draft/publish"), None), 200);
    assert_eq!((&made["revision"]["versionNumber"], &made["revision"]["revisionNumber"]), (&json!(3), &json!(1)));
    data(&ask("POST", &format!("/agent/{agent}/branches/{fork}/archive"), None), 200);
    let heads = world.git("origin.git", &["for-each-ref", "--format=%(refname)", "refs/heads/draft"]).ok().stdout;
    assert_eq!(heads.trim(), "refs/heads/draft/support/main");

    let id = text(&data(&ask("POST", "/agent", Some(&json!({ "name": "Far Away", "globalPrompt": "P" }))), 201));
    assert_eq!(data(&ask("GET", &format!("/agent/{id}"), None), 200)["globalPrompt"], "P");
    seed.git(&["fetch", "-q", "origin"]).ok();
    assert_eq!(seed.git_out(&["show", "origin/env/live:agents/far-away/source/persona.md"]), "P");
    let fresh = world.clone_of(&origin, "fresh");
    fresh.pointsman(&["verify"]).ok();
    world.git("origin.git", &["fsck", "--strict"]).ok();
}
