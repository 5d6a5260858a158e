//! The controller as a long-running process: a pushed tag, a merge or a changed pin is enough.

use std::process::Stdio;

use crate::daemon::Daemon;
use crate::env::{Repo, World};

const ON_MERGE: &str = "[publish]\non = \"merge\"\n[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n\
    [[environments]]\nname = \"live\"\nfrom = \"sandbox\"\n";

fn commit(repo: &Repo<'_>, file: &str, text: &str) {
    repo.write(file, text);
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", file]).ok();
}

fn greeting(text: &str) -> String {
    format!("name = \"Support\"\ngreeting = \"{text}\"\n")
}

#[test]
fn a_tag_made_by_plain_git_is_accepted_deployed_and_served() {
    let world = World::new();
    let repo = world.repository("shop");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    assert_eq!(daemon.get("/config/sandbox/support").status, 404);
    repo.git(&["tag", "-a", "support/v1", "-m", "First"]).ok();
    daemon.serves("sandbox", "support", "v1");
    let config = daemon.get("/config/sandbox/support");
    assert!(config.body.contains("how can I help"), "{config:?}");
    assert_eq!(config.body, repo.git_out(&["show", "env/sandbox:agents/support/config.json"]));
    // Packed refs say as much as loose ones.
    commit(&repo, "agents/support/agent.toml", &greeting("Second"));
    repo.git(&["tag", "-a", "support/v2", "-m", "Second"]).ok();
    repo.git(&["pack-refs", "--all"]).ok();
    daemon.serves("sandbox", "support", "v2");
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn every_verb_of_the_command_line_is_served_at_once() {
    let world = World::new();
    let repo = world.repository("shop");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    repo.publish_support("One");
    daemon.serves("sandbox", "support", "v1");
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    repo.publish_support("Two");
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    daemon.serves("pre-release", "support", "v2");
    repo.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    daemon.serves("live", "support", "v2");
    repo.pointsman(&["promote", "support", "--to", "live", "--version", "1", "--confirm"]).ok();
    daemon.serves("live", "support", "v1");
    repo.pointsman(&["rollback", "support", "--env", "live"]).ok();
    daemon.serves("live", "support", "v2");
    repo.pointsman(&["retire", "support", "--env", "live"]).ok();
    daemon.eventually("retired agents are gone", || daemon.get("/config/live/support").status == 410);
}

#[test]
fn a_merge_publishes_and_a_changed_pin_moves() {
    let world = World::new();
    let repo = world.repository("shop");
    commit(&repo, "pointsman.toml", ON_MERGE);
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    daemon.serves("sandbox", "support", "v1");
    commit(&repo, "agents/support/agent.toml", &greeting("Two"));
    daemon.serves("sandbox", "support", "v2");
    commit(&repo, "pointsman.toml", &format!("{ON_MERGE}[environments.pins]\nsupport = 1\n"));
    daemon.serves("live", "support", "v1");
    commit(&repo, "pointsman.toml", &format!("{ON_MERGE}[environments.pins]\nsupport = 2\n"));
    daemon.serves("live", "support", "v2");
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn a_bad_tag_is_refused_where_the_person_looks() {
    let world = World::new();
    let repo = world.repository("shop");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    commit(&repo, "agents/support/agent.toml", "name = \n");
    repo.git(&["tag", "-a", "support/v1", "-m", "Broken"]).ok();
    daemon.eventually("the refusal is in status", || {
        repo.pointsman(&["status"]).stdout.contains("support/v1 was refused")
    });
    let status = repo.pointsman(&["status"]).ok().stdout;
    assert!(status.contains("controller: last pass"), "{status}");
    assert_eq!(daemon.get("/config/sandbox/support").status, 404);
    // The next good one is not held up by it.
    commit(&repo, "agents/support/agent.toml", &greeting("Good"));
    repo.git(&["tag", "-a", "support/v2", "-m", "Good"]).ok();
    daemon.serves("sandbox", "support", "v2");
}

#[test]
fn what_was_pushed_to_an_environment_is_served_once_it_was_accepted_or_never() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("One");
    repo.publish_support("Two");
    repo.pointsman(&["promote", "support", "--to", "pre-release", "--version", "1"]).ok();
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    daemon.serves("pre-release", "support", "v1");
    // A hand edit of what is served: never live, and put back.
    repo.git(&["worktree", "add", "-q", "../edit", "env/pre-release"]).ok();
    let edit = Repo { world: &world, dir: world.path("edit") };
    let config = std::fs::read_to_string(edit.path("agents/support/config.json")).unwrap();
    commit(&edit, "agents/support/config.json", &config.replace("One", "Evil"));
    daemon.eventually("the edit is put back", || {
        !repo.git_out(&["show", "env/pre-release:agents/support/config.json"]).contains("Evil")
    });
    let served = daemon.get("/config/pre-release/support").body;
    assert!(served.contains("One") && !served.contains("Evil"), "{served}");
    // A force-push backwards follows the accepted head again.
    let head = repo.git_out(&["rev-parse", "env/pre-release"]);
    repo.git(&["worktree", "remove", "--force", "../edit"]).ok();
    repo.git(&["update-ref", "refs/heads/env/pre-release", "env/pre-release~1"]).ok();
    daemon.eventually("the branch follows", || repo.git_out(&["rev-parse", "env/pre-release"]) == head);
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn deleted_and_moved_tags_are_put_back() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("One");
    let right = repo.git_out(&["rev-parse", "support/v1"]);
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    daemon.serves("sandbox", "support", "v1");
    let now = || repo.git(&["rev-parse", "--verify", "-q", "refs/tags/support/v1"]).stdout.trim().to_owned();
    repo.git(&["tag", "-d", "support/v1"]).ok();
    daemon.eventually("the tag is back", || now() == right);
    repo.git(&["tag", "-f", "-a", "support/v1", "-m", "Moved"]).ok();
    daemon.eventually("the tag is back again", || now() == right);
}

#[test]
fn five_hundred_tags_in_one_push_are_a_few_passes() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = world.clone_of(&origin, "shop");
    for agent in 0..500 {
        repo.write(&format!("agents/a{agent:03}/agent.toml"), format!("name = \"Agent {agent}\"\ngreeting = \"Hi\"\n"));
    }
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Many"]).ok();
    repo.git(&["push", "-q", "origin", "HEAD"]).ok();
    let remote = format!("file://{}", origin.display());
    let state = world.path("state");
    std::fs::create_dir_all(&state).unwrap();
    world.write("serve.toml", "resync = \"1s\"\ntag_audit = \"1s\"\n");
    let config = world.path("serve.toml");
    let args = ["--remote", &remote, "--state", state.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let daemon = Daemon::start(&world, &world.home(), &args);
    for agent in 0..500 {
        repo.git(&["tag", "-a", &format!("a{agent:03}/v1"), "-m", "First"]).ok();
    }
    repo.git(&["push", "-q", "origin", "--tags"]).ok();
    daemon.serves("sandbox", "a499", "v1");
    daemon.serves("sandbox", "a000", "v1");
    assert_eq!(daemon.get("/config/sandbox").json()["agents"].as_object().unwrap().len(), 500);
    let moves = repo.git(&["fetch", "-q"]).ok();
    drop(moves);
    let commits: usize =
        repo.git_out(&["rev-list", "--count", "--first-parent", "origin/env/sandbox"]).parse().unwrap();
    assert!(commits < 20, "{commits} commits for one push");
}

#[test]
fn the_first_signal_drains_and_a_second_controller_is_refused() {
    let world = World::new();
    let repo = world.repository("shop");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    repo.pointsman(&["serve", "--listen", "127.0.0.1:0"]).refused("another controller runs", "stop the other one");
    assert_eq!(daemon.stop(), Some(0));
    let again = Daemon::start(&world, &repo.dir, &[]);
    assert_eq!(again.get("/healthz").status, 200);
    again.kill();
    // A lock dies with its process.
    assert_eq!(Daemon::start(&world, &repo.dir, &[]).stop(), Some(0));
}

#[test]
fn the_operators_file_is_read_again_on_a_hang_up_and_a_mistake_changes_nothing() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("One");
    let config = world.path("serve.toml");
    world.write("serve.toml", "read_tokens.voice = { file = \"/nowhere\" }\n");
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let refused = repo.pointsman(&args);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("read_tokens.voice") && refused.stderr.contains("/nowhere"), "{}", refused.stderr);

    world.write("serve.toml", "");
    world.write("token", "0123456789abcdef-secret\n");
    let daemon = Daemon::start(&world, &repo.dir, &["--config", config.to_str().unwrap()]);
    daemon.serves("sandbox", "support", "v1");
    world.write("serve.toml", format!("read_tokens.voice = {{ file = \"{}\" }}\n", world.path("token").display()));
    daemon.signal("HUP");
    daemon.eventually("reading needs a token", || daemon.get("/config/sandbox/support").status == 401);
    world.write("serve.toml", "nonsense = 1\n");
    daemon.signal("HUP");
    daemon.eventually("the mistake is told", || daemon.log().contains("unknown key `nonsense`"));
    assert_eq!(daemon.get("/config/sandbox/support").status, 401);
    let asked = format!(
        "GET /config/sandbox/support HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer 0123456789abcdef-secret\r\nConnection: close\r\n\r\n",
        daemon.address
    );
    assert_eq!(daemon.request(&asked).status, 200);
    assert!(!daemon.log().contains("0123456789abcdef"));
}

