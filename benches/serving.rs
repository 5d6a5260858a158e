//! Serving against nginx in the same run, webhooks on one core, and ten thousand watchers; figures are kept in
//! BENCHMARKS.md.
//!
//! `cargo bench --bench serving` runs all; `cargo bench --bench serving -- get` (or `hooks`, `watch`) runs one. It wants
//! `nginx`, `wrk` and `taskset` and two cores: the server has the first, who asks has the second. The server is this very
//! program, started once more with `SERVE` in its environment.

mod common;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use pointsman::domain::{AgentId, Digest, EnvironmentName, ObjectId, VersionNumber};
use pointsman::live::{Environment, Live, Routes, Served, ServedVersion, Snapshot};
use pointsman::operator::{Secret, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// In the environment of the server: how many agents it serves.
const SERVE: &str = "POINTSMAN_BENCH_SERVE";
const TOKEN: &str = "0123456789abcdef-bench";
const ROUNDS: usize = 7;
const SECONDS: u64 = 4;
const CONFIG_BYTES: usize = 4096;
const HOOK_BYTES: usize = 8192;
const WATCHERS: usize = 10_000;

fn agent(index: usize) -> String {
    format!("team-{:02}/agent-{:02}", index / 100, index % 100)
}

fn config(agent: &str, version: u32) -> String {
    let mut text = format!("{{\"agent\":\"{agent}\",\"number\":{version},\"persona\":\"");
    while text.len() < CONFIG_BYTES - 2 {
        text.push_str("You are kind and brief. ");
    }
    text.truncate(CONFIG_BYTES - 2);
    text.push_str("\"}");
    text
}

fn snapshot(agents: usize, height: u64, version: u32) -> Snapshot {
    let served = (0..agents).map(|index| {
        // All but the first stay as they are.
        let version = if index == 0 { version } else { 1 };
        let id: AgentId = agent(index).parse().expect("a plain id");
        let config = Bytes::from(config(id.as_str(), version));
        let digest = Digest::of(&config);
        let number = VersionNumber::new(version).expect("not 0");
        let served = Served {
            agent: id.clone(),
            version: ServedVersion::Number(number),
            digest,
            entry: digest.hex()[..40].parse().expect("40 digits"),
            config,
            record: Bytes::from_static(b"{}"),
            etag: HeaderValue::from_str(&format!("\"{digest}\"")).expect("ASCII"),
            version_header: HeaderValue::from_str(&number.to_string()).expect("ASCII"),
        };
        (id, Arc::new(served))
    });
    let name: EnvironmentName = "live".parse().expect("a plain name");
    let head: ObjectId = format!("{height:040x}").parse().expect("40 digits");
    let environment = Environment {
        name: name.clone(),
        head,
        height,
        agents: served.collect(),
        retired: [].into(),
        routes: Routes::default(),
    };
    Snapshot { environments: [(name, Arc::new(environment))].into(), ..Snapshot::default() }
}

/// The server: prints its address, moves the first agent for each line on stdin, ends with it.
fn serve(agents: usize) {
    let mut settings = Settings::default();
    settings.read_tokens.insert("bench".to_owned(), Secret::new(TOKEN));
    settings.hooks.github = Some(Secret::new(TOKEN));
    let live = Arc::new(Live::new(jiff::Timestamp::now()));
    live.publish(snapshot(agents, 1, 1));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("it is bound"));
    let app = pointsman::http::App::new(Arc::clone(&live), &settings).expect("settings without a certificate");
    // The loop, which webhooks wake; a pass takes a moment.
    let looping = Arc::clone(&live);
    std::thread::spawn(move || {
        loop {
            looping.bell.wait(Instant::now() + Duration::from_secs(3600));
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let prepare = |height: u32| snapshot(agents, u64::from(height), height);
        let mut next = prepare(2);
        for height in 3.. {
            let mut line = String::new();
            if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 {
                break;
            }
            live.publish(std::mem::replace(&mut next, prepare(height)));
        }
        let _ = stop.send(());
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads start");
    let shutdown = async { drop(stopped.await) };
    let served = pointsman::http::serve(listener, app, axum::Router::new(), shutdown, Duration::from_secs(1));
    runtime.block_on(served).expect("it serves");
}

struct Server {
    child: Child,
    stdin: ChildStdin,
    address: String,
}

impl Server {
    fn start(agents: usize, cores: &str) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(own).env(SERVE, agents.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("taskset starts");
        let mut address = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut address).expect("the server says where it is");
        let stdin = child.stdin.take().expect("it is piped");
        Server { child, stdin, address: address.trim().to_owned() }
    }

    /// Memory in MB: now, and at most so far.
    fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux has it");
            line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one run of wrk came to.
struct Run {
    per_second: f64,
    /// Microseconds of CPU that the server spent on each request: what is left of a rate on a machine that others use, too.
    cpu: f64,
}

/// Hundredths of a second that process `id` has had of the CPU (proc(5): `utime` and `stime`).
fn ticks(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("the name is in parentheses");
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().expect("a number")).sum()
}

/// Asks the server that is process `id`; `script` says for what. Every answer must have been a good one.
fn wrk(id: u32, address: &str, script: &Path) -> Run {
    let seconds = format!("{SECONDS}s");
    let mut command = Command::new("taskset");
    command.args(["-c", "1", "wrk", "-t1", "-c32", "-d", &seconds, "-s"]).arg(script).arg(format!("http://{address}"));
    let before = ticks(id);
    let output = command.output().expect("wrk starts");
    let spent = (ticks(id) - before) * 1e4;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).expect("wrk tells the rate");
    let requests = text.lines().find_map(|line| line.split_once(" requests in ")).expect("wrk tells the number");
    Run {
        per_second: rate.trim().parse().expect("a number"),
        cpu: spent / requests.0.trim().parse::<f64>().expect("a number"),
    }
}

fn rates(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.per_second).collect()
}

