//! The controller under test: the real program, started as `serve`, asked over real sockets.

#![allow(dead_code, reason = "each story uses its part of the daemon")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::env::{World, isolated};

/// How long something that must happen may take: long, because only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running controller. It is killed when it is dropped.
pub struct Daemon {
    child: Child,
    /// `127.0.0.1:<port>`.
    pub address: String,
    log: std::path::PathBuf,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Asks whoever listens at `address` for `path`.
pub fn get(address: &str, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

fn ask(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

impl Daemon {
    /// Starts `serve` in `dir` on a free port and waits until it listens.
    pub fn start(world: &World, dir: &Path, args: &[&str]) -> Daemon {
        Self::start_through(world, dir, &[], args)
    }

    /// The same, started by another program that takes a command.
    pub fn start_through(world: &World, dir: &Path, through: &[&str], args: &[&str]) -> Daemon {
        let program = env!("CARGO_BIN_EXE_pointsman");
        let command = through.iter().chain([&program]).copied().collect::<Vec<_>>();
        let mut started = isolated(command[0], &world.home());
        started.args(&command[1..]);
        Self::spawn(world, dir, args, started)
    }

    /// The same, with more in its environment.
    pub fn start_with(world: &World, dir: &Path, args: &[&str], environment: &[(&str, &str)]) -> Daemon {
        let mut command = isolated(env!("CARGO_BIN_EXE_pointsman"), &world.home());
        command.envs(environment.iter().copied());
        Self::spawn(world, dir, args, command)
    }

    fn spawn(world: &World, dir: &Path, args: &[&str], mut command: Command) -> Daemon {
        let log = tempfile::NamedTempFile::new_in(world.home()).unwrap().into_temp_path().keep().unwrap();
        command.arg("-C").arg(dir).args(["-v", "-v", "serve", "--listen", "127.0.0.1:0"]).args(args);
        command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            ["http", "https"].iter().find_map(|scheme| line.strip_prefix(&format!("listening on {scheme}://")));
        let address = address.and_then(|rest| rest.split_whitespace().next());
        let Some(address) = address.map(str::to_owned) else {
            let _ = child.wait();
            panic!("serve said `{line}`; {}", std::fs::read_to_string(&log).unwrap());
        };
        Daemon { child, address, log }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks for `path`.
    pub fn get(&self, path: &str) -> Answer {
        get(&self.address, path)
    }

    /// Sends `request` as it is.
    pub fn request(&self, request: &str) -> Answer {
        ask(&self.address, request)
    }

    /// The version of `agent` that `environment` serves now.
    pub fn version(&self, environment: &str, agent: &str) -> Option<String> {
        let answer = self.get(&format!("/config/{environment}/{agent}"));
        (answer.status == 200).then(|| answer.headers["x-agent-version"].clone())
    }

    /// Waits until `environment` serves `version` of `agent`.
    #[track_caller]
    pub fn serves(&self, environment: &str, agent: &str, version: &str) {
        self.eventually(&format!("{environment} serves {agent}/{version}"), || {
            self.version(environment, agent).as_deref() == Some(version)
        });
    }

    /// Waits until `holds`.
    #[track_caller]
    pub fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < PATIENCE, "it never came to this: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and returns its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the controller's log\n{}", self.log());
        }
    }
}
