//! `pointsman.toml`: where it is read from, what each key does, and what happens while it is broken.

use std::collections::BTreeSet;

use pointsman::domain::AgentId;
use pointsman::ops::moves::{Manner, Moved, carry_out, promote};
use pointsman::ops::publish::{PublishCall, Published, publish};
use pointsman::ops::{Problem, Workspace};
use pointsman::plan::{Intent, Wait};
use pointsman::reconcile::{Decided, Order, run};
use pointsman::store::Scope;

use crate::env::{Ended, Repo, World};

/// Two environments: everything goes to `sandbox` by itself, `extra` is said of `live`.
fn two(extra: &str) -> String {
    format!(
        "[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n\n[[environments]]\nname = \"live\"\nfrom = \"sandbox\"\n{extra}\n"
    )
}

impl Repo<'_> {
    /// Commits `text` as the policy.
    #[track_caller]
    fn policy(&self, text: &str) {
        self.write("pointsman.toml", text);
        self.git(&["add", "pointsman.toml"]).ok();
        self.git(&["commit", "-qm", "Policy", "--only", "pointsman.toml"]).ok();
    }

    #[track_caller]
    fn reconcile(&self) -> String {
        self.pointsman(&["reconcile", "--once"]).ok().stdout
    }

    fn promote(&self, to: &str, more: &[&str]) -> Ended {
        self.pointsman(&[&["promote", "support", "--to", to], more].concat())
    }

    /// The number that `environment` serves for `support`.
    fn serves(&self, environment: &str) -> Option<u64> {
        let shown = self.git(&["show", &format!("env/{environment}:agents/support/version.json")]);
        (shown.code == 0).then(|| shown.json()["number"].as_u64().unwrap())
    }

    #[track_caller]
    fn refs(&self) -> String {
        self.git_out(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"])
    }

    /// The same repository at another moment.
    fn at(&self, now: &str) -> Workspace {
        let author = "Ada <ada@example.com>".parse().unwrap();
        Workspace::open(&self.dir, true, now.parse().unwrap(), Some(author)).unwrap()
    }
}

fn support() -> AgentId {
    "support".parse().unwrap()
}

fn publish_at(repo: &Repo<'_>, now: &str, greeting: &str) -> Published {
    repo.write("agents/support/agent.toml", format!("name = \"Support\"\ngreeting = \"{greeting}\"\n"));
    publish(&repo.at(now), &support(), &PublishCall::default()).unwrap()
}

fn promote_at(repo: &Repo<'_>, now: &str, version: Option<u32>) -> Result<Moved, Problem> {
    let version = version.and_then(pointsman::domain::VersionNumber::new);
    let (intent, agents) = promote("live".parse().unwrap(), [(support(), version)].into(), false);
    carry_out(&repo.at(now), "promote", intent, agents, &Manner::default())
}

fn pass_at(repo: &Repo<'_>, now: &str) -> Vec<Wait> {
    let workspace = repo.at(now);
    let order = Order::look_at(Scope::All);
    let decided = run(&workspace.context(), &order, &mut workspace.memory(), &|_, _| serde_json::Value::Null).unwrap();
    let Decided::Done(outcome) = decided else { panic!("a pass without a key was replayed") };
    outcome.plan.waits
}

#[test]
fn the_policy_is_read_from_the_default_branch_and_never_from_the_working_tree() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["config", "pointsman.defaultBranch", "main"]).ok();
    repo.publish_support("one");
    repo.write("pointsman.toml", two(""));
    repo.promote("live", &[]).refused("not in `pre-release`", "--to pre-release");
    repo.git(&["checkout", "-qb", "other"]).ok();
    repo.policy(&two(""));
    repo.promote("live", &[]).refused("not in `pre-release`", "--to pre-release");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "other"]).ok();
    repo.promote("live", &[]).ok();
    assert_eq!(repo.serves("live"), Some(1));
}

#[test]
fn with_an_origin_its_default_branch_decides_and_not_the_local_one() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let first = world.repository("first");
    first.git(&["remote", "add", "origin", origin.to_str().unwrap()]).ok();
    first.git(&["push", "-q", "origin", "main"]).ok();
    let repo = world.clone_of(&origin, "clone");
    repo.publish_support("one");
    repo.policy(&two(""));
    repo.promote("live", &[]).refused("not in `pre-release`", "");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    repo.promote("live", &[]).ok();
}

