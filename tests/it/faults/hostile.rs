//! Repositories that want to do harm: bounded time and memory, and everybody else goes on.

use git2::ObjectType::{Blob, Commit, Tag, Tree};

use super::shop::{Shop, most_memory};
use crate::env::World;

impl Shop<'_> {
    /// Writes an object into the clone, as bad as it may be.
    fn object(&self, kind: git2::ObjectType, bytes: &[u8]) -> String {
        let repository = git2::Repository::open(&self.desk.dir).unwrap();
        repository.odb().unwrap().write(kind, bytes).unwrap().to_string()
    }

    /// A tree of exactly these rows: mode, name, id.
    fn tree(&self, rows: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in rows {
            bytes.extend([mode.as_bytes(), b" ", name, b"\0"].concat());
            let digits = id.as_bytes().chunks(2);
            bytes.extend(digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()));
        }
        self.object(Tree, &bytes)
    }

    /// Tags a commit in which `agents/<agent>` is `folder`.
    fn tag_folder(&self, agent: &str, folder: &str) {
        let agents = self.tree(&[("40000", agent.as_bytes(), folder)]);
        let root = self.tree(&[("40000", b"agents", &agents)]);
        let main = self.desk.git_out(&["rev-parse", "main"]);
        let text = format!(
            "tree {root}\nparent {main}\nauthor M <m@example.com> 1700000000 +0000\ncommitter M <m@example.com> 1700000000 +0000\n\nBad\n"
        );
        let commit = self.object(Commit, text.as_bytes());
        self.desk.git(&["tag", "-a", &format!("{agent}/v1"), "-m", "Bad", &commit]).ok();
    }
}

/// What the controller may need at most, in kilobytes. It is a debug build with its own reading of all this.
const MEMORY: u64 = 400_000;

