//! Repositories as people have them: every layout and setting, with git itself as the judge of what a draft is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::env::{Ended, Repo, World, isolated};

/// The tree that git would write for `folder`: `git add -A` into a copy of the index.
#[track_caller]
fn as_git_adds(repo: &Repo<'_>, folder: &str, pathspecs: &[&str]) -> String {
    let index = repo.dir.join(repo.git_out(&["rev-parse", "--git-path", "index"]));
    let copy = repo.world.path("copied-index");
    let _ = std::fs::remove_file(&copy);
    if index.exists() {
        std::fs::copy(&index, &copy).unwrap();
        let time = index.metadata().unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&copy).unwrap().set_modified(time).unwrap();
    }
    let git = |args: &[&str]| {
        let output = isolated("git", &repo.world.home())
            .arg("-C")
            .arg(&repo.dir)
            .args(["-c", "core.splitIndex=false"])
            .args(args)
            .env("GIT_INDEX_FILE", &copy)
            .output()
            .unwrap();
        Ended::of(output).ok().stdout.trim().to_owned()
    };
    git(&[&["add", "-A", "--sparse", "--"], pathspecs].concat());
    let root = git(&["write-tree"]);
    repo.git_out(&["rev-parse", &format!("{root}:{folder}")])
}

/// Publishes `support` and asserts that its tree is git's, that the folder is clean afterwards, and that nothing else
/// in the index or the working tree changed.
#[track_caller]
fn publishes_what_git_adds(repo: &Repo<'_>) -> Ended {
    let folder = "agents/support";
    let others = || {
        let rest = [".", ":(exclude)agents/support"];
        let index = repo.git_out(&[&["ls-files", "-s", "-v", "--"], &rest[..]].concat());
        (index, repo.git_out(&[&["status", "--porcelain", "--"], &rest[..]].concat()))
    };
    let before = others();
    let expected = as_git_adds(repo, folder, &[folder]);
    let ended = repo.pointsman(&["publish", "support", "--json"]).ok();
    let tag = ended.json()["version"]["tag"].as_str().unwrap().to_owned();
    assert_eq!(repo.git_out(&["rev-parse", &format!("{tag}:{folder}")]), expected);
    assert_eq!(repo.git_out(&["rev-parse", &format!("pointsman/ledger:agents/{tag}/source")]), expected);
    assert_eq!(repo.git_out(&["status", "--porcelain", "--", folder]), "");
    assert_eq!(others(), before);
    repo.git(&["fsck", "--strict", "--no-dangling"]).ok();
    ended
}

fn make_executable(path: PathBuf) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn line_endings_come_out_as_git_writes_them() {
    for setting in ["true", "input", "false"] {
        let world = World::new();
        let repo = world.repository("shop");
        repo.git(&["config", "core.autocrlf", setting]).ok();
        repo.write("agents/support/persona.md", "One.\r\nTwo.\r\n");
        repo.write("agents/support/knowledge/new.md", "# New\r\n\r\nText.\r\n");
        publishes_what_git_adds(&repo);
        let text = repo.git(&["show", "support/v1:agents/support/persona.md"]).ok().stdout;
        assert_eq!(text.contains('\r'), setting == "false", "{setting}");
        // Nothing changed, although the bytes on disk are not those of the version.
        assert_eq!(repo.pointsman(&["publish", "support", "--json"]).ok().json()["created"], false);
    }
    let world = World::new();
    let repo = world.repository("shop");
    repo.write(".gitattributes", "*.md text eol=crlf\nagents/support/raw.md -text\n");
    repo.write("agents/support/persona.md", "One.\r\nTwo.\r\n");
    repo.write("agents/support/raw.md", "One.\r\nTwo.\r\n");
    publishes_what_git_adds(&repo);
    assert_eq!(repo.git(&["show", "support/v1:agents/support/persona.md"]).ok().stdout, "One.\nTwo.\n");
    assert_eq!(repo.git(&["show", "support/v1:agents/support/raw.md"]).ok().stdout, "One.\r\nTwo.\r\n");
}

