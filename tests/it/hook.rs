//! The `pre-receive` hook on a plain git server: what the next pass would refuse or put back is refused at push time,
//! what Pointsman pushes itself passes, and nobody else is bothered.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::env::{Ended, Repo, World, isolated};

const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

/// Installs the hook in `origin.git`.
fn install(world: &World) {
    let program = env!("CARGO_BIN_EXE_pointsman");
    world.write("origin.git/hooks/pre-receive", format!("#!/bin/sh\nexec '{program}' hook pre-receive\n"));
    let path = world.path("origin.git/hooks/pre-receive");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// An origin without the hook, whose `main` holds the agent `support`.
fn origin(world: &World) -> PathBuf {
    let origin = world.bare("origin.git");
    let seed = world.repository("seed");
    seed.git(&["push", "-q", &format!("file://{}", origin.display()), "main"]).ok();
    origin
}

/// A clone of a guarded origin in which v1 is live and v2 waits in the sandbox.
fn two_versions<'w>(world: &'w World) -> Repo<'w> {
    let origin = origin(world);
    install(world);
    let clone = world.clone_of(&origin, "clone");
    clone.publish_support("Good morning");
    clone.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    clone.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    clone.publish_support("Good evening");
    clone.git(&["push", "-q", "origin", "main"]).ok();
    clone
}

/// Where refs of the origin point.
fn refs(world: &World) -> String {
    world.git("origin.git", &["for-each-ref"]).ok().stdout
}

/// Asserts that the push `args` is refused by the hook with `reason` and `hint`, and moves nothing.
#[track_caller]
fn refused(repo: &Repo<'_>, args: &[&str], reason: &str, hint: &str) -> Ended {
    let before = refs(repo.world);
    let ended = repo.git(&[&["push", "origin"], args].concat());
    assert_ne!(ended.code, 0, "the push was taken: {}", ended.stderr);
    let said: Vec<_> = ended.stderr.lines().filter_map(|line| line.strip_prefix("remote: ")).collect();
    let said = said.join("\n");
    assert!(said.contains("error: `refs/"), "{}", ended.stderr);
    assert!(said.contains(reason), "expected `{reason}` in: {}", ended.stderr);
    assert!(said.lines().any(|line| line.contains("hint:") && line.contains(hint)), "no `{hint}` in: {}", ended.stderr);
    assert_eq!(refs(repo.world), before);
    ended
}

/// Asserts that the push `args` lands, and that the hook prints nothing.
#[track_caller]
fn taken(repo: &Repo<'_>, args: &[&str]) {
    let ended = repo.git(&[&["push", "origin"], args].concat()).ok();
    assert!(!ended.stderr.contains("remote:"), "{}", ended.stderr);
}

/// Asserts that the whole repository is as it must be and nothing is left to do.
#[track_caller]
fn all_is_well(repo: &Repo<'_>) {
    let ended = repo.pointsman(&["verify"]).ok();
    assert!(ended.stdout.contains("everything is as it must be"), "{}", ended.stdout);
}

/// A checkout of `origin/<branch>` at `<world>/desk`, detached, to write by hand on what Pointsman writes.
fn desk<'w>(repo: &Repo<'w>, branch: &str) -> Repo<'w> {
    repo.git(&["fetch", "-q", "origin"]).ok();
    let desk = Repo { world: repo.world, dir: repo.world.path("desk") };
    let _ = repo.git(&["worktree", "remove", "--force", "../desk"]);
    repo.git(&["worktree", "add", "-q", "--detach", "../desk", &format!("origin/{branch}")]).ok();
    desk
}

/// Commits everything on the desk and returns the commit.
fn commit(desk: &Repo<'_>, message: &str) -> String {
    desk.git(&["add", "-A"]).ok();
    desk.git(&["commit", "-q", "--allow-empty", "-m", message]).ok();
    desk.git_out(&["rev-parse", "HEAD"])
}