#[test]
fn a_broken_or_vanished_policy_keeps_the_newest_good_one_and_says_so() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two("confirm = true"));
    repo.publish_support("one");
    let good = repo.git_out(&["rev-parse", "--short=10", "HEAD"]);
    repo.policy(&two("confrim = true"));
    let said = repo.reconcile();
    let warning =
        "pointsman.toml on the default branch is broken: unknown key `confrim` (line 8), did you mean `confirm`?";
    assert!(said.contains(warning) && said.contains(&format!("the one of commit {good} holds")), "{said}");
    let json = repo.pointsman(&["reconcile", "--once", "--dry-run", "--json"]).ok().json();
    assert!(json["policy"].as_str().unwrap().contains("`confrim`"), "{json}");
    // Every command that decides says it, and decides by the old one.
    let refused = repo.promote("live", &[]);
    refused.refused("asks for confirmation", "--confirm");
    let moved = repo.promote("live", &["--confirm"]).ok();
    assert!(moved.stderr.contains("warning: pointsman.toml on the default branch is broken"), "{}", moved.stderr);
    // A version cannot be cut from a commit whose file does not say where agents are.
    repo.pointsman(&["publish", "support"]).refused("unknown key `confrim` (line 8", "did you mean `confirm`?");
    // Mended, nothing is said any more.
    repo.policy(&two(""));
    repo.publish_support("two");
    assert!(!repo.reconcile().contains("pointsman.toml"));
    repo.git(&["rm", "-q", "pointsman.toml"]).ok();
    repo.git(&["commit", "-qm", "Clean up"]).ok();
    assert!(repo.reconcile().contains("not on the default branch any more"));
    repo.promote("live", &[]).ok();
    assert_eq!(repo.serves("live"), Some(2));
}

#[test]
fn while_the_only_policy_there_ever_was_is_broken_nothing_enters_an_environment() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.publish_support("one");
    repo.promote("pre-release", &[]).ok();
    repo.pointsman(&["hold", "support", "--env", "sandbox"]).ok();
    repo.publish_support("two");
    for (text, said) in [
        (two("gates = { tests = true }"), "`gates.tests` of environment `live` is not supported yet"),
        (two("gates = { approvals = 1 }"), "`gates.approvals` of environment `live` is not supported yet"),
        ("[signing]\nrequire = true\n".to_owned(), "`signing.require = true` is not supported yet"),
    ] {
        repo.policy(&text);
        repo.promote("live", &["--confirm"]).refused(said, "");
        assert!(repo.reconcile().contains(said));
    }
    // What was going to enter by itself waits too.
    repo.pointsman(&["release-hold", "support", "--env", "sandbox"]).ok();
    assert_eq!((repo.serves("sandbox"), repo.serves("live")), (Some(1), None));
    // What is live can still be taken back or out.
    repo.pointsman(&["retire", "support", "--env", "pre-release"]).ok();
    repo.policy(&two(""));
    assert_eq!(repo.reconcile().lines().next(), Some("Deploy support v2 to sandbox"));
    repo.promote("live", &[]).ok();
}

#[test]
fn with_publish_on_merge_a_pass_publishes_what_the_default_branch_holds() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/billing/agent.toml", "name = \"Billing\"\n");
    repo.write("agents/broken/agent.toml", "name = \n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "Two more"]).ok();
    repo.policy(&format!("[publish]\non = \"merge\"\n{}", two("")));
    let before = repo.refs();
    let dry = repo.pointsman(&["reconcile", "--once", "--dry-run"]).ok().stdout;
    assert!(dry.contains("would: tag support/v1"), "{dry}");
    assert_eq!(repo.refs(), before);
    let said = repo.reconcile();
    assert!(said.contains("accept billing/v1") && said.contains("accept support/v1"), "{said}");
    assert!(
        said.contains("waits: broken on the default branch cannot be published: agents/broken/agent.toml:1:"),
        "{said}"
    );
    assert_eq!(repo.serves("sandbox"), Some(1));
    assert_eq!(repo.git_out(&["rev-parse", "support/v1^{commit}"]), repo.git_out(&["rev-parse", "HEAD"]));
    let again = repo.reconcile();
    assert!(again.starts_with("nothing to do\n"), "{again}");
    repo.write("agents/support/persona.md", "You are kind.\n");
    repo.git(&["commit", "-qam", "Be kind"]).ok();
    repo.reconcile();
    assert_eq!(repo.git_out(&["tag", "--list", "*/v2"]), "support/v2");
    assert_eq!(repo.git_out(&["for-each-ref", "--format=%(contents:subject)", "refs/tags/support/v2"]), "Be kind");
    // A revert is a change like any other.
    repo.git(&["revert", "--no-edit", "HEAD"]).ok();
    repo.reconcile();
    assert_eq!(repo.serves("sandbox"), Some(3));
}

