//! Connections over real sockets: watching, draining, limits.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::http::testing::{Place, TOKEN, app, app_with, guarded, snapshot};
use crate::live::EventKind;
use crate::operator::Settings;

struct Server {
    app: Arc<App>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<io::Result<()>>,
}

impl Server {
    fn start(app: Arc<App>) -> Self {
        Self::with(app, axum::Router::new())
    }

    fn with(app: Arc<App>, more: axum::Router) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let ended = tokio::spawn(serve(listener, Arc::clone(&app), more, shutdown, Duration::from_secs(60)));
        Server { app, address, stop, ended }
    }

    async fn connect(&self, request: &str) -> Caller {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
        Caller(BufReader::new(stream))
    }

    /// An event stream, its head read.
    async fn watch(&self, path: &str, last: &str) -> Caller {
        let last = if last.is_empty() { String::new() } else { format!("Last-Event-ID: {last}\n") };
        let mut line = self.connect(&format!("GET {path} HTTP/1.1\nHost: localhost\n{last}\n")).await;
        let head = line.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        line
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
        assert_eq!(self.app.live.metrics.connections.get(), 0);
        assert_eq!(self.app.live.metrics.watchers.get(), 0);
    }

    fn move_to(&self, height: u64, version: u32) {
        let agents = &[("support", version)];
        self.app.live.publish(snapshot(&[Place { height, agents, retired: &["old"], ..Place::default() }]));
    }
}

struct Caller(BufReader<TcpStream>);

impl Caller {
    /// Everything up to `end`, or to the end.
    async fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) && self.0.read_line(&mut text).await.unwrap() > 0 {}
        text
    }

    /// The next event, chunk sizes left out.
    async fn event(&mut self) -> String {
        loop {
            let text = self.until("\n\n").await;
            let lines: Vec<&str> = text.lines().filter(|line| line.contains(": ")).collect();
            if !lines.is_empty() || text.is_empty() {
                return lines.join("\n");
            }
        }
    }

    async fn rest(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).await.unwrap();
        text
    }
}

fn id_of(event: &str) -> String {
    event.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
}

#[tokio::test]
async fn a_watcher_hears_at_once_and_of_each_change_and_goes_on_where_it_was() {
    let server = Server::start(app());
    let mut watcher = server.watch("/watch/live/support", "").await;
    let first = watcher.event().await;
    assert!(first.starts_with("event: version\n") && first.contains("\"version\":7"), "{first}");
    server.move_to(6, 8);
    let second = watcher.event().await;
    assert!(second.contains("\"version\":8"), "{second}");
    drop(watcher);
    // Back with the newest id: nothing is told again, the next change is.
    let mut back = server.watch("/watch/live/support", &id_of(&second)).await;
    server.move_to(7, 9);
    assert!(back.event().await.contains("\"version\":9"));
    // Back with an older one: the present, without what lay between.
    let mut late = server.watch("/watch/live/support", &id_of(&first)).await;
    assert!(late.event().await.contains("\"version\":9"));
    server.end().await;
}

#[tokio::test]
async fn an_environment_s_watcher_hears_of_moves_and_retirements() {
    let server = Server::start(app());
    let mut watcher = server.watch("/watch/live", "").await;
    let whole = watcher.event().await;
    assert!(whole.starts_with("event: snapshot\n") && whole.contains("emea/billing"), "{whole}");
    server.move_to(6, 8);
    let change = watcher.event().await;
    assert!(change.starts_with("event: change\n") && change.contains("\"retired\":[\"emea/billing\"]"), "{change}");
    assert!(change.contains("\"agents\":{\"support\":{\"version\":8"), "{change}");
    let mut gone = server.watch("/watch/live/old", "").await;
    assert!(gone.event().await.starts_with("event: retired\n"));
    server.end().await;
}

