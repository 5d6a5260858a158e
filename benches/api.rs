//! The control API: what HTTP adds to a publish, and many clients at once; figures are kept in BENCHMARKS.md.
//!
//! `cargo bench --bench api` runs all; `-- publish` or `-- load` one of them. `POINTSMAN_BENCH_SECONDS` says how long the
//! load lasts.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{folder, git, init, run};
use pointsman::ops::Workspace;
use pointsman::ops::publish::{PublishCall, publish};

const AGENTS: usize = 100;
const ROUNDS: usize = 200;
const CLIENTS: usize = 200;

fn agent(index: usize) -> String {
    format!("agent{index:03}")
}

/// A repository with two versions of each agent, all promoted once.
fn repository() -> tempfile::TempDir {
    let dir = folder();
    init(dir.path());
    for round in 1..=2 {
        (0..AGENTS).for_each(|index| write(dir.path(), index, round));
        run(git(dir.path()).args(["add", "-A"]));
        run(git(dir.path()).args(["commit", "-qm", "Round"]));
        for index in 0..AGENTS {
            run(git(dir.path()).args(["tag", "-a", &format!("{}/v{round}", agent(index)), "-m", "round"]));
        }
        run(&mut pointsman(dir.path(), &["reconcile", "--once"]));
        let all: Vec<_> = (0..AGENTS).map(agent).collect();
        let mut release = pointsman(dir.path(), &["release", "--to", "pre-release"]);
        run(release.args(all));
    }
    dir
}

fn write(dir: &Path, index: usize, round: usize) {
    let folder = dir.join("agents").join(agent(index));
    std::fs::create_dir_all(&folder).expect("folders can be made");
    let text = format!("name = \"Agent {index}\"\ngreeting = \"Hello, round {round}\"\n");
    std::fs::write(folder.join("agent.toml"), text).expect("files can be written");
    let persona = format!("You are agent {index}.\n{}", "You are kind and brief.\n".repeat(40));
    std::fs::write(folder.join("persona.md"), persona).expect("files can be written");
}

fn pointsman(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.arg("-C").arg(dir).args(args);
    command
}

/// Times in milliseconds, in order.
struct Times(Vec<f64>);

impl Times {
    fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        Times(times)
    }

    fn at(&self, share: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let index = ((self.0.len().max(1) - 1) as f64 * share).round() as usize;
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }

    fn told(&self) -> String {
        let [p50, p90, p99, most] = [0.5, 0.9, 0.99, 1.0].map(|share| self.at(share));
        format!("n {:>7}   p50 {p50:>8.2}   p90 {p90:>8.2}   p99 {p99:>8.2}   max {most:>8.2} ms", self.0.len())
    }
}

struct Daemon {
    child: Child,
    address: String,
    token: String,
}

