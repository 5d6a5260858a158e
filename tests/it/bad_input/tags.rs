//! Tags that look like versions.

use crate::env::{Repo, World};

/// A repository with one version, and the tag `name` made with `args` besides.
fn with_tag<'w>(world: &'w World, args: &[&str]) -> Repo<'w> {
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    repo.git(&[&["tag"], args].concat()).ok();
    repo
}

/// A pass says `said`, takes nothing in, remembers it, and leaves the tag to its owner.
#[track_caller]
fn is_not_taken(repo: &Repo<'_>, tag: &str, said: &str) {
    let object = repo.git_out(&["rev-parse", &format!("refs/tags/{tag}")]);
    let passed = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(passed.stdout.contains(said), "expected `{said}` in: {}", passed.stdout);
    let versions = repo.pointsman(&["versions", "support", "--json"]).ok().json();
    assert_eq!(versions.as_array().unwrap().len(), 1, "{versions}");
    assert_eq!(repo.git_out(&["rev-parse", &format!("refs/tags/{tag}")]), object);
    let refs = repo.git_out(&["for-each-ref"]);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git_out(&["for-each-ref"]), refs, "the second pass had something to do");
    repo.git(&["fsck", "--strict"]).ok();
}

#[test]
fn of_an_agent_that_does_not_exist() {
    let world = World::new();
    let repo = with_tag(&world, &["-a", "ghost/v99", "-m", "x"]);
    is_not_taken(&repo, "ghost/v99", "no agent `ghost`");
}

#[test]
fn whose_last_part_is_no_version() {
    for name in ["support/v07", "support/vx", "support/v0", "support/v99999999999", "support/v-1"] {
        let world = World::new();
        let repo = with_tag(&world, &["-a", name, "-m", "x"]);
        is_not_taken(&repo, name, &format!("`{name}` is not the name of a version"));
    }
}

#[test]
fn that_are_lightweight() {
    for target in ["HEAD", "HEAD:agents/support/agent.toml", "HEAD^{tree}"] {
        let world = World::new();
        let repo = with_tag(&world, &["support/v2", target]);
        is_not_taken(&repo, "support/v2", "`support/v2` is a lightweight tag");
    }
}

#[test]
fn of_something_other_than_a_commit() {
    for target in ["HEAD:agents/support/agent.toml", "HEAD^{tree}", "support/v1"] {
        let world = World::new();
        let repo = with_tag(&world, &["-a", "support/v2", "-m", "x", target]);
        is_not_taken(&repo, "support/v2", "`support/v2` names something other than a commit");
    }
}

#[test]
fn copied_under_another_name() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    repo.git(&["update-ref", "refs/tags/support/v2", "refs/tags/support/v1"]).ok();
    is_not_taken(&repo, "support/v2", "the tag object at `support/v2` was made as `support/v1`");
}

#[test]
fn far_ahead() {
    let world = World::new();
    let repo = with_tag(&world, &["-a", "support/v102", "-m", "x"]);
    is_not_taken(&repo, "support/v102", "`support/v102` is more than 100 ahead of the newest version, v1");
    // It burns no numbers.
    let next = repo.publish_support("two");
    assert!(next.stdout.contains("published support/v2 "), "{}", next.stdout);
}

#[test]
fn of_a_folder_with_errors_stop_their_agent_only() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/sales/agent.toml", "name = \"Sales\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Both"]).ok();
    repo.git(&["tag", "-a", "sales/v1", "-m", "broken"]).ok();
    repo.git(&["tag", "-a", "support/v1", "-m", "good"]).ok();
    let passed = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(passed.stdout.contains("accept support/v1"), "{}", passed.stdout);
    assert!(passed.stdout.contains("refuse sales/v1: agents/sales/agent.toml:1"), "{}", passed.stdout);
    repo.git(&["rev-parse", "env/sandbox:agents/support"]).ok();
}
