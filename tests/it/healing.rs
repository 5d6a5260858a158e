//! Self-heal: whatever somebody does to tags, environment branches or the ledger, the next pass puts right what it may
//! and refuses what only a person can decide.

use std::io::Write as _;
use std::process::Stdio;

use crate::env::{Repo, World, isolated};
use crate::promises::{live_shop, verified};

/// Writes the tree that `git mktree` makes of `rows`.
pub fn tree(repo: &Repo<'_>, rows: &str) -> String {
    let mut command = isolated("git", &repo.world.home());
    command.arg("-C").arg(&repo.dir).arg("mktree").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    child.stdin.take().expect("it is piped").write_all(rows.as_bytes()).expect("mktree reads all rows");
    let output = child.wait_with_output().expect("mktree ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("an id is text").trim().to_owned()
}

/// Commits on top of `env/<environment>` as somebody with `git` would: `edit` changes the files of its tree.
fn propose(repo: &Repo<'_>, environment: &str, edit: impl FnOnce(&Repo<'_>)) -> String {
    let dir = repo.world.path("proposal");
    let branch = format!("env/{environment}");
    repo.git(&["worktree", "add", "-q", "--detach", dir.to_str().expect("temporary paths are text"), &branch]).ok();
    let work = Repo { world: repo.world, dir: dir.clone() };
    edit(&work);
    work.git(&["add", "-A"]).ok();
    work.git(&["commit", "-qm", "Change what is live"]).ok();
    let tip = work.git_out(&["rev-parse", "HEAD"]);
    repo.git(&["worktree", "remove", "--force", dir.to_str().expect("temporary paths are text")]).ok();
    repo.git(&["update-ref", &format!("refs/heads/{branch}"), &tip]).ok();
    tip
}

/// Lets the working tree of a proposal serve version `version` of `agent`.
fn serve(work: &Repo<'_>, agent: &str, version: &str) {
    work.git(&["rm", "-rqf", "--ignore-unmatch", &format!("agents/{agent}")]).ok();
    let entry = format!("pointsman/ledger:agents/{agent}/{version}");
    work.git(&["read-tree", &format!("--prefix=agents/{agent}/"), &entry]).ok();
    work.git(&["checkout-index", "-qaf"]).ok();
}

fn rev(repo: &Repo<'_>, revision: &str) -> String {
    repo.git_out(&["rev-parse", revision])
}

/// The shop with version 2 of `support` in `pre-release`, ready for `live`.
fn two_versions<'w>(world: &'w World) -> Repo<'w> {
    let repo = live_shop(world, "shop");
    repo.publish_support("two");
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    repo
}

/// Asserts that `environment` was healed: `tip` is kept as second parent, the tree is what it was.
#[track_caller]
fn healed(repo: &Repo<'_>, environment: &str, before: &str, tip: &str, reason: &str) {
    let pending = repo.pointsman(&["verify"]);
    assert_eq!(pending.code, 1, "{}", pending.stdout);
    assert!(pending.stdout.contains("pending: Put"), "{}", pending.stdout);
    repo.pointsman(&["reconcile", "--once"]).ok();
    let branch = format!("env/{environment}");
    assert_eq!(rev(repo, &format!("{branch}^1")), before);
    assert_eq!(rev(repo, &format!("{branch}^2")), tip);
    assert_eq!(rev(repo, &format!("{branch}^{{tree}}")), rev(repo, &format!("{before}^{{tree}}")));
    let message = repo.git_out(&["log", "-1", "--format=%B", &branch]);
    assert!(message.contains("Pointsman-Action: heal") && message.contains(reason), "{message}");
    verified(repo);
}

#[test]
fn a_moved_tag_is_put_back_and_the_foreign_object_is_kept_and_told() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    let right = rev(&repo, "support/v1");
    repo.git(&["tag", "-fam", "moved", "support/v1", "HEAD"]).ok();
    let foreign = rev(&repo, "support/v1");
    let pending = repo.pointsman(&["verify"]);
    assert_eq!(pending.code, 1);
    assert!(pending.stdout.contains("pending: put support/v1 back"), "{}", pending.stdout);
    let done = repo.pointsman(&["reconcile", "--once"]).ok();
    let kept = format!("refs/pointsman/foreign/support/v1/{foreign}");
    assert!(done.stdout.contains(&kept), "{}", done.stdout);
    assert_eq!(rev(&repo, &kept), foreign);
    assert_eq!(rev(&repo, "support/v1"), right);
    verified(&repo);
}

