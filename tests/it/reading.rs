//! The verbs that read: check, diff, report, schema, completions.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::env::{Ended, Repo, World};

/// The program, started in a folder of the repository.
fn inside(repo: &Repo<'_>, folder: &str, args: &[&str]) -> Ended {
    Repo { world: repo.world, dir: repo.path(folder) }.pointsman(args)
}

const BROKEN: &str = "name = \"Support\"\ngreting = \"Hello\"\n";

/// Made here, so that no scanner of this repository finds it.
fn secret() -> String {
    ["sk", "live", "9aB3kLmQ2xYz7PwR4tVu8nCd"].join("_")
}

#[test]
fn check_needs_no_commit() {
    let world = World::new();
    world.git(".", &["init", "-q", "shop"]).ok();
    let repo = Repo { world: &world, dir: world.path("shop") };
    let nothing = repo.pointsman(&["check"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("no agents") && nothing.stderr.contains("pointsman new"), "{}", nothing.stderr);
    repo.write("agents/support/agent.toml", "name = \"Support\"\n");
    repo.write("agents/support/persona.md", "You help.\n");
    assert_eq!(repo.pointsman(&["check"]).ok().stdout, "support: no findings\n");
    repo.write("agents/billing/agent.toml", BROKEN);
    repo.write("agents/billing/persona.md", "You bill.\n");
    let all = repo.pointsman(&["check"]);
    assert_eq!(all.code, 1);
    assert!(all.stdout.ends_with("2 agents: 1 error\n"), "{}", all.stdout);
    assert_ne!(repo.git(&["rev-parse", "--verify", "HEAD"]).code, 0, "check made a commit");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "?? agents/");
}

#[test]
fn check_sees_hundreds_of_agents_that_were_never_committed_and_none_that_is_ignored() {
    let world = World::new();
    world.git(".", &["init", "-q", "shop"]).ok();
    let repo = Repo { world: &world, dir: world.path("shop") };
    // Names that stand around others in every order: `a`, `a-1`, `a/1` would mix up who has files.
    let agents: Vec<String> = (0..450).map(|index| format!("shop{}/a{}", index % 3, index / 3)).collect();
    for agent in &agents {
        repo.write(&format!("agents/{agent}/agent.toml"), "name = \"Agent\"\n");
        repo.write(&format!("agents/{agent}/persona.md"), "You help.\n");
    }
    repo.write(".gitignore", "agents/shop1/a1/\nagents/shop2/a14*/\n");
    let checked = repo.pointsman(&["check", "--json"]).ok().json();
    let seen: Vec<&str> =
        checked["agents"].as_array().unwrap().iter().map(|agent| agent["agent"].as_str().unwrap()).collect();
    let ignored = |agent: &str| agent == "shop1/a1" || agent.starts_with("shop2/a14");
    let mut expected: Vec<&str> = agents.iter().map(String::as_str).filter(|agent| !ignored(agent)).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

#[test]
fn check_takes_the_agent_from_the_folder_it_is_started_in() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/billing/agent.toml", BROKEN);
    assert_eq!(inside(&repo, "agents/support", &["check"]).ok().stdout, "support: no findings\n");
    assert_eq!(inside(&repo, "agents/support", &["check", "--all"]).code, 1);
    assert_eq!(inside(&repo, "agents", &["check"]).code, 1);
    let unknown = repo.pointsman(&["check", "suport"]);
    unknown.refused("no agent `suport`", "did you mean `support`?");
}