#[test]
fn everything_that_pointsman_pushes_passes_in_silence() {
    let world = World::new();
    let clone = two_versions(&world);
    for verb in [
        &["promote", "support", "--to", "pre-release"][..],
        &["promote", "support", "--to", "live", "--confirm", "--idempotency-key", "k1"],
        &["rollback", "support", "--reason", "callers were asked twice"],
        &["release-hold", "support"],
        &["hold", "support", "--reason", "campaign"],
        &["release-hold", "support"],
        &["revoke", "support", "v2"],
        &["retire", "support", "--env", "live"],
        &["reconcile", "--once"],
    ] {
        let ended = clone.pointsman(verb).ok();
        assert!(!ended.stderr.contains("remote:"), "{verb:?}: {}", ended.stderr);
    }
    all_is_well(&clone);
    // The policy's own changes too: routes, a pin, another environment, one under a new name.
    let policy = "[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n\n[[environments]]\nname = \"canary\"\n\n\
        [[environments]]\nname = \"production\"\nrenamed_from = \"live\"\npins = { support = 1 }\n\n\
        [[environments.numbers]]\nnumber = \"+442071234567\"\nagent = \"support\"\n";
    clone.write("pointsman.toml", policy);
    clone.git(&["add", "pointsman.toml"]).ok();
    clone.git(&["commit", "-qm", "Another policy"]).ok();
    taken(&clone, &["main"]);
    let ended = clone.pointsman(&["reconcile", "--once"]).ok();
    assert!(!ended.stderr.contains("remote:"), "{}", ended.stderr);
    clone.publish_support("Good night");
    all_is_well(&clone);
    world.git("origin.git", &["rev-parse", "--verify", "env/production:routes.json"]).ok();
}

#[test]
fn a_new_version_tag_is_judged_as_the_next_pass_would() {
    let world = World::new();
    let clone = two_versions(&world);
    clone.git(&["tag", "support/v3"]).ok();
    refused(&clone, &["support/v3"], "is a lightweight tag", "git tag -f -a support/v3");
    clone.git(&["tag", "-f", "-a", "support/v3", "-m", "By hand"]).ok();
    clone.git(&["tag", "-a", "support/v300", "-m", "Too far"]).ok();
    refused(&clone, &["support/v300"], "more than 100 ahead of the newest version, v2", "pointsman versions support");

    clone.write("agents/support/agent.toml", "name = \"Support\"\ngreting = \"Hello\"\n");
    clone.git(&["commit", "-qam", "A slip"]).ok();
    clone.git(&["tag", "-a", "support/v4", "-m", "A slip"]).ok();
    let said =
        refused(&clone, &["support/v3", "support/v4"], "agents/support/agent.toml:2:1", "pointsman check support");
    assert!(!said.stderr.contains("`refs/tags/support/v3`"), "only what is wrong is told: {}", said.stderr);
    // The very words that a pass finds where no hook stood in the way.
    std::fs::remove_file(world.path("origin.git/hooks/pre-receive")).unwrap();
    taken(&clone, &["support/v4"]);
    install(&world);
    clone.pointsman(&["reconcile", "--once"]).ok();
    let rejected = world.git("origin.git", &["show", "pointsman/ledger:agents/support/rejected/v4.json"]).ok();
    let rejected: serde_json::Value = serde_json::from_str(&rejected.stdout).unwrap();
    assert!(said.stderr.contains(rejected["reason"].as_str().unwrap()), "{rejected} in {}", said.stderr);

    taken(&clone, &["support/v3"]);
    clone.pointsman(&["reconcile", "--once"]).ok();
    world.git("origin.git", &["rev-parse", "--verify", "pointsman/ledger:agents/support/v3"]).ok();
    // What is refused is nobody's version: it may be replaced, and deleted.
    clone.git(&["tag", "-f", "-a", "support/v4", "-m", "Another slip"]).ok();
    refused(&clone, &["-f", "support/v4"], "agents/support/agent.toml:2:1", "pointsman check support");
    taken(&clone, &["--delete", "support/v4"]);
    clone.pointsman(&["reconcile", "--once"]).ok();
    all_is_well(&clone);
}

#[test]
fn published_tags_do_not_move_and_are_not_deleted() {
    let world = World::new();
    let clone = two_versions(&world);
    refused(&clone, &["--delete", "support/v1"], "`support/v1` is published", "pointsman revoke support v1");
    let right = clone.git_out(&["rev-parse", "support/v1"]);
    clone.git(&["tag", "-f", "-a", "support/v1", "-m", "Moved"]).ok();
    refused(&clone, &["-f", "support/v1"], "a published version does not move", "pointsman publish support");
    // A bare tag is a publish already, before any pass has seen it.
    clone.git(&["tag", "-a", "support/v3", "-m", "By hand"]).ok();
    taken(&clone, &["support/v3"]);
    refused(&clone, &["--delete", "support/v3"], "`support/v3` is published", "pointsman revoke support v3");
    clone.git(&["tag", "-f", "-a", "support/v3", "-m", "Moved"]).ok();
    refused(&clone, &["-f", "support/v3"], "`support/v3` is published", "git tag -a support/v<number>");
    // Whoever puts the right tag back is welcome.
    world.git("origin.git", &["update-ref", "-d", "refs/tags/support/v1"]).ok();
    taken(&clone, &[&format!("{right}:refs/tags/support/v1")]);
}

