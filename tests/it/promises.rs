//! The promises of the git layout, each checked with plain git and with `pointsman verify`.

use pointsman::ops::moves::{self, Manner};
use pointsman::ops::publish::{PublishCall, publish};
use pointsman::ops::{Problem, Workspace};

use crate::env::{Repo, World};

/// A shop with two agents, each published once and promoted to `live`.
pub fn live_shop<'w>(world: &'w World, name: &str) -> Repo<'w> {
    let repo = world.repository(name);
    repo.write("agents/billing/agent.toml", "name = \"Billing\"\ngreeting = \"Your bill?\"\n");
    repo.write("agents/billing/persona.md", "You explain bills.\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Add billing"]).ok();
    repo.pointsman(&["publish", "support"]).ok();
    repo.pointsman(&["publish", "billing"]).ok();
    repo.pointsman(&["release", "--to", "pre-release", "support", "billing"]).ok();
    repo.pointsman(&["release", "--to", "live", "--confirm", "support", "billing"]).ok();
    repo
}

/// Asserts that every promise holds and nothing is left to do.
#[track_caller]
pub fn verified(repo: &Repo<'_>) {
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn every_version_is_the_same_tree_in_tag_ledger_and_environment() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    for agent in ["support", "billing"] {
        let entry = repo.git_out(&["rev-parse", &format!("pointsman/ledger:agents/{agent}/v1")]);
        for environment in ["sandbox", "pre-release", "live"] {
            assert_eq!(repo.git_out(&["rev-parse", &format!("env/{environment}:agents/{agent}")]), entry);
        }
        let folder = repo.git_out(&["rev-parse", &format!("{agent}/v1:agents/{agent}")]);
        assert_eq!(repo.git_out(&["rev-parse", &format!("{entry}:source")]), folder);
        let raw = repo.git_out(&["cat-file", "tag", &format!("{agent}/v1")]);
        assert_eq!(repo.git_out(&["cat-file", "blob", &format!("{entry}:tag")]), raw);
    }
    verified(&repo);
}

#[test]
fn several_agents_move_in_one_commit_or_not_at_all() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    let moved = repo.git_out(&["diff-tree", "-r", "--name-only", "env/live^", "env/live", "--", "agents"]);
    assert!(moved.contains("agents/support/") && moved.contains("agents/billing/"), "{moved}");
    assert_eq!(repo.git_out(&["rev-list", "--count", "--first-parent", "env/live"]), "2");
    // One of two may not go: neither does.
    repo.publish_support("two");
    let before = repo.git_out(&["rev-parse", "env/live"]);
    repo.pointsman(&["release", "--to", "live", "--confirm", "support=2", "billing=1"])
        .refused("support v2: it never was in `pre-release`", "pointsman promote support --to pre-release");
    assert_eq!(repo.git_out(&["rev-parse", "env/live"]), before);
    verified(&repo);
}

/// Runs the story of `days` days, one greeting a day, each published and promoted to `live` at noon.
fn days(repo: &Repo<'_>, greetings: &[&str]) -> Result<(), Problem> {
    for (day, greeting) in (1..).zip(greetings) {
        repo.write("agents/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
        let noon = format!("2031-03-0{day}T12:00:00Z").parse().expect("a moment");
        let ada = "Ada <ada@example.com>".parse().expect("an identity");
        let workspace = Workspace::open(&repo.dir, true, noon, Some(ada))?;
        let support: pointsman::domain::AgentId = "support".parse().expect("an id");
        publish(&workspace, &support, &PublishCall::default())?;
        for environment in ["pre-release", "live"] {
            let versions = [(support.clone(), None)].into();
            let (intent, agents) = moves::promote(environment.parse().expect("a name"), versions, true);
            moves::carry_out(&workspace, "promote", intent, agents, &Manner::default())?;
        }
    }
    Ok(())
}

#[test]
fn git_log_says_what_was_live_on_any_day() {
    let world = World::new();
    let repo = world.repository("shop");
    days(&repo, &["one", "two", "three"]).unwrap();
    for (day, version) in [("02", "v1"), ("03", "v2"), ("04", "v3")] {
        let until = format!("--until=2031-03-{day}T09:00:00Z");
        let commit = repo.git_out(&["log", "-1", "--first-parent", "--format=%H", &until, "env/live"]);
        let served = repo.git_out(&["rev-parse", &format!("{commit}:agents/support")]);
        assert_eq!(served, repo.git_out(&["rev-parse", &format!("pointsman/ledger:agents/support/{version}")]));
    }
    let nothing =
        repo.git_out(&["log", "-1", "--first-parent", "--format=%s", "--until=2031-02-01T00:00:00Z", "env/live"]);
    assert_eq!(nothing, "Begin");
    verified(&repo);
}

#[test]
fn git_log_is_the_audit_trail_of_one_agent() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    repo.publish_support("two");
    repo.pointsman(&["promote", "support", "--to", "pre-release", "--reason", "asked for"]).ok();
    repo.pointsman(&["rollback", "support", "--env", "pre-release", "--reason", "too short"]).ok();
    let trail = repo.git_out(&["log", "--first-parent", "--format=%s", "env/pre-release", "--", "agents/support"]);
    assert_eq!(
        trail.lines().collect::<Vec<_>>(),
        [
            "Roll back support to v1 in pre-release",
            "Promote support v2 to pre-release",
            "Promote 2 agents to pre-release"
        ]
    );
    let body = repo.git_out(&["log", "-1", "--format=%b", "env/pre-release"]);
    assert!(body.starts_with("too short\n\nPointsman-Action: rollback\n"), "{body}");
    let value = repo.git_out(&["log", "-1", "--format=%(trailers:key=Pointsman-Move,valueonly)", "env/pre-release"]);
    assert!(value.starts_with("support v2 v1 "), "{value}");
    verified(&repo);
}

