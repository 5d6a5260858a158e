//! The draft of files that git knows already is made without git; whatever git has rules about, git is asked.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::env::{Ended, Repo, World};

/// Publishes `support` where no git is found.
fn publish_without_git(repo: &Repo<'_>) -> Ended {
    let mut command = repo.command(&["publish", "support", "--author", "Ada <ada@example.com>", "--json"]);
    Ended::of(command.env("PATH", "/nonexistent").output().unwrap())
}

/// A repository with an agent of some files and a version.
fn shop(world: &World) -> Repo<'_> {
    let repo = world.repository("shop");
    repo.write("agents/support/knowledge/hours.md", "# Hours\n\nNine to five.\n");
    repo.write("agents/support/tool.sh", "#!/bin/sh\necho hello\n");
    let tool = repo.path("agents/support/tool.sh");
    std::fs::set_permissions(tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    repo.write("other/README.md", "not an agent\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "More"]).ok();
    repo.pointsman(&["publish", "support"]).ok();
    repo
}

/// What git makes of the folder: its tree, by way of a commit that is taken back.
fn as_git_commits(repo: &Repo<'_>) -> String {
    let copy = repo.world.path("copy");
    let _ = std::fs::remove_dir_all(&copy);
    assert!(Command::new("cp").arg("-a").arg(&repo.dir).arg(&copy).status().unwrap().success());
    let git = |args: &[&str]| repo.world.git("copy", args).ok().stdout.trim().to_owned();
    git(&["add", "-A", "agents/support"]);
    git(&["rev-parse", &format!("{}:agents/support", git(&["write-tree"]))])
}

#[test]
fn edits_of_known_files_are_published_as_git_would() {
    let world = World::new();
    let repo = shop(&world);
    let edits: [&[(&str, &str)]; 5] = [
        &[("persona.md", "You are kind.\n")],
        // As long as before.
        &[("persona.md", "You are keen.\n")],
        &[("persona.md", "Windows\r\nlines\r\n"), ("knowledge/hours.md", "# Hours\n\nTen to six.\n")],
        &[("tool.sh", "#!/bin/sh\necho bye\n"), ("agent.toml", "name = \"Support\"\n")],
        &[("knowledge/hours.md", "")],
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        repo.write("other/README.md", format!("edited {index} times, and nobody's business\n"));
        for (path, text) in edit {
            repo.write(&format!("agents/support/{path}"), text);
        }
        let expected = as_git_commits(&repo);
        let published = publish_without_git(&repo).ok().json();
        let tag = published["version"]["tag"].as_str().unwrap().to_owned();
        assert_eq!(tag, format!("support/v{}", index + 2));
        assert_eq!(repo.git_out(&["rev-parse", &format!("{tag}:agents/support")]), expected);
        assert_eq!(repo.git_out(&["status", "--porcelain"]), "M other/README.md");
        // The index is good for git's own next steps: it verifies, and its trees are those of HEAD.
        assert_eq!(repo.git_out(&["write-tree"]), repo.git_out(&["rev-parse", "HEAD^{tree}"]));
        repo.git(&["fsck", "--strict"]).ok();
    }
    // Written again, and as it was.
    repo.write("agents/support/knowledge/hours.md", "");
    assert_eq!(publish_without_git(&repo).ok().json()["created"], false);
    repo.pointsman(&["verify"]).ok();
}

/// What has to be done to a repository before git has a rule about the edit that follows.
type Rule = fn(&Repo<'_>);

#[test]
fn git_is_asked_about_everything_it_has_rules_for() {
    let rules: [(&str, Rule); 15] = [
        ("a new file", |repo| repo.write("agents/support/new.md", "new\n")),
        ("an ignored file", |repo| {
            repo.write(".git/info/exclude", "*.log\n");
            repo.write("agents/support/debug.log", "ignored\n");
        }),
        ("a deleted file", |repo| std::fs::remove_file(repo.path("agents/support/tool.sh")).unwrap()),
        ("another mode", |repo| {
            let tool = repo.path("agents/support/tool.sh");
            std::fs::set_permissions(tool, std::fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("a link in place of a file", |repo| {
            std::fs::remove_file(repo.path("agents/support/tool.sh")).unwrap();
            symlink("persona.md", repo.path("agents/support/tool.sh")).unwrap();
        }),
        ("attributes", |repo| repo.write(".gitattributes", "*.md text\n")),
        ("attributes in the folder", |repo| {
            repo.write("agents/support/.gitattributes", "persona.md text\n");
            repo.git(&["add", "agents/support/.gitattributes"]).ok();
        }),
        ("attributes of this clone", |repo| repo.write(".git/info/attributes", "persona.md ident\n")),
        ("attributes of this person", |repo| {
            repo.write("../mine", "* text=auto\n");
            repo.git(&["config", "--global", "core.attributesFile", repo.world.path("mine").to_str().unwrap()]).ok();
        }),
        ("line endings of this clone", |repo| drop(repo.git(&["config", "core.autocrlf", "input"]).ok())),
        ("line endings of this person", |repo| {
            repo.git(&["config", "--global", "core.autocrlf", "true"]).ok();
        }),
        ("settings that hold somewhere", |repo| {
            repo.world.write("crlf", "[core]\n\tautocrlf = true\n");
            let crlf = repo.world.path("crlf");
            repo.git(&["config", "includeIf.onbranch:main.path", crlf.to_str().unwrap()]).ok();
        }),
        ("an index of version 4", |repo| drop(repo.git(&["update-index", "--index-version", "4"]).ok())),
        ("a split index", |repo| drop(repo.git(&["update-index", "--split-index"]).ok())),
        ("an announced file", |repo| {
            repo.write("announced.md", "later\n");
            repo.git(&["add", "-N", "announced.md"]).ok();
        }),
    ];
    for (what, rule) in rules {
        let world = World::new();
        let repo = shop(&world);
        repo.write("agents/support/persona.md", "You are kind.\r\n");
        rule(&repo);
        let refused = publish_without_git(&repo);
        assert!(refused.code != 0 && refused.stderr.contains("git"), "{what}: {}", refused.stderr);
        let expected = as_git_commits(&repo);
        repo.pointsman(&["publish", "support"]).ok();
        assert_eq!(repo.git_out(&["rev-parse", "support/v2:agents/support"]), expected, "{what}");
        assert_eq!(repo.git_out(&["status", "--porcelain", "--", "agents"]), "", "{what}");
        repo.git(&["fsck", "--strict", "--no-dangling"]).ok();
    }
}

/// Reading a pipe waits for somebody who writes; git adds none.
#[test]
fn nobody_waits_for_a_pipe_in_place_of_a_file() {
    let world = World::new();
    let repo = shop(&world);
    std::fs::remove_file(repo.path("agents/support/tool.sh")).unwrap();
    assert!(Command::new("mkfifo").arg(repo.path("agents/support/tool.sh")).status().unwrap().success());
    let refused = repo.pointsman(&["publish", "support"]);
    assert!(refused.code == 1 && refused.stderr.contains("tool.sh"), "{}", refused.stderr);
    let status = repo.pointsman(&["status", "--json"]);
    assert!(status.code == 1 && status.stderr.contains("tool.sh"), "{}", status.stderr);
}

/// Staged and edited within one tick of the clock, and as long as before: only its content tells that it changed, and
/// git looks at that as long as the index is not younger.
#[test]
fn what_changed_as_the_index_was_written_stays_changed() {
    let world = World::new();
    let repo = shop(&world);
    for round in 0..12 {
        repo.write("agents/support/persona.md", format!("You are kind, {round}.\n"));
        repo.write("notes.txt", format!("staged {round:2}\n"));
        repo.git(&["add", "notes.txt"]).ok();
        repo.write("notes.txt", format!("edited {round:2}\n"));
        repo.pointsman(&["publish", "support"]).ok();
        assert_eq!(repo.git_out(&["status", "--porcelain"]), "AM notes.txt", "{round}");
    }
}

/// Settings that come by the environment are read by git alone.
#[test]
fn settings_of_the_environment_hold() {
    let world = World::new();
    let repo = shop(&world);
    repo.write("agents/support/persona.md", "You are kind.\r\n");
    let mut command = repo.command(&["publish", "support"]);
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.autocrlf").env("GIT_CONFIG_VALUE_0", "true");
    Ended::of(command.output().unwrap()).ok();
    assert_eq!(repo.git(&["show", "support/v2:agents/support/persona.md"]).ok().stdout, "You are kind.\n");
}

#[test]
fn status_tells_drafts_apart_with_and_without_git() {
    let world = World::new();
    let repo = shop(&world);
    let state = |path: &str| {
        let mut command = repo.command(&["status", "--json"]);
        let status = Ended::of(command.env("PATH", path).output().unwrap());
        (status.code == 0).then(|| status.json()["agents"][0]["draft"].as_str().unwrap().to_owned())
    };
    let path = std::env::var("PATH").unwrap();
    let nowhere = "/nonexistent";
    // What was published a moment ago may be as young as the index: git's next look settles it.
    repo.git(&["status"]).ok();
    assert_eq!(state(nowhere).as_deref(), Some("published"));
    repo.write("agents/support/persona.md", "You are kind.\n");
    assert_eq!(state(nowhere).as_deref(), Some("changed"));
    assert_eq!(state(&path).as_deref(), Some("changed"));
    repo.write("agents/support/persona.md", "You help customers of a small shop.\n");
    assert_eq!(state(nowhere).as_deref(), Some("published"));
    // Only git knows whether it would add this.
    repo.write("agents/support/new.log", "new\n");
    assert_eq!((state(nowhere), state(&path).as_deref()), (None, Some("changed")));
    repo.write(".git/info/exclude", "*.log\n");
    assert_eq!(state(&path).as_deref(), Some("published"));
    std::fs::remove_dir_all(repo.path("agents/support")).unwrap();
    assert_eq!(state(&path).as_deref(), Some("no-folder"));
    // Staged, and back on disk as HEAD has it: the index is not HEAD's, and git looks.
    repo.git(&["rm", "-rq", "--cached", "agents/support"]).ok();
    repo.git(&["checkout", "HEAD", "--", "agents/support/agent.toml", "agents/support/persona.md"]).ok();
    assert_eq!(state(&path).as_deref(), Some("changed"));
}
