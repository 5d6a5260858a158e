//! What calls, chats and forges ask of a running controller: watching, resolving, webhooks, metrics.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use hmac::{Hmac, KeyInit as _, Mac as _};

use crate::daemon::{Answer, Daemon, PATIENCE};
use crate::env::World;

const SECRET: &str = "0123456789abcdef-forge";

/// An open event stream.
struct Watcher(BufReader<TcpStream>);

#[derive(Debug)]
struct Event {
    kind: String,
    id: String,
    data: serde_json::Value,
}

impl Watcher {
    fn new(daemon: &Daemon, path: &str, last: &str) -> Self {
        let mut stream = TcpStream::connect(&daemon.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let last = if last.is_empty() { String::new() } else { format!("Last-Event-ID: {last}\r\n") };
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n{last}\r\n", daemon.address).unwrap();
        Watcher(BufReader::new(stream))
    }

    fn next(&mut self) -> Event {
        let mut event = Event { kind: String::new(), id: String::new(), data: serde_json::Value::Null };
        let mut line = String::new();
        let deadline = Instant::now() + PATIENCE;
        while self.0.read_line(&mut line).unwrap() > 0 {
            // Heartbeats come for ever.
            assert!(Instant::now() < deadline, "nothing is told");
            match line.trim_end().split_once(": ") {
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => {
                    event.data = serde_json::from_str(data).unwrap();
                    return event;
                }
                _ => {}
            }
            line.clear();
        }
        panic!("the stream ended");
    }
}

fn signed(body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn webhook(daemon: &Daemon, body: &str, signature: &str) -> Answer {
    daemon.request(&format!(
        "POST /hooks/github HTTP/1.1\r\nHost: controller.example\r\nX-Hub-Signature-256: sha256={signature}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

/// A file with which only webhooks wake the loop within an hour.
fn woken_by_webhooks(world: &World) -> String {
    world.write("secret", SECRET);
    let secret = world.path("secret").display().to_string();
    let file = format!("resync = \"1h\"\ntag_audit = \"1h\"\nhooks.github.secret = {{ file = \"{secret}\" }}\n");
    world.write("serve.toml", file);
    world.path("serve.toml").display().to_string()
}

#[test]
fn a_signed_webhook_brings_a_pushed_tag_to_what_is_served_and_an_unsigned_one_does_not() {
    let world = World::new();
    let repo = world.repository("ada");
    let origin = world.bare("origin.git");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let (config, state) = (woken_by_webhooks(&world), world.path("state").display().to_string());
    let url = format!("file://{}", origin.display());
    let args = ["--remote", &url, "--state", &state, "--config", &config];
    let daemon = Daemon::start(&world, &world.home(), &args);
    daemon.eventually("it is ready", || daemon.get("/readyz").status == 200);
    repo.git(&["tag", "-a", "support/v1", "-m", "First"]).ok();
    repo.git(&["push", "-q", "origin", "support/v1"]).ok();
    let body = r#"{"ref":"refs/tags/support/v1"}"#;
    assert_eq!(webhook(&daemon, body, &signed("something else")).status, 401);
    assert_eq!(webhook(&daemon, body, &signed(body)).status, 202);
    daemon.serves("sandbox", "support", "v1");
    let metrics = daemon.get("/metrics").body;
    for line in [
        "pointsman_webhooks_total{forge=\"github\",result=\"accepted\"} 1",
        "pointsman_webhooks_total{forge=\"github\",result=\"unproven\"} 1",
        "pointsman_agents{environment=\"sandbox\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(!metrics.contains(SECRET) && !daemon.log().contains(SECRET));
}

#[test]
fn many_webhooks_at_once_are_few_passes() {
    const SENT: usize = 10_000;
    let world = World::new();
    let repo = world.repository("shop");
    let daemon = Daemon::start(&world, &repo.dir, &["--config", &woken_by_webhooks(&world)]);
    daemon.eventually("it is ready", || daemon.get("/readyz").status == 200);
    let passes = || -> usize {
        let metrics = daemon.get("/metrics").body;
        let lines = metrics.lines().filter(|line| line.starts_with("pointsman_passes_total{"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
    };
    let before = passes();
    let body = "{}";
    let one = format!(
        "POST /hooks/github HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={}\r\nContent-Length: 2\r\n\r\n{body}",
        signed(body)
    );
    let started = std::time::Instant::now();
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let sending = std::thread::spawn(move || (0..SENT).for_each(|_| stream.write_all(one.as_bytes()).unwrap()));
    let mut accepted = 0;
    while accepted < SENT {
        let mut line = String::new();
        assert!(answers.read_line(&mut line).unwrap() > 0);
        assert!(!line.starts_with("HTTP/1.1") || line.starts_with("HTTP/1.1 202"), "{line}");
        accepted += usize::from(line.starts_with("HTTP/1.1"));
    }
    sending.join().unwrap();
    // The first is heard at once, the others once a second; the timer may look once more.
    let (made, seconds) = (passes() - before, usize::try_from(started.elapsed().as_secs()).unwrap());
    assert!(made <= seconds + 3, "{SENT} webhooks in {seconds} s were {made} passes");
    // Something else goes ahead.
    repo.git(&["tag", "-a", "support/v1", "-m", "First"]).ok();
    daemon.serves("sandbox", "support", "v1");
}

#[test]
fn a_watcher_hears_of_each_move_and_goes_on_after_a_restart() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("One");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    daemon.serves("sandbox", "support", "v1");
    let mut agent = Watcher::new(&daemon, "/watch/sandbox/support", "");
    let mut all = Watcher::new(&daemon, "/watch/sandbox", "");
    let (first, whole) = (agent.next(), all.next());
    assert_eq!((first.kind.as_str(), &first.data["version"]), ("version", &1.into()));
    assert_eq!((whole.kind.as_str(), &whole.data["agents"]["support"]["version"]), ("snapshot", &1.into()));
    repo.publish_support("Two");
    let (second, change) = (agent.next(), all.next());
    assert_eq!((second.kind.as_str(), &second.data["version"]), ("version", &2.into()));
    assert_eq!((change.kind.as_str(), &change.data["agents"]["support"]["version"]), ("change", &2.into()));
    let config = daemon.get("/config/sandbox/support");
    assert_eq!(
        second.data["digest"].as_str().map(|digest| format!("\"{digest}\"")).as_ref(),
        config.headers.get("etag")
    );
    assert_eq!(daemon.stop(), Some(0));

    // Another process, the same head: what was heard is not told again, the next move is.
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    daemon.serves("sandbox", "support", "v2");
    let mut agent = Watcher::new(&daemon, "/watch/sandbox/support", &second.id);
    let mut late = Watcher::new(&daemon, "/watch/sandbox", &whole.id);
    assert_eq!(late.next().kind, "snapshot", "this process has not seen the older head");
    repo.pointsman(&["retire", "support", "--env", "sandbox"]).ok();
    assert_eq!(agent.next().kind, "retired");
    assert_eq!(late.next().data["retired"], serde_json::json!(["support"]));
}

#[test]
fn a_number_is_resolved_to_what_its_environment_serves() {
    let world = World::new();
    let repo = world.repository("shop");
    let policy = "[[environments]]\nname = \"live\"\ndeploy = \"latest\"\n[[environments.numbers]]\n\
        number = \"+442071234567\"\nagent = \"support\"\nmatch = { \"X-Tier\" = \"gold\" }\nset = { \"X-Queue\" = \"priority\" }\n\
        [[environments.numbers]]\nnumber = \"+442071234568\"\nagent = \"billing\"\n";
    repo.write("pointsman.toml", policy);
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Numbers"]).ok();
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    repo.publish_support("One");
    daemon.serves("live", "support", "v1");
    daemon.eventually("the routes are there", || {
        daemon.get("/resolve?number=%2B442071234567&sip.x-tier=gold").status == 200
    });
    let call = daemon.get("/resolve?number=+442071234567&sip.X-Tier=gold").json();
    assert_eq!((call["environment"].as_str(), call["agent"].as_str()), (Some("live"), Some("support")));
    assert_eq!((&call["version"], &call["headers"]["X-Queue"]), (&1.into(), &"priority".into()));
    for (query, code) in [
        ("number=%2B442071234567", "no_match"),
        ("number=%2B442071234568", "not_served"),
        ("number=%2B440", "unknown_number"),
    ] {
        let refused = daemon.get(&format!("/resolve?{query}"));
        assert_eq!((refused.status, refused.json()["code"].as_str()), (404, Some(code)), "{query}");
    }
}

#[test]
fn nobody_serves_the_world_without_tokens_and_no_foreign_name_reads_this_machine() {
    let world = World::new();
    let repo = world.repository("shop");
    let refused = repo.pointsman(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(refused.code != 0 && refused.stderr.contains("read tokens"), "{refused:?}");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    let rebound = daemon.request("GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!((rebound.status, rebound.json()["code"].as_str()), (421, Some("host_not_local")));
    assert_eq!(daemon.get("/status").status, 200);
}

#[test]
fn what_happened_is_told_as_it_happens() {
    let world = World::new();
    let repo = world.repository("shop");
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    let mut events = Watcher::new(&daemon, "/events", "");
    repo.git(&["tag", "-a", "support/v1", "-m", "First"]).ok();
    let moved = std::iter::repeat_with(|| events.next()).find(|event| event.kind == "moved").unwrap();
    assert_eq!((moved.data["agent"].as_str(), &moved.data["version"]), (Some("support"), &1.into()));
    // A command beside the controller is told as well.
    repo.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    let promoted = std::iter::repeat_with(|| events.next()).find(|event| event.data["environment"] == "pre-release");
    assert_eq!(promoted.unwrap().kind, "moved");
    // Coming back with its id, the next one is another.
    repo.write("agents/support/persona.md", "You are brief.\n");
    repo.git(&["commit", "-qam", "Brief"]).ok();
    repo.git(&["tag", "-a", "support/v2", "-m", "Second"]).ok();
    let later = Watcher::new(&daemon, "/events", &moved.id).next();
    assert!(later.id.parse::<u64>().unwrap() > moved.id.parse::<u64>().unwrap());
}