#[test]
fn what_is_not_pointsmans_passes_untouched() {
    let world = World::new();
    let clone = two_versions(&world);
    for name in ["v1", "mylib/v1", "mylib/v2024", "support/beta", "support/v01", "Release/v1"] {
        clone.git(&["tag", name]).ok();
        clone.git(&["tag", "-a", &format!("{name}.x"), "-m", "x"]).ok();
        taken(&clone, &[name, &format!("{name}.x")]);
        taken(&clone, &["--delete", name]);
    }
    clone.git(&["tag", "-a", "otherlib/v500", "-m", "x"]).ok();
    taken(&clone, &["otherlib/v500"]);
    for branch in ["topic", "env/Not-A-Name", "env/mine", "environments/live", "pointsman/notes"] {
        taken(&clone, &[&format!("main:refs/heads/{branch}")]);
        taken(&clone, &["-f", &format!("main~1:refs/heads/{branch}")]);
        taken(&clone, &["--delete", branch]);
    }
    taken(&clone, &["main:refs/notes/x"]);
    // A repository that has nothing of ours yet may call a branch as it likes.
    std::fs::rename(world.path("origin.git"), world.path("aside.git")).unwrap();
    world.bare("origin.git");
    install(&world);
    taken(&clone, &["main", "main:refs/heads/env/live"]);
    taken(&clone, &["-f", "main~1:refs/heads/env/live"]);
    taken(&clone, &["--delete", "env/live"]);
}

#[test]
fn a_hand_edited_environment_is_refused_and_a_rightful_proposal_passes() {
    let world = World::new();
    let clone = two_versions(&world);
    let edit = desk(&clone, "env/live");
    edit.write("agents/support/source/persona.md", "You sell.\n");
    commit(&edit, "Quick fix");
    refused(&edit, &["HEAD:env/live"], "is not a published version", "pointsman promote <agent> --to live");

    let edit = desk(&clone, "env/live");
    edit.write("notes.txt", "note");
    commit(&edit, "A note");
    refused(&edit, &["HEAD:env/live"], "everything else is generated", "pointsman promote <agent> --to live");

    // The tree of v2, which has not been in pre-release: not yet. Then it has, and the same change may come.
    let propose = || {
        let edit = desk(&clone, "env/live");
        edit.git(&["rm", "-rq", "agents/support"]).ok();
        edit.git(&["read-tree", "--prefix=agents/support/", "origin/pointsman/ledger:agents/support/v2"]).ok();
        edit.git(&["commit", "-qm", "Version 2 goes live"]).ok();
        edit
    };
    refused(&propose(), &["HEAD:env/live"], "support v2 may not enter live", "pointsman promote <agent> --to live");
    clone.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    let edit = propose();
    taken(&edit, &["HEAD:env/live"]);
    clone.pointsman(&["reconcile", "--once"]).ok();
    let tree = |name: &str| world.git("origin.git", &["rev-parse", name]).ok().stdout;
    assert_eq!(tree("env/live:agents/support"), tree("pointsman/ledger:agents/support/v2"));
    all_is_well(&clone);

    clone.git(&["fetch", "-q", "origin"]).ok();
    refused(&clone, &["-f", "origin/env/live~1:env/live"], "live only grows", "pointsman rollback <agent> --env live");
    refused(&clone, &["-f", "main:env/live"], "live only grows", "pointsman rollback <agent> --env live");
    refused(&clone, &["--delete", "env/live"], "says what is live there", "pointsman retire");
    refused(&clone, &["origin/env/live:refs/heads/env/copy"], "carries the history of one", "pointsman.toml");
}

