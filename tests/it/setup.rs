//! Beginning: init, new, discard, protect.

use std::io::Write as _;
use std::process::Stdio;

use crate::env::{Ended, Repo, World, isolated};

/// Files of an agent that no manifest announces.
fn rasa(repo: &Repo<'_>, folder: &str) {
    repo.write(&format!("{folder}/domain.yml"), "version: '3.1'\nintents: [greet]\n");
    repo.write(&format!("{folder}/config.yml"), "language: en\n");
}

fn commit(repo: &Repo<'_>, message: &str) {
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", message]).ok();
}

fn branches(repo: &Repo<'_>) -> String {
    repo.git_out(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]).replace('\n', " ")
}

#[test]
fn init_lists_what_has_no_manifest_commits_nothing_and_begins_the_branches_once_the_policy_is_committed() {
    let world = World::new();
    let repo = world.repository("shop");
    rasa(&repo, "Old Bots/booking");
    commit(&repo, "A second agent");
    let head = repo.git_out(&["rev-parse", "HEAD"]);
    let first = repo.pointsman(&["init", "--json"]).ok().json();
    assert_eq!(first["wrotePolicy"], true);
    assert_eq!(first["committed"], false);
    assert_eq!(repo.git_out(&["rev-parse", "HEAD"]), head);
    assert_eq!(branches(&repo), "main");
    assert_eq!(repo.git_out(&["config", "pointsman.defaultBranch"]), "main");
    let policy = std::fs::read_to_string(repo.path("pointsman.toml")).unwrap();
    assert!(
        policy.contains("[agents.\"old-bots/booking\"]\npath = \"Old Bots/booking\"\nkind = \"rasa\"\n"),
        "{policy}"
    );
    assert!(!policy.contains("support\"]"), "an agent with a manifest needs no line: {policy}");

    // Until the file is committed nothing more happens, and the file stays as it is.
    let again = repo.pointsman(&["init"]).ok();
    assert!(again.stdout.contains("git add pointsman.toml"), "{}", again.stdout);
    assert_eq!(std::fs::read_to_string(repo.path("pointsman.toml")).unwrap(), policy);
    commit(&repo, "Policy");
    let begun = repo.pointsman(&["init", "--json"]).ok().json();
    assert_eq!(begun["begun"], serde_json::json!(["sandbox", "pre-release", "live"]));
    assert_eq!(branches(&repo), "env/live env/pre-release env/sandbox main pointsman/ledger");
    assert_eq!(repo.pointsman(&["init", "--json"]).ok().json()["begun"], serde_json::json!([]));
    repo.pointsman(&["publish", "old-bots/booking"]).ok();
}

#[test]
fn init_keeps_what_a_person_wrote_and_adds_new_agents_below() {
    let world = World::new();
    let repo = world.repository("shop");
    let written = "# ours\n[publish]\non   = 'tag' # not on merge\n\n[[environments]]\nname = \"live\"\n# the end\n";
    repo.write("pointsman.toml", written);
    rasa(&repo, "bot");
    repo.pointsman(&["init"]).ok();
    let policy = std::fs::read_to_string(repo.path("pointsman.toml")).unwrap();
    assert!(policy.starts_with(written), "{policy}");
    assert!(policy.ends_with("[agents.bot]\npath = \"bot\"\nkind = \"rasa\"\n"), "{policy}");
    // A folder that is decided on is not proposed again, whatever its id.
    repo.write("pointsman.toml", "[agents.mine]\npath = \"bot\"\n");
    repo.pointsman(&["init"]).ok();
    assert_eq!(std::fs::read_to_string(repo.path("pointsman.toml")).unwrap(), "[agents.mine]\npath = \"bot\"\n");
    repo.write("pointsman.toml", "[publish]\nonn = 1\n");
    repo.pointsman(&["init"]).refused("unknown key `onn`", "did you mean `on`?");
}

#[test]
fn an_agent_at_the_root_is_called_as_the_folder_and_is_the_only_one() {
    let world = World::new();
    world.git(".", &["init", "-q", "My Booking Bot"]).ok();
    let repo = Repo { world: &world, dir: world.path("My Booking Bot") };
    rasa(&repo, ".");
    commit(&repo, "Begin");
    repo.pointsman(&["init"]).ok();
    let policy = std::fs::read_to_string(repo.path("pointsman.toml")).unwrap();
    assert!(policy.contains("[agents.my-booking-bot]\npath = \".\"\nkind = \"rasa\"\n"), "{policy}");
    commit(&repo, "Policy");
    repo.pointsman(&["init"]).ok();
    repo.pointsman(&["publish", "--note", "whole"]).ok();
    let folder = repo.git_out(&["rev-parse", "my-booking-bot/v1^{tree}"]);
    assert_eq!(repo.git_out(&["rev-parse", "env/sandbox:agents/my-booking-bot/source"]), folder);
    repo.pointsman(&["new", "support"]).refused("is the whole repository", "pointsman.toml");
}

