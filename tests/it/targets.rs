//! What is live reaches folders and branches of other remotes, whole, and stays there.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pointsman::live;
use pointsman::store::Repository;

use crate::daemon::Daemon;
use crate::env::World;
use crate::stage::{PACE, Stage, environment, eventually, head};

const AGENTS: [(&str, &str); 3] = [("support", "hello"), ("emea/billing", "guten Tag"), ("emea/sales", "bonjour")];

fn edge(world: &World) -> (PathBuf, String) {
    let path = world.path("edge");
    let text = format!("[targets.edge]\nkind = \"directory\"\npath = \"{}\"\n", path.display());
    (path, text)
}

/// Every file below `folder` with its bytes; a symlink is told as such.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                let bytes =
                    if kind.is_symlink() { b"a symlink".to_vec() } else { std::fs::read(entry.path()).unwrap() };
                found.insert(name, bytes);
            }
        }
    }
    found
}

#[test]
fn a_folder_holds_what_is_live_and_the_two_deployments_before() {
    let world = World::new();
    let (path, text) = edge(&world);
    let stage = Stage::start(&world.path("state"), &text);
    for height in 1..=5 {
        stage.publish(vec![environment("live", height, &AGENTS), environment("sandbox", 1, &[])]);
        stage.holds("edge", "live", height);
    }
    stage.holds("edge", "sandbox", 1);
    let live = environment("live", 5, &AGENTS);
    let found = files(&path.join("live"));
    for (agent, served) in &live.agents {
        assert_eq!(found[&format!("agents/{agent}/config.json")], served.config);
        assert_eq!(found[&format!("agents/{agent}/version.json")], served.record);
    }
    assert_eq!(found["routes.json"], live.routes.document());
    let mark: serde_json::Value = serde_json::from_slice(&found["environment.json"]).unwrap();
    assert_eq!((&mark["commit"], &mark["height"]), (&head(5).to_string().into(), &5.into()));
    assert_eq!(found.len(), 2 * AGENTS.len() + 2);
    assert_eq!(std::fs::read_link(path.join("live")).unwrap(), Path::new(&format!("live.d/{}", head(5))));
    let mut kept: Vec<_> =
        std::fs::read_dir(path.join("live.d")).unwrap().map(|one| one.unwrap().file_name()).collect();
    kept.retain(|name| name != ".lock");
    kept.sort();
    assert_eq!(kept, [3, 4, 5].map(|height| std::ffi::OsString::from(head(height).to_string())));
    // An agent that was retired is gone with the next deployment.
    stage.publish(vec![environment("live", 6, &AGENTS[..1])]);
    stage.holds("edge", "live", 6);
    assert!(!path.join("live/agents/emea").exists());
}

