use super::*;

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn said(text: &str) -> Said {
    Said { content: text.to_owned(), ..Said::default() }
}

fn opening(id: &str, version: Option<u32>, when: &str) -> Opening {
    let version = version.and_then(VersionNumber::new);
    let session = Session {
        id: id.to_owned(),
        kind: Kind::Session,
        agent_id: "support".parse().unwrap(),
        draft_mode: version.is_none(),
        version,
        environment: version.map(|_| "live".parse().unwrap()),
        digest: Digest::of(id.as_bytes()),
        responder: "offline".to_owned(),
        caller: "ci".to_owned(),
        created_at: at(when),
        pruned: false,
    };
    let lines = vec![(Role::Assistant, said("Hello"))];
    Opening { session, config: b"{}".to_vec(), retain_days: None, key: None, lines }
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn a_session_is_read_back_as_it_was_written_and_its_file_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, store) = store();
    let opening = opening("s1", Some(3), "2026-03-01T10:00:00Z");
    assert_eq!(store.begin(&opening).unwrap(), (opening.session.clone(), true));
    assert!(store.add("s1", 1, &said("Hi"), &said("Yes?"), Some("k"), at("2026-03-01T10:00:01Z")).unwrap());
    // Whoever comes second finds the place taken.
    assert!(!store.add("s1", 1, &said("Hi"), &said("Yes?"), None, at("2026-03-01T10:00:01Z")).unwrap());
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.session("s1").unwrap(), Some(opening.session));
    let lines: Vec<_> = store.lines("s1").unwrap().into_iter().map(|line| (line.role, line.said.content)).collect();
    let expected = [(Role::Assistant, "Hello"), (Role::User, "Hi"), (Role::Assistant, "Yes?")];
    assert_eq!(lines, expected.map(|(role, text)| (role, text.to_owned())));
    let (user, reply) = store.said_with("s1", "k").unwrap().unwrap();
    assert_eq!((user.sequence, reply.sequence), (1, 2));
    // A key is used once in a session.
    assert!(store.add("s1", 3, &said("Hi"), &said("Yes?"), Some("k"), at("2026-03-01T10:00:02Z")).is_err());
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn usage_is_counted_by_the_day_and_drafts_apart() {
    let (_dir, store) = store();
    store.begin(&opening("s1", Some(3), "2026-03-01T23:59:59Z")).unwrap();
    store.begin(&opening("s2", Some(4), "2026-03-02T00:00:00Z")).unwrap();
    store.begin(&opening("s3", None, "2026-03-02T00:00:00Z")).unwrap();
    let lone = opening("s4", Some(4), "2026-03-02T00:00:00Z");
    let lone = Opening {
        session: Session { kind: Kind::Completion, ..lone.session.clone() },
        lines: vec![(Role::User, said("a")), (Role::Assistant, said("b"))],
        ..lone
    };
    store.begin(&lone).unwrap();
    for (id, when) in [("s1", "2026-03-01T23:59:59.999Z"), ("s3", "2026-03-02T00:00:01Z")] {
        store.add(id, 1, &said("Hi"), &said("Yes?"), None, at(when)).unwrap();
    }
    store.add("s1", 3, &said("Hi"), &said("Yes?"), None, at("2026-03-02T00:00:00Z")).unwrap();
    let (billed, drafts) = store.usage().unwrap();
    let row = |used: &Usage| (used.day.to_string(), used.version.map(VersionNumber::get), used.sessions, used.messages);
    let rows: Vec<_> = billed.iter().map(row).collect();
    let (first, second) = ("2026-03-01".to_owned(), "2026-03-02".to_owned());
    // A lone exchange is a message and no session.
    assert_eq!(rows, [(first, Some(3), 1, 1), (second.clone(), Some(3), 0, 1), (second.clone(), Some(4), 1, 1)]);
    assert_eq!(drafts.iter().map(row).collect::<Vec<_>>(), [(second, None, 1, 1)]);
}

#[test]
fn a_key_begins_one_session() {
    let (_dir, store) = store();
    let keyed = |id, key: &str| Opening { key: Some(key.to_owned()), ..opening(id, Some(1), "2026-03-01T00:00:00Z") };
    let (first, created) = store.begin(&keyed("s1", "k")).unwrap();
    assert!(created);
    assert_eq!(store.begin(&keyed("s2", "k")).unwrap(), (first, false));
    let other =
        Opening { session: Session { caller: "another".to_owned(), ..keyed("s3", "k").session }, ..keyed("s3", "k") };
    assert!(store.begin(&other).unwrap().1, "a key is its caller's own");
    assert_eq!(store.usage().unwrap().0[0].sessions, 2);
}

#[test]
fn old_words_go_from_the_disk_and_what_was_counted_stays() {
    let (dir, store) = store();
    let opened = |id, days| Opening { retain_days: days, ..opening(id, Some(1), "2026-03-01T00:00:00Z") };
    for (id, days) in [("kept", None), ("short", Some(2)), ("none", Some(0))] {
        store.begin(&opened(id, days)).unwrap();
        store.add(id, 1, &said(&format!("canary-{id}")), &said("Yes?"), Some("k"), at("2026-03-01T00:00:00Z")).unwrap();
    }
    let usage = store.usage().unwrap();
    assert_eq!(store.prune(30, at("2026-03-01T00:59:00Z")).unwrap(), 0);
    assert_eq!(store.prune(30, at("2026-03-01T01:00:00Z")).unwrap(), 1);
    assert_eq!(store.prune(30, at("2026-03-03T00:00:00Z")).unwrap(), 1);
    assert!(store.session("short").unwrap().unwrap().pruned && store.lines("short").unwrap().is_empty());
    assert_eq!(store.lines("kept").unwrap().len(), 3);
    assert!(
        store.config(&Digest::of(b"short")).unwrap().is_none() && store.config(&Digest::of(b"kept")).unwrap().is_some()
    );
    assert_eq!(store.said_with("short", "k").unwrap(), None);
    assert_eq!(store.usage().unwrap(), usage);
    drop(store);
    // Closing writes the log into the file.
    let file = std::fs::read(dir.path().join(FILE)).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("canary-kept") && !holds("canary-short") && !holds("canary-none"));
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.prune(1, at("2026-03-03T00:00:00Z")).unwrap(), 1);
    assert_eq!(store.usage().unwrap(), usage);
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let (dir, store) = store();
    store.connection().pragma_update(None, "user_version", 2).unwrap();
    drop(store);
    let refused = Store::open(dir.path()).err().unwrap();
    assert!(refused.message.contains("newer pointsman"), "{refused}");
    std::fs::write(dir.path().join(FILE), "no database at all, by any means").unwrap();
    assert_eq!(Store::open(dir.path()).err().unwrap().code, "sandbox_unavailable");
}
