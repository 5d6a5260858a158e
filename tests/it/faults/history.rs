//! Somebody rewrites, moves and deletes what is on the remote while the controller runs.

use super::shop::Shop;
use crate::daemon::Daemon;
use crate::env::World;

/// Two versions in sandbox, the first one live.
fn live<'w>(world: &'w World) -> (Shop<'w>, Daemon) {
    let shop = Shop::new(world);
    shop.desk.publish_support("one");
    shop.desk.pointsman(&["promote", "support", "--to", "pre-release"]).ok();
    shop.desk.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    shop.desk.publish_support("two");
    shop.desk.git(&["push", "-q", "origin", "main"]).ok();
    let daemon = shop.serve();
    shop.comes(&daemon, "live", "support", "v1");
    shop.comes(&daemon, "sandbox", "support", "v2");
    (shop, daemon)
}

#[test]
fn a_forced_main_changes_nothing_that_is_live_and_is_followed() {
    let world = World::new();
    let (shop, daemon) = live(&world);
    let heads = || shop.at_origin(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/env"]);
    let before = heads();
    let ledger = shop.at_origin(&["rev-parse", "pointsman/ledger"]);
    // Another history altogether, then the old one without its last commit.
    let other = world.repository("other");
    other.git(&["commit", "-q", "--amend", "-m", "Another beginning"]).ok();
    other.git(&["push", "-q", "--force", &shop.url(), "main"]).ok();
    daemon.eventually("it was read", || {
        world.git("state/mirror.git", &["rev-parse", "origin/main"]).stdout.trim()
            == other.git_out(&["rev-parse", "main"])
    });
    assert_eq!(heads(), before);
    shop.desk.git(&["push", "-q", "--force", "origin", "main~1:main"]).ok();
    shop.push_version(3);
    shop.comes(&daemon, "sandbox", "support", "v3");
    shop.comes(&daemon, "live", "support", "v1");
    shop.origin(&["merge-base", "--is-ancestor", &ledger, "pointsman/ledger"]);
    shop.whole();
}

#[test]
fn a_forced_environment_is_put_back_from_wherever_it_went() {
    let world = World::new();
    let (shop, daemon) = live(&world);
    let head = shop.at_origin(&["rev-parse", "env/live"]);
    let served = daemon.get("/config/live/support").body;
    // Backwards: it follows again, with no new commit.
    shop.desk.git(&["fetch", "-q"]).ok();
    shop.desk.git(&["push", "-q", "--force", "origin", &format!("{head}~1:env/live")]).ok();
    daemon.eventually("it is where it was", || shop.at_origin(&["rev-parse", "env/live"]) == head);
    // Deleted.
    shop.desk.git(&["push", "-q", "origin", ":env/live"]).ok();
    daemon.eventually("it is where it was", || shop.at_origin(&["rev-parse", "env/live"]) == head);
    // To something unrelated: healed by a commit that keeps both.
    shop.desk.git(&["push", "-q", "--force", "origin", "main:env/live"]).ok();
    let main = shop.desk.git_out(&["rev-parse", "main"]);
    daemon.eventually("it is healed", || {
        shop.at_origin(&["rev-parse", "env/live^1"]) == head && shop.at_origin(&["rev-parse", "env/live^2"]) == main
    });
    shop.has("live", "support", "v1");
    assert_eq!(daemon.get("/config/live/support").body, served);
    // Now nobody can forbid what was never done: all of this without one forced push.
    shop.whole();
}

#[test]
fn deleted_and_moved_tags_are_put_back() {
    let world = World::new();
    let (shop, daemon) = live(&world);
    let tags = || shop.at_origin(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/tags"]);
    let before = tags();
    shop.desk.git(&["push", "-q", "origin", ":refs/tags/support/v1", ":refs/tags/support/v2"]).ok();
    daemon.eventually("they are back", || tags() == before);
    shop.desk.git(&["tag", "-f", "-a", "support/v1", "-m", "Moved", "main"]).ok();
    let foreign = shop.desk.git_out(&["rev-parse", "support/v1"]);
    shop.desk.git(&["push", "-q", "--force", "origin", "support/v1"]).ok();
    daemon.eventually("it is back", || tags() == before);
    // A plain tag in its place, too.
    shop.desk.git(&["push", "-q", "--force", "origin", "main:refs/tags/support/v2"]).ok();
    daemon.eventually("it is back", || tags() == before);
    world.git("state/mirror.git", &["cat-file", "-e", &format!("refs/pointsman/foreign/support/v1/{foreign}")]).ok();
    shop.comes(&daemon, "live", "support", "v1");
    shop.whole();
}

#[test]
fn a_deleted_or_set_back_ledger_is_put_back_as_it_was() {
    let world = World::new();
    let (shop, daemon) = live(&world);
    let ledger = shop.at_origin(&["rev-parse", "pointsman/ledger"]);
    shop.desk.git(&["push", "-q", "origin", ":pointsman/ledger"]).ok();
    daemon.eventually("it is back", || shop.at_origin(&["rev-parse", "pointsman/ledger"]) == ledger);
    shop.desk.git(&["push", "-q", "--force", "origin", &format!("{ledger}~2:refs/heads/pointsman/ledger")]).ok();
    daemon.eventually("it is back", || shop.at_origin(&["rev-parse", "pointsman/ledger"]) == ledger);
    shop.push_version(3);
    shop.comes(&daemon, "sandbox", "support", "v3");
    shop.whole();
}

#[test]
fn a_ledger_of_somebody_elses_making_is_never_adopted_and_what_is_served_stays() {
    let world = World::new();
    let (shop, daemon) = live(&world);
    let ledger = shop.at_origin(&["rev-parse", "pointsman/ledger"]);
    let served = daemon.get("/config/live").body;
    let other = shop.desk.git_out(&["commit-tree", "-m", "Mine", "main^{tree}"]);
    shop.desk.git(&["push", "-q", "--force", "origin", &format!("{other}:refs/heads/pointsman/ledger")]).ok();
    daemon.eventually("it is told with both ids", || {
        let note = shop.note("state");
        note.contains(&ledger) && note.contains(&other)
    });
    assert_eq!(daemon.get("/config/live").body, served);
    // Again: a restart serves what was seen, not what is there.
    assert_eq!(daemon.stop(), Some(0));
    let daemon = shop.serve();
    daemon.serves("live", "support", "v1");
    daemon.eventually("it is told again", || daemon.log().contains(&ledger));
    assert_eq!(daemon.get("/config/live").body, served);
    shop.origin(&["update-ref", "refs/heads/pointsman/ledger", &ledger]);
    shop.push_version(3);
    shop.comes(&daemon, "sandbox", "support", "v3");
    shop.whole();
}
