//! The control API: what the command line does, over HTTP, for whoever shows a token that allows it.
//!
//! Each call runs one operation of `ops` on a thread of its own kind, on the same repository as the loop, as one more
//! racer under compare-and-swap. Reads and moves never wait for the loop; a call that moved something waits until what
//! it moved is served.

mod answer;
mod atoms;
mod call;
mod front;
mod langfuse;
mod native;
mod openapi;
mod patience;
mod polyai;
mod route;
mod surface;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use front::router;
pub use native::wire;
pub use openapi::document;
pub use route::{Needs, Route};
pub use surface::{SURFACES, Surface};

use answer::Refusal;

use crate::chat::Sandbox;
use crate::live::Live;
use crate::tokens::Tokens;

/// How many calls read the repository at once, and how many write; more wait their turn. Readers and writers do not wait
/// for each other.
const READING: usize = 8;
const WRITING: usize = 4;

/// How many wait for a turn at most.
const MOST_WAITING: usize = 1024;

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
    sandbox: Arc<Sandbox>,
    reading: Lane,
    writing: Lane,
    refusals: patience::Refusals,
    /// Whether the first generation of the Atoms API is answered.
    atoms_v1: AtomicBool,
}

/// Turns of one kind, and who waits for one.
struct Lane {
    turns: Semaphore,
    waiting: Semaphore,
}

impl Lane {
    fn new(at_once: usize) -> Self {
        Lane { turns: Semaphore::new(at_once), waiting: Semaphore::new(MOST_WAITING) }
    }
}

impl Api {
    /// The API over the repository in `dir`.
    pub fn new(dir: PathBuf, local: bool, live: Arc<Live>, tokens: Tokens, sandbox: Arc<Sandbox>) -> Arc<Self> {
        let (reading, writing) = (Lane::new(READING), Lane::new(WRITING));
        let refusals = patience::Refusals::default();
        Arc::new(Api { dir, local, live, tokens, sandbox, reading, writing, refusals, atoms_v1: AtomicBool::new(true) })
    }

    /// Whether drafts and versions, the first generation of the Atoms API, are answered from now on. Where they are not,
    /// its callers are told to come over to branches and revisions.
    pub fn answer_atoms_v1(&self, answered: bool) {
        self.atoms_v1.store(answered, Ordering::Relaxed);
    }

    /// A turn to work on the repository. Where very many wait, the next one is told to come again.
    async fn turn(&self, needs: Needs) -> Result<SemaphorePermit<'_>, Refusal> {
        let lane = if matches!(needs, Needs::Read | Needs::Chat) { &self.reading } else { &self.writing };
        let _place = lane.waiting.try_acquire().map_err(|_| {
            let said = "too many calls wait for their turn";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", said, "try again in a moment")
        })?;
        Ok(lane.turns.acquire().await.expect("the semaphore is never closed"))
    }
}