#[test]
fn modes_links_long_names_and_ignored_files_are_gits_business() {
    for file_mode in ["true", "false"] {
        let world = World::new();
        let repo = world.repository("shop");
        repo.git(&["config", "core.fileMode", file_mode]).ok();
        repo.write("agents/support/skills/run.sh", "#!/bin/sh\n");
        make_executable(repo.path("agents/support/skills/run.sh"));
        make_executable(repo.path("agents/support/persona.md"));
        symlink("persona.md", repo.path("agents/support/voice.md")).unwrap();
        repo.write("agents/support/knowledge/with space and ünicode.md", "# Text\n\nMore.\n");
        let long = format!("agents/support/knowledge/{}.md", "x".repeat(156 - 28));
        assert_eq!(long.len(), 156);
        repo.write(&long, "# Long\n\nText.\n");
        repo.write(".gitignore", "*.log\n");
        repo.write("agents/support/.gitignore", "cache/\n!keep.log\n");
        repo.write("agents/support/debug.log", "ignored\n");
        repo.write("agents/support/knowledge/keep.log", "kept\n");
        repo.write("agents/support/cache/deep/file", "ignored\n");
        repo.write(".git/info/exclude", "private.md\n");
        repo.write("agents/support/private.md", "ignored\n");
        // Ignored, but added by hand before: it belongs to the folder.
        repo.write("agents/support/forced.log", "tracked\n");
        repo.git(&["add", "-f", "agents/support/forced.log"]).ok();
        publishes_what_git_adds(&repo);
        let names = repo.git_out(&["ls-tree", "-r", "--name-only", "support/v1", "agents/support/"]);
        assert!(names.contains("forced.log") && names.contains("keep.log"), "{names}");
        assert!(!names.contains("debug.log") && !names.contains("private") && !names.contains("cache"), "{names}");
        let mode = repo.git_out(&["ls-tree", "support/v1", "agents/support/persona.md"]);
        assert_eq!(mode.starts_with("100755"), file_mode == "true", "{mode}");
    }
}

#[test]
fn every_kind_of_index_is_read_and_left_as_it_was() {
    let settings: [&[&[&str]]; 6] = [
        &[&["update-index", "--split-index"]],
        &[&["config", "core.splitIndex", "true"], &["update-index", "--split-index"]],
        &[&["update-index", "--index-version", "4"]],
        &[&["config", "core.untrackedCache", "true"], &["update-index", "--untracked-cache"]],
        &[&["config", "feature.manyFiles", "true"], &["update-index", "--index-version", "4"]],
        &[&["config", "index.skipHash", "true"], &["update-index", "--force-write-index"]],
    ];
    for commands in settings {
        let world = World::new();
        let repo = world.repository("shop");
        repo.write("other/kept.txt", "one\n");
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-qm", "Other"]).ok();
        for command in commands {
            repo.git(command).ok();
        }
        repo.write("other/kept.txt", "staged\n");
        repo.write("other/renamed.txt", "new\n");
        repo.git(&["add", "-A", "other"]).ok();
        repo.write("other/kept.txt", "edited\n");
        repo.write("other/later.txt", "to be added\n");
        repo.git(&["add", "-N", "other/later.txt"]).ok();
        repo.write("agents/support/persona.md", "Edited.\n");
        repo.write("agents/support/knowledge/new.md", "# New\n\nText.\n");
        repo.git(&["status"]).ok();
        publishes_what_git_adds(&repo);
        repo.write("agents/support/knowledge/new.md", "# New\n\nOther text.\n");
        publishes_what_git_adds(&repo);
        assert_eq!(repo.git_out(&["diff", "--cached", "--name-only"]), "other/kept.txt\nother/renamed.txt");
    }
}

#[test]
fn bits_that_hide_changes_hide_them_from_a_publish_too() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/support/notes.md", "as committed\n");
    repo.write("agents/support/more.md", "as committed\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Notes"]).ok();
    repo.git(&["update-index", "--assume-unchanged", "agents/support/notes.md"]).ok();
    repo.git(&["update-index", "--skip-worktree", "agents/support/more.md"]).ok();
    repo.write("agents/support/notes.md", "hidden\n");
    repo.write("agents/support/more.md", "hidden\n");
    repo.write("agents/support/persona.md", "Edited.\n");
    publishes_what_git_adds(&repo);
    assert_eq!(repo.git_out(&["show", "support/v1:agents/support/notes.md"]), "as committed");
    assert_eq!(repo.git_out(&["show", "support/v1:agents/support/more.md"]), "as committed");
    let bits = repo.git_out(&["ls-files", "-v", "agents/support"]);
    assert!(bits.contains("h agents/support/notes.md") && bits.contains("S agents/support/more.md"), "{bits}");
}