#[test]
fn branches_of_other_people_are_told_before_anything_is_written() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["branch", "env/live"]).ok();
    repo.pointsman(&["init"]).refused("branch `env/live` is not Pointsman's", "branch_prefix");
    assert!(!repo.path("pointsman.toml").exists());
    repo.write("pointsman.toml", "branch_prefix = \"deploy/\"\n");
    repo.pointsman(&["init"]).ok();
    commit(&repo, "Policy");
    repo.pointsman(&["init"]).ok();
    assert_eq!(branches(&repo), "deploy/live deploy/pre-release deploy/sandbox env/live main pointsman/ledger");

    let other = world.repository("other");
    other.git(&["branch", "env"]).ok();
    other.pointsman(&["init"]).refused("branch `env` is not Pointsman's", "branch_prefix");
    other.git(&["branch", "-m", "env", "pointsman/ledger"]).ok();
    other.pointsman(&["init"]).refused("branch `pointsman/ledger` is not Pointsman's", "rename");

    // A branch that only the remote has counts too.
    let origin = world.bare("origin.git");
    let third = world.repository("third");
    third.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    third.git(&["push", "-q", "origin", "main", "main:env/sandbox"]).ok();
    third.pointsman(&["init"]).refused("branch `origin/env/sandbox` is not Pointsman's", "branch_prefix");
}

#[test]
fn on_a_branch_of_ones_own_the_main_one_is_recorded() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["switch", "-qc", "set-up"]).ok();
    let told = repo.pointsman(&["init"]).ok().stdout;
    assert!(told.contains("policy is read from `main`, not from `set-up`"), "{told}");
    commit(&repo, "Policy");
    let waiting = repo.pointsman(&["init", "--json"]).ok().json();
    assert_eq!(waiting["committed"], false, "it is not on the default branch yet");
    repo.git(&["switch", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "set-up"]).ok();
    assert_eq!(repo.pointsman(&["init", "--json"]).ok().json()["committed"], true);
    let other = world.repository("other");
    other.git(&["checkout", "-q", "--detach"]).ok();
    other.pointsman(&["init"]).ok();
    assert_eq!(other.git_out(&["config", "pointsman.defaultBranch"]), "main");
}

#[test]
fn init_says_where_it_cannot_work() {
    let world = World::new();
    world.bare("bare.git");
    let bare = Repo { world: &world, dir: world.path("bare.git") };
    bare.pointsman(&["init"]).refused("a bare repository has no working tree", "git clone");
    std::fs::create_dir(world.path("empty")).unwrap();
    let none = Repo { world: &world, dir: world.path("empty") };
    none.pointsman(&["init"]).refused("is not inside a git repository", "git init");
    world.git(".", &["init", "-q", "unborn"]).ok();
    let unborn = Repo { world: &world, dir: world.path("unborn") };
    let told = unborn.pointsman(&["init"]).ok();
    assert!(told.stdout.contains("pointsman new <agent>"), "{}", told.stdout);
}

/// A repository in which two older commits are live, and an agent that a manifest announces and one that none does.
fn before_pointsman(world: &World) -> Repo<'_> {
    let repo = world.repository("shop");
    repo.git(&["tag", "live-now"]).ok();
    repo.write("agents/support/persona.md", "You help customers of a larger shop.\n");
    repo.write("agents/billing/agent.toml", "name = \"Billing\"\n");
    commit(&repo, "Grow");
    repo.git(&["tag", "sandbox-now"]).ok();
    repo.write("agents/support/persona.md", "You help everybody.\n");
    commit(&repo, "Grow more");
    repo.pointsman(&["init"]).ok();
    commit(&repo, "Policy");
    repo
}

fn outcomes(ended: &Ended) -> Vec<String> {
    let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ended.json()["imported"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let cells = ["environment", "agent", "version", "became"].map(|name| word(&row[name]));
            cells.join(" ")
        })
        .collect()
}

