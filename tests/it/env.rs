//! The world of a test: a temporary folder, a git that reads nobody's configuration, and the program under test.

#![allow(dead_code, reason = "each story uses its part of the world")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary folder with a home of its own.
pub struct World {
    dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Asserts that it was refused: exit code 1, a message that says `message`, and a hint that says `hint`.
    #[track_caller]
    pub fn refused(self, message: &str, hint: &str) -> Self {
        assert_eq!(self.code, 1, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(self.stderr.contains(message), "expected `{message}` in: {}", self.stderr);
        let hinted = hint.is_empty() || self.stderr.split("hint:").nth(1).is_some_and(|text| text.contains(hint));
        assert!(hinted, "expected the hint `{hint}` in: {}", self.stderr);
        self
    }

    /// The JSON on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// `program` with an environment of its own.
pub fn isolated(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for kept in ["PATH", "TMPDIR", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"))
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1");
    command
}

impl World {
    /// An empty world in which git knows one person.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("pointsman-test-").tempdir().unwrap();
        let world = World { dir };
        std::fs::create_dir(world.home()).unwrap();
        world.write(
            "home/.gitconfig",
            "[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n",
        );
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Writes a file, with its folders.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A repository called `name` with one commit that holds `agents/support`, a small native agent.
    pub fn repository(&self, name: &str) -> Repo<'_> {
        self.git(".", &["init", "-q", name]).ok();
        let repo = Repo { world: self, dir: self.path(name) };
        repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Hello, how can I help?\"\n");
        repo.write("agents/support/persona.md", "You help customers of a small shop.\n");
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-qm", "Begin"]).ok();
        repo
    }

    /// A bare repository called `name`, to be an origin.
    pub fn bare(&self, name: &str) -> PathBuf {
        self.git(".", &["init", "-q", "--bare", name]).ok();
        self.path(name)
    }

    /// A clone of `origin` called `name`.
    pub fn clone_of(&self, origin: &Path, name: &str) -> Repo<'_> {
        self.git(".", &["clone", "-q", &format!("file://{}", origin.display()), name]).ok();
        Repo { world: self, dir: self.path(name) }
    }

    pub fn git(&self, dir: &str, args: &[&str]) -> Ended {
        let mut command = isolated("git", &self.home());
        Ended::of(command.arg("-C").arg(self.path(dir)).args(args).output().unwrap())
    }
}

/// A repository with a working tree.
pub struct Repo<'w> {
    pub world: &'w World,
    pub dir: PathBuf,
}

impl Repo<'_> {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn git(&self, args: &[&str]) -> Ended {
        let mut command = isolated("git", &self.world.home());
        Ended::of(command.arg("-C").arg(&self.dir).args(args).output().unwrap())
    }

    /// What a git command prints, trimmed.
    #[track_caller]
    pub fn git_out(&self, args: &[&str]) -> String {
        self.git(args).ok().stdout.trim().to_owned()
    }

    /// The program under test, ready for more environment or arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = isolated(env!("CARGO_BIN_EXE_pointsman"), &self.world.home());
        command.arg("-C").arg(&self.dir).args(args);
        command
    }

    pub fn pointsman(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    /// Changes the draft of `support` and publishes it.
    #[track_caller]
    pub fn publish_support(&self, greeting: &str) -> Ended {
        self.write("agents/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
        self.pointsman(&["publish", "support", "--note", greeting]).ok()
    }
}
