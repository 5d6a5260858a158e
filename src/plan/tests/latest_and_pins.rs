//! What moves by itself, and why it waits.

use super::*;

const LATEST: &str = "[[environments]]\nname = 'a'\ndeploy = 'latest'";

/// One environment with a pin.
fn pinned(pin: &str, extra: &str) -> String {
    format!("[[environments]]\nname = 'a'\npins = {{ {pin} }}\n{extra}")
}

#[test]
fn latest_takes_every_accepted_version() {
    let mut world = World::new(LATEST);
    for number in 1..=3 {
        world.publish("support");
        assert_eq!(world.serves("a", "support"), Some(number));
    }
    let causes = world.lines[&env("a")].past.iter().map(|past| past.action);
    assert!(causes.eq([Action::Deploy; 3]));
}

#[test]
fn a_tag_with_a_lower_number_that_comes_late_is_not_the_latest() {
    let mut world = World::new(LATEST);
    world.pushed.push(tag("support/v5"));
    world.pass(None);
    world.pushed.push(tag("support/v2"));
    world.pass(None);
    assert_eq!(world.serves("a", "support"), Some(5));
}

#[test]
fn latest_never_returns_to_what_was_rolled_back_from_since_the_last_explicit_promotion() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.publish("support");
    world.moves(rollback("support", "a", None));
    world.moves(release("support", "a"));
    assert_eq!(world.serves("a", "support"), Some(1));
    // A newer version goes in; when it is revoked, v2 stays out all the same.
    world.publish("support");
    assert_eq!(world.serves("a", "support"), Some(3));
    world.ask(revoke("support/v3"));
    assert_eq!(world.serves("a", "support"), Some(1));
    // An explicit promotion forgets.
    world.moves(promote("support", "a", Some(2)));
    assert_eq!((world.serves("a", "support"), world.hold("a", "support")), (Some(2), None));
}

#[test]
fn taking_an_agent_out_forgets_no_rollback() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.publish("support");
    world.moves(rollback("support", "a", None));
    world.propose("a", &[("support", None)]);
    world.pass(None);
    assert_eq!(world.serves("a", "support"), None);
    world.moves(release("support", "a"));
    assert_eq!(world.serves("a", "support"), Some(1));
}

#[test]
fn a_revoked_newest_version_makes_latest_step_back_in_the_same_pass() {
    let mut world = World::new(LATEST);
    for _ in 0..3 {
        world.publish("support");
    }
    world.ask(revoke("support/v2"));
    let Answer::Revoked { served_in, already, .. } = world.ask(revoke("support/v3")) else { panic!("not revoked") };
    assert_eq!((served_in, already), (vec![], false));
    assert_eq!(world.serves("a", "support"), Some(1));
    // With nothing left to go to it stays where it is.
    let Answer::Revoked { served_in, .. } = world.ask(revoke("support/v1")) else { panic!("not revoked") };
    assert_eq!(served_in, [env("a")]);
    assert_eq!(world.serves("a", "support"), Some(1));
}

#[test]
fn a_version_that_is_revoked_in_the_pass_that_accepts_it_goes_nowhere() {
    let mut world = World::new(LATEST);
    world.publish("support");
    world.pushed.push(tag("support/v2"));
    world.ask(revoke("support/v2"));
    assert_eq!(world.serves("a", "support"), Some(1));
}

#[test]
fn latest_steps_back_only_from_a_revoked_version() {
    let mut world = World::new(LATEST);
    for _ in 0..3 {
        world.publish("support");
    }
    world.moves(rollback("support", "a", None));
    // Back to v3, which was rolled back from: somebody means it, and releasing the hold must not fall to v1.
    world.moves(rollback("support", "a", Some(3)));
    world.moves(release("support", "a"));
    assert_eq!(world.serves("a", "support"), Some(3));
}

#[test]
fn a_pin_decides_and_follows_its_changes() {
    let mut world = World::new(&pinned("support = 1", "deploy = 'latest'\nconfirm = true"));
    world.publish("support");
    world.publish("support");
    assert_eq!(world.serves("a", "support"), Some(1));
    world.set_policy(&pinned("support = 2", "confirm = true"));
    world.pass(None);
    assert_eq!(world.serves("a", "support"), Some(2));
    world.set_policy("[[environments]]\nname = 'a'");
    world.pass(None);
    assert_eq!(world.serves("a", "support"), Some(2));
}