#[test]
fn hostile_folders_are_refused_or_frozen_in_bounded_memory_and_the_others_go_on() {
    let world = World::new();
    let shop = Shop::new(&world);
    let daemon = shop.serve();
    let manifest = shop.object(Blob, b"name = \"Bad\"\ngreeting = \"Hi\"\n");
    let text = shop.object(Blob, b"text\n");
    let empty = shop.tree(&[]);
    let good: (&str, &[u8], &str) = ("100644", b"agent.toml", &manifest);
    // Names that a checkout or a path could be led astray by.
    for (agent, name) in
        [("dotgit", &b".GIT"[..]), ("dots", b".."), ("dot", b"."), ("short", b"GIT~1"), ("slash", b"a/b")]
    {
        shop.tag_folder(agent, &shop.tree(&[("40000", name, &empty), good]));
        shop.tag_folder(&format!("{agent}-file"), &shop.tree(&[("100644", name, &text), good]));
    }
    for (agent, name) in [
        ("latin", &b"caf\xe9.md"[..]),
        ("bell", b"\x07\x1b[31mred.md"),
        ("line", b"two\nlines.md"),
        ("back", b"a\\b.md"),
    ] {
        shop.tag_folder(agent, &shop.tree(&[("100644", name, &text), good]));
    }
    // Objects that no git writes.
    let text_of = |author: &str, note: &str| {
        let agents = shop.tree(&[("40000", b"odd", &shop.tree(&[good]))]);
        let root = shop.tree(&[("40000", b"agents", &agents)]);
        let line = "M <m@example.com> 1700000000 +0000";
        format!("tree {root}\nauthor {author}\ncommitter {line}\n\n{note}\n")
    };
    let commits = [
        text_of("nobody at all", "Bad"),
        text_of("M <m@example.com> 99999999999999999999 +9999", "Bad"),
        text_of("M <m@example.com> -1 +0000", "Bad"),
        text_of("M <m@example.com> 1700000000 +0000", &"long ".repeat(400_000)),
    ];
    for (number, commit) in (1..).zip(&commits) {
        let commit = shop.object(Commit, commit.as_bytes());
        shop.desk.git(&["tag", "-a", &format!("odd/v{number}"), "-m", "Bad", &commit]).ok();
    }
    let main = shop.desk.git_out(&["rev-parse", "main"]);
    for (number, text) in [
        (5, format!("object {main}\ntype commit\ntag odd/v5\n\nNo tagger\n")),
        (6, format!("object {main}\ntype commit\ntag odd/v6\ntagger nobody\n\nBad\n")),
        (
            7,
            format!(
                "object {main}\ntype commit\ntag odd/v7\ntagger M <m@example.com> 1 +0000\n\n{}",
                "long ".repeat(400_000)
            ),
        ),
        (8, format!("object {main}\ntype tree\ntag odd/v8\ntagger M <m@example.com> 1 +0000\n\nAnother type\n")),
        (9, format!("object {text}\ntype blob\ntag odd/v9\ntagger M <m@example.com> 1 +0000\n\nA file\n")),
    ] {
        let tag = shop.object(Tag, text.as_bytes());
        shop.desk.git(&["update-ref", &format!("refs/tags/odd/v{number}"), &tag]).ok();
    }
    // Files that are none: a submodule with an address that runs something, links that lead out, a mode of its own.
    let modules = shop.object(Blob, b"[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% /tmp/pointsman-owned\n\tupdate = !touch /tmp/pointsman-owned\n");
    let main = shop.desk.git_out(&["rev-parse", "main"]);
    shop.tag_folder("module", &shop.tree(&[("100644", b".gitmodules", &modules), good, ("160000", b"x", &main)]));
    let link = shop.object(Blob, b"../../../../../../etc/passwd");
    shop.tag_folder("link", &shop.tree(&[good, ("120000", b"persona.md", &link)]));
    shop.tag_folder("linked", &shop.object(Tree, &[]));
    shop.tag_folder("mode", &shop.tree(&[good, ("104755", b"persona.md", &text)]));
    shop.tag_folder("twice", &shop.tree(&[good, good]));
    // Deep, wide and endless.
    let mut deep = shop.tree(&[good]);
    for _ in 0..1_900 {
        deep = shop.tree(&[("40000", b"d", &deep)]);
    }
    shop.tag_folder("deep", &shop.tree(&[good, ("40000", b"d", &deep)]));
    let mut bomb = shop.tree(&[("100644", b"f", &text)]);
    for _ in 0..12 {
        let rows: Vec<_> = (b'0'..=b'9').map(|name| [name]).collect();
        let rows: Vec<(&str, &[u8], &str)> = rows.iter().map(|name| ("40000", &name[..], bomb.as_str())).collect();
        bomb = shop.tree(&rows);
    }
    shop.tag_folder("bomb", &shop.tree(&[good, ("40000", b"knowledge", &bomb)]));
    let names: Vec<_> = (0..100_000).map(|number| format!("{number:06}.md")).collect();
    let rows: Vec<(&str, &[u8], &str)> = names.iter().map(|name| ("100644", name.as_bytes(), text.as_str())).collect();
    shop.tag_folder("wide", &shop.tree(&[good, ("40000", b"knowledge", &shop.tree(&rows))]));
    // 200 MB that are nothing once compressed.
    let huge = shop.object(Blob, &vec![b'a'; 200_000_000]);
    shop.tag_folder("huge", &shop.tree(&[good, ("100644", b"persona.md", &huge)]));
    shop.tag_folder("manifest", &shop.tree(&[("100644", b"agent.toml", &huge)]));

    // All at once, but for those that even a server refuses.
    let tags = shop.desk.git_out(&["tag", "--list"]);
    let (odd, others): (Vec<_>, Vec<_>) = tags.lines().partition(|tag| tag.starts_with("odd/"));
    shop.desk.git(&[&["push", "-q", "origin"], &others[..]].concat()).ok();
    odd.iter().for_each(|tag| drop(shop.desk.git(&["push", "-q", "origin", tag])));
    shop.push_version(1);
    shop.comes(&daemon, "sandbox", "support", "v1");
    // What a checkout would trip over is in no environment and in no ledger, whatever else became of it.
    daemon.eventually("all were judged", || {
        let last = world.git("state/mirror.git", &["tag", "--list"]).stdout;
        let refused = shop.at_origin(&["ls-tree", "-r", "--name-only", "pointsman/ledger", "agents/"]);
        ["huge", "manifest", "bomb", "wide", "deep"].iter().all(|agent| {
            refused.contains(&format!("agents/{agent}/rejected/v1.json")) || last.contains(&format!("{agent}/v1"))
        })
    });
    for branch in ["env/sandbox", "pointsman/ledger"] {
        let paths = shop.origin(&["-c", "core.quotePath=false", "ls-tree", "-r", "-z", "--name-only", branch]);
        for path in paths.split('\0') {
            let bad = |part: &str| {
                part.eq_ignore_ascii_case(".git") || part == ".." || part == "." || part.eq_ignore_ascii_case("git~1")
            };
            assert!(!path.split('/').any(bad), "{branch} has {path:?}");
        }
    }
    for agent in ["huge", "manifest", "bomb", "wide", "deep", "module", "dots", "dotgit"] {
        assert_eq!(daemon.version("sandbox", agent), None, "{agent}");
    }
    shop.push_version(2);
    shop.comes(&daemon, "sandbox", "support", "v2");
    assert!(!daemon.log().contains("the pass failed"), "{}", daemon.log());
    assert!(most_memory(daemon.id()) < MEMORY, "{} kB", most_memory(daemon.id()));
    assert!(!std::path::Path::new("/tmp/pointsman-owned").exists());
    assert!(!daemon.log().contains('\x07') && !daemon.log().contains("\x1b[31mred"), "raw names in the log");
    // The history it wrote can be read and cloned by every git.
    world
        .git(
            ".",
            &[
                "-c",
                "transfer.fsckObjects=true",
                "clone",
                "-q",
                "--bare",
                "--single-branch",
                "--no-tags",
                "--branch",
                "env/sandbox",
                &shop.url(),
                "strict.git",
            ],
        )
        .ok();
    let copy = world.clone_of(&shop.origin, "verified");
    copy.pointsman(&["verify"]).ok();
}

