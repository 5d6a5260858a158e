//! Rollback: only to what was live there and is not revoked; nothing else stops it.

use super::*;

/// One environment that nothing enters by itself, with three versions that were live in turn.
fn three() -> World {
    let mut world = World::new("[[environments]]\nname = 'a'");
    for _ in 0..3 {
        world.publish("support");
        world.moves(promote("support", "a", None));
    }
    world
}

#[test]
fn the_default_is_the_newest_before_the_present_that_was_not_rolled_back_from() {
    let mut world = three();
    world.moves(rollback("support", "a", None));
    assert_eq!(world.serves("a", "support"), Some(2));
    assert_eq!(world.hold("a", "support").unwrap().rolled_back_from, Some(v(3)));
    world.moves(release("support", "a"));
    world.moves(rollback("support", "a", None));
    assert_eq!(world.serves("a", "support"), Some(1));
    world.moves(release("support", "a"));
    let refusal = world.refused(rollback("support", "a", None));
    assert_eq!(refusal.code, "nothing_before");
    assert_eq!(refusal.hint.unwrap(), "take it out with: pointsman retire support --env a");
}

#[test]
fn a_repeated_rollback_answers_with_the_one_that_stands() {
    let mut world = three();
    world.moves(rollback("support", "a", None));
    let because = world.already(rollback("support", "a", None));
    assert_eq!(because, "it was rolled back from v3 and is held since");
    assert_eq!(world.already(rollback("support", "a", Some(2))), because);
    // Naming another version goes further back.
    world.moves(rollback("support", "a", Some(1)));
    assert_eq!(world.serves("a", "support"), Some(1));
}

#[test]
fn a_rollback_goes_only_to_what_was_live_there() {
    let mut world = World::new(&two(""));
    for _ in 0..2 {
        world.publish("support");
    }
    world.moves(promote("support", "b", Some(2)));
    let refusal = world.refused(rollback("support", "b", Some(1)));
    assert_eq!(refusal.code, "never_live");
    assert_eq!(refusal.hint.unwrap(), "pointsman promote support --to b --version 1");
    assert_eq!(world.refused(rollback("support", "b", Some(7))).code, "unknown_version");
    assert_eq!(world.refused(rollback("billing", "b", None)).code, "no_published_version");
    assert_eq!(world.already(rollback("support", "b", Some(2))), "`b` serves it already");
}

#[test]
fn a_rollback_goes_to_nothing_revoked() {
    let mut world = three();
    world.ask(revoke("support/v2"));
    assert_eq!(world.refused(rollback("support", "a", Some(2))).code, "revoked");
    world.moves(rollback("support", "a", None));
    assert_eq!(world.serves("a", "support"), Some(1));
}

#[test]
fn neither_freeze_nor_soak_nor_confirm_nor_merged_nor_a_pin_stops_a_rollback() {
    let mut world = three();
    world.set_policy(
        "[[environments]]\nname = 'z'\n[[environments]]\nname = 'a'\nfrom = 'z'\nconfirm = true\npins = { support = 3 }\n\
         gates = { merged = true, soak = '1h' }\nfreeze = [{ from = '2020-01-01' }]",
    );
    world.moves(rollback("support", "a", None));
    assert_eq!((world.serves("a", "support"), world.waits()), (Some(2), vec!["a held".to_owned()]));
}

#[test]
fn what_was_retired_comes_back_by_a_rollback() {
    let mut world = three();
    world.moves(retire("support", "a"));
    world.moves(rollback("support", "a", None));
    assert_eq!(world.serves("a", "support"), Some(3));
}

#[test]
fn a_rollback_in_the_pass_that_accepts_a_hand_edit_goes_to_what_was_there_before_the_edit() {
    let mut world = three();
    world.publish("support");
    world.propose("a", &[("support", Some(4))]);
    world.moves(rollback("support", "a", None));
    assert_eq!(world.serves("a", "support"), Some(3));
}

#[test]
fn a_deployment_is_undone_for_all_of_its_agents_or_for_none() {
    let mut world = World::new("[[environments]]\nname = 'a'");
    for name in ["billing", "support"] {
        world.publish(name);
    }
    world.moves(promote("support", "a", None));
    world.publish("support");
    let both = Intent::Promote {
        to: env("a"),
        versions: [(agent("billing"), None), (agent("support"), None)].into(),
        confirm: false,
    };
    let moves = world.moves(both);
    let undo = Intent::Undo {
        environment: env("a"),
        deployment: some_deployment(),
        moves: moves.into_iter().map(|made| (made.agent, made.to, made.from)).collect(),
    };
    let undone = world.moves(undo.clone());
    assert_eq!(undone.len(), 2);
    assert_eq!((world.serves("a", "support"), world.serves("a", "billing")), (Some(1), None));
    assert!(world.hold("a", "support").is_some() && world.hold("a", "billing").is_some());
    assert_eq!(world.already(undo.clone()), "the deployment is undone already");

    world.publish("support");
    world.moves(promote("support", "a", Some(3)));
    let refusal = world.refused(undo);
    assert_eq!(refusal.code, "moved_on");
    assert!(refusal.message.contains("at v3 by now, not at v2"), "{}", refusal.message);
}

#[test]
fn a_deployment_is_not_undone_to_a_revoked_version() {
    let mut world = three();
    world.ask(revoke("support/v2"));
    let undo = Intent::Undo {
        environment: env("a"),
        deployment: some_deployment(),
        moves: vec![(agent("support"), Some(v(3)), Some(v(2)))],
    };
    assert_eq!(world.refused(undo).code, "revoked");
}
