//! One world: clones of one origin decide on its refs, whoever asks, and nobody's work is lost.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env::{Ended, Repo, World, isolated};

/// An origin whose `main` holds the agent `support`.
fn origin(world: &World) -> PathBuf {
    let origin = world.bare("origin.git");
    let seed = world.repository("seed");
    seed.git(&["push", "-q", &format!("file://{}", origin.display()), "main"]).ok();
    origin
}

/// What a git command prints in the origin.
#[track_caller]
fn at_origin(world: &World, args: &[&str]) -> String {
    world.git("origin.git", args).ok().stdout.trim().to_owned()
}

/// A clone with an agent `support` whose greeting is `greeting`.
fn with_greeting<'w>(world: &'w World, origin: &Path, name: &str, greeting: &str) -> Repo<'w> {
    let clone = world.clone_of(origin, name);
    clone.write("agents/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
    clone
}

/// The text between `after` and the next `;` or the end of the hint.
fn command_in_hint(ended: &Ended, after: &str) -> String {
    let (_, hint) = ended.stderr.split_once(after).unwrap_or_else(|| panic!("no `{after}` in {}", ended.stderr));
    hint.lines().next().unwrap().split("; ").next().unwrap().trim().to_owned()
}

/// Types `command` in a shell.
#[track_caller]
fn types(repo: &Repo<'_>, command: &str) {
    let output = isolated("sh", &repo.world.home()).arg("-c").arg(command).current_dir(&repo.dir).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Lets the origin run `script` before it takes a push (`pre-receive`) or one ref of it (`update`).
fn hook(world: &World, name: &str, script: &str) {
    world.write(&format!("origin.git/hooks/{name}"), format!("#!/bin/sh\n{script}\n"));
    let path = world.path(&format!("origin.git/hooks/{name}"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Version tags, ledger entries and the ledger's line agree, and git finds no fault.
#[track_caller]
fn one_linear_ledger_that_names_every_tag(world: &World, versions: usize) {
    world.git("origin.git", &["fsck", "--strict", "--no-dangling"]).ok();
    let tags = at_origin(world, &["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/tags"]);
    assert_eq!(tags.lines().count(), versions, "{tags}");
    let mut tagged = std::collections::BTreeSet::new();
    for line in tags.lines() {
        let (name, object) = line.split_once(' ').unwrap();
        let entry = at_origin(world, &["show", &format!("pointsman/ledger:agents/{name}/version.json")]);
        assert!(entry.contains(object), "{name} is {object}, but the ledger says {entry}");
        assert!(tagged.insert(name.to_owned()));
    }
    let entries =
        at_origin(world, &["ls-tree", "-d", "--name-only", "pointsman/ledger:agents/support"]).lines().count();
    assert_eq!(entries, versions);
    // First parents are the ledger's history: each commit continues the one before, down to the common root.
    let line = at_origin(world, &["rev-list", "--first-parent", "pointsman/ledger"]);
    let root = line.lines().last().unwrap();
    assert_eq!(at_origin(world, &["log", "-1", "--format=%s", root]), "Begin");
    environments_are_as_high_as_the_ledger_says(world);
}

#[track_caller]
fn environments_are_as_high_as_the_ledger_says(world: &World) {
    for name in ["sandbox", "pre-release", "live"] {
        let head: serde_json::Value =
            serde_json::from_str(&at_origin(world, &["show", &format!("pointsman/ledger:environments/{name}.json")]))
                .unwrap();
        let branch = format!("env/{name}");
        assert_eq!(head["head"], at_origin(world, &["rev-parse", &branch]));
        let height = at_origin(world, &["rev-list", "--first-parent", "--count", &branch]);
        assert_eq!(head["height"].to_string(), height, "{name}");
    }
}

#[test]
fn a_decision_in_one_clone_is_the_origins_and_every_clone_sees_it() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    let bob = world.clone_of(&origin, "bob");
    ada.publish_support("one");
    ada.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    ada.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();

    let live = at_origin(&world, &["rev-parse", "env/live:agents/support"]);
    assert_eq!(live, at_origin(&world, &["rev-parse", "pointsman/ledger:agents/support/v1"]));
    // The origin's main is as it was: a publish pushes the tag, which carries its commit, and no branch of the user's.
    assert_eq!(at_origin(&world, &["rev-list", "--count", "main"]), "1");
    assert_eq!(at_origin(&world, &["rev-parse", "support/v1^{commit}"]), ada.git_out(&["rev-parse", "main"]));

    bob.pointsman(&["reconcile", "--once"]).ok();
    for repo in [&ada, &bob] {
        assert_eq!(repo.git_out(&["rev-parse", "env/live:agents/support"]), live);
        for name in ["env/sandbox", "env/pre-release", "env/live", "pointsman/ledger", "support/v1"] {
            assert_eq!(repo.git_out(&["rev-parse", name]), at_origin(&world, &["rev-parse", name]), "{name}");
        }
        assert_eq!(repo.git_out(&["status", "--porcelain"]), "");
    }
    let versions = bob.pointsman(&["versions", "support", "--json"]).ok().json();
    assert!(versions.to_string().contains("\"support/v1\""), "{versions}");
    // What is there already is seen from the other clone too.
    let again = bob.pointsman(&["promote", "support", "--to", "live", "--confirm", "--json"]).ok().json();
    assert!(again["action"].is_null(), "{again}");
}

#[test]
fn local_decides_in_this_repository_and_leaves_the_origin_alone() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.pointsman(&["publish", "support", "--local"]).ok();
    assert_eq!(
        ada.git_out(&["rev-parse", "env/sandbox:agents/support/source"]),
        ada.git_out(&["rev-parse", "support/v1:agents/support"])
    );
    assert_eq!(at_origin(&world, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    // An origin that has no ledger is given the local one, tags and environments with it.
    ada.pointsman(&["reconcile", "--once"]).ok();
    for name in ["pointsman/ledger", "env/sandbox", "support/v1"] {
        assert_eq!(ada.git_out(&["rev-parse", name]), at_origin(&world, &["rev-parse", name]), "{name}");
    }
    one_linear_ledger_that_names_every_tag(&world, 1);
}

#[test]
fn local_branches_that_the_origins_do_not_contain_stop_decisions_until_one_side_is_chosen() {
    for keep in [false, true] {
        let world = World::new();
        let origin = origin(&world);
        let ada = world.clone_of(&origin, "ada");
        let bob = world.clone_of(&origin, "bob");
        bob.pointsman(&["publish", "support", "--local", "--note", "from bob"]).ok();
        ada.publish_support("from ada");
        let (ours, theirs) =
            (bob.git_out(&["rev-parse", "pointsman/ledger"]), at_origin(&world, &["rev-parse", "pointsman/ledger"]));
        let before = at_origin(&world, &["for-each-ref"]);
        let stopped = bob.pointsman(&["promote", "support", "--to", "pre-release"]);
        assert!(stopped.stderr.contains(&ours) && stopped.stderr.contains(&theirs), "{}", stopped.stderr);
        let stopped = stopped.refused("does not contain it", "git update-ref");
        assert_eq!(at_origin(&world, &["for-each-ref"]), before);

        let command =
            command_in_hint(&stopped, if keep { "to keep yours, type: " } else { "to take the remote's, type: " });
        types(&bob, &command);
        bob.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
        let wanted = if keep { ours } else { theirs };
        bob.git(&["merge-base", "--is-ancestor", &wanted, "pointsman/ledger"]).ok();
        assert_eq!(
            bob.git_out(&["rev-parse", "pointsman/ledger"]),
            at_origin(&world, &["rev-parse", "pointsman/ledger"])
        );
        assert_eq!(bob.git_out(&["rev-parse", "support/v1"]), at_origin(&world, &["rev-parse", "support/v1"]));
        one_linear_ledger_that_names_every_tag(&world, 1);
        if !keep {
            // The local tag of that name was another one; nothing of it is lost.
            let kept = bob.git_out(&["for-each-ref", "--format=%(contents:subject)", "refs/pointsman/foreign"]);
            assert_eq!(kept, "from bob");
        }
    }
}

#[test]
fn a_ledger_that_was_set_back_in_the_origin_is_never_adopted() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.publish_support("one");
    let older = at_origin(&world, &["rev-parse", "pointsman/ledger"]);
    ada.publish_support("two");
    let newer = at_origin(&world, &["rev-parse", "pointsman/ledger"]);
    at_origin(&world, &["update-ref", "refs/heads/pointsman/ledger", &older]);
    let stopped = ada.pointsman(&["promote", "support", "--to", "pre-release"]);
    assert!(stopped.stderr.contains(&older) && stopped.stderr.contains(&newer), "{}", stopped.stderr);
    types(&ada, &command_in_hint(&stopped, "to keep yours, type: "));
    ada.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    assert_eq!(
        ada.git_out(&["rev-parse", "env/pre-release:agents/support"]),
        ada.git_out(&["rev-parse", "pointsman/ledger:agents/support/v2"])
    );
    one_linear_ledger_that_names_every_tag(&world, 2);
}

#[test]
fn a_lost_ledger_is_put_back_by_whoever_saw_it() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.publish_support("one");
    let ledger = at_origin(&world, &["rev-parse", "pointsman/ledger"]);
    at_origin(&world, &["update-ref", "-d", "refs/heads/pointsman/ledger"]);
    ada.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(at_origin(&world, &["rev-parse", "pointsman/ledger"]), ledger);
    at_origin(&world, &["update-ref", "-d", "refs/heads/pointsman/ledger"]);
    // Also where the local branch is gone: the newest one seen is remembered apart.
    ada.git(&["branch", "-D", "pointsman/ledger"]).ok();
    ada.publish_support("two");
    at_origin(&world, &["merge-base", "--is-ancestor", &ledger, "pointsman/ledger"]);
    one_linear_ledger_that_names_every_tag(&world, 2);
}

#[test]
fn a_hand_edit_of_an_environment_in_the_origin_is_healed_there_without_force() {
    let world = World::new();
    let origin = origin(&world);
    at_origin(&world, &["config", "receive.denyNonFastForwards", "true"]);
    at_origin(&world, &["config", "receive.denyDeletes", "true"]);
    let ada = world.clone_of(&origin, "ada");
    let bob = world.clone_of(&origin, "bob");
    ada.publish_support("one");
    bob.git(&["fetch", "-q"]).ok();
    bob.git(&["checkout", "-q", "--detach", "origin/env/sandbox"]).ok();
    bob.write("agents/support/config.json", "{}");
    bob.git(&["commit", "-qam", "by hand"]).ok();
    bob.git(&["push", "-q", "origin", "HEAD:env/sandbox"]).ok();
    let edited = at_origin(&world, &["rev-parse", "env/sandbox"]);
    ada.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(
        at_origin(&world, &["rev-parse", "env/sandbox:agents/support"]),
        at_origin(&world, &["rev-parse", "pointsman/ledger:agents/support/v1"])
    );
    at_origin(&world, &["merge-base", "--is-ancestor", &edited, "env/sandbox"]);
    assert_eq!(ada.git_out(&["rev-parse", "env/sandbox"]), at_origin(&world, &["rev-parse", "env/sandbox"]));
    environments_are_as_high_as_the_ledger_says(&world);
}

#[test]
fn of_twenty_clones_with_different_drafts_one_wins_and_the_others_are_told() {
    let world = World::new();
    let origin = origin(&world);
    let clones: Vec<_> =
        (0..20).map(|n| with_greeting(&world, &origin, &format!("clone-{n}"), &format!("hello {n}"))).collect();
    let ended = at_once(&clones, |_| vec!["publish", "support", "--json"]);
    let (won, lost): (Vec<_>, Vec<_>) = ended.iter().partition(|ended| ended.code == 0);
    assert_eq!(won.len(), 1, "a publish from a stale base loses what the newest version changed");
    for ended in lost {
        assert_eq!(ended.code, 1);
        let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
        assert_eq!(error["error"]["code"], "version_mismatch", "{error}");
    }
    one_linear_ledger_that_names_every_tag(&world, 1);
}

#[test]
fn of_twenty_clones_that_publish_over_each_other_each_gets_a_number_of_its_own() {
    let world = World::new();
    let origin = origin(&world);
    let clones: Vec<_> =
        (0..20).map(|n| with_greeting(&world, &origin, &format!("clone-{n}"), &format!("hello {n}"))).collect();
    let ended = at_once(&clones, |_| vec!["publish", "support", "--over", "--json"]);
    let mut numbers = std::collections::BTreeSet::new();
    for (clone, ended) in clones.iter().zip(&ended) {
        if ended.code != 0 {
            // On a machine busy with other things somebody may run out of patience, and says so.
            let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
            assert_eq!(error["error"]["code"], "publish_race", "{error}");
            continue;
        }
        let version = &ended.json()["version"];
        assert!(numbers.insert(version["version"].as_u64().unwrap()), "a number was given twice: {version}");
        // However often the number changed, the draft was committed once.
        assert_eq!(clone.git_out(&["rev-list", "--count", "main"]), "2");
        assert_eq!(version["commit"], clone.git_out(&["rev-parse", "main"]));
        assert_eq!(version["parent"].as_u64().unwrap_or(0), version["version"].as_u64().unwrap() - 1);
    }
    assert_eq!(numbers, (1..=numbers.len() as u64).collect());
    assert!(numbers.len() > 1);
    one_linear_ledger_that_names_every_tag(&world, numbers.len());
}

#[test]
fn clones_that_publish_the_same_bytes_at_once_make_one_version() {
    let world = World::new();
    let origin = origin(&world);
    let clones: Vec<_> = (0..4).map(|n| with_greeting(&world, &origin, &format!("clone-{n}"), "the same")).collect();
    let ended = at_once(&clones, |_| vec!["publish", "support", "--json"]);
    for ended in ended {
        assert_eq!(ended.ok().json()["version"]["version"], 1);
    }
    one_linear_ledger_that_names_every_tag(&world, 1);
}

#[test]
fn processes_that_publish_in_one_repository_without_an_origin_make_one_version_each() {
    let world = World::new();
    let repo = world.repository("shop");
    for agent in ["a", "b", "c", "d", "e", "f"] {
        repo.write(&format!("agents/{agent}/agent.toml"), format!("name = \"{agent}\"\n"));
    }
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Agents"]).ok();
    let agents = ["a", "b", "c", "d", "e", "f"];
    let repos: Vec<_> = agents.iter().map(|_| Repo { world: &world, dir: repo.dir.clone() }).collect();
    let ended = at_once(&repos, |n| vec!["publish", agents[n], "--json"]);
    for ended in ended {
        let published = ended.ok().json();
        assert_eq!(published["version"]["version"], 1, "{published}");
        assert_eq!(published["created"], true, "{published}");
    }
    let tags = repo.git_out(&["tag"]);
    assert_eq!(tags, "a/v1\nb/v1\nc/v1\nd/v1\ne/v1\nf/v1");
    repo.pointsman(&["reconcile", "--once"]).ok();
    for agent in agents {
        assert_eq!(
            repo.git_out(&["rev-parse", &format!("env/sandbox:agents/{agent}")]),
            repo.git_out(&["rev-parse", &format!("pointsman/ledger:agents/{agent}/v1")])
        );
    }
}

#[test]
fn promotes_that_race_from_many_clones_leave_one_line_of_the_right_height() {
    let world = World::new();
    let origin = origin(&world);
    let first = world.clone_of(&origin, "first");
    let agents: Vec<_> = (0..8).map(|n| format!("agent{n}")).collect();
    for agent in &agents {
        first.write(&format!("agents/{agent}/agent.toml"), format!("name = \"{agent}\"\n"));
        first.pointsman(&["publish", agent]).ok();
    }
    let clones: Vec<_> = (0..8).map(|n| world.clone_of(&origin, &format!("clone-{n}"))).collect();
    let ended = at_once(&clones, |n| vec!["promote", &agents[n], "--to", "pre-release", "--json"]);
    let mut commits = std::collections::BTreeSet::new();
    for ended in ended {
        assert!(commits.insert(ended.ok().json()["commit"].to_string()));
    }
    // The root, and one commit per promotion.
    assert_eq!(at_origin(&world, &["rev-list", "--first-parent", "--count", "env/pre-release"]), "9");
    assert_eq!(at_origin(&world, &["rev-list", "--count", "--min-parents=2", "env/pre-release"]), "0");
    for agent in &agents {
        assert_eq!(
            at_origin(&world, &["rev-parse", &format!("env/pre-release:agents/{agent}")]),
            at_origin(&world, &["rev-parse", &format!("pointsman/ledger:agents/{agent}/v1")])
        );
    }
    environments_are_as_high_as_the_ledger_says(&world);
    world.git("origin.git", &["fsck", "--strict", "--no-dangling"]).ok();
}

/// Runs the program in all `repos` at the same time.
fn at_once<'a>(repos: &[Repo<'_>], args: impl Fn(usize) -> Vec<&'a str>) -> Vec<Ended> {
    let running: Vec<_> = repos
        .iter()
        .enumerate()
        .map(|(n, repo)| {
            let mut command: Command = repo.command(&args(n));
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    // Each has its own reader, so that none waits for another's full pipe.
    let readers: Vec<_> =
        running.into_iter().map(|child| std::thread::spawn(move || child.wait_with_output().unwrap())).collect();
    readers.into_iter().map(|reader| Ended::of(reader.join().unwrap())).collect()
}

#[test]
fn a_stale_base_is_told_and_merging_the_newest_version_settles_it() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    let bob = world.clone_of(&origin, "bob");
    ada.publish_support("from ada");
    bob.write("agents/support/persona.md", "You are terse.\n");
    let refused = bob.pointsman(&["publish", "support"]).refused("`support/v1`", "git merge support/v1");
    assert_eq!(bob.git_out(&["rev-list", "--count", "main"]), "1", "nothing was committed");
    bob.git(&["commit", "-qam", "Terse"]).ok();
    types(&bob, &format!("{} -m merged", command_in_hint(&refused, "hint: ").split(" takes").next().unwrap()));
    let published = bob.pointsman(&["publish", "support", "--json"]).ok().json();
    assert_eq!(published["version"]["version"], 2);
    let text = at_origin(&world, &["show", "pointsman/ledger:agents/support/v2/source/agent.toml"]);
    assert!(text.contains("from ada"), "{text}");
}

#[test]
fn an_origin_that_refuses_everything_is_quoted_and_nothing_of_it_moves() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    hook(
        &world,
        "pre-receive",
        "cat >/dev/null; echo pushed >>../pushes; printf 'closed for \\033[31maudit\\n' >&2; exit 1",
    );
    let refused = ada.pointsman(&["publish", "support"]).refused("closed for", "pointsman protect");
    assert!(!refused.stderr.contains('\u{1b}'), "{:?}", refused.stderr);
    assert!(refused.stderr.contains("refs/heads/pointsman/ledger"), "{}", refused.stderr);
    assert_eq!(at_origin(&world, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    assert_eq!(ada.git_out(&["for-each-ref", "refs/tags", "refs/heads/env", "refs/heads/pointsman"]), "");
    // Read again and decided again, then each part alone; not for ever.
    let pushes = std::fs::read_to_string(world.path("pushes")).unwrap().lines().count();
    assert!((2..=6).contains(&pushes), "{pushes}");
    std::fs::remove_file(world.path("origin.git/hooks/pre-receive")).unwrap();
    assert_eq!(ada.pointsman(&["publish", "support", "--json"]).ok().json()["version"]["version"], 1);
}

#[test]
fn one_protected_environment_stops_only_itself() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.pointsman(&["publish", "support"]).ok();
    let protect = "case $1 in refs/heads/env/sandbox) echo 'sandbox is frozen' >&2; exit 1;; esac";
    hook(&world, "update", protect);
    let before = at_origin(&world, &["rev-parse", "env/sandbox"]);
    // The version is published although the environment that would take it by itself cannot move.
    let published = ada.publish_support("two");
    assert!(published.stdout.contains("sandbox is frozen"), "{}", published.stdout);
    assert_eq!(at_origin(&world, &["tag"]), "support/v1\nsupport/v2");
    assert_eq!(at_origin(&world, &["rev-parse", "env/sandbox"]), before);
    assert_eq!(ada.git_out(&["rev-parse", "env/sandbox"]), before);
    one_linear_ledger_that_names_every_tag(&world, 2);
    // Other environments go on; the refused one is an error where it is what was asked for.
    ada.pointsman(&["promote", "support", "--to", "pre-release", "--version", "1"]).ok();
    ada.pointsman(&["hold", "support", "--env", "sandbox"]).refused("sandbox is frozen", "the right to push");
    environments_are_as_high_as_the_ledger_says(&world);
    std::fs::remove_file(world.path("origin.git/hooks/update")).unwrap();
    ada.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(
        at_origin(&world, &["rev-parse", "env/sandbox:agents/support"]),
        at_origin(&world, &["rev-parse", "pointsman/ledger:agents/support/v2"])
    );
}

#[test]
fn a_remote_that_is_away_is_told_with_its_words_and_local_goes_on() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.publish_support("one");
    std::fs::rename(&origin, world.path("moved.git")).unwrap();
    let before = ada.git_out(&["for-each-ref"]);
    for args in [["promote", "support", "--to", "pre-release"], ["publish", "support", "--note", "again"]] {
        let refused = ada.pointsman(&args).refused("cannot read the remote `origin`", "--local");
        assert!(refused.stderr.contains("does not appear to be a git repository"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("\\n"), "{}", refused.stderr);
    }
    assert_eq!(ada.git_out(&["for-each-ref"]), before);
    ada.pointsman(&["promote", "support", "--to", "pre-release", "--local"]).ok();
    // The remote comes back: what was decided here continues its ledger, but is not in it. A person says which holds.
    std::fs::rename(world.path("moved.git"), &origin).unwrap();
    let stopped = ada.pointsman(&["reconcile", "--once"]).refused("does not contain it", "git push origin");
    types(&ada, &command_in_hint(&stopped, "to keep yours, type: "));
    ada.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(at_origin(&world, &["rev-parse", "env/pre-release"]), ada.git_out(&["rev-parse", "env/pre-release"]));
    environments_are_as_high_as_the_ledger_says(&world);
}

#[test]
fn an_empty_origin_takes_the_first_version() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = world.repository("shop");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.pointsman(&["publish", "support"]).ok();
    assert_eq!(at_origin(&world, &["tag"]), "support/v1");
    // With the branch pushed later, its policy holds.
    repo.write("pointsman.toml", "[[environments]]\nname = \"only\"\ndeploy = \"latest\"\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Policy"]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(
        at_origin(&world, &["rev-parse", "env/only:agents/support"]),
        at_origin(&world, &["rev-parse", "pointsman/ledger:agents/support/v1"])
    );
}

