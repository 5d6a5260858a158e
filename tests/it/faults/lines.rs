//! The remote is away, slow, silent, refusing, cut off or lying: what is served stays, and everything else comes later.

use std::time::Duration;

use super::shop::{Shop, soak, stands};
use crate::daemon::Daemon;
use crate::env::{Repo, World};
use crate::servers::{GitDaemon, Http, Line, PASSWORD, Proxy, USER};

/// `support` v1 in sandbox, served by a controller that is running.
fn one_version<'w>(shop: &Shop<'w>, url: &str) -> Daemon {
    let daemon = shop.serve_with("state", url, &[]);
    shop.push_version(1);
    shop.comes(&daemon, "sandbox", "support", "v1");
    daemon
}

/// Waits until the controller told that a pass failed, and that `why` is in it.
#[track_caller]
fn fails(shop: &Shop<'_>, daemon: &Daemon, why: &str) {
    let failed = || {
        let note: serde_json::Value = serde_json::from_str(&shop.note("state")).unwrap_or_default();
        note["failure"].as_str().is_some_and(|failure| failure.contains(why))
    };
    daemon.eventually(&format!("a pass fails with `{why}`"), failed);
}

#[test]
fn a_remote_that_is_away_at_the_start_or_later_stops_no_call_and_comes_back() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = one_version(&shop, &shop.url());
    let away = world.path("away.git");
    // Later.
    std::fs::rename(&shop.origin, &away).unwrap();
    fails(&shop, &daemon, "does not appear to be a git repository");
    daemon.serves("sandbox", "support", "v1");
    assert_eq!(daemon.get("/readyz").status, 200);
    std::fs::rename(&away, &shop.origin).unwrap();
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    // At the start.
    assert_eq!(daemon.stop(), Some(0));
    shop.push_version(3);
    std::fs::rename(&shop.origin, &away).unwrap();
    let daemon = shop.serve();
    daemon.serves("sandbox", "support", "v2");
    fails(&shop, &daemon, "does not appear to be a git repository");
    std::fs::rename(&away, &shop.origin).unwrap();
    shop.comes(&daemon, "sandbox", "support", "v3");
    shop.whole();
}

#[test]
fn a_web_server_that_stops_for_a_while_is_waited_for() {
    let world = World::new();
    let shop = Shop::new(&world);
    let mut http = Http::start(&world);
    let url = http.url(&format!("{USER}:{PASSWORD}@"), "origin.git");
    let daemon = one_version(&shop, &url);
    http.stop();
    fails(&shop, &daemon, "cannot read the remote");
    assert!(!daemon.log().contains(PASSWORD), "{}", daemon.log());
    shop.push_version(2);
    daemon.serves("sandbox", "support", "v1");
    http.go_on();
    shop.comes(&daemon, "sandbox", "support", "v2");
    assert!(!shop.note("state").contains(PASSWORD));
    shop.whole();
}

#[test]
fn a_line_that_trickles_is_slow_and_nothing_else() {
    let world = World::new();
    let shop = Shop::new(&world);
    let server = GitDaemon::start(&world);
    let proxy = Proxy::before(server.port);
    let daemon = one_version(&shop, &format!("git://127.0.0.1:{}/origin.git", proxy.port));
    proxy.set(Line::Slow(64, Duration::from_millis(10)));
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    shop.whole();
}

#[test]
fn a_line_that_falls_silent_is_given_up() {
    let world = World::new();
    let shop = Shop::new(&world);
    let http = Http::start(&world);
    let proxy = Proxy::before(http.port);
    let url = format!("http://{USER}:{PASSWORD}@127.0.0.1:{}/origin.git", proxy.port);
    let daemon = shop.serve_with("state", &url, &[("GIT_HTTP_LOW_SPEED_TIME", "2")]);
    shop.push_version(1);
    shop.comes(&daemon, "sandbox", "support", "v1");
    proxy.set(Line::Silent);
    shop.push_version(2);
    fails(&shop, &daemon, "Operation too slow");
    daemon.serves("sandbox", "support", "v1");
    proxy.set(Line::Good);
    shop.comes(&daemon, "sandbox", "support", "v2");
}