/// The reader resolves the symlink once and then reads everything; it must never see parts of two deployments.
#[test]
fn a_reader_in_a_tight_loop_never_sees_half() {
    let world = World::new();
    let (path, text) = edge(&world);
    let stage = Stage::start(&world.path("state"), &text);
    let agents = |height: u64| {
        let text = height.to_string();
        ["a", "b", "c", "d", "e", "f"].map(|agent| (agent, text.clone()))
    };
    let publish = |height| {
        let agents = agents(height);
        let agents: Vec<_> = agents.iter().map(|(agent, text)| (*agent, text.as_str())).collect();
        stage.publish(vec![environment("live", height, &agents)]);
    };
    publish(1);
    stage.holds("edge", "live", 1);
    let (done, reads, highest) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let read = || {
            while !done.load(Ordering::Relaxed) {
                // The link is never away, not for a moment.
                let folder = path.join(std::fs::read_link(path.join("live")).unwrap());
                let json = |name: &str| -> Option<serde_json::Value> {
                    // A reader that was asleep for three deployments finds its own gone, whole, and begins again.
                    let bytes = std::fs::read(folder.join(name));
                    if bytes.is_err() {
                        assert!(!folder.exists(), "{name} is missing in a deployment that is there");
                    }
                    Some(serde_json::from_slice(&bytes.ok()?).unwrap())
                };
                let Some(mark) = json("environment.json") else { continue };
                let height = mark["height"].as_u64().unwrap();
                assert!(height >= highest.fetch_max(height, Ordering::SeqCst).min(height));
                for (agent, text) in agents(height) {
                    let Some(config) = json(&format!("agents/{agent}/config.json")) else { break };
                    assert_eq!(config["text"], text, "{agent} is of another deployment than {height}");
                }
                reads.fetch_add(1, Ordering::Relaxed);
            }
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        for height in 2..=60 {
            publish(height);
            if height % 3 == 0 {
                stage.holds("edge", "live", height);
            }
        }
        stage.holds("edge", "live", 60);
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(reads.load(Ordering::Relaxed) > 100);
}

#[test]
fn whatever_was_changed_by_hand_is_put_right() {
    let world = World::new();
    let (path, text) = edge(&world);
    let stage = Stage::start(&world.path("state"), &text);
    stage.publish(vec![environment("live", 7, &AGENTS)]);
    stage.holds("edge", "live", 7);
    let right = files(&path.join("live"));
    let config = "agents/support/config.json";
    type Edit<'e> = (&'static str, &'e dyn Fn(&Path));
    let edits: [Edit<'_>; 10] = [
        ("another text of the same length", &|live| {
            let other = String::from_utf8(right[config].clone()).unwrap().replace("hello", "HELLO");
            std::fs::write(live.join(config), other).unwrap();
        }),
        ("the same, with the old time", &|live| {
            let time = live.join(config).metadata().unwrap().modified().unwrap();
            let other = String::from_utf8(right[config].clone()).unwrap().replace("hello", "HELLO");
            std::fs::write(live.join(config), other).unwrap();
            std::fs::File::options().write(true).open(live.join(config)).unwrap().set_modified(time).unwrap();
        }),
        ("a file more", &|live| std::fs::write(live.join("agents/support/notes.txt"), "x").unwrap()),
        ("a folder more", &|live| std::fs::create_dir_all(live.join("agents/other/empty")).unwrap()),
        ("a file less", &|live| std::fs::remove_file(live.join("agents/emea/sales/version.json")).unwrap()),
        ("a symlink to the same text", &|live| {
            let elsewhere = world.path("elsewhere.json");
            std::fs::write(&elsewhere, &right[config]).unwrap();
            std::fs::remove_file(live.join(config)).unwrap();
            symlink(&elsewhere, live.join(config)).unwrap();
        }),
        ("a folder that is a symlink", &|live| {
            let moved = world.path("moved");
            let _ = std::fs::remove_dir_all(&moved);
            std::fs::rename(live.join("agents/emea"), &moved).unwrap();
            symlink(&moved, live.join("agents/emea")).unwrap();
        }),
        ("a higher height in the mark", &|live| {
            let mark = String::from_utf8(right["environment.json"].clone()).unwrap();
            std::fs::write(live.join("environment.json"), mark.replace("\"height\":7", "\"height\":99")).unwrap();
        }),
        ("the symlink leads elsewhere", &|_| {
            std::fs::remove_file(path.join("live")).unwrap();
            symlink("/etc", path.join("live")).unwrap();
        }),
        ("everything is gone", &|_| {
            // At one blow: the worker may be at it already.
            std::fs::rename(&path, world.path("gone")).unwrap();
        }),
    ];
    for (what, edit) in edits {
        let before = stage.delivery("edge", "live").unwrap().delivered;
        edit(&path.join("live").canonicalize().unwrap());
        eventually(what, || stage.delivery("edge", "live").unwrap().delivered > before);
        stage.holds("edge", "live", 7);
        assert_eq!(files(&path.join("live")), right, "{what}");
    }
    assert!(Path::new("/etc/passwd").exists());
    let (events, _) = stage.live.events.after(0);
    assert!(events.iter().any(|event| event.text.contains("`agents/support/notes.txt` was added")));
}

#[test]
fn a_late_controller_does_not_deliver_a_lower_height() {
    let world = World::new();
    let (path, text) = edge(&world);
    let first = Stage::start(&world.path("one"), &text);
    let late = Stage::start(&world.path("two"), &text);
    first.publish(vec![environment("live", 5, &AGENTS)]);
    first.holds("edge", "live", 5);
    let right = files(&path.join("live"));
    late.publish(vec![environment("live", 4, &AGENTS[..1])]);
    let state = late.fails("edge", "live", "it holds height 5, which is newer than 4");
    assert_eq!(state.held.unwrap().height, 5);
    // It asked its own loop to look again; when that finds the newer height, all is well.
    assert_eq!(late.live.bell.wait(std::time::Instant::now()), live::Woken::Rung(live::Wake::Target));
    assert_eq!(files(&path.join("live")), right);
    late.publish(vec![environment("live", 5, &AGENTS)]);
    late.holds("edge", "live", 5);
    // Both at once, to the same height: whoever is first delivers, the other one agrees.
    for height in 6..=20 {
        for stage in [&first, &late] {
            stage.publish(vec![environment("live", height, &AGENTS)]);
        }
        for stage in [&first, &late] {
            stage.holds("edge", "live", height);
        }
    }
}

/// The real controller, stopped as by a power cut between any two steps of a delivery.
#[test]
fn a_controller_that_is_killed_in_the_middle_leaves_the_old_or_the_new() {
    let points =
        ["deployment written", "deployment named", "link written", "deployment linked", "deployment put aside"];
    for point in points {
        let world = World::new();
        let repo = world.repository("shop");
        let (path, text) = edge(&world);
        world.write("operator.toml", &text);
        let config = world.path("operator.toml");
        let args = ["--config", config.to_str().unwrap()];
        let folder = path.join("sandbox");
        // What a reader finds: which version, of which there must be every file.
        let read = || {
            let folder = path.join(std::fs::read_link(&folder).unwrap());
            let found = files(&folder);
            if found.len() == 2 {
                // The beginning, where nothing is served yet.
                return 0;
            }
            let json = |name: &str| serde_json::from_slice::<serde_json::Value>(&found[name]).unwrap();
            let (record, mark) = (json("agents/support/version.json"), json("environment.json"));
            assert_eq!(found.len(), 4, "{point}");
            let digest = pointsman::domain::Digest::of(&found["agents/support/config.json"]);
            assert_eq!(record["digest"], digest.to_string(), "{point}");
            let commit = mark["commit"].as_str().unwrap().to_owned();
            assert_eq!(
                repo.git_out(&["show", &format!("{commit}:agents/support/version.json")]),
                String::from_utf8_lossy(&found["agents/support/version.json"]).trim()
            );
            record["number"].as_u64().unwrap()
        };
        let daemon = Daemon::start(&world, &repo.dir, &args);
        for number in 1..=3 {
            repo.publish_support(&number.to_string());
            daemon.eventually("it is delivered", || folder.exists() && read() == number);
        }
        daemon.kill();
        let daemon = Daemon::start_with(&world, &repo.dir, &args, &[("POINTSMAN_CRASH_AT", point)]);
        daemon.serves("sandbox", "support", "v3");
        repo.publish_support("4");
        daemon.eventually("it dies", || std::net::TcpStream::connect(&daemon.address).is_err());
        assert!((3..=4).contains(&read()), "{point}");
        let daemon = Daemon::start(&world, &repo.dir, &args);
        daemon.eventually("it is delivered", || read() == 4);
        repo.publish_support("5");
        daemon.eventually("it is delivered", || read() == 5);
        daemon.eventually("only three are left", || std::fs::read_dir(path.join("sandbox.d")).unwrap().count() == 4);
        assert_eq!(
            std::fs::read_dir(&path)
                .unwrap()
                .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".sandbox") })
                .count(),
            0,
            "{point}"
        );
    }
}