#[test]
fn the_default_branch_is_found_however_the_remote_came_here() {
    let world = World::new();
    let origin = origin(&world);
    let only = "[[environments]]\nname = \"only\"\ndeploy = \"latest\"\n";
    let seed = Repo { world: &world, dir: world.path("seed") };
    seed.git(&["checkout", "-q", "-b", "trunk"]).ok();
    seed.write("pointsman.toml", only);
    seed.git(&["add", "-A"]).ok();
    seed.git(&["commit", "-qm", "Policy"]).ok();
    let url = format!("file://{}", origin.display());
    seed.git(&["push", "-q", &url, "trunk"]).ok();
    // A clone made while `main` was the default one.
    let ada = world.clone_of(&origin, "ada");
    at_origin(&world, &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    at_origin(&world, &["branch", "-D", "main"]);
    ada.pointsman(&["publish", "support"]).ok();
    assert_eq!(at_origin(&world, &["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/env"]), "env/only");
    // A remote added by hand, which has no origin/HEAD, in a repository on a branch of its own.
    world.git(".", &["init", "-q", "bob"]).ok();
    let bob = Repo { world: &world, dir: world.path("bob") };
    bob.git(&["remote", "add", "origin", &url]).ok();
    bob.git(&["fetch", "-q"]).ok();
    bob.git(&["checkout", "-q", "-b", "work", "origin/trunk"]).ok();
    bob.git(&["symbolic-ref", "-d", "refs/remotes/origin/HEAD"]);
    bob.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(bob.git_out(&["rev-parse", "env/only"]), at_origin(&world, &["rev-parse", "env/only"]));
    // A HEAD in the origin that names nothing.
    at_origin(&world, &["symbolic-ref", "HEAD", "refs/heads/nowhere"]);
    let eve = world.clone_of(&origin, "eve");
    eve.git(&["checkout", "-q", "trunk"]).ok();
    eve.write("agents/support/persona.md", "New\n");
    assert_eq!(eve.pointsman(&["publish", "support", "--json"]).ok().json()["version"]["version"], 2);
}

#[test]
fn a_shallow_clone_publishes_and_says_which_questions_it_cannot_answer() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.publish_support("one");
    ada.git(&["push", "-q", "origin", "main"]).ok();
    ada.write("pointsman.toml", "");
    ada.write("agents/support/persona.md", "Changed and merged, not published.\n");
    ada.git(&["add", "-A"]).ok();
    ada.git(&["commit", "-qm", "More"]).ok();
    ada.git(&["push", "-q", "origin", "main"]).ok();
    let url = format!("file://{}", origin.display());
    world.git(".", &["clone", "-q", "--single-branch", "--depth", "1", &url, "shallow"]).ok();
    let shallow = Repo { world: &world, dir: world.path("shallow") };
    // Whether version 1 is part of this history lies beyond the cut.
    shallow.pointsman(&["publish", "support"]).refused("shallow clone", "git fetch --unshallow");
    shallow.pointsman(&["publish", "support", "--over"]).ok();
    one_linear_ledger_that_names_every_tag(&world, 2);
    shallow.git(&["fetch", "-q", "--unshallow"]).ok();
    shallow.write("agents/support/persona.md", "Third.\n");
    assert_eq!(shallow.pointsman(&["publish", "support", "--json"]).ok().json()["version"]["version"], 3);
    // On a base that is the newest version nothing older is asked for.
    shallow.git(&["push", "-q", "origin", "main"]).ok();
    world.git(".", &["clone", "-q", "--depth", "1", &url, "again"]).ok();
    let again = Repo { world: &world, dir: world.path("again") };
    again.write("agents/support/persona.md", "Fourth.\n");
    assert_eq!(again.pointsman(&["publish", "support", "--json"]).ok().json()["version"]["version"], 4);
    one_linear_ledger_that_names_every_tag(&world, 4);
}

