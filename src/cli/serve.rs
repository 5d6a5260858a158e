//! `pointsman serve`: the controller as a long-running process.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{Done, Session};
use crate::controller::{OpenError, Place, Running};
use crate::domain::Digest;
use crate::http::may_listen;
use crate::operator::{Mistake, SecretSource, Settings, Tls};
use crate::ops::Problem;
use crate::present::escape::escape;
use crate::store::run_unattended;
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to answer HTTP; without tokens for readers only addresses of this machine
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Answer HTTPS with this certificate, and those that lead from it to the authority, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::refused("io", format!("cannot start threads: {error}")))?;
    let filter = session.global.log_filter("pointsman=info");
    // Dropped before the runtime, which sends its last batch.
    let _telemetry = telemetry::start_all(&filter, &settings, runtime.handle())
        .map_err(|error| Problem::usage("telemetry", error).hint("look at `[telemetry]` and the variables OTEL_*"))?;
    run_unattended();
    let (place, state) = args.place(&settings, &session.global.dir)?;
    runtime.block_on(serve(args, session, settings, place, &state))
}

async fn serve(args: &Args, session: &Session, settings: Settings, place: Place, state: &Path) -> Done {
    let listener = listen(&settings)?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let shown = place.shown();
    let mut signals = Signals::new()?;
    let mut running = Running::start(place, session.global.local, listener, settings, state).map_err(cannot_open)?;
    session.print(&format!("listening on {scheme}://{} for {}\n", running.address, escape(&shown)));
    tracing::info!(address = %running.address, repository = shown, state = %state.display(), "serving");
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);

    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Reload => args.reload(&running),
                Signal::End => break,
            },
            error = running.failed() => {
                return Err(Problem::refused("cannot_serve", format!("the web server ended: {error}")));
            }
        }
    }
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    tracing::info!("draining; another signal stops at once");
    tokio::select! {
        stopped = running.stop() => match stopped {
            true => tracing::info!("stopped"),
            false => {
                tracing::warn!("a pass is still running, stopping all the same");
                std::process::exit(0);
            }
        },
        () = signals.end() => {
            tracing::warn!("stopped at once");
            std::process::exit(130);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A socket where `settings` say.
pub(super) fn listen(settings: &Settings) -> Result<TcpListener, Problem> {
    may_listen(settings).map_err(|mistake| operator_mistake("--listen", mistake))?;
    TcpListener::bind(settings.listen).map_err(|error| {
        Problem::refused("cannot_listen", format!("cannot listen on {}: {error}", settings.listen))
            .hint("--listen 127.0.0.1:0 takes any free port")
    })
}

/// The settings in the operator's file at `path`.
pub(super) fn operators_file(path: &Path) -> Result<Settings, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problem::usage("no_such_file", format!("cannot read `{}`: {error}", path.display()))
            .hint("--config names the operator's file")
    })?;
    Settings::parse(&text, &SecretSource::read)
        .map_err(|mistake| operator_mistake(&path.display().to_string(), mistake))
}

fn operator_mistake(place: &str, mistake: Mistake) -> Problem {
    let problem = Problem::usage("operator_file", format!("{place}: {mistake}"));
    match mistake.hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

impl Args {
    /// The operator's file, with what the command line says above it.
    fn settings(&self) -> Result<Settings, Problem> {
        let mut settings = match &self.config {
            None => Settings::default(),
            Some(path) => operators_file(path)?,
        };
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            settings.tls = Some(Tls { cert: cert.clone(), key: key.clone() });
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
    fn reload(&self, running: &Running) {
        match self.settings() {
            Ok(settings) => {
                running.reload(settings);
                tracing::info!("read the operator's file again");
            }
            Err(problem) => tracing::error!(error = problem.message, hint = problem.hint, "the old settings stay"),
        }
    }
}

/// A folder per remote below the user's state folder (XDG base directories).
pub(super) fn own_state(remote: &str) -> Option<PathBuf> {
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
        OpenError::Certificate(error) => Problem::usage("certificate", error.to_string())
            .hint("--tls-cert and --tls-key name files as PEM: openssl x509 -in <cert> -noout -subject -dates"),
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
