//! `[telemetry]` of the operator's file: where traces go. A program that was built without them refuses the table, so
//! that nobody waits for traces that never come.

use serde::Deserialize;

use super::address::called;
use super::{Mistake, Outgoing};

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Where the collector takes traces: the address in the file and `/v1/traces`, as OTLP over HTTP says.
    pub traces: String,
    /// The name that the collector knows this controller by (`service.name`).
    pub service_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TelemetryTable {
    otlp_endpoint: String,
    service_name: Option<String>,
}

/// The settings in `table`; `built` says whether this program can send traces at all.
pub(super) fn telemetry(table: TelemetryTable, outgoing: &Outgoing, built: bool) -> Result<Telemetry, Mistake> {
    if !built {
        return Err(Mistake::new("`telemetry` is in the file, but this program was built without OpenTelemetry")
            .hint("build it with: cargo build --release --locked --features opentelemetry"));
    }
    let address = table.otlp_endpoint;
    let wrong = |what: &str| Mistake::new(format!("`telemetry.otlp_endpoint` {what}"));
    let place = called(&address, &[("https", 443), ("http", 80)]).map_err(|error| match error.as_str() {
        "holds a password" => wrong(&error).hint("what the collector asks for goes into OTEL_EXPORTER_OTLP_HEADERS"),
        _ => wrong(&error).hint("write it as `http://127.0.0.1:4318`"),
    })?;
    if address.contains(['?', '#']) {
        return Err(wrong("holds more than a path").hint("leave out `?`, `#` and what follows"));
    }
    if !outgoing.allows_host(&place.host) {
        return Err(wrong(&format!("names `{}`, which may not be called", place.host))
            .hint(format!("add \"{}\" to `outgoing.allow`", place.host)));
    }
    let service_name = table.service_name.unwrap_or_else(|| "pointsman".to_owned());
    if service_name.trim().is_empty() {
        return Err(Mistake::new("`telemetry.service_name` is empty").hint("leave the line out for `pointsman`"));
    }
    Ok(Telemetry { traces: format!("{}/v1/traces", address.trim_end_matches('/')), service_name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, built: bool) -> Result<Telemetry, Mistake> {
        let outgoing = Outgoing { allow: vec!["127.0.0.1".parse().unwrap(), "otel.example.com".parse().unwrap()] };
        telemetry(toml::from_str(text).unwrap(), &outgoing, built)
    }

    #[test]
    fn the_address_is_a_base_and_the_name_has_a_default() {
        let collector =
            |traces: &str, name: &str| Ok(Telemetry { traces: traces.to_owned(), service_name: name.to_owned() });
        let here = collector("http://127.0.0.1:4318/v1/traces", "pointsman");
        assert_eq!(read("otlp_endpoint = \"http://127.0.0.1:4318\"", true), here);
        assert_eq!(read("otlp_endpoint = \"http://127.0.0.1:4318/\"", true), here);
        let there = "otlp_endpoint = \"https://otel.example.com/team\"\nservice_name = \"agents\"";
        assert_eq!(read(there, true), collector("https://otel.example.com/team/v1/traces", "agents"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_never_ignored() {
        let refused = |address: &str| read(&format!("otlp_endpoint = \"{address}\""), true).unwrap_err();
        for (address, words) in [
            ("127.0.0.1:4318", "telemetry.otlp_endpoint"),
            ("grpc://127.0.0.1:4317", "does not begin with https:// or http://"),
            ("http://127.0.0.1:4318/?token=x", "more than a path"),
            ("http://10.0.0.1:4318", "names `10.0.0.1`, which may not be called"),
        ] {
            let mistake = refused(address);
            assert!(mistake.message.contains(words) && mistake.hint.is_some(), "{address}: {mistake:?}");
        }
        let password = refused("https://me:canary@otel.example.com");
        assert!(!format!("{password:?}").contains("canary"));
        assert!(read("otlp_endpoint = \"http://127.0.0.1:4318\"\nservice_name = \" \"", true).is_err());
        let unbuilt = read("otlp_endpoint = \"http://127.0.0.1:4318\"", false).unwrap_err();
        assert!(unbuilt.hint.unwrap().contains("--features opentelemetry"));
    }
}