#[test]
fn a_shallow_clone_fetches_the_history_that_says_whether_there_ever_was_a_policy() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.write("pointsman.toml", "[[environments]]\nname = \"only\"\ndeploy = \"latest\"\n");
    ada.git(&["add", "-A"]).ok();
    ada.git(&["commit", "-qm", "Policy"]).ok();
    ada.git(&["rm", "-q", "pointsman.toml"]).ok();
    ada.git(&["commit", "-qm", "Lost"]).ok();
    ada.git(&["push", "-q", "origin", "main"]).ok();
    let url = format!("file://{}", origin.display());
    world.git(".", &["clone", "-q", "--depth", "1", &url, "shallow"]).ok();
    let shallow = Repo { world: &world, dir: world.path("shallow") };
    shallow.pointsman(&["publish", "support", "--local"]).refused("shallow clone", "git fetch --unshallow");
    shallow.pointsman(&["publish", "support"]).ok();
    assert_eq!(at_origin(&world, &["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/env"]), "env/only");
    assert_eq!(at_origin(&world, &["rev-parse", "support/v1^{commit}"]), shallow.git_out(&["rev-parse", "main"]));
}

#[test]
fn the_merged_gate_says_when_a_shallow_clone_cannot_see_far_enough() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.write(
        "pointsman.toml",
        "[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n[[environments]]\nname = \"live\"\nconfirm = false\ngates = { merged = true }\n",
    );
    ada.git(&["add", "-A"]).ok();
    ada.git(&["commit", "-qm", "Policy"]).ok();
    ada.pointsman(&["publish", "support"]).ok();
    ada.git(&["push", "-q", "origin", "main"]).ok();
    ada.write("agents/support/persona.md", "Newer.\n");
    ada.git(&["commit", "-qam", "Newer"]).ok();
    ada.git(&["push", "-q", "origin", "main"]).ok();
    let url = format!("file://{}", origin.display());
    world.git(".", &["clone", "-q", "--depth", "1", &url, "shallow"]).ok();
    let shallow = Repo { world: &world, dir: world.path("shallow") };
    let promote = ["promote", "support", "--to", "live", "--version", "1"];
    shallow.pointsman(&promote).refused("shallow clone", "git fetch --unshallow");
    shallow.git(&["fetch", "-q", "--unshallow"]).ok();
    shallow.pointsman(&promote).ok();
}