#[test]
fn check_speaks_to_people_programs_workflows_and_pull_requests() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/support/agent.toml", BROKEN);
    let text = repo.pointsman(&["check"]);
    assert_eq!(text.code, 1);
    assert!(text.stdout.contains("agents/support/agent.toml:2:1"), "{}", text.stdout);
    assert!(text.stdout.contains("2 | greting = \"Hello\"\n  | ^^^^^^^\n"), "{}", text.stdout);
    assert!(text.stdout.contains("did you mean `greeting`?"), "{}", text.stdout);

    let github = repo.pointsman(&["check", "--format", "github"]);
    let expected = "::error file=agents/support/agent.toml,line=2,col=1,endColumn=8,title=unknown-key::";
    assert!(github.code == 1 && github.stdout.starts_with(expected), "{}", github.stdout);
    assert_eq!(github.stdout.lines().count(), 1, "nothing but annotations may stand on stdout");

    let markdown = repo.pointsman(&["check", "--format", "markdown"]);
    let expected = "### `support`: 1 error\n\n- **error** `agents/support/agent.toml:2`: ";
    assert!(markdown.code == 1 && markdown.stdout.starts_with(expected), "{}", markdown.stdout);

    let json = repo.pointsman(&["check", "--json"]);
    assert_eq!(json.code, 1);
    assert_eq!(json.stdout, repo.pointsman(&["check", "--format", "json"]).stdout);
    let found = json.json();
    assert_eq!(found["draft"], "draft");
    assert_eq!((&found["errors"], &found["warnings"], &found["notes"]), (&json!(1), &json!(0), &json!(0)));
    let agent = &found["agents"][0];
    assert_eq!(
        (&agent["agent"], &agent["kind"], &agent["digest"]),
        (&json!("support"), &json!("native"), &Value::Null)
    );
    let finding = &agent["findings"][0];
    assert_eq!((&finding["severity"], &finding["code"]), (&json!("error"), &json!("unknown-key")));
    assert_eq!((&finding["place"]["line"], &finding["place"]["column"]), (&json!(2), &json!(1)));
    assert_eq!(repo.pointsman(&["check", "--json", "--format", "markdown"]).code, 2);
}

#[test]
fn a_clean_check_names_the_digest_that_publish_freezes() {
    let world = World::new();
    let repo = world.repository("shop");
    let checked = repo.pointsman(&["check", "--json"]).ok().json();
    let published = repo.pointsman(&["publish", "support", "--json"]).ok().json();
    assert_eq!(checked["agents"][0]["digest"], published["version"]["digest"]);
    assert!(checked["agents"][0]["digest"].is_string());
}

#[test]
fn check_tells_what_is_wrong_with_the_policy_and_with_folders() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("support/agent.toml", "name = \"Another\"\n");
    repo.write("agents/Billing Bot/agent.toml", "name = \"Billing\"\n");
    repo.write("agents/support/inner/agent.toml", "name = \"Inner\"\n");
    repo.write("pointsman.toml", "[[environments]]\nname = \"sandbox\"\ndeploi = \"latest\"\n");
    repo.write("ignored/Bad/agent.toml", "name = \"Ignored\"\n");
    repo.write(".gitignore", "ignored/\n");
    let found = repo.pointsman(&["check"]);
    assert_eq!(found.code, 1);
    for expected in [
        "pointsman.toml:3:1",
        "did you mean `deploy`?",
        "agent `support` is in two folders, `agents/support` and `support`",
        "folder `agents/Billing Bot` holds an agent, but",
        "`inner` is an agent inside an agent",
    ] {
        assert!(found.stdout.contains(expected), "expected `{expected}` in: {}", found.stdout);
    }
    assert!(!found.stdout.contains("ignored/Bad"), "{}", found.stdout);
    // What is committed is told just the same.
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Worse"]).ok();
    assert_eq!(repo.pointsman(&["check"]).stdout, found.stdout);
    let one = repo.pointsman(&["check", "support"]);
    assert!(one.code == 1 && one.stdout.contains("pointsman.toml:3:1"), "{}{}", one.stdout, one.stderr);
}

