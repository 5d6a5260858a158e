//! The last stop of the tour: a controller in this process, and how long a change takes until it is served.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::Tour;
use super::place::{stop_here_if_interrupted, tour_is_over};
use crate::controller::{Place, Running};
use crate::operator::{DEFAULT_LISTEN, Settings};
use crate::ops::Problem;
use crate::store::run_unattended;

/// How long a change may take before the tour gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A controller over the tour's repository, with the threads it runs on.
pub(super) struct Controller {
    runtime: tokio::runtime::Runtime,
    running: Option<Running>,
    client: reqwest::Client,
}

impl Controller {
    /// Starts one where `serve` would, or on a free port if that one is taken.
    fn start(tour: &Tour<'_>) -> Result<Self, Problem> {
        let broken = |error: &dyn std::fmt::Display| super::broken(&error.to_string());
        run_unattended();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| broken(&error))?;
        let listener = TcpListener::bind(DEFAULT_LISTEN).or_else(|_| TcpListener::bind("127.0.0.1:0"));
        let place = Place::here(&tour.dir).map_err(|error| broken(&error))?;
        let state = place.own_dir();
        let listener = listener.map_err(|error| broken(&error))?;
        let running = {
            let _inside = runtime.enter();
            Running::start(place, true, listener, Settings::default(), &state).map_err(|error| broken(&error))?
        };
        // The provider of TLS is the process's; `Running` has chosen it.
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| broken(&error))?;
        Ok(Controller { runtime, running: Some(running), client })
    }

    fn address(&self) -> String {
        self.running.as_ref().map(|running| format!("http://{}", running.address)).unwrap_or_default()
    }

    /// Asks for `path` until `holds` of the version and the body, and returns how long that took.
    fn until(&self, path: &str, holds: impl Fn(&str, &str) -> bool) -> Result<Duration, Problem> {
        let url = format!("{}{path}", self.address());
        let started = Instant::now();
        self.runtime.block_on(async {
            loop {
                stop_here_if_interrupted();
                if let Ok(answer) = self.client.get(&url).send().await {
                    let version = answer.headers().get("x-agent-version").and_then(|value| value.to_str().ok());
                    let version = version.unwrap_or_default().to_owned();
                    let body = answer.text().await.unwrap_or_default();
                    if holds(&version, &body) {
                        return Ok(started.elapsed());
                    }
                }
                if started.elapsed() > PATIENCE {
                    return Err(super::broken(&format!("{path} never came to what it should be")));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    }

    /// Serves until Ctrl-C.
    fn wait(&self) {
        let _ = self.runtime.block_on(tokio::signal::ctrl_c());
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

impl Tour<'_> {
    /// Shows a change travelling from a saved file, and one from a tag, to what is served.
    pub(super) fn serve(&mut self) -> Result<Controller, Problem> {
        self.stop(
            "The controller: a tag or a saved file is enough",
            "`pointsman serve` watches the repository, moves what policy lets move, and serves what is live. The draft \
             is served too, to whoever writes it.",
        );
        let controller = Controller::start(self)?;
        let address = controller.address();
        controller.until("/config/live/front-desk", |version, _| version == "v1")?;
        self.shown("pointsman serve", &format!("listening on {address}"));

        let greeting = "Linden Dental, this is Robin. What can I do for you?";
        self.greet(greeting)?;
        let drafted = controller.until("/config/draft/front-desk", |_, body| body.contains(greeting))?;
        self.shown("$EDITOR agents/front-desk/agent.toml", &served("draft/front-desk", "the new greeting", drafted));

        self.quietly(&["commit", "-q", "-a", "-m", "Greet shortly"])?;
        self.git("tag -a front-desk/v3 -m 'Greet shortly'")?;
        let tagged = controller.until("/config/sandbox/front-desk", |version, _| version == "v3")?;
        self.shown(
            &format!("curl -i {address}/config/sandbox/front-desk"),
            &served("sandbox/front-desk", "v3", tagged),
        );

        self.pointsman("promote front-desk --to pre-release")?;
        self.pointsman("release-hold front-desk --env live")?;
        self.pointsman("promote front-desk --to live --confirm")?;
        let promoted = controller.until("/config/live/front-desk", |version, _| version == "v3")?;
        self.shown(&format!("curl -i {address}/config/live/front-desk"), &served("live/front-desk", "v3", promoted));
        Ok(controller)
    }

    /// Prints what there is to look at, and serves until Ctrl-C.
    pub(super) fn go_on_serving(&self, controller: &Controller) {
        let address = controller.address();
        self.say(&format!(
            "\n{}\n  {address}/config/live\n  {address}/config/live/front-desk\n  {address}/watch/draft/front-desk\n  \
             {address}/events\n  {address}/status\n  {address}/metrics\nChange something in\n  {}\nand watch it arrive.\n\n\
             Ctrl-C ends it and removes everything.\n",
            self.bold("The controller goes on"),
            self.dir.join("agents").display()
        ));
        tour_is_over();
        controller.wait();
    }
}

/// What was served, and how long after the change.
fn served(path: &str, what: &str, after: Duration) -> String {
    format!("{path} is {what}, {} ms after the change", after.as_millis().max(1))
}
