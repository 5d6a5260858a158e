//! A process that dies between any two steps: the next pass finishes what was begun, and nothing acknowledged is lost.

use std::collections::BTreeSet;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::env::{Repo, World, isolated};

/// What somebody was told is done.
#[derive(Default)]
struct Acknowledged {
    /// Versions with the ids of their tag objects' first 24 digits.
    versions: BTreeSet<(u64, String)>,
    /// Commits on environment branches.
    commits: BTreeSet<(String, String)>,
}

impl Acknowledged {
    /// Takes down what the output of a command that ended well says.
    fn note(&mut self, stdout: &[u8]) {
        let told: serde_json::Value = serde_json::from_slice(stdout).expect("a command that ended well prints JSON");
        if let Some(version) = told.get("version") {
            let id = version["id"].as_str().unwrap().to_owned();
            self.versions.insert((version["version"].as_u64().unwrap(), id));
        }
        if let (Some(name), Some(commit)) = (told["environment"].as_str(), told["commit"].as_str()) {
            self.commits.insert((name.to_owned(), commit.to_owned()));
        }
    }
}

/// A repository whose user has work under way beside the agent: something staged, something edited, something new.
fn busy<'w>(world: &'w World, name: &str) -> Repo<'w> {
    under_way(world.repository(name))
}

fn under_way(repo: Repo<'_>) -> Repo<'_> {
    std::fs::create_dir_all(repo.world.path("tmp")).unwrap();
    repo.write("notes.txt", "staged\n");
    repo.git(&["add", "notes.txt"]).ok();
    repo.write("notes.txt", "edited\n");
    repo.write("new.txt", "untracked\n");
    repo
}

/// The same as a clone of a bare repository that has nothing of ours yet.
fn busy_clone<'w>(world: &'w World, name: &str) -> Repo<'w> {
    let origin = world.bare(&format!("{name}.git"));
    let seed = world.repository(&format!("{name}-seed"));
    seed.git(&["push", "-q", origin.to_str().unwrap(), "main"]).ok();
    under_way(world.clone_of(&origin, name))
}

/// The program, with temporary files where the test's own folder is: a killed process cannot remove them.
fn program(repo: &Repo<'_>, args: &[&str]) -> Command {
    let mut command = repo.command(args);
    command.env("TMPDIR", repo.world.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn edit(repo: &Repo<'_>, text: &str) {
    repo.write("agents/support/persona.md", format!("You help, {text}.\n"));
}

/// Runs the pass that follows a crash. A lock that the dead process left is told and removed as the hint says.
#[track_caller]
fn recover(repo: &Repo<'_>) -> String {
    for _ in 0..20 {
        let ended = repo.pointsman(&["reconcile", "--once"]);
        if ended.code == 0 {
            let told = ended.stderr.lines().find_map(|line| line.split_once("rm '"));
            assert!(told.is_none(), "a young lock is not told as forgotten: {}", ended.stderr);
            return ended.stdout;
        }
        let (_, lock) = ended.stderr.split_once("remove it: rm '").unwrap_or_else(|| panic!("{}", ended.stderr));
        std::fs::remove_file(lock.split('\'').next().unwrap()).unwrap();
    }
    panic!("locks without end");
}

/// The user's own git commands meet the index's lock only.
fn unlock_index(repo: &Repo<'_>) {
    let _ = std::fs::remove_file(repo.path(".git/index.lock"));
}

/// Asserts everything that must hold after any crash and the pass that followed it.
#[track_caller]
fn whole(repo: &Repo<'_>, acknowledged: &Acknowledged, persona: &str, at: &str) {
    let fsck = repo.git(&["fsck", "--strict", "--no-dangling"]);
    assert_eq!((fsck.code, fsck.stdout.as_str()), (0, ""), "{at}: {}", fsck.stderr);
    assert!(!fsck.stderr.contains("error"), "{at}: {}", fsck.stderr);
    let verified = repo.pointsman(&["verify"]);
    assert_eq!(verified.code, 0, "{at}: {}{}", verified.stdout, verified.stderr);

    // Branches stand at the accepted heads, and serve trees of the ledger.
    let ledger = repo.git_out(&["ls-tree", "-r", "-t", "pointsman/ledger"]);
    let entry = |number: &str| {
        let path = format!("\tagents/support/{number}");
        ledger.lines().find(|line| line.ends_with(&path)).map(|line| line[12..52].to_owned())
    };
    for name in ["sandbox", "pre-release", "live"] {
        let head = repo.git_out(&["show", &format!("pointsman/ledger:environments/{name}.json")]);
        let head: serde_json::Value = serde_json::from_str(&head).unwrap();
        let branch = format!("env/{name}");
        assert_eq!(head["head"], repo.git_out(&["rev-parse", &branch]), "{at}");
        let height = repo.git_out(&["rev-list", "--count", "--first-parent", &branch]);
        assert_eq!(head["height"].to_string(), height, "{at}");
        let served = repo.git(&["rev-parse", "-q", "--verify", &format!("{branch}:agents/support")]).stdout;
        let known = ledger.lines().any(|line| line.contains("\tagents/support/v") && line.contains(served.trim()));
        assert!(served.is_empty() || known, "{at}: {branch} serves {served}");
    }
    // Every entry has its tag, and the tagged commit's folder; every tag has its entry.
    let tags = repo.git_out(&["for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", "refs/tags/support"]);
    for line in tags.lines() {
        let (number, object) = line.split_once(' ').unwrap();
        assert!(entry(number).is_some(), "{at}: {number} is not in the ledger");
        let record = repo.git_out(&["show", &format!("pointsman/ledger:agents/support/{number}/version.json")]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&record).unwrap()["tag"], object, "{at}");
        assert_eq!(
            repo.git_out(&["rev-parse", &format!("pointsman/ledger:agents/support/{number}/source")]),
            repo.git_out(&["rev-parse", &format!("{object}^{{commit}}:agents/support")]),
            "{at}"
        );
    }
    for (number, id) in &acknowledged.versions {
        let wanted = tags.lines().any(|line| line.starts_with(&format!("v{number} {id}")));
        assert!(wanted, "{at}: v{number} was acknowledged with {id}: {tags}");
    }
    for (name, commit) in &acknowledged.commits {
        let kept = repo.git(&["merge-base", "--is-ancestor", commit, &format!("env/{name}")]);
        assert_eq!(kept.code, 0, "{at}: {commit} was acknowledged in {name}");
    }
    // What the user has under way is as it was.
    unlock_index(repo);
    let status = repo.git_out(&["status", "--porcelain", "--", "notes.txt", "new.txt"]);
    assert_eq!(status, "AM notes.txt\n?? new.txt", "{at}");
    assert_eq!(repo.git_out(&["show", ":notes.txt"]), "staged", "{at}");
    assert_eq!(std::fs::read_to_string(repo.path("notes.txt")).unwrap(), "edited\n", "{at}");
    let here = std::fs::read_to_string(repo.path("agents/support/persona.md")).unwrap();
    assert_eq!(here, format!("You help, {persona}.\n"), "{at}");
}

/// One command to be stopped at each of its steps, with what prepares it.
struct Stopped {
    /// Makes the repository, busy with other work.
    begin: for<'w> fn(&'w World, &str) -> Repo<'w>,
    prepare: fn(&Repo<'_>),
    args: &'static [&'static str],
    /// Steps that it must have; others are found by tracing it.
    at_least: &'static [&'static str],
}