#[test]
fn a_conflict_is_told_in_its_own_agent_under_its_own_path() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/billing/agent.toml", "name = \"Billing\"\n");
    repo.write("agents/billing/persona.md", "You bill.\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Billing"]).ok();
    repo.git(&["checkout", "-qb", "other"]).ok();
    repo.write("agents/support/persona.md", "Theirs.\n");
    repo.git(&["commit", "-qam", "Theirs"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write("agents/support/persona.md", "Ours.\n");
    repo.git(&["commit", "-qam", "Ours"]).ok();
    assert_eq!(repo.git(&["merge", "other"]).code, 1);
    let found = repo.pointsman(&["check", "--json"]).json();
    let of = |at: usize| found["agents"][at]["findings"].as_array().unwrap().clone();
    assert_eq!(of(0), Vec::<Value>::new());
    let paths: Vec<_> = of(1).iter().map(|finding| finding["path"].clone()).collect();
    assert!(!paths.is_empty() && paths.iter().all(|path| path == "agents/support/persona.md"), "{paths:?}");
}

#[test]
fn a_named_draft_is_checked_in_place_of_the_working_tree() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["checkout", "-qb", "feature"]).ok();
    repo.write("agents/support/agent.toml", BROKEN);
    repo.git(&["commit", "-qam", "Break it"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.pointsman(&["check"]).ok();
    let draft = repo.pointsman(&["check", "--draft", "feature", "--json"]);
    assert_eq!((draft.code, &draft.json()["draft"]), (1, &json!("draft:feature")));
    repo.pointsman(&["check", "--draft", "nowhere"]).refused("no branch or pull request `nowhere`", "git fetch");
}

#[test]
fn a_bare_repository_is_checked_and_compared_at_the_tip_of_its_default_branch() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    repo.write("agents/support/agent.toml", BROKEN);
    repo.git(&["commit", "-qam", "Break it"]).ok();
    world.git(".", &["clone", "-q", "--mirror", "shop", "mirror.git"]).ok();
    let mirror = Repo { world: &world, dir: world.path("mirror.git") };
    assert_eq!(mirror.pointsman(&["check", "--local"]).code, 1);
    let diff = mirror.pointsman(&["diff", "support", "--local", "--lines"]).ok();
    assert!(diff.stdout.contains("+greting = \"Hello\"\n"), "{}", diff.stdout);
}

/// A program that runs beside the test and never outlives it.
struct Running(std::process::Child);

impl Running {
    fn start(command: &mut std::process::Command) -> Self {
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"))
    }

    /// Presses Ctrl-C and returns the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let sent =
            std::process::Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines that a running program prints, each waited for at most a minute.
struct Lines(mpsc::Receiver<String>);

impl Lines {
    fn of(pipe: impl std::io::Read + Send + 'static) -> Self {
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Lines(lines)
    }

    #[track_caller]
    fn next(&self) -> Value {
        let line = self.0.recv_timeout(Duration::from_secs(60)).expect("no line came");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

#[test]
fn check_watches_until_ctrl_c() {
    let world = World::new();
    let repo = world.repository("shop");
    let mut watch = Running::start(&mut repo.command(&["check", "--watch", "--json", "--quiet"]));
    let lines = Lines::of(watch.0.stdout.take().unwrap());
    assert_eq!(lines.next()["errors"], 0);
    repo.write("agents/support/agent.toml", BROKEN);
    assert_eq!(lines.next()["errors"], 1);
    repo.write("agents/support/agent.toml", "name = \"Support\"\n");
    assert_eq!(lines.next()["errors"], 0);
    // Each round makes a draft; none may be in the way of a later one.
    for round in 1..10 {
        repo.write("agents/support/agent.toml", format!("name = \"Support\"\n{}", "wrong = 1\n".repeat(round % 2)));
        assert_eq!(lines.next()["errors"], round % 2);
    }
    repo.write("agents/support/agent.toml", "name = \"Support\"\n");
    assert_eq!(lines.next()["errors"], 0);
    // An agent that appears beside the known ones is seen, and its files are watched too.
    repo.write("agents/billing/agent.toml", "name = \"Billing\"\n");
    assert_eq!(lines.next()["agents"].as_array().unwrap().len(), 2);
    repo.write("agents/billing/agent.toml", BROKEN);
    assert_eq!(lines.next()["errors"], 1);
    repo.write("pointsman.toml", "nonsense = 1\n");
    assert_eq!(lines.next()["repository"][0]["path"], "pointsman.toml");
    assert_eq!(watch.interrupt(), Some(0));
}

#[test]
fn check_watches_by_looking_where_the_system_cannot_tell() {
    let world = World::new();
    let repo = world.repository("shop");
    let script = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$0\" \"$@\"";
    let program = env!("CARGO_BIN_EXE_pointsman");
    let mut command = crate::env::isolated("unshare", &world.home());
    command.args(["-Ur", "sh", "-c", script, program, "-C"]).arg(&repo.dir).args(["check", "--watch", "--json"]);
    let probe = crate::env::isolated("unshare", &world.home())
        .args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: user namespaces are not to be had here");
        return;
    }
    let mut watch = Running::start(&mut command);
    let lines = Lines::of(watch.0.stdout.take().unwrap());
    let told = Lines::of(watch.0.stderr.take().unwrap());
    let told = told.0.recv_timeout(Duration::from_secs(60)).expect("nothing was told");
    assert!(told.contains("looking every second"), "{told}");
    assert_eq!(lines.next()["errors"], 0);
    repo.write("agents/support/agent.toml", BROKEN);
    assert_eq!(lines.next()["errors"], 1);
    assert_eq!(watch.interrupt(), Some(0));
}

/// A repository with one agent of another kind, whose prompt is one long escaped line, published as v1.
fn foreign<'w>(world: &'w World) -> Repo<'w> {
    let repo = world.repository("shop");
    repo.write("pointsman.toml", "[agents.hey]\npath = \"bots/hey\"\nkind = \"elevenlabs\"\n");
    repo.write("bots/hey/agent.json", bot("be kind", "string"));
    repo.write("bots/hey/tools.json", "{\"b\":1,\"a\":[1,2]}\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Hey"]).ok();
    repo.pointsman(&["publish", "hey"]).ok();
    repo
}