#[test]
fn a_deleted_tag_comes_back_even_after_gc() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    let right = rev(&repo, "support/v1");
    repo.git(&["tag", "-d", "support/v1"]).ok();
    repo.git(&["reflog", "expire", "--expire=now", "--all"]).ok();
    repo.git(&["gc", "-q", "--prune=now"]).ok();
    assert_ne!(repo.git(&["cat-file", "-e", &right]).code, 0, "the tag object was to be gone");
    // Looking proves the entry without writing the object.
    let pending = repo.pointsman(&["verify"]);
    assert!(pending.stdout.contains("it was deleted") && !pending.stdout.contains("wrong"), "{}", pending.stdout);
    assert_ne!(repo.git(&["cat-file", "-e", &right]).code, 0, "verify wrote an object");
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(rev(&repo, "support/v1"), right);
    verified(&repo);
}

#[test]
fn tags_moved_or_deleted_at_the_origin_are_put_back_from_any_clone() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = live_shop(&world, "shop");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    repo.git(&["push", "-q", "origin", "--tags"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    verified(&repo);
    let right = [rev(&repo, "support/v1"), rev(&repo, "billing/v1")];
    world.git("origin.git", &["tag", "-d", "billing/v1"]).ok();
    world.git("origin.git", &["tag", "-f", "support/v1", "main"]).ok();
    let other = world.clone_of(&origin, "other");
    assert_eq!(other.pointsman(&["verify"]).code, 1);
    other.pointsman(&["reconcile", "--once"]).ok();
    let refs = world.git("origin.git", &["rev-parse", "support/v1", "billing/v1"]).ok().stdout;
    assert_eq!(refs.lines().collect::<Vec<_>>(), right);
    verified(&other);
    verified(&repo);
}

#[test]
fn a_proposal_that_names_a_published_version_is_accepted_with_its_author() {
    let world = World::new();
    let repo = two_versions(&world);
    let before = rev(&repo, "env/live");
    let tip = propose(&repo, "live", |work| serve(work, "support", "v2"));
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(rev(&repo, "env/live:agents/support"), rev(&repo, "pointsman/ledger:agents/support/v2"));
    assert_eq!([rev(&repo, "env/live^1"), rev(&repo, "env/live^2")], [before, tip]);
    let message = repo.git_out(&["log", "-1", "--format=%an%n%B", "env/live"]);
    assert!(message.starts_with("Ada\nAccept a change of live: Change what is live"), "{message}");
    assert!(message.contains("Pointsman-Action: accept") && message.contains("Pointsman-Move: support v1 v2 "));
    verified(&repo);
    // An accepted proposal can be rolled back like any promotion.
    repo.pointsman(&["rollback", "support"]).ok();
    assert_eq!(rev(&repo, "env/live:agents/support"), rev(&repo, "pointsman/ledger:agents/support/v1"));
    verified(&repo);
}

#[test]
fn a_merged_branch_that_names_a_published_version_is_accepted() {
    let world = World::new();
    let repo = two_versions(&world);
    let before = rev(&repo, "env/live");
    let proposed = propose(&repo, "live", |work| serve(work, "support", "v2"));
    // As a forge merges: a commit of two parents on the environment's branch.
    let merge =
        repo.git_out(&["commit-tree", &format!("{proposed}^{{tree}}"), "-p", &before, "-p", &proposed, "-m", "Merge"]);
    repo.git(&["update-ref", "refs/heads/env/live", &merge]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!([rev(&repo, "env/live^1"), rev(&repo, "env/live^2")], [before, merge]);
    assert_eq!(rev(&repo, "env/live:agents/support"), rev(&repo, "pointsman/ledger:agents/support/v2"));
    verified(&repo);
}

#[test]
fn a_removal_in_a_proposal_retires_with_a_hold() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    propose(&repo, "sandbox", |work| drop(work.git(&["rm", "-rq", "agents/support"]).ok()));
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git(&["cat-file", "-e", "env/sandbox:agents/support"]).code, 128);
    let hold = repo.git_out(&["show", "env/sandbox:holds/support.json"]);
    assert!(hold.contains("Change what is live"), "{hold}");
    verified(&repo);
    // Held, so that `latest` does not bring it back.
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git(&["cat-file", "-e", "env/sandbox:agents/support"]).code, 128);
    repo.pointsman(&["release-hold", "support", "--env", "sandbox"]).ok();
    assert_eq!(rev(&repo, "env/sandbox:agents/support"), rev(&repo, "pointsman/ledger:agents/support/v1"));
    verified(&repo);
}