#[test]
fn intent_to_add_inside_the_folder_is_published_and_elsewhere_stays_an_intent() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/support/knowledge/soon.md", "# Soon\n\nText.\n");
    repo.write("elsewhere.txt", "soon\n");
    repo.git(&["add", "-N", "agents/support/knowledge/soon.md", "elsewhere.txt"]).ok();
    publishes_what_git_adds(&repo);
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "A elsewhere.txt");
    repo.git(&["cat-file", "-e", "support/v1:agents/support/knowledge/soon.md"]).ok();
}

#[test]
fn sparse_checkouts_publish_what_is_there_and_lose_nothing_that_is_not() {
    for sparse_index in ["--no-sparse-index", "--sparse-index"] {
        let world = World::new();
        let repo = world.repository("shop");
        repo.write("agents/billing/agent.toml", "name = \"Billing\"\n");
        repo.write("agents/support/knowledge/hours.md", "# Hours\n\nText.\n");
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-qm", "More"]).ok();
        repo.git(&["sparse-checkout", "set", "--cone", sparse_index, "agents/support"]).ok();
        assert!(!repo.path("agents/billing").exists());
        repo.write("agents/support/persona.md", "Edited.\n");
        publishes_what_git_adds(&repo);
        // Outside the cone the draft is what the commit holds.
        let billing = repo.pointsman(&["publish", "billing", "--json"]).ok().json();
        assert_eq!(billing["version"]["tag"], "billing/v1");
        assert_eq!(
            repo.git_out(&["rev-parse", "pointsman/ledger:agents/billing/v1/source"]),
            repo.git_out(&["rev-parse", "HEAD:agents/billing"])
        );
        assert!(!repo.path("agents/billing").exists());
        assert_eq!(repo.git_out(&["status", "--porcelain"]), "");
    }
    // Without a cone a part of the folder itself may be left out.
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/support/knowledge/hours.md", "# Hours\n\nText.\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "More"]).ok();
    repo.git(&["sparse-checkout", "set", "--no-cone", "/*", "!knowledge/"]).ok();
    assert!(!repo.path("agents/support/knowledge").exists());
    repo.write("agents/support/persona.md", "Edited.\n");
    publishes_what_git_adds(&repo);
    repo.git(&["cat-file", "-e", "support/v1:agents/support/knowledge/hours.md"]).ok();
}

#[test]
fn linked_worktrees_have_their_own_head_and_index() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["worktree", "add", "-q", "-b", "side", "../side"]).ok();
    let side = Repo { world: &world, dir: world.path("side") };
    side.write("agents/support/persona.md", "From the side.\n");
    side.write("staged.txt", "staged\n");
    side.git(&["add", "staged.txt"]).ok();
    let main = repo.git_out(&["rev-parse", "main"]);
    publishes_what_git_adds(&side);
    assert_eq!(repo.git_out(&["rev-parse", "main"]), main);
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "");
    assert_eq!(side.git_out(&["rev-parse", "support/v1^{commit}"]), side.git_out(&["rev-parse", "side"]));
    // The other worktree sees that version, and that its own draft does not have it.
    repo.write("agents/support/persona.md", "From the main one.\n");
    repo.pointsman(&["publish", "support"]).refused("`support/v1`", "git merge support/v1");
}

#[test]
fn a_detached_head_moves_and_no_branch_does() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["checkout", "-q", "--detach"]).ok();
    repo.write("agents/support/persona.md", "Detached.\n");
    publishes_what_git_adds(&repo);
    assert_eq!(repo.git_out(&["rev-list", "--count", "main"]), "1");
    assert_eq!(repo.git_out(&["rev-parse", "support/v1^{commit}"]), repo.git_out(&["rev-parse", "HEAD"]));
    assert_eq!(repo.git_out(&["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD");
}

#[test]
fn an_unborn_branch_is_told_and_stays_unborn() {
    let world = World::new();
    world.git(".", &["init", "-q", "new"]).ok();
    let repo = Repo { world: &world, dir: world.path("new") };
    repo.write("agents/support/agent.toml", "name = \"Support\"\n");
    repo.pointsman(&["publish", "support"]).refused("no commit yet", "git commit");
    assert_eq!(repo.git_out(&["for-each-ref"]), "");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "?? agents/");
}