#[test]
fn publish_on_merge_does_not_undo_what_was_published_from_another_branch() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["config", "pointsman.defaultBranch", "main"]).ok();
    repo.policy(&format!("[publish]\non = \"merge\"\n{}", two("")));
    repo.reconcile();
    repo.git(&["checkout", "-qb", "feature"]).ok();
    repo.publish_support("from the branch");
    assert_eq!(repo.serves("sandbox"), Some(2));
    let said = repo.reconcile();
    assert!(said.starts_with("nothing to do\n"), "{said}");
    // Merged with more, the default branch has something new to say.
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "--squash", "feature"]).ok();
    repo.write("agents/support/persona.md", "You are kind.\n");
    repo.git(&["commit", "-qam", "Squashed"]).ok();
    repo.reconcile();
    assert_eq!(repo.serves("sandbox"), Some(3));
}

#[test]
fn rollback_without_an_environment_means_the_published_one() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy("[[environments]]\nname = \"blue\"\npublished = true\n[[environments]]\nname = \"green\"\n");
    for greeting in ["one", "two"] {
        repo.publish_support(greeting);
        repo.promote("blue", &[]).ok();
        repo.promote("green", &[]).ok();
    }
    repo.pointsman(&["rollback", "support"]).ok();
    assert_eq!((repo.serves("blue"), repo.serves("green")), (Some(1), Some(2)));
}

#[test]
fn pins_are_changed_by_commit_and_wait_with_their_reason() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two("confirm = true\npins = { support = 2, billing = 1 }"));
    repo.publish_support("one");
    let said = repo.reconcile();
    for waits in
        ["billing v1 is pinned in live but is not published", "support v2 is pinned in live but is not published"]
    {
        assert!(said.contains(&format!("waits: {waits}")), "{said}");
    }
    repo.publish_support("two");
    assert_eq!(repo.serves("live"), Some(2));
    repo.promote("live", &["--version", "1", "--confirm"]).refused("pointsman.toml pins v2 there", "pull request");
    repo.policy(&two("pins = { support = 1 }"));
    repo.reconcile();
    assert_eq!(repo.serves("live"), Some(1));
    let cause = repo.git_out(&["log", "-1", "--format=%(trailers:key=Pointsman-Cause,valueonly)", "env/live"]);
    assert_eq!(cause, "pin");
    // Rolled back, the pin is not followed before somebody releases the hold, and then it waits.
    repo.pointsman(&["rollback", "support", "--env", "live"]).ok();
    repo.pointsman(&["release-hold", "support", "--env", "live"]).ok();
    assert_eq!(repo.serves("live"), Some(2));
    assert!(repo.reconcile().contains("support v1 may not enter live: it was rolled back in `live`"));
}

#[test]
fn nothing_enters_in_a_freeze_but_a_rollback_goes_out() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two("freeze = [{ days = [\"sat\", \"sun\"], timezone = \"Europe/London\", reason = \"weekend\" }]"));
    let (friday, saturday) = ("2026-06-05T22:59:00Z", "2026-06-05T23:00:00Z");
    publish_at(&repo, friday, "one");
    promote_at(&repo, friday, None).unwrap();
    publish_at(&repo, friday, "two");
    let problem = promote_at(&repo, saturday, None).unwrap_err();
    assert_eq!(problem.code, "gate_unmet");
    assert!(problem.message.contains("nothing enters now (weekend), until 2026-06-07T23:00:00Z"), "{problem}");
    assert_eq!(problem.details["unmet"][0]["until"], "2026-06-07T23:00:00Z");
    promote_at(&repo, friday, None).unwrap();
    let rollback = Intent::Rollback { environment: None, agent: support(), to: None };
    carry_out(&repo.at(saturday), "rollback", rollback, BTreeSet::from([support()]), &Manner::default()).unwrap();
    assert_eq!(repo.serves("live"), Some(1));
}