#[test]
fn while_another_controller_writes_nothing_is_written() {
    let world = World::new();
    let (path, text) = edge(&world);
    std::fs::create_dir_all(path.join("live.d")).unwrap();
    let other = std::fs::File::create(path.join("live.d/.lock")).unwrap();
    other.lock().unwrap();
    let stage = Stage::start(&world.path("state"), &text);
    stage.publish(vec![environment("live", 1, &AGENTS)]);
    stage.fails("edge", "live", "another controller is writing there");
    assert_eq!(std::fs::read_dir(path.join("live.d")).unwrap().count(), 1);
    // Let go, or killed: the system frees the lock either way.
    drop(other);
    stage.holds("edge", "live", 1);
}

#[test]
fn what_is_not_ours_stays_and_what_an_interrupted_delivery_left_goes() {
    let world = World::new();
    let (path, text) = edge(&world);
    world.write("edge/live/precious.txt", "mine");
    std::fs::create_dir_all(path.join("live.d/.tmp-left/agents")).unwrap();
    symlink("nowhere", path.join(".live.tmp-left")).unwrap();
    // Named but not linked yet, with something in it that nobody can vouch for; and some that were not removed yet.
    world.write(&format!("edge/live.d/{}/agents/support/config.json", head(2)), "half");
    for height in 100..110 {
        world.write(&format!("edge/live.d/{}/environment.json", head(height)), "{}");
    }
    let stage = Stage::start(&world.path("state"), &text);
    stage.publish(vec![environment("live", 2, &AGENTS)]);
    let state = stage.fails("edge", "live", "is no symlink, so it is not ours to replace");
    assert!(state.failure.unwrap().hint.unwrap().contains("mv "));
    assert_eq!(std::fs::read(path.join("live/precious.txt")).unwrap(), b"mine");
    // As the hint says; nobody restarts anything.
    std::fs::rename(path.join("live"), path.join("live.old")).unwrap();
    stage.holds("edge", "live", 2);
    let names: Vec<_> = std::fs::read_dir(path.join("live.d")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().starts_with(".tmp")), "{names:?}");
    assert_eq!(names.len(), 4, "three deployments and the lock: {names:?}");
    assert_eq!(std::fs::read_link(path.join("live")).unwrap(), Path::new(&format!("live.d/{}.1", head(2))));
    assert!(!path.join(".live.tmp-left").is_symlink());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_tried_until_it_can() {
    let world = World::new();
    let (path, text) = edge(&world);
    // A file stands where the folder should be.
    std::fs::write(&path, "in the way").unwrap();
    let stage = Stage::start(&world.path("state"), &text);
    stage.publish(vec![environment("live", 1, &AGENTS)]);
    eventually("several attempts", || stage.delivery("edge", "live").is_some_and(|state| state.attempts > 3));
    let state = stage.delivery("edge", "live").unwrap();
    assert!(state.next_try.is_some() && state.behind_since.is_some());
    std::fs::remove_file(&path).unwrap();
    stage.holds("edge", "live", 1);
    // Told once when it began and once when it was over, not at each attempt.
    let (events, _) = stage.live.events.after(0);
    assert_eq!(events.len(), 2, "{events:?}");
}

