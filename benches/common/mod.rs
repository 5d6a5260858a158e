//! What every bench needs: repositories, commands and their times, and running the parts that were asked for.
//!
//! Each bench is a program of its own that compiles this, and takes of it what it wants.
#![allow(dead_code, reason = "no bench uses all of it")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// `git` in `dir`, with nobody's settings and nothing in the background.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

/// Runs `command`, which must succeed.
pub fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// How long `command` took, as a whole process.
pub fn timed(command: &mut Command) -> Duration {
    let started = Instant::now();
    run(command);
    started.elapsed()
}

/// The time below which a `share` of `times` is, in milliseconds.
pub fn at(mut times: Vec<Duration>, share: f64) -> f64 {
    times.sort();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let index = ((times.len() - 1) as f64 * share).round() as usize;
    times[index].as_secs_f64() * 1e3
}

/// A temporary folder.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("pointsman-bench-").tempdir().expect("a temporary folder")
}

/// One that is on no disk, if there is such a place.
pub fn folder_in_memory() -> tempfile::TempDir {
    let mut prefixed = tempfile::Builder::new();
    prefixed.prefix("pointsman-bench-").tempdir_in("/dev/shm").unwrap_or_else(|_| folder())
}

/// Makes `dir` a repository in which somebody commits.
pub fn init(dir: &Path) {
    run(git(dir).args(["init", "-q", "-b", "main"]));
    run(git(dir).args(["config", "user.name", "Ada"]));
    run(git(dir).args(["config", "user.email", "ada@example.com"]));
}

/// Runs the parts that the command line names, or all.
pub fn run_asked(parts: &[(&str, fn())]) {
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, part) in parts {
        if asked.is_empty() || asked.iter().any(|one| one == name) {
            part();
        }
    }
}