#[test]
fn a_clone_that_fetches_little_decides_on_everything() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    ada.git(&["config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main"]).ok();
    ada.git(&["config", "remote.origin.tagOpt", "--no-tags"]).ok();
    ada.git(&["config", "push.followTags", "true"]).ok();
    ada.git(&["tag", "-am", "mine", "mine"]).ok();
    ada.publish_support("one");
    ada.publish_support("two");
    // Nothing of the user's own went along.
    assert_eq!(at_origin(&world, &["tag"]), "support/v1\nsupport/v2");
    one_linear_ledger_that_names_every_tag(&world, 2);
}

#[test]
fn a_mirror_clone_publishes_the_default_branch_and_named_drafts() {
    let world = World::new();
    let origin = origin(&world);
    let url = format!("file://{}", origin.display());
    world.git(".", &["clone", "-q", "--mirror", &url, "mirror.git"]).ok();
    let mirror = Repo { world: &world, dir: world.path("mirror.git") };
    let published = mirror.pointsman(&["publish", "support", "--json"]).ok().json();
    assert_eq!(published["version"]["commit"], at_origin(&world, &["rev-parse", "main"]));
    // A branch that came into the origin since.
    let ada = with_greeting(&world, &origin, "ada", "from a branch");
    ada.git(&["checkout", "-qb", "feature/new"]).ok();
    ada.git(&["commit", "-qam", "New"]).ok();
    ada.git(&["push", "-q", "origin", "feature/new"]).ok();
    let published = mirror.pointsman(&["publish", "support", "--draft", "feature/new", "--json"]).ok().json();
    assert_eq!(published["version"]["commit"], at_origin(&world, &["rev-parse", "feature/new"]));
    assert_eq!(published["version"]["draft"], "feature/new");
    // And the default branch, moved since the mirror was made.
    ada.git(&["checkout", "-q", "main"]).ok();
    ada.git(&["merge", "-q", "--no-ff", "-m", "Merge", "feature/new"]).ok();
    ada.write("agents/support/persona.md", "Third.\n");
    ada.git(&["commit", "-qam", "Third"]).ok();
    ada.git(&["push", "-q", "origin", "main"]).ok();
    let published = mirror.pointsman(&["publish", "support", "--json"]).ok().json();
    assert_eq!(published["version"]["commit"], at_origin(&world, &["rev-parse", "main"]));
    one_linear_ledger_that_names_every_tag(&world, 3);
    mirror.pointsman(&["publish", "--draft", "nowhere", "support"]).refused("no branch or pull request `nowhere`", "");
}

