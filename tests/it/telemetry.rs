//! What a running controller tells of itself: how each target is doing and, in a program that was built with it, traces
//! to an OpenTelemetry collector.

use crate::daemon::Daemon;
use crate::env::World;

/// An operator's file with one target that can take something and one that cannot.
fn file(world: &World, more: &str) -> String {
    let path = world.path("operator.toml");
    std::fs::write(world.path("in-the-way"), "no folder").unwrap();
    let folder = |name: &str, path: &std::path::Path| {
        let path = path.display();
        format!("[targets.{name}]\nkind = \"directory\"\npath = \"{path}\"\nenvironments = [\"sandbox\"]\n")
    };
    let text = format!(
        "{more}\n{}{}",
        folder("edge", &world.path("edge")),
        folder("broken", &world.path("in-the-way/folder"))
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn status_and_metrics_say_which_target_holds_what_it_should_and_why_another_does_not() {
    let world = World::new();
    let repo = world.repository("shop");
    let file = file(&world, "");
    let daemon = Daemon::start(&world, &repo.dir, &["--config", &file]);
    repo.publish_support("One");
    daemon.serves("sandbox", "support", "v1");
    let delivery = |target: &str| {
        let status = daemon.get("/status").json();
        let all = status["deliveries"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["target"] == target && one["environment"] == "sandbox").unwrap_or_default()
    };
    daemon.eventually("one holds it and the other cannot", || {
        let (edge, broken) = (delivery("edge"), delivery("broken"));
        edge["behindSince"].is_null()
            && edge["held"]["height"] == edge["wanted"]
            && edge["delivered"].as_u64() >= Some(1)
            && broken["failed"].as_u64() >= Some(1)
            && !broken["failure"]["message"].is_null()
    });
    let metrics = daemon.get("/metrics").body;
    let value = |name: &str, target: &str, more: &str| -> Option<f64> {
        let start = format!("pointsman_target_{name}{{target=\"{target}\",environment=\"sandbox\"{more}}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&start))?.parse().ok()
    };
    assert_eq!(value("behind_seconds", "edge", ""), Some(0.0), "{metrics}");
    assert!(value("behind_seconds", "broken", "") > Some(0.0), "{metrics}");
    assert!(value("deliveries_total", "edge", ",result=\"delivered\"") >= Some(1.0), "{metrics}");
    assert_eq!(value("deliveries_total", "broken", ",result=\"delivered\""), Some(0.0), "{metrics}");
    assert!(value("deliveries_total", "broken", ",result=\"failed\"") >= Some(1.0), "{metrics}");
    assert_eq!(value("height", "edge", ""), delivery("edge")["held"]["height"].as_f64());
    assert_eq!(value("height", "broken", ""), None);
}

#[cfg(not(feature = "opentelemetry"))]
#[test]
fn a_program_without_traces_refuses_a_file_that_asks_for_them() {
    let world = World::new();
    let repo = world.repository("shop");
    let file = file(&world, "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n");
    let ended = repo.pointsman(&["serve", "--listen", "127.0.0.1:0", "--config", &file]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("--features opentelemetry"), "{}", ended.stderr);
}

#[cfg(feature = "opentelemetry")]
mod traces {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::servers::free_port;

    /// A collector: keeps what is posted to `/v1/traces`, and answers as OTLP says, with an empty message.
    struct Collector(Arc<Mutex<Vec<u8>>>);

    impl Collector {
        fn start(listener: TcpListener) -> Self {
            let kept = Arc::new(Mutex::new(Vec::new()));
            let keep = Arc::clone(&kept);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let keep = Arc::clone(&keep);
                    std::thread::spawn(move || while take(&stream, &keep).is_some() {});
                }
            });
            Collector(kept)
        }

        /// Whether a span was received that has this name and these texts for attributes.
        fn has(&self, span: &str, attributes: &[(&str, &str)]) -> bool {
            let kept = self.0.lock().unwrap();
            let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
            // `name` is field 5 of a span; what follows up to the next span's name holds its attributes.
            let name = [text(5, span), vec![6 << 3]].concat();
            let starts: Vec<_> = (0..kept.len()).filter(|at| kept[*at..].starts_with(&name)).collect();
            starts.iter().any(|start| {
                let rest = &kept[*start..];
                let end = starts.iter().find(|next| *next > start).map_or(rest.len(), |next| next - start);
                attributes.iter().all(|(key, value)| {
                    let value = text(1, value);
                    let value = [vec![2 << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat();
                    holds(&rest[..end], &[text(1, key), value].concat())
                })
            })
        }
    }

    /// A short text as field `number` of a protobuf message.
    fn text(number: u8, text: &str) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    /// Answers one request; nothing once the other side is done.
    fn take(stream: &TcpStream, keep: &Mutex<Vec<u8>>) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut length, mut first, mut protobuf) = (0, String::new(), false);
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            protobuf |= line == "content-type: application/x-protobuf";
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        assert!(first.starts_with("POST /v1/traces ") && protobuf, "{first}");
        keep.lock().unwrap().extend(body);
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()
    }

    fn settings(world: &World, host: &str, port: u16, allow: &str) -> String {
        let table = format!(
            "outgoing.allow = {allow}\n[telemetry]\notlp_endpoint = \"http://{host}:{port}\"\nservice_name = \"points\"\n"
        );
        file(world, &table)
    }

    /// Batches every fifth of a second instead of every five seconds.
    const OFTEN: [(&str, &str); 1] = [("OTEL_BSP_SCHEDULE_DELAY", "200")];
    const DOWN: &str = "the collector takes no traces";

    #[test]
    fn passes_and_deliveries_reach_the_collector_with_what_they_came_to() {
        let world = World::new();
        let repo = world.repository("shop");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let collector = Collector::start(listener);
        let file = settings(&world, "127.0.0.1", port, "[\"127.0.0.1\"]");
        let daemon = Daemon::start_with(&world, &repo.dir, &["--config", &file], &OFTEN);
        repo.publish_support("One");
        daemon.serves("sandbox", "support", "v1");
        for (span, attributes) in [
            ("pass", &[("wake", "start"), ("result", "ok")][..]),
            ("delivery", &[("to", "edge"), ("kind", "directory"), ("environment", "sandbox"), ("result", "delivered")]),
            ("delivery", &[("to", "broken"), ("result", "failed")]),
        ] {
            daemon.eventually(&format!("{span} with {attributes:?} arrives"), || collector.has(span, attributes));
        }
        assert!(!collector.has("pass", &[("wake", "never")]));
        let kept = String::from_utf8_lossy(&collector.0.lock().unwrap()).into_owned();
        assert!(kept.contains("service.name") && kept.contains("points"));
        // Its own way to the collector is in no trace, or each batch would make the next one.
        assert!(!kept.contains("hyper") && !kept.contains("reqwest"));
        // A line of the log is the same as without traces.
        assert!(!daemon.log().contains("pass{"), "{}", daemon.log());
        assert_eq!(daemon.stop(), Some(0));
    }

    #[test]
    fn what_is_left_is_sent_when_the_controller_ends() {
        let world = World::new();
        let repo = world.repository("shop");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let collector = Collector::start(listener);
        let file = settings(&world, "127.0.0.1", port, "[\"127.0.0.0/8\"]");
        let never = [("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
        let daemon = Daemon::start_with(&world, &repo.dir, &["--config", &file], &never);
        repo.publish_support("One");
        daemon.serves("sandbox", "support", "v1");
        assert_eq!(daemon.stop(), Some(0));
        assert!(collector.has("pass", &[("wake", "start"), ("result", "ok")]));
    }

    #[test]
    fn a_collector_that_is_down_is_told_once_and_holds_nothing_up() {
        let world = World::new();
        let repo = world.repository("shop");
        let port = free_port();
        let file = settings(&world, "127.0.0.1", port, "[\"127.0.0.1\"]");
        let daemon = Daemon::start_with(&world, &repo.dir, &["--config", &file], &OFTEN);
        daemon.eventually("it is told", || daemon.log().contains(DOWN));
        for version in ["v1", "v2", "v3"] {
            repo.publish_support(version);
            daemon.serves("sandbox", "support", version);
        }
        let collector = Collector::start(TcpListener::bind(("127.0.0.1", port)).unwrap());
        daemon.eventually("it goes on by itself", || {
            repo.git(&["tag", "-f", "wake-up"]).ok();
            collector.has("pass", &[("result", "ok")])
        });
        daemon.eventually("that is told", || daemon.log().contains("the collector takes traces again"));
        assert_eq!(daemon.log().matches(DOWN).count(), 1, "{}", daemon.log());
        assert_eq!(daemon.stop(), Some(0));
    }

    #[test]
    fn a_collector_that_never_answers_stops_neither_the_loop_nor_the_end() {
        let world = World::new();
        let repo = world.repository("shop");
        // It is connected to, by the queue of the socket, and never read from.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let file = settings(&world, "127.0.0.1", listener.local_addr().unwrap().port(), "[\"127.0.0.1\"]");
        let daemon = Daemon::start_with(&world, &repo.dir, &["--config", &file], &OFTEN);
        for version in ["v1", "v2", "v3"] {
            repo.publish_support(version);
            daemon.serves("sandbox", "support", version);
        }
        assert_eq!(daemon.stop(), Some(0));
        drop(listener);
    }

    #[test]
    fn a_name_that_leads_to_an_address_that_may_not_be_called_is_not_called() {
        let world = World::new();
        let repo = world.repository("shop");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let file = settings(&world, "localhost", listener.local_addr().unwrap().port(), "[\"localhost\"]");
        let daemon = Daemon::start_with(&world, &repo.dir, &["--config", &file], &OFTEN);
        daemon.eventually("it is told", || daemon.log().contains("may not be called"));
        std::thread::sleep(Duration::from_millis(300));
        assert!(listener.accept().is_err());
    }
}