fn cpu(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.cpu).collect()
}

fn median(rates: &[f64]) -> f64 {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// nginx with the same configs as files.
struct Nginx {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Nginx {
    fn start(agents: usize) -> Self {
        let dir = tempfile::Builder::new().prefix("pointsman-nginx-").tempdir().expect("a temporary folder");
        // The worker may run as another user.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("it is ours");
        for index in 0..agents {
            let id = agent(index);
            let path = dir.path().join("config/live").join(&id);
            std::fs::create_dir_all(path.parent().expect("it has a group")).expect("folders can be made");
            std::fs::write(path, config(&id, 1)).expect("files can be written");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let root = dir.path().display();
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type application/json;\n\
             client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;\n\
             uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;\n\
             open_file_cache max=20000 inactive=300s; open_file_cache_valid 300s; open_file_cache_min_uses 1;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        );
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, text).expect("files can be written");
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "nginx", "-p"]).arg(dir.path()).arg("-c").arg(&file);
        let child = command.stderr(Stdio::null()).spawn().expect("taskset starts");
        let address = format!("127.0.0.1:{port}");
        let started = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "nginx does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Nginx { child, address, _dir: dir }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script that asks for one agent after the other. Requests are made beforehand, so that wrk does not become the
/// slow part.
fn asking(dir: &Path, agents: usize) -> std::path::PathBuf {
    let script = format!(
        "local requests, at = {{}}, 0\n\
         wrk.headers['Authorization'] = 'Bearer {TOKEN}'\n\
         function init(args)\n\
           for i = 0, {agents} - 1 do\n\
             requests[i] = wrk.format('GET', string.format('/config/live/team-%02d/agent-%02d', math.floor(i / 100), i % 100))\n\
           end\n\
         end\n\
         function request() at = (at + 7) % {agents}; return requests[at] end\n"
    );
    let path = dir.join("asking.lua");
    std::fs::write(&path, script).expect("files can be written");
    path
}

fn get() {
    let agents = 10_000;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let script = asking(dir.path(), agents);
    let (nginx, server) = (Nginx::start(agents), Server::start(agents, "0"));
    wrk(nginx.child.id(), &nginx.address, &script);
    wrk(server.child.id(), &server.address, &script);
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(wrk(nginx.child.id(), &nginx.address, &script));
        ours.push(wrk(server.child.id(), &server.address, &script));
    }
    println!("get: nginx {:.0?} a second, {:.1?} us of CPU each", rates(&theirs), cpu(&theirs));
    println!("get: ours  {:.0?} a second, {:.1?} us of CPU each", rates(&ours), cpu(&ours));
    let faster = median(&rates(&ours)) / median(&rates(&theirs));
    let cheaper = median(&cpu(&theirs)) / median(&cpu(&ours));
    println!("get: ratio of medians {faster:.2}; by CPU for each request {cheaper:.2}");
}