#[test]
fn a_line_that_is_cut_anywhere_leaves_nothing_behind() {
    let world = World::new();
    let shop = Shop::new(&world);
    let server = GitDaemon::start(&world);
    let proxy = Proxy::before(server.port);
    let daemon = one_version(&shop, &format!("git://127.0.0.1:{}/origin.git", proxy.port));
    // Something that does not fit into one piece, and does not compress.
    let mut seed = 1_u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        u8::try_from(seed >> 56).unwrap()
    };
    for (number, cut) in [(2, 100), (3, 2_000), (4, 60_000), (5, 200_000)] {
        shop.desk.write("noise", std::iter::repeat_with(&mut noise).take(300_000).collect::<Vec<_>>());
        shop.desk.git(&["add", "noise"]).ok();
        proxy.set(Line::Cut(cut));
        shop.push_version(number);
        fails(&shop, &daemon, "cannot read the remote");
        daemon.serves("sandbox", "support", &format!("v{}", number - 1));
        proxy.set(Line::Good);
        shop.comes(&daemon, "sandbox", "support", &format!("v{number}"));
    }
    let left = || std::fs::read_dir(shop.mirror("state").join("objects/pack")).unwrap();
    let left = || left().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("tmp_"));
    daemon.eventually("half a pack is cleared away", || !left());
    shop.whole();
}

#[test]
fn a_remote_that_protects_one_environment_stops_only_that_one() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = one_version(&shop, &shop.url());
    shop.hook(
        "pre-receive",
        "while read old new ref; do [ $ref != refs/heads/env/live ] || { echo protected; exit 1; }; done",
    );
    let pins = |number: u64| {
        format!(
            "[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n[[environments]]\nname = \"live\"\nfrom = \"sandbox\"\n\
             [environments.pins]\nsupport = {number}\n"
        )
    };
    let live = shop.at_origin(&["rev-parse", "env/live"]);
    shop.desk.write("pointsman.toml", pins(1));
    shop.desk.git(&["add", "-A"]).ok();
    shop.desk.git(&["commit", "-qm", "Pin"]).ok();
    shop.desk.git(&["push", "-q", "origin", "main"]).ok();
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    assert_eq!(shop.at_origin(&["rev-parse", "env/live"]), live);
    assert_eq!(daemon.version("live", "support"), None);
    daemon.eventually("it is told", || daemon.log().contains("protected"));
    // That environment alone grows stale.
    let stale = || {
        let status = daemon.get("/status").json();
        ["live", "sandbox"].map(|name| status["environments"][name]["stalenessSeconds"].as_f64().unwrap())
    };
    daemon.eventually("live grows stale", || stale()[0] > stale()[1] + 0.5);
    // Another controller, which never saw anything, serves all the same.
    let second = shop.serve_with("second", &shop.url(), &[]);
    second.serves("sandbox", "support", "v2");
    second.eventually("it is ready", || second.get("/readyz").status == 200);
    // A good look is one that told what waits.
    second.eventually("it looked", || shop.note("second").contains("\"failure\":null"));
    shop.unhook("pre-receive");
    shop.comes(&daemon, "live", "support", "v1");
    shop.whole();
}

#[test]
fn a_remote_that_refuses_everything_is_served_from_and_asked_again() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = one_version(&shop, &shop.url());
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    shop.hook("pre-receive", "echo closed; exit 1");
    // People's pushes are refused too: this one goes around the hook.
    shop.tag_version(3);
    shop.world.git("origin.git", &["fetch", "-q", shop.desk.dir.to_str().unwrap(), "refs/tags/*:refs/tags/*"]).ok();
    fails(&shop, &daemon, "closed");
    daemon.serves("sandbox", "support", "v2");
    // One that never saw it in a better state, too.
    let second = shop.serve_with("second", &shop.url(), &[]);
    second.serves("sandbox", "support", "v2");
    assert!(!shop.is_at("sandbox", "support", "v3"));
    shop.unhook("pre-receive");
    shop.comes(&daemon, "sandbox", "support", "v3");
    shop.whole();
}