/// An agent on one line: a prompt of sixty lines, and a schema as JSON inside a JSON string.
fn bot(seventh: &str, kind: &str) -> String {
    let rule = |at: usize| format!("Rule {at}: {}.", if at == 7 { seventh } else { "be quick" });
    let prompt: Vec<String> = (0..60).map(rule).collect();
    let schema = json!({"type": "object", "properties": {"id": {"type": kind}}}).to_string();
    json!({"prompt": prompt.join("\n"), "tools": [{"name": "lookup", "schema": schema}]}).to_string()
}

#[test]
fn one_long_escaped_line_is_compared_as_a_person_would_read_it() {
    let world = World::new();
    let repo = foreign(&world);
    assert_eq!(bot("x", "y").lines().count(), 1);
    repo.write("bots/hey/agent.json", bot("be very kind", "integer"));
    let text = repo.pointsman(&["diff", "hey"]).ok().stdout;
    for expected in [
        "v1 → draft: 2 fields and 1 file differ",
        "-    Rule 7: be kind.\n+    Rule 7: be very kind.\n",
        "1 word added: very",
        "tools[lookup].schema.(json).properties.id.type",
        "[readable form: keys sorted, long texts unfolded]",
    ] {
        assert!(text.contains(expected), "expected `{expected}` in: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
    let fields = repo.pointsman(&["diff", "hey", "--fields"]).ok().stdout;
    assert!(fields.contains("1 word added: very") && !fields.contains("Rule 8"), "{fields}");
    let lines = repo.pointsman(&["diff", "hey", "--lines"]).ok().stdout;
    assert!(!lines.contains("1 word added") && lines.contains("+    Rule 7: be very kind."), "{lines}");
    let json = repo.pointsman(&["diff", "hey", "--json"]).ok();
    assert_eq!(json.stdout, repo.pointsman(&["diff", "hey", "--format", "json"]).stdout);
    let json = json.json();
    let kinds: Vec<_> = json["changes"].as_array().unwrap().iter().map(|change| &change["kind"]).collect();
    assert_eq!(kinds, ["changed", "changed"]);
    let field = "files[\"agent.json\"].tools[lookup].schema.(json).properties.id.type";
    let change = json["changes"].as_array().unwrap().iter().find(|change| change["field"] == field).unwrap();
    assert_eq!(change, &json!({"field": field, "before": "string", "after": "integer", "kind": "changed"}));
    assert!(json["files"][0]["content"]["sections"][0]["hunks"][0]["beforeStart"].is_u64());
}

#[test]
fn bytes_that_differ_and_mean_the_same_are_said_to() {
    let world = World::new();
    let repo = foreign(&world);
    repo.write("bots/hey/tools.json", "{\n  \"a\": [1, 2],\n  \"b\": 1\n}\n");
    let text = repo.pointsman(&["diff", "hey"]).ok().stdout;
    assert!(text.starts_with("v1 → draft: bytes differ, meaning the same (1 file)\n"), "{text}");
    let json = repo.pointsman(&["diff", "hey", "--json"]).ok().json();
    assert_eq!((&json["identical"], &json["sameMeaning"]), (&json!(false), &json!(true)));
    assert_eq!(repo.pointsman(&["diff", "hey", "--exit-code"]).code, 1, "bytes decide");
    // Beside a real change, each file still says it of itself.
    repo.write("bots/hey/agent.json", bot("be very kind", "string"));
    let text = repo.pointsman(&["diff", "hey"]).ok().stdout;
    assert!(text.contains("tools.json (changed, meaning the same)\n"), "{text}");
    assert!(text.contains("agent.json (changed)\n"), "{text}");
}

#[test]
fn every_side_can_be_compared_with_every_other() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["diff", "support"]).refused("no version to compare with yet", "pointsman publish support");
    repo.publish_support("one");
    repo.publish_support("two");
    repo.pointsman(&["promote", "support", "--to", "pre-release", "--version", "1"]).ok();
    repo.git(&["checkout", "-qb", "feature"]).ok();
    repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"three\"\n");
    repo.git(&["commit", "-qam", "Three"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"four\"\n");
    let greetings = |args: &[&str]| {
        let args = [&["diff", "--json"], args].concat();
        let found = repo.pointsman(&args).ok().json();
        let change = found["changes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|change| change["field"].as_str().unwrap().ends_with("greeting"));
        let text = |key: &str| change.map_or(String::new(), |change| change[key].as_str().unwrap().to_owned());
        format!(
            "{} {} -> {} {}",
            found["before"].as_str().unwrap(),
            text("before"),
            found["after"].as_str().unwrap(),
            text("after")
        )
    };
    assert_eq!(greetings(&["support"]), "v2 two -> draft four");
    assert_eq!(greetings(&["support", "v1"]), "v1 one -> draft four");
    assert_eq!(greetings(&["support", "v1", "v2"]), "v1 one -> v2 two");
    assert_eq!(greetings(&["v2", "v1"]), "v2 two -> v1 one", "the only agent may be left out");
    assert_eq!(greetings(&["env:pre-release", "v2"]), "env:pre-release (v1) one -> v2 two");
    assert_eq!(greetings(&["draft:feature", "draft"]), "draft:feature three -> draft four");
    assert_eq!(greetings(&["draft", "v2"]), "draft four -> v2 two");
    repo.pointsman(&["diff", "v1", "v9"]).refused("`support` has no version v9", "pointsman versions support");
    repo.pointsman(&["diff", "env:live"]).refused("`support` is not in `live`", "pointsman promote support --to live");
    repo.pointsman(&["diff", "env:sandbux"]).refused("no environment `sandbux`", "did you mean `sandbox`?");
    assert_eq!(repo.pointsman(&["diff", "support", "wat"]).code, 2);
    repo.pointsman(&["diff", "suport", "v1"]).refused("no agent `suport`", "did you mean `support`?");
}

#[test]
fn the_exit_code_of_diff_says_nothing_unless_asked() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    assert_eq!(repo.pointsman(&["diff", "--exit-code"]).ok().stdout, "v1 → draft: identical\n");
    repo.write("agents/support/persona.md", "Changed.\n");
    repo.pointsman(&["diff"]).ok();
    assert_eq!(repo.pointsman(&["diff", "--exit-code", "--format", "markdown"]).code, 1);
}