#[test]
fn soak_is_the_sum_of_all_stays() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two("gates = { soak = \"30m\" }\ndeploy = \"latest\""));
    publish_at(&repo, "2026-06-03T10:00:00Z", "one");
    publish_at(&repo, "2026-06-03T10:20:00Z", "two");
    let problem = promote_at(&repo, "2026-06-03T10:40:00Z", Some(1)).unwrap_err();
    assert!(problem.message.contains("it has been in `sandbox` for 20m of 30m"), "{problem}");
    assert!(problem.details["unmet"][0]["until"].is_null());
    let waits = pass_at(&repo, "2026-06-03T10:49:59Z");
    assert!(waits[0].reason.contains("29m 59s of 30m, ready at 2026-06-03T10:50:00Z"), "{waits:?}");
    assert_eq!(repo.serves("live"), None);
    assert_eq!(pass_at(&repo, "2026-06-03T10:50:00Z"), []);
    assert_eq!(repo.serves("live"), Some(2));
    // Ten more minutes for the first.
    let back = Intent::Rollback { environment: Some("sandbox".parse().unwrap()), agent: support(), to: None };
    carry_out(&repo.at("2026-06-03T12:00:00Z"), "rollback", back, BTreeSet::from([support()]), &Manner::default())
        .unwrap();
    promote_at(&repo, "2026-06-03T12:09:59Z", Some(1)).unwrap_err();
    promote_at(&repo, "2026-06-03T12:10:00Z", Some(1)).unwrap();
}

#[test]
fn merged_counts_trees_so_that_squash_and_rebase_count() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["config", "pointsman.defaultBranch", "main"]).ok();
    repo.policy(&two("gates = { merged = true }"));
    repo.git(&["checkout", "-qb", "feature"]).ok();
    repo.publish_support("one");
    repo.publish_support("two");
    repo.promote("live", &[]).refused("its content never was on the default branch", "merge the change");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "--squash", "feature"]).ok();
    repo.git(&["commit", "-qm", "Squashed"]).ok();
    repo.promote("live", &[]).ok();
    // Only the end of the branch was squashed: v1 never was there.
    repo.promote("live", &["--version", "1"]).refused("never was on the default branch", "");

    repo.git(&["checkout", "-qb", "more"]).ok();
    repo.publish_support("three");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write("notes.txt", "something else\n");
    repo.git(&["add", "notes.txt"]).ok();
    repo.git(&["commit", "-qm", "Notes"]).ok();
    repo.promote("live", &[]).refused("never was on the default branch", "");
    repo.git(&["checkout", "-q", "more"]).ok();
    repo.git(&["rebase", "-q", "main"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "--ff-only", "more"]).ok();
    // What was there counts too: the branch has moved on.
    repo.write("agents/support/persona.md", "Next.\n");
    repo.git(&["commit", "-qam", "Next"]).ok();
    repo.promote("live", &[]).ok();
    assert_eq!(repo.serves("live"), Some(3));
}

#[test]
fn numbers_become_routes_json() {
    let world = World::new();
    let repo = world.repository("shop");
    let numbers = "[[environments.numbers]]\nnumber = \"+442071234567\"\nagent = \"support\"\nmatch = { \"X-Tier\" = \"gold\" }\n\
                   set = { \"X-Queue\" = \"priority\" }\n[[environments.numbers]]\nnumber = \"+442071234567\"\nagent = \"support\"";
    repo.policy(&two(numbers));
    repo.publish_support("one");
    repo.promote("live", &[]).ok();
    let routes = "{\"+442071234567\":[{\"agent\":\"support\",\"match\":{\"X-Tier\":\"gold\"},\"set\":{\"X-Queue\":\"priority\"}},\
                  {\"agent\":\"support\",\"match\":{},\"set\":{}}]}";
    assert_eq!(repo.git_out(&["show", "env/live:routes.json"]), routes);
    let action = "--format=%(trailers:key=Pointsman-Action,valueonly)";
    assert_eq!(repo.git_out(&["log", "-1", action, "env/live", "--", "routes.json"]), "routes");
    repo.publish_support("two");
    repo.promote("live", &[]).ok();
    repo.pointsman(&["rollback", "support"]).ok();
    assert_eq!(repo.git_out(&["show", "env/live:routes.json"]), routes);
    repo.policy(&two(""));
    assert!(repo.reconcile().contains("Route the numbers of live"));
    assert_ne!(repo.git(&["cat-file", "-e", "env/live:routes.json"]).code, 0);
    assert_eq!(repo.git_out(&["log", "-1", action, "env/live"]), "routes");
}