#[test]
fn a_pull_request_is_published_as_the_forge_has_it_now() {
    let world = World::new();
    let origin = origin(&world);
    let ada = with_greeting(&world, &origin, "ada", "proposed");
    ada.git(&["commit", "-qam", "Propose"]).ok();
    ada.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head"]).ok();
    let bob = world.clone_of(&origin, "bob");
    let published = bob.pointsman(&["publish", "support", "--draft", "pr/7", "--json"]).ok().json();
    assert_eq!(published["version"]["commit"], ada.git_out(&["rev-parse", "HEAD"]));
    ada.write("agents/support/persona.md", "Amended.\n");
    ada.git(&["commit", "-qam", "Amend"]).ok();
    ada.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head"]).ok();
    let published = bob.pointsman(&["publish", "support", "--draft", "pr/7", "--json"]).ok().json();
    assert_eq!(published["version"]["commit"], ada.git_out(&["rev-parse", "HEAD"]));
    assert_eq!(bob.git_out(&["rev-list", "--count", "main"]), "1");
}

#[test]
fn a_partial_clone_fetches_what_it_left_out() {
    let world = World::new();
    let origin = origin(&world);
    at_origin(&world, &["config", "uploadpack.allowFilter", "true"]);
    at_origin(&world, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let ada = world.clone_of(&origin, "ada");
    ada.publish_support("one");
    ada.git(&["push", "-q", "origin", "main"]).ok();
    let url = format!("file://{}", origin.display());
    world.git(".", &["clone", "-q", "--filter=blob:none", "--no-checkout", &url, "partial"]).ok();
    let partial = Repo { world: &world, dir: world.path("partial") };
    partial.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    partial.git(&["checkout", "-q", "main"]).ok();
    partial.publish_support("two");
    one_linear_ledger_that_names_every_tag(&world, 2);
    world.git(".", &["clone", "-q", "--filter=blob:none", "--bare", &url, "partial.git"]).ok();
    let bare = Repo { world: &world, dir: world.path("partial.git") };
    ada.pointsman(&["reconcile", "--once"]).ok();
    ada.git(&["merge", "-q", "support/v2"]).ok();
    ada.write("agents/support/persona.md", "Third.\n");
    ada.git(&["commit", "-qam", "Third"]).ok();
    ada.git(&["push", "-q", "origin", "main"]).ok();
    assert_eq!(bare.pointsman(&["publish", "support", "--json"]).ok().json()["version"]["version"], 3);
}

#[test]
fn a_branch_that_is_checked_out_somewhere_is_not_moved_under_its_files() {
    let world = World::new();
    let origin = origin(&world);
    let ada = world.clone_of(&origin, "ada");
    let bob = world.clone_of(&origin, "bob");
    ada.publish_support("one");
    bob.pointsman(&["reconcile", "--once"]).ok();
    bob.git(&["worktree", "add", "-q", "../look", "env/sandbox"]).ok();
    ada.publish_support("two");
    bob.pointsman(&["reconcile", "--once"]).ok();
    let look = Repo { world: &world, dir: world.path("look") };
    assert_eq!(look.git_out(&["status", "--porcelain"]), "");
    assert_eq!(bob.git_out(&["rev-parse", "pointsman/ledger"]), at_origin(&world, &["rev-parse", "pointsman/ledger"]));
    bob.git(&["worktree", "remove", "../look"]).ok();
    bob.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(bob.git_out(&["rev-parse", "env/sandbox"]), at_origin(&world, &["rev-parse", "env/sandbox"]));
}
