//! Lock files: waited for while somebody holds them, told with age and command when nobody does.

use super::{refuses, type_the_hint};
use crate::env::{Repo, World};

/// A repository with one version and a changed draft.
fn with_draft(world: &World) -> Repo<'_> {
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    repo.write("agents/support/persona.md", "Changed.\n");
    repo
}

/// The lock of a process that died three hours ago.
fn stale(repo: &Repo<'_>, name: &str) {
    let path = repo.path(".git").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 3600)).unwrap();
}

#[test]
fn a_lock_in_the_way_of_publish_stops_it_before_its_first_step() {
    let world = World::new();
    for lock in
        ["index.lock", "refs/heads/main.lock", "refs/heads/pointsman/ledger.lock", "refs/heads/env/sandbox.lock"]
    {
        let repo = with_draft(&world);
        stale(&repo, lock);
        let path = repo.path(".git").join(lock);
        let message = format!("the lock file `{}` stands in the way (3 h old)", path.display());
        let told = refuses(&repo, &["publish", "support"], 1, &message, &format!("rm '{}'", path.display()));
        type_the_hint(&repo, &told, "rm ");
        let done = repo.pointsman(&["publish", "support"]).ok();
        assert!(done.stdout.contains("published support/v2 "), "{lock}: {}", done.stdout);
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
}

#[test]
fn a_lock_on_the_new_tag_is_told_before_the_branch_moves() {
    let world = World::new();
    let repo = with_draft(&world);
    stale(&repo, "refs/tags/support/v2.lock");
    let (head, ledger) = (repo.git_out(&["rev-parse", "HEAD"]), repo.git_out(&["rev-parse", "pointsman/ledger"]));
    let told = refuses(&repo, &["publish", "support"], 1, "refs/tags/support/v2.lock", "rm '");
    type_the_hint(&repo, &told, "rm ");
    assert_eq!(repo.git_out(&["rev-parse", "HEAD"]), head);
    repo.pointsman(&["publish", "support"]).ok();
    assert_eq!(repo.git_out(&["rev-parse", "support/v2^{commit}"]), repo.git_out(&["rev-parse", "HEAD"]));
    assert_eq!(repo.git_out(&["rev-parse", "HEAD^"]), head);
    assert_eq!(repo.git_out(&["rev-parse", "pointsman/ledger^"]), ledger);
}

#[test]
fn a_lock_in_the_way_of_promote_and_reconcile_moves_nothing() {
    let world = World::new();
    for lock in ["refs/heads/pointsman/ledger.lock", "refs/heads/env/pre-release.lock"] {
        let repo = with_draft(&world);
        stale(&repo, lock);
        let promote = ["promote", "support", "--to", "pre-release"];
        let told = refuses(&repo, &promote, 1, lock, "rm '");
        type_the_hint(&repo, &told, "rm ");
        repo.pointsman(&promote).ok();
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
}

#[test]
fn a_lock_that_stops_only_gits_own_commands_is_told_beside_the_result() {
    let world = World::new();
    for lock in ["HEAD.lock", "packed-refs.lock", "config.lock", "shallow.lock"] {
        let repo = with_draft(&world);
        stale(&repo, lock);
        let path = repo.path(".git").join(lock);
        let told = repo.pointsman(&["publish", "support"]).ok();
        let note = format!("note: the lock file `{}` is 3 h old", path.display());
        assert!(told.stderr.contains(&note), "{}", told.stderr);
        assert!(!repo.pointsman(&["--quiet", "versions", "support"]).ok().stderr.contains("lock"));
        type_the_hint(&repo, &told, "rm ");
        assert_eq!(repo.pointsman(&["versions", "support"]).ok().stderr, "");
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
}

#[test]
fn a_lock_that_a_git_command_of_ours_meets_is_told_as_a_lock() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let seed = world.repository("seed");
    seed.git(&["push", "-q", origin.to_str().unwrap(), "main"]).ok();
    let repo = world.clone_of(&origin, "clone");
    repo.pointsman(&["publish", "support"]).ok();
    // Fetching has to drop a tracking ref, which rewrites packed-refs.
    repo.git(&["pack-refs", "--all"]).ok();
    world.git("origin.git", &["branch", "-D", "env/sandbox"]).ok();
    stale(&repo, "packed-refs.lock");
    let told = repo.pointsman(&["reconcile", "--once"]).refused("packed-refs.lock` stands in the way", "rm '");
    type_the_hint(&repo, &told, "rm ");
    repo.pointsman(&["reconcile", "--once"]).ok();
}

#[test]
fn a_ref_locked_by_a_living_process_is_waited_for() {
    let world = World::new();
    let repo = with_draft(&world);
    // Git itself holds the lock until its standard input ends.
    let mut holder = crate::env::isolated("git", &world.home())
        .arg("-C")
        .arg(&repo.dir)
        .args(["update-ref", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let ledger = repo.git_out(&["rev-parse", "pointsman/ledger"]);
    let mut input = holder.stdin.take().unwrap();
    let hold = format!("start\nupdate refs/heads/pointsman/ledger {ledger} {ledger}\nprepare\n");
    std::io::Write::write_all(&mut input, hold.as_bytes()).unwrap();
    let lock = repo.path(".git/refs/heads/pointsman/ledger.lock");
    while !lock.exists() {
        std::thread::yield_now();
    }
    // Held on and on, it is told with its age like any other.
    let told = repo.pointsman(&["publish", "support"]).refused("ledger.lock` stands in the way (", "rm '");
    assert!(told.stderr.contains("if no git program is at work here"), "{}", told.stderr);
    // Released while the next command waits, it is no trouble at all.
    let waiting = repo.command(&["publish", "support"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(input);
    holder.wait().unwrap();
    let ended = waiting.wait_with_output().unwrap();
    assert!(ended.status.success());
}
