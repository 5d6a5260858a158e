//! What Prometheus is told. Counters are turned where things happen; gauges that repeat the status or the snapshot are
//! set when somebody scrapes, so that they cannot fall behind.
//!
//! Labels come from closed lists, environments and targets: never from an agent, a number or anything a stranger sends.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Delivery, PassReport, Snapshot, Status};

/// The media type of [`Metrics::render`]: OpenMetrics text, which Prometheus asks for.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Seconds = Gauge<f64, AtomicU64>;

/// Labels of one pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPass {
    result: &'static str,
    cause: &'static str,
}

/// Labels of what waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWait {
    environment: String,
    code: String,
}

/// Labels of what there is one of in each environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnvironment {
    environment: String,
}

/// Labels of what there is one of for each environment at each target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTarget {
    target: String,
    environment: String,
}

/// Labels of what became of deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDelivery {
    target: String,
    environment: String,
    result: &'static str,
}

/// Labels of one forge's webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHook {
    forge: &'static str,
    result: &'static str,
}

/// Label of one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAnswer {
    result: &'static str,
}

/// Label of one kind of event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEvent {
    kind: &'static str,
}

/// How many events were told, by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(Family<OfEvent, Counter>);

impl Told {
    pub(super) fn one(&self, kind: &'static str) {
        self.0.get_or_create(&OfEvent { kind }).inc();
    }
}

