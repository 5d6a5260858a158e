//! Traces: a span for each pass and for each attempt of a delivery, with what was logged in it. They are sent in
//! batches by a thread of their own. Nobody waits for the collector: a queue that is full drops spans.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};

use super::Told;
use super::transport::{LIMIT, Transport};
use crate::operator::{self, Outgoing};

/// How long the last batch may take when the process ends.
const LAST_BATCH: Duration = Duration::from_secs(2);

/// Sends the last batch when it is dropped.
pub(super) struct Traces(SdkTracerProvider);

/// Begins to send traces, by `runtime`'s threads. The other half is where spans come in.
pub(super) fn begin(
    collector: &operator::Telemetry,
    outgoing: &Outgoing,
    runtime: &Handle,
) -> Result<(Traces, Told), String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Transport::new(outgoing, runtime))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&collector.traces)
        .with_timeout(LIMIT)
        .build()
        .map_err(|error| format!("traces cannot be sent: {error}"))?;
    let resource = Resource::builder()
        .with_service_name(collector.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    // Libraries have spans too, those of the HTTP client that sends these among them.
    let ours = filter_fn(|metadata| {
        metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME")) && *metadata.level() <= LevelFilter::INFO
    });
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("pointsman"));
    let spans = spans.with_location(false).with_threads(false).with_tracked_inactivity(false);
    Ok((Traces(provider), spans.with_filter(ours.with_max_level_hint(LevelFilter::INFO)).boxed()))
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What a collector does not take in this time is lost, as it is when the process is killed.
        let _ = self.0.shutdown_with_timeout(LAST_BATCH);
    }
}