#[test]
fn without_atomic_pushes_everything_moves_in_steps_and_a_half_done_one_is_finished() {
    let world = World::new();
    let shop = Shop::new(&world);
    shop.origin(&["config", "receive.advertiseAtomic", "false"]);
    let ada = world.clone_of(&shop.origin, "ada");
    ada.publish_support("one");
    ada.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    shop.has("sandbox", "support", "v1");
    shop.has("pre-release", "support", "v1");
    shop.whole();
    let daemon = shop.serve();
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    // The environments are refused for a moment, after the ledger has moved.
    shop.hook("update", "case $1 in refs/heads/env/*) exit 1;; esac");
    let before = shop.at_origin(&["rev-parse", "env/sandbox"]);
    shop.push_version(3);
    daemon.eventually("the ledger knows v3", || {
        !shop.at_origin(&["rev-parse", "-q", "--verify", "pointsman/ledger:agents/support/v3"]).is_empty()
    });
    assert_eq!(shop.at_origin(&["rev-parse", "env/sandbox"]), before);
    // What the ledger accepted is live.
    daemon.serves("sandbox", "support", "v3");
    shop.unhook("update");
    shop.comes(&daemon, "sandbox", "support", "v3");
    // Tags come first: where one cannot be made, nothing is decided.
    shop.hook("update", "case $1 in refs/tags/*) exit 1;; esac");
    let before = shop.at_origin(&["rev-parse", "pointsman/ledger"]);
    ada.git(&["pull", "-q", "--rebase", "origin", "main"]);
    ada.write("agents/support/persona.md", "You help.\n");
    ada.pointsman(&["publish", "support", "--over"]).refused("refused to move", "");
    assert_eq!(shop.at_origin(&["rev-parse", "pointsman/ledger"]), before);
    shop.unhook("update");
    ada.pointsman(&["publish", "support", "--over"]).ok();
    shop.comes(&daemon, "sandbox", "support", "v4");
    shop.whole();
}

#[test]
fn of_two_publishers_without_atomic_pushes_each_gets_a_number() {
    let world = World::new();
    let shop = Shop::new(&world);
    shop.origin(&["config", "receive.advertiseAtomic", "false"]);
    let _daemon = shop.serve();
    let clones: Vec<_> = (0..3).map(|number| world.clone_of(&shop.origin, &format!("clone-{number}"))).collect();
    let publish = |clone: &Repo<'_>, number: usize| {
        let mut numbers = Vec::new();
        for round in 0..if soak() { 30 } else { 3 } {
            let text = format!("name = \"Support\"\ngreeting = \"{number} {round}\"\n");
            clone.write("agents/support/agent.toml", text);
            let ended = clone.pointsman(&["publish", "support", "--over", "--json"]);
            if ended.code == 0 {
                let version = ended.json()["version"].clone();
                numbers.push((version["version"].as_u64().unwrap(), version["id"].as_str().unwrap().to_owned()));
            }
        }
        numbers
    };
    let told: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> =
            clones.iter().zip(0..).map(|(it, number)| scope.spawn(move || publish(it, number))).collect();
        running.into_iter().flat_map(|running| running.join().unwrap()).collect()
    });
    let tags = shop.origin(&["for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", "refs/tags/support"]);
    let mut numbers = std::collections::BTreeSet::new();
    for (number, id) in &told {
        assert!(numbers.insert(number), "v{number} was given twice");
        assert!(tags.lines().any(|line| line.starts_with(&format!("v{number} {id}"))), "v{number} {id}: {tags}");
    }
    assert!(!numbers.is_empty());
    world.clone_of(&shop.origin, "last").pointsman(&["reconcile", "--once"]).ok();
    shop.whole();
}

