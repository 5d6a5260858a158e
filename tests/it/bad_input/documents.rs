//! A ledger with documents that no controller wrote.

use super::refuses;
use crate::env::{Ended, Repo, World, isolated};

fn released(world: &World) -> Repo<'_> {
    let repo = world.repository("shop");
    repo.write("agents/sales/agent.toml", "name = \"Sales\"\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Sales"]).ok();
    repo.pointsman(&["publish", "sales"]).ok();
    repo.pointsman(&["publish", "support"]).ok();
    repo.write("agents/support/persona.md", "Changed.\n");
    repo
}

/// Git with an index of its own and `input`.
fn plumb(repo: &Repo<'_>, args: &[&str], input: &str) -> String {
    let mut child = isolated("git", &repo.world.home())
        .arg("-C")
        .arg(&repo.dir)
        .args(args)
        .env("GIT_INDEX_FILE", repo.world.path("scratch-index"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "git {args:?}");
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

/// Commits `entries` (lines of `update-index --index-info`) on top of `branch`, moves it there, and returns the commit.
pub(super) fn commit_on(repo: &Repo<'_>, branch: &str, entries: &[String]) -> String {
    plumb(repo, &["read-tree", branch], "");
    plumb(repo, &["update-index", "--index-info"], &format!("{}\n", entries.join("\n")));
    let tree = plumb(repo, &["write-tree"], "");
    let commit = plumb(repo, &["commit-tree", &tree, "-p", branch, "-m", "not ours"], "");
    repo.git(&["update-ref", &format!("refs/heads/{branch}"), &commit]).ok();
    commit
}

/// Puts `text` at `path` of the ledger, in a commit on top of it.
fn spoil(repo: &Repo<'_>, path: &str, text: &str) {
    let blob = plumb(repo, &["hash-object", "-w", "--stdin"], text);
    commit_on(repo, "pointsman/ledger", &[format!("100644 {blob}\t{path}")]);
}

/// Types what the hint says: the first command finds the commit, the second goes back before it.
#[track_caller]
fn go_back(repo: &Repo<'_>, told: &Ended) {
    let hint = told.stderr.split("hint: ").nth(1).unwrap().trim();
    let (find, back) = hint.split_once(" names the commit that broke it; to go back before it: ").unwrap();
    let find = format!("{} | sed -n 's/^commit //p' | head -1", find);
    let run = |command: &str| {
        let out = isolated("sh", &repo.world.home()).current_dir(&repo.dir).args(["-c", command]).output().unwrap();
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    let commit = run(&find);
    run(&back.replace("<commit>", &commit));
}

#[test]
fn an_unreadable_accepted_head_is_told_with_the_way_back() {
    let world = World::new();
    let repo = released(&world);
    let good = repo.git_out(&["rev-parse", "pointsman/ledger"]);
    spoil(&repo, "environments/sandbox.json", "{oops");
    let message = "`environments/sandbox.json` in the ledger does not parse";
    for args in [
        &["publish", "support"][..],
        &["promote", "support", "--to", "pre-release"],
        &["reconcile", "--once"],
        &["versions", "support"],
        &["history"],
    ] {
        refuses(&repo, args, 1, message, "git log -1 pointsman/ledger -- environments/sandbox.json");
    }
    let told = repo.pointsman(&["publish", "support"]);
    go_back(&repo, &told);
    assert_eq!(repo.git_out(&["rev-parse", "pointsman/ledger"]), good);
    repo.pointsman(&["publish", "support"]).ok();
}

#[test]
fn an_accepted_head_that_names_no_commit_moves_nothing() {
    let world = World::new();
    for head in ["1234567890123456789012345678901234567890", "main:agents/support/agent.toml"] {
        let repo = released(&world);
        let id = if head.contains(':') { repo.git_out(&["rev-parse", head]) } else { head.to_owned() };
        spoil(&repo, "environments/sandbox.json", &format!("{{\"head\": \"{id}\", \"height\": 3}}"));
        for args in [&["publish", "support"][..], &["reconcile", "--once"]] {
            refuses(&repo, args, 1, &id, "");
        }
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
}

#[test]
fn an_unreadable_document_of_one_agent_stops_that_agent_only() {
    let world = World::new();
    for path in ["agents/sales/marks.json", "agents/sales/v1/version.json", "agents/sales/rejected/v9.json"] {
        let repo = released(&world);
        spoil(&repo, path, "{oops");
        let sales = repo.git_out(&["rev-parse", "sales/v1", "env/sandbox:agents/sales"]);
        repo.git(&["tag", "-a", "sales/v2", "-m", "x"]).ok();
        // The rest goes on, in a pass over everything too.
        repo.pointsman(&["publish", "support"]).ok();
        let passed = repo.pointsman(&["reconcile", "--once"]).ok();
        assert!(passed.stdout.contains("`sales` is left as it is"), "{path}: {}", passed.stdout);
        assert!(!passed.stdout.contains("accept sales"), "{}", passed.stdout);
        assert_eq!(repo.git_out(&["rev-parse", "sales/v1", "env/sandbox:agents/sales"]), sales);
        // Asked for by name it is told.
        let told = repo.pointsman(&["promote", "sales", "--to", "pre-release"]);
        told.refused("does not parse", "pointsman/ledger");
        std::fs::remove_dir_all(&repo.dir).unwrap();
    }
}

#[test]
fn an_entry_without_documents_or_behind_a_link_is_never_served() {
    let world = World::new();
    let repo = released(&world);
    let blob = plumb(&repo, &["hash-object", "-w", "--stdin"], "x");
    let nothing = "0".repeat(40);
    let names = repo.git_out(&["ls-tree", "-r", "--name-only", "pointsman/ledger", "agents/sales/v1"]);
    let mut entries: Vec<_> = names.lines().map(|name| format!("0 {nothing}\t{name}")).collect();
    entries.push(format!("100644 {blob}\tagents/sales/v1/x"));
    commit_on(&repo, "pointsman/ledger", &entries);
    let told = refuses(&repo, &["promote", "sales", "--to", "pre-release"], 1, "there is no `version.json`", "git log");
    go_back(&repo, &told);
    repo.pointsman(&["promote", "sales", "--to", "pre-release"]).ok();

    // A link in place of the folder is no entry: the tag, which is still there, makes it again.
    let entry = repo.git_out(&["rev-parse", "pointsman/ledger:agents/sales/v1"]);
    let names = repo.git_out(&["ls-tree", "-r", "--name-only", "pointsman/ledger", "agents/sales/v1"]);
    let mut entries: Vec<_> = names.lines().map(|name| format!("0 {nothing}\t{name}")).collect();
    entries.push(format!("120000 {blob}\tagents/sales/v1"));
    commit_on(&repo, "pointsman/ledger", &entries);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git_out(&["rev-parse", "pointsman/ledger:agents/sales/v1"]), entry);
    repo.git(&["fsck", "--strict"]).ok();
}

#[test]
fn trees_a_thousand_deep_are_not_followed() {
    let world = World::new();
    let repo = released(&world);
    let deep = format!("agents/{}x", "d/".repeat(1_000));
    spoil(&repo, &deep, "x");
    repo.pointsman(&["publish", "support"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    let blob = plumb(&repo, &["hash-object", "-w", "--stdin"], "x");
    commit_on(&repo, "env/sandbox", &[format!("100644 {blob}\t{deep}")]);
    let passed = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(passed.stdout.contains("Put back"), "{}", passed.stdout);
}