#[test]
fn hand_edits_are_healed_and_nothing_is_lost() {
    type Edit = fn(&Repo<'_>);
    let edits: [(&str, Edit); 8] = [
        ("What stands at `support`", |work| work.write("agents/support/config.json", "{}")),
        ("What stands at `support`", |work| work.write("agents/support/source/persona.md", "You are rude.\n")),
        ("everything else is generated", |work| work.write("README.md", "Hello\n")),
        ("everything else is generated", |work| work.write("routes.json", "{}")),
        ("everything else is generated", |work| work.write("holds/support.json", "garbage")),
        ("What stands at `unknown`", |work| {
            work.git(&["read-tree", "--prefix=agents/unknown/", "env/live:agents/support"]).ok();
            work.git(&["checkout-index", "-qaf"]).ok();
        }),
        ("is not an agent", |work| work.write("agents/Not an agent/x", "x")),
        // A gate that is not met: version 3 never was in pre-release. The good half falls with it.
        ("support v3 may not enter live", |work| {
            serve(work, "support", "v3");
            work.git(&["rm", "-rq", "agents/billing"]).ok();
        }),
    ];
    let world = World::new();
    let repo = two_versions(&world);
    repo.publish_support("three");
    for (reason, edit) in edits {
        let before = rev(&repo, "env/live");
        let tip = propose(&repo, "live", edit);
        healed(&repo, "live", &before, &tip, reason);
    }
}

#[test]
fn a_branch_that_is_reset_backwards_or_deleted_follows_without_a_commit() {
    let world = World::new();
    let repo = two_versions(&world);
    let head = rev(&repo, "env/pre-release");
    repo.git(&["update-ref", "refs/heads/env/pre-release", "env/pre-release^"]).ok();
    let pending = repo.pointsman(&["verify"]);
    assert!(pending.stdout.contains("pending: let the branch of pre-release follow"), "{}", pending.stdout);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(rev(&repo, "env/pre-release"), head);
    repo.git(&["branch", "-D", "env/pre-release"]).ok();
    assert_eq!(repo.pointsman(&["verify"]).code, 1);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(rev(&repo, "env/pre-release"), head);
    verified(&repo);
}

#[test]
fn a_rewritten_branch_is_healed_without_a_forced_push() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    let before = rev(&repo, "env/live");
    let tree = rev(&repo, "HEAD^{tree}");
    let unrelated = repo.git_out(&["commit-tree", &tree, "-m", "Unrelated"]);
    repo.git(&["update-ref", "refs/heads/env/live", &unrelated]).ok();
    healed(&repo, "live", &before, &unrelated, "does not continue what was accepted");
    repo.git(&["merge-base", "--is-ancestor", &unrelated, "env/live"]).ok();
}

#[test]
fn an_origin_that_forbids_forced_pushes_is_healed_too() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = live_shop(&world, "shop");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main", "--tags"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    let before = rev(&repo, "env/live");
    let tree = rev(&repo, "HEAD^{tree}");
    let unrelated = repo.git_out(&["commit-tree", &tree, "-m", "Unrelated"]);
    repo.git(&["push", "-qf", "origin", &format!("{unrelated}:refs/heads/env/live")]).ok();
    world.git("origin.git", &["config", "receive.denyNonFastForwards", "true"]).ok();
    let other = world.clone_of(&origin, "other");
    other.pointsman(&["reconcile", "--once"]).ok();
    let parents = world.git("origin.git", &["rev-parse", "env/live^1", "env/live^2"]).ok().stdout;
    assert_eq!(parents.lines().collect::<Vec<_>>(), [before, unrelated]);
    verified(&other);
    verified(&repo);
}

