//! Each gate by itself, and that it lets in what meets it.

use super::*;

/// The codes of the gates in a refusal.
fn codes(refusal: &Refusal) -> Vec<&'static str> {
    refusal.unmet.iter().map(|missing| missing.gate.code()).collect()
}

#[test]
fn from_lets_in_what_is_or_was_in_the_environment_before() {
    let mut world = World::new("[[environments]]\nname='a'\n[[environments]]\nname='b'\nfrom='a'");
    world.publish("support");
    world.publish("support");
    let refusal = world.refused(promote("support", "b", Some(1)));
    assert_eq!((refusal.code, codes(&refusal)), ("gate_unmet", vec!["from"]));
    assert_eq!(refusal.hint.unwrap(), "pointsman promote support --to a");
    world.moves(promote("support", "a", Some(1)));
    world.moves(promote("support", "a", Some(2)));
    // v1 was there; v2 is.
    world.moves(promote("support", "b", Some(1)));
    world.moves(promote("support", "b", None));
    assert_eq!(world.serves("b", "support"), Some(2));
}

#[test]
fn from_keeps_out_what_was_rolled_back_there() {
    let mut world = World::new(&two(""));
    world.publish("support");
    world.publish("support");
    world.moves(rollback("support", "a", None));
    let refusal = world.refused(promote("support", "b", Some(2)));
    assert_eq!(codes(&refusal), ["rolled_back"]);
    // Promoting it there again forgets the rollback.
    world.moves(promote("support", "a", Some(2)));
    world.moves(promote("support", "b", Some(2)));
}

#[test]
fn what_comes_into_the_environment_before_in_the_same_pass_counts() {
    let mut world = World::new(&two("deploy = 'latest'"));
    world.publish("support");
    assert_eq!(world.serves("b", "support"), Some(1));
}

#[test]
fn promote_without_a_version_means_what_is_in_the_environment_before() {
    let mut world = World::new("");
    world.publish("support");
    let refusal = world.refused(promote_confirmed("support", "live", None));
    assert!(refusal.message.contains("not in `pre-release`"), "{refusal:?}");
    world.moves(promote("support", "pre-release", None));
    world.publish("support");
    world.moves(promote_confirmed("support", "live", None));
    assert_eq!(world.serves("live", "support"), Some(1));
}

#[test]
fn merged_is_asked_of_history() {
    let mut world = World::new(&two("gates = { merged = true }"));
    world.publish("support");
    assert_eq!(codes(&world.refused(promote("support", "b", None))), ["merged"]);
    world.merged.insert((agent("support"), v(1)));
    world.moves(promote("support", "b", None));
}

#[test]
fn soak_adds_up_all_stays_and_says_when_it_is_over() {
    let mut world = World::new(&two("gates = { soak = '30m' }"));
    world.publish("support");
    world.later(10);
    world.publish("support");
    world.later(60);
    // v1 was there for ten minutes and is there no more: only somebody can change that.
    let refusal = world.refused(promote("support", "b", Some(1)));
    let Unmet::Soak { been, needed, ready, .. } = &refusal.unmet[0].gate else { panic!("{refusal:?}") };
    assert_eq!((been.as_mins(), needed.as_mins(), *ready), (10, 30, None));
    world.moves(promote("support", "a", Some(1)));
    world.later(15);
    let refusal = world.refused(promote("support", "b", Some(1)));
    assert_eq!(refusal.unmet[0].gate.until(), Some(world.now + jiff::SignedDuration::from_mins(5)));
    assert!(refusal.message.contains("for 25m of 30m, ready at"), "{}", refusal.message);
    world.later(4);
    world.refused(promote("support", "b", Some(1)));
    world.later(1);
    world.moves(promote("support", "b", Some(1)));
}

#[test]
fn soak_begins_with_the_move_of_this_very_pass() {
    let mut world = World::new(&two("deploy = 'latest'\ngates = { soak = '1h' }"));
    let plan = world.publish("support");
    assert_eq!(world.serves("b", "support"), None);
    assert_eq!(plan.waits[0].until, Some(world.now + jiff::SignedDuration::from_hours(1)));
    world.later(60);
    world.pass(None);
    assert_eq!(world.serves("b", "support"), Some(1));
}

