//! A remote that decides nothing and is only given something: one branch of it is asked for and pushed to.
//!
//! It is named by address and never configured, so that nothing else of it ends up in this repository.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Doing as _;
use super::git_program::{Ended, NETWORK_LIMIT};
use super::{Error, Git, Result};
use crate::domain::ObjectId;

/// How long a question may take.
const ASK_LIMIT: Duration = Duration::from_secs(60);

/// One branch of another remote.
#[derive(Clone, Debug)]
pub struct OtherRemote {
    /// The repository whose objects are pushed.
    pub repository: PathBuf,
    /// The address, as git takes it, without a password.
    pub url: String,
    /// The full name of the branch, `refs/heads/…`.
    pub branch: String,
    /// For an address of the web: host, port, and the only addresses that git may connect to for it.
    pub pinned: Option<(String, u16, Vec<IpAddr>)>,
}

impl OtherRemote {
    /// Where the branch stands; nothing if there is none.
    pub fn tip(&self) -> Result<Option<ObjectId>> {
        let ended = self.git(ASK_LIMIT).run_to_end(&["ls-remote", "--refs", "--", &self.url, &self.branch], None)?;
        if !ended.success {
            return Err(self.failed("read", &ended));
        }
        // The pattern matches the ends of names; only the very one counts.
        let text = String::from_utf8_lossy(&ended.stdout);
        let row = text.lines().find_map(|line| line.split_once('\t').filter(|(_, name)| *name == self.branch));
        row.map(|(id, _)| {
            id.parse().map_err(|_| Error::Remote {
                doing: format!("read `{}`", self.url),
                words: "it answers with what is no object id".to_owned(),
            })
        })
        .transpose()
    }

    /// Moves the branch from `expected` to `head`, forward or not; somebody who was faster is not overwritten.
    pub fn push(&self, head: ObjectId, expected: Option<ObjectId>) -> Result<()> {
        let expected = expected.map(|id| id.to_string()).unwrap_or_default();
        let lease = format!("--force-with-lease={}:{expected}", self.branch);
        let spec = format!("{head}:{}", self.branch);
        let args = [
            "push",
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "--no-signed",
            &lease,
            "--",
            &self.url,
            &spec,
        ];
        let ended = self.git(NETWORK_LIMIT).run_to_end(&args, None)?;
        if ended.success { Ok(()) } else { Err(self.failed("push to", &ended)) }
    }

    fn git(&self, limit: Duration) -> Git {
        let mut git = Git::in_dir(&self.repository)
            .limit(limit)
            .setting("http.followRedirects=false")
            .setting("http.lowSpeedLimit=100")
            .setting("http.lowSpeedTime=60")
            .env("GIT_TERMINAL_PROMPT", "0");
        if let Some((host, port, addresses)) = &self.pinned {
            let addresses: Vec<_> = addresses
                .iter()
                .map(|address| match address {
                    IpAddr::V4(address) => address.to_string(),
                    IpAddr::V6(address) => format!("[{address}]"),
                })
                .collect();
            // Git 2.37 and later; an older one resolves the name once more.
            git = git.setting(format!("http.curloptResolve={host}:{port}:{}", addresses.join(",")));
        }
        let own_ssh = std::env::var_os("GIT_SSH_COMMAND").is_some()
            || std::env::var_os("GIT_SSH").is_some()
            || git.run(&["config", "--get", "core.sshCommand"]).is_ok();
        if own_ssh {
            return git;
        }
        // Nobody is there to answer a question.
        git.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=15")
    }

    fn failed(&self, doing: &str, ended: &Ended) -> Error {
        Error::Remote { doing: format!("{doing} `{}`", self.url), words: super::remote::words(&ended.stderr) }
    }
}

/// What a commit is, seen from an accepted head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It stands on the head's first-parent line, at this height.
    Accepted(u64),
    /// It is another one, or not here at all.
    Other,
}

impl super::Repository {
    /// Where `commit` stands on the first-parent line of `head`, which has the height `height`.
    pub fn standing(&self, commit: ObjectId, head: ObjectId, height: u64) -> Result<Standing> {
        if !self.has(commit) {
            return Ok(Standing::Other);
        }
        let mut at = height;
        for found in self.first_parents(head) {
            if found?.id == commit {
                return Ok(Standing::Accepted(at));
            }
            at = at.saturating_sub(1);
        }
        Ok(Standing::Other)
    }

    /// Opens the repository whose own folder, `.git` or bare, is `git_dir`, and no other above it.
    pub fn open_exactly(git_dir: &std::path::Path) -> Result<Self> {
        let found = git_dir.join("objects").metadata();
        found.doing(|| format!("open the repository at `{}`", git_dir.display()))?;
        Self::open(git_dir)
    }
}
