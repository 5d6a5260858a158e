//! Targets: places that hold what is live, are asked what they hold, and are corrected.
//!
//! Each environment at each target has a worker of its own. One task starts and stops them as environments appear and
//! as the operator's file changes.

mod call;
mod decide;
mod directory;
mod git;
mod mark;
mod memory;
mod nats;
mod place;
mod webhook;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::domain::EnvironmentName;
use crate::live::{Failure, Live};
use crate::operator::{Destination, Outgoing, Settings, Target};
use call::Caller;
pub use call::{chain, client, install_tls};
use directory::Directory;
use git::Branch;
use nats::Bucket;
use place::Place;
pub use webhook::{Letter, Letters};
use webhook::{Receiver, Webhook};
pub use worker::Pace;
use worker::Worker;

/// How long a worker that broke rests before it is started again.
const BROKEN: Duration = Duration::from_secs(60);

/// All deliveries of one controller.
pub struct Targets {
    wanted: watch::Sender<Wanted>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// What the operator's file says about deliveries.
#[derive(Clone)]
struct Wanted {
    targets: Vec<Target>,
    outgoing: Outgoing,
}

impl Wanted {
    fn of(settings: &Settings) -> Self {
        Wanted { targets: settings.targets.clone(), outgoing: settings.outgoing.clone() }
    }
}

/// What workers are made from.
struct Workshop {
    live: Arc<Live>,
    state: PathBuf,
    repository: PathBuf,
    pace: Pace,
}

/// A worker at work.
struct Working {
    target: Target,
    outgoing: Outgoing,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts delivering what is in `live` to the targets of `settings`. Hints and dead letters are kept below `state`;
/// `repository` is the `.git` folder, or the bare repository, that has the accepted commits.
pub fn start(
    handle: &Handle,
    live: Arc<Live>,
    settings: &Settings,
    state: &Path,
    repository: &Path,
    pace: Pace,
) -> Targets {
    install_tls();
    let (wanted, targets) = watch::channel(Wanted::of(settings));
    let (stop, stopped) = watch::channel(false);
    let workshop = Workshop { live, state: state.to_owned(), repository: repository.to_owned(), pace };
    Targets { wanted, stop, running: handle.spawn(supervise(workshop, targets, stopped)) }
}

impl Targets {
    /// Goes on with the targets of `settings`. Workers whose target has not changed are left alone.
    pub fn reload(&self, settings: &Settings) {
        self.wanted.send_replace(Wanted::of(settings));
    }

    /// Lets the attempts that are under way end, for `grace` at most; what was not delivered then is delivered after
    /// the next start.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        if timeout(grace, &mut self.running).await.is_err() {
            self.running.abort();
        }
    }
}

type Key = (String, EnvironmentName);

async fn supervise(workshop: Workshop, mut wanted: watch::Receiver<Wanted>, mut stop: watch::Receiver<bool>) {
    let mut changed = workshop.live.subscribe();
    let mut working: BTreeMap<Key, Working> = BTreeMap::new();
    while !*stop.borrow_and_update() {
        changed.mark_unchanged();
        let Wanted { targets, outgoing } = wanted.borrow_and_update().clone();
        let snapshot = workshop.live.snapshot();
        let mut keys: BTreeMap<Key, &Target> = BTreeMap::new();
        for target in &targets {
            for environment in snapshot.environments.keys().filter(|environment| target.takes(environment)) {
                keys.insert((target.name.clone(), environment.clone()), target);
            }
        }
        // Environments do not go away; one that is not read at the moment keeps its worker.
        let named =
            |(name, environment): &Key| targets.iter().any(|target| target.name == *name && target.takes(environment));
        for (key, worker) in working.extract_if(.., |key, _| !named(key)) {
            worker.stop.send_replace(true);
            let live = Arc::clone(&workshop.live);
            tokio::spawn(async move {
                let _ = worker.task.await;
                live.deliveries.forget(&key.0, &key.1);
            });
        }
        for (key, target) in keys {
            let same = |worker: &Working| worker.target == *target && worker.outgoing == outgoing;
            if working.get(&key).is_some_and(same) {
                continue;
            }
            // The one before ends first, or two would write at once; nobody else waits for that.
            let before = working.remove(&key).map(|worker| {
                worker.stop.send_replace(true);
                worker.task
            });
            working.insert(key.clone(), workshop.employ(target, &outgoing, key.1, before));
        }
        tokio::select! {
            // An error of either says that `Targets` was dropped.
            result = stop.changed() => if result.is_err() { break },
            result = wanted.changed() => if result.is_err() { break },
            _ = changed.changed() => {}
        }
    }
    for worker in working.values() {
        worker.stop.send_replace(true);
    }
    for (_, worker) in working {
        let _ = worker.task.await;
    }
}