#[test]
fn another_operators_file_starts_and_stops_workers_and_leaves_the_others_alone() {
    let world = World::new();
    let (path, text) = edge(&world);
    let stage = Stage::start(&world.path("state"), &text);
    stage.publish(vec![environment("live", 1, &AGENTS), environment("sandbox", 1, &AGENTS)]);
    stage.holds("edge", "live", 1);
    let second = world.path("second");
    let more = format!(
        "{text}[targets.second]\nkind = \"directory\"\npath = \"{}\"\nenvironments = [\"live\"]\n",
        second.display()
    );
    stage.reload(&more);
    stage.holds("second", "live", 1);
    assert!(stage.delivery("second", "sandbox").is_none());
    assert_eq!(stage.delivery("edge", "live").unwrap().delivered, 1);
    stage.reload(&more.replace("[targets.edge]", "[targets.other]").replace("/edge", "/third"));
    stage.holds("other", "sandbox", 1);
    eventually("the old one is forgotten", || stage.delivery("edge", "live").is_none());
    stage.publish(vec![environment("live", 2, &AGENTS)]);
    stage.holds("second", "live", 2);
    assert_eq!(std::fs::read_link(path.join("live")).unwrap(), Path::new(&format!("live.d/{}", head(1))));
}

/// A repository with something live, and the snapshot read from it.
fn accepted(world: &World, repository: &Path, stage: &Stage) -> live::Snapshot {
    let repository = Repository::open(repository).unwrap();
    let tip = repository.read_ref("refs/heads/pointsman/ledger").unwrap();
    let snapshot = live::read(&repository, tip, &live::Snapshot::default()).unwrap();
    let again = live::read(&repository, tip, &live::Snapshot::default()).unwrap();
    assert!(world.home().exists());
    stage.live.publish(snapshot);
    again
}

#[test]
fn a_branch_elsewhere_is_the_accepted_head_and_is_put_right() {
    let world = World::new();
    let repo = world.repository("shop");
    let elsewhere = world.bare("elsewhere.git");
    let text = format!("[targets.copy]\nkind = \"git\"\nurl = \"{}\"\n", elsewhere.display());
    let stage = Stage::with(&world.path("state"), &repo.path(".git"), &text, PACE);
    let tip = || world.git("elsewhere.git", &["rev-parse", "live/sandbox"]).stdout.trim().to_owned();
    repo.publish_support("one");
    accepted(&world, &repo.dir, &stage);
    eventually("the branch is there", || tip() == repo.git_out(&["rev-parse", "env/sandbox"]));
    let older = tip();
    repo.publish_support("two");
    let snapshot = accepted(&world, &repo.dir, &stage);
    let right = repo.git_out(&["rev-parse", "env/sandbox"]);
    eventually("the branch followed", || tip() == right);
    assert_eq!(
        world.git("elsewhere.git", &["rev-parse", "live/sandbox:agents/support"]).ok().stdout,
        repo.git(&["rev-parse", "pointsman/ledger:agents/support/v2"]).ok().stdout
    );
    world.git("elsewhere.git", &["fsck", "--strict", "--no-dangling"]).ok();
    // Put back to an older deployment, and deleted: both need no second look.
    for args in [["update-ref", "refs/heads/live/sandbox", &older], ["update-ref", "-d", "refs/heads/live/sandbox"]] {
        world.git("elsewhere.git", &args).ok();
        eventually("the branch is back", || tip() == right);
    }
    // A commit by hand: it may be another controller's until the repository was looked at again.
    let stranger = world.clone_of(&elsewhere, "stranger");
    stranger.git(&["checkout", "-q", "live/sandbox"]).ok();
    stranger.write("agents/support/config.json", "{}");
    stranger.git(&["commit", "-qam", "By hand"]).ok();
    stranger.git(&["push", "-q", "origin", "HEAD:live/sandbox"]).ok();
    stage.fails("copy", "sandbox", "which is not known here yet");
    assert_ne!(tip(), right);
    eventually("a pass was asked for, and then it is corrected", || {
        if let live::Woken::Rung(_) = stage.live.bell.wait(std::time::Instant::now()) {
            stage.pass();
        }
        tip() == right
    });
    stage.holds("copy", "sandbox", snapshot.environment("sandbox").unwrap().height);
}

