//! Branches that are not where they were left, environments that go and environments that get another name.

use super::*;

const ONE: &str = "[[environments]]\nname = 'a'";

#[test]
fn a_hand_edit_passes_the_gates_or_is_put_back() {
    let mut world = World::new(&two("confirm = true\ngates = { merged = true }"));
    world.publish("support");
    world.propose("b", &[("support", Some(1))]);
    world.pass(None);
    assert_eq!(world.serves("b", "support"), None);
    assert_eq!(world.lines[&env("b")].past.last().unwrap().action, Action::Heal);
    // Merged, it is an explicit promotion with `confirm` given.
    world.merged.insert((agent("support"), v(1)));
    world.propose("b", &[("support", Some(1))]);
    world.pass(None);
    assert_eq!(world.serves("b", "support"), Some(1));
    assert_eq!(world.lines[&env("b")].past.last().unwrap().action, Action::Accept);
}

#[test]
fn the_entries_of_a_hand_edit_stand_or_fall_together() {
    let mut world = World::new(ONE);
    world.publish("billing");
    world.publish("support");
    world.propose("a", &[("billing", Some(1)), ("support", Some(7))]);
    world.pass(None);
    assert_eq!(world.serves("a", "billing"), None);
    world.propose("a", &[("billing", Some(1)), ("support", Some(1))]);
    world.pass(None);
    assert_eq!((world.serves("a", "billing"), world.serves("a", "support")), (Some(1), Some(1)));
}

#[test]
fn a_hand_edit_against_a_pin_or_to_a_revoked_version_is_put_back() {
    let mut world = World::new("[[environments]]\nname = 'a'\npins = { support = 1 }");
    world.publish("support");
    world.publish("support");
    world.propose("a", &[("support", Some(2))]);
    world.pass(None);
    assert_eq!(world.serves("a", "support"), Some(1));
    world.set_policy(ONE);
    world.ask(revoke("support/v2"));
    world.propose("a", &[("support", Some(2))]);
    world.pass(None);
    assert_eq!(world.serves("a", "support"), Some(1));
}

#[test]
fn a_removal_by_hand_is_a_retire() {
    let mut world = World::new("[[environments]]\nname = 'a'\ndeploy = 'latest'");
    world.publish("support");
    world.propose("a", &[("support", None)]);
    world.pass(None);
    world.publish("support");
    assert_eq!(world.serves("a", "support"), None);
    assert_eq!(world.hold("a", "support").unwrap().reason, "By hand");
}

#[test]
fn a_rewritten_branch_is_healed_and_a_branch_behind_follows() {
    let mut world = World::new(ONE);
    world.publish("support");
    let strange = object(&agent("strange"), v(1));
    world.tips.insert(env("a"), EnvironmentTip::Rewritten(strange));
    let plan = world.pass(None);
    let [Step::Commit(commit)] = &plan.steps[..] else { panic!("{plan:?}") };
    assert_eq!((commit.action, commit.beside, commit.asked), (Action::Heal, Some(strange), false));
    world.tips.insert(env("a"), EnvironmentTip::Behind);
    assert_eq!(world.pass(None).steps, [Step::Follow { environment: env("a") }]);
}

#[test]
fn an_environment_that_begins_beside_an_older_branch_of_ours_goes_forward_from_both() {
    let mut world = World::new(ONE);
    let older = object(&agent("older"), v(1));
    world.tips.insert(env("a"), EnvironmentTip::Rewritten(older));
    let plan = world.pass(None);
    let [Step::Begin { .. }, Step::Commit(commit)] = &plan.steps[..] else { panic!("{plan:?}") };
    assert_eq!((commit.action, commit.beside), (Action::Heal, Some(older)));
}

#[test]
fn a_foreign_branch_is_reported_and_never_written() {
    let mut world = World::new("[[environments]]\nname = 'a'\ndeploy = 'latest'");
    let foreign = EnvironmentTip::Foreign(object(&agent("theirs"), v(1)));
    world.pushed.push(tag("support/v1"));
    world.tips.insert(env("a"), foreign);
    let plan = world.plan(None);
    assert!(plan.steps.iter().all(|step| matches!(step, Step::Accept { .. })), "{plan:?}");
    assert_eq!(plan.waits[0].code, "foreign_branch");
    let intent = promote("support", "a", None);
    let request = Request { intent, actor: somebody(), cause: Cause::Cli, reason: String::new() };
    let Some(Answer::Refused(refusal)) = world.plan(Some(&request)).answer else { panic!("not refused") };
    assert_eq!(refusal.code, "foreign_branch");
}

#[test]
fn an_environment_that_is_named_no_longer_is_served_moves_no_more_and_is_reported() {
    let mut world = World::new(&two("deploy = 'latest'\nnumbers = [{ number = '+442071234567', agent = 'support' }]"));
    world.publish("support");
    world.set_policy("[[environments]]\nname = 'a'\ndeploy = 'latest'");
    let waits = world.publish("support").waits;
    assert_eq!((world.serves("a", "support"), world.serves("b", "support")), (Some(2), Some(1)));
    assert!(world.lines[&env("b")].routes.is_some());
    assert_eq!((waits.len(), &*waits[0].code), (1, "not_named"));
    for intent in [promote("support", "b", None), rollback("support", "b", None), hold("support", "b")] {
        assert_eq!(world.refused(intent).code, "not_named");
    }
    // A hand edit there is put back; named again, it goes on where it was.
    world.propose("b", &[("support", Some(2))]);
    world.pass(None);
    assert_eq!(world.serves("b", "support"), Some(1));
    world.set_policy(&two("deploy = 'latest'"));
    world.pass(None);
    assert_eq!(world.serves("b", "support"), Some(2));
}

#[test]
fn a_renamed_environment_carries_on_history_holds_and_rollbacks() {
    let mut world = World::new(&two(""));
    for _ in 0..3 {
        world.publish("support");
        world.moves(promote("support", "b", None));
    }
    world.moves(rollback("support", "b", None));
    world.set_policy(
        "[[environments]]\nname='a'\ndeploy='latest'\n[[environments]]\nname='c'\nfrom='a'\nrenamed_from='b'",
    );
    world.pass(None);
    assert_eq!((world.serves("b", "support"), world.serves("c", "support")), (None, Some(2)));
    assert_eq!(world.hold("c", "support").unwrap().rolled_back_from, Some(v(3)));
    assert_eq!(world.refused(promote("support", "b", None)).code, "unknown_environment");
    // v1 was live there under the old name.
    world.moves(rollback("support", "c", Some(1)));
}

#[test]
fn renaming_and_moving_may_come_in_one_pass() {
    let mut world = World::new(&two(""));
    world.publish("support");
    world.moves(promote("support", "b", None));
    world.publish("support");
    world.set_policy(
        "[[environments]]\nname='a'\ndeploy='latest'\n[[environments]]\nname='c'\nfrom='a'\nrenamed_from='b'",
    );
    let moves = world.moves(promote("support", "c", None));
    assert_eq!((moves[0].from, moves[0].to), (Some(v(1)), Some(v(2))));
}

#[test]
fn a_name_that_is_still_in_use_gives_no_history_away() {
    let mut world = World::new(&two(""));
    world.publish("support");
    world.moves(promote("support", "b", None));
    world.set_policy(&format!("{}\n[[environments]]\nname='c'\nrenamed_from='b'", two("")));
    world.pass(None);
    assert_eq!((world.serves("b", "support"), world.serves("c", "support")), (Some(1), None));
}