#[test]
fn a_clock_that_was_set_back_does_not_shorten_a_soak() {
    let mut world = World::new(&two("gates = { soak = '30m' }"));
    world.publish("support");
    world.later(-120);
    let refusal = world.refused(promote("support", "b", None));
    let Unmet::Soak { been, .. } = &refusal.unmet[0].gate else { panic!("{refusal:?}") };
    assert!(been.is_zero());
}

#[test]
fn nothing_enters_in_a_freeze_counted_in_its_own_time_zone() {
    let weekend = "freeze = [{ days = ['sat', 'sun'], timezone = 'Asia/Tokyo', reason = 'nobody at work' }]";
    let mut world = World::new(&two(weekend));
    world.publish("support");
    // Saturday in Tokyo begins on Friday at three in the afternoon, UTC.
    world.now = at("2026-06-05T15:00:00Z");
    let refusal = world.refused(promote("support", "b", None));
    assert_eq!(codes(&refusal), ["freeze"]);
    assert_eq!(refusal.unmet[0].gate.until(), Some(at("2026-06-07T15:00:00Z")));
    assert!(refusal.message.contains("nobody at work"), "{}", refusal.message);
    world.now = at("2026-06-05T14:59:59Z");
    world.moves(promote("support", "b", None));
}

#[test]
fn freezes_that_follow_each_other_end_together() {
    let mut world = World::new(&two(
        "freeze = [{ days = ['fri'], hours = '17:00-09:00' }, { days = ['sat', 'sun'] }, { hours = '00:00-08:00' }]",
    ));
    world.publish("support");
    world.now = at("2026-06-05T18:00:00Z");
    let refusal = world.refused(promote("support", "b", None));
    assert_eq!(refusal.unmet[0].gate.until(), Some(at("2026-06-08T08:00:00Z")));
}

#[test]
fn freezes_that_never_leave_a_gap_say_no_end() {
    let mut world =
        World::new(&two("freeze = [{ hours = '00:00-12:00' }, { hours = '12:00-18:00' }, { hours = '18:00-00:00' }]"));
    world.publish("support");
    assert_eq!(world.refused(promote("support", "b", None)).unmet[0].gate.until(), None);
}

#[test]
fn what_needs_time_and_somebody_says_no_time() {
    let mut world = World::new(&two("deploy = 'latest'\ngates = { soak = '30m', merged = true }"));
    let waits = world.publish("support").waits;
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].until, None);
    assert!(waits[0].reason.contains("ready at") && waits[0].reason.contains("default branch"), "{waits:?}");
}

#[test]
fn confirm_is_asked_of_people_alone_and_only_where_something_enters() {
    let mut world = World::new(&two("deploy = 'latest'\nconfirm = true"));
    world.publish("support");
    assert_eq!(world.serves("b", "support"), Some(1));
    let mut world = World::new(&two("confirm = true"));
    world.publish("support");
    let refusal = world.refused(promote("support", "b", None));
    assert_eq!((codes(&refusal), refusal.hint.as_deref()), (vec!["confirm"], Some("say --confirm if you mean it")));
    world.moves(promote_confirmed("support", "b", None));
    world.already(promote("support", "b", None));
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let all = "confirm = true\npins = { support = 2 }\ngates = { merged = true, soak = '1h' }\nfreeze = [{ from = '2026-01-01' }]";
    let mut world = World::new(&two(all));
    world.publish("support");
    world.moves(hold("support", "a"));
    world.publish("support");
    world.ask(revoke("support/v1"));
    let refusal = world.refused(promote("support", "b", Some(1)));
    assert_eq!(codes(&refusal), ["pinned", "revoked", "soak", "merged", "freeze", "confirm"]);
}

#[test]
fn while_the_only_policies_there_ever_were_are_broken_nothing_enters() {
    let mut world = World::new("");
    world.publish("support");
    world.policy = Policy::closed("`gates.tests` of environment `live` is not supported yet");
    assert_eq!(codes(&world.refused(promote("support", "pre-release", None))), ["policy"]);
    world.publish("support");
    assert_eq!(world.serves("sandbox", "support"), Some(1));
    assert_eq!(world.waits(), ["sandbox policy"]);
}
