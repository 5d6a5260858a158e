//! The control API: what the command line does, over HTTP, for whoever shows a token that allows it.
//!
//! Each call runs one operation of `ops` on a thread of its own kind, on the same repository as the loop, as one more
//! racer under compare-and-swap. Reads and moves never wait for the loop; a call that moved something waits until what
//! it moved is served.

mod answer;
mod atoms;
mod call;
mod front;
mod native;
mod route;
mod surface;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

pub use front::router;
pub use route::{Needs, Route};
pub use surface::{SURFACES, Surface};

use crate::live::Live;
use crate::tokens::Tokens;

/// How many calls work on the repository at once; more wait their turn.
const AT_ONCE: usize = 8;

/// How long an answer waits at most until what it moved is served.
const SERVED_WITHIN: Duration = Duration::from_secs(5);

/// What every call needs. One per process.
pub struct Api {
    /// The repository: the working copy or the mirror.
    dir: PathBuf,
    /// Whether its remote is left alone.
    local: bool,
    live: Arc<Live>,
    tokens: Tokens,
    turns: Semaphore,
    refusals: front::Refusals,
    /// Whether the first generation of the Atoms API is answered.
    atoms_v1: AtomicBool,
}

impl Api {
    /// The API over the repository in `dir`.
    pub fn new(dir: PathBuf, local: bool, live: Arc<Live>, tokens: Tokens) -> Arc<Self> {
        let (turns, refusals) = (Semaphore::new(AT_ONCE), front::Refusals::default());
        Arc::new(Api { dir, local, live, tokens, turns, refusals, atoms_v1: AtomicBool::new(true) })
    }

    /// Whether drafts and versions, the first generation of the Atoms API, are answered from now on. Where they are not,
    /// its callers are told to come over to branches and revisions.
    pub fn answer_atoms_v1(&self, answered: bool) {
        self.atoms_v1.store(answered, Ordering::Relaxed);
    }
}
