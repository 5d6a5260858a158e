//! Branches of ours that hold something else, and refs of others that stand where ours should.

use super::refuses;
use crate::env::{Repo, World};

/// A repository with `support` v1 in sandbox and pre-release, and a changed draft.
fn released(world: &World) -> Repo<'_> {
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    repo.write("agents/support/persona.md", "Changed.\n");
    repo
}

/// Writes the file of a ref past git, which would refuse most of this.
fn force(repo: &Repo<'_>, name: &str, text: &str) {
    let path = repo.path(".git").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{text}\n")).unwrap();
}

#[test]
fn a_ledger_branch_that_is_not_ours_is_never_written() {
    let world = World::new();
    for what in ["main", "main^{tree}", "main:agents/support/agent.toml"] {
        let repo = world.repository("shop");
        let object = repo.git_out(&["rev-parse", what]);
        force(&repo, "refs/heads/pointsman/ledger", &object);
        for args in [&["publish", "support"][..], &["reconcile", "--once"]] {
            refuses(&repo, args, 1, "was not begun by Pointsman", "git branch -m pointsman/ledger");
        }
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
    let repo = world.repository("shop");
    force(&repo, "refs/heads/pointsman/ledger", "1234567890123456789012345678901234567890");
    refuses(&repo, &["publish", "support"], 1, "was not begun by Pointsman", "pointsman reconcile --once");
}

#[test]
fn a_ref_file_that_holds_garbage_is_removed_by_hand_and_made_again() {
    let world = World::new();
    for name in ["refs/heads/pointsman/ledger", "refs/heads/env/sandbox", "refs/heads/env/live"] {
        for garbage in ["garbage", ""] {
            let repo = released(&world);
            let right = repo.git_out(&["rev-parse", name]);
            force(&repo, name, garbage);
            let message = format!("the file of `{name}` holds something that is not an object id");
            let told = repo.pointsman(&["publish", "support"]).refused(&message, "rm '");
            let hint = told.stderr.split("hint: ").nth(1).unwrap().split(" && ").next().unwrap().to_owned();
            let removed = crate::env::isolated("sh", &world.home()).args(["-c", &hint]).status().unwrap();
            assert!(removed.success());
            repo.pointsman(&["reconcile", "--once"]).ok();
            assert_eq!(repo.git_out(&["rev-parse", name]), right);
            repo.git(&["fsck", "--strict"]).ok();
            std::fs::remove_dir_all(&repo.dir).unwrap();
        }
    }
}

#[test]
fn an_environment_branch_that_is_no_branch_follows_the_accepted_head() {
    let world = World::new();
    for what in ["main^{tree}", "main:agents/support/agent.toml", "missing"] {
        let repo = released(&world);
        let right = repo.git_out(&["rev-parse", "env/pre-release"]);
        let missing = "1234567890123456789012345678901234567890".to_owned();
        let object = if what == "missing" { missing } else { repo.git_out(&["rev-parse", what]) };
        force(&repo, "refs/heads/env/pre-release", &object);
        repo.pointsman(&["reconcile", "--once"]).ok();
        assert_eq!(repo.git_out(&["rev-parse", "env/pre-release"]), right);
        repo.git(&["fsck", "--strict"]).ok();
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
}

#[test]
fn an_environment_branch_with_foreign_content_is_healed_forward() {
    let world = World::new();
    let repo = released(&world);
    let (right, served) =
        (repo.git_out(&["rev-parse", "env/pre-release"]), repo.git_out(&["rev-parse", "env/pre-release^{tree}"]));
    let blob = repo.git_out(&["rev-parse", "main:agents/support/agent.toml"]);
    let link = repo.git_out(&["hash-object", "-w", "/dev/null"]);
    // Unparsable documents, a link, a name that is no id, a hold that is none.
    let entries = [
        format!("100644 {blob}\tagents/support/version.json"),
        format!("120000 {link}\tlink"),
        format!("100644 {blob}\tagents/No id/x"),
        format!("100644 {blob}\tholds/support.json"),
        format!("100644 {blob}\troutes.json"),
    ];
    let evil = commit_on(&repo, "env/pre-release", &entries);
    let passed = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(passed.stdout.contains("Put back"), "{}", passed.stdout);
    assert_eq!(repo.git_out(&["rev-parse", "env/pre-release^{tree}"]), served);
    assert_eq!(repo.git_out(&["rev-parse", "env/pre-release^1", "env/pre-release^2"]), format!("{right}\n{evil}"));
    repo.git(&["fsck", "--strict"]).ok();
}

/// Commits `entries` (lines of `update-index --index-info`) on top of `branch`, moves it there, and returns the commit.
fn commit_on(repo: &Repo<'_>, branch: &str, entries: &[String]) -> String {
    super::documents::commit_on(repo, branch, entries)
}

#[test]
fn a_foreign_branch_is_left_alone() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["branch", "env/staging"]).ok();
    repo.git(&["branch", "env/live"]).ok();
    let main = repo.git_out(&["rev-parse", "main"]);
    repo.pointsman(&["publish", "support"]).ok();
    let passed = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(passed.stdout.contains("branch of `live`") && passed.stdout.contains("left alone"), "{}", passed.stdout);
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    let to_live = ["promote", "support", "--to", "live", "--confirm"];
    refuses(&repo, &to_live, 1, "the branch of `live` is not one of Pointsman's", "rename that branch");
    assert_eq!(repo.git_out(&["rev-parse", "env/live", "env/staging"]), format!("{main}\n{main}"));
    repo.git(&["branch", "-m", "env/live", "old-live"]).ok();
    repo.pointsman(&to_live).ok();
    assert_eq!(repo.git_out(&["rev-parse", "env/staging"]), main);
}

#[test]
fn a_ref_called_like_a_folder_of_ours_is_told_before_anything_moves() {
    let world = World::new();
    for (make, other) in [
        (&["branch", "env"][..], "refs/heads/env"),
        (&["branch", "pointsman"], "refs/heads/pointsman"),
        (&["tag", "support"], "refs/tags/support"),
    ] {
        let repo = world.repository("shop");
        repo.git(make).ok();
        let told = repo.pointsman(&["publish", "support"]);
        let refs = repo.git_out(&["for-each-ref", "--format=%(refname)"]);
        let told = told.refused(&format!("beside `{other}`: git keeps refs like files and folders"), "rename that one");
        assert!(!refs.contains("support/v1"), "{refs}");
        let hint = told.stderr.split("rename that one: ").nth(1).unwrap().replace("<another name>", "mine");
        let typed =
            crate::env::isolated("sh", &world.home()).current_dir(&repo.dir).args(["-c", &hint]).output().unwrap();
        assert!(typed.status.success(), "{hint}");
        repo.pointsman(&["publish", "support"]).ok();
        repo.git(&["fsck", "--strict"]).ok();
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
    // And one below.
    let repo = world.repository("shop");
    repo.git(&["tag", "support/v1/rc", "-am", "x"]).ok();
    let told = repo.pointsman(&["publish", "support"]).refused("beside `refs/tags/support/v1/rc`", "rename that one");
    assert!(told.stdout.is_empty());
}
