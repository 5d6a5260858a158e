//! Bad input: a clear error with a hint, nothing written, nothing lost.

mod disk;
mod documents;
mod files;
mod locks;
mod names;
mod refs;
mod tags;
mod text;

use crate::env::{Ended, Repo};

/// Everything that a refused command must leave as it was: refs, index and working tree, and the objects' number.
#[derive(Debug, PartialEq, Eq)]
struct State {
    refs: String,
    status: String,
    head: String,
    objects: String,
}

fn state(repo: &Repo<'_>) -> State {
    State {
        refs: repo.git(&["for-each-ref"]).stdout,
        status: repo.git(&["status", "--porcelain"]).stdout,
        head: repo.git(&["rev-parse", "HEAD"]).stdout,
        objects: repo.git(&["count-objects", "-v"]).stdout,
    }
}

/// Runs the command and asserts that it is refused with `code`, `message` and `hint`, and that nothing changed.
#[track_caller]
fn refuses(repo: &Repo<'_>, args: &[&str], code: i32, message: &str, hint: &str) -> Ended {
    let before = state(repo);
    let ended = repo.pointsman(args);
    assert_eq!(ended.code, code, "stdout: {}\nstderr: {}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains(message), "expected `{message}` in: {}", ended.stderr);
    let told = ended.stderr.rsplit("hint: ").next().unwrap_or_default();
    assert!(ended.stderr.contains("hint: ") && told.contains(hint), "expected the hint `{hint}` in: {}", ended.stderr);
    assert!(!ended.stderr.contains("class="), "libgit2's own words came through: {}", ended.stderr);
    assert!(ended.stdout.is_empty(), "a refusal prints no result: {}", ended.stdout);
    assert_eq!(state(repo), before);
    ended
}

/// Publishing the draft of `support` is refused with the finding `finding`.
#[track_caller]
fn refuses_to_publish(repo: &Repo<'_>, finding: &str) -> Ended {
    let ended = refuses(repo, &["publish", "support"], 1, "so nothing was published", "pointsman check support");
    assert!(ended.stderr.contains(finding), "expected `{finding}` in: {}", ended.stderr);
    ended
}

/// The command inside the last hint, typed by a person who knows that no other program is at work.
#[track_caller]
fn type_the_hint(repo: &Repo<'_>, ended: &Ended, marker: &str) {
    let line = ended.stderr.lines().rfind(|line| line.contains(marker)).expect("a line that says what to type");
    let command = &line[line.find(marker).expect("just found")..];
    let typed =
        crate::env::isolated("sh", &repo.world.home()).current_dir(&repo.dir).args(["-c", command]).output().unwrap();
    assert!(typed.status.success(), "`{command}` failed: {}", String::from_utf8_lossy(&typed.stderr));
}
