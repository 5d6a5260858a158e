//! Idempotency keys: the same call answers the same again, wherever and whenever it is made again.

use pointsman::domain::Digest;
use pointsman::ops::Workspace;
use pointsman::ops::moves::{Manner, Moved, carry_out, promote};

use crate::env::{Repo, World};

/// A bare origin with one agent, and a clone of it.
fn shared(world: &World) -> Repo<'_> {
    let origin = world.bare("origin.git");
    let first = world.repository("first");
    first.git(&["remote", "add", "origin", origin.to_str().unwrap()]).ok();
    first.git(&["push", "-q", "origin", "main"]).ok();
    world.clone_of(&origin, "clone")
}

fn refs(repo: &Repo<'_>) -> String {
    repo.git_out(&["ls-remote", "origin"])
}

/// The keys in the ledger.
fn keys(repo: &Repo<'_>) -> Vec<String> {
    let listed = repo.git_out(&["ls-tree", "-r", "--name-only", "pointsman/ledger", "keys"]);
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn a_publish_answers_the_same_again_also_from_a_clone_with_another_draft() {
    let world = World::new();
    let one = shared(&world);
    let call = ["publish", "support", "--note", "first", "--idempotency-key", "k1", "--json"];
    let answer = one.pointsman(&call).ok().json();
    assert_eq!((&answer["created"], &answer["deployed"]), (&true.into(), &serde_json::json!(["sandbox"])));
    let before = refs(&one);
    one.write("agents/support/persona.md", "Edited since.\n");
    assert_eq!(one.pointsman(&call).ok().json(), answer);

    let two = world.clone_of(&world.path("origin.git"), "other");
    two.write("agents/support/agent.toml", "name = \n");
    assert_eq!(two.pointsman(&call).ok().json(), answer);
    two.pointsman(&["publish", "support", "--note", "second", "--idempotency-key", "k1"])
        .refused("this idempotency key was used for another request", "a new key");
    assert_eq!(refs(&one), before);
    assert_eq!(one.git_out(&["status", "--porcelain"]), "M agents/support/persona.md");
}

#[test]
fn an_unchanged_draft_is_an_answer_that_a_key_keeps() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    let call = ["publish", "support", "--idempotency-key", "k", "--json"];
    let answer = repo.pointsman(&call).ok().json();
    assert_eq!((&answer["created"], &answer["version"]["version"]), (&false.into(), &1.into()));
    repo.write("agents/support/persona.md", "Edited since.\n");
    assert_eq!(repo.pointsman(&call).ok().json(), answer);
    assert_eq!(repo.git_out(&["tag", "--list"]), "support/v1");
}

#[test]
fn moves_answer_with_the_deployment_and_the_commit_that_they_made() {
    let world = World::new();
    let one = shared(&world);
    one.publish_support("one");
    one.publish_support("two");
    let two = world.clone_of(&world.path("origin.git"), "other");
    let calls: [&[&str]; 4] = [
        &["promote", "support", "--to", "pre-release", "--version", "1"],
        &["release", "support=2", "--to", "pre-release", "--reason", "weekly"],
        &["rollback", "support", "--env", "pre-release", "--reason", "too loud"],
        &["promote", "support", "--to", "sandbox"],
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let key = format!("key-{index}");
        let call = [call, &["--json", "--idempotency-key", &key]].concat();
        let answer = one.pointsman(&call).ok().json();
        let place = format!("origin/env/{}", answer["environment"].as_str().unwrap());
        if answer["action"].is_null() {
            assert_eq!(answer["note"], "`sandbox` serves it already");
        } else {
            let tip = one.git_out(&["rev-parse", &place]);
            assert_eq!(answer["commit"], tip.as_str());
            let made = one.git_out(&["log", "-1", "--format=%(trailers:key=Pointsman-Move,valueonly)", &place]);
            assert!(made.ends_with(answer["deployment"].as_str().unwrap()), "{made}: {answer}");
        }
        let before = refs(&one);
        for repo in [&one, &two] {
            assert_eq!(repo.pointsman(&call).ok().json(), answer);
            // A key belongs to an address, whatever name goes with it.
            repo.pointsman(&[&call[..], &["--author", "Countess Ada <ada@example.com>"]].concat()).ok();
        }
        assert_eq!(refs(&one), before);
    }
    // The same key for another request is refused; for another verb it is another key.
    one.pointsman(&["promote", "support", "--to", "pre-release", "--idempotency-key", "key-0"])
        .refused("used for another request", "a new key");
    one.pointsman(&["rollback", "support", "--env", "pre-release", "--idempotency-key", "key-0"]).ok();
}

#[test]
fn a_move_answers_with_its_own_commit_where_others_follow_in_the_same_pass() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    repo.write(
        "pointsman.toml",
        "[[environments]]\nname = \"sandbox\"\nnumbers = [{ number = \"+442071234567\", agent = \"support\" }]\n",
    );
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Policy"]).ok();
    let call = ["hold", "support", "--env", "sandbox", "--json"];
    let answer = repo.pointsman(&call).ok().json();
    // `routes.json` was written on top of it.
    assert_eq!(answer["commit"], repo.git_out(&["rev-parse", "env/sandbox^"]).as_str());
}

#[test]
fn a_refusal_is_not_kept() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    let call = ["promote", "support", "--to", "live", "--confirm", "--idempotency-key", "k"];
    repo.pointsman(&call).refused("not in `pre-release`", "");
    assert_eq!(keys(&repo), Vec::<String>::new());
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    repo.pointsman(&call).ok();
    assert_eq!(keys(&repo).len(), 1);
}