#[test]
fn a_hostile_main_is_read_in_bounded_memory_and_moves_nothing() {
    let world = World::new();
    let shop = Shop::new(&world);
    let merge = "[publish]\non = \"merge\"\n[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n";
    shop.desk.write("pointsman.toml", merge);
    shop.desk.git(&["add", "-A"]).ok();
    shop.desk.git(&["commit", "-qm", "Publish on merge"]).ok();
    shop.desk.git(&["push", "-q", "origin", "main"]).ok();
    let daemon = shop.serve();
    shop.comes(&daemon, "sandbox", "support", "v1");
    // A default branch that is a bomb, has agents without end, and a policy of 200 MB.
    let policy = shop.desk.git_out(&["rev-parse", "main:pointsman.toml"]);
    let manifest = shop.object(Blob, b"name = \"Bad\"\ngreeting = \"Hi\"\n");
    let mut bomb = shop.tree(&[("100644", b"agent.toml", &manifest)]);
    for _ in 0..10 {
        let rows: Vec<_> = (b'0'..=b'9').map(|name| [name]).collect();
        let rows: Vec<(&str, &[u8], &str)> = rows.iter().map(|name| ("40000", &name[..], bomb.as_str())).collect();
        bomb = shop.tree(&rows);
    }
    let huge = shop.object(Blob, &vec![b'#'; 200_000_000]);
    for (policy, agents) in [(&policy, &bomb), (&huge, &bomb)] {
        let root = shop.tree(&[("40000", b"agents", agents), ("100644", b"pointsman.toml", policy)]);
        let commit = shop.desk.git_out(&["commit-tree", &root, "-p", "main", "-m", "Bad"]);
        shop.desk.git(&["push", "-q", "--force", "origin", &format!("{commit}:refs/heads/main")]).ok();
        daemon.eventually("it was read", || {
            world.git("state/mirror.git", &["rev-parse", "origin/main"]).stdout.trim() == commit
        });
        let note = shop.note("state");
        daemon.eventually("a pass looked at it", || shop.note("state") != note);
        assert!(shop.note("state").contains("\"failure\":null"), "{}", shop.note("state"));
        daemon.serves("sandbox", "support", "v1");
    }
    shop.desk.git(&["push", "-q", "--force", "origin", "main"]).ok();
    shop.desk.write("agents/support/persona.md", "You help again.\n");
    shop.desk.git(&["commit", "-qam", "Again"]).ok();
    shop.desk.git(&["push", "-q", "origin", "main"]).ok();
    shop.comes(&daemon, "sandbox", "support", "v2");
    assert!(most_memory(daemon.id()) < MEMORY, "{} kB", most_memory(daemon.id()));
}