#[test]
fn an_import_publishes_what_is_live_once_and_changes_nothing_the_second_time() {
    let world = World::new();
    let repo = before_pointsman(&world);
    let call = ["init", "--import", "live=live-now", "--import", "sandbox=sandbox-now", "--json"];
    let first = repo.pointsman(&call).ok();
    assert_eq!(
        outcomes(&first),
        ["live support 1 imported", "sandbox billing 1 imported", "sandbox support 2 imported"]
    );
    assert_eq!(repo.git_out(&["rev-parse", "support/v1^{commit}"]), repo.git_out(&["rev-parse", "live-now"]));
    assert_eq!(
        repo.git_out(&["rev-parse", "env/live:agents/support/source"]),
        repo.git_out(&["rev-parse", "live-now:agents/support"])
    );
    assert_eq!(
        repo.git_out(&["rev-parse", "env/sandbox:agents/support/source"]),
        repo.git_out(&["rev-parse", "sandbox-now:agents/support"])
    );
    let log = repo.git_out(&["log", "-1", "--format=%b", "env/live"]);
    assert!(log.contains("Import: live served what is in live-now"), "{log}");

    let refs = repo.git_out(&["for-each-ref"]);
    let second = repo.pointsman(&call).ok();
    assert!(outcomes(&second).iter().all(|line| line.ends_with("already")), "{}", second.stdout);
    assert_eq!(repo.git_out(&["for-each-ref"]), refs);

    // Later, when the environments have moved on, the same command takes nothing back.
    repo.pointsman(&["publish", "support"]).ok();
    let third = repo.pointsman(&call).ok();
    assert_eq!(outcomes(&third)[2], "sandbox support 2 left-alone");
    assert_eq!(
        repo.git_out(&["rev-parse", "env/live"]),
        refs.lines().find(|line| line.ends_with("env/live")).unwrap()[..40]
    );
    // The draft continues what was imported: nobody is asked to merge anything.
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn an_import_refuses_what_the_commit_does_not_list_and_the_hint_helps() {
    let world = World::new();
    let repo = world.repository("shop");
    rasa(&repo, "bot");
    commit(&repo, "Bot");
    repo.git(&["tag", "live-now"]).ok();
    repo.pointsman(&["init"]).ok();
    commit(&repo, "Policy");
    let refused = repo.pointsman(&["init", "--import", "live=live-now"]);
    let refused = refused.refused("`live-now` does not say how to read bot", "git switch -c imported live-now");
    assert_eq!(repo.git_out(&["tag", "-l", "*/v*"]), "", "nothing was published");
    let hint = refused.stderr.split("on top of it: ").nth(1).unwrap().trim().to_owned();
    let commands = hint
        .replace("pointsman", env!("CARGO_BIN_EXE_pointsman"))
        .replace(&format!("{}.toml", env!("CARGO_BIN_EXE_pointsman")), "pointsman.toml");
    let typed = isolated("sh", &world.home()).current_dir(&repo.dir).args(["-c", &commands]).output().unwrap();
    assert!(typed.status.success(), "{commands}\n{}", String::from_utf8_lossy(&typed.stderr));
    assert_eq!(
        repo.git_out(&["rev-parse", "env/live:agents/bot/source"]),
        repo.git_out(&["rev-parse", "live-now:bot"])
    );
    assert_eq!(repo.git_out(&["symbolic-ref", "--short", "HEAD"]), "main");
}

#[test]
fn an_import_passes_over_no_gate_and_says_what_is_missing() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write(
        "pointsman.toml",
        "[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n\
         [[environments]]\nname = \"live\"\nfrom = \"sandbox\"\ngates = { soak = \"7200h\" }\n",
    );
    commit(&repo, "Policy");
    let ended = repo.pointsman(&["init", "--import", "live=HEAD~1", "--json"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_eq!(outcomes(&ended), ["live support 1 refused"]);
    assert!(ended.stdout.contains("of 7200h"), "{}", ended.stdout);
    repo.pointsman(&["init", "--import", "lvie=HEAD"]).refused("no environment `lvie`", "did you mean `live`?");
    repo.pointsman(&["init", "--import", "live=nothing"]).refused("is no commit of this repository", "git log");
    assert_eq!(repo.pointsman(&["init", "--import", "live"]).code, 2);
}

#[test]
fn an_import_in_a_clone_goes_to_the_origin() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = world.repository("shop");
    repo.git(&["remote", "add", "origin", &format!("file://{}", origin.display())]).ok();
    repo.pointsman(&["init", "--local"]).ok();
    commit(&repo, "Policy");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    repo.pointsman(&["init", "--import", "live=HEAD~1"]).ok();
    let there = world.git("origin.git", &["rev-parse", "env/live:agents/support/source"]).ok().stdout;
    assert_eq!(there.trim(), repo.git_out(&["rev-parse", "HEAD:agents/support"]));
    assert!(world.git("origin.git", &["tag"]).ok().stdout.contains("support/v1"));
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn new_agents_can_be_published_as_they_are() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["new", "emea/front-desk"]).ok();
    repo.pointsman(&["new", "flow", "--workflow", "workflow_graph"]).ok();
    repo.pointsman(&["new", "agents/voice/", "--kind", "polyai"]).ok();
    for agent in ["emea/front-desk", "flow", "voice"] {
        let published = repo.pointsman(&["publish", agent, "--json"]).ok().json();
        assert_eq!(published["findings"], serde_json::json!([]), "{agent}");
    }
    let name = std::fs::read_to_string(repo.path("agents/emea/front-desk/agent.toml")).unwrap();
    assert!(name.starts_with("name = \"Front desk\"\n"), "{name}");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "");
}