#[test]
fn a_bare_repository_publishes_commits() {
    let world = World::new();
    let seed = world.repository("seed");
    world.git(".", &["clone", "-q", "--bare", "seed", "bare.git"]).ok();
    let bare = Repo { world: &world, dir: world.path("bare.git") };
    bare.git(&["remote", "remove", "origin"]).ok();
    let published = bare.pointsman(&["publish", "--json"]).ok().json();
    assert_eq!(published["version"]["commit"], seed.git_out(&["rev-parse", "main"]));
    seed.git(&["checkout", "-qb", "topic/new"]).ok();
    seed.write("agents/support/persona.md", "On a branch.\n");
    seed.git(&["commit", "-qam", "New"]).ok();
    seed.git(&["push", "-q", "../bare.git", "topic/new"]).ok();
    let published = bare.pointsman(&["publish", "support", "--draft", "topic/new", "--json"]).ok().json();
    assert_eq!(published["version"]["commit"], seed.git_out(&["rev-parse", "topic/new"]));
    assert_eq!(bare.git_out(&["rev-list", "--count", "main"]), "1");
    bare.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    bare.git(&["fsck", "--strict", "--no-dangling"]).ok();
    // In a working tree a named draft leaves the files and the branch alone.
    seed.git(&["checkout", "-q", "main"]).ok();
    seed.write("agents/support/persona.md", "Being edited.\n");
    seed.pointsman(&["publish", "support", "--draft", "topic/new"]).ok();
    assert_eq!(seed.git_out(&["status", "--porcelain"]), "M agents/support/persona.md");
    assert_eq!(seed.git_out(&["rev-list", "--count", "main"]), "1");
}

#[test]
fn formats_that_are_not_supported_are_named() {
    let world = World::new();
    world.git(".", &["init", "-q", "--object-format=sha256", "sha256"]).ok();
    Repo { world: &world, dir: world.path("sha256") }
        .pointsman(&["publish", "support"])
        .refused("SHA-256", "--object-format=sha1");
    world.git(".", &["init", "-q", "--ref-format=reftable", "reftable"]).ok();
    let repo = Repo { world: &world, dir: world.path("reftable") };
    repo.pointsman(&["publish", "support"]).refused("reftable", "git refs migrate --ref-format=files");
    // The hint does what it says; git 2.47 asks for a repository without reflogs.
    repo.git(&["config", "core.logAllRefUpdates", "false"]).ok();
    repo.write("agents/support/agent.toml", "name = \"Support\"\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Begin"]).ok();
    repo.git(&["refs", "migrate", "--ref-format=files"]).ok();
    repo.pointsman(&["publish", "support"]).ok();
}

/// A repository in which merging `side` conflicts in `path`.
fn with_conflict<'w>(world: &'w World, path: &str) -> Repo<'w> {
    let repo = world.repository("shop");
    repo.write(path, "base\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Base"]).ok();
    repo.git(&["checkout", "-qb", "side"]).ok();
    repo.write(path, "side\n");
    repo.git(&["commit", "-qam", "Side"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write(path, "main\n");
    repo.git(&["commit", "-qam", "Main"]).ok();
    repo
}

#[test]
fn a_conflict_in_the_folder_stops_a_publish_and_one_elsewhere_does_not() {
    let world = World::new();
    let repo = with_conflict(&world, "agents/support/persona.md");
    assert_ne!(repo.git(&["merge", "side"]).code, 0);
    let index = repo.git_out(&["ls-files", "-s"]);
    repo.pointsman(&["publish", "support"]).refused("so nothing was published", "pointsman check");
    // Also where the markers are gone, but nobody told git.
    repo.write("agents/support/persona.md", "settled?\n");
    repo.pointsman(&["publish", "support"]).refused("so nothing was published", "pointsman check");
    assert_eq!(repo.git_out(&["ls-files", "-s"]), index);
    repo.git(&["add", "-A"]).ok();
    repo.pointsman(&["publish", "support"]).ok();

    let world = World::new();
    let repo = with_conflict(&world, "notes.txt");
    assert_ne!(repo.git(&["merge", "side"]).code, 0);
    repo.write("agents/support/persona.md", "Edited in the middle of a merge.\n");
    let conflict = repo.git_out(&["ls-files", "-s", "-u"]);
    assert_eq!(conflict.lines().count(), 3);
    repo.pointsman(&["publish", "support"]).ok();
    assert_eq!(repo.git_out(&["ls-files", "-s", "-u"]), conflict, "the conflict is the user's, and still there");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "UU notes.txt");
    assert_eq!(repo.git_out(&["show", "HEAD:notes.txt"]), "main");
    repo.write("notes.txt", "settled\n");
    repo.git(&["commit", "-qam", "Merged"]).ok();
    assert_eq!(repo.git_out(&["log", "-1", "--format=%P"]).split(' ').count(), 2);
}

