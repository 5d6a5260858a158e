//! Webhooks: signed, told once, tried again, given up visibly; and only to addresses that may be called.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::env::{World, isolated};
use crate::stage::{KEY, PACE, SECRET, Stage, environment, eventually, head, settings};

/// A request that came in.
#[derive(Clone)]
struct Came {
    headers: HeaderMap,
    body: Bytes,
}

impl Came {
    fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// As a receiver checks it, with nothing of ours.
    fn is_signed(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
        mac.update(self.header("webhook-id").as_bytes());
        mac.update(b".");
        mac.update(self.header("webhook-timestamp").as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        let age = jiff::Timestamp::now().as_second() - self.header("webhook-timestamp").parse::<i64>().unwrap();
        self.header("webhook-signature") == format!("v1,{expected}") && (0..300).contains(&age)
    }
}

/// A real server on this machine that answers as it is told: first the given answers, then 204 for ever.
struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    _runtime: tokio::runtime::Runtime,
}

type Answer = fn() -> Response;

impl Receiver {
    fn start(answers: &[Answer]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let came = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::clone(&came);
        let app = axum::Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            seen.lock().unwrap().push(Came { headers, body });
            let answer = answers.lock().unwrap().pop_front();
            async move { answer.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |answer| answer()) }
        });
        runtime.spawn(async move { axum::serve(listener, app).await });
        Receiver { address, came, _runtime: runtime }
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

fn hook(name: &str, address: &SocketAddr) -> String {
    format!(
        "[targets.{name}]\nkind = \"webhook\"\nurl = \"http://{address}/told\"\nsecret = {{ env = \"S\" }}\nenvironments = [\"live\"]\n"
    )
}

const LOOPBACK: &str = "outgoing.allow = [\"127.0.0.0/8\"]\n";

#[test]
fn a_message_is_signed_and_says_what_is_live() {
    let world = World::new();
    let receiver = Receiver::start(&[]);
    let stage = Stage::start(&world.path("state"), &format!("{LOOPBACK}{}", hook("told", &receiver.address)));
    stage.publish(vec![environment("live", 4, &[("support", "a"), ("emea/billing", "b")])]);
    stage.holds("told", "live", 4);
    let first = receiver.came()[0].clone();
    assert!(first.is_signed());
    let json = first.json();
    assert_eq!(json["type"], "environment.changed");
    let data = &json["data"];
    assert_eq!((&data["environment"], &data["height"]), (&"live".into(), &4.into()));
    assert_eq!(data["commit"], head(4).to_string());
    assert_eq!(data["agents"]["support"]["version"], 4);
    assert!(data["agents"]["emea/billing"]["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(data["changed"], serde_json::json!(["emea/billing", "support"]));
    assert!(json["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    // Only what is other now is named as changed.
    let mut next = environment("live", 5, &[("support", "a"), ("emea/billing", "c")]);
    next.agents.insert("support".parse().unwrap(), crate::stage::served("support", 4, "a"));
    stage.publish(vec![next]);
    stage.holds("told", "live", 5);
    assert_eq!(receiver.came().last().unwrap().json()["data"]["changed"], serde_json::json!(["emea/billing"]));
    // What was acknowledged is not told again, also not after a restart.
    stage.stop();
    let before = receiver.came().len();
    let again = Stage::start(&world.path("state"), &format!("{LOOPBACK}{}", hook("told", &receiver.address)));
    again.publish(vec![environment("live", 5, &[("support", "a")])]);
    again.holds("told", "live", 5);
    assert_eq!((before, receiver.came().len()), (2, 2));
}

#[test]
fn every_attempt_has_the_same_id_and_body_across_restarts_too() {
    let world = World::new();
    let receiver = Receiver::start(&[(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()) as Answer; 3]);
    let text = format!("{LOOPBACK}{}", hook("told", &receiver.address));
    let stage = Stage::start(&world.path("state"), &text);
    stage.publish(vec![environment("live", 1, &[("support", "a")])]);
    let state = stage.fails("told", "live", "answered 500");
    assert_eq!(state.wanted, Some(1));
    stage.stop();
    let stage = Stage::start(&world.path("state"), &text);
    stage.publish(vec![environment("live", 1, &[("support", "a")])]);
    stage.holds("told", "live", 1);
    let came = receiver.came();
    assert!(came.len() >= 4);
    assert!(came.iter().all(|one| one.header("webhook-id") == came[0].header("webhook-id")));
    assert!(came.iter().all(|one| one.body == came[0].body && one.is_signed()));
    // Another height is another message.
    stage.publish(vec![environment("live", 2, &[("support", "a")])]);
    stage.holds("told", "live", 2);
    assert_ne!(receiver.came().last().unwrap().header("webhook-id"), came[0].header("webhook-id"));
}

#[test]
fn whatever_a_receiver_answers_it_is_told_in_the_end() {
    let world = World::new();
    let answers: [Answer; 5] = [
        || StatusCode::FOUND.into_response(),
        || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "http://169.254.169.254/secret")]).into_response(),
        || (StatusCode::BAD_GATEWAY, vec![b'x'; 50_000_000]).into_response(),
        || (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "soon, maybe")]).into_response(),
        || StatusCode::from_u16(599).unwrap().into_response(),
    ];
    let receiver = Receiver::start(&answers);
    let stage = Stage::start(&world.path("state"), &format!("{LOOPBACK}{}", hook("told", &receiver.address)));
    stage.publish(vec![environment("live", 1, &[("support", "a")])]);
    // It was a dead letter meanwhile; another height needs nobody.
    eventually("it was given up", || stage.delivery("told", "live").is_some_and(|state| state.dead_letters == 1));
    stage.publish(vec![environment("live", 2, &[("support", "a")])]);
    stage.holds("told", "live", 2);
    assert_eq!(receiver.came().len(), answers.len() + 1);
    assert_eq!(stage.delivery("told", "live").unwrap().dead_letters, 0);
}