#[test]
fn the_ledger_only_grows_by_what_proves_itself() {
    let world = World::new();
    let clone = two_versions(&world);
    let hint = "pointsman reconcile --once";
    clone.git(&["fetch", "-q", "origin"]).ok();
    refused(&clone, &["--delete", "pointsman/ledger"], "is not deleted", hint);
    refused(&clone, &["-f", "origin/pointsman/ledger~1:pointsman/ledger"], "the ledger only grows", hint);
    refused(&clone, &["-f", "main:pointsman/ledger"], "the ledger only grows", hint);

    let forged = |reason: &str, forge: &dyn Fn(&Repo<'_>)| {
        let edit = desk(&clone, "pointsman/ledger");
        forge(&edit);
        commit(&edit, "By hand");
        refused(&edit, &["HEAD:pointsman/ledger"], reason, hint);
    };
    forged("nothing of the kind is ever written at `notes.txt`", &|edit| edit.write("notes.txt", "x"));
    forged("support/v1 is an accepted version", &|edit| {
        edit.write("agents/support/v1/config.json", "{}");
    });
    forged("support/v2 is an accepted version", &|edit| {
        edit.git(&["rm", "-rq", "agents/support/v2"]).ok();
    });
    forged("support/v3 does not prove itself", &|edit| {
        edit.git(&["read-tree", "--prefix=agents/support/v3/", "HEAD:agents/support/v2"]).ok();
        edit.git(&["checkout", "-q", "--", "agents"]).ok();
    });
    forged("`agents/support/marks.json` does not parse", &|edit| edit.write("agents/support/marks.json", "{"));
    forged("`environments/live.json` does not parse", &|edit| edit.write("environments/live.json", "[]"));
    forged("the accepted head of live vanishes", &|edit| {
        edit.git(&["rm", "-q", "environments/live.json"]).ok();
    });
    let swap = |from: &'static str, to: &'static str| {
        move |edit: &Repo<'_>| {
            let text = std::fs::read_to_string(edit.path("environments/live.json")).unwrap();
            assert!(text.contains(from), "{text}");
            edit.write("environments/live.json", text.replace(from, to));
        }
    };
    // Without the head among its parents nothing more is looked at; with it, the line is.
    forged("does not keep", &swap("\"height\": 2", "\"height\": 3"));
    let head = clone.git_out(&["rev-parse", "origin/env/live"]);
    let merged = |reason: &str, head: &str, forge: &dyn Fn(&Repo<'_>)| {
        let edit = desk(&clone, "pointsman/ledger");
        forge(&edit);
        edit.git(&["add", "-A"]).ok();
        let tree = edit.git_out(&["write-tree"]);
        let commit = edit.git_out(&["commit-tree", &tree, "-p", "HEAD", "-p", head, "-m", "By hand"]);
        refused(&edit, &[&format!("{commit}:pointsman/ledger")], reason, hint);
        commit
    };
    merged("the line of live has 2 commits, but its height says 3", &head, &swap("\"height\": 2", "\"height\": 3"));
    merged("what was rolled back from in live is not", &head, &|edit| {
        let text = format!("{{\"head\": \"{head}\", \"height\": 2, \"rolledBack\": {{\"support\": [1]}}}}");
        edit.write("environments/live.json", text);
    });
    // An environment commit of one's own, and a ledger that accepts it, in one push.
    let edit = desk(&clone, "env/live");
    edit.write("agents/support/source/persona.md", "You sell.\n");
    let own = commit(&edit, "Quick fix");
    let text = format!("{{\"head\": \"{own}\", \"height\": 3}}");
    let ledger = merged("it is no record of Pointsman's", &own, &|edit| {
        edit.write("environments/live.json", &text);
    });
    refused(&clone, &[&format!("{own}:env/live"), &format!("{ledger}:pointsman/ledger")], "it is no record", hint);
    all_is_well(&clone);
}

