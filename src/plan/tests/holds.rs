//! Holds: what begins one, what it keeps out, what ends it.

use super::*;

const LATEST: &str = "[[environments]]\nname = 'a'\ndeploy = 'latest'";

#[test]
fn nothing_automatic_enters_a_held_agent_and_the_wait_says_who_and_why() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.moves(hold("support", "a"));
    let waits = world.publish("support").waits;
    assert_eq!(world.serves("a", "support"), Some(1));
    assert_eq!(waits[0].reason, "support is held in a by Ada <ada@example.com>: because");
    assert!(world.already(hold("support", "a")).contains("held since"));
    world.moves(release("support", "a"));
    assert_eq!(world.serves("a", "support"), Some(2));
    assert_eq!(world.already(release("support", "a")), "it is not held");
}

#[test]
fn an_agent_that_is_not_there_can_be_held_out() {
    let mut world = World::new("[[environments]]\nname = 'a'\n");
    world.publish("support");
    world.moves(hold("support", "a"));
    world.set_policy(LATEST);
    world.publish("support");
    assert_eq!(world.serves("a", "support"), None);
    world.moves(release("support", "a"));
    assert_eq!(world.serves("a", "support"), Some(2));
}

#[test]
fn retire_takes_an_agent_out_and_keeps_it_out() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.moves(retire("support", "a"));
    world.publish("support");
    assert_eq!(world.serves("a", "support"), None);
    assert_eq!(world.already(retire("support", "a")), "it is not served there");
    // An explicit promotion brings it back, and ends the hold.
    world.moves(promote("support", "a", None));
    assert_eq!((world.serves("a", "support"), world.hold("a", "support")), (Some(2), None));
}

#[test]
fn a_promotion_to_other_than_the_latest_is_held_where_the_latest_would_undo_it() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.publish("support");
    world.moves(promote("support", "a", Some(1)));
    assert_eq!(world.serves("a", "support"), Some(1));
    assert!(world.hold("a", "support").is_some());
    // The latest needs none.
    world.moves(promote("support", "a", Some(2)));
    assert_eq!((world.serves("a", "support"), world.hold("a", "support")), (Some(2), None));
}

#[test]
fn elsewhere_a_promotion_of_an_older_version_needs_no_hold() {
    let mut world = World::new(&two(""));
    world.publish("support");
    world.publish("support");
    world.moves(promote("support", "b", Some(2)));
    world.moves(promote("support", "b", Some(1)));
    assert!(world.hold("b", "support").is_none());
}

#[test]
fn promoting_the_version_that_a_rollback_went_to_turns_its_hold_into_a_plain_one() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.publish("support");
    world.moves(rollback("support", "a", None));
    assert_eq!(world.hold("a", "support").unwrap().rolled_back_from, Some(v(2)));
    world.moves(promote("support", "a", Some(1)));
    assert_eq!(world.hold("a", "support").unwrap().rolled_back_from, None);
    // The rollback is forgotten: released, the latest goes in.
    world.moves(release("support", "a"));
    assert_eq!(world.serves("a", "support"), Some(2));
}

#[test]
fn an_explicit_promotion_ends_a_hold_even_to_what_is_there() {
    let mut world = World::new(&two("confirm = true"));
    world.publish("support");
    world.moves(promote_confirmed("support", "b", None));
    world.moves(hold("support", "b"));
    world.moves(promote_confirmed("support", "b", None));
    assert!(world.hold("b", "support").is_none());
}

#[test]
fn an_accepted_hand_edit_is_held_like_a_promotion() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.publish("support");
    world.propose("a", &[("support", Some(1))]);
    world.pass(None);
    assert_eq!(world.serves("a", "support"), Some(1));
    assert_eq!(world.hold("a", "support").unwrap().actor, "Eve <eve@example.com>");
    world.propose("a", &[("support", Some(2))]);
    world.pass(None);
    assert_eq!((world.serves("a", "support"), world.hold("a", "support")), (Some(2), None));
}

#[test]
fn what_nobody_published_can_be_neither_held_nor_retired() {
    let mut world = World::new("");
    world.publish("support");
    for intent in [hold("billing", "live"), retire("billing", "live"), release("billing", "live")] {
        assert_eq!(world.refused(intent).code, "no_published_version");
    }
}

#[test]
fn a_hold_on_a_tree_that_is_no_version_leaves_it_and_retire_takes_it_out() {
    let mut world = World::new("[[environments]]\nname = 'a'");
    world.publish("support");
    let mut observed = world.observed();
    let strange = object(&agent("strange"), v(1));
    observed.environments[0].serves.insert(agent("support"), Served::Unknown(strange));
    for (intent, action) in [(hold("support", "a"), Action::Hold), (retire("support", "a"), Action::Retire)] {
        let request = Request { intent, actor: somebody(), cause: Cause::Cli, reason: String::new() };
        let Ok(plan) = plan(&observed, Some(&request), &world, world.now);
        let Some(Step::Commit(commit)) = plan.steps.last() else { panic!("{plan:?}") };
        // Apply tells the two apart by the action alone: neither names a version.
        assert_eq!((commit.action, commit.moves[0].to, commit.moves[0].entry), (action, None, None));
    }
}