/// A server that takes a connection, writes `words`, and then holds it.
fn rude(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(words);
            if !words.is_empty() {
                // Endless headers, as long as somebody reads them.
                while words.starts_with(b"HTTP") && stream.write_all(b"X-More: and more and more\r\n").is_ok() {}
            }
            held.push(stream);
        }
    });
    address
}

#[test]
fn a_target_that_hangs_or_talks_nonsense_never_delays_another() {
    let world = World::new();
    let (silent, garbage, endless) = (rude(b""), rude(b"\x00\xffgarbage\r\n\r\n"), rude(b"HTTP/1.1 200 OK\r\n"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let well = Receiver::start(&[]);
    let mut text = LOOPBACK.to_owned();
    for (name, address) in [
        ("silent", &silent),
        ("garbage", &garbage),
        ("endless", &endless),
        ("closed", &closed),
        ("well", &well.address),
    ] {
        text.push_str(&hook(name, address));
    }
    text.push_str(&format!("[targets.edge]\nkind = \"directory\"\npath = \"{}\"\n", world.path("edge").display()));
    text.push_str("[targets.bus]\nkind = \"nats\"\n");
    text.push_str(&format!("url = \"nats://{silent}\"\n"));
    let stage = Stage::start(&world.path("state"), &text);
    for height in 1..=20 {
        stage.publish(vec![environment("live", height, &[("support", "a")])]);
        stage.holds("edge", "live", height);
        stage.holds("well", "live", height);
    }
    for name in ["garbage", "closed", "endless"] {
        stage.fails(name, "live", "127.0.0.1");
    }
    // The one that is silent was asked and has not failed yet, or not often; all the others went on meanwhile.
    let state = stage.delivery("silent", "live").unwrap();
    assert!(state.confirmed.is_none() && state.behind_since.is_some());
}

#[test]
fn a_message_that_is_given_up_is_kept_listed_and_sent_again() {
    let world = World::new();
    let receiver = Receiver::start(&[(|| StatusCode::SERVICE_UNAVAILABLE.into_response()) as Answer; 4]);
    let state = world.path("state");
    let stage = Stage::start(&state, &format!("{LOOPBACK}{}", hook("told", &receiver.address)));
    stage.publish(vec![environment("live", 3, &[("support", "a")])]);
    eventually("it is given up", || stage.delivery("told", "live").is_some_and(|one| one.dead_letters == 1));
    let given_up = stage.delivery("told", "live").unwrap();
    let wait = given_up.next_try.unwrap().duration_since(jiff::Timestamp::now());
    assert!(wait.as_hours() >= 5, "it is left in peace: {wait}");

    let pointsman = |args: &[&str]| {
        let mut command = isolated(env!("CARGO_BIN_EXE_pointsman"), &world.home());
        crate::env::Ended::of(command.arg("deliveries").arg("--state").arg(&state).args(args).output().unwrap())
    };
    let listed = pointsman(&["--json"]).ok().json();
    let letter = &listed["deadLetters"][0];
    assert_eq!((&letter["target"], &letter["height"]), (&"told".into(), &3.into()));
    assert_eq!(letter["attempts"], 4);
    assert!(letter["failure"].as_str().unwrap().contains("503"));
    let id = letter["id"].as_str().unwrap();
    assert!(pointsman(&[]).ok().stdout.contains(id));
    pointsman(&["--replay", "../../../etc/passwd"]).refused("no dead letter", "pointsman deliveries");
    pointsman(&["--replay", id]).ok();
    stage.holds("told", "live", 3);
    let came = receiver.came();
    assert_eq!(came.len(), 5);
    assert!(came.iter().all(|one| one.header("webhook-id") == id && one.body == came[0].body));
    assert_eq!(pointsman(&["--json"]).ok().json()["deadLetters"], serde_json::json!([]));
    assert_eq!(stage.delivery("told", "live").unwrap().dead_letters, 0);
}

#[test]
fn a_wait_that_the_receiver_asks_for_is_kept_within_bounds() {
    let world = World::new();
    let receiver =
        Receiver::start(&[|| (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "99999999")]).into_response()]);
    let stage = Stage::start(&world.path("state"), &format!("{LOOPBACK}{}", hook("told", &receiver.address)));
    stage.publish(vec![environment("live", 1, &[])]);
    let state = stage.fails("told", "live", "429");
    let wait = state.next_try.unwrap().duration_since(jiff::Timestamp::now());
    assert!((50..=60).contains(&wait.as_mins()), "{wait}");
}

