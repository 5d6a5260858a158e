//! The git repository: objects, refs, drafts, the ledger, environment branches, and the remote they live in.
//!
//! The only folder that names libgit2 or starts the `git` program. Objects are read by libgit2; indexes are written,
//! and fetches and pushes made, by git, because libgit2 refuses sparse and split indexes and has no atomic push. Loose
//! objects and refs are written here, with all waits for the disk of one step together.
//!
//! New objects are staged in memory and written by [`Repository::flush`] once everything is decided, so that a
//! refused or lost decision leaves nothing behind.

mod branches;
mod carry_out;
mod content;
mod conversions;
mod crash;
mod differences;
mod discard;
mod divergence;
mod draft;
mod draft_branch;
mod draft_commit;
mod draft_of_changes;
mod durable;
mod error;
mod follow;
mod git_program;
mod hints;
mod history;
mod index;
mod ledger;
mod locate;
pub mod locks;
mod loose;
mod mirror;
mod names;
mod objects;
mod other_remote;
mod packed_refs;
mod policy_history;
mod promised;
mod push_steps;
mod quarantine;
mod received;
mod ref_files;
mod ref_moves;
mod reflog;
mod refs;
mod remote;
mod staging;
mod tree;
mod tree_changes;
mod tree_edit;
mod work_tree;
mod world;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Once;

pub use branches::{EnvironmentTree, Tip, controller, environment_root, hold_path, root_commit};
pub use carry_out::Written;
pub use content::AgentContent;
pub use crash::crash_point;
pub use discard::{DISCARDED, KEPT_DAYS};
pub use draft::{Draft, DraftUnderWay};
pub use draft_branch::{DraftMove, drafts_of};
pub use draft_commit::DraftCommit;
pub use error::{Error, Result, age_text};
pub use git_program::{Git, run_unattended};
pub use history::Recorded;
pub use ledger::{AgentFolder, Entry, Ledger, LedgerEdit, NewEntry};
pub use locate::{Located, Misplaced, manifest_on_disk};
pub use locks::LockFile;
pub use mirror::{ObjectCounts, create_mirror, left_behind};
pub use objects::{Commit, TagObject, blob_id};
pub use other_remote::{OtherRemote, Standing};
pub use received::ReceivedRefs;
pub use refs::RefUpdate;
pub use tree::{EntryMode, Tree, TreeEntry};
pub use tree_changes::{Place, TreeChange};
pub use tree_edit::{TreeEdit, TreeEdits};
pub use work_tree::{Touched, WorkTreeChanges};
pub use world::{Change, DEFAULT_BRANCH_KEY, RefPlace, SEEN_LEDGER, Scope, World};

use crate::domain::ObjectId;
use objects::LargeTrees;
use packed_refs::PackedRefs;
use staging::Staged;

/// A commit, the policy that holds there, and what is wrong with the newest text of it.
type PolicyAt = (ObjectId, (crate::policy::Policy, Option<String>));

/// One repository, opened once per command or worker.
pub struct Repository {
    git: git2::Repository,
    packed_refs: PackedRefs,
    staged: RefCell<Staged>,
    /// Objects of drafts that are in no quarantine, until somebody publishes.
    drafted: RefCell<HashMap<ObjectId, (git2::ObjectType, Vec<u8>)>>,
    /// Whether libgit2 sees some of the staged objects.
    shows_staged: Cell<bool>,
    /// Loose objects written and synced by this process.
    written: RefCell<HashSet<ObjectId>>,
    /// Commits whose parents a shallow clone lacks.
    cut_off: OnceCell<HashSet<ObjectId>>,
    /// The remote that promised what a partial clone leaves out, read when something is missing.
    partial: OnceCell<Option<String>>,
    large_trees: LargeTrees,
    /// The policy of the default branch's tip, which every step of a command asks for.
    policy: RefCell<Option<PolicyAt>>,
    quarantine: OnceCell<quarantine::Quarantine>,
    /// Refs that read as if a push had moved them already.
    received: ReceivedRefs,
}