/// Stops the command at every step that it has, each time in a fresh repository.
fn stop_everywhere(stopped: &Stopped) {
    let world = World::new();
    let points = {
        let repo = (stopped.begin)(&world, "traced");
        (stopped.prepare)(&repo);
        let list = world.path("points");
        assert!(program(&repo, stopped.args).env("POINTSMAN_CRASH_TRACE", &list).status().unwrap().success());
        std::fs::read_to_string(list).unwrap()
    };
    let mut points: Vec<_> = points.lines().collect();
    points.dedup();
    for wanted in stopped.at_least {
        assert!(points.contains(wanted), "`{wanted}` is not among {points:?}");
    }
    for (number, point) in points.iter().enumerate() {
        let repo = (stopped.begin)(&world, &format!("stopped-{number}"));
        (stopped.prepare)(&repo);
        let persona = std::fs::read_to_string(repo.path("agents/support/persona.md")).unwrap();
        let persona = persona.trim_start_matches("You help, ").trim_end_matches(".\n").to_owned();
        let ended = program(&repo, stopped.args).env("POINTSMAN_CRASH_AT", point).output().unwrap();
        assert_eq!(ended.status.code(), None, "`{point}` was not reached: {ended:?}");
        let fsck = repo.git(&["fsck", "--strict", "--no-dangling"]);
        assert_eq!(fsck.code, 0, "right after `{point}`: {}{}", fsck.stdout, fsck.stderr);
        recover(&repo);
        unlock_index(&repo);
        whole(&repo, &Acknowledged::default(), &persona, point);
        // The same again does what it was asked for, once.
        let mut acknowledged = Acknowledged::default();
        let again = repo.pointsman(&[stopped.args, &["--json"]].concat());
        assert_eq!(again.code, 0, "again after `{point}`: {}", again.stderr);
        acknowledged.note(again.stdout.as_bytes());
        whole(&repo, &acknowledged, &persona, point);
        let tags = repo.git_out(&["tag", "--list", "support/*"]).lines().count();
        assert!(tags <= 3, "after `{point}` there are {tags} versions");
    }
}