impl Daemon {
    fn start(dir: &Path) -> Self {
        let mut child = pointsman(dir, &["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("serve starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut line).expect("serve says where it listens");
        let address = line.trim_start_matches("listening on http://").split(' ').next().unwrap_or_default().to_owned();
        let token = std::fs::read_to_string(dir.join(".git/pointsman/admin-token")).expect("serve makes a token");
        let daemon = Daemon { child, address, token: token.trim().to_owned() };
        while daemon.call("GET", "/readyz", "").0 != 200 {
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut answer = String::new();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return (0, answer) };
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        (answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0), answer)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A publish by the library and one over HTTP, in turn, in two repositories that began alike.
fn publishes() {
    let (here, there) = (repository(), repository());
    let daemon = Daemon::start(there.path());
    let (mut library, mut http) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (index, name) = (round % AGENTS, agent(round % AGENTS));
        write(here.path(), index, round + 10);
        let started = Instant::now();
        let workspace = Workspace::open(here.path(), false, jiff::Timestamp::now(), None).expect("it opens");
        let call = PublishCall { note: Some("bench".to_owned()), ..PublishCall::default() };
        publish(&workspace, &name.parse().expect("an id"), &call).expect("it is published");
        library.push(started.elapsed());
        write(there.path(), index, round + 10);
        // What is saved wakes the loop of drafts; it is let come to rest, as it is between two publishes of people.
        std::thread::sleep(Duration::from_millis(150));
        let started = Instant::now();
        let (status, answer) = daemon.call("POST", &format!("/api/v1/agents/{name}/publish"), r#"{"note": "bench"}"#);
        http.push(started.elapsed());
        assert_eq!(status, 201, "{answer}");
    }
    let (library, http) = (Times::of(library), Times::of(http));
    println!("publish, library   {}", library.told());
    println!("publish, HTTP      {}", http.told());
    println!("p50 of HTTP minus p50 of the library: {:.2} ms (wanted: within 5)", http.at(0.5) - library.at(0.5));
}

/// What a client of the load saw.
#[derive(Default)]
struct Seen {
    served: Vec<Duration>,
    reads: Vec<Duration>,
    moves: Vec<Duration>,
    conflicts: usize,
    codes: Vec<String>,
    errors: Vec<String>,
}

/// Clients that mix reads, promotions and rollbacks over all agents.
fn load() {
    let seconds = std::env::var("POINTSMAN_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let dir = repository();
    let daemon = Daemon::start(dir.path());
    let until = Instant::now() + Duration::from_secs(seconds);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let daemon = &daemon;
                scope.spawn(move || one_client(daemon, client, until))
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client ends")).collect()
    });
    let all = |of: fn(&Seen) -> &Vec<Duration>| Times::of(seen.iter().flat_map(of).copied());
    println!("{CLIENTS} clients, {AGENTS} agents, {seconds} s");
    println!("GET /config            {}", all(|seen| &seen.served).told());
    println!("GET of the API         {}", all(|seen| &seen.reads).told());
    println!("promote and rollback   {}", all(|seen| &seen.moves).told());
    let conflicts: usize = seen.iter().map(|seen| seen.conflicts).sum();
    let mut codes: Vec<_> = seen.iter().flat_map(|seen| &seen.codes).collect();
    codes.sort();
    codes.dedup();
    println!("honest 409: {conflicts} {codes:?}");
    let errors: Vec<_> = seen.iter().flat_map(|seen| &seen.errors).collect();
    println!("errors: {} {:?}", errors.len(), errors.first());
    drop(daemon);
    run(&mut pointsman(dir.path(), &["verify"]));
    for branch in ["pointsman/ledger", "env/pre-release"] {
        let count =
            git(dir.path()).args(["rev-list", "--count", "--first-parent", branch]).output().expect("git starts");
        println!("{branch}: {} commits, verified", String::from_utf8_lossy(&count.stdout).trim());
    }
    run(git(dir.path()).args(["fsck", "--no-dangling"]));
}

fn one_client(daemon: &Daemon, client: usize, until: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut turn = client * 7919;
    while Instant::now() < until {
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (name, what) = (agent((turn >> 33) % AGENTS), (turn >> 20) % 10);
        let (method, path, body) = match what {
            0..5 => ("GET", format!("/config/pre-release/{name}"), ""),
            5 => ("GET", format!("/api/v1/agents/{name}/versions"), ""),
            6 => ("GET", "/api/v1/history?limit=20".to_owned(), ""),
            7 | 8 => ("POST", format!("/api/v1/agents/{name}/promote"), r#"{"to": "pre-release", "version": 2}"#),
            _ => ("POST", format!("/api/v1/agents/{name}/rollback"), r#"{"environment": "pre-release", "version": 1}"#),
        };
        let started = Instant::now();
        let (status, answer) = daemon.call(method, &path, body);
        let took = started.elapsed();
        match (method, status) {
            ("GET", 200) if path.starts_with("/config") => seen.served.push(took),
            ("GET", 200) => seen.reads.push(took),
            (_, 200) => seen.moves.push(took),
            ("POST", 409) => {
                seen.conflicts += 1;
                let code = answer.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next());
                seen.codes.push(code.unwrap_or_default().to_owned());
            }
            _ => seen.errors.push(format!("{method} {path}: {answer}")),
        }
    }
    seen
}

fn main() {
    common::run_asked(&[("publish", publishes), ("load", load)]);
}