#[test]
fn a_patch_applies_at_the_root_of_the_repository() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("prompts/house.md", "Be kind.\n");
    repo.write("pointsman.toml", "[agents.desk]\npath = \"bots/desk\"\ninclude = [\"prompts/**\"]\n");
    repo.write("bots/desk/rules.txt", "one\ntwo\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Desk"]).ok();
    repo.pointsman(&["publish", "desk"]).ok();
    repo.write("prompts/house.md", "Be kind and quick.\n");
    repo.write("bots/desk/rules.txt", "one\nthree\n");
    repo.write("bots/desk/new.txt", "new\n");
    let patch = repo.pointsman(&["diff", "desk", "--format", "unified"]).ok().stdout;
    repo.git(&["checkout", "-q", "."]).ok();
    std::fs::remove_file(repo.path("bots/desk/new.txt")).unwrap();
    world.write("patch", &patch);
    repo.git(&["apply", world.path("patch").to_str().unwrap()]).ok();
    let read = |name: &str| std::fs::read_to_string(repo.path(name)).unwrap();
    assert_eq!(read("prompts/house.md"), "Be kind and quick.\n");
    assert_eq!((read("bots/desk/rules.txt"), read("bots/desk/new.txt")), ("one\nthree\n".into(), "new\n".into()));
}

