//! Many clients at once: every answer is one that was asked for or an honest conflict, history stays a line, and readers
//! wait for nobody who writes.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::daemon::{Answer, Daemon, PATIENCE};
use crate::env::{Repo, World};

const AGENTS: usize = 100;
const CLIENTS: usize = 200;

fn agent(index: usize) -> String {
    format!("team{}/agent{index:03}", index % 7)
}

/// A hundred agents with two versions each, of which `pre-release` serves the second.
fn shop<'w>(world: &'w World) -> Repo<'w> {
    let repo = world.repository("shop");
    for round in 1..=2 {
        for index in 0..AGENTS {
            repo.write(
                &format!("agents/{}/agent.toml", agent(index)),
                format!("name = \"Agent\"\ngreeting = \"{round}\"\n"),
            );
        }
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "-qm", "Round"]);
        for index in 0..AGENTS {
            repo.git(&["tag", "-a", &format!("{}/v{round}", agent(index)), "-m", "Round"]);
        }
        repo.pointsman(&["reconcile", "--once"]).ok();
        let all: Vec<_> = (0..AGENTS).map(agent).collect();
        let words = ["release", "--to", "pre-release"];
        repo.pointsman(&words.into_iter().chain(all.iter().map(String::as_str)).collect::<Vec<_>>()).ok();
    }
    repo
}

struct Service {
    daemon: Daemon,
    admin: String,
}

impl Service {
    fn start(world: &World, repo: &Repo<'_>) -> Self {
        let daemon = Daemon::start(world, &repo.dir, &[]);
        let admin = std::fs::read_to_string(repo.path(".git/pointsman/admin-token")).unwrap();
        Service { daemon, admin: admin.trim().to_owned() }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        self.daemon.request(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.daemon.address,
            self.admin,
            body.len()
        ))
    }
}

/// What is not 200 and no honest conflict.
fn client(service: &Service, seed: usize, until: Instant) -> Vec<String> {
    let mut faults = Vec::new();
    let mut state = seed;
    while Instant::now() < until {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = agent((state >> 33) % AGENTS);
        let encoded = name.replace('/', "%2F");
        let (method, path, body) = match (state >> 20) % 10 {
            0..5 => ("GET", format!("/config/pre-release/{name}"), ""),
            5 => ("GET", format!("/api/v1/agents/{encoded}/versions"), ""),
            6 => ("GET", "/api/v1/history?limit=5".to_owned(), ""),
            7 | 8 => ("POST", format!("/api/v1/agents/{encoded}/promote"), r#"{"to":"pre-release","version":2}"#),
            _ => ("POST", format!("/api/v1/agents/{encoded}/rollback"), r#"{"environment":"pre-release","version":1}"#),
        };
        let answer = service.call(method, &path, body);
        let honest = method == "POST" && answer.status == 409 && answer.json()["hint"].is_string();
        if answer.status != 200 && !honest {
            faults.push(format!("{method} {path}: {answer:?}"));
        }
    }
    faults
}

#[test]
fn two_hundred_clients_meet_no_error_and_leave_a_line() {
    let world = World::new();
    let repo = shop(&world);
    let service = Service::start(&world, &repo);
    service.daemon.serves("pre-release", &agent(0), "v2");
    // POINTSMAN_SOAK=1 makes it the minute of the promise.
    let length = if std::env::var_os("POINTSMAN_SOAK").is_some() { 60 } else { 4 };
    let until = Instant::now() + Duration::from_secs(length);
    let faults: Vec<String> = std::thread::scope(|scope| {
        let service = &service;
        let clients: Vec<_> = (0..CLIENTS).map(|seed| scope.spawn(move || client(service, seed, until))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{} faults, such as {}", faults.len(), faults[0]);
    assert_eq!(service.daemon.stop(), Some(0));
    // Each line grew by one commit after the other; what else a ledger commit names keeps tags and heads alive.
    let env = repo.git_out(&["rev-list", "--merges", "--count", "env/pre-release"]);
    assert_eq!(env.trim(), "0");
    let ledger = repo.git_out(&["rev-list", "--first-parent", "--count", "pointsman/ledger"]);
    assert!(ledger.trim().parse::<usize>().unwrap() > 10, "{ledger}");
    repo.git(&["fsck", "--strict", "--no-dangling"]);
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn readers_wait_for_no_writer() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    let service = Service::start(&world, &repo);
    service.daemon.serves("sandbox", "support", "v1");
    // Whoever wants to move anything, the loop too, waits for this lock.
    let lock = repo.path(".git/refs/heads/pointsman/ledger.lock");
    std::fs::write(&lock, "").unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let service = &service;
        for _ in 0..16 {
            let tell = tell.clone();
            let body = r#"{"to":"pre-release"}"#;
            scope.spawn(move || tell.send(service.call("POST", "/api/v1/agents/support/promote", body)).unwrap());
        }
        // All of these are answered while none of those is.
        for _ in 0..40 {
            assert_eq!(service.call("GET", "/config/sandbox/support", "").status, 200);
            assert_eq!(service.call("GET", "/api/v1/agents/support", "").status, 200);
            assert_eq!(service.call("GET", "/api/v1/history", "").status, 200);
        }
        let answered = told.try_iter().filter(|answer: &Answer| answer.status == 200).count();
        assert_eq!(answered, 0, "a move went through a lock");
        std::fs::remove_file(&lock).unwrap();
    });
    drop(tell);
    // Whoever had the patience moved; the others were told what stood in the way.
    for answer in told.iter() {
        assert!(matches!(answer.status, 200 | 409 | 503), "{answer:?}");
    }
    let started = Instant::now();
    while service.call("POST", "/api/v1/agents/support/promote", r#"{"to":"pre-release"}"#).status != 200 {
        assert!(started.elapsed() < PATIENCE);
    }
    service.daemon.serves("pre-release", "support", "v1");
    repo.pointsman(&["verify"]).ok();
}