#[test]
fn addresses_that_may_not_be_called_are_not_called_whatever_leads_there() {
    let world = World::new();
    let receiver = Receiver::start(&[]);
    // The name is allowed, and leads to this machine.
    let port = receiver.address.port();
    let named = hook("told", &receiver.address).replace("127.0.0.1", "localhost");
    for allow in ["", "outgoing.allow = [\"localhost\"]\n", "outgoing.allow = [\"localhost\", \"10.0.0.0/8\"]\n"] {
        let stage = Stage::start(&world.path("state"), &format!("{allow}{named}"));
        stage.publish(vec![environment("live", 1, &[])]);
        let failure = stage.fails("told", "live", "may not be called").failure.unwrap();
        let hint = failure.hint.unwrap();
        assert!(hint.contains("outgoing.allow") && (hint.contains("127.0.0.1") || hint.contains("::1")), "{hint}");
    }
    assert!(receiver.came().is_empty());
    // The same target, once the address is on the list.
    let stage = Stage::start(&world.path("other"), &format!("outgoing.allow = [\"127.0.0.1\", \"::1\"]\n{named}"));
    stage.publish(vec![environment("live", 1, &[])]);
    stage.holds("told", "live", 1);
    // And so for the other kinds.
    for text in [format!("nats://127.0.0.1:{port}"), format!("nats://localhost:{port}")] {
        let bus = format!("[targets.bus]\nkind = \"nats\"\nurl = \"{text}\"\n");
        if text.contains("localhost") {
            let stage = Stage::start(&world.path("bus"), &bus);
            stage.publish(vec![environment("live", 1, &[])]);
            stage.fails("bus", "live", "may not be called");
        } else {
            let read = |_: &pointsman::operator::SecretSource| Ok(SECRET.to_owned());
            let mistake = pointsman::operator::Settings::parse(&bus, &read).unwrap_err();
            assert!(mistake.message.contains("may not be called"), "{mistake:?}");
        }
    }
}

#[test]
fn secrets_are_in_no_state_event_log_or_file() {
    let world = World::new();
    let receiver = Receiver::start(&[(|| StatusCode::UNAUTHORIZED.into_response()) as Answer; 5]);
    let state = world.path("state");
    let text = format!("{LOOPBACK}{}", hook("told", &receiver.address).replace("/told", "/path-canary"));
    let stage = Stage::start(&state, &text);
    stage.publish(vec![environment("live", 1, &[("support", "a")])]);
    eventually("it is given up", || stage.delivery("told", "live").is_some_and(|one| one.dead_letters == 1));
    let mut told = serde_json::to_string(&stage.live.deliveries.all()).unwrap();
    for event in stage.live.events.after(0).0 {
        told.push_str(&event.text);
    }
    let mut folders = vec![state];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                told.push_str(&std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    assert!(told.contains("401"));
    assert!(!told.contains("canary") && !told.contains(SECRET.trim_start_matches("whsec_")), "{told}");
    assert!(!format!("{:?}", settings(&text)).contains("Y2FuYXJ5"));
}

#[test]
fn the_example_of_the_operators_file_is_right_and_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/pointsman.example.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let read = |_: &pointsman::operator::SecretSource| Ok(SECRET.to_owned());
    let parse = |text: &str| pointsman::operator::Settings::parse(text, &read);
    parse(&text).unwrap_or_else(|mistake| panic!("as it is: {mistake:?}"));
    // A comment that is a setting begins with `#` and no blank.
    let setting = |line: &str| {
        line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' ')).unwrap_or(line).to_owned()
    };
    let whole = text.lines().map(setting).collect::<Vec<_>>().join("\n");
    let traces = cfg!(feature = "opentelemetry");
    let whole = if traces { whole } else { without_telemetry(&whole, parse(&whole).unwrap_err()) };
    let settings = parse(&whole).unwrap_or_else(|mistake| panic!("with every setting: {mistake:?}"));
    assert_eq!(settings.telemetry.is_some(), traces);
    let kinds: std::collections::BTreeSet<_> = settings.targets.iter().map(|one| one.destination.kind()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["directory", "git", "nats", "webhook"]);
    assert!(settings.hooks.github.is_some() && settings.hooks.gitlab.is_some() && settings.hooks.gitea.is_some());
    assert!(settings.remote.is_some() && settings.state.is_some() && !settings.read_tokens.is_empty());
    assert!(settings.models["house-model"].key.is_some());
    assert!(!settings.outgoing.allow.is_empty() && PACE.attempts > 0);
}

/// The example as a program that was built without traces takes it; that it refused the rest is `mistake`.
fn without_telemetry(whole: &str, mistake: pointsman::operator::Mistake) -> String {
    assert!(mistake.hint.is_some_and(|hint| hint.contains("--features opentelemetry")), "{}", mistake.message);
    let (before, rest) = whole.split_once("[telemetry]\notlp_endpoint = ").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    format!("{before}{after}")
}