#[test]
fn a_record_that_does_not_fit_its_tree_is_no_proof() {
    let world = World::new();
    let clone = two_versions(&world);
    clone.git(&["fetch", "-q", "origin"]).ok();
    let accepts = |message: &str, forge: &dyn Fn(&Repo<'_>)| {
        let edit = desk(&clone, "env/live");
        forge(&edit);
        let own = commit(&edit, message);
        let edit = desk(&clone, "pointsman/ledger");
        edit.write("environments/live.json", format!("{{\"head\": \"{own}\", \"height\": 3}}"));
        edit.git(&["add", "-A"]).ok();
        let tree = edit.git_out(&["write-tree"]);
        let ledger = edit.git_out(&["commit-tree", &tree, "-p", "HEAD", "-p", &own, "-m", "By hand"]);
        [format!("{own}:env/live"), format!("{ledger}:pointsman/ledger")]
    };
    let record = "Promote\n\nPointsman-Action: promote\nPointsman-Environment: live\nPointsman-Actor: Ada <a@b>\n\
        Pointsman-Cause: cli\nPointsman-Move: support v1 v2 0193a0a4-4a4d-7c3e-8000-000000000001\n";
    let [env, ledger] = accepts(record, &|_| {});
    refused(&clone, &[&env, &ledger], "it says that `support` went from v1 to v2", "reconcile --once");
    let [env, ledger] = accepts(record, &|edit| edit.write("agents/support/source/persona.md", "You sell.\n"));
    refused(&clone, &[&env, &ledger], "is no published version of it", "reconcile --once");
    let [env, ledger] = accepts(&record.replace("Environment: live", "Environment: sandbox"), &|edit| {
        edit.git(&["rm", "-rq", "agents/support"]).ok();
        edit.git(&["read-tree", "--prefix=agents/support/", "origin/pointsman/ledger:agents/support/v2"]).ok();
        edit.git(&["checkout", "-q", "--", "agents"]).ok();
    });
    refused(&clone, &[&env, &ledger], "it is a move in sandbox", "reconcile --once");
    all_is_well(&clone);
}

#[test]
fn a_remote_that_is_given_a_whole_history_judges_all_of_it() {
    let world = World::new();
    let clone = two_versions(&world);
    clone.pointsman(&["rollback", "support", "--env", "sandbox", "--to", "v1"]).ok();
    std::fs::remove_dir_all(world.path("origin.git")).unwrap();
    world.bare("origin.git");
    install(&world);
    taken(&clone, &["main"]);
    let ended = clone.pointsman(&["reconcile", "--once"]).ok();
    assert!(!ended.stderr.contains("remote:"), "{}", ended.stderr);
    all_is_well(&clone);
    // A ledger that was lost on the server is found again, and passes as well.
    world.git("origin.git", &["update-ref", "-d", "refs/heads/pointsman/ledger"]).ok();
    let fresh = world.clone_of(&world.path("origin.git"), "fresh");
    let ended = fresh.pointsman(&["reconcile", "--once"]).ok();
    assert!(!ended.stderr.contains("remote:"), "{}", ended.stderr);
    all_is_well(&fresh);
}

#[test]
fn a_ledger_that_grew_from_something_else_never_comes_in() {
    let world = World::new();
    let origin = origin(&world);
    install(&world);
    let clone = world.clone_of(&origin, "clone");
    refused(&clone, &["main:refs/heads/pointsman/ledger"], "begins with Pointsman's own root", "reconcile --once");
    // Notes of a clone would be believed where a controller works in the repository itself.
    refused(&clone, &["main:refs/pointsman/seen/ledger"], "never pushed", "git push origin --all");
}

#[test]
fn five_hundred_tags_are_judged_in_one_go() {
    let world = World::new();
    let clone = two_versions(&world);
    for group in 0..5 {
        for agent in 0..100 {
            let text = format!("name = \"Agent {agent}\"\ngreeting = \"Hello from {group}\"\n");
            clone.write(&format!("agents/team{group}/agent{agent}/agent.toml"), text);
        }
    }
    // One of them is wrong, and that is the only one that is told.
    clone.write("agents/team3/agent33/agent.toml", "nme = \"Agent\"\n");
    clone.git(&["add", "-A"]).ok();
    clone.git(&["commit", "-qm", "Many"]).ok();
    let mut tags = Vec::new();
    let mut stream = String::new();
    for group in 0..5 {
        for agent in 0..100 {
            let tag = format!("team{group}/agent{agent}/v1");
            stream.push_str(&format!(
                "tag {tag}\nfrom refs/heads/main\ntagger Ada <ada@example.com> 1700000000 +0000\ndata 2\nx\n"
            ));
            tags.push(format!("refs/tags/{tag}"));
        }
    }
    clone.write("stream", &stream);
    let mut import = isolated("git", &world.home());
    import.arg("-C").arg(&clone.dir).args(["fast-import", "--quiet"]);
    import.stdin(Stdio::from(std::fs::File::open(clone.path("stream")).unwrap()));
    assert!(import.status().unwrap().success());
    let all: Vec<&str> = tags.iter().map(String::as_str).collect();
    let said = refused(&clone, &all, "`refs/tags/team3/agent33/v1`: ", "pointsman check team3/agent33");
    assert_eq!(said.stderr.matches("remote: error:").count(), 1, "{}", said.stderr);
    let good: Vec<&str> = all.into_iter().filter(|tag| !tag.contains("agent33/")).collect();
    taken(&clone, &good);
    // And accepting all of them is one ledger commit, judged in one go as well.
    let ended = clone.pointsman(&["reconcile", "--once"]).ok();
    assert!(!ended.stderr.contains("remote:"), "{}", ended.stderr);
    let accepted =
        world.git("origin.git", &["ls-tree", "-r", "--name-only", "pointsman/ledger", "agents/"]).ok().stdout;
    assert_eq!(accepted.matches("/v1/version.json").count(), 1 + good.len());
}