#[test]
fn environments_are_compared_agent_by_agent() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/billing/agent.toml", "name = \"Billing\"\n");
    repo.write("agents/sales/agent.toml", "name = \"Sales\"\n");
    for agent in ["billing", "sales", "support"] {
        repo.pointsman(&["publish", agent]).ok();
    }
    for agent in ["billing", "support"] {
        repo.pointsman(&["promote", agent, "--to", "pre-release"]).ok();
    }
    repo.publish_support("two");
    let found = repo.pointsman(&["diff", "env:pre-release", "env:sandbox", "--json"]).ok().json();
    assert_eq!((&found["before"], &found["after"]), (&json!("env:pre-release"), &json!("env:sandbox")));
    let kinds: Vec<_> =
        found["agents"].as_array().unwrap().iter().map(|agent| (&agent["agent"], &agent["kind"])).collect();
    let expected =
        [("billing", "identical"), ("sales", "added"), ("support", "changed")].map(|(a, b)| (json!(a), json!(b)));
    assert_eq!(kinds, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    assert_eq!(found["agents"][2]["comparison"]["changes"][0]["after"], "two");

    let text = repo.pointsman(&["diff", "env:pre-release", "env:sandbox"]).ok();
    assert!(text.stderr.contains("2 of 3 agents differ"), "{}", text.stderr);
    assert!(
        text.stdout.contains("only in env:sandbox") && text.stdout.contains("+greeting = \"two\""),
        "{}",
        text.stdout
    );
    let markdown = repo.pointsman(&["diff", "env:pre-release", "env:sandbox", "--format", "markdown"]).ok().stdout;
    assert!(markdown.contains("### `sales`: `v1` only in `env:sandbox`"), "{markdown}");
    // Inside an agent's folder it is that agent's.
    let one = inside(&repo, "agents/support", &["diff", "env:pre-release", "env:sandbox", "--json"]).ok().json();
    assert_eq!(one["agent"], "support");
    // Everything that publishing all drafts would change.
    repo.write("agents/sales/persona.md", "You sell.\n");
    let drafts = repo.pointsman(&["diff", "--all", "env:sandbox", "draft", "--json"]).ok().json();
    let changed: Vec<_> =
        drafts["agents"].as_array().unwrap().iter().filter(|agent| agent["kind"] == "changed").collect();
    assert_eq!((changed.len(), &changed[0]["agent"]), (1, &json!("sales")));
}

#[test]
fn a_secret_in_the_draft_never_reaches_a_diff_or_a_check() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    let secret = secret();
    repo.write("agents/support/skills/book.toml", format!("description = \"Books\"\napi_key = \"{secret}\"\n"));
    repo.write("agents/support/persona.md", format!("Use the key {secret} to book.\n"));
    repo.write(
        "agents/support/notes.json",
        json!({"long": "x ".repeat(400), "inner": json!({"api_key": secret}).to_string()}).to_string(),
    );
    let core = &secret[12..];
    for args in [
        &["diff", "support"][..],
        &["diff", "support", "--json"],
        &["diff", "support", "--format", "unified"],
        &["diff", "support", "--format", "markdown"],
        &["diff", "--all", "env:sandbox", "draft"],
        &["diff", "draft", "v1"],
        &["check"],
        &["check", "--json"],
        &["check", "--format", "github"],
        &["check", "--format", "markdown"],
        &["report"],
        &["report", "--json"],
    ] {
        let ended = repo.pointsman(args);
        assert!(ended.code <= 1, "{args:?}: {}", ended.stderr);
        assert!(
            !ended.stdout.contains(core) && !ended.stderr.contains(core),
            "{args:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
    }
    let diff = repo.pointsman(&["diff", "support"]).ok();
    assert!(diff.stdout.contains("+Use the key sk_l…[secret 1] to book."), "{}", diff.stdout);
    assert!(diff.stderr.contains("draft does not compile: pointsman check support"), "{}", diff.stderr);
}

