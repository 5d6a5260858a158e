//! `--server`: a controller is driven by the same words, with the same results, as a repository here.

use regex::Regex;

use crate::daemon::Daemon;
use crate::env::{Ended, Repo, World};

/// What may differ between two runs of the same words: ids, times, and who asked by which way.
fn same_for_both(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, shown) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<deployment>"),
        (r"\b[0-9a-f]{40}\b|\b[0-9a-f]{24}\b", "<object>"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>"),
        (r"refs/pointsman/discarded/\S+", "<kept>"),
        (r"tok_[0-9a-f]+@pointsman\.localhost|ada@example\.com", "<email>"),
        (r#""cause": "(cli|api)""#, "\"cause\": <way>"),
        (r"(?m)^controller: .*\n", ""),
        (r#"(?s),\s+"controller": \{.*\}\n\}"#, "\n}"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, shown).into_owned();
    }
    text
}

/// Two repositories that began alike: one where verbs work, and one where a controller does.
struct Two<'w> {
    here: Repo<'w>,
    there: Repo<'w>,
    daemon: Daemon,
}

impl<'w> Two<'w> {
    fn new(world: &'w World) -> Self {
        let (here, there) = (world.repository("here"), world.repository("there"));
        for repo in [&here, &there] {
            repo.write("agents/emea/billing/agent.toml", "name = \"Billing\"\n");
            repo.git(&["add", "-A"]);
            repo.git(&["commit", "-qm", "Add billing"]);
            repo.pointsman(&["reconcile", "--once"]).ok();
        }
        let daemon = Daemon::start(world, &there.dir, &[]);
        Two { here, there, daemon }
    }

    fn write(&self, greeting: &str) {
        for repo in [&self.here, &self.there] {
            repo.write("agents/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
        }
    }

    /// Runs the verb through the server, with the token of its state folder, from within its repository.
    fn remotely(&self, words: &[&str]) -> Ended {
        let server = format!("http://{}", self.daemon.address);
        self.there.pointsman(&[words, &["--server", &server]].concat())
    }

    #[track_caller]
    fn both(&self, line: &str) -> Ended {
        let words: Vec<&str> = line.split(' ').collect();
        let here = self.here.pointsman(&[&words[..], &["--author", "local admin <ada@example.com>"]].concat());
        let there = self.remotely(&words);
        let told = |ended: &Ended| (ended.code, same_for_both(&ended.stdout), same_for_both(&ended.stderr));
        assert_eq!(told(&there), told(&here), "{line}");
        there
    }
}

#[test]
fn a_transcript_reads_the_same_here_and_through_a_server() {
    let world = World::new();
    let two = Two::new(&world);
    two.both("publish support --note First --label one");
    two.both("publish support");
    two.write("Two");
    two.both("diff support");
    two.both("diff support --format unified");
    two.both("publish agents/support/ --note Second --idempotency-key k1");
    two.both("publish support --note Second --idempotency-key k1 --json");
    two.both("publish support --note Other --idempotency-key k1");
    two.both("publish emea/billing --json");
    two.both("versions support");
    two.both("versions support --limit 1 --json");
    two.both("promote support --to live");
    two.both("promote support --to pre-release --dry-run");
    two.both("promote support --to pre-release --reason Try");
    two.both("promote support --to live --confirm --version 2 --json");
    two.both("release support=v1 emea/billing --to pre-release");
    two.both("rollback support");
    two.both("rollback support --env pre-release --to 2 --reason worse");
    two.both("hold emea/billing --env sandbox --reason wait");
    two.both("release-hold emea/billing --env sandbox");
    two.both("retire emea/billing --env pre-release --json");
    two.both("revoke support v1 --reason broken");
    two.both("compare sandbox live");
    two.both("compare sandbox live --all --json");
    two.both("status");
    two.both("status support --json");
    two.both("report support");
    two.both("report support --version 1 --format markdown");
    two.both("report support --json");
    two.both("diff support v1 env:live --fields --exit-code");
    two.both("diff support v1 v2 --json");
    let history = two.both("history");
    assert!(history.stdout.lines().count() > 6, "{history:?}");
    two.both("history support --env live --json");
    two.write("Three");
    two.both("discard support");
    two.both("discard support");
    for repo in [&two.here, &two.there] {
        repo.pointsman(&["verify"]).ok();
    }
}

#[test]
fn refusals_read_the_same_too() {
    let world = World::new();
    let two = Two::new(&world);
    for line in [
        "publish suport",
        "publish",
        "publish Support",
        "versions nobody",
        "promote support --to live --confirm",
        "promote support --to nowhere",
        "rollback support",
        "report support --version 9",
        "diff support v1 v9",
        "compare sandbox nowhere",
        "history --env nowhere",
        "status nobody",
        "discard support",
        "rollback --deployment 01a20517-a15c-7a48-a201-f74c82ea65f5",
        "publish support --idempotency-key a\u{7f}b",
        "hold support --json",
    ] {
        let ended = two.both(line);
        assert_ne!(ended.code, 0, "{line}");
    }
    two.write("{ \n");
    let broken = two.both("publish support");
    assert!(broken.stderr.contains("agents/support/agent.toml:3"), "{}", broken.stderr);
    two.both("report support --json");
}

#[test]
fn what_a_server_cannot_do_is_said_and_a_token_goes_nowhere_else() {
    let world = World::new();
    let two = Two::new(&world);
    for line in ["check", "verify", "reconcile --once", "token list", "schema policy", "init"] {
        let ended = two.remotely(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, 2, "{line}: {ended:?}");
        assert!(ended.stderr.contains("no server can do"), "{line}: {}", ended.stderr);
    }
    for (line, said) in [
        ("status --fetch", "which no server can do"),
        ("diff --all", "which no server can do"),
        ("status --local", "`--local`"),
        ("status --author A<a>", "`--author`"),
        ("history --limit 5000", "1 to 500"),
    ] {
        let ended = two.remotely(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, 2, "{line}: {ended:?}");
        assert!(ended.stderr.contains(said), "{line}: {}", ended.stderr);
    }
    // The administrator's token is for this machine only.
    let elsewhere = two.there.pointsman(&["status", "--server", "https://pointsman.example.com"]);
    assert!(elsewhere.code == 2 && elsewhere.stderr.contains("POINTSMAN_TOKEN"), "{elsewhere:?}");
    let nowhere = two.there.pointsman(&["status", "--server", "http://127.0.0.1:9"]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("cannot reach"), "{nowhere:?}");
    // A token that lacks a scope is told which.
    let reader = two.there.pointsman(&["token", "create", "--name", "ci", "--scope", "agents:read"]).ok().stdout;
    let server = format!("http://{}", two.daemon.address);
    let mut command = two.here.command(&["publish", "support"]);
    command.env("POINTSMAN_SERVER", &server).env("POINTSMAN_TOKEN", reader.trim());
    let refused = Ended::of(command.output().unwrap());
    assert!(refused.code == 1 && refused.stderr.contains("agents:write"), "{refused:?}");
    assert!(!refused.stderr.contains(reader.trim()));
    // And one verb about files is not disturbed by the variable.
    let mut command = two.here.command(&["check"]);
    command.env("POINTSMAN_SERVER", &server);
    Ended::of(command.output().unwrap()).ok();
}