#[test]
fn a_conflict_that_no_merge_left_is_seen_too() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/support/persona.md", "stashed\n");
    repo.git(&["stash", "-q"]).ok();
    repo.write("agents/support/persona.md", "committed\n");
    repo.git(&["commit", "-qam", "Other"]).ok();
    assert_ne!(repo.git(&["stash", "pop"]).code, 0);
    repo.write("agents/support/persona.md", "settled?\n");
    repo.pointsman(&["publish", "support"]).refused("so nothing was published", "pointsman check");
}

#[test]
fn names_that_are_not_utf_8_are_kept_in_the_folder_and_refused_among_included_files() {
    let world = World::new();
    let repo = world.repository("shop");
    let odd = repo.dir.join(OsStr::from_bytes(b"elsewhere-\xff.txt"));
    std::fs::write(odd, "fine\n").unwrap();
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Odd"]).ok();
    publishes_what_git_adds(&repo);
    let inside = repo.dir.join("agents/support").join(OsStr::from_bytes(b"note-\xff.md"));
    std::fs::write(&inside, "odd\n").unwrap();
    // The folder is kept as it is, byte for byte; the compiler says what it thinks of the name.
    let published = publishes_what_git_adds(&repo);
    assert!(published.stdout.contains("the name of this file is not UTF-8"), "{}", published.stdout);
    // Files that are included are put together by their names.
    repo.write("bots/greeter/flow.json", "{}\n");
    repo.write(
        "pointsman.toml",
        "[agents.greeter]\npath = \"bots/greeter\"\nkind = \"plain\"\ninclude = [\"shared/*\"]\n",
    );
    std::fs::create_dir(repo.path("shared")).unwrap();
    std::fs::write(repo.path("shared").join(OsStr::from_bytes(b"tone-\xff.md")), "odd\n").unwrap();
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Greeter"]).ok();
    repo.pointsman(&["publish", "greeter"]).refused("so nothing was published", "pointsman check");
    assert_eq!(repo.git_out(&["tag", "-l", "greeter/*"]), "");
}

#[test]
fn an_agent_at_the_root_is_the_whole_repository() {
    let world = World::new();
    world.git(".", &["init", "-q", "solo"]).ok();
    let repo = Repo { world: &world, dir: world.path("solo") };
    repo.write("agent.toml", "name = \"Solo\"\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Begin"]).ok();
    // The listing is part of the folder, so one publish commits both.
    repo.write("pointsman.toml", "[agents.solo]\npath = \".\"\nkind = \"native\"\n");
    repo.write("persona.md", "You are alone.\n");
    let root = as_git_adds(&repo, "", &["."]);
    let published = repo.pointsman(&["publish", "--json"]).ok().json();
    assert_eq!(published["version"]["tag"], "solo/v1");
    assert_eq!(repo.git_out(&["rev-parse", "solo/v1^{tree}"]), root);
    assert_eq!(repo.git_out(&["rev-parse", "env/sandbox:agents/solo/source"]), root);
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "");
    repo.write("persona.md", "You are still alone.\n");
    assert_eq!(repo.pointsman(&["publish", "--json"]).ok().json()["version"]["version"], 2);
}