#[test]
fn an_environment_that_is_named_no_longer_is_served_and_moves_no_more() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two("deploy = \"latest\""));
    repo.publish_support("one");
    let live = repo.git_out(&["rev-parse", "env/live"]);
    repo.policy("[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n");
    repo.publish_support("two");
    let said = repo.reconcile();
    assert!(said.contains("`live` is not named in pointsman.toml any more"), "{said}");
    assert_eq!(repo.git_out(&["rev-parse", "env/live"]), live);
    repo.pointsman(&["rollback", "support", "--env", "live"]).refused("not named in pointsman.toml", "renamed_from");
    repo.policy(&two("deploy = \"latest\""));
    repo.reconcile();
    assert_eq!(repo.serves("live"), Some(2));
}

#[test]
fn a_renamed_environment_carries_its_history_on_even_when_the_ledger_is_lost() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two(""));
    for greeting in ["one", "two"] {
        repo.publish_support(greeting);
        repo.promote("live", &[]).ok();
    }
    let live = repo.git_out(&["rev-parse", "env/live"]);
    repo.policy(&two("").replace("\"live\"", "\"production\"\nrenamed_from = \"live\""));
    let said = repo.reconcile();
    assert!(said.contains("begin production with the history of live"), "{said}");
    assert_eq!(repo.git_out(&["rev-parse", "env/production"]), live);
    repo.pointsman(&["rollback", "support", "--env", "production"]).ok();
    repo.git(&["merge-base", "--is-ancestor", &live, "env/production"]).ok();
    repo.promote("live", &[]).refused("no environment `live`", "");

    for name in ["refs/heads/pointsman/ledger", "refs/pointsman/seen/ledger"] {
        repo.git(&["update-ref", "-d", name]).ok();
    }
    let production = repo.git_out(&["rev-parse", "env/production"]);
    let said = repo.reconcile();
    assert!(!said.contains("Put"), "{said}");
    assert_eq!(repo.git_out(&["rev-parse", "env/production"]), production);
    let again = repo.pointsman(&["rollback", "support", "--env", "production"]).ok();
    assert!(again.stdout.contains("rolled back from v2"), "{}", again.stdout);
}

#[test]
fn a_name_given_back_goes_forward_from_its_older_branch() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two(""));
    repo.publish_support("one");
    repo.promote("live", &[]).ok();
    let older = repo.git_out(&["rev-parse", "env/live"]);
    let renamed = two("").replace("\"live\"", "\"production\"\nrenamed_from = \"live\"");
    repo.policy(&renamed);
    repo.reconcile();
    repo.policy(&format!("{}[[environments]]\nname = \"live\"\n", renamed.replace("renamed_from = \"live\"\n", "")));
    repo.reconcile();
    assert_eq!(repo.serves("live"), None);
    repo.git(&["merge-base", "--is-ancestor", &older, "env/live"]).ok();
    assert!(repo.reconcile().starts_with("nothing to do\n"));
}

#[test]
fn publish_refuses_what_pointsman_toml_says_only_in_the_working_tree() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("bots/sales/flow.json", "{\"steps\": []}\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "A bot"]).ok();
    let listing = "[agents.sales]\npath = \"bots/sales\"\nkind = \"flow\"\n";
    repo.write("pointsman.toml", listing);
    let before = repo.refs();
    let said = "what pointsman.toml says about `sales` is not committed";
    repo.pointsman(&["publish", "sales"]).refused(said, "git add pointsman.toml");
    assert_eq!(repo.refs(), before);
    repo.policy(listing);
    repo.pointsman(&["publish", "sales"]).ok();
    repo.write("pointsman.toml", format!("{listing}include = [\"shared/**\"]\n"));
    repo.write("bots/sales/flow.json", "{\"steps\": [1]}\n");
    repo.pointsman(&["publish", "sales"]).refused(said, "git commit");
    // What it says about others, and about environments, does not matter here.
    repo.write("pointsman.toml", format!("{listing}{}", two("confirm = true")));
    repo.pointsman(&["publish", "sales"]).ok();
}

