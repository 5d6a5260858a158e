//! The daemon from a change to the config that is served; figures are kept in BENCHMARKS.md.
//!
//! `cargo bench --bench controller` runs all; `-- here remote many` runs some. Every clock starts in this process
//! before or after a git command and stops when an HTTP answer has the new version.

mod common;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{at, folder, git, init, run, timed};

/// How many changes are timed.
const ROUNDS: usize = 200;

/// How many agents the large repository has, in groups of a hundred.
const MANY: usize = 10_000;

/// A running `serve`.
struct Daemon {
    child: Child,
    address: String,
    started: Instant,
}

impl Daemon {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .arg("-C")
            .arg(dir)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("serve starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut line).expect("serve says where it listens");
        let address = line.trim_start_matches("listening on http://").split(' ').next().unwrap_or_default().to_owned();
        let daemon = Daemon { child, address, started };
        while !daemon.get("/readyz").starts_with("HTTP/1.1 200") {
            std::thread::sleep(Duration::from_millis(2));
        }
        daemon
    }

    fn get(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return String::new() };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        let mut answer = String::new();
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        answer
    }

    /// Waits until `agent` is served as `version`.
    fn serves(&self, environment: &str, agent: &str, version: usize) {
        let wanted = format!("x-agent-version: v{version}\r\n");
        let started = Instant::now();
        while !self.get(&format!("/config/{environment}/{agent}")).contains(&wanted) {
            assert!(started.elapsed() < Duration::from_secs(120), "{agent} v{version} never came");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// A field of `/proc/<pid>/status`, in KiB.
    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// Processor time so far, in hundredths of a second (USER_HZ).
    fn processor_time(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        field(11) + field(12)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent(index: usize) -> String {
    format!("team{:03}/agent{index:05}", index / 100)
}

fn write_agents(dir: &Path, count: usize, round: usize) {
    for index in 0..count {
        let folder = dir.join("agents").join(agent(index));
        std::fs::create_dir_all(&folder).expect("folders can be made");
        let text = format!("name = \"Agent {index}\"\ngreeting = \"Hello, round {round}\"\n");
        std::fs::write(folder.join("agent.toml"), text).expect("files can be written");
        if round == 1 {
            let persona = format!("You are agent {index}.\n{}", "You are kind and brief.\n".repeat(150));
            std::fs::write(folder.join("persona.md"), persona).expect("files can be written");
        }
    }
    run(git(dir).args(["add", "-A"]));
    run(git(dir).args(["commit", "-qm", &format!("Round {round}")]));
}

/// Tags every agent's version `round` with one git process.
fn tag_all(dir: &Path, count: usize, round: usize) {
    let mut input = String::new();
    for index in 0..count {
        let name = agent(index);
        writeln!(
            input,
            "tag {name}/v{round}\nfrom refs/heads/main\ntagger Ada <a@b.c> 1760000000 +0000\ndata 5\nround"
        )
        .expect("writing to a string cannot fail");
    }
    let mut child = git(dir).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git starts");
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("git reads");
    assert!(child.wait().expect("git ends").success());
}

/// In a working copy: from the end of `git tag` to the config that is served.
fn here() {
    let home = folder();
    let dir = home.path().to_owned();
    init(&dir);
    write_agents(&dir, 100, 1);
    let daemon = Daemon::start(&dir, &[]);
    let mut times = Vec::new();
    let mut tagging = Vec::new();
    for round in 0..ROUNDS {
        let name = agent(round % 100);
        let version = round / 100 + 1;
        tagging.push(timed(git(&dir).args(["tag", "-a", &format!("{name}/v{version}"), "-m", "note"])));
        let started = Instant::now();
        daemon.serves("sandbox", &name, version);
        times.push(started.elapsed());
        // The pass that follows its own moves is over when the next tag comes.
        std::thread::sleep(Duration::from_millis(30));
    }
    println!(
        "here: tag -> served, 100 agents: p50 {:.1} ms, p99 {:.1} ms (git tag itself: p50 {:.1} ms)",
        at(times.clone(), 0.5),
        at(times, 0.99),
        at(tagging, 0.5)
    );
}

/// Over a bare remote that rings by webhook: from the start of `git push` to the config that is served, against a plain
/// push, a fetch and an atomic push back of as many refs.
fn remote() {
    let home = folder();
    let dir = home.path().to_owned();
    let (origin, work, peer, state) = (dir.join("origin.git"), dir.join("work"), dir.join("peer"), dir.join("state"));
    run(git(&dir).args(["init", "-q", "--bare", "-b", "main", "origin.git"]));
    std::fs::create_dir(&work).expect("a folder");
    init(&work);
    write_agents(&work, 100, 1);
    let url = format!("file://{}", origin.display());
    run(git(&work).args(["remote", "add", "origin", &url]));
    run(git(&work).args(["push", "-q", "origin", "main"]));
    run(git(&dir).args(["clone", "-q", "--mirror", &url, "peer"]));
    let secret = "0123456789abcdef0123456789abcdef";
    let config = dir.join("serve.toml");
    std::fs::write(dir.join("secret"), secret).expect("files can be written");
    let text = format!("hooks.gitlab.secret = {{ file = \"{}\" }}\n", dir.join("secret").display());
    std::fs::write(&config, text).expect("files can be written");
    let state = state.display().to_string();
    let daemon = Daemon::start(&dir, &["--remote", &url, "--state", &state, "--config", &config.display().to_string()]);
    let hook = origin.join("hooks/post-receive");
    // A forge answers the push and calls the webhook beside it.
    let call = format!(
        "#!/bin/sh\ncurl -s -o /dev/null -X POST -H 'X-Gitlab-Token: {secret}' -H 'Content-Type: application/json' -d '{{}}' \
         http://{}/hooks/gitlab >/dev/null 2>&1 &\n",
        daemon.address
    );
    std::fs::write(&hook, call).expect("files can be written");
    run(Command::new("chmod").arg("+x").arg(&hook));
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS / 2 {
        let name = agent(round % 100);
        let version = round / 100 + 1;
        run(git(&work).args(["tag", "-a", &format!("{name}/v{version}"), "-m", "note"]));
        let started = Instant::now();
        run(git(&work).args(["push", "-q", "origin", &format!("refs/tags/{name}/v{version}")]));
        daemon.serves("sandbox", &name, version);
        ours.push(started.elapsed());
        std::thread::sleep(Duration::from_millis(100));

        // The same ways without us: a tag there, everything fetched, two branches and a tag's worth of refs back.
        run(git(&work).args(["tag", "-a", &format!("plain/{round}"), "-m", "note"]));
        run(Command::new("chmod").arg("-x").arg(&hook));
        let push = timed(git(&work).args(["push", "-q", "origin", &format!("refs/tags/plain/{round}")]));
        let fetch = timed(git(&peer).args(["fetch", "-q", "origin"]));
        for branch in ["one", "two"] {
            let tree = git(&peer)
                .args(["commit-tree", "main^{tree}", "-p", "main", "-m", "move"])
                .env("GIT_AUTHOR_NAME", "A")
                .env("GIT_AUTHOR_EMAIL", "a")
                .env("GIT_COMMITTER_NAME", "A")
                .env("GIT_COMMITTER_EMAIL", "a")
                .output()
                .expect("git starts");
            let commit = String::from_utf8_lossy(&tree.stdout).trim().to_owned();
            run(git(&peer).args(["update-ref", &format!("refs/plain/{branch}{round}"), &commit]));
        }
        let refs = ["one", "two"].map(|branch| format!("refs/plain/{branch}{round}:refs/plain/{branch}{round}"));
        let back =
            timed(git(&peer).args(["-c", "remote.origin.mirror=false", "push", "-q", "--atomic", "origin"]).args(refs));
        plain.push(push + fetch + back);
        run(Command::new("chmod").arg("+x").arg(&hook));
    }
    let (ours_50, plain_50) = (at(ours.clone(), 0.5), at(plain, 0.5));
    println!(
        "remote: push -> served, 100 agents, file://: p50 {ours_50:.1} ms, p99 {:.1} ms; push + fetch + atomic push: p50 {plain_50:.1} ms; ratio {:.2}",
        at(ours, 0.99),
        ours_50 / plain_50
    );
}

/// The peer beside `remote`: Debian's `webhook` runs `git fetch` and `git reset` in a clone. One way only, and nothing is
/// judged, compiled or kept.
fn webhook() {
    let home = folder();
    let dir = home.path().to_owned();
    let (origin, work, clone) = (dir.join("origin.git"), dir.join("work"), dir.join("clone"));
    run(git(&dir).args(["init", "-q", "--bare", "-b", "main", "origin.git"]));
    std::fs::create_dir(&work).expect("a folder");
    init(&work);
    write_agents(&work, 100, 1);
    let url = format!("file://{}", origin.display());
    run(git(&work).args(["remote", "add", "origin", &url]));
    run(git(&work).args(["push", "-q", "origin", "main"]));
    run(git(&dir).args(["clone", "-q", &url, "clone"]));
    let script = |name: &str, text: String| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("files can be written");
        run(Command::new("chmod").arg("+x").arg(&path));
        path
    };
    let pull = "git fetch -q origin && git reset -q --hard origin/main";
    let pull = script("pull", format!("#!/bin/sh\ncd {} && {pull}\n", clone.display()));
    let hooks = format!("[{{\"id\": \"pull\", \"execute-command\": \"{}\"}}]", pull.display());
    let hooks = script("hooks.json", hooks);
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port();
    let mut server = Command::new("webhook");
    server.args(["-ip", "127.0.0.1", "-port", &free.to_string(), "-hooks"]).arg(&hooks);
    let Ok(mut server) = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        println!("webhook: skipped (apt install webhook)");
        return;
    };
    let call = format!("#!/bin/sh\ncurl -s -o /dev/null http://127.0.0.1:{free}/hooks/pull >/dev/null 2>&1 &\n");
    script("origin.git/hooks/post-receive", call);
    while std::net::TcpStream::connect(("127.0.0.1", free)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut times = Vec::new();
    for round in 0..ROUNDS / 2 {
        let file = format!("agents/{}/agent.toml", agent(round % 100));
        let text = format!("name = \"Round {round}\"\n");
        std::fs::write(work.join(&file), &text).expect("files can be written");
        run(git(&work).args(["commit", "-qam", "Change"]));
        let started = Instant::now();
        run(git(&work).args(["push", "-q", "origin", "main"]));
        while std::fs::read_to_string(clone.join(&file)).unwrap_or_default() != text {
            std::thread::sleep(Duration::from_millis(1));
        }
        times.push(started.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = server.kill();
    let _ = server.wait();
    println!("webhook: push -> files of a clone, 100 agents, file://: p50 {:.1} ms", at(times, 0.5));
}

/// Ten thousand agents: a cold start, idling, and all of them changed at once.
fn many() {
    let home = folder();
    let dir = home.path().to_owned();
    init(&dir);
    write_agents(&dir, MANY, 1);
    tag_all(&dir, MANY, 1);
    run(Command::new(env!("CARGO_BIN_EXE_pointsman")).arg("-C").arg(&dir).args(["reconcile", "--once"]));
    run(git(&dir).args(["repack", "-adq"]));
    run(git(&dir).args(["pack-refs", "--all"]));
    let _ = std::fs::remove_dir_all(dir.join(".git/pointsman"));
    let daemon = Daemon::start(&dir, &[]);
    println!("many: cold start to ready, {MANY} agents: {:.2} s", daemon.started.elapsed().as_secs_f64());
    daemon.serves("sandbox", &agent(MANY - 1), 1);
    std::thread::sleep(Duration::from_secs(5));
    println!("many: resident memory at rest: {} MB", daemon.memory("VmRSS") / 1024);
    let before = daemon.processor_time();
    std::thread::sleep(Duration::from_secs(60));
    let idle = daemon.processor_time() - before;
    println!("many: processor time while idle: {:.2} %", idle as f64 / 60.0);
    write_agents(&dir, MANY, 2);
    tag_all(&dir, MANY, 2);
    let started = Instant::now();
    for index in (0..MANY).step_by(97).chain([MANY - 1]) {
        daemon.serves("sandbox", &agent(index), 2);
    }
    println!("many: {MANY} changed at once -> all served: {:.2} s", started.elapsed().as_secs_f64());
    let at_once = daemon.memory("VmRSS") / 1024;
    std::thread::sleep(Duration::from_secs(20));
    println!("many: resident memory right after: {at_once} MB");
    println!(
        "many: peak memory: {} MB, 20 s after {} MB",
        daemon.memory("VmHWM") / 1024,
        daemon.memory("VmRSS") / 1024
    );
}

fn main() {
    common::run_asked(&[("here", here), ("remote", remote), ("webhook", webhook), ("many", many)]);
}