#[test]
fn a_foreign_branch_is_reported_and_never_written() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["branch", "env/live"]).ok();
    repo.git(&["branch", "env/staging"]).ok();
    let foreign = rev(&repo, "env/live");
    repo.pointsman(&["publish", "support"]).ok();
    let done = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(done.stdout.contains("branch of `live`") && done.stdout.contains("branch_prefix"), "{}", done.stdout);
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    repo.pointsman(&["promote", "support", "--to", "live", "--confirm"])
        .refused("the branch of `live` is not one of Pointsman's", "branch_prefix");
    assert_eq!([rev(&repo, "env/live"), rev(&repo, "env/staging")], [foreign.clone(), foreign]);
    verified(&repo);
}

#[test]
fn a_deleted_ledger_that_was_seen_comes_back_as_it_was() {
    let world = World::new();
    let repo = two_versions(&world);
    let refs = repo.git_out(&["for-each-ref"]);
    repo.git(&["branch", "-D", "pointsman/ledger"]).ok();
    let pending = repo.pointsman(&["verify"]);
    assert_eq!(pending.code, 1);
    assert!(pending.stdout.contains("put the lost branch pointsman/ledger back"), "{}", pending.stdout);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git_out(&["for-each-ref"]), refs);
    verified(&repo);
}

#[test]
fn a_ledger_that_nobody_has_any_more_is_rebuilt_from_tags_and_environments() {
    let world = World::new();
    let repo = two_versions(&world);
    repo.publish_support("three");
    repo.pointsman(&["rollback", "support", "--env", "sandbox"]).ok();
    let agents = rev(&repo, "pointsman/ledger:agents");
    let heads = rev(&repo, "pointsman/ledger:environments");
    let environments = repo.git_out(&["for-each-ref", "refs/heads/env", "refs/tags"]);
    repo.git(&["branch", "-D", "pointsman/ledger"]).ok();
    repo.git(&["update-ref", "-d", "refs/pointsman/seen/ledger"]).ok();
    let pending = repo.pointsman(&["verify"]);
    assert!(pending.stdout.contains("rebuild the lost ledger"), "{}", pending.stdout);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(rev(&repo, "pointsman/ledger:agents"), agents);
    assert_eq!(rev(&repo, "pointsman/ledger:environments"), heads);
    assert_eq!(repo.git_out(&["for-each-ref", "refs/heads/env", "refs/tags"]), environments);
    verified(&repo);
}

#[test]
fn a_lost_ledger_is_rebuilt_below_what_somebody_merged_meanwhile() {
    let world = World::new();
    let repo = two_versions(&world);
    let accepted = rev(&repo, "env/live");
    let heads = rev(&repo, "pointsman/ledger:environments");
    // The environment became the second parent of somebody's merge.
    let side = repo.git_out(&["commit-tree", "env/live^{tree}", "-p", "env/live^", "-m", "Aside"]);
    let merge = repo.git_out(&["commit-tree", "env/live^{tree}", "-p", &side, "-p", &accepted, "-m", "Merge"]);
    repo.git(&["update-ref", "refs/heads/env/live", &merge]).ok();
    repo.git(&["branch", "-D", "pointsman/ledger"]).ok();
    repo.git(&["update-ref", "-d", "refs/pointsman/seen/ledger"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!([rev(&repo, "env/live^1"), rev(&repo, "env/live^2")], [accepted, merge]);
    assert_ne!(rev(&repo, "pointsman/ledger:environments"), heads);
    verified(&repo);
}

#[test]
fn a_fresh_clone_rebuilds_the_ledger_that_its_origin_lost() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = two_versions(&world);
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main", "--tags"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    let agents = rev(&repo, "pointsman/ledger:agents");
    world.git("origin.git", &["branch", "-D", "pointsman/ledger"]).ok();
    let fresh = world.clone_of(&origin, "fresh");
    fresh.pointsman(&["reconcile", "--once"]).ok();
    let rebuilt = world.git("origin.git", &["rev-parse", "pointsman/ledger:agents"]).ok().stdout;
    assert_eq!(rebuilt.trim(), agents);
    verified(&fresh);
    // The clone that knew the older one does not follow by itself: two histories, both ids, a command.
    let seen = rev(&repo, "pointsman/ledger");
    repo.pointsman(&["reconcile", "--once"]).refused(&seen, "git push --force origin");
}

#[test]
fn an_origin_that_lost_its_ledger_is_given_the_newest_one_by_whoever_has_it() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = two_versions(&world);
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main", "--tags"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    let ledger = rev(&repo, "pointsman/ledger");
    world.git("origin.git", &["branch", "-D", "pointsman/ledger"]).ok();
    world.git("origin.git", &["branch", "-D", "env/live"]).ok();
    let empty = world.git("origin.git", &["for-each-ref", "refs/heads"]).ok().stdout;
    let dry = repo.pointsman(&["reconcile", "--once", "--dry-run"]).ok();
    assert!(dry.stdout.contains("would: give the remote the ledger"), "{}", dry.stdout);
    assert_eq!(repo.pointsman(&["verify"]).code, 1);
    assert_eq!(world.git("origin.git", &["for-each-ref", "refs/heads"]).ok().stdout, empty);
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(world.git("origin.git", &["rev-parse", "pointsman/ledger"]).ok().stdout.trim(), ledger);
    verified(&repo);
}

