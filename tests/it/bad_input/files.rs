//! Files that cannot be part of an agent.

use std::os::unix::fs::symlink;

use super::{refuses, refuses_to_publish};
use crate::env::{Repo, World};

#[test]
fn broken_files_are_shown_with_their_place() {
    for (file, text, said) in [
        ("agent.toml", &b"name = \"Support\ngreeting = 1\n"[..], "agent.toml:1"),
        ("llm.yaml", b"model: [1\n", "llm.yaml"),
        ("voice.json", b"{\"name\": }\n", "voice.json:1"),
        ("knowledge/faq.md", b"---\ntitle: [x\n---\ntext\n", "knowledge/faq.md"),
        ("persona.md", b"You help \xff\xfe.\n", "persona.md"),
        ("agent.toml", b"name = \"Support\"\ngreting = \"Hello\"\n", "greeting"),
    ] {
        let world = World::new();
        let repo = world.repository("shop");
        repo.write(&format!("agents/support/{file}"), text);
        refuses_to_publish(&repo, said);
    }
}

#[test]
fn broken_policy_in_the_working_tree() {
    let world = World::new();
    let repo = world.repository("shop");
    let broken: [(&[u8], &str, &str); 3] = [
        (b"environments = [", "line 1", "git restore pointsman.toml"),
        (b"\xff", "not UTF-8", "git restore pointsman.toml"),
        (b"[[environments]]\nname = \"live\"\ngate = {}\n", "unknown key `gate`", "did you mean `gates`?"),
    ];
    for (text, message, hint) in broken {
        repo.write("pointsman.toml", text);
        refuses(&repo, &["publish", "support"], 1, message, hint);
    }
}

#[test]
fn links_that_leave_the_folder_or_go_round() {
    let world = World::new();
    let repo = world.repository("shop");
    repo.write("secret.txt", "not for customers\n");
    symlink("../../secret.txt", repo.path("agents/support/out.md")).unwrap();
    refuses_to_publish(&repo, "agents/support/out.md");
    std::fs::remove_file(repo.path("agents/support/out.md")).unwrap();
    symlink("/etc/passwd", repo.path("agents/support/absolute")).unwrap();
    refuses_to_publish(&repo, "agents/support/absolute");
    std::fs::remove_file(repo.path("agents/support/absolute")).unwrap();
    symlink("two", repo.path("agents/support/one")).unwrap();
    symlink("one", repo.path("agents/support/two")).unwrap();
    refuses_to_publish(&repo, "agents/support/one");
}

#[test]
fn a_submodule_inside_an_agent() {
    let world = World::new();
    let repo = world.repository("shop");
    let other = world.repository("other");
    let url = other.dir.to_str().unwrap().to_owned();
    repo.git(&["submodule", "add", "-q", &url, "agents/support/vendor"]).ok();
    refuses_to_publish(&repo, "a submodule cannot be part of a version");
    // A repository that nobody registered is one too.
    let repo = world.repository("nested");
    world.git(".", &["clone", "-q", &url, "nested/agents/support/vendor"]).ok();
    refuses_to_publish(&repo, "a submodule cannot be part of a version");
}

/// The largest resident size of `publish support`, in kilobytes, as the kernel reports it to GNU time.
fn peak_of_publish(repo: &Repo<'_>) -> Option<u64> {
    let mut command = crate::env::isolated("/usr/bin/time", &repo.world.home());
    command.args(["-f", "peak %M", env!("CARGO_BIN_EXE_pointsman"), "-C"]).arg(&repo.dir).args(["publish", "support"]);
    let ended = command.output().ok()?;
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    let peak = stderr.lines().find_map(|line| line.strip_prefix("peak "));
    Some(peak.unwrap_or_else(|| panic!("no peak in: {stderr}")).trim().parse().unwrap())
}

/// Asserts that the process stays small; without GNU time that part is left out, with a printed reason.
fn stays_below(repo: &Repo<'_>, megabytes: u64) {
    match peak_of_publish(repo) {
        Some(peak) => assert!(peak < megabytes * 1024, "{peak} kB at peak"),
        None => eprintln!("skipped: the peak of memory is not measured, /usr/bin/time is not installed"),
    }
}

#[test]
fn a_file_of_50_megabytes() {
    let world = World::new();
    let repo = world.repository("shop");
    // Not a single repeated byte, or git would shrink it to nothing.
    let mut number = 1_u32;
    let noise = std::iter::repeat_with(|| {
        number ^= number << 13;
        number ^= number >> 17;
        number ^= number << 5;
        number.to_le_bytes()
    });
    repo.write("agents/support/recording.wav", noise.take(12_500_000).flatten().collect::<Vec<u8>>());
    refuses_to_publish(&repo, "the file is 50.0 MB large, and 10.0 MB is the limit");
    stays_below(&repo, 100);
}

#[test]
fn ten_thousand_files() {
    let world = World::new();
    let repo = world.repository("shop");
    for number in 0..10_000 {
        repo.write(&format!("agents/support/notes/{number}.txt"), format!("{number}\n"));
    }
    refuses_to_publish(&repo, "and 5000 is the limit");
}

#[test]
fn a_yaml_alias_bomb() {
    let world = World::new();
    let repo = world.repository("shop");
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..=12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    repo.write("agents/support/llm.yaml", bomb);
    refuses_to_publish(&repo, "agents/support/llm.yaml");
    stays_below(&repo, 100);
}

#[test]
fn documents_nested_100_000_deep() {
    for (file, open, close) in [("voice.json", "[", "]"), ("llm.yaml", "[", "]"), ("tests/a.toml", "a = [", "]")] {
        let world = World::new();
        let repo = world.repository("shop");
        let text = if file.ends_with("toml") {
            format!("a = {}{}\n", "[".repeat(100_000), "]".repeat(100_000))
        } else {
            format!("{}{}\n", open.repeat(100_000), close.repeat(100_000))
        };
        repo.write(&format!("agents/support/{file}"), text);
        refuses_to_publish(&repo, &format!("agents/support/{file}"));
    }
}