#[test]
fn two_environments_compare_line_by_line_with_git() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    repo.publish_support("Good morning!");
    let diff = repo.git_out(&["diff", "env/live", "env/sandbox", "--", "agents/support/source"]);
    assert!(diff.contains("-greeting = \"Hello, how can I help?\"\n+greeting = \"Good morning!\""), "{diff}");
    verified(&repo);
}

#[test]
fn environments_are_only_ever_fast_forwarded() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    repo.publish_support("two");
    repo.pointsman(&["rollback", "support", "--env", "sandbox"]).ok();
    repo.pointsman(&["retire", "billing", "--env", "live"]).ok();
    repo.pointsman(&["hold", "support", "--env", "live"]).ok();
    for branch in ["env/sandbox", "env/pre-release", "env/live", "pointsman/ledger"] {
        let moves = repo.git_out(&["reflog", "show", "--format=%H", branch]);
        // Without a reflog the story would say nothing.
        assert!(!moves.is_empty(), "{branch}");
        for pair in moves.lines().collect::<Vec<_>>().windows(2) {
            repo.git(&["merge-base", "--is-ancestor", pair[1], pair[0]]).ok();
        }
    }
    verified(&repo);
}

#[test]
fn a_clone_of_the_ledger_alone_has_every_tag_and_commit_with_its_id() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    repo.publish_support("two");
    let refs =
        ["for-each-ref", "--format=%(refname) %(objectname)", "refs/tags", "refs/heads/env", "refs/heads/pointsman"];
    let before = repo.git_out(&refs);
    let ledger = ["clone", "-q", "--bare", "--single-branch", "--branch", "pointsman/ledger", "--no-tags"];
    let from = format!("file://{}", repo.dir.display());
    world.git(".", &[&ledger[..], &[from.as_str(), "copy.git"]].concat()).ok();
    world.git("copy.git", &["config", "pointsman.defaultBranch", "main"]).ok();
    world.git("copy.git", &["remote", "remove", "origin"]).ok();
    let main = repo.git_out(&["rev-parse", "main"]);
    world.git("copy.git", &["update-ref", "refs/heads/main", &main]).ok();
    world.git("copy.git", &["gc", "-q", "--prune=now"]).ok();
    let copy = Repo { world: &world, dir: world.path("copy.git") };
    let pending = copy.pointsman(&["verify"]);
    assert_eq!(pending.code, 1);
    assert!(pending.stdout.contains("put support/v2 back"), "{}", pending.stdout);
    copy.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(copy.git_out(&refs), before);
    copy.git(&["fsck", "--strict"]).ok();
    verified(&copy);
}