#[test]
fn a_report_tells_what_is_new_compared_with_what_is_live() {
    let world = World::new();
    let repo = world.repository("shop");
    let skill = |host: &str| {
        format!(
            "description = \"Books\"\n[request]\nmethod = \"POST\"\nurl = \"https://{host}/book\"\nsend = [\"phone\"]\n[[parameters]]\nname = \"phone\"\ntype = \"string\"\ndescription = \"The caller's number\"\n"
        )
    };
    repo.write("agents/support/skills/book.toml", skill("old.example.com"));
    let first = repo.pointsman(&["report"]).ok().stdout;
    assert!(first.starts_with("Pre-publish report of support, draft: not live yet, so all of it is new\n"), "{first}");
    repo.publish_support("one");
    for args in [&["--to", "pre-release"][..], &["--to", "live", "--confirm"]] {
        repo.pointsman(&[&["promote", "support"], args].concat()).ok();
    }
    repo.write("agents/support/skills/book.toml", skill("new.example.com"));
    let text = repo.pointsman(&["report"]).ok().stdout;
    assert!(text.starts_with("Pre-publish report of support, draft: compared with v1 in live\n"), "{text}");
    assert!(text.contains("\n+ book sends phone to new.example.com by POST https://new.example.com/book\n"), "{text}");
    assert!(text.contains("\n- book sends phone to old.example.com by POST https://old.example.com/book\n"), "{text}");
    assert!(text.contains("\n  greeting: one\n"), "{text}");
    let json = repo.pointsman(&["report", "--json"]).ok().json();
    assert_eq!((&json["agent"], &json["side"], &json["live"]), (&json!("support"), &json!("draft"), &json!(1)));
    assert_eq!((&json["environment"], &json["comparedWithLive"]), (&json!("live"), &json!(true)));
    assert_eq!(json["dataLeaving"]["entries"][0]["new"], true);
    assert_eq!(json["dataLeaving"]["entries"][0]["host"], "new.example.com");
    assert_eq!(json["dataLeaving"]["removed"][0]["host"], "old.example.com");
    let markdown = repo.pointsman(&["report", "--format", "markdown"]).ok().stdout;
    assert!(markdown.contains("- **new** `book` sends `phone` to `new.example.com`"), "{markdown}");
    let version = repo.pointsman(&["report", "--version", "1"]).ok().stdout;
    assert!(version.contains("support, v1: compared with v1 in live") && !version.contains("\n+ "), "{version}");
    repo.write("agents/support/agent.toml", BROKEN);
    repo.pointsman(&["report"]).refused("`support` has 1 error, so there is no report", "pointsman check support");
}

#[test]
fn schemas_are_printed_and_written_for_editors() {
    let world = World::new();
    let repo = Repo { world: &world, dir: world.home() };
    let all = repo.pointsman(&["schema"]).ok().json();
    for name in ["agent", "skills", "knowledge", "voice", "pointsman"] {
        assert!(all[name]["properties"].is_object(), "{name}");
    }
    for spelling in ["skills", "skills/book.yaml", "agents/support/skills/agent.toml", "skills.schema.json"] {
        assert_eq!(repo.pointsman(&["schema", spelling]).ok().json(), all["skills"], "{spelling}");
    }
    assert_eq!(repo.pointsman(&["schema", "agent.toml"]).ok().json(), all["agent"]);
    let unknown = repo.pointsman(&["schema", "voise.toml"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("did you mean `voice`?"), "{}", unknown.stderr);
    let written = repo.pointsman(&["schema", "--dir", "out/schemas"]).ok();
    assert_eq!(written.stdout.lines().count(), all.as_object().unwrap().len());
    let file = std::fs::read_to_string(repo.path("out/schemas/pointsman.schema.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), all["pointsman"]);
    let names: Vec<_> =
        std::fs::read_dir(repo.path("out/schemas")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name.to_string_lossy().ends_with(".schema.json")), "{names:?}");
    let listed = repo.pointsman(&["schema", "--list", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), all.as_object().unwrap().len());
}

#[test]
fn completions_know_every_verb() {
    let world = World::new();
    let repo = Repo { world: &world, dir: world.home() };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = repo.pointsman(&["completions", shell]).ok().stdout;
        assert!(script.contains("release-hold") && script.contains("completions"), "{shell}");
    }
    let checked = crate::env::isolated("bash", &world.home())
        .args(["-n", "-c", &repo.pointsman(&["completions", "bash"]).ok().stdout])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