#[test]
fn included_files_are_committed_and_compared_with_the_folder() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("bots/greeter/flow.json", "{}\n");
    repo.write("prompts/shared/tone.md", "Be kind.\n");
    repo.write("prompts/other.md", "Not included.\n");
    repo.write(
        "pointsman.toml",
        "[agents.greeter]\npath = \"bots/greeter\"\nkind = \"plain\"\ninclude = [\"prompts/shared/**\"]\n",
    );
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Greeter"]).ok();
    repo.pointsman(&["publish", "greeter"]).ok();
    let included = |n: u32| {
        repo.git_out(&["ls-tree", "-r", "--name-only", &format!("pointsman/ledger:agents/greeter/v{n}/include")])
    };
    assert_eq!(included(1), "prompts/shared/tone.md");
    assert_eq!(repo.pointsman(&["publish", "greeter", "--json"]).ok().json()["created"], false);
    // A change of an included file alone is an unpublished change, and is committed by the publish.
    repo.write("prompts/shared/tone.md", "Be brief.\n");
    repo.write("prompts/shared/new/words.md", "Please.\n");
    repo.write("prompts/other.md", "Edited.\n");
    repo.pointsman(&["publish", "greeter"]).ok();
    assert_eq!(included(2), "prompts/shared/new/words.md\nprompts/shared/tone.md");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "M prompts/other.md");
    assert_eq!(repo.git_out(&["show", "greeter/v2:prompts/shared/tone.md"]), "Be brief.");
    std::fs::remove_dir_all(repo.path("prompts/shared/new")).unwrap();
    repo.pointsman(&["publish", "greeter"]).ok();
    assert_eq!(included(3), "prompts/shared/tone.md");
    // What an agent includes may change; the versions before it are still part of this history.
    repo.write("pointsman.toml", "[agents.greeter]\npath = \"bots/greeter\"\nkind = \"plain\"\n");
    repo.pointsman(&["publish", "greeter"]).refused("not committed", "git add pointsman.toml");
    repo.git(&["commit", "-qm", "Alone", "pointsman.toml"]).ok();
    assert_eq!(repo.pointsman(&["publish", "greeter", "--json"]).ok().json()["version"]["version"], 4);
    assert_eq!(repo.git_out(&["show", "HEAD:prompts/other.md"]), "Not included.");
}

#[test]
fn a_folder_that_moved_is_still_the_same_agent() {
    let world = World::new();
    let repo = world.repository("shop");
    let listing = |path: &str| format!("[agents.greeter]\npath = \"{path}\"\nkind = \"plain\"\n");
    repo.write("bots/greeter/flow.json", "{}\n");
    repo.write("pointsman.toml", listing("bots/greeter"));
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Greeter"]).ok();
    repo.pointsman(&["publish", "greeter"]).ok();
    repo.git(&["mv", "bots/greeter", "greeter"]).ok();
    repo.write("pointsman.toml", listing("greeter"));
    repo.write("greeter/flow.json", "{\"a\": 1}\n");
    repo.git(&["commit", "-qam", "Move"]).ok();
    // Not by ancestry of the tag alone: a squashed history counts by its trees.
    assert_eq!(repo.pointsman(&["publish", "greeter", "--json"]).ok().json()["version"]["version"], 2);
}

#[test]
fn nobody_is_asked_for_their_name_twice() {
    let world = World::new();
    let repo = world.repository("shop");
    let nobody = |args: &[&str], set: &[(&str, &str)]| {
        let mut command = repo.command(args);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", "/nonexistent").envs(set.iter().copied());
        Ended::of(command.output().unwrap())
    };
    nobody(&["publish", "support"], &[]).refused("who you are", "git config user.name");
    assert_eq!(repo.git_out(&["tag"]), "");
    nobody(&["publish", "support", "--author", "Eve <eve@example.com>"], &[]).ok();
    assert_eq!(repo.git_out(&["tag", "--format=%(taggername)", "-l"]), "Eve");
    repo.write("agents/support/persona.md", "Two.\n");
    let environment = [
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "user.name"),
        ("GIT_CONFIG_VALUE_0", "Bot"),
        ("GIT_CONFIG_KEY_1", "user.email"),
        ("GIT_CONFIG_VALUE_1", "bot@example.com"),
    ];
    nobody(&["publish", "support"], &environment).ok();
    assert_eq!(repo.git_out(&["log", "-1", "--format=%an <%ae>"]), "Bot <bot@example.com>");
    repo.write("agents/support/persona.md", "Three.\n");
    let environment = [("GIT_COMMITTER_NAME", "Cy"), ("GIT_COMMITTER_EMAIL", "cy@example.com")];
    nobody(&["publish", "support"], &environment).ok();
    assert_eq!(repo.git_out(&["log", "-1", "--format=%an <%ae>"]), "Cy <cy@example.com>");
}

