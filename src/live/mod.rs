//! What is live now, shared by everything that runs in the daemon: the loop writes it, the web server and the targets
//! read it, and neither ever waits for the other.

mod bell;
mod deliveries;
mod events;
pub mod metrics;
mod read;
mod routes;
mod snapshot;
mod status;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub use bell::{Bell, Wake, Woken};
pub use deliveries::{Deliveries, Delivery, HeldDeployment};
pub use events::{Event, EventKind, EventLog};
pub use metrics::Metrics;
pub use read::read;
pub use routes::{Routed, Routes, Unrouted};
pub use snapshot::{DRAFT, Environment, Found, Served, ServedVersion, Snapshot};
pub use status::{Failure, PassReport, Status};

/// How many passes began and ended.
#[derive(Clone, Copy, Default)]
struct Passes {
    begun: u64,
    ended: u64,
}

/// The present state of a controller. One per process.
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
    changed: watch::Sender<u64>,
    writers: Mutex<()>,
    status: ArcSwap<Status>,
    passes: watch::Sender<Passes>,
    /// What happened, newest last.
    pub events: EventLog,
    /// How deliveries to targets are doing.
    pub deliveries: Deliveries,
    /// Rings for another pass.
    pub bell: Bell,
    /// What Prometheus is told.
    pub metrics: Metrics,
}

impl Live {
    /// A controller that has not looked yet.
    pub fn new(started: jiff::Timestamp) -> Self {
        let metrics = Metrics::default();
        Live {
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            changed: watch::Sender::new(0),
            writers: Mutex::default(),
            status: ArcSwap::from_pointee(Status::starting(started)),
            passes: watch::Sender::new(Passes::default()),
            events: EventLog::new(metrics.told.clone()),
            deliveries: Deliveries::default(),
            bell: Bell::default(),
            metrics,
        }
    }

    /// What is served at this moment. It never changes: hold on to it for as long as one answer takes.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The same without counting a reader, for answers that are made at once.
    pub fn peek(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Swaps the snapshot whole and wakes those who watch. The drafts stay.
    pub fn publish(&self, snapshot: Snapshot) {
        self.swap(|present| Snapshot { drafts: present.drafts.clone(), ..snapshot });
    }

    /// Publishes what `read` makes of the present snapshot; if another one was published meanwhile, `read` is asked again
    /// with that. So what is served never goes back, as long as `read` reads git after it was given the snapshot.
    pub fn advance<E>(&self, mut read: impl FnMut(&Snapshot) -> Result<Option<Snapshot>, E>) -> Result<(), E> {
        loop {
            let present = self.snapshot();
            let Some(next) = read(&present)? else { return Ok(()) };
            let _turn = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.snapshot.load();
            if now.ledger == present.ledger {
                self.snapshot.store(Arc::new(Snapshot { drafts: now.drafts.clone(), ..next }));
                self.changed.send_modify(|generation| *generation += 1);
                return Ok(());
            }
        }
    }

    /// Swaps the drafts and wakes those who watch.
    pub fn publish_drafts(&self, drafts: Environment) {
        self.swap(|present| Snapshot { drafts: Some(Arc::new(drafts)), ..Snapshot::clone(present) });
    }

    /// Versions and drafts are written by the loop, by calls that moved something and by the loop of drafts; none must
    /// undo another.
    fn swap(&self, next: impl FnOnce(&Snapshot) -> Snapshot) {
        let _turn = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        self.snapshot.store(Arc::new(next(&self.snapshot.load())));
        self.changed.send_modify(|generation| *generation += 1);
    }

    /// Changes whenever another snapshot was published. Subscribe first, read the snapshot then: the other order may
    /// miss one.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How the loop is doing.
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// Replaces what is known of the loop.
    pub fn set_status(&self, status: Status) {
        self.status.store(Arc::new(status));
    }

    /// Tells that there is something to serve of `repository`, before the first pass that ended.
    pub fn set_ready(&self, repository: String) {
        let before = self.status();
        if !before.ready {
            self.set_status(Status { ready: true, repository, ..Status::clone(&before) });
        }
    }

    /// Tells that a pass begins.
    pub fn pass_begins(&self) {
        self.passes.send_modify(|passes| passes.begun += 1);
    }

    /// Tells that the pass that began last has ended.
    pub fn pass_ended(&self) {
        self.passes.send_modify(|passes| passes.ended = passes.begun);
    }

    /// Ends once a pass has begun and ended after this call. Take it before the bell is rung for that pass.
    pub fn next_pass(&self) -> impl Future<Output = ()> + use<> {
        let mut passes = self.passes.subscribe();
        let next = passes.borrow().begun + 1;
        async move {
            let _ = passes.wait_for(|passes| passes.ended >= next).await;
        }
    }
}
