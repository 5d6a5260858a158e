//! The controller is killed: at random moments under load, and between any two of its steps.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::shop::{Shop, dies_at, soak};
use crate::daemon::Daemon;
use crate::env::World;

/// Between 0 and 1, from a seed that a failure prints.
fn next(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed % 1_000_000) as f64 / 1e6
}

/// Commits that were served as what is live; nobody may ever take that back.
type Served = Mutex<BTreeSet<String>>;

fn note_served(daemon: &Daemon, served: &Served) {
    let answer = daemon.get("/config/sandbox");
    if answer.status == 200 {
        served.lock().unwrap().insert(answer.json()["head"].as_str().unwrap().to_owned());
    }
}

#[test]
fn killed_at_random_moments_under_load() {
    let world = World::new();
    let shop = Shop::new(&world);
    let kills = if soak() { 300 } else { 25 };
    let (stop, pushed) = (AtomicBool::new(false), AtomicU64::new(0));
    let served = Served::default();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                shop.push_version(pushed.fetch_add(1, Ordering::Relaxed) + 1);
                std::thread::sleep(Duration::from_millis(150));
            }
        });
        for _ in 0..kills {
            let daemon = shop.serve();
            let wait = Duration::from_millis(700).mul_f64(next(&mut seed));
            std::thread::sleep(wait / 2);
            note_served(&daemon, &served);
            std::thread::sleep(wait / 2);
            daemon.kill();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let daemon = shop.serve();
    let last = pushed.load(Ordering::Relaxed);
    shop.comes(&daemon, "sandbox", "support", &format!("v{last}"));
    // Every pushed tag is a version, once.
    let entries = shop.origin(&["ls-tree", "--name-only", "pointsman/ledger:agents/support"]);
    let versions = entries.lines().filter(|line| line.starts_with('v')).count();
    assert_eq!(u64::try_from(versions).unwrap(), last, "{entries}");
    let accepted = shop.origin(&["log", "--first-parent", "--format=%s%n%b", "pointsman/ledger"]);
    for number in 1..=last {
        let tag = format!("support/v{number}");
        let told = accepted.split(|c: char| !c.is_alphanumeric() && c != '/').filter(|word| *word == tag).count();
        assert!(told <= 2, "{tag} was accepted more than once:\n{accepted}");
    }
    // What was served is in the history, in its place.
    let line = shop.origin(&["rev-list", "--first-parent", "env/sandbox"]);
    let served = served.into_inner().unwrap();
    assert!(!served.is_empty());
    for head in served {
        assert!(line.lines().any(|commit| commit == head), "{head} was served and is lost");
    }
    shop.whole();
    world.git("state/mirror.git", &["fsck", "--strict", "--no-dangling"]).ok();
}

/// Starts the controller with each of its crash points in turn, and after each a healthy one.
fn stopped_everywhere(prepare: fn(&Shop<'_>), at_least: &[&str]) {
    let world = World::new();
    let shop = Shop::new(&world);
    prepare(&shop);
    shop.push_version(1);
    let trace = world.path("points");
    let daemon = shop.serve_with("traced", &shop.url(), &[("POINTSMAN_CRASH_TRACE", trace.to_str().unwrap())]);
    shop.comes(&daemon, "sandbox", "support", "v1");
    daemon.eventually("it was traced", || std::fs::read_to_string(&trace).is_ok());
    assert_eq!(daemon.stop(), Some(0));
    let list = std::fs::read_to_string(&trace).unwrap();
    let points: BTreeSet<_> = list.lines().collect();
    for wanted in at_least {
        assert!(points.contains(wanted), "`{wanted}` is not among {points:?}");
    }
    for (number, point) in (2..).zip(&points) {
        shop.push_version(number);
        let args = shop.args("state", &shop.url());
        dies_at(&world, &world.home(), &args.each_ref().map(String::as_str), point);
        let daemon = shop.serve();
        shop.comes(&daemon, "sandbox", "support", &format!("v{number}"));
        assert_eq!(daemon.stop(), Some(0));
        let height = shop.origin(&["rev-list", "--first-parent", "--count", "env/sandbox"]);
        assert_eq!(height, (number + 1).to_string(), "after `{point}`");
        shop.whole();
    }
}

#[test]
fn stopped_between_any_two_steps_on_a_remote() {
    stopped_everywhere(|_| {}, &["objects written", "pushed", "tracking refs set"]);
}

#[test]
fn stopped_between_any_two_steps_without_atomic_pushes() {
    let without = |shop: &Shop<'_>| {
        shop.origin(&["config", "receive.advertiseAtomic", "false"]);
    };
    stopped_everywhere(without, &["objects written", "pushed a step", "pushed", "tracking refs set"]);
}

#[test]
fn stopped_between_any_two_steps_in_a_working_copy() {
    let world = World::new();
    let repo = world.repository("shop");
    let version = |number: u64| {
        repo.write("agents/support/persona.md", format!("You help, {number}.\n"));
        repo.git(&["commit", "-qam", "More"]).ok();
        repo.git(&["tag", "-a", &format!("support/v{number}"), "-m", "More"]).ok();
    };
    version(1);
    let trace = world.path("points");
    let traced = [("POINTSMAN_CRASH_TRACE", trace.to_str().unwrap())];
    let daemon = Daemon::start_with(&world, &repo.dir, &[], &traced);
    daemon.serves("sandbox", "support", "v1");
    assert_eq!(daemon.stop(), Some(0));
    let list = std::fs::read_to_string(&trace).unwrap();
    let points: BTreeSet<_> = list.lines().collect();
    for wanted in ["objects written", "refs/heads/pointsman/ledger moved", "refs/heads/env/sandbox moved"] {
        assert!(points.contains(wanted), "`{wanted}` is not among {points:?}");
    }
    let mut number = 1;
    for point in points {
        // Only the first pass ever moves these.
        if point.contains("env/") && !point.contains("env/sandbox") {
            continue;
        }
        number += 1;
        version(number);
        dies_at(&world, &repo.dir, &[], point);
        let daemon = Daemon::start(&world, &repo.dir, &[]);
        daemon.serves("sandbox", "support", &format!("v{number}"));
        assert_eq!(daemon.stop(), Some(0));
        let height = repo.git_out(&["rev-list", "--first-parent", "--count", "env/sandbox"]);
        assert_eq!(height, (number + 1).to_string(), "after `{point}`");
        repo.pointsman(&["verify"]).ok();
    }
}