#[test]
fn a_hook_that_calls_us_does_not_send_us_elsewhere() {
    let world = World::new();
    let other = world.repository("other");
    let repo = world.repository("shop");
    repo.write("staged.txt", "staged\n");
    repo.git(&["add", "staged.txt"]).ok();
    repo.write("agents/support/persona.md", "Edited.\n");
    let before = other.git_out(&["status", "--porcelain"]);
    let mut command = repo.command(&["publish", "support"]);
    command
        .env("GIT_DIR", other.path(".git"))
        .env("GIT_WORK_TREE", &other.dir)
        .env("GIT_INDEX_FILE", other.path(".git/index"))
        .env("GIT_OBJECT_DIRECTORY", other.path(".git/objects"))
        .env("GIT_PREFIX", "agents/")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("GIT_NAMESPACE", "elsewhere");
    Ended::of(command.output().unwrap()).ok();
    assert_eq!(other.git_out(&["status", "--porcelain"]), before);
    assert_eq!(other.git_out(&["tag"]), "");
    assert_eq!(repo.git_out(&["tag"]), "support/v1");
    assert_eq!(repo.git_out(&["show", "support/v1:agents/support/persona.md"]), "Edited.");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "A  staged.txt");
    repo.git(&["fsck", "--strict", "--no-dangling"]).ok();
}

#[test]
fn hooks_and_programs_of_the_repository_are_not_run() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = world.repository("shop");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let script = format!("#!/bin/sh\necho ran >>{}\nexit 1\n", world.path("ran").display());
    for hook in [
        "pre-commit",
        "commit-msg",
        "post-commit",
        "pre-push",
        "reference-transaction",
        "post-index-change",
        "post-checkout",
        "post-merge",
    ] {
        repo.write(&format!(".git/hooks/{hook}"), &script);
        make_executable(repo.path(&format!(".git/hooks/{hook}")));
    }
    // One that says that nothing ever changes.
    repo.write("monitor", format!("#!/bin/sh\necho ran >>{}\nprintf 'token\\0'\n", world.path("ran").display()));
    make_executable(repo.path("monitor"));
    repo.git(&["config", "core.fsmonitor", repo.path("monitor").to_str().unwrap()]).ok();
    repo.git(&["update-index", "--fsmonitor"]);
    let _ = std::fs::remove_file(world.path("ran"));
    repo.write("agents/support/persona.md", "Edited.\n");
    repo.pointsman(&["publish", "support"]).ok();
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    assert!(!world.path("ran").exists(), "{}", std::fs::read_to_string(world.path("ran")).unwrap());
    assert_eq!(repo.git_out(&["show", "support/v1:agents/support/persona.md"]), "Edited.");
}

#[test]
fn settings_about_signing_do_not_get_in_the_way() {
    let world = World::new();
    let repo = world.repository("shop");
    for key in ["commit.gpgsign", "tag.gpgsign", "tag.forceSignAnnotated"] {
        repo.git(&["config", key, "true"]).ok();
    }
    repo.git(&["config", "gpg.program", "/nonexistent/gpg"]).ok();
    repo.git(&["config", "commit.template", "/nonexistent/template"]).ok();
    repo.write("agents/support/persona.md", "Edited.\n");
    publishes_what_git_adds(&repo);
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
}

#[test]
fn a_program_that_refreshes_the_index_meanwhile_does_no_harm() {
    let world = World::new();
    let repo = world.repository("shop");
    // An editor that asks for the status all the time rewrites the index with fresh times.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                repo.git(&["update-index", "--refresh", "--force-write-index"]);
                std::thread::sleep(std::time::Duration::from_millis(30));
            }
        });
        for n in 0..4 {
            repo.write("agents/support/persona.md", format!("Edit {n}.\n"));
            let ended = repo.pointsman(&["publish", "support"]);
            if ended.code != 0 {
                let told = ended.stderr.contains("keeps changing") || ended.stderr.contains("is locked");
                assert!(told, "{}", ended.stderr);
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    repo.pointsman(&["publish", "support"]).ok();
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "");
    repo.git(&["fsck", "--strict", "--no-dangling"]).ok();
}