#[test]
fn a_push_that_is_acknowledged_and_forgotten_is_made_again_as_it_was() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = one_version(&shop, &shop.url());
    // The last push is answered with yes, then everything that it moved is where it was. People's tags stay.
    shop.hook(
        "post-receive",
        "test -e lie || exit 0; grep -q pointsman/ledger || exit 0; rm lie; cat told | while read old ref; do git update-ref $ref $old; done",
    );
    shop.hook(
        "pre-receive",
        "test -e lie || exit 0; while read old new ref; do case $ref in refs/heads/*) echo $old $ref;; esac; done >told",
    );
    std::fs::write(shop.origin.join("lie"), "").unwrap();
    let before = shop.at_origin(&["rev-parse", "pointsman/ledger"]);
    shop.tag_version(2);
    let fetch = ["fetch", "-q", shop.desk.dir.to_str().unwrap(), "refs/tags/*:refs/tags/*"];
    shop.world.git("origin.git", &fetch).ok();
    daemon.serves("sandbox", "support", "v2");
    let served: serde_json::Value = daemon.get("/config/sandbox").json();
    assert!(!stands(&shop.origin.join("lie")), "nobody lied");
    shop.comes(&daemon, "sandbox", "support", "v2");
    // The very commit that was served, once.
    assert_eq!(served["head"], shop.at_origin(&["rev-parse", "env/sandbox"]));
    assert_eq!(shop.at_origin(&["rev-list", "--count", &format!("{before}..pointsman/ledger"), "--first-parent"]), "1");
    shop.whole();
}

#[test]
fn a_remote_that_was_set_back_to_a_backup_is_brought_forward_again() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = one_version(&shop, &shop.url());
    let copy = std::process::Command::new("cp").arg("-r").arg(&shop.origin).arg(world.path("backup.git")).status();
    assert!(copy.unwrap().success());
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    let (ledger, sandbox) =
        (shop.at_origin(&["rev-parse", "pointsman/ledger"]), shop.at_origin(&["rev-parse", "env/sandbox"]));
    // One rename after the other: for a moment it is away as well.
    std::fs::rename(&shop.origin, world.path("lost.git")).unwrap();
    std::fs::rename(world.path("backup.git"), &shop.origin).unwrap();
    daemon.eventually("all is there again", || {
        shop.at_origin(&["rev-parse", "pointsman/ledger"]) == ledger
            && shop.at_origin(&["rev-parse", "env/sandbox"]) == sandbox
            && !shop.at_origin(&["rev-parse", "-q", "--verify", "support/v2"]).is_empty()
    });
    daemon.serves("sandbox", "support", "v2");
    shop.whole();
}

#[test]
fn a_remote_that_was_replaced_by_an_empty_one_is_given_everything_that_was_decided() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = one_version(&shop, &shop.url());
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    let ledger = shop.at_origin(&["rev-parse", "pointsman/ledger"]);
    std::fs::rename(&shop.origin, world.path("lost.git")).unwrap();
    world.bare("origin.git");
    daemon.eventually("all is there again", || {
        shop.at_origin(&["rev-parse", "pointsman/ledger"]) == ledger && shop.is_at("sandbox", "support", "v2")
    });
    daemon.serves("sandbox", "support", "v2");
    daemon.eventually("tags too", || shop.at_origin(&["tag", "--list"]) == "support/v1\nsupport/v2");
}

#[test]
fn a_remote_that_lost_an_object_is_served_from_until_it_has_it_again() {
    let world = World::new();
    let shop = Shop::new(&world);
    shop.origin(&["config", "receive.unpackLimit", "10000"]);
    let daemon = one_version(&shop, &shop.url());
    shop.tag_version(2);
    let blob = shop.desk.git_out(&["rev-parse", "support/v2:agents/support/agent.toml"]);
    let file = format!("objects/{}/{}", &blob[..2], &blob[2..]);
    // Between the push and the next fetch the object is gone.
    shop.hook("post-receive", &format!("mv {file} kept"));
    shop.desk.git(&["push", "-q", "origin", "support/v2"]);
    fails(&shop, &daemon, "cannot read the remote");
    daemon.serves("sandbox", "support", "v1");
    std::fs::rename(shop.origin.join("kept"), shop.origin.join(file)).unwrap();
    shop.unhook("post-receive");
    shop.comes(&daemon, "sandbox", "support", "v2");
    shop.whole();
}