#[test]
fn a_publish_cut_off_after_the_tag_is_finished_by_the_answer_to_its_key() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    repo.write("agents/support/persona.md", "Second.\n");
    let call = ["publish", "support", "--idempotency-key", "k", "--json"];
    let cut = repo.command(&call).env("POINTSMAN_CRASH_AT", "refs/tags/support/v2 moved").output().unwrap();
    assert!(!cut.status.success());
    assert_eq!(repo.git_out(&["tag", "--list"]), "support/v1\nsupport/v2");
    assert_ne!(repo.git(&["cat-file", "-e", "pointsman/ledger:agents/support/v2"]).code, 0);
    // The draft has moved on meanwhile; the answer is about what was published.
    repo.write("agents/support/persona.md", "Third.\n");
    let head = repo.git_out(&["rev-parse", "HEAD"]);
    let answer = repo.pointsman(&call).ok().json();
    assert_eq!((&answer["version"]["version"], &answer["created"]), (&2.into(), &true.into()));
    assert_eq!(answer["deployed"], serde_json::json!(["sandbox"]));
    assert_eq!(repo.pointsman(&call).ok().json(), answer);
    assert_eq!(repo.git_out(&["tag", "--list"]), "support/v1\nsupport/v2");
    assert_eq!(repo.git_out(&["rev-parse", "HEAD"]), head);
}

#[test]
fn a_publish_cut_off_after_the_push_answers_in_any_clone() {
    let world = World::new();
    let one = shared(&world);
    let call = ["publish", "support", "--idempotency-key", "k", "--json"];
    let cut = one.command(&call).env("POINTSMAN_CRASH_AT", "pushed").output().unwrap();
    assert!(!cut.status.success());
    let two = world.clone_of(&world.path("origin.git"), "other");
    let answer = two.pointsman(&call).ok().json();
    assert_eq!((&answer["version"]["version"], &answer["created"]), (&1.into(), &true.into()));
    assert_eq!(one.pointsman(&call).ok().json(), answer);
}

#[test]
fn a_tag_pushed_with_somebody_elses_key_does_not_replace_what_the_key_keeps() {
    let world = World::new();
    let repo = world.repository("shop");
    let call = ["publish", "support", "--idempotency-key", "k", "--json"];
    let answer = repo.pointsman(&call).ok().json();
    let trailer = repo.git_out(&["tag", "--list", "support/v1", "--format=%(contents:body)"]);
    assert!(trailer.starts_with("Pointsman-Key: "), "{trailer}");
    repo.git(&["tag", "-a", "support/v2", "-m", "Copied", "-m", &trailer]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    assert_eq!(repo.git_out(&["rev-parse", "-q", "--verify", "pointsman/ledger:agents/support/v2"]).len(), 40);
    assert_eq!(repo.pointsman(&call).ok().json()["version"]["version"], answer["version"]["version"]);
}

#[test]
fn keys_are_forgotten_after_thirty_days_and_pruned_when_another_is_written() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    repo.publish_support("two");
    let promote_at = |now: &str, version: u32, key: &str| -> Result<Moved, String> {
        let author = "Ada <ada@example.com>".parse().unwrap();
        let workspace = Workspace::open(&repo.dir, true, now.parse().unwrap(), Some(author)).unwrap();
        let version = pointsman::domain::VersionNumber::new(version);
        let (intent, agents) =
            promote("pre-release".parse().unwrap(), [("support".parse().unwrap(), version)].into(), false);
        let manner = Manner { idempotency_key: Some(key.to_owned()), ..Manner::default() };
        carry_out(&workspace, "promote", intent, agents, &manner).map_err(|problem| problem.code)
    };
    let folder =
        |key: &str| Digest::of(format!("cli:ada@example.com\npromote\n{key}").as_bytes()).hex()[..2].to_owned();
    let neighbour = (0..).map(|n| format!("n{n}")).find(|key| folder(key) == folder("k")).unwrap();
    let stranger = (0..).map(|n| format!("s{n}")).find(|key| folder(key) != folder("k")).unwrap();

    let first = promote_at("2027-01-01T00:00:00Z", 1, "k").unwrap();
    let other = promote_at("2027-01-01T00:00:01Z", 2, &stranger).unwrap();
    assert_ne!(first.deployment, other.deployment);
    // Thirty days later to the second it is the same answer, although v2 is there by now.
    let again = promote_at("2027-01-31T00:00:00Z", 1, "k").unwrap();
    assert_eq!((again.deployment, again.commit), (first.deployment, first.commit));
    assert_eq!(promote_at("2027-01-31T00:00:00Z", 2, "k").unwrap_err(), "idempotency_key_reused");
    // A second more, and it is a key like any other.
    let anew = promote_at("2027-01-31T00:00:01Z", 1, "k").unwrap();
    assert_ne!(anew.deployment, first.deployment);
    assert_eq!(keys(&repo).len(), 2);
    promote_at("2027-04-01T00:00:00Z", 2, &neighbour).unwrap();
    let left = keys(&repo);
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(left.iter().filter(|path| path.starts_with(&format!("keys/{}/", folder("k")))).count(), 1);
}

#[test]
fn what_is_no_key_is_a_usage_error() {
    let world = World::new();
    let repo = world.repository("shop");
    for key in ["", "two words", "schlüssel", "tab\t", &"k".repeat(256)] {
        for verb in [&["publish", "support"][..], &["promote", "support", "--to", "sandbox"], &["rollback", "support"]]
        {
            let ended = repo.pointsman(&[verb, &["--idempotency-key", key]].concat());
            assert_eq!(ended.code, 2, "{key:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("1 to 255 printable ASCII characters"), "{}", ended.stderr);
        }
    }
    repo.pointsman(&["publish", "support", "--idempotency-key", &"k".repeat(255)]).ok();
}
