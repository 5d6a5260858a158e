//! What watchers are told, from one head to the next.

use super::*;
use crate::http::testing::{Place, head, snapshot};
use crate::live::Snapshot;

fn live(place: Place) -> Live {
    let live = Live::new(jiff::Timestamp::UNIX_EPOCH);
    live.publish(snapshot(&[place]));
    live
}

fn watched(agent: Option<&str>) -> Watched {
    Watched { environment: "live".parse().unwrap(), agent: agent.map(|agent| agent.parse().unwrap()) }
}

fn mark(height: u64) -> Option<Mark> {
    Some(Mark { height, head: head(height) })
}

/// The kind and the data of an event.
fn read(event: &Bytes) -> (String, serde_json::Value) {
    let text = std::str::from_utf8(event).unwrap();
    let mut lines = text.strip_suffix("\n\n").unwrap().split('\n');
    let kind = lines.next().unwrap().strip_prefix("event: ").unwrap().to_owned();
    let id = lines.next().unwrap().strip_prefix("id: ").unwrap();
    let data: serde_json::Value = serde_json::from_str(lines.next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(lines.next(), None);
    assert_eq!(id.parse::<Mark>().unwrap().height, data["height"].as_u64().unwrap());
    (kind, data)
}

#[test]
fn a_newcomer_gets_everything_and_then_only_what_changed_however_much_it_missed() {
    let live = live(Place { height: 3, agents: &[("a", 1), ("b", 1), ("c", 1)], ..Place::default() });
    let feeds = Feeds::default();
    let first = feeds.news(&live, &watched(None), None).unwrap();
    let (kind, data) = read(&first.event.unwrap());
    assert_eq!((kind.as_str(), data["agents"].as_object().unwrap().len()), ("snapshot", 3));
    assert!(feeds.news(&live, &watched(None), Some(first.mark)).unwrap().event.is_none());
    live.publish(snapshot(&[Place { height: 4, agents: &[("a", 2), ("b", 1), ("c", 1)], ..Place::default() }]));
    assert!(feeds.news(&live, &watched(None), mark(3)).unwrap().event.is_some());
    live.publish(snapshot(&[Place { height: 7, agents: &[("a", 3), ("b", 1)], retired: &["c"], ..Place::default() }]));
    let (kind, data) = read(&feeds.news(&live, &watched(None), mark(3)).unwrap().event.unwrap());
    assert_eq!(kind, "change");
    assert_eq!(data["agents"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(data["agents"]["a"]["version"], 3);
    assert_eq!(data["retired"], serde_json::json!(["c"]));
    let (_, data) = read(&feeds.news(&live, &watched(None), mark(4)).unwrap().event.unwrap());
    assert_eq!(data["agents"]["a"]["version"], 3);
}

#[test]
fn a_mark_that_is_not_known_here_gets_everything_and_no_guess() {
    let feeds = Feeds::default();
    let live = live(Place { height: 3, agents: &[("a", 1)], ..Place::default() });
    let other = Some(Mark { height: 3, head: head(99) });
    for seen in [mark(1), mark(9), other] {
        let (kind, _) = read(&feeds.news(&live, &watched(None), seen).unwrap().event.unwrap());
        assert_eq!(kind, "snapshot", "{seen:?}");
        let (kind, data) = read(&feeds.news(&live, &watched(Some("a")), seen).unwrap().event.unwrap());
        assert_eq!((kind.as_str(), &data["version"]), ("version", &1.into()));
    }
}

#[test]
fn history_that_was_replaced_is_told_afresh() {
    let feeds = Feeds::default();
    let live = live(Place { height: 8, agents: &[("a", 1)], ..Place::default() });
    feeds.news(&live, &watched(None), None).unwrap();
    live.publish(snapshot(&[Place { height: 2, agents: &[("a", 1)], ..Place::default() }]));
    let (kind, _) = read(&feeds.news(&live, &watched(None), mark(8)).unwrap().event.unwrap());
    assert_eq!(kind, "snapshot");
}

#[test]
fn an_agent_s_watcher_hears_of_that_agent_alone() {
    let feeds = Feeds::default();
    let live = live(Place { height: 3, agents: &[("a", 1), ("b", 1)], ..Place::default() });
    let of_a = watched(Some("a"));
    assert!(feeds.news(&live, &of_a, None).unwrap().event.is_some());
    live.publish(snapshot(&[Place { height: 4, agents: &[("a", 1), ("b", 2)], ..Place::default() }]));
    let news = feeds.news(&live, &of_a, mark(3)).unwrap();
    assert_eq!((news.mark, news.event), (mark(4).unwrap(), None));
    live.publish(snapshot(&[Place { height: 5, agents: &[("b", 2)], retired: &["a"], ..Place::default() }]));
    let (kind, data) = read(&feeds.news(&live, &of_a, mark(4)).unwrap().event.unwrap());
    assert_eq!((kind.as_str(), data.get("version")), ("retired", None));
    live.publish(snapshot(&[Place { height: 6, agents: &[("a", 1), ("b", 2)], ..Place::default() }]));
    let (kind, data) = read(&feeds.news(&live, &of_a, mark(5)).unwrap().event.unwrap());
    assert_eq!((kind.as_str(), &data["version"]), ("version", &1.into()));
    // Who missed both hears of the version that is there, which it may compare with its own.
    assert!(feeds.news(&live, &of_a, mark(4)).unwrap().event.is_some());
}

#[test]
fn watchers_of_one_change_share_its_bytes() {
    let feeds = Feeds::default();
    let live = live(Place { height: 3, agents: &[("a", 1)], ..Place::default() });
    feeds.news(&live, &watched(None), None).unwrap();
    live.publish(snapshot(&[Place { height: 4, agents: &[("a", 2)], ..Place::default() }]));
    for (watched, seen) in [(watched(None), mark(3)), (watched(Some("a")), mark(3)), (watched(None), None)] {
        let told = || feeds.news(&live, &watched, seen).unwrap().event.unwrap();
        assert_eq!(told().as_ptr(), told().as_ptr());
    }
}

#[test]
fn what_a_feed_remembers_is_bounded() {
    let feeds = Feeds::default();
    let live = live(Place { height: 1, agents: &[("a", 1)], ..Place::default() });
    for height in 2..3000 {
        live.publish(snapshot(&[Place { height, agents: &[("a", height as u32)], ..Place::default() }]));
        feeds.news(&live, &watched(None), mark(height - 1)).unwrap();
        feeds.news(&live, &watched(None), mark(height / 2)).unwrap();
    }
    let feeds = feeds.0.lock().unwrap();
    let feed = &feeds["live"];
    assert_eq!((feed.known.len(), feed.changed.len()), (KNOWN_HEADS, 1));
    assert!(feed.changes.len() <= KEPT_CHANGES);
}

#[test]
fn an_environment_that_is_gone_ends_the_watching() {
    let feeds = Feeds::default();
    let live = live(Place::default());
    assert!(feeds.news(&live, &watched(None), None).is_some());
    live.publish(Snapshot::default());
    assert!(feeds.news(&live, &watched(None), None).is_none());
    assert!(feeds.0.lock().unwrap().is_empty());
}

#[test]
fn marks_round_trip_and_nonsense_is_none() {
    let text = mark(7).unwrap().to_string();
    assert_eq!(text.parse::<Mark>().ok(), mark(7));
    for text in ["", "7", "7-", "-", "x-0", "7-zz", "99999999999999999999-0000000000000000000000000000000000000000"] {
        assert!(text.parse::<Mark>().is_err(), "{text}");
    }
}
