//! The machine of the controller: a clock that is set back, a full disk, locks of the dead, very many refs.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::shop::{Shop, most_memory, stands};
use crate::daemon::Daemon;
use crate::env::World;

#[test]
fn a_clock_that_was_set_back_neither_stops_nor_disorders_anything() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = shop.serve();
    shop.push_version(1);
    shop.comes(&daemon, "sandbox", "support", "v1");
    assert_eq!(daemon.stop(), Some(0));
    // Two years back, as after a dead battery, and then set back once more while it runs.
    world.write("clock", "-2y\n");
    let args = shop.args("state", &shop.url());
    let clock = format!("FAKETIME_TIMESTAMP_FILE={}", world.path("clock").display());
    let library = "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1".to_owned();
    let through = ["env", &clock, &library, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    let args = args.each_ref().map(String::as_str);
    let daemon = Daemon::start_through(&world, &world.home(), &through, &args);
    daemon.serves("sandbox", "support", "v1");
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    world.write("clock", "-4y\n");
    shop.push_version(3);
    shop.comes(&daemon, "sandbox", "support", "v3");
    let note: serde_json::Value = serde_json::from_str(&shop.note("state")).unwrap();
    let told: jiff::Timestamp = note["at"].as_str().unwrap().parse().unwrap();
    let years = jiff::Timestamp::now().duration_since(told).as_hours() / 24 / 365;
    assert!(years >= 1, "the clock was not set back: {note}");
    // Times rise along the line all the same, so `git log --until` tells the truth.
    for branch in ["env/sandbox", "pointsman/ledger"] {
        let times = shop.origin(&["log", "--first-parent", "--reverse", "--format=%ct", branch]);
        let times: Vec<u64> = times.lines().map(|line| line.parse().unwrap()).collect();
        assert!(times.is_sorted(), "{branch}: {times:?}");
    }
    shop.whole();
}

#[test]
fn locks_of_every_kind_left_in_the_mirror_stop_nobody() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = shop.serve();
    shop.push_version(1);
    shop.comes(&daemon, "sandbox", "support", "v1");
    daemon.kill();
    let mirror = shop.mirror("state");
    let locks = [
        "index.lock",
        "HEAD.lock",
        "config.lock",
        "packed-refs.lock",
        "shallow.lock",
        "gc.pid.lock",
        "objects/maintenance.lock",
        "objects/info/commit-graph.lock",
        "objects/pack/multi-pack-index.lock",
        "refs/heads/env/sandbox.lock",
        "refs/heads/pointsman/ledger.lock",
        "refs/remotes/origin/env/sandbox.lock",
        "refs/remotes/origin/main.lock",
        "refs/remotes/origin/HEAD.lock",
        "refs/remotes/origin/pointsman/ledger.lock",
        "refs/pointsman/seen/ledger.lock",
        "refs/pointsman/origin/tags/support/v2.lock",
        "refs/tags/support/v2.lock",
    ];
    let leave = || {
        for lock in locks {
            std::fs::create_dir_all(mirror.join(lock).parent().unwrap()).unwrap();
            std::fs::write(mirror.join(lock), "").unwrap();
        }
    };
    // At the start, and while it runs.
    leave();
    let daemon = shop.serve();
    daemon.serves("sandbox", "support", "v1");
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    leave();
    shop.push_version(3);
    shop.comes(&daemon, "sandbox", "support", "v3");
    // What is served comes before the mirror's refs, whose locks the daemon holds for a moment.
    let left = || locks.iter().filter(|lock| stands(&mirror.join(lock))).collect::<Vec<_>>();
    let started = Instant::now();
    while !left().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", left());
        std::thread::sleep(Duration::from_millis(10));
    }
    shop.whole();
}