#[test]
fn a_pin_waits_with_its_reason() {
    let mut world = World::new(&pinned("support = 2, billing = 1", ""));
    world.publish("support");
    assert_eq!(world.waits(), ["a unknown_version", "a unknown_version"]);
    let reasons: Vec<_> = world.plan(None).waits.into_iter().map(|wait| wait.reason).collect();
    assert_eq!(reasons[0], "billing v1 is pinned in a but is not published");
    world.publish("support");
    assert_eq!((world.serves("a", "support"), world.waits()), (Some(2), vec!["a unknown_version".to_owned()]));
}

#[test]
fn a_pin_meets_every_gate_but_confirm() {
    let mut world = World::new(&two("pins = { support = 1 }\nconfirm = true\ngates = { merged = true, soak = '10m' }"));
    world.publish("support");
    assert_eq!(world.waits(), ["b soak"]);
    world.later(10);
    assert_eq!(world.waits(), ["b merged"]);
    world.merged.insert((agent("support"), v(1)));
    world.pass(None);
    assert_eq!((world.serves("b", "support"), world.waits()), (Some(1), vec![]));
}

#[test]
fn a_pin_to_a_revoked_or_rolled_back_version_waits() {
    let mut world = World::new(&pinned("support = 1", ""));
    world.publish("support");
    world.publish("support");
    world.ask(revoke("support/v2"));
    world.set_policy(&pinned("support = 2", ""));
    assert_eq!(world.waits(), ["a revoked"]);

    let mut world = World::new(&pinned("support = 1", ""));
    world.publish("support");
    world.set_policy(&pinned("support = 2", ""));
    world.publish("support");
    world.moves(rollback("support", "a", None));
    assert_eq!(world.waits(), ["a held"]);
    world.moves(release("support", "a"));
    assert_eq!((world.serves("a", "support"), world.waits()), (Some(1), vec!["a rolled_back".to_owned()]));
}

#[test]
fn a_promotion_against_a_pin_is_refused_and_names_it() {
    let mut world = World::new(&pinned("support = 1", ""));
    world.publish("support");
    world.publish("support");
    let refusal = world.refused(promote("support", "a", Some(2)));
    assert_eq!(refusal.unmet[0].gate, Unmet::Pinned { pin: v(1) });
    assert!(refusal.message.contains("pointsman.toml pins v1"), "{}", refusal.message);
    assert!(refusal.hint.unwrap().contains("pull request"));
    world.already(promote("support", "a", Some(1)));
}

#[test]
fn promoting_what_is_held_against_a_pin_does_not_let_the_pin_in() {
    let mut world = World::new(&pinned("support = 1", ""));
    world.publish("support");
    world.publish("support");
    world.moves(hold("support", "a"));
    world.set_policy(&pinned("support = 2", ""));
    let refusal = world.refused(promote("support", "a", Some(1)));
    assert_eq!(refusal.unmet[0].gate.code(), "pinned");
    assert_eq!(world.serves("a", "support"), Some(1));
}

#[test]
fn numbers_become_routes_that_a_rollback_leaves_alone_and_that_go_with_the_policy() {
    let numbers = "numbers = [{ number = '+442071234567', agent = 'support' }]";
    let mut world = World::new(&format!("{LATEST}\n{numbers}"));
    world.publish("support");
    world.publish("support");
    let routes = world.lines[&env("a")].routes.clone().unwrap();
    assert_eq!(
        String::from_utf8(routes.clone()).unwrap(),
        r#"{"+442071234567":[{"agent":"support","match":{},"set":{}}]}"#
    );
    let written = world.lines[&env("a")].past.iter().filter(|past| past.action == Action::Routes).count();
    assert_eq!(written, 1);
    world.moves(rollback("support", "a", None));
    assert_eq!(world.lines[&env("a")].routes, Some(routes));
    world.set_policy(LATEST);
    world.pass(None);
    assert_eq!(world.lines[&env("a")].routes, None);
}
