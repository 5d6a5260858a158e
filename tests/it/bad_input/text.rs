//! Text from people: control characters, directions, imitated trailers, and too much of it.

use crate::env::{Repo, World};

/// Colour, cursor, direction and invisible characters.
const EVIL: &str = "red\u{1b}[31m bell\u{7} left\u{202e}tfel zero\u{200b}width";

/// Runs every verb that shows text and asserts that nothing acts on the terminal.
#[track_caller]
fn shows_nothing_raw(repo: &Repo<'_>) {
    for args in [
        &["versions", "support"][..],
        &["history"],
        &["publish", "support"],
        &["promote", "support", "--to", "sandbox"],
        &["reconcile", "--once"],
        &["rollback", "support", "--env", "sandbox"],
    ] {
        let ended = repo.pointsman(args);
        let text = format!("{}{}", ended.stdout, ended.stderr);
        let acts = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}');
        assert_eq!(text.chars().find(acts), None, "{args:?}: {text:?}");
    }
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.git(&["config", "user.name", &format!("Ada {EVIL}")]).ok();
    repo.pointsman(&["publish", "support", "--note", EVIL, "--label", EVIL]).ok();
    repo.write("agents/support/persona.md", "Other.\n");
    repo.pointsman(&["publish", "support", "--note", EVIL, "--description", EVIL]).ok();
    repo.pointsman(&["promote", "support", "--to", "pre-release", "--reason", EVIL]).ok();
    repo.git(&["tag", "-a", "support/v3", "-m", EVIL]).ok();
    repo.git(&["tag", "-a", "support/v\u{202e}x", "-m", EVIL]).ok();
    repo.git(&["tag", "support/v9"]).ok();
    shows_nothing_raw(&repo);
    repo.git(&["fsck", "--strict"]).ok();
}

#[test]
fn control_characters_in_files_never_reach_the_terminal() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("agents/support/agent.toml", format!("name = \"{EVIL}\"\n"));
    shows_nothing_raw(&repo);
    repo.write("agents/support/agent.toml", "name = \"Support\"\n");
    repo.write(&format!("agents/support/{EVIL}.yaml"), format!("{EVIL}: [\n"));
    repo.write("agents/support/llm.yaml", format!("\"{EVIL}\": 1\nx: [\n"));
    shows_nothing_raw(&repo);
}

#[test]
fn control_characters_in_arguments_are_not_echoed() {
    let world = World::new();
    let repo = world.repository("shop");
    for args in [
        &["publish", EVIL][..],
        &["promote", "support", "--to", EVIL],
        &["promote", "support", "--to", "live", "--version", EVIL],
        &["publish", "support", "--idempotency-key", EVIL],
        &["publish", "support", "--draft", EVIL],
        &["--author", EVIL, "publish", "support"],
        &[EVIL],
    ] {
        let ended = repo.pointsman(args);
        assert_ne!(ended.code, 0, "{args:?}");
        let acts = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}';
        assert!(!ended.stderr.contains(acts), "{args:?}: {:?}", ended.stderr);
    }
}

#[test]
fn a_note_that_imitates_trailers_stays_a_note() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    repo.write("agents/support/persona.md", "Other.\n");
    let forged = "ok\n\nPointsman-Label: forged\nPointsman-Parent: v9\nPointsman-Key: a b";
    repo.pointsman(&["publish", "support", "--note", forged, "--label", "a\nPointsman-Draft: b"]).ok();
    let version = &repo.pointsman(&["versions", "support", "--json"]).ok().json()[0];
    assert_eq!(version["note"], forged);
    assert_eq!(version["label"], "a Pointsman-Draft: b");
    assert_eq!((&version["parent"], &version["draft"]), (&1.into(), &serde_json::Value::Null));
    // The same without any trailer of ours after it: the first version has none.
    let other = world.repository("other");
    other.pointsman(&["publish", "support", "--note", forged]).ok();
    let version = &other.pointsman(&["versions", "support", "--json"]).ok().json()[0];
    assert_eq!((&version["note"], &version["label"]), (&forged.into(), &serde_json::Value::Null));

    let reason = "ok\n\nPointsman-Action: heal\nPointsman-Move: support v1 v2 0193a0a4-4a4d-7c3e-8000-000000000001";
    repo.pointsman(&["promote", "support", "--to", "pre-release", "--reason", reason]).ok();
    let history = repo.pointsman(&["history", "--env", "pre-release", "--json"]).ok().json();
    assert_eq!((&history[0]["action"], &history[0]["text"]), (&"promote".into(), &reason.into()));
    assert_eq!(history[0]["moves"].as_array().unwrap().len(), 1);
}

#[test]
fn a_note_too_long_to_be_kept_is_refused_and_nothing_written() {
    let world = World::new();
    let repo = world.repository("shop");
    let (longest, too_long) = ("é".repeat(8 * 1024), "é".repeat(8 * 1024 + 1));
    for option in ["--note", "--label", "--description"] {
        let refused = repo.pointsman(&["publish", "support", option, &too_long]);
        assert_eq!(refused.code, 2);
        assert!(refused.stderr.contains("16 KiB") && refused.stderr.contains("shorter"), "{}", refused.stderr);
    }
    assert_eq!(repo.git_out(&["tag"]), "");
    repo.pointsman(&["publish", "support", "--note", &longest, "--label", &longest, "--description", &longest]).ok();
    let version = &repo.pointsman(&["versions", "support", "--json"]).ok().json()[0];
    assert_eq!(version["note"], longest);
    let refused = repo.pointsman(&["promote", "support", "--to", "pre-release", "--reason", &too_long]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("reason"), "{}", refused.stderr);
    repo.pointsman(&["promote", "support", "--to", "pre-release", "--reason", &longest]).ok();
    repo.pointsman(&["reconcile", "--once"]).ok();
    repo.git(&["fsck", "--strict"]).ok();
}