/// How requests for a config were answered. The counters are at hand, because this is the path that must be fast.
#[derive(Debug)]
pub struct ConfigAnswers {
    /// With the config.
    pub served: Counter,
    /// "You have it already".
    pub not_modified: Counter,
    /// Nothing is served there.
    pub not_found: Counter,
    /// The agent was taken out.
    pub retired: Counter,
}

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    /// Held while gauges are set and written out, so that two scrapes do not see each other's half.
    scrape: Mutex<()>,
    passes: Family<OfPass, Counter>,
    pass_duration: Histogram,
    last_pass: Seconds,
    last_good_pass: Seconds,
    waits: Family<OfWait, Gauge>,
    staleness: Family<OfEnvironment, Seconds>,
    agents: Family<OfEnvironment, Gauge>,
    height: Family<OfEnvironment, Gauge>,
    ready: Gauge,
    deliveries: Family<OfDelivery, Counter>,
    target_behind: Family<OfTarget, Seconds>,
    target_height: Family<OfTarget, Gauge>,
    target_dead_letters: Family<OfTarget, Gauge>,
    webhooks: Family<OfHook, Counter>,
    pub(super) told: Told,
    /// Requests for a config.
    pub config: ConfigAnswers,
    /// Requests that the gate did not let through.
    pub refused_requests: Counter,
    /// Open connections.
    pub connections: Gauge,
    /// Open event streams.
    pub watchers: Gauge,
    /// How many objects the repository holds, as last counted.
    pub repository_objects: Gauge,
    /// The size of its packs in bytes, as last counted.
    pub repository_pack_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("pointsman");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        let answers = Family::<OfAnswer, Counter>::default();
        let answer = |result| answers.get_or_create_owned(&OfAnswer { result });
        let metrics = Metrics {
            config: ConfigAnswers {
                served: answer("served"),
                not_modified: answer("not_modified"),
                not_found: answer("not_found"),
                retired: answer("retired"),
            },
            scrape: Mutex::default(),
            passes: Family::default(),
            // From a millisecond to a little more than a minute.
            pass_duration: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
            ]),
            last_pass: Gauge::default(),
            last_good_pass: Gauge::default(),
            waits: Family::default(),
            staleness: Family::default(),
            agents: Family::default(),
            height: Family::default(),
            ready: Gauge::default(),
            deliveries: Family::default(),
            target_behind: Family::default(),
            target_height: Family::default(),
            target_dead_letters: Family::default(),
            webhooks: Family::default(),
            told: Told::default(),
            refused_requests: Counter::default(),
            connections: Gauge::default(),
            watchers: Gauge::default(),
            repository_objects: Gauge::default(),
            repository_pack_bytes: Gauge::default(),
            registry: Registry::default(),
        };
        let seconds = |registry: &mut Registry, name: &str, help: &str, metric: &Seconds| {
            registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
        };
        registry.register(
            "passes",
            "Passes that ended, by what they came to and what woke them",
            metrics.passes.clone(),
        );
        registry.register_with_unit(
            "pass_duration",
            "How long passes take",
            Unit::Seconds,
            metrics.pass_duration.clone(),
        );
        seconds(&mut registry, "last_pass_timestamp", "When the newest pass began, since 1970", &metrics.last_pass);
        let good = "When the newest pass began that ended well, since 1970";
        seconds(&mut registry, "last_successful_pass_timestamp", good, &metrics.last_good_pass);
        registry.register("waits", "What does not happen, by environment and reason", metrics.waits.clone());
        let stale = "How long ago what is served was known to be what refs say";
        registry.register_with_unit("staleness", stale, Unit::Seconds, metrics.staleness.clone());
        registry.register("agents", "Agents that are served", metrics.agents.clone());
        registry.register("height", "Height of the accepted head", metrics.height.clone());
        registry.register("ready", "Whether what is served has been read", metrics.ready.clone());
        let deliveries = "Deliveries that a target took, and attempts that failed";
        registry.register("target_deliveries", deliveries, metrics.deliveries.clone());
        let behind = "How long a target has held something else than it should";
        registry.register_with_unit("target_behind", behind, Unit::Seconds, metrics.target_behind.clone());
        let height = "Height of the deployment that a target said it holds";
        registry.register("target_height", height, metrics.target_height.clone());
        let letters = "Messages that were given up and are kept for a person";
        registry.register("target_dead_letters", letters, metrics.target_dead_letters.clone());
        registry.register("webhooks", "Webhooks of forges, by what became of them", metrics.webhooks.clone());
        registry.register("events", "What happened, by kind", metrics.told.0.clone());
        registry.register("config_requests", "Requests for one agent's config, by answer", answers);
        let refused = "Requests without a token that may read, from a foreign host name, or too long";
        registry.register("refused_requests", refused, metrics.refused_requests.clone());
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register("watchers", "Open event streams", metrics.watchers.clone());
        registry.register("repository_objects", "Objects of the repository", metrics.repository_objects.clone());
        let packs = "Size of the repository's packs";
        registry.register_with_unit("repository_pack", packs, Unit::Bytes, metrics.repository_pack_bytes.clone());
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    /// Counts one pass.
    pub fn pass_ended(&self, report: &PassReport) {
        let result = if report.failure.is_none() { "ok" } else { "failed" };
        self.passes.get_or_create(&OfPass { result, cause: report.wake.word() }).inc();
        self.pass_duration.observe(report.took.as_secs_f64());
        let began = since_1970(report.began);
        self.last_pass.set(began);
        if report.failure.is_none() {
            self.last_good_pass.set(began);
        }
    }

    /// Counts one webhook. Both words are from closed lists.
    pub fn webhook(&self, forge: &'static str, result: &'static str) {
        self.webhooks.get_or_create(&OfHook { forge, result }).inc();
    }

    /// Everything as OpenMetrics text, with what `status`, `snapshot` and `deliveries` say at `now`.
    pub fn render(
        &self,
        status: &Status,
        snapshot: &Snapshot,
        deliveries: &[Delivery],
        now: jiff::Timestamp,
    ) -> String {
        let _alone = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready.set(i64::from(status.ready));
        self.waits.clear();
        for wait in &status.waits {
            let labels = OfWait { environment: wait.environment.to_string(), code: wait.code.to_string() };
            self.waits.get_or_create(&labels).inc();
        }
        self.staleness.clear();
        self.agents.clear();
        self.height.clear();
        for (name, environment) in &snapshot.environments {
            let labels = OfEnvironment { environment: name.to_string() };
            self.staleness.get_or_create(&labels).set(status.staleness(name, now).as_secs_f64());
            self.agents.get_or_create(&labels).set(i64::try_from(environment.agents.len()).unwrap_or(i64::MAX));
            self.height.get_or_create(&labels).set(i64::try_from(environment.height).unwrap_or(i64::MAX));
        }
        self.set_deliveries(deliveries, now);
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a string takes all that is written to it");
        out
    }

    /// Sets what is told of targets. Their workers count; the counters here are made anew from that, so that those of a
    /// target that was taken out of the operator's file go with it.
    fn set_deliveries(&self, deliveries: &[Delivery], now: jiff::Timestamp) {
        self.deliveries.clear();
        self.target_behind.clear();
        self.target_height.clear();
        self.target_dead_letters.clear();
        for delivery in deliveries {
            let (target, environment) = (&delivery.target, delivery.environment.to_string());
            for (result, count) in [("delivered", delivery.delivered), ("failed", delivery.failed)] {
                let labels = OfDelivery { target: target.clone(), environment: environment.clone(), result };
                self.deliveries.get_or_create(&labels).inc_by(count);
            }
            let labels = OfTarget { target: target.clone(), environment };
            self.target_behind.get_or_create(&labels).set(delivery.behind(now).as_secs_f64());
            if let Some(held) = delivery.held {
                self.target_height.get_or_create(&labels).set(i64::try_from(held.height).unwrap_or(i64::MAX));
            }
            let letters = i64::try_from(delivery.dead_letters).unwrap_or(i64::MAX);
            self.target_dead_letters.get_or_create(&labels).set(letters);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a microsecond more or less does not matter to a graph")]
fn since_1970(at: jiff::Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::live::{Deliveries, HeldDeployment, Wake};
    use crate::plan::Wait;

    #[test]
    fn a_scrape_says_what_is_so_now_and_forgets_what_was() {
        let metrics = Metrics::default();
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let mut report = PassReport {
            number: 1,
            wake: Wake::Webhook,
            began: at(1000),
            took: Duration::from_millis(20),
            steps: Vec::new(),
            failure: None,
        };
        metrics.pass_ended(&report);
        report.failure = Some(crate::live::Failure { message: "no".to_owned(), hint: None });
        report.began = at(2000);
        metrics.pass_ended(&report);
        metrics.webhook("github", "accepted");
        metrics.told.one("moved");
        metrics.config.served.inc();
        let mut status = Status::starting(at(1000));
        status.ready = true;
        status.waits.push(Wait {
            environment: "live".parse().unwrap(),
            agent: None,
            version: None,
            code: "soak".into(),
            reason: String::new(),
            until: None,
        });
        let text = metrics.render(&status, &Snapshot::default(), &[], at(3000));
        for line in [
            "pointsman_passes_total{result=\"ok\",cause=\"webhook\"} 1",
            "pointsman_passes_total{result=\"failed\",cause=\"webhook\"} 1",
            "pointsman_pass_duration_seconds_count 2",
            "pointsman_last_pass_timestamp_seconds 2000.0",
            "pointsman_last_successful_pass_timestamp_seconds 1000.0",
            "pointsman_waits{environment=\"live\",code=\"soak\"} 1",
            "pointsman_webhooks_total{forge=\"github\",result=\"accepted\"} 1",
            "pointsman_events_total{kind=\"moved\"} 1",
            "pointsman_config_requests_total{result=\"served\"} 1",
            "pointsman_repository_pack_bytes 0",
            "pointsman_ready 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        status.waits.clear();
        assert!(!metrics.render(&status, &Snapshot::default(), &[], at(3000)).contains("soak"));
    }

    #[test]
    fn a_scrape_says_how_each_target_is_doing_and_forgets_one_that_is_gone() {
        let (metrics, deliveries) = (Metrics::default(), Deliveries::default());
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let live: crate::domain::EnvironmentName = "live".parse().unwrap();
        let mut edge = deliveries.begin("edge".to_owned(), "directory", live.clone());
        edge.held = Some(HeldDeployment { commit: "1".repeat(40).parse().unwrap(), height: 6 });
        edge.behind_since = Some(at(1000));
        edge.delivered = 6;
        edge.failed = 2;
        deliveries.set(edge);
        let mut told = deliveries.begin("told".to_owned(), "webhook", live.clone());
        told.dead_letters = 1;
        deliveries.set(told);
        let scrape = || metrics.render(&Status::starting(at(0)), &Snapshot::default(), &deliveries.all(), at(1090));
        let edge = "target=\"edge\",environment=\"live\"";
        // A second scrape adds nothing to what was counted.
        for text in [scrape(), scrape()] {
            for line in [
                format!("pointsman_target_deliveries_total{{{edge},result=\"delivered\"}} 6"),
                format!("pointsman_target_deliveries_total{{{edge},result=\"failed\"}} 2"),
                format!("pointsman_target_behind_seconds{{{edge}}} 90.0"),
                format!("pointsman_target_height{{{edge}}} 6"),
                format!("pointsman_target_dead_letters{{{edge}}} 0"),
                "pointsman_target_behind_seconds{target=\"told\",environment=\"live\"} 0.0".to_owned(),
                "pointsman_target_dead_letters{target=\"told\",environment=\"live\"} 1".to_owned(),
            ] {
                assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
            }
            // Nobody said yet what it holds.
            assert!(!text.contains("pointsman_target_height{target=\"told\""), "{text}");
        }
        deliveries.forget("edge", &live);
        assert!(!scrape().contains("edge"));
    }
}
