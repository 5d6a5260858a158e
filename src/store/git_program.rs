//! Running the `git` program: arguments never pass a shell, time is bounded, output is kept for the message.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::error::Doing as _;
use super::{Error, Result, locks};

/// How long a local command may take.
const LOCAL_LIMIT: Duration = Duration::from_secs(120);

/// How long a fetch or push may take in all: the first one may have gigabytes to bring over a thin line, and would begin
/// again from nothing. A line that fell silent is noticed sooner, see [`UNATTENDED_ENVIRONMENT`].
pub(super) const NETWORK_LIMIT: Duration = Duration::from_secs(60 * 60);

/// What git is told where nobody sits in front of it, except where the operator set it otherwise: ssh asks nothing, and
/// a line that has been silent for a minute is given up.
const UNATTENDED_ENVIRONMENT: [(&str, &str); 3] = [
    ("GIT_HTTP_LOW_SPEED_LIMIT", "1"),
    ("GIT_HTTP_LOW_SPEED_TIME", "60"),
    ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"),
];

/// Whether nobody sits in front of this process.
static UNATTENDED: AtomicBool = AtomicBool::new(false);

/// Lets all git commands of this process know that nobody is there to ask: one that needs a password or a host key
/// fails at once, and one that takes too long is ended together with what it started.
pub fn run_unattended() {
    UNATTENDED.store(true, Ordering::Relaxed);
}

/// What a git that runs us as a hook or an alias leaves in the environment about *its* repository, index and command.
/// Ours names its repository by folder; settings given with `git -c` still hold.
const NOT_INHERITED: [&str; 20] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_ATTR_SOURCE",
    "GIT_CONFIG",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];

/// Settings of every command: it neither tidies up on the side nor runs the repository's hooks, which people write for
/// their own commands.
const SETTINGS: [&str; 4] =
    ["gc.auto=0", "maintenance.auto=false", "advice.addEmbeddedRepo=false", "core.hooksPath=/dev/null"];

/// A git command in the making: where it runs and with which settings.
#[derive(Clone, Debug)]
pub struct Git {
    dir: OsString,
    environment: Vec<(OsString, OsString)>,
    settings: Vec<Cow<'static, str>>,
    limit: Duration,
}

/// How a command ended.
pub(super) struct Ended {
    pub(super) success: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Git {
    /// Git as if started in `dir`.
    pub fn in_dir(dir: &Path) -> Self {
        Git { dir: dir.as_os_str().to_owned(), environment: Vec::new(), settings: Vec::new(), limit: LOCAL_LIMIT }
    }

    /// The same without the user's and the machine's configuration, which may sign, colour or rewrite.
    #[must_use]
    pub fn impersonal(self) -> Self {
        self.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null")
    }

    /// The same with an environment variable.
    #[must_use]
    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The same with a configuration setting `key=value`.
    #[must_use]
    pub(super) fn setting(mut self, setting: impl Into<Cow<'static, str>>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// The same with another time limit.
    #[must_use]
    pub(super) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it and returns what it printed; an exit code other than 0 is an error.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>> {
        let ended = self.run_to_end(args, None)?;
        if ended.success {
            return Ok(ended.stdout);
        }
        Err(failure(args, ended.stderr))
    }

    /// Runs it with `input` on its standard input.
    pub(super) fn run_with_input<S: AsRef<OsStr>>(&self, args: &[S], input: Vec<u8>) -> Result<Vec<u8>> {
        let ended = self.run_to_end(args, Some(input))?;
        if ended.success {
            return Ok(ended.stdout);
        }
        Err(failure(args, ended.stderr))
    }

    /// Runs it, whatever the exit code.
    pub(super) fn run_to_end<S: AsRef<OsStr>>(&self, args: &[S], input: Option<Vec<u8>>) -> Result<Ended> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.dir);
        for setting in SETTINGS.into_iter().chain(self.settings.iter().map(AsRef::as_ref)) {
            command.arg("-c").arg(setting);
        }
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        command.args(args).env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let unattended = UNATTENDED.load(Ordering::Relaxed);
        if unattended {
            command.env("GIT_TERMINAL_PROMPT", "0").process_group(0);
            for (name, value) in UNATTENDED_ENVIRONMENT {
                let instead = if name == "GIT_SSH_COMMAND" { "GIT_SSH" } else { name };
                if [name, instead].iter().all(|name| std::env::var_os(name).is_none()) {
                    command.env(name, value);
                }
            }
        }
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().doing(|| "start `git`: is it installed and on the PATH?".to_owned())?;

        // Each pipe has its own reader, or a command that fills one of them would never end.
        let (done, ends) = mpsc::channel();
        let readers = [
            read_all(child.stdout.take().expect("stdout is piped"), done.clone()),
            read_all(child.stderr.take().expect("stderr is piped"), done),
        ];
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            // A command that stops reading early says why on stderr; its broken pipe says nothing more.
            let _ = pipe.write_all(&input);
        }
        for _ in 0..readers.len() {
            if ends.recv_timeout(self.limit).is_err() {
                if unattended {
                    end_group(&child);
                }
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::GitTimeout { command: shown(args), seconds: self.limit.as_secs() });
            }
        }
        let status = child.wait().doing(|| format!("wait for `git {}`", shown(args)))?;
        let [stdout, stderr] = readers.map(|reader| reader.join().unwrap_or_default());
        Ok(Ended { success: status.success(), stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }
}

/// Ends everything that `child` started: ssh, or git's own helper for http.
fn end_group(child: &Child) {
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = id {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

fn read_all(mut pipe: impl std::io::Read + Send + 'static, done: mpsc::Sender<()>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = done.send(());
        bytes
    })
}

/// The error of a command that failed; one that met a lock file says so.
pub(super) fn failure<S: AsRef<OsStr>>(args: &[S], stderr: String) -> Error {
    match locks::named_in(&stderr) {
        Some(lock) => Error::locked(lock),
        None => Error::GitProgram { command: shown(args), stderr },
    }
}

fn shown<S: AsRef<OsStr>>(args: &[S]) -> String {
    let words: Vec<_> = args.iter().take(6).map(|arg| arg.as_ref().to_string_lossy()).collect();
    let more = if args.len() > words.len() { " …" } else { "" };
    format!("{}{more}", words.join(" "))
}
