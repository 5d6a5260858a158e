//! What the program tells of itself while it runs: the log on standard error and, where the operator's file names a
//! collector, traces over OTLP. Only the command line starts this; everybody else emits `tracing` events and spans.
//!
//! The log holds events only and the traces hold spans with their events: a log line reads the same with and without
//! a collector.

#[cfg(feature = "opentelemetry")]
mod traces;
#[cfg(feature = "opentelemetry")]
mod transport;

use std::io::IsTerminal as _;

use tokio::runtime::Handle;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::operator::Settings;

/// One place that events and spans go to.
type Told = Box<dyn Layer<Registry> + Send + Sync>;

/// Sends what is left when it is dropped, for a moment at most.
pub struct Telemetry {
    #[cfg(feature = "opentelemetry")]
    _traces: Option<traces::Traces>,
}

/// Starts the log of a command. `filter` is written as `pointsman=info`.
pub fn start_log(filter: &str, json: bool) {
    start(vec![log(filter, json)]);
}

/// Starts the log and the traces of a controller. Traces are sent on `runtime`, which must live longer than what is
/// returned. The error is one sentence.
#[cfg(feature = "opentelemetry")]
pub fn start_all(filter: &str, settings: &Settings, runtime: &Handle) -> Result<Telemetry, String> {
    let mut told = vec![log(filter, settings.json_logs)];
    let mut traces = None;
    if let Some(collector) = &settings.telemetry {
        let (begun, layer) = traces::begin(collector, &settings.outgoing, runtime)?;
        told.push(layer);
        traces = Some(begun);
    }
    start(told);
    Ok(Telemetry { _traces: traces })
}

/// Starts the log of a controller. There are no traces in this build, and the operator's file asks for none.
#[cfg(not(feature = "opentelemetry"))]
pub fn start_all(filter: &str, settings: &Settings, _runtime: &Handle) -> Result<Telemetry, String> {
    start(vec![log(filter, settings.json_logs)]);
    Ok(Telemetry {})
}

fn start(told: Vec<Told>) {
    tracing_subscriber::registry().with(told).init();
}

fn log(filter: &str, json: bool) -> Told {
    let events = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(LevelFilter::TRACE);
    let filter = EnvFilter::try_new(filter).unwrap_or_default().and(events);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    if json { log.json().flatten_event(true).with_filter(filter).boxed() } else { log.with_filter(filter).boxed() }
}
