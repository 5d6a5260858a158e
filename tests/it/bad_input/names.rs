//! Wrong places and wrong names.

use super::refuses;
use crate::env::World;

#[test]
fn outside_a_repository() {
    let world = World::new();
    std::fs::create_dir(world.path("plain")).unwrap();
    let plain = crate::env::Repo { world: &world, dir: world.path("plain") };
    for verb in [&["publish", "support"][..], &["versions", "support"], &["reconcile", "--once"], &["history"]] {
        plain.pointsman(verb).refused("is not inside a git repository", "git init");
        assert_eq!(std::fs::read_dir(&plain.dir).unwrap().count(), 0);
    }
    let nowhere = crate::env::Repo { world: &world, dir: world.path("nowhere") }.pointsman(&["publish", "support"]);
    assert_eq!(nowhere.code, 2);
    assert!(
        nowhere.stderr.contains("no folder `") && nowhere.stderr.contains("-C names a folder"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn a_repository_without_agents() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["rm", "-rqf", "agents"]).ok();
    repo.git(&["commit", "-qm", "Empty"]).ok();
    refuses(&repo, &["publish"], 2, "there are no agents here", "pointsman new");
    refuses(&repo, &["publish", "support"], 1, "no agent `support`", "pointsman new");
}

#[test]
fn an_unborn_branch() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["update-ref", "-d", "HEAD"]).ok();
    refuses(&repo, &["publish", "support"], 1, "no commit yet", "git commit");
}

#[test]
fn an_unknown_agent_or_environment_with_the_nearest_name() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    for args in [
        &["publish", "suport"][..],
        &["versions", "suport"],
        &["history", "suport"],
        &["promote", "suport", "--to", "pre-release"],
        &["promote", "suport", "--to", "pre-release", "--dry-run"],
        &["rollback", "suport"],
    ] {
        refuses(&repo, args, 1, "no agent `suport`", "did you mean `support`?");
    }
    refuses(&repo, &["publish", "zebra"], 1, "no agent `zebra`", "pointsman new");
    for args in [
        &["promote", "support", "--to", "lve"][..],
        &["rollback", "support", "--env", "lve"],
        &["hold", "support", "--env", "lve"],
        &["retire", "support", "--env", "lve"],
        &["history", "--env", "lve"],
        &["compare", "lve", "sandbox"],
    ] {
        refuses(&repo, args, 1, "no environment `lve`", "did you mean `live`?");
    }
    refuses(&repo, &["promote", "support", "--to", "moon"], 1, "no environment `moon`", "sandbox");
    refuses(
        &repo,
        &["promote", "support", "--to", "pre-release", "--version", "9"],
        1,
        "no version v9",
        "pointsman versions support",
    );
}

#[test]
fn ids_that_would_break_a_ref_a_path_or_a_url() {
    let world = World::new();
    let repo = world.repository("shop");
    refuses(&repo, &["publish", "Support"], 2, "`Support` cannot be part of an agent id", "did you mean `support`?");
    for (id, part) in [("my agent", "`my agent`"), ("a/../b", "`..`"), (".hidden", "`.hidden`"), ("v7", "`v7`")] {
        refuses(&repo, &["publish", id], 2, &format!("{part} cannot be part of an agent id"), "write it as in");
    }
    let long = "a".repeat(300);
    refuses(&repo, &["publish", &long], 2, "at most 100 characters, this one has 300", "write it as in");
    let escape = "\u{1b}[31mred";
    let ended = refuses(&repo, &["publish", escape], 2, r"\u{1b}[31mred", "write it as in");
    assert!(!ended.stderr.contains('\u{1b}'));
}

#[test]
fn a_folder_whose_name_is_no_id() {
    let world = World::new();
    let repo = world.repository("shop");
    for folder in ["Sales", "my agent", "..sales"] {
        repo.write(&format!("agents/{folder}/agent.toml"), "name = \"Sales\"\n");
    }
    refuses(&repo, &["publish", "Sales"], 1, "folder `agents/Sales` holds an agent", "path = \"agents/Sales\"");
    refuses(
        &repo,
        &["publish", "my agent"],
        1,
        "folder `agents/my agent` holds an agent",
        "path = \"agents/my agent\"",
    );
    // The others are not held up by it.
    repo.pointsman(&["publish", "support"]).ok();
}

#[test]
fn two_folders_with_one_id() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("support/agent.toml", "name = \"Other\"\n");
    let message = "agent `support` is in two folders, `agents/support` and `support`";
    refuses(&repo, &["publish", "support"], 1, message, "rename one of the folders");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Twice"]).ok();
    refuses(&repo, &["publish", "support"], 1, message, "rename one of the folders");
}

#[test]
fn a_moved_folder_is_still_the_same_agent() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    std::fs::rename(repo.path("agents/support"), repo.path("support")).unwrap();
    let moved = repo.pointsman(&["publish", "support", "--json"]).ok().json();
    // The bytes are the same, so nothing new is published.
    assert_eq!((&moved["created"], &moved["version"]["version"]), (&false.into(), &1.into()));
}

#[test]
fn an_agent_inside_an_agent() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/support/inner/agent.toml", "name = \"Inner\"\n");
    super::refuses_to_publish(&repo, "an agent inside an agent");
    refuses(&repo, &["publish", "support/inner"], 1, "inside", "");
}
