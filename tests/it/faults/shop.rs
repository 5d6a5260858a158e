//! A shop whose repository is a bare one, with the controllers that work on it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, PATIENCE};
use crate::env::{Repo, World, isolated};

/// An origin with the agent `support`, and a clone to work in.
pub struct Shop<'w> {
    pub world: &'w World,
    pub origin: PathBuf,
    pub desk: Repo<'w>,
}

impl<'w> Shop<'w> {
    pub fn new(world: &'w World) -> Shop<'w> {
        let origin = world.bare("origin.git");
        let seed = world.repository("seed");
        seed.git(&["push", "-q", origin.to_str().unwrap(), "main"]).ok();
        // Looks often: nobody rings the bell here.
        world.write("serve.toml", "resync = \"1s\"\ntag_audit = \"1s\"\n");
        let desk = world.clone_of(&origin, "desk");
        Shop { world, origin, desk }
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.origin.display())
    }

    /// The controller of the origin by its folder.
    pub fn serve(&self) -> Daemon {
        self.serve_with("state", &self.url(), &[])
    }

    /// A controller of `url` with its own state folder and more in its environment.
    pub fn serve_with(&self, state: &str, url: &str, environment: &[(&str, &str)]) -> Daemon {
        let args = self.args(state, url);
        Daemon::start_with(self.world, &self.world.home(), &args.each_ref().map(String::as_str), environment)
    }

    /// The arguments of a controller of `url` with its own state folder.
    pub fn args(&self, state: &str, url: &str) -> [String; 6] {
        let path = |name: &str| self.world.path(name).display().to_string();
        ["--remote", url, "--state", &path(state), "--config", &path("serve.toml")].map(str::to_owned)
    }

    /// What a git command prints in the origin; nothing if it fails.
    pub fn at_origin(&self, args: &[&str]) -> String {
        self.world.git("origin.git", args).stdout.trim().to_owned()
    }

    /// Runs git in the origin.
    #[track_caller]
    pub fn origin(&self, args: &[&str]) -> String {
        self.world.git("origin.git", args).ok().stdout.trim().to_owned()
    }

    /// Commits `support` with another greeting, tags it and pushes the tag.
    #[track_caller]
    pub fn push_version(&self, number: u64) {
        self.tag_version(number);
        self.desk.git(&["push", "-q", "origin", &format!("support/v{number}")]).ok();
    }

    /// The same without the push.
    #[track_caller]
    pub fn tag_version(&self, number: u64) {
        let text = format!("name = \"Support\"\ngreeting = \"Version {number}\"\n");
        self.desk.write("agents/support/agent.toml", text);
        self.desk.git(&["commit", "-qam", &format!("Version {number}")]).ok();
        self.desk.git(&["tag", "-a", &format!("support/v{number}"), "-m", &format!("Version {number}")]).ok();
    }

    /// Whether the environment's branch has that version of the ledger.
    pub fn is_at(&self, environment: &str, agent: &str, version: &str) -> bool {
        let served = self.at_origin(&["rev-parse", "-q", "--verify", &format!("env/{environment}:agents/{agent}")]);
        let entry =
            self.at_origin(&["rev-parse", "-q", "--verify", &format!("pointsman/ledger:agents/{agent}/{version}")]);
        !entry.is_empty() && served == entry
    }

    #[track_caller]
    pub fn has(&self, environment: &str, agent: &str, version: &str) {
        assert!(self.is_at(environment, agent, version), "{environment} is not at {agent}/{version}");
    }

    /// Waits until the environment is at that version, in the origin and in what `daemon` serves.
    #[track_caller]
    pub fn comes(&self, daemon: &Daemon, environment: &str, agent: &str, version: &str) {
        daemon
            .eventually(&format!("{environment} is at {agent}/{version}"), || self.is_at(environment, agent, version));
        daemon.serves(environment, agent, version);
    }

    /// Asserts that the origin is sound and every promise holds in it.
    #[track_caller]
    pub fn whole(&self) {
        let fsck = self.world.git("origin.git", &["fsck", "--strict", "--no-dangling"]).ok();
        assert!(!fsck.stderr.contains("error"), "{}", fsck.stderr);
        let copy = self.world.path("verified");
        let _ = std::fs::remove_dir_all(&copy);
        let copy = self.world.clone_of(&self.origin, "verified");
        let verified = copy.pointsman(&["verify"]);
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
        for line in self.origin(&["for-each-ref", "--format=%(refname:lstrip=3)", "refs/heads/env"]).lines() {
            let head = self.origin(&["show", &format!("pointsman/ledger:environments/{line}.json")]);
            let head: serde_json::Value = serde_json::from_str(&head).unwrap();
            let height = self.origin(&["rev-list", "--first-parent", "--count", &format!("env/{line}")]);
            assert_eq!(head["height"].to_string(), height, "{line}");
        }
    }

    /// Lets the origin run `script` as the hook `name`.
    pub fn hook(&self, name: &str, script: &str) {
        self.world.write(&format!("origin.git/hooks/{name}"), format!("#!/bin/sh\n{script}\n"));
        let path = self.origin.join("hooks").join(name);
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub fn unhook(&self, name: &str) {
        std::fs::remove_file(self.origin.join("hooks").join(name)).unwrap();
    }

    /// The mirror of the controller with the state folder `state`.
    pub fn mirror(&self, state: &str) -> PathBuf {
        self.world.path(state).join("mirror.git")
    }

    /// What the controller there says of its last pass.
    pub fn note(&self, state: &str) -> String {
        std::fs::read_to_string(self.mirror(state).join("pointsman/controller.json")).unwrap_or_default()
    }
}

/// Starts `serve` in `dir` and waits until its crash point `point` ends it.
#[track_caller]
pub fn dies_at(world: &World, dir: &Path, args: &[&str], point: &str) {
    let log = world.path("died");
    let mut command = isolated(env!("CARGO_BIN_EXE_pointsman"), &world.home());
    command.arg("-C").arg(dir).args(["serve", "--listen", "127.0.0.1:0"]).args(args).env("POINTSMAN_CRASH_AT", point);
    let mut child = command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(started.elapsed() < PATIENCE, "`{point}` was not reached: {log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether long stories are wanted.
pub fn soak() -> bool {
    std::env::var_os("POINTSMAN_SOAK").is_some()
}

/// The most memory that the process `id` ever held, in kilobytes.
pub fn most_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Whether `path` exists, lock files that are links included.
pub fn stands(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