#[test]
fn a_newer_head_elsewhere_is_kept_until_the_loop_knows_it() {
    let world = World::new();
    let repo = world.repository("shop");
    let elsewhere = world.bare("elsewhere.git");
    let text = format!("[targets.copy]\nkind = \"git\"\nurl = \"file://{}\"\n", elsewhere.display());
    let late = Stage::with(&world.path("late"), &repo.path(".git"), &text, PACE);
    repo.publish_support("one");
    accepted(&world, &repo.dir, &late);
    let older = repo.git_out(&["rev-parse", "env/sandbox"]);
    let tip = || world.git("elsewhere.git", &["rev-parse", "live/sandbox"]).stdout.trim().to_owned();
    eventually("the branch is there", || tip() == older);
    repo.publish_support("two");
    let newer = repo.git_out(&["rev-parse", "env/sandbox"]);
    let first = Stage::with(&world.path("first"), &repo.path(".git"), &text, PACE);
    accepted(&world, &repo.dir, &first);
    eventually("the other controller delivered", || tip() == newer);
    late.fails("copy", "sandbox", "not known here yet");
    assert_eq!(tip(), newer);
    accepted(&world, &repo.dir, &late);
    eventually("both agree", || {
        let [one, other] = [&first, &late].map(|stage| stage.delivery("copy", "sandbox").unwrap());
        one.held.is_some() && one.held == other.held && one.failure.is_none() && other.failure.is_none()
    });
    assert_eq!(tip(), newer);
}

/// A server that sends everybody elsewhere, and elsewhere.
#[test]
fn a_redirect_of_a_git_server_is_not_followed() {
    use std::io::{Read as _, Write as _};
    let world = World::new();
    let repo = world.repository("shop");
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let sending = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = sending.local_addr().unwrap().port();
    let answer = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/x/info/refs?service=git-upload-pack\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.local_addr().unwrap()
    );
    let (asked, was_asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in sending.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            let _ = asked.send(());
        }
    });
    let text = format!(
        "outgoing.allow = [\"127.0.0.1\", \"::1\"]\n[targets.copy]\nkind = \"git\"\nurl = \"http://localhost:{port}/x\"\n"
    );
    let stage = Stage::with(&world.path("state"), &repo.path(".git"), &text, PACE);
    repo.publish_support("one");
    accepted(&world, &repo.dir, &stage);
    stage.fails("copy", "sandbox", "localhost");
    was_asked.recv().unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_branch_that_was_never_ours_is_left_alone() {
    let world = World::new();
    let repo = world.repository("shop");
    let elsewhere = world.bare("elsewhere.git");
    let stranger = world.repository("stranger");
    stranger.git(&["push", "-q", &format!("file://{}", elsewhere.display()), "main:refs/heads/live/sandbox"]).ok();
    let text = format!("[targets.copy]\nkind = \"git\"\nurl = \"{}\"\n", elsewhere.display());
    let stage = Stage::with(&world.path("state"), &repo.path(".git"), &text, PACE);
    repo.publish_support("one");
    accepted(&world, &repo.dir, &stage);
    let state = stage.fails("copy", "sandbox", "is not ours");
    assert!(state.failure.unwrap().hint.unwrap().contains("branch_prefix"));
    stage.pass();
    stage.pass();
    stage.pass();
    let attempts = || stage.delivery("copy", "sandbox").unwrap().failed;
    let before = attempts();
    eventually("more attempts", || attempts() > before + 2);
    assert_eq!(
        world.git("elsewhere.git", &["rev-parse", "live/sandbox"]).ok().stdout.trim(),
        stranger.git_out(&["rev-parse", "main"])
    );
}
