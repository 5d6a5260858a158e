//! Real agent projects and real histories by other people, where they are at hand. The suite is complete without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::env::{Repo, World, isolated};

/// The folder of real projects, or nothing with the reason printed.
fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("POINTSMAN_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let found = named.into_iter().chain([beside]).find(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: no corpus beside the project (POINTSMAN_CORPUS names one)");
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn every_real_project_is_published_without_an_error() {
    let Some(corpus) = corpus() else { return };
    let world = World::new();
    let repo = world.repository("projects");
    let mut listing = String::new();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        if !path.join("files").is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        copy(&path.join("files"), &repo.path(&format!("bots/{name}")));
        let kind = if name.starts_with("polyai") { "polyai" } else { "plain" };
        listing.push_str(&format!("[agents.{name}]\npath = \"bots/{name}\"\nkind = \"{kind}\"\n"));
        names.push(name);
    }
    assert!(names.len() >= 10, "{names:?}");
    repo.write("pointsman.toml", listing);
    repo.git(&["add", "pointsman.toml"]).ok();
    repo.git(&["commit", "-qm", "List the projects"]).ok();
    for name in &names {
        repo.pointsman(&["publish", name, "--note", "as it came"]).ok();
        let source = repo.git_out(&["rev-parse", &format!("env/sandbox:agents/{name}/source")]);
        assert_eq!(source, repo.git_out(&["rev-parse", &format!("HEAD:bots/{name}")]));
    }
    repo.pointsman(&["verify"]).ok();
    repo.git(&["fsck", "--strict"]).ok();
}

/// Replays one history: each commit's tree becomes the agent's folder and is published where it changed. `broken` are
/// the commits that hold a file which no parser takes.
fn replay(name: &str, broken: &[&str]) {
    let Some(corpus) = corpus() else { return };
    let world = World::new();
    let repo = world.repository("replayed");
    repo.write("pointsman.toml", format!("[agents.{name}]\npath = \"bot\"\nkind = \"plain\"\n"));
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "List the agent"]).ok();
    let bundle = corpus.join(format!("history/{name}.bundle"));
    repo.git(&["fetch", "-q", bundle.to_str().unwrap(), "+refs/heads/main:refs/original/main"]).ok();
    let lines = std::fs::read_to_string(corpus.join(format!("history/{name}.replay.jsonl"))).unwrap();
    let mut versions: BTreeMap<u64, String> = BTreeMap::new();
    let mut tree_before = String::new();
    for (index, line) in lines.lines().enumerate() {
        let commit: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = commit["commit"].as_str().unwrap();
        let tree = repo.git_out(&["rev-parse", &format!("{id}^{{tree}}")]);
        write_tree(&repo, id);
        let ended = repo.pointsman(&["publish", name, "--note", commit["subject"].as_str().unwrap(), "--json"]);
        if broken.iter().any(|broken| id.starts_with(broken)) {
            ended.refused("syntax", "");
            continue;
        }
        let answer = ended.ok().json();
        let number = answer["version"]["version"].as_u64().unwrap();
        assert_eq!(answer["created"].as_bool().unwrap(), tree != tree_before, "{line}");
        versions.insert(number, tree.clone());
        tree_before = tree;
        if index % 7 == 3 {
            repo.pointsman(&["promote", name, "--to", "pre-release"]).ok();
        }
        if index % 21 == 10 {
            repo.pointsman(&["promote", name, "--to", "live", "--confirm"]).ok();
        }
        if index % 42 == 38 {
            repo.pointsman(&["rollback", name, "--reason", "replayed"]).ok();
        }
    }
    assert!(versions.len() > 50, "{}", versions.len());
    for (number, tree) in versions {
        let source = repo.git_out(&["rev-parse", &format!("pointsman/ledger:agents/{name}/v{number}/source")]);
        assert_eq!(source, tree, "v{number}");
    }
    repo.pointsman(&["verify"]).ok();
    repo.git(&["fsck", "--strict"]).ok();
}

/// Makes the folder `bot` what `commit` holds.
fn write_tree(repo: &Repo<'_>, commit: &str) {
    let bot = repo.path("bot");
    let _ = std::fs::remove_dir_all(&bot);
    std::fs::create_dir(&bot).unwrap();
    let index = repo.world.path("index-of-replay");
    let _ = std::fs::remove_file(&index);
    let mut command = isolated("git", &repo.world.home());
    command.env("GIT_INDEX_FILE", &index).arg("-C").arg(&repo.dir);
    let status =
        command.arg(format!("--work-tree={}", bot.display())).args(["checkout", "-qf", commit, "--", "."]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_real_history_of_one_large_json_is_replayed() {
    replay("elevenlabs-hey-jarvis", &[]);
}

#[test]
fn a_real_history_of_many_files_is_replayed() {
    // A list item is indented wrongly in tests/conversation_tests.yml of that commit; PyYAML refuses it too.
    replay("rasa-financial-demo", &["366aa85"]);
}