#[test]
fn a_ledger_of_garbage_is_refused_with_its_id_and_a_command() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["branch", "pointsman/ledger"]).ok();
    let garbage = rev(&repo, "pointsman/ledger");
    let refs = repo.git_out(&["for-each-ref"]);
    for verb in [&["reconcile", "--once"][..], &["publish", "support"], &["promote", "support", "--to", "live"]] {
        repo.pointsman(verb).refused(&garbage, "git branch -m pointsman/ledger");
        assert_eq!(repo.git_out(&["for-each-ref"]), refs, "{verb:?}");
    }
    let verified = repo.pointsman(&["verify"]);
    assert_eq!(verified.code, 1);
    assert!(verified.stdout.contains("was not begun by Pointsman"), "{}", verified.stdout);
}

#[test]
fn a_ledger_that_was_rolled_back_is_refused_and_each_hint_works_when_typed() {
    let world = World::new();
    for keep_seen in [true, false] {
        let repo = live_shop(&world, if keep_seen { "seen" } else { "older" });
        repo.publish_support("two");
        let (seen, older) = (rev(&repo, "pointsman/ledger"), rev(&repo, "pointsman/ledger~1"));
        repo.git(&["update-ref", "refs/heads/pointsman/ledger", &older]).ok();
        let refused = repo.pointsman(&["reconcile", "--once"]).refused(&seen, "git update-ref");
        assert!(refused.stderr.contains(&older), "{}", refused.stderr);
        let told = repo.pointsman(&["verify"]);
        assert_eq!(told.code, 1);
        assert!(told.stdout.contains(&seen), "{}", told.stdout);
        let hint = refused.stderr.lines().find_map(|line| line.trim().strip_prefix("hint: ")).unwrap();
        let commands: Vec<_> = hint.split("; ").map(|part| part.split_once(": git ").unwrap().1).collect();
        let command = commands[usize::from(!keep_seen)];
        repo.git(&command.split(' ').collect::<Vec<_>>()).ok();
        repo.pointsman(&["reconcile", "--once"]).ok();
        if keep_seen {
            assert_eq!(rev(&repo, "pointsman/ledger"), seen);
        } else {
            // What the older ledger does not know is accepted again, from its tag.
            repo.git(&["cat-file", "-e", "pointsman/ledger:agents/support/v2"]).ok();
        }
        verified(&repo);
    }
}