#[test]
fn what_cannot_be_judged_does_not_land() {
    let world = World::new();
    let clone = two_versions(&world);
    let hook = |input: &str| {
        clone.write("input", input);
        let mut command = isolated(env!("CARGO_BIN_EXE_pointsman"), &world.home());
        command.current_dir(world.path("origin.git")).args(["hook", "pre-receive"]);
        command.stdin(Stdio::from(std::fs::File::open(clone.path("input")).unwrap()));
        Ended::of(command.output().unwrap())
    };
    assert_eq!(hook("").ok().stderr, "");
    hook("garbage\n").refused("this push cannot be judged, so it is refused", "hooks/pre-receive");
    let main = clone.git_out(&["rev-parse", "main"]);
    let twice = format!("{NO_OBJECT} {main} refs/heads/a\n{NO_OBJECT} {main} refs/heads/a\n");
    hook(&twice).refused("the push names `refs/heads/a` twice", "once");
    let stale = format!("{NO_OBJECT} {main} refs/heads/env/live\n");
    hook(&stale).refused("`refs/heads/env/live`: it moved since it was fetched", "git fetch origin");
    let absent = format!("{NO_OBJECT} {} refs/tags/support/v9\n", "1".repeat(40));
    assert_eq!(hook(&absent).code, 1);
    let json = isolated(env!("CARGO_BIN_EXE_pointsman"), &world.home())
        .current_dir(world.path("origin.git"))
        .args(["hook", "pre-receive", "--json"])
        .stdin({
            clone.write("input", &stale);
            Stdio::from(std::fs::File::open(clone.path("input")).unwrap())
        })
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(json["error"]["details"]["refs"][0]["ref"], "refs/heads/env/live");

    // A ledger that is none: no version can be judged by it, ordinary work goes on.
    world.git("origin.git", &["update-ref", "refs/heads/pointsman/ledger", &main]).ok();
    clone.git(&["tag", "-a", "support/v3", "-m", "x"]).ok();
    let ended = clone.git(&["push", "origin", "support/v3"]);
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("remote: error: this push cannot be judged"), "{}", ended.stderr);
    taken(&clone, &["main:refs/heads/topic"]);
}

#[test]
fn two_people_who_publish_at_once_through_the_hook_both_get_their_version() {
    let world = World::new();
    let clone = two_versions(&world);
    let other = world.clone_of(&world.path("origin.git"), "other");
    let mut running = Vec::new();
    for (repo, word) in [(&clone, "clone"), (&other, "other")] {
        repo.write("agents/support/persona.md", format!("You are the {word}.\n"));
        let mut command = repo.command(&["publish", "support", "--note", word]);
        running.push(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    }
    let ended: Vec<_> = running.into_iter().map(|child| Ended::of(child.wait_with_output().unwrap())).collect();
    let published = ended.iter().filter(|ended| ended.code == 0).count();
    // The slower one may be told to look first, because the newest version is not in its history; nothing else.
    for ended in &ended {
        assert!(ended.code == 0 || ended.stderr.contains("v3"), "{}", ended.stderr);
    }
    assert!(published >= 1);
    all_is_well(&clone);
}

#[test]
fn protect_names_the_hook() {
    let world = World::new();
    let repo = world.repository("repo");
    for forge in ["github", "gitlab", "gitea"] {
        let printed = repo.pointsman(&["protect", "--forge", forge, "--controller", "1"]).ok().stdout;
        assert!(printed.contains("pointsman hook pre-receive"), "{printed}");
    }
}
