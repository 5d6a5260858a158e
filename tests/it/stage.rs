//! A controller without its loop: the test says what is live, and real workers deliver it.

#![allow(dead_code, reason = "each story uses its part of the stage")]

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pointsman::domain::{Digest, ObjectId, VersionNumber};
use pointsman::live::{Delivery, Environment, Live, PassReport, Routes, Served, ServedVersion, Snapshot, Status, Wake};
use pointsman::operator::{SecretSource, Settings};
use pointsman::targets::{self, Pace, Targets};
use tokio::runtime::Runtime;

/// The signing secret of every test, and its key.
pub const SECRET: &str = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LTEyMzQ=";
pub const KEY: &[u8] = b"canary-canary-canary-canary-1234";

/// In a hurry, so that nobody waits for minutes.
pub const PACE: Pace = Pace {
    audit: Duration::from_millis(150),
    first_wait: Duration::from_millis(40),
    longest_wait: Duration::from_millis(300),
    news: Duration::from_millis(100),
    attempts: 4,
    attempt: Duration::from_secs(60),
};

/// Only there so that a broken test ends.
const DEADLINE: Duration = Duration::from_secs(90);

/// Waits until `holds`.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The head that stands for a height.
pub fn head(height: u64) -> ObjectId {
    let mut bytes = [0xa5; 20];
    bytes[..8].copy_from_slice(&height.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

/// What is served for `agent` in its `version`.
pub fn served(agent: &str, version: u32, text: &str) -> Arc<Served> {
    let config = serde_json_canonicalizer::to_vec(&serde_json::json!({ "agent": agent, "text": text })).unwrap();
    let digest = Digest::of(&config);
    let record = format!("{{\n  \"agent\": \"{agent}\",\n  \"number\": {version}\n}}\n");
    Arc::new(Served {
        agent: agent.parse().unwrap(),
        version: ServedVersion::Number(VersionNumber::new(version).unwrap()),
        digest,
        entry: ObjectId::from_bytes([u8::try_from(version % 250).unwrap(); 20]),
        config: config.into(),
        record: record.into_bytes().into(),
        etag: format!("\"{digest}\"").parse().unwrap(),
        version_header: format!("v{version}").parse().unwrap(),
    })
}

/// The environment `name` at `height` with these agents: id and text.
pub fn environment(name: &str, height: u64, agents: &[(&str, &str)]) -> Environment {
    let version = u32::try_from(height).unwrap();
    let agents = agents.iter().map(|(agent, text)| (agent.parse().unwrap(), served(agent, version, text)));
    Environment {
        name: name.parse().unwrap(),
        head: head(height),
        height,
        agents: agents.collect::<HashMap<_, _>>(),
        retired: BTreeSet::new(),
        routes: Routes::parse(br#"{"+441":[{"agent":"support","match":{},"set":{}}]}"#).unwrap(),
    }
}

/// The controller of a test.
pub struct Stage {
    pub live: Arc<Live>,
    pub state: PathBuf,
    repository: PathBuf,
    runtime: Option<Runtime>,
    targets: Option<Targets>,
    passes: std::cell::Cell<u64>,
}

impl Stage {
    /// A controller with its state in `state` and the operator's file `text`.
    pub fn start(state: &Path, text: &str) -> Self {
        Stage::with(state, Path::new("/nonexistent"), text, PACE)
    }

    /// The same, with accepted commits in `repository`, at its own pace.
    pub fn with(state: &Path, repository: &Path, text: &str, pace: Pace) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let live = Arc::new(Live::new(jiff::Timestamp::now()));
        let targets = targets::start(runtime.handle(), Arc::clone(&live), &settings(text), state, repository, pace);
        Stage {
            live,
            state: state.to_owned(),
            repository: repository.to_owned(),
            runtime: Some(runtime),
            targets: Some(targets),
            passes: std::cell::Cell::new(0),
        }
    }

    /// Reads another operator's file.
    pub fn reload(&self, text: &str) {
        self.targets.as_ref().unwrap().reload(&settings(text));
    }

    /// Makes `environments` live.
    pub fn publish(&self, environments: Vec<Environment>) {
        let named = environments.into_iter().map(|one| (one.name.clone(), Arc::new(one)));
        self.live.publish(Snapshot { environments: named.collect(), ..Snapshot::default() });
    }

    /// Tells of a pass that ended well, as the loop does.
    pub fn pass(&self) {
        let number = self.passes.get() + 1;
        self.passes.set(number);
        let began = jiff::Timestamp::now();
        let report =
            PassReport { number, wake: Wake::Target, began, took: Duration::ZERO, steps: Vec::new(), failure: None };
        self.live.set_status(Status { last_pass: Some(report), confirmed: Some(began), ..Status::starting(began) });
    }

    /// How the delivery of `environment` to `target` is doing.
    pub fn delivery(&self, target: &str, environment: &str) -> Option<Delivery> {
        let all = self.live.deliveries.all();
        all.into_iter().find(|one| one.target == target && one.environment.as_str() == environment)
    }

    /// Waits until `holds`; where it never does, says how all deliveries are doing.
    #[track_caller]
    pub fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < deadline, "never came true: {what}\n{:#?}", self.live.deliveries.all());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until `target` confirmed `height`.
    #[track_caller]
    pub fn holds(&self, target: &str, environment: &str, height: u64) {
        self.eventually(&format!("{target} holds {height} of {environment}"), || {
            self.delivery(target, environment).is_some_and(|one| {
                one.failure.is_none()
                    && one.behind_since.is_none()
                    && one.held.is_some_and(|held| held.height == height)
            })
        });
    }

    /// Waits until the delivery fails with words that contain `words`.
    #[track_caller]
    pub fn fails(&self, target: &str, environment: &str, words: &str) -> Delivery {
        let failing = || {
            self.delivery(target, environment)
                .filter(|one| one.failure.as_ref().is_some_and(|failure| failure.message.contains(words)))
        };
        self.eventually(&format!("{target} fails with {words}"), || failing().is_some());
        failing().or_else(|| self.delivery(target, environment)).unwrap()
    }

    /// Ends it as the first signal does.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let (Some(runtime), Some(targets)) = (self.runtime.take(), self.targets.take()) {
            runtime.block_on(targets.stop(Duration::from_secs(5)));
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end();
    }
}

/// The settings in `text`; every secret is [`SECRET`].
pub fn settings(text: &str) -> Settings {
    let read = |_: &SecretSource| Ok(SECRET.to_owned());
    Settings::parse(text, &read).unwrap_or_else(|mistake| panic!("{mistake:?}"))
}