impl Workshop {
    fn employ(
        &self,
        target: &Target,
        outgoing: &Outgoing,
        environment: EnvironmentName,
        before: Option<JoinHandle<()>>,
    ) -> Working {
        let (stop, stopped) = watch::channel(false);
        let (live, pace) = (Arc::clone(&self.live), self.pace);
        let place = self.maker(target, outgoing, &environment);
        let (name, kind) = (target.name.clone(), target.destination.kind());
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            while !*stopped.borrow() {
                let worker = Worker::new(Arc::clone(&live), name.clone(), kind, environment.clone(), place(), pace);
                if std::panic::AssertUnwindSafe(worker.run(stopped.clone())).catch_unwind().await.is_ok() {
                    break;
                }
                tracing::error!(to = name, %environment, "a worker broke and is started again in a minute");
                let mut state = live.deliveries.begin(name.clone(), kind, environment.clone());
                state.behind_since.get_or_insert_with(jiff::Timestamp::now);
                state.failure = Some(Failure { message: "the worker broke; its log says why".to_owned(), hint: None });
                live.deliveries.set(state);
                let mut stopped = stopped.clone();
                tokio::select! {
                    result = stopped.changed() => if result.is_err() { break },
                    () = sleep(BROKEN) => {}
                }
            }
        });
        Working { target: target.clone(), outgoing: outgoing.clone(), stop, task }
    }

    /// Makes the place of `environment` at `target`, as often as it is needed.
    fn maker(
        &self,
        target: &Target,
        outgoing: &Outgoing,
        environment: &EnvironmentName,
    ) -> impl Fn() -> Place + Send + 'static {
        let caller = Caller::new(outgoing);
        let memory = self.state.join("targets").join(&target.name).join(format!("{environment}.json"));
        let (letters, repository) = (Letters::below(&self.state), self.repository.clone());
        let (attempts, target, environment) = (self.pace.attempts, target.clone(), environment.clone());
        let called = target.destination.called().expect("addresses are checked when the operator's file is read");
        move || match &target.destination {
            Destination::Directory { path } => Place::Directory(Directory::new(path.clone(), environment.clone())),
            Destination::Git { url, branch_prefix } => {
                let branch = format!("{branch_prefix}{environment}");
                let called = called.first().cloned();
                let (caller, memory) = (caller.clone(), memory.clone());
                Place::Git(Box::new(Branch::new(&repository, url.clone(), &branch, called, caller, memory)))
            }
            Destination::Webhook { url, secret } => {
                let receiver = Receiver {
                    target: target.name.clone(),
                    environment: environment.clone(),
                    url: url.clone(),
                    secrets: secret.clone(),
                    called: called[0].clone(),
                    caller: caller.clone(),
                    attempts,
                };
                Place::Webhook(Box::new(Webhook::new(receiver, memory.clone(), letters.clone())))
            }
            Destination::Nats { url, bucket_prefix, credentials } => {
                let urls = url.split(',').map(|url| url.trim().to_owned());
                let servers = urls.zip(called.iter().cloned()).collect();
                let bucket = format!("{bucket_prefix}{environment}");
                Place::Nats(Box::new(Bucket::new(servers, bucket, credentials.clone(), caller.clone())))
            }
        }
    }
}