#[test]
fn an_agent_that_is_the_whole_repository_is_published_with_its_listing() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["rm", "-rq", "agents"]).ok();
    repo.write("flow.json", "{}\n");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-qm", "One bot"]).ok();
    repo.write("pointsman.toml", "[agents.bot]\npath = \".\"\nkind = \"flow\"\n");
    repo.git(&["add", "-A"]).ok();
    repo.pointsman(&["publish", "bot"]).ok();
    assert_eq!(
        repo.git_out(&["rev-parse", "bot/v1^{tree}"]),
        repo.git_out(&["rev-parse", "env/sandbox:agents/bot/source"])
    );
}

#[test]
fn a_revoked_newest_version_makes_latest_step_back() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two(""));
    repo.publish_support("one");
    repo.publish_support("two");
    repo.promote("live", &[]).ok();
    let said = repo.pointsman(&["revoke", "support", "2", "--reason", "wrong price"]).ok().stdout;
    assert!(said.contains("support/v2 is revoked; it is still served in live"), "{said}");
    assert_eq!((repo.serves("sandbox"), repo.serves("live")), (Some(1), Some(2)));
    repo.promote("sandbox", &["--version", "2"]).refused("the version is revoked", "");
    assert!(repo.reconcile().starts_with("nothing to do\n"));
    repo.publish_support("three");
    assert_eq!(repo.serves("sandbox"), Some(3));
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let world = World::new();
    let origin = world.bare("origin.git");
    let repo = world.repository("shop");
    repo.publish_support("one");
    repo.publish_support("two");
    // The remote is new and would be given everything by the next command that decides.
    repo.git(&["remote", "add", "origin", origin.to_str().unwrap()]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let there = || world.git(".", &["ls-remote", origin.to_str().unwrap()]).ok().stdout;
    let (before, remote) = (repo.refs(), there());
    let dry = repo.promote("pre-release", &["--dry-run", "--json"]).ok().json();
    assert_eq!((&dry["dryRun"], &dry["moves"][0]["to"]), (&true.into(), &2.into()));
    assert_eq!((&dry["deployment"], &dry["commit"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    let said = repo.pointsman(&["rollback", "support", "--env", "sandbox", "--dry-run"]).ok().stdout;
    assert_eq!(said, "would: support: v2 -> v1 in sandbox\n");
    repo.promote("live", &["--dry-run"]).refused("not in `pre-release`", "");
    repo.pointsman(&["reconcile", "--once", "--dry-run"]).ok();
    assert_eq!((repo.refs(), there()), (before, remote));
}

#[test]
fn waiting_helps_only_where_time_does() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.policy(&two("gates = { soak = \"1s\" }"));
    repo.publish_support("one");
    repo.promote("live", &["--wait"]).ok();
    assert_eq!(repo.serves("live"), Some(1));

    repo.policy(&two("gates = { soak = \"300h\" }"));
    repo.publish_support("two");
    repo.promote("live", &[]).refused("of 300h, ready at", "--wait goes on");
    let ended = repo.promote("live", &["--wait"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: the time comes at"), "{}", ended.stderr);
    repo.policy(&two("freeze = [{ from = \"2020-01-01\" }]"));
    repo.promote("live", &["--wait"]).refused("nothing enters now", "");
    repo.policy(&two("confirm = true\ngates = { soak = \"300h\" }"));
    repo.promote("live", &["--wait"]).refused("it asks for confirmation", "");
}

#[test]
fn a_long_history_without_a_policy_is_walked_once() {
    let world = World::new();
    let repo = world.repository("shop");
    let oldest = repo.git_out(&["rev-parse", "HEAD"]);
    for number in 0..40 {
        repo.git(&["commit", "-q", "--allow-empty", "-m", &format!("Work {number}")]).ok();
    }
    repo.publish_support("one");
    // What lies below what was walked is not read again: the command does well without it.
    let object = repo.path(&format!(".git/objects/{}/{}", &oldest[..2], &oldest[2..]));
    let aside = world.path("aside");
    std::fs::rename(&object, &aside).unwrap();
    repo.promote("pre-release", &[]).ok();
    std::fs::rename(&aside, &object).unwrap();
    // And a policy that comes later counts, there or gone.
    repo.policy(&two("confirm = true"));
    repo.promote("live", &[]).refused("asks for confirmation", "--confirm");
    repo.policy("nonsense = true\n");
    assert!(repo.reconcile().contains("unknown key `nonsense`"));
    repo.promote("live", &["--confirm"]).ok();
    repo.git(&["rm", "-q", "pointsman.toml"]).ok();
    repo.git(&["commit", "-qm", "Clean up"]).ok();
    assert!(repo.reconcile().contains("not on the default branch any more"));
}
