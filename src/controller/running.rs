//! A whole controller in this process: the loop, the drafts, the web server and the targets, started and ended together.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::drafts::Drafts;
use super::mirror::Place;
use super::{Controller, OpenError};
use crate::api::{self, Api};
use crate::chat::Sandbox;
use crate::http::{self, App};
use crate::live::{Bell, Live, Wake};
use crate::operator::Settings;
use crate::targets::{self, Pace, Targets};
use crate::tokens::Tokens;

/// How long requests and deliveries may take to end.
pub const DRAIN: Duration = Duration::from_secs(10);

/// A controller at work.
pub struct Running {
    /// Where it answers.
    pub address: SocketAddr,
    /// What is live.
    pub live: Arc<Live>,
    settings: Arc<ArcSwap<Settings>>,
    app: Arc<App>,
    api: Arc<Api>,
    sandbox: Arc<Sandbox>,
    targets: Targets,
    draining: watch::Sender<bool>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    threads: Vec<JoinHandle<()>>,
    bells: Vec<Arc<Bell>>,
}

impl Running {
    /// Starts everything. The listener is bound already, so that an address that is taken stops nothing half-way.
    pub fn start(
        place: Place,
        local: bool,
        listener: TcpListener,
        settings: Settings,
        state: &Path,
    ) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: state.to_owned(), source };
        let address = listener.local_addr().map_err(io)?;
        let live = Arc::new(Live::new(jiff::Timestamp::now()));
        let repository = place.git_dir()?;
        let drafts = place.work_dir().map(|dir| Drafts::new(dir, Arc::clone(&live)));
        let tokens = Tokens::in_dir(state);
        tokens.local_admin(jiff::Timestamp::now()).map_err(|error| io(std::io::Error::other(error)))?;
        let sandbox = Sandbox::new(state.to_owned(), &settings);
        let api = Api::new(place.dir().to_owned(), local, Arc::clone(&live), tokens, Arc::clone(&sandbox));
        api.answer_atoms_v1(settings.atoms_v1);
        let app = App::new(Arc::clone(&live), &settings)?;
        let targets =
            targets::start(&Handle::current(), Arc::clone(&live), &settings, state, &repository, Pace::default());
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let controller = Controller::new(place, local, Arc::clone(&live), Arc::clone(&settings));

        let (draining, mut drain) = watch::channel(false);
        let shutdown = async move {
            let _ = drain.wait_for(|draining| *draining).await;
        };
        let server = tokio::spawn(http::serve(listener, Arc::clone(&app), api::router(&api), shutdown, DRAIN));
        let mut bells = Vec::new();
        let mut threads = vec![thread("controller", move || controller.run()).map_err(io)?];
        if let Some(drafts) = drafts {
            bells.push(drafts.bell());
            threads.push(thread("drafts", move || drafts.run()).map_err(io)?);
        }
        Ok(Running { address, live, settings, app, api, sandbox, targets, draining, server, threads, bells })
    }

    /// Goes on with other settings. Address, remote, state folder, log and traces stay those of the start.
    pub fn reload(&self, settings: Settings) {
        let old = self.settings.load();
        let place = |of: &Settings| (of.listen, of.remote.clone(), of.state.clone());
        let told = |of: &Settings| (of.json_logs, of.telemetry.clone());
        if place(&old) != place(&settings) || told(&old) != told(&settings) {
            tracing::warn!("`listen`, `remote`, `state`, `log` and `telemetry` take effect at the next start");
        }
        self.app.reload(&settings);
        self.api.answer_atoms_v1(settings.atoms_v1);
        self.sandbox.reload(&settings);
        self.targets.reload(&settings);
        self.settings.store(Arc::new(settings));
        self.live.bell.ring(Wake::Reload);
    }

    /// Waits until the web server has ended by itself, which only a broken listener makes it do.
    pub async fn failed(&mut self) -> String {
        match (&mut self.server).await {
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(())) => "the web server ended".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// Ends everything in peace: the pass that runs, requests, deliveries. False if a pass would not end in time;
    /// whatever it is at, the next process finishes.
    pub async fn stop(self) -> bool {
        self.live.bell.close();
        self.bells.iter().for_each(|bell| bell.close());
        let _ = self.draining.send(true);
        let threads = tokio::task::spawn_blocking(|| self.threads.into_iter().for_each(|thread| drop(thread.join())));
        let all = async {
            let ((), _, _) = tokio::join!(self.targets.stop(DRAIN), self.server, threads);
        };
        // A little longer than each of the parts has.
        tokio::time::timeout(DRAIN + Duration::from_secs(1), all).await.is_ok()
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}