fn hooks() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let body = "x".repeat(HOOK_BYTES);
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(TOKEN.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    let signature = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("strings take all");
        hex
    });
    let script = format!(
        "wrk.method = 'POST'\nwrk.path = '/hooks/github'\nwrk.body = string.rep('x', {HOOK_BYTES})\n\
         wrk.headers['X-Hub-Signature-256'] = 'sha256={signature}'\n"
    );
    let path = dir.path().join("hooks.lua");
    std::fs::write(&path, script).expect("files can be written");
    let server = Server::start(100, "0");
    let before = server.memory().0;
    let runs: Vec<Run> = (0..ROUNDS).map(|_| wrk(server.child.id(), &server.address, &path)).collect();
    let (_, most) = server.memory();
    println!("hooks: {:.0?} webhooks of {HOOK_BYTES} bytes a second, {:.1?} us of CPU each", rates(&runs), cpu(&runs));
    let wanted = median(&rates(&runs)) / 1e4;
    println!("hooks: {wanted:.2} of the 10,000 wanted; memory {before:.0} MB before, {most:.0} MB at most");
}

fn watch() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads start");
    runtime.block_on(async {
        let mut server = Server::start(100, "0,1");
        let before = server.memory().0;
        let started = Instant::now();
        let mut watchers = Vec::new();
        for index in 0..WATCHERS {
            // Half of them watch the agent that moves, half the whole environment.
            let path = if index % 2 == 0 { format!("/watch/live/{}", agent(0)) } else { "/watch/live".to_owned() };
            let mut stream = TcpStream::connect(&server.address).await.expect("it accepts");
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("it reads");
            watchers.push(stream);
        }
        let mut reading = Vec::new();
        for mut stream in watchers {
            until(&mut stream, b"event: ").await;
            drain(&mut stream).await;
            reading.push(stream);
        }
        println!("watch: {WATCHERS} connected and told in {:.2} s", started.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let idle = server.memory().0;
        let mut spans = Vec::new();
        for _ in 0..ROUNDS {
            let moved = Instant::now();
            let told: Vec<_> = reading
                .into_iter()
                .map(|mut stream| {
                    tokio::spawn(async move {
                        until(&mut stream, b"\n\n").await;
                        (stream, moved.elapsed())
                    })
                })
                .collect();
            // All tasks wait before the clock starts anew.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let began = moved.elapsed();
            server.stdin.write_all(b"move\n").expect("the server listens");
            reading = Vec::new();
            let mut last = Duration::ZERO;
            for one in told {
                let (stream, at) = one.await.expect("no watcher fails");
                last = last.max(at);
                reading.push(stream);
            }
            spans.push((last - began).as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let most = server.memory().1;
        println!("watch: memory {before:.0} MB without, {idle:.0} MB with them, {most:.0} MB at most");
        println!("watch: the last has the change after {spans:.0?} ms, median {:.0}", median(&spans));
    });
}

/// Reads until `end` has come.
async fn until(stream: &mut TcpStream, end: &[u8]) {
    let mut seen = Vec::new();
    let mut buffer = [0; 512];
    loop {
        let read = stream.read(&mut buffer).await.expect("the line holds");
        assert!(read > 0, "the server ended the stream");
        seen.extend_from_slice(&buffer[..read]);
        if seen.windows(end.len()).any(|window| window == end) {
            return;
        }
    }
}

/// Reads what is there already, until nothing came for a moment.
async fn drain(stream: &mut TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut buffer)).await {
        assert!(read.expect("the line holds") > 0, "the server ended the stream");
    }
}

fn main() {
    if let Ok(agents) = std::env::var(SERVE) {
        return serve(agents.parse().expect("a number"));
    }
    common::run_asked(&[("get", get), ("hooks", hooks), ("watch", watch)]);
}