#[test]
fn a_mirror_that_was_half_made_is_made_whole() {
    let world = World::new();
    let shop = Shop::new(&world);
    shop.push_version(1);
    let whole = ["HEAD", "config", "objects", "refs"];
    for missing in whole {
        let state = format!("without-{missing}");
        let daemon = shop.serve_with(&state, &shop.url(), &[]);
        daemon.serves("sandbox", "support", "v1");
        assert_eq!(daemon.stop(), Some(0));
        // As `git init` leaves it when it dies: what it makes last is not there, and nothing was fetched.
        let mirror = shop.mirror(&state);
        for part in ["refs", "objects", "packed-refs", "pointsman"] {
            let _ = std::fs::remove_dir_all(mirror.join(part));
            let _ = std::fs::remove_file(mirror.join(part));
        }
        for part in ["refs", "objects"].iter().filter(|part| **part != missing) {
            std::fs::create_dir(mirror.join(part)).unwrap();
        }
        let _ = std::fs::remove_file(mirror.join(missing));
        let daemon = shop.serve_with(&state, &shop.url(), &[]);
        daemon.serves("sandbox", "support", "v1");
        assert_eq!(daemon.stop(), Some(0), "{missing}");
    }
}

/// A command that is given a small file system of its own at `dir`, or nothing where that cannot be done.
fn on_a_small_disk(dir: &Path, size: &str) -> Option<Vec<String>> {
    let mounted = format!("mount -t tmpfs -o size={size} none '{}' && ", dir.display());
    let start =
        |then: &str| ["unshare", "-Urm", "sh", "-c", &format!("{mounted}{then}"), "sh"].map(str::to_owned).to_vec();
    let probe = start("true");
    let tried = Command::new(&probe[0]).args(&probe[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success()).then(|| start("exec \"$@\""))
}

#[test]
fn a_full_disk_stops_moves_and_no_call_and_passes() {
    let world = World::new();
    let shop = Shop::new(&world);
    let state = world.path("state");
    std::fs::create_dir(&state).unwrap();
    let Some(through) = on_a_small_disk(&state, "6m") else {
        eprintln!("skipped: no user namespaces here");
        return;
    };
    shop.push_version(1);
    let args = shop.args("state", &shop.url());
    let through: Vec<_> = through.iter().map(String::as_str).collect();
    let daemon = Daemon::start_through(&world, &world.home(), &through, &args.each_ref().map(String::as_str));
    shop.comes(&daemon, "sandbox", "support", "v1");
    // Only inside its own view is there anything below the folder.
    let inside = format!("/proc/{}/root{}", daemon.id(), state.display());
    let inside = Path::new(&inside);
    let mut filler = std::fs::File::create(inside.join("filler")).unwrap();
    let block = vec![7_u8; 4096];
    while filler.write_all(&block).is_ok() {}
    shop.push_version(2);
    daemon.eventually("it says so", || daemon.log().contains("No space left on device"));
    daemon.serves("sandbox", "support", "v1");
    assert_eq!(daemon.get("/readyz").status, 200);
    let before = shop.at_origin(&["rev-parse", "env/sandbox"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(shop.at_origin(&["rev-parse", "env/sandbox"]), before);
    drop(filler);
    std::fs::remove_file(inside.join("filler")).unwrap();
    shop.comes(&daemon, "sandbox", "support", "v2");
    shop.push_version(3);
    shop.comes(&daemon, "sandbox", "support", "v3");
    shop.whole();
}

#[test]
fn twenty_thousand_refs_are_carried() {
    let world = World::new();
    let shop = Shop::new(&world);
    let main = shop.desk.git_out(&["rev-parse", "main"]);
    // Other people's refs: release tags, review branches, and tags that look like versions of agents there are not.
    let mut lines = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    let mut names: Vec<_> = (0..20_000)
        .map(|number| match number % 10 {
            0 => format!("refs/heads/review/{number}"),
            1 => format!("refs/tags/release-{number}"),
            2 => format!("refs/tags/other/v{number}"),
            _ => format!("refs/pull/{number}/head"),
        })
        .collect();
    names.push("refs/heads/main".to_owned());
    names.sort();
    names.iter().for_each(|name| lines += &format!("{main} {name}\n"));
    std::fs::write(shop.origin.join("packed-refs"), lines).unwrap();
    let _ = std::fs::remove_file(shop.origin.join("refs/heads/main"));
    let daemon = shop.serve();
    shop.push_version(1);
    shop.comes(&daemon, "sandbox", "support", "v1");
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    assert!(most_memory(daemon.id()) < 300_000, "{} kB", most_memory(daemon.id()));
    assert!(shop.note("state").len() < 1_000_000);
    let ledger = shop.origin(&["ls-tree", "--name-only", "pointsman/ledger:agents"]);
    assert_eq!(ledger, "support");
}