/// `support` v1 everywhere below live, v2 in sandbox, and a draft that differs.
fn two_versions(repo: &Repo<'_>) {
    edit(repo, "one");
    repo.pointsman(&["publish", "support"]).ok();
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    edit(repo, "two");
    repo.pointsman(&["publish", "support"]).ok();
}

#[test]
fn the_first_publish_of_a_repository_stopped_anywhere() {
    stop_everywhere(&Stopped {
        begin: busy,
        prepare: |repo| edit(repo, "first"),
        args: &["publish", "support"],
        at_least: &[
            "refs/heads/pointsman/ledger moved",
            "refs/heads/env/sandbox moved",
            "refs/heads/env/pre-release moved",
            "refs/heads/env/live moved",
        ],
    });
}

#[test]
fn a_publish_stopped_anywhere() {
    stop_everywhere(&Stopped {
        begin: busy,
        prepare: |repo| {
            two_versions(repo);
            edit(repo, "three");
        },
        args: &["publish", "support", "--note", "three"],
        at_least: &[
            "index locked",
            "index installed",
            "draft committed",
            "objects written",
            "refs/tags/support/v3 moved",
            "refs/heads/pointsman/ledger moved",
            "refs/heads/env/sandbox moved",
        ],
    });
}

#[test]
fn a_publish_and_a_promotion_in_a_clone_stopped_anywhere() {
    stop_everywhere(&Stopped {
        begin: busy_clone,
        prepare: |repo| {
            two_versions(repo);
            edit(repo, "three");
        },
        args: &["publish", "support"],
        at_least: &["draft committed", "objects written", "pushed", "tracking refs set"],
    });
    stop_everywhere(&Stopped {
        begin: busy_clone,
        prepare: two_versions,
        args: &["promote", "support", "--to", "pre-release"],
        at_least: &["objects written", "pushed", "tracking refs set"],
    });
}

#[test]
fn a_promotion_stopped_anywhere() {
    stop_everywhere(&Stopped {
        begin: busy,
        prepare: two_versions,
        args: &["promote", "support", "--to", "pre-release"],
        at_least: &["objects written", "refs/heads/pointsman/ledger moved", "refs/heads/env/pre-release moved"],
    });
}

#[test]
fn a_rollback_stopped_anywhere() {
    stop_everywhere(&Stopped {
        begin: busy,
        prepare: two_versions,
        args: &["rollback", "support", "--env", "sandbox", "--reason", "wrong"],
        at_least: &["objects written", "refs/heads/pointsman/ledger moved", "refs/heads/env/sandbox moved"],
    });
}

#[test]
fn a_pass_that_heals_stopped_anywhere() {
    fn wounded(repo: &Repo<'_>) {
        two_versions(repo);
        repo.git(&["tag", "-a", "support/v3", "-m", "by hand"]).ok();
        repo.git(&["tag", "-d", "support/v1"]).ok();
        repo.git(&["update-ref", "-d", "refs/heads/env/pre-release"]).ok();
        repo.git(&["update-ref", "refs/heads/env/live", "main"]).ok();
    }
    stop_everywhere_quietly(&["reconcile", "--once"], wounded, &["refs/tags/support/v1 moved"]);
}

#[test]
fn a_lost_ledger_found_again_stopped_anywhere() {
    fn lost(repo: &Repo<'_>) {
        two_versions(repo);
        repo.git(&["update-ref", "-d", "refs/heads/pointsman/ledger"]).ok();
        repo.git(&["update-ref", "-d", "refs/pointsman/seen/ledger"]).ok();
    }
    stop_everywhere_quietly(&["reconcile", "--once"], lost, &["refs/heads/pointsman/ledger moved"]);
}

/// As [`stop_everywhere`], for a pass, whose answer names no version.
fn stop_everywhere_quietly(args: &'static [&'static str], prepare: fn(&Repo<'_>), at_least: &'static [&'static str]) {
    stop_everywhere(&Stopped { begin: busy, prepare, args, at_least });
}

/// Between 0 and 1, from a seed that a failure prints.
fn next(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed % 1_000_000) as f64 / 1e6
}

/// How a command ended that was shot at.
enum Shot {
    /// It was faster, and this is its answer.
    Done(Vec<u8>),
    /// It died.
    Stopped,
    /// It told a lock that an earlier one had left; or a git process of ours died a moment before it.
    Refused,
}