#[test]
fn verify_tells_what_no_pass_mends() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    let ledger = rev(&repo, "pointsman/ledger");
    // Somebody with push rights rewrites a version inside the ledger, in a commit that continues it.
    let index = world.path("index");
    let git = |args: &[&str]| {
        let mut command = isolated("git", &world.home());
        command.arg("-C").arg(&repo.dir).args(args).env("GIT_INDEX_FILE", &index);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    repo.write("forged.json", "{\"forged\":true}");
    let blob = git(&["hash-object", "-w", "forged.json"]);
    std::fs::remove_file(repo.path("forged.json")).unwrap();
    let forge = |path: &str| {
        git(&["read-tree", &ledger]);
        git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
        let tree = git(&["write-tree"]);
        let commit = git(&["commit-tree", &tree, "-p", &ledger, "-m", "Forge"]);
        repo.git(&["update-ref", "refs/heads/pointsman/ledger", &commit]).ok();
        let told = repo.pointsman(&["verify", "--json"]);
        assert_eq!(told.code, 1, "{}", told.stdout);
        let codes: Vec<_> = told.json()["violations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["code"].as_str().unwrap().to_owned())
            .collect();
        repo.git(&["update-ref", "refs/heads/pointsman/ledger", &ledger]).ok();
        codes
    };
    let codes = forge("agents/support/v1/config.json");
    assert!(codes.contains(&"append_only".to_owned()) && codes.contains(&"entry".to_owned()), "{codes:?}");
    assert!(forge("agents/support/notes.json").contains(&"strange_path".to_owned()));
    assert!(forge("agents/support/marks.json").contains(&"document".to_owned()));
    assert!(forge("environments/live.json").contains(&"document".to_owned()));
    verified(&repo);
}

#[test]
fn verify_tells_of_an_accepted_head_that_does_not_say_what_it_does() {
    let world = World::new();
    let repo = two_versions(&world);
    let ledger = rev(&repo, "pointsman/ledger");
    let head = rev(&repo, "env/live");
    let message = repo.git_out(&["log", "-1", "--format=%B", &head]);
    let document = repo.git_out(&["show", "pointsman/ledger:environments/live.json"]);
    let accept = |commit: &str, height: &str| {
        repo.write("live.json", document.replace(&head, commit).replace("\"height\": 2", height));
        let blob = repo.git_out(&["hash-object", "-w", "live.json"]);
        std::fs::remove_file(repo.path("live.json")).unwrap();
        let rows = repo.git_out(&["ls-tree", "pointsman/ledger:environments"]);
        let old = rev(&repo, "pointsman/ledger:environments/live.json");
        let heads = tree(&repo, &(rows.replace(&old, &blob) + "\n"));
        let rows = repo.git_out(&["ls-tree", "pointsman/ledger"]);
        let old = rev(&repo, "pointsman/ledger:environments");
        let top = tree(&repo, &(rows.replace(&old, &heads) + "\n"));
        let forged = repo.git_out(&["commit-tree", &top, "-p", &ledger, "-p", commit, "-m", "Forge"]);
        repo.git(&["update-ref", "refs/heads/pointsman/ledger", &forged]).ok();
        let told = repo.pointsman(&["verify"]);
        assert_eq!(told.code, 1, "{}", told.stdout);
        repo.git(&["update-ref", "refs/heads/pointsman/ledger", &ledger]).ok();
        told.stdout
    };
    // The tree of another environment under the record of this one.
    let other = rev(&repo, "env/pre-release^{tree}");
    let lie = repo.git_out(&["commit-tree", &other, "-p", &format!("{head}^"), "-m", &message]);
    let told = accept(&lie, "\"height\": 2");
    assert!(told.contains("it says that `support` went from - to v1, but its tree says from - to v2"), "{told}");
    assert!(told.contains("an accepted head stays on its branch"), "{told}");
    let told = accept(&head, "\"height\": 7");
    assert!(told.contains("has 2 commits, but its height says 7"), "{told}");
    let early = isolated("git", &world.home())
        .arg("-C")
        .arg(&repo.dir)
        .args(["commit-tree", &format!("{head}^{{tree}}"), "-p", &format!("{head}^"), "-m", "No record"])
        .output()
        .unwrap();
    let told = accept(String::from_utf8(early.stdout).unwrap().trim(), "\"height\": 2");
    assert!(told.contains("it is no record of Pointsman's"), "{told}");
    verified(&repo);
}

/// The id of a tree that spells 10^30 paths in thirty small objects.
fn bomb(repo: &Repo<'_>) -> String {
    let blob = rev(repo, "HEAD:agents/support/persona.md");
    let mut level = tree(repo, &format!("100644 blob {blob}\tfile\n"));
    for _ in 0..30 {
        let rows: String = ('a'..='j').map(|name| format!("040000 tree {level}\t{name}\n")).collect();
        level = tree(repo, &rows);
    }
    level
}

/// The tree `root` with `id` at `path`, whose folders have no other entries but those of `root`.
fn with(repo: &Repo<'_>, root: &str, path: &str, id: &str) -> String {
    let (name, below) = path.split_once('/').map_or((path, None), |(name, below)| (name, Some(below)));
    let rows = repo.git_out(&["ls-tree", root]);
    let old = repo.git(&["rev-parse", &format!("{root}:{name}")]);
    let id = match below {
        Some(below) => {
            let empty = tree(repo, "");
            let inner = if old.code == 0 { old.stdout.trim() } else { &empty };
            with(repo, inner, below, id)
        }
        None => id.to_owned(),
    };
    let kept = rows.lines().filter(|row| !row.ends_with(&format!("\t{name}"))).map(|row| format!("{row}\n"));
    tree(repo, &(kept.collect::<String>() + &format!("040000 tree {id}\t{name}\n")))
}

#[test]
fn trees_that_nest_without_end_stop_nobody() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    let bomb = bomb(&repo);
    // In a proposal, beside a change that would do.
    let before = rev(&repo, "env/live");
    let root = with(&repo, &format!("{before}^{{tree}}"), "agents/bomb", &bomb);
    let tip = repo.git_out(&["commit-tree", &root, "-p", &before, "-m", "Bomb"]);
    repo.git(&["update-ref", "refs/heads/env/live", &tip]).ok();
    healed(&repo, "live", &before, &tip, "more than 20000 changes");
    // In what a tag names: as the agent's folder, and where its globs look.
    let mut tags = Vec::new();
    for (number, path) in [("support/v2", "agents/support/knowledge"), ("billing/v2", "shared")] {
        let mut root = with(&repo, "HEAD^{tree}", path, &bomb);
        if path == "shared" {
            let listing =
                "[agents.billing]\npath = \"agents/billing\"\nkind = \"native\"\ninclude = [\"shared/**/*.md\"]\n";
            repo.write("listing", listing);
            let blob = repo.git_out(&["hash-object", "-w", "listing"]);
            std::fs::remove_file(repo.path("listing")).unwrap();
            let rows = repo.git_out(&["ls-tree", &root]);
            root = tree(&repo, &format!("{rows}\n100644 blob {blob}\tpointsman.toml\n"));
        }
        let commit = repo.git_out(&["commit-tree", &root, "-p", "HEAD", "-m", "Bomb"]);
        repo.git(&["tag", "-am", "bomb", number, &commit]).ok();
        tags.push(number);
    }
    let done = repo.pointsman(&["reconcile", "--once"]).ok();
    for tag in tags {
        assert!(done.stdout.contains(&format!("refuse {tag}")), "{}", done.stdout);
    }
    verified(&repo);
    // In the ledger itself, by somebody who may push there.
    let ledger = rev(&repo, "pointsman/ledger");
    let root = with(&repo, &format!("{ledger}^{{tree}}"), "agents/bomb", &bomb);
    let forged = repo.git_out(&["commit-tree", &root, "-p", &ledger, "-m", "Bomb"]);
    repo.git(&["update-ref", "refs/heads/pointsman/ledger", &forged]).ok();
    repo.pointsman(&["reconcile", "--once"]).refused("more than 100000 files and folders", "");
    assert_eq!(repo.pointsman(&["verify"]).code, 1);
}

#[test]
fn tags_of_other_things_are_told_and_not_remembered() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("One");
    repo.git(&["tag", "mylib/v1"]).ok();
    repo.git(&["tag", "-a", "otherlib/v500", "-m", "Another product"]).ok();
    let told = repo.pointsman(&["reconcile", "--once"]).ok().stdout;
    assert!(told.contains("ignored: ") && told.contains("mylib") && told.contains("otherlib"), "{told}");
    let ledger = repo.git_out(&["ls-tree", "-r", "--name-only", "pointsman/ledger"]);
    assert!(!ledger.contains("mylib") && !ledger.contains("otherlib"), "{ledger}");
}
