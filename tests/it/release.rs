//! The main road: publish, promote, roll back.

use crate::env::World;

#[test]
fn what_is_live_is_byte_for_byte_a_published_version() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support", "--note", "first"]).ok();
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    repo.pointsman(&["promote", "support", "--to", "live"]).refused("asks for confirmation", "--confirm");
    repo.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    let live = repo.git_out(&["rev-parse", "env/live:agents/support"]);
    assert_eq!(live, repo.git_out(&["rev-parse", "pointsman/ledger:agents/support/v1"]));
    let folder = repo.git_out(&["rev-parse", "support/v1:agents/support"]);
    assert_eq!(folder, repo.git_out(&["rev-parse", "env/live:agents/support/source"]));
    repo.git(&["fsck", "--strict"]).ok();
}

#[test]
fn a_rollback_is_one_forward_commit_that_names_the_older_tree_again_and_sticks() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    let first = repo.git_out(&["rev-parse", "env/sandbox:agents/support"]);
    repo.publish_support("two");
    let before = repo.git_out(&["rev-parse", "env/sandbox"]);
    repo.pointsman(&["rollback", "support", "--env", "sandbox", "--reason", "wrong greeting"]).ok();
    assert_eq!(repo.git_out(&["rev-parse", "env/sandbox:agents/support"]), first);
    assert_eq!(repo.git_out(&["rev-parse", "env/sandbox^"]), before);
    let again = repo.pointsman(&["rollback", "support", "--env", "sandbox"]).ok();
    assert!(again.stdout.contains("rolled back from v2"), "{}", again.stdout);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git_out(&["rev-parse", "env/sandbox:agents/support"]), first);
    // Released, the version that was rolled back from still stays out; a newer one goes in.
    repo.pointsman(&["release-hold", "support", "--env", "sandbox"]).ok();
    assert_eq!(repo.git_out(&["rev-parse", "env/sandbox:agents/support"]), first);
    repo.publish_support("three");
    assert_eq!(
        repo.git_out(&["rev-parse", "env/sandbox:agents/support"]),
        repo.git_out(&["rev-parse", "pointsman/ledger:agents/support/v3"])
    );
}

#[test]
fn publishing_an_unchanged_draft_answers_with_the_version_that_is_there() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    let refs = repo.git_out(&["for-each-ref"]);
    let again = repo.pointsman(&["publish", "support", "--json"]).ok().json();
    assert_eq!(again["created"], false);
    assert_eq!(again["version"]["version"], 1);
    assert_eq!(repo.git_out(&["for-each-ref"]), refs);
}

#[test]
fn publish_leaves_everything_else_in_the_index_and_the_working_tree_alone() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("notes.txt", "staged\n");
    repo.git(&["add", "notes.txt"]).ok();
    repo.write("notes.txt", "edited\n");
    repo.write("new.txt", "untracked\n");
    repo.publish_support("one");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "AM notes.txt\n?? new.txt");
    assert_eq!(repo.git_out(&["show", "--name-only", "--format=", "HEAD"]), "agents/support/agent.toml");
}