#[test]
fn new_refuses_ids_and_folders_that_are_taken() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["new", "support"]).refused("agent `support` is there already", "another id");
    repo.pointsman(&["new", "support/eu"]).refused("collides with agent `support`", "another id");
    repo.write("agents/notes/README.md", "not an agent\n");
    repo.pointsman(&["new", "notes"]).refused("folder `agents/notes` exists already", "move it away");
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "?? agents/notes/");
    let invalid = repo.pointsman(&["new", "Front Desk"]);
    assert_eq!(invalid.code, 2);
    assert!(invalid.stderr.contains("lower-case") && invalid.stderr.contains("emea/billing"), "{}", invalid.stderr);
    // What was published once keeps its id, also when its folder is gone.
    repo.publish_support("one");
    repo.git(&["rm", "-rq", "agents/support"]).ok();
    repo.git(&["commit", "-qm", "Remove"]).ok();
    repo.pointsman(&["new", "support"]).refused("was published before", "pointsman discard support");
    repo.pointsman(&["new", "support/eu"]).refused("collides with `support`", "another id");
    repo.pointsman(&["discard", "support"]).ok();
    assert!(repo.path("agents/support/agent.toml").exists());
}

#[test]
fn discard_goes_back_to_the_newest_version_and_the_bytes_can_be_fetched_again() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["config", "core.autocrlf", "true"]).ok();
    let unpublished = repo.pointsman(&["discard", "support"]);
    unpublished.refused("has no version to go back to", "pointsman publish support");
    repo.write("agents/support/tool.sh", "#!/bin/sh\r\necho hello\r\n");
    repo.write("agents/support/.gitignore", "*.tmp\r\n");
    set_executable(&repo, "agents/support/tool.sh", true);
    repo.pointsman(&["publish", "support"]).ok();
    assert!(repo.pointsman(&["discard", "support"]).ok().stdout.contains("the draft is support/v1 already"));

    // Edited and staged, deleted, new, with another mode, ignored; and something beside the agent.
    repo.write("agents/support/persona.md", "You sell.\r\n");
    repo.git(&["add", "-A"]).ok();
    std::fs::remove_file(repo.path("agents/support/agent.toml")).unwrap();
    set_executable(&repo, "agents/support/tool.sh", false);
    repo.write("agents/support/knowledge/new.md", "New.\r\n");
    repo.write("agents/support/scratch.tmp", "mine\n");
    repo.write("notes.txt", "mine\r\n");
    let told = repo.pointsman(&["discard", "support"]).ok().stdout;
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "?? notes.txt");
    assert_eq!(std::fs::read(repo.path("agents/support/tool.sh")).unwrap(), b"#!/bin/sh\r\necho hello\r\n");
    assert!(is_executable(&repo, "agents/support/tool.sh"));
    assert!(!repo.path("agents/support/knowledge").exists());
    assert!(repo.path("agents/support/scratch.tmp").exists());
    assert_eq!(repo.pointsman(&["publish", "support", "--json"]).ok().json()["created"], false);

    let command = told.lines().find_map(|line| line.trim().strip_prefix("git ")).expect("a command to type");
    let typed = isolated("sh", &world.home())
        .current_dir(repo.path("agents"))
        .args(["-c", &format!("git {command}")])
        .output()
        .unwrap();
    assert!(typed.status.success(), "{}", String::from_utf8_lossy(&typed.stderr));
    assert_eq!(std::fs::read(repo.path("agents/support/persona.md")).unwrap(), b"You sell.\r\n");
    assert!(repo.path("agents/support/knowledge/new.md").exists());
    assert!(!repo.path("agents/support/agent.toml").exists());
    repo.pointsman(&["verify"]).ok();
}