#[tokio::test]
async fn events_go_on_after_the_last_one_that_was_seen() {
    let server = Server::start(app());
    let tell = |text: &str| {
        let at = jiff::Timestamp::now();
        server.app.live.events.tell(at, EventKind::Moved, None, None, None, text.to_owned());
    };
    tell("one");
    tell("two\n\nevent: forged\n\n");
    let mut listener = server.watch("/events", "").await;
    let first = listener.event().await;
    assert!(first.starts_with("event: moved\n") && first.contains("\"text\":\"one\""), "{first}");
    let second = listener.event().await;
    assert!(second.contains("two\\n\\nevent: forged"), "{second}");
    let mut back = server.watch("/events", &id_of(&second)).await;
    tell("three");
    assert!(back.event().await.contains("three"));
    assert!(listener.event().await.contains("three"));
    server.end().await;
}

#[tokio::test]
async fn a_shutdown_finishes_what_was_begun_ends_streams_and_lets_nobody_in() {
    let server = Server::start(app_with(&Settings { listen: "127.0.0.1:0".parse().unwrap(), ..guarded() }));
    let address = server.address;
    let token = format!("Host: x\nAuthorization: Bearer {TOKEN}\n");
    let mut watcher = server.connect(&format!("GET /watch/live HTTP/1.1\n{token}\n")).await;
    assert!(watcher.until("\n\n").await.contains("snapshot"));
    let head = "POST /hooks/gitlab HTTP/1.1\nHost: x\nX-Gitlab-Token: 0123456789abcdef-hook\nContent-Length: 4\n\n12";
    let mut slow = server.connect(head).await;
    let mut idle = server.connect(&format!("GET /config/live HTTP/1.1\n{token}\n")).await;
    assert!(idle.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    // The webhook's head was read before the signal comes: its connection is in the middle of a request.
    while server.app.live.metrics.connections.get() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop.send(()).unwrap();
    assert!(watcher.rest().await.ends_with("0\r\n\r\n"), "the stream ends properly");
    slow.0.write_all(b"34").await.unwrap();
    assert!(slow.rest().await.starts_with("HTTP/1.1 202"));
    server.ended.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_reload_that_takes_tokens_away_ends_the_streams_that_they_opened() {
    let server = Server::start(app_with(&guarded()));
    let request = format!("GET /watch/live HTTP/1.1\nHost: x\nAuthorization: Bearer {TOKEN}\n\n");
    let mut watcher = server.connect(&request).await;
    assert!(watcher.until("\n\n").await.contains("snapshot"));
    server.app.reload(&guarded());
    server.move_to(6, 8);
    assert!(watcher.event().await.contains("change"), "the same tokens end nothing");
    server.app.reload(&Settings::default());
    assert!(watcher.until("0\r\n\r\n").await.ends_with("0\r\n\r\n"));
    server.end().await;
}

#[tokio::test]
async fn one_connection_answers_many_requests_and_nonsense_ends_it() {
    let server = Server::start(app());
    let second = "GET /nothing HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    let line = server.connect(&format!("GET /config/live/support HTTP/1.1\nHost: localhost\n\n{second}")).await;
    let text = line.rest().await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("HTTP/1.1 404"), "{text}");
    for nonsense in ["\u{1}\u{2}\n\n", "GET / HTTP/9.9\n\n", &format!("GET /{} HTTP/1.1\n\n", "a".repeat(100_000))] {
        let answer = server.connect(nonsense).await.rest().await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let many: String = (0..200).map(|n| format!("X-{n}: 1\n")).collect();
    let answer = server.connect(&format!("GET / HTTP/1.1\n{many}\n")).await.rest().await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_owed_the_present_and_no_more() {
    let server = Server::start(app());
    let mut watcher = server.watch("/watch/live/support", "").await;
    assert!(watcher.event().await.contains("\"version\":7"));
    // Far more than the socket and the connection's buffer hold, if all of it were kept.
    for height in 10..60_000 {
        server.move_to(height, u32::try_from(height).unwrap());
        if height % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut told = 0;
    loop {
        let event = watcher.event().await;
        told += 1;
        if event.contains("\"version\":59999") {
            break;
        }
    }
    assert!(told < 59_000, "{told} events were kept for a reader that was not reading");
    server.end().await;
}

/// Time stands still but for what waits for it, so half a minute passes as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn half_a_head_half_a_webhook_and_idle_connections_do_not_stay() {
    let server = Server::start(app_with(&guarded()));
    assert_eq!(server.connect("GET /config/li").await.rest().await, "");
    assert_eq!(server.connect("").await.rest().await, "");
    let used = server.connect("GET /healthz HTTP/1.1\nHost: x\n\n").await.rest().await;
    assert!(used.ends_with("ok\n"), "{used}");
    let head = "POST /hooks/gitlab HTTP/1.1\nHost: x\nX-Gitlab-Token: 0123456789abcdef-hook\nContent-Length: 4\n\n12";
    let half = server.connect(head).await.rest().await;
    assert!(half.starts_with("HTTP/1.1 408") && half.contains("\"code\":\"timeout\""), "{half}");
    server.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_minutes_comes_where_somebody_speaks_for_its_connection() {
    use crate::http::Patience;
    async fn slowly() {
        sleep(Duration::from_secs(200)).await;
    }
    let patient = |line: axum::Extension<Patience>| async move { line.during(slowly()).await };
    let silent = || slowly();
    let more =
        axum::Router::new().route("/patient", axum::routing::get(patient)).route("/silent", axum::routing::get(silent));
    let server = Server::with(app(), more);
    let ask = |path: &str| format!("GET {path} HTTP/1.1\nHost: localhost\n\n");
    let silent = server.connect(&ask("/silent")).await;
    let mut patient = server.connect(&ask("/patient")).await;
    assert_eq!(silent.rest().await, "");
    assert!(patient.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    drop(patient);
    server.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_goes_on_beating() {
    let server = Server::start(app());
    for path in ["/watch/live/support", "/events"] {
        let mut watcher = server.watch(path, "").await;
        assert!(watcher.until(":\n\n").await.ends_with(":\n\n"), "{path}");
        assert!(watcher.until(":\n\n").await.ends_with(":\n\n"), "{path}");
    }
    server.end().await;
}

#[tokio::test]
async fn the_shortcut_answers_as_the_router_does() {
    use crate::http::testing::ask;
    let app = app();
    let server = Server::start(Arc::clone(&app));
    let etag = crate::domain::Digest::of(&crate::http::testing::config("support", 7));
    for (path, host, held) in [
        ("/config/live/support", "localhost", ""),
        ("/config/live/emea%2Fbilling", "localhost", ""),
        ("/config/live/support", "localhost", &*format!("\"{etag}\"")),
        ("/config/live/support", "evil.example", ""),
        ("/config/live/old", "localhost", ""),
        ("/config/live/nobody", "localhost", ""),
        ("/config/nowhere/support", "localhost", ""),
        ("/config/live/%zz", "localhost", ""),
        ("/config/live/", "localhost", ""),
        ("/config//support", "localhost", ""),
        (&format!("/config/live/{}", "a".repeat(9000)), "localhost", ""),
    ] {
        let head = format!("GET {path} HTTP/1.1\nHost: {host}\nIf-None-Match: {held}\nConnection: close\n\n");
        let text = server.connect(&head).await.rest().await;
        let (said, body) = text.split_once("\r\n\r\n").unwrap();
        let request = http::Request::get(path).header("host", host).header("if-none-match", held);
        let routed = ask(&app, request.body(axum::body::Body::empty()).unwrap()).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {} ", routed.status.as_u16())), "{path}: {said}");
        assert_eq!(body, routed.body, "{path}");
        // axum gives a 304 a length of 0, which hyper takes off again.
        for (name, value) in routed.headers.iter().filter(|(name, _)| *name != "content-length") {
            let line = format!("{name}: {}", value.to_str().unwrap());
            assert!(said.lines().any(|said| said == line), "{path} lacks {line}: {said}");
        }
    }
    server.end().await;
}
