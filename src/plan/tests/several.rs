//! Several agents in one request, and requests that come to nothing.

use super::*;

fn release_of(versions: &[(&str, Option<u32>)], to: &str) -> Intent {
    let versions = versions.iter().map(|(name, version)| (agent(name), version.map(v))).collect();
    Intent::Promote { to: env(to), versions, confirm: false }
}

#[test]
fn several_agents_move_in_one_commit() {
    let mut world = World::new(&two(""));
    world.publish("billing");
    world.publish("support");
    world.moves(promote("billing", "b", None));
    let before = world.lines[&env("b")].past.len();
    // One of them is there already: it is not moved again.
    let moves = world.moves(release_of(&[("billing", None), ("support", Some(1))], "b"));
    assert_eq!(moves.len(), 1);
    assert_eq!(world.lines[&env("b")].past.len(), before + 1);
}

#[test]
fn one_agent_that_may_not_move_keeps_all_of_them_back() {
    let mut world = World::new(&two("gates = { merged = true }"));
    world.publish("billing");
    world.publish("support");
    world.merged.insert((agent("billing"), v(1)));
    let refusal = world.refused(release_of(&[("billing", None), ("support", None)], "b"));
    assert_eq!(refusal.unmet.len(), 1);
    assert_eq!(refusal.unmet[0].agent, agent("support"));
    assert_eq!(world.serves("b", "billing"), None);
    assert_eq!(world.refused(release_of(&[("billing", None), ("nobody", None)], "b")).code, "no_published_version");
    assert_eq!(world.serves("b", "billing"), None);
}

#[test]
fn a_revoked_version_is_refused_everywhere_and_revoking_twice_says_so() {
    let mut world = World::new(&two("pins = { support = 1 }"));
    world.publish("support");
    world.publish("support");
    let Answer::Revoked { served_in, .. } = world.ask(revoke("support/v1")) else { panic!("not revoked") };
    assert_eq!(served_in, [env("b")]);
    let Answer::Revoked { already, .. } = world.ask(revoke("support/v1")) else { panic!("not revoked") };
    assert!(already);
    assert_eq!(world.refused(promote("support", "a", Some(1))).unmet[0].gate, Unmet::Revoked);
    assert_eq!(world.refused(revoke("support/v9")).code, "unknown_version");
}

#[test]
fn where_every_version_is_revoked_there_is_nothing_to_promote() {
    let mut world = World::new("[[environments]]\nname = 'a'");
    world.publish("support");
    world.ask(revoke("support/v1"));
    assert_eq!(world.refused(promote("support", "a", None)).code, "revoked");
}

#[test]
fn a_published_draft_is_answered_with_the_version_that_has_its_content() {
    let mut world = World::new("");
    world.publish("support");
    let publish = |unchanged| Intent::Publish { agent: agent("support"), unchanged };
    assert_eq!(world.ask(publish(Some(v(1)))), Answer::Unchanged(tag("support/v1")));
    assert_eq!(world.refused(publish(None)).code, "nothing_to_publish");
}

#[test]
fn the_commit_that_was_asked_for_is_marked_and_the_others_are_not() {
    let mut world = World::new(&two("deploy = 'latest'"));
    world.publish("support");
    world.moves(hold("support", "a"));
    world.publish("support");
    let request =
        Request { intent: release("support", "a"), actor: somebody(), cause: Cause::Cli, reason: String::new() };
    let plan = world.pass(Some(&request));
    let commits = plan.steps.iter().filter_map(|step| match step {
        Step::Commit(commit) => Some((commit.action, commit.asked)),
        _ => None,
    });
    let expected = [(Action::ReleaseHold, true), (Action::Deploy, false), (Action::Deploy, false)];
    assert_eq!(commits.collect::<Vec<_>>(), expected);
}