#[test]
fn discard_puts_included_files_back_too() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("pointsman.toml", "[agents.bot]\npath = \"my bots/one\"\ninclude = [\"shared/**\"]\n");
    repo.write("my bots/one/prompt.txt", "One.\n");
    repo.write("shared/style.md", "Short.\n");
    repo.write("shared/old.md", "Old.\n");
    commit(&repo, "Bot");
    repo.pointsman(&["publish", "bot"]).ok();
    repo.write("shared/style.md", "Long.\n");
    repo.write("shared/new.md", "New.\n");
    std::fs::remove_file(repo.path("shared/old.md")).unwrap();
    let told = repo.pointsman(&["discard", "bot"]).ok().stdout;
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "");
    let command = told.lines().find_map(|line| line.trim().strip_prefix("git ")).expect("a command to type");
    let typed =
        isolated("sh", &world.home()).current_dir(&repo.dir).args(["-c", &format!("git {command}")]).output().unwrap();
    assert!(typed.status.success(), "{command}: {}", String::from_utf8_lossy(&typed.stderr));
    assert_eq!(repo.git_out(&["status", "--porcelain"]), "D shared/old.md\n M shared/style.md\n?? shared/new.md");
}

#[cfg(unix)]
fn set_executable(repo: &Repo<'_>, path: &str, executable: bool) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if executable { 0o755 } else { 0o644 };
    std::fs::set_permissions(repo.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
fn is_executable(repo: &Repo<'_>, path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    repo.path(path).metadata().unwrap().permissions().mode() & 0o100 != 0
}

/// Runs what `protect` prints in a shell in which `tool` prints what it is given, and returns the bodies.
fn pasted(repo: &Repo<'_>, forge: &str, tool: &str) -> Vec<serde_json::Value> {
    let printed = repo.pointsman(&["protect", "--forge", forge, "--controller", "4711"]).ok().stdout;
    let mut shell = isolated("sh", &repo.world.home())
        .current_dir(&repo.dir)
        .args(["-eu"])
        .envs([("GITEA", "https://git.example.com"), ("OWNER", "o"), ("REPO", "r"), ("GITEA_TOKEN", "t")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut script = shell.stdin.take().unwrap();
    writeln!(script, "{tool}() {{ cat; }}\n{printed}").unwrap();
    drop(script);
    let output = shell.wait_with_output().unwrap();
    assert!(output.status.success(), "{printed}");
    let bodies: Result<Vec<_>, _> = serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect();
    bodies.unwrap()
}

#[test]
fn protect_prints_commands_that_a_shell_takes_whatever_the_branches_are_called() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["branch", "-m", "main", "it's-$(touch${IFS}gone)"]).ok();
    repo.write("pointsman.toml", "branch_prefix = \"deploy/\"\n");
    commit(&repo, "Policy");
    let github = pasted(&repo, "github", "gh");
    let included: Vec<_> = github.iter().map(|body| body["conditions"]["ref_name"]["include"].clone()).collect();
    assert_eq!(included[0], serde_json::json!(["refs/tags/*/v*", "refs/tags/**/v*"]));
    assert_eq!(included[1], serde_json::json!(["refs/heads/deploy/*", "refs/heads/pointsman/*"]));
    assert_eq!(included[3], serde_json::json!(["refs/heads/it's-$(touch${IFS}gone)"]));
    assert_eq!(github[1]["bypass_actors"][0]["actor_id"], 4711);
    // Whoever may write our branches may still not rewrite them.
    assert_eq!(github[2]["bypass_actors"], serde_json::json!([]));

    let gitlab = pasted(&repo, "gitlab", "glab");
    let names: Vec<_> = gitlab.iter().map(|body| body["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["*/v*", "deploy/*", "pointsman/*", "it's-$(touch${IFS}gone)"]);
    assert!(gitlab[1..].iter().all(|body| body["allow_force_push"] == false), "{gitlab:?}");

    let gitea = pasted(&repo, "gitea", "curl");
    assert_eq!(gitea[0]["name_pattern"], "*/v*");
    assert_eq!(gitea[1]["push_whitelist_usernames"], serde_json::json!(["4711"]));
    assert!(!repo.path("gone").exists());
}

#[test]
fn protect_asks_for_the_controllers_number_where_the_forge_wants_one() {
    let world = World::new();
    let repo = world.repository("shop");
    let wrong = repo.pointsman(&["protect", "--forge", "github", "--controller", "robot"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("gh api users/robot --jq .id"), "{}", wrong.stderr);
    let open = repo.pointsman(&["protect"]).ok();
    assert!(open.stderr.contains("--controller <account>"), "{}", open.stderr);
    assert!(open.stdout.contains("\"actor_id\": \"CONTROLLER\""), "{}", open.stdout);
    assert!(open.stdout.contains("env/sandbox, env/pre-release, env/live"), "{}", open.stdout);
}