impl Repository {
    /// Opens the repository at or above `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        set_options();
        let git = git2::Repository::open_ext(dir, git2::RepositoryOpenFlags::empty(), &[] as &[&Path])
            .map_err(|error| cannot_open(dir, error))?;
        Ok(Repository {
            git,
            packed_refs: PackedRefs::default(),
            staged: RefCell::default(),
            drafted: RefCell::default(),
            shows_staged: Cell::default(),
            written: RefCell::default(),
            cut_off: OnceCell::new(),
            partial: OnceCell::new(),
            large_trees: LargeTrees::default(),
            policy: RefCell::default(),
            quarantine: OnceCell::new(),
            received: ReceivedRefs::new(),
        })
    }

    /// The folder with the checked-out files, absent in a bare repository.
    pub fn work_dir(&self) -> Option<&Path> {
        self.git.workdir()
    }

    /// The repository's own folder; of a linked worktree, that worktree's.
    pub fn git_dir(&self) -> &Path {
        self.git.path()
    }

    /// The folder that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        self.git.commondir()
    }

    /// Our own folder inside the repository: caches and hints, never anything that decides what is live.
    pub fn own_dir(&self) -> PathBuf {
        self.git.commondir().join("pointsman")
    }

    /// Whether history is cut off somewhere.
    pub fn is_shallow(&self) -> bool {
        self.common_dir().join("shallow").exists()
    }

    /// A value of the repository's or the user's git configuration.
    pub fn config(&self, key: &str) -> Option<String> {
        // libgit2 knows none of the variables that add settings or name other files; git itself does.
        if std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("GIT_CONFIG")) {
            let out = Git::in_dir(self.git_dir()).run(&["config", "--get", key]).ok()?;
            return Some(String::from_utf8_lossy(&out).trim_end_matches('\n').to_owned());
        }
        self.git.config().ok()?.get_string(key).ok()
    }

    /// Writes a value into the repository's own configuration.
    pub fn set_config(&self, key: &str, value: &str) -> Result<()> {
        let set = || self.git.config()?.open_level(git2::ConfigLevel::Local)?.set_str(key, value);
        set().map_err(|error| match error.code() {
            git2::ErrorCode::Locked => Error::locked(self.common_dir().join("config.lock")),
            _ => Error::Git { doing: format!("write `{key}` into the repository's configuration"), source: error },
        })
    }

    /// Whether a push to the remote `name` sets refs here that follow it.
    fn tracks(&self, name: &str) -> bool {
        self.git
            .find_remote(name)
            .is_ok_and(|remote| remote.refspecs().any(|it| it.direction() == git2::Direction::Fetch))
    }

    /// Whether a remote called `name` is configured.
    pub fn has_remote(&self, name: &str) -> bool {
        self.git.find_remote(name).is_ok()
    }
}

/// Sets libgit2's options for the whole process, before the first repository is opened: fsync of objects, refs and
/// their folders, and no hashing of what is read.
///
/// libgit2 leaves it off by default and git2 has no wrapper for the option.
fn set_options() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // libgit2 must be initialised before options are set; any git2 call does that.
        let _ = git2::Version::get();
        #[expect(unsafe_code, reason = "git2 0.21 does not wrap GIT_OPT_ENABLE_FSYNC_GITDIR")]
        // SAFETY: the option takes one int and is set once, before any repository is opened.
        let code = unsafe {
            libgit2_sys::init();
            libgit2_sys::git_libgit2_opts(
                libgit2_sys::GIT_OPT_ENABLE_FSYNC_GITDIR as std::ffi::c_int,
                1 as std::ffi::c_int,
            )
        };
        assert_eq!(code, 0, "libgit2 knows the fsync option");
        // Git too takes objects at their word when it reads them; that they are what their names say is looked at when
        // they come in, and by `verify`.
        git2::opts::strict_hash_verification(false);
    });
}

/// Lets libgit2 hash every object that this process reads from now on, and refuse those that are not what they are
/// called.
pub fn verify_hashes() {
    set_options();
    git2::opts::strict_hash_verification(true);
}

fn cannot_open(dir: &Path, error: git2::Error) -> Error {
    let unsupported = |what: &str, hint: &str| Error::Unsupported { what: what.to_owned(), hint: hint.to_owned() };
    match error.code() {
        git2::ErrorCode::NotFound => Error::NotARepository { path: dir.to_owned() },
        git2::ErrorCode::Owner => unsupported(
            "the repository belongs to another user",
            "if you trust it: git config --global --add safe.directory <its folder>",
        ),
        // libgit2 tells these apart by text only; the repository's own configuration is the sure sign.
        _ => match unsupported_format(dir) {
            Some("reftable") => unsupported(
                "the repository keeps its refs in reftable format, which is not supported yet",
                "git refs migrate --ref-format=files",
            ),
            Some(_) => unsupported(
                "the repository uses SHA-256 object ids, which are not supported yet",
                "make a repository with: git init --object-format=sha1",
            ),
            None => Error::Git { doing: format!("open the repository at `{}`", dir.display()), source: error },
        },
    }
}

/// The extension that makes libgit2 refuse the repository above `dir`, as git itself reads it.
fn unsupported_format(dir: &Path) -> Option<&'static str> {
    let git = Git::in_dir(dir);
    let read = |args: &[&str]| git.run(args).map(|out| String::from_utf8_lossy(&out).trim().to_owned());
    if read(&["config", "--get", "extensions.refstorage"]).is_ok_and(|format| format == "reftable") {
        return Some("reftable");
    }
    let sha256 = read(&["rev-parse", "--show-object-format"]).is_ok_and(|format| format == "sha256");
    sha256.then_some("sha256")
}