#[test]
fn the_first_entry_wins_over_a_newer_compiler() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    // The same version as another compiler froze it: other bytes, told by an entry that proves itself.
    let entry = repo.git_out(&["rev-parse", "pointsman/ledger:agents/support/v1"]);
    let record = repo.git_out(&["cat-file", "blob", &format!("{entry}:version.json")]);
    let config = repo.git_out(&["cat-file", "blob", &format!("{entry}:config.json")]);
    let old = record.replace("\"pointsman/1\"", "\"pointsman/0\"") + "\n";
    assert_ne!(old, record);
    let fresh = world.repository("older");
    fresh.git(&["fetch", "-q", &repo.dir.display().to_string(), "refs/tags/*:refs/tags/*", "main:theirs"]).ok();
    fresh.git(&["reset", "-q", "--hard", "theirs"]).ok();
    fresh.git(&["tag", "-d", "billing/v1"]).ok();
    fresh.pointsman(&["reconcile", "--once"]).ok();
    let put = |name: &str, text: &str| {
        fresh.write(name, text);
        let blob = fresh.git_out(&["hash-object", "-w", "--no-filters", name]);
        std::fs::remove_file(fresh.path(name)).unwrap();
        blob
    };
    let (version, config) = (put("version.json", &old), put("config.json", &config));
    let tag = fresh.git_out(&["rev-parse", "pointsman/ledger:agents/support/v1/tag"]);
    let source = fresh.git_out(&["rev-parse", "pointsman/ledger:agents/support/v1/source"]);
    let tree = crate::healing::tree(
        &fresh,
        &format!(
            "100644 blob {config}\tconfig.json\n040000 tree {source}\tsource\n100644 blob {tag}\ttag\n100644 blob {version}\tversion.json\n"
        ),
    );
    // A ledger of the older compiler, begun anew from the root that all share.
    let root = fresh.git_out(&["rev-list", "--max-parents=0", "--first-parent", "pointsman/ledger"]);
    let versions = crate::healing::tree(&fresh, &format!("040000 tree {tree}\tv1\n"));
    let agents = crate::healing::tree(&fresh, &format!("040000 tree {versions}\tsupport\n"));
    let readme = fresh.git_out(&["rev-parse", &format!("{root}:README.md")]);
    let top = crate::healing::tree(&fresh, &format!("100644 blob {readme}\tREADME.md\n040000 tree {agents}\tagents\n"));
    let tagged = fresh.git_out(&["rev-parse", "support/v1^{commit}"]);
    let ledger = fresh.git_out(&["commit-tree", &top, "-p", &root, "-p", &tagged, "-m", "Accept support/v1"]);
    fresh.git(&["update-ref", "-d", "refs/pointsman/seen/ledger"]).ok();
    fresh.git(&["update-ref", "refs/heads/pointsman/ledger", &ledger]).ok();
    for environment in ["sandbox", "pre-release", "live"] {
        fresh.git(&["update-ref", "-d", &format!("refs/heads/env/{environment}")]).ok();
    }
    fresh.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(fresh.git_out(&["rev-parse", "pointsman/ledger:agents/support/v1"]), tree);
    assert_eq!(fresh.git_out(&["rev-parse", "env/sandbox:agents/support"]), tree);
    verified(&fresh);
}

#[test]
fn what_is_outside_git_decides_nothing() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    let refs = repo.git_out(&["for-each-ref"]);
    repo.write(".git/pointsman/cache.json", "{\"live\": \"nonsense\"}");
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git_out(&["for-each-ref"]), refs);
    std::fs::remove_dir_all(repo.path(".git/pointsman")).unwrap();
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git_out(&["for-each-ref"]), refs);
    verified(&repo);
}

#[test]
fn one_bad_tag_stops_only_itself_and_is_remembered() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    repo.write("agents/support/agent.toml", "name = \"Support\"\nnonsense = 1\n");
    repo.git(&["commit", "-qam", "Break support"]).ok();
    repo.git(&["tag", "-am", "bad", "support/v2"]).ok();
    repo.write("agents/billing/persona.md", "You explain bills slowly.\n");
    repo.git(&["commit", "-qam", "Slow down"]).ok();
    repo.git(&["tag", "-am", "good", "billing/v2"]).ok();
    let done = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(done.stdout.contains("refuse support/v2"), "{}", done.stdout);
    assert!(done.stdout.contains("accept billing/v2"), "{}", done.stdout);
    let refusal = repo.git_out(&["show", "pointsman/ledger:agents/support/rejected/v2.json"]);
    assert!(refusal.contains("nonsense"), "{refusal}");
    let again = repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(again.stdout, "nothing to do\n");
    verified(&repo);
}

#[test]
fn a_refused_tag_that_is_replaced_or_deleted_is_judged_afresh() {
    let world = World::new();
    let repo = live_shop(&world, "shop");
    repo.git(&["tag", "support/v2"]).ok();
    let done = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(done.stdout.contains("refuse support/v2: `support/v2` is a lightweight tag"), "{}", done.stdout);
    verified(&repo);
    // Its number is taken while it stands there.
    let dry = repo.publish_support("three");
    assert!(dry.stdout.contains("support/v3"), "{}", dry.stdout);
    repo.git(&["tag", "-fam", "second try", "support/v2"]).ok();
    let done = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(done.stdout.contains("accept support/v2"), "{}", done.stdout);
    repo.git(&["cat-file", "-e", "pointsman/ledger:agents/support/v2/config.json"]).ok();
    assert_eq!(repo.git(&["cat-file", "-e", "pointsman/ledger:agents/support/rejected"]).code, 128);
    verified(&repo);
    repo.git(&["tag", "support/v4"]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    repo.git(&["tag", "-d", "support/v4"]).ok();
    let done = repo.pointsman(&["reconcile", "--once"]).ok();
    assert!(done.stdout.contains("forget the refusal of support/v4"), "{}", done.stdout);
    let done = repo.publish_support("four");
    assert!(done.stdout.contains("support/v4"), "{}", done.stdout);
    verified(&repo);
}
