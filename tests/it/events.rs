//! What is told of: every move, refusal, hold and heal, whoever decided it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::env::World;

/// A reader of `/events`, from the beginning.
struct Events(std::io::Lines<BufReader<TcpStream>>);

impl Events {
    fn of(daemon: &Daemon) -> Self {
        let mut line = TcpStream::connect(&daemon.address).unwrap();
        line.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = "GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\n\r\n";
        line.write_all(head.as_bytes()).unwrap();
        Events(BufReader::new(line).lines())
    }

    /// Reads on until one of `kind` about `agent` comes.
    fn until(&mut self, kind: &str, agent: &str) -> Value {
        loop {
            let line = self.0.next().expect("the stream goes on").expect("an event comes in time");
            let event = line.strip_prefix("data:").and_then(|text| serde_json::from_str::<Value>(text).ok());
            if let Some(event) = event.filter(|event| event["kind"] == kind && event["agent"] == agent) {
                return event;
            }
        }
    }
}

#[test]
fn what_commands_decide_is_told_as_what_the_loop_decides() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    let daemon = Daemon::start(&world, &repo.dir, &[]);
    let mut events = Events::of(&daemon);

    // The command runs the pass, so the loop finds everything done.
    repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Two\"\n");
    repo.pointsman(&["publish", "support"]).ok();
    assert_eq!(events.until("accepted", "support")["version"], 2);
    assert_eq!(events.until("moved", "support")["version"], 2);

    // A lightweight tag is refused, whoever looks first.
    repo.git(&["tag", "support/v3"]);
    assert!(events.until("refused", "support")["text"].as_str().unwrap().contains("support/v3"));

    repo.pointsman(&["hold", "support", "--env", "sandbox", "--reason", "campaign"]).ok();
    assert_eq!(events.until("held", "support")["environment"], "sandbox");

    repo.pointsman(&["revoke", "support", "v1"]).ok();
    events.until("marked", "support");

    let commit = repo.git(&["commit-tree", "-p", "env/sandbox", "-m", "By hand", "main^{tree}"]);
    repo.git(&["update-ref", "refs/heads/env/sandbox", commit.stdout.trim()]);
    let mut healed = Events::of(&daemon);
    loop {
        let line = healed.0.next().expect("the stream goes on").expect("an event comes in time");
        if line.starts_with("data:") && line.contains("\"healed\"") && line.contains("sandbox") {
            break;
        }
    }
}