/// Starts the command in a process group of its own and sends the whole group `signal` after `wait`: a power cut takes
/// git's processes too, and so does a terminal's Ctrl-C.
fn shoot(repo: &Repo<'_>, args: &[&str], signal: &str, wait: Duration) -> Shot {
    // Whoever runs the tests behind a shell's `&` has SIGINT ignored, and so would the command.
    let mut command = isolated("env", &repo.world.home());
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_pointsman"), "-C"]).arg(&repo.dir).args(args);
    command.env("TMPDIR", repo.world.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.process_group(0).spawn().unwrap();
    let group = child.id();
    std::thread::sleep(wait);
    let mut kill = isolated("kill", &repo.world.home());
    // The command may have ended before: then there is nobody to hit.
    kill.args(["-s", signal, "--", &format!("-{group}")]).stderr(Stdio::null()).status().unwrap();
    let ended = child.wait_with_output().unwrap();
    if ended.status.signal().is_some() {
        return Shot::Stopped;
    }
    if ended.status.success() {
        return Shot::Done(ended.stdout);
    }
    remove_told_lock(&ended.stderr);
    Shot::Refused
}

/// Removes the lock that an error as JSON tells, as its hint says.
#[track_caller]
fn remove_told_lock(stderr: &[u8]) {
    let told: serde_json::Value = serde_json::from_slice(stderr).expect("an error as JSON");
    let hint = told["error"]["hint"].as_str().unwrap_or_default();
    match hint.split_once("remove it: rm '") {
        Some((_, lock)) => std::fs::remove_file(lock.trim_end_matches('\'')).unwrap(),
        None => assert_eq!(told["error"]["code"], "git_program", "{told}"),
    }
}

/// Publishes and promotes until `kills` of them were stopped at a random moment.
fn soak(signal: &str, kills: u32, seed: u64) {
    let world = World::new();
    let repo = busy(&world, "shop");
    edit(&repo, "zero");
    // Moments are drawn from about as long as a command takes here and now, whatever else the machine does.
    let started = std::time::Instant::now();
    repo.pointsman(&["publish", "support"]).ok();
    let mut longest = [started.elapsed(); 2];
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    let mut acknowledged = Acknowledged::default();
    let mut random = seed;
    let (mut killed, mut round) = (0, 0);
    let mut persona = "zero".to_owned();
    // On a machine that has just become slower every shot may hit for a while: goes on until one misses.
    while killed < kills || acknowledged.versions.len() + acknowledged.commits.len() == 0 {
        let at = format!("seed {seed}, round {round}");
        let promotes = round % 3 == 2;
        let scale = &mut longest[usize::from(promotes)];
        let wait = scale.mul_f64(next(&mut random));
        let shot = if promotes {
            // There and back again, so that there is always something to move.
            let served = repo.git(&["rev-parse", "env/pre-release:agents/support"]).stdout;
            let first = repo.git(&["rev-parse", "pointsman/ledger:agents/support/v1"]).stdout;
            let version = if served == first { None } else { Some(["--version", "1"]) };
            let promote = ["promote", "support", "--to", "pre-release", "--json"];
            let args = [&promote[..], version.as_ref().map_or(&[], |pair| &pair[..])].concat();
            shoot(&repo, &args, signal, wait)
        } else {
            persona = format!("round {round}");
            edit(&repo, &persona);
            shoot(&repo, &["publish", "support", "--json"], signal, wait)
        };
        match shot {
            Shot::Done(stdout) => {
                acknowledged.note(&stdout);
                *scale = scale.mul_f64(0.9);
            }
            Shot::Stopped => {
                killed += 1;
                *scale = scale.mul_f64(1.04);
            }
            Shot::Refused => {}
        }
        recover(&repo);
        unlock_index(&repo);
        // Everything, every few rounds: what is broken stays broken.
        if round % 10 == 9 {
            whole(&repo, &acknowledged, &persona, &at);
        }
        round += 1;
        assert!(round < kills * 10, "only {killed} of {round} were stopped");
    }
    // The last one may have left the lock of a branch that a pass does not move.
    let last = std::iter::repeat_with(|| publish_in_peace(&repo)).take(5).flatten().next();
    acknowledged.note(&last.expect("a publish that nobody stops"));
    whole(&repo, &acknowledged, &persona, "at the end");
}

/// A publish that is left alone; nothing if it had to tell a lock first.
fn publish_in_peace(repo: &Repo<'_>) -> Option<Vec<u8>> {
    let ended = program(repo, &["publish", "support", "--json"]).output().unwrap();
    match ended.status.success() {
        true => Some(ended.stdout),
        false => {
            remove_told_lock(&ended.stderr);
            None
        }
    }
}

/// Ten times as many where somebody has the time.
fn kills(few: u32) -> u32 {
    if std::env::var_os("POINTSMAN_SOAK").is_some() { few * 10 } else { few }
}

#[test]
fn killed_at_random_moments_one() {
    soak("KILL", kills(100), 0x9e37_79b9_7f4a_7c15);
}

#[test]
fn killed_at_random_moments_two() {
    soak("KILL", kills(100), 0xd1b5_4a32_d192_ed03);
}

#[test]
fn interrupted_at_random_moments() {
    soak("INT", kills(30), 0x2545_f491_4f6c_dd1d);
}