#[test]
fn where_the_system_cannot_tell_about_changes_files_are_looked_at() {
    let world = World::new();
    let repo = world.repository("shop");
    // A user namespace with its own small limit on inotify instances.
    let mut probe = std::process::Command::new("unshare");
    probe.args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"]);
    if !probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no user namespaces here");
        return;
    }
    let script = "echo 0 > /proc/sys/user/max_inotify_instances; exec \"$@\"";
    let daemon = Daemon::start_through(&world, &repo.dir, &["unshare", "-Ur", "sh", "-c", script, "sh"], &[]);
    daemon.eventually("it says so", || daemon.log().contains("looking every second"));
    repo.git(&["tag", "-a", "support/v1", "-m", "First"]).ok();
    daemon.serves("sandbox", "support", "v1");
}

#[test]
fn a_saved_file_is_served_as_the_draft() {
    let world = World::new();
    let repo = world.repository("shop");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    let draft = || daemon.get("/config/draft/support");
    daemon.eventually("the draft is served", || draft().body.contains("how can I help"));
    assert_eq!(draft().headers["x-agent-version"], "draft");
    repo.write("agents/support/agent.toml", greeting("Saved a moment ago"));
    daemon.eventually("the save is served", || draft().body.contains("Saved a moment ago"));
    // A new agent in a new folder, then one that does not compile.
    repo.write("agents/billing/agent.toml", "name = \"Billing\"\ngreeting = \"Hi\"\n");
    daemon.eventually("a new agent is served", || daemon.get("/config/draft/billing").status == 200);
    repo.write("agents/billing/agent.toml", "name =\n");
    daemon.eventually("what does not compile is not", || daemon.get("/config/draft/billing").status == 404);
    assert!(draft().body.contains("Saved a moment ago"));
    // It is nowhere else.
    assert!(!repo.git_out(&["for-each-ref"]).contains("draft"));
}
