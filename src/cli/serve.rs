//! `pointsman serve`: the controller as a long-running process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};

use super::{Done, Session};
use crate::controller::{Controller, Drafts, OpenError, Place};
use crate::domain::Digest;
use crate::live::{Live, Wake};
use crate::operator::{SecretSource, Settings};
use crate::ops::Problem;
use crate::store::run_unattended;

/// How long requests and deliveries may take to end after the first signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Run the controller: accept tags, move environment branches, deliver and serve what is live
///
/// Without --remote it works on the repository it is started in. With it, on a bare mirror of its own.
/// SIGHUP reads the operator's file again; the first SIGTERM or Ctrl-C drains, the second stops.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to answer HTTP; without tokens for readers only addresses of this machine
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The repository that decides, as git takes it; it is mirrored below the state folder
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// The operator's file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the mirror and other files of its own are kept
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let settings = args.settings()?;
    session.global.start_logging("pointsman=info", settings.json_logs);
    run_unattended();
    let (place, state) = args.place(&settings, &session.global.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::refused("io", format!("cannot start threads: {error}")))?;
    runtime.block_on(serve(args, session, settings, place, &state))
}

async fn serve(args: &Args, session: &Session, settings: Settings, place: Place, state: &Path) -> Done {
    let listen = settings.listen;
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| {
        Problem::refused("cannot_listen", format!("cannot listen on {listen}: {error}"))
            .hint("--listen 127.0.0.1:0 takes any free port")
    })?;
    let address = listener.local_addr().unwrap_or(listen);
    let live = Arc::new(Live::new(jiff::Timestamp::now()));
    let shown = place.shown();
    let work_dir = place.work_dir();
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    let controller = Controller::new(place, session.global.local, Arc::clone(&live), Arc::clone(&settings));
    let mut signals = Signals::new()?;
    let looped = thread("controller", move || controller.run())?;
    let drafts = work_dir.map(|dir| Drafts::new(dir, Arc::clone(&live)));
    let drafts_bell = drafts.as_ref().map(Drafts::bell);
    let drafted = drafts.map(|drafts| thread("drafts", move || drafts.run())).transpose()?;
    session.print(&format!("listening on http://{address} for {shown}\n"));
    tracing::info!(%address, repository = shown, state = %state.display(), "serving");
    let _ = listener;
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);

    while let Signal::Reload = signals.next().await {
        args.reload(&settings, &live);
    }
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    tracing::info!("draining; another signal stops at once");
    live.bell.close();
    drafts_bell.iter().for_each(|bell| bell.close());
    let drained = async {
        let ended = || {
            let _ = looped.join();
            drafted.map(JoinHandle::join)
        };
        let _ = tokio::task::spawn_blocking(ended).await;
    };
    tokio::select! {
        () = drained => tracing::info!("stopped"),
        () = signals.end() => {
            tracing::warn!("stopped at once");
            std::process::exit(130);
        }
        // A pass may wait for a remote for minutes; whatever it is at, the next process finishes.
        () = tokio::time::sleep(DRAIN) => {
            tracing::warn!("a pass is still running, stopping all the same");
            std::process::exit(0);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Problem> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map_err(|error| Problem::refused("io", format!("cannot start a thread: {error}")))
}

impl Args {
    /// The operator's file, with what the command line says above it.
    fn settings(&self) -> Result<Settings, Problem> {
        let mut settings = match &self.config {
            None => Settings::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Problem::usage("no_such_file", format!("cannot read `{}`: {error}", path.display()))
                        .hint("--config names the operator's file")
                })?;
                Settings::parse(&text, &SecretSource::read).map_err(|mistake| {
                    let problem = Problem::usage("operator_file", format!("{}: {mistake}", path.display()));
                    match mistake.hint {
                        Some(hint) => problem.hint(hint),
                        None => problem,
                    }
                })?
            }
        };
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        settings.remote = self.remote.clone().or(settings.remote);
        settings.state = self.state.clone().or(settings.state);
        Ok(settings)
    }

    /// The repository to work in and the state folder.
    fn place(&self, settings: &Settings, dir: &Path) -> Result<(Place, PathBuf), Problem> {
        let from_systemd = || std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
        let given = settings.state.clone().or_else(from_systemd);
        match &settings.remote {
            None => {
                let place = Place::here(dir).map_err(cannot_open)?;
                let state = given.unwrap_or_else(|| place.own_dir());
                Ok((place, state))
            }
            Some(remote) => {
                let state = match given.or_else(|| own_state(remote)) {
                    Some(state) => state,
                    None => {
                        return Err(Problem::usage("no_state", "there is no folder for the mirror")
                            .hint("--state DIR names one"));
                    }
                };
                Ok((Place::mirror(remote, &state).map_err(cannot_open)?, state))
            }
        }
    }

    /// Reads the operator's file again. A mistake in it is told and changes nothing.
    fn reload(&self, settings: &ArcSwap<Settings>, live: &Live) {
        match self.settings() {
            Ok(new) => {
                let old = settings.load();
                if (old.listen, &old.remote, &old.state) != (new.listen, &new.remote, &new.state) {
                    tracing::warn!("`listen`, `remote` and `state` take effect at the next start");
                }
                settings.store(Arc::new(new));
                live.bell.ring(Wake::Reload);
                tracing::info!("read the operator's file again");
            }
            Err(problem) => tracing::error!(error = problem.message, hint = problem.hint, "the old settings stay"),
        }
    }
}

/// A folder per remote below the user's state folder (XDG base directories).
fn own_state(remote: &str) -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))?;
    let digest = Digest::of(remote.as_bytes()).to_string();
    let name: String = digest.trim_start_matches("sha256:").chars().take(16).collect();
    Some(base.join("pointsman").join(name))
}

fn cannot_open(error: OpenError) -> Problem {
    match error {
        OpenError::Repository(error) => error.into(),
        OpenError::Taken(_) => Problem::refused("already_running", error.to_string())
            .hint("one controller per repository is enough; stop the other one first"),
        OpenError::Io { .. } => Problem::refused("io", error.to_string()).hint("--state DIR names another folder"),
    }
}

enum Signal {
    Reload,
    End,
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Problem> {
        let of =
            |kind| signal(kind).map_err(|error| Problem::refused("io", format!("cannot listen for signals: {error}")));
        Ok(Signals {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::End,
            _ = self.terminate.recv() => Signal::End,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    /// Waits for a signal that ends the process.
    async fn end(&mut self) {
        while !matches!(self.next().await, Signal::End) {}
    }
}
