//! Buckets of a real `nats-server`, started by the test itself.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use async_nats::jetstream::{self, kv};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Runtime;

use crate::env::World;
use crate::stage::{Stage, environment, eventually, head};
use pointsman::domain::Digest;

/// A server with JetStream on a port of its own; killed when dropped.
struct Server {
    child: Option<Child>,
    port: u16,
    store: PathBuf,
    runtime: Runtime,
}

impl Server {
    /// One that is not started yet.
    fn at(world: &World) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Server { child: None, port, store: world.path("jetstream"), runtime }
    }

    fn start(&mut self) {
        let mut command = Command::new("nats-server");
        command.args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"]).arg(&self.store);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("apt-get install nats-server"));
        eventually("the server listens", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn operators_file(&self) -> String {
        format!(
            "outgoing.allow = [\"127.0.0.1\"]\n[targets.bus]\nkind = \"nats\"\nurl = \"nats://127.0.0.1:{}\"\n",
            self.port
        )
    }

    fn context(&self) -> jetstream::Context {
        let client = self.runtime.block_on(async_nats::connect(format!("127.0.0.1:{}", self.port))).unwrap();
        let _inside = self.runtime.enter();
        jetstream::new(client)
    }

    fn bucket(&self) -> kv::Store {
        let context = self.context();
        self.runtime.block_on(context.get_key_value("pointsman-live")).unwrap()
    }

    fn do_with<T>(&self, work: impl AsyncFnOnce(kv::Store) -> T) -> T {
        let bucket = self.bucket();
        self.runtime.block_on(work(bucket))
    }

    /// Whether there is a bucket with as many values as a deployment of [`AGENTS`] has. Asked key by key: a server of
    /// version 2.9 may send nothing to those who watch a bucket that was deleted and made again.
    fn has_all(&self) -> bool {
        let context = self.context();
        self.runtime.block_on(async {
            let Ok(bucket) = context.get_key_value("pointsman-live").await else { return false };
            for key in AGENTS.map(|(agent, _)| agent).into_iter().chain(["_routes", "_environment"]) {
                if !bucket.get(key).await.is_ok_and(|value| value.is_some()) {
                    return false;
                }
            }
            true
        })
    }

    /// Everything that has a value.
    fn values(&self) -> BTreeMap<String, Vec<u8>> {
        self.do_with(async |bucket| {
            let keys: Vec<String> = bucket.keys().await.unwrap().try_collect().await.unwrap();
            let values = futures_util::stream::iter(keys).then(async |key| {
                let value = bucket.get(key.as_str()).await.unwrap().unwrap_or_default();
                (key, value.to_vec())
            });
            values.collect().await
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

const AGENTS: [(&str, &str); 3] = [("support", "hello"), ("emea/billing", "guten Tag"), ("a.b_c-d/e", "x")];

#[test]
fn a_bucket_holds_what_is_live() {
    let world = World::new();
    let mut server = Server::at(&world);
    server.start();
    let stage = Stage::start(&world.path("state"), &server.operators_file());
    stage.publish(vec![environment("live", 3, &AGENTS)]);
    stage.holds("bus", "live", 3);
    let live = environment("live", 3, &AGENTS);
    let values = server.values();
    assert_eq!(values.len(), AGENTS.len() + 2);
    for (agent, served) in &live.agents {
        let value = String::from_utf8(values[agent.as_str()].clone()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&value).unwrap();
        assert_eq!((&json["version"], &json["digest"]), (&"v3".into(), &served.digest.to_string().into()));
        // The very bytes that the digest is of.
        assert!(value.starts_with(&format!("{{\"config\":{}", String::from_utf8_lossy(&served.config))));
        assert_eq!(json["record"], serde_json::from_slice::<serde_json::Value>(&served.record).unwrap());
    }
    assert_eq!(values["_routes"], live.routes.document());
    let mark: serde_json::Value = serde_json::from_slice(&values["_environment"]).unwrap();
    assert_eq!((&mark["commit"], &mark["height"]), (&head(3).to_string().into(), &3.into()));
    // What was retired goes, what has not changed is not written again, and the mark comes last.
    let before = server.do_with(async |bucket| bucket.entry("support").await.unwrap().unwrap().revision);
    let mut next = environment("live", 4, &AGENTS[..2]);
    next.agents.insert("support".parse().unwrap(), crate::stage::served("support", 3, "hello"));
    stage.publish(vec![next]);
    stage.holds("bus", "live", 4);
    let values = server.values();
    assert!(!values.contains_key("a.b_c-d/e"));
    server.do_with(async |bucket| {
        assert_eq!(bucket.entry("support").await.unwrap().unwrap().revision, before);
        let mark = bucket.entry("_environment").await.unwrap().unwrap().revision;
        for key in values.keys() {
            assert!(bucket.entry(key.as_str()).await.unwrap().unwrap().revision <= mark, "{key}");
        }
    });
}

#[test]
fn a_server_that_is_down_restarted_or_emptied_is_brought_up_to_date_by_nobody() {
    let world = World::new();
    let mut server = Server::at(&world);
    let stage = Stage::start(&world.path("state"), &server.operators_file());
    stage.publish(vec![environment("live", 1, &AGENTS)]);
    stage.fails("bus", "live", "127.0.0.1");
    server.start();
    stage.holds("bus", "live", 1);
    // Killed; what moved meanwhile is delivered when it is back.
    server.kill();
    stage.publish(vec![environment("live", 2, &AGENTS)]);
    stage.fails("bus", "live", "");
    server.start();
    stage.holds("bus", "live", 2);
    // Its disk is lost.
    server.kill();
    std::fs::remove_dir_all(&server.store).unwrap();
    server.start();
    stage.eventually("everything is there again", || server.has_all());
    stage.holds("bus", "live", 2);
    // Somebody deletes the bucket.
    let context = server.context();
    server.runtime.block_on(context.delete_key_value("pointsman-live")).unwrap();
    stage.eventually("the bucket is there again", || server.has_all());
    stage.holds("bus", "live", 2);
}

#[test]
fn keys_that_were_changed_by_hand_are_put_right() {
    let world = World::new();
    let mut server = Server::at(&world);
    server.start();
    let stage = Stage::start(&world.path("state"), &server.operators_file());
    stage.publish(vec![environment("live", 7, &AGENTS)]);
    stage.holds("bus", "live", 7);
    let right = server.values();
    let higher = String::from_utf8(right["_environment"].clone()).unwrap().replace("\"height\":7", "\"height\":70");
    let edits: [(&str, &str, Option<&str>); 5] = [
        ("another value", "support", Some("{}")),
        ("a key more", "not/ours", Some("x")),
        ("a key less", "emea/billing", None),
        ("a mark of another height", "_environment", Some(&higher)),
        ("no mark", "_environment", None),
    ];
    for (what, key, value) in edits {
        let before = stage.delivery("bus", "live").unwrap().delivered;
        server.do_with(async |bucket| match value {
            Some(value) => drop(bucket.put(key, value.to_owned().into()).await.unwrap()),
            None => bucket.purge(key).await.unwrap(),
        });
        eventually(what, || stage.delivery("bus", "live").unwrap().delivered > before);
        stage.holds("bus", "live", 7);
        assert_eq!(server.values(), right, "{what}");
    }
}

#[test]
fn a_late_controller_changes_no_key() {
    let world = World::new();
    let mut server = Server::at(&world);
    server.start();
    let first = Stage::start(&world.path("one"), &server.operators_file());
    let late = Stage::start(&world.path("two"), &server.operators_file());
    first.publish(vec![environment("live", 5, &AGENTS)]);
    first.holds("bus", "live", 5);
    let right = server.values();
    late.publish(vec![environment("live", 4, &AGENTS[..1])]);
    late.fails("bus", "live", "it holds height 5, which is newer than 4");
    assert_eq!(server.values(), right);
    // Two that are at different heights at every moment: in the end the highest is there, whole.
    for height in 6..=40 {
        let text = height.to_string();
        let agents: Vec<_> = ["support", "emea/billing", "x"].map(|agent| (agent, text.as_str())).to_vec();
        first.publish(vec![environment("live", height, &agents)]);
        let text = (height - 1).to_string();
        let agents: Vec<_> = ["support", "emea/billing", "y"].map(|agent| (agent, text.as_str())).to_vec();
        late.publish(vec![environment("live", height - 1, &agents)]);
    }
    first.holds("bus", "live", 40);
    late.fails("bus", "live", "newer than 39");
    let values = server.values();
    assert_eq!(values.len(), 5);
    for agent in ["support", "emea/billing", "x"] {
        let json: serde_json::Value = serde_json::from_slice(&values[agent]).unwrap();
        assert_eq!(json["config"]["text"], "40");
    }
}

#[test]
fn a_bucket_of_somebody_else_is_left_alone() {
    let world = World::new();
    let mut server = Server::at(&world);
    server.start();
    let context = server.context();
    let config = jetstream::stream::Config {
        name: "KV_pointsman-live".to_owned(),
        subjects: vec!["$KV.pointsman-live.>".to_owned()],
        max_messages_per_subject: 5,
        allow_rollup: true,
        ..jetstream::stream::Config::default()
    };
    server.runtime.block_on(context.create_stream(config)).unwrap();
    let bucket = server.bucket();
    server.runtime.block_on(bucket.put("precious", "mine".into())).unwrap();
    let stage = Stage::start(&world.path("state"), &server.operators_file());
    stage.publish(vec![environment("live", 1, &AGENTS)]);
    let state = stage.fails("bus", "live", "is not ours");
    assert!(state.failure.unwrap().hint.unwrap().contains("bucket_prefix"));
    assert_eq!(server.values(), BTreeMap::from([("precious".to_owned(), b"mine".to_vec())]));
    // Emptied by its owner, it is used as it was configured.
    server.runtime.block_on(bucket.purge("precious")).unwrap();
    stage.holds("bus", "live", 1);
}

/// In the middle of a long delivery somebody newer writes: not one key is written after that.
#[test]
fn a_delivery_stops_at_the_first_write_of_somebody_else() {
    let world = World::new();
    let mut server = Server::at(&world);
    server.start();
    let stage = Stage::start(&world.path("state"), &server.operators_file());
    stage.publish(vec![environment("live", 1, &AGENTS)]);
    stage.holds("bus", "live", 1);
    let bucket = server.bucket();
    let context = server.context();
    let sequence = || {
        let stream = server.runtime.block_on(context.get_stream("KV_pointsman-live")).unwrap();
        stream.cached_info().state.last_sequence
    };
    let begun = sequence();
    let names: Vec<_> = (0..10_000).map(|number| format!("many/agent-{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let check = Digest::of(format!("live {} 9", head(9)).as_bytes());
    let newer = serde_json::json!({
        "environment": "live", "commit": head(9).to_string(), "height": 9, "check": check.to_string(),
    });
    stage.publish(vec![environment("live", 2, &many)]);
    eventually("it has begun", || sequence() > begun);
    let written = server.runtime.block_on(bucket.put("_environment", newer.to_string().into())).unwrap();
    assert!(written < begun + 10_000, "the delivery was over before it could be disturbed");
    stage.fails("bus", "live", "it holds height 9, which is newer than 2");
    assert_eq!(sequence(), written);
}
