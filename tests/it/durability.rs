//! What a command says is done is on disk: read from the system calls that it made.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::env::{Repo, World, isolated};

/// Whether system calls can be listened to; says so where they cannot, and fails in continuous integration.
fn may_trace() -> bool {
    let may = isolated("strace", Path::new("/")).args(["-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    assert!(may || std::env::var_os("CI").is_none(), "continuous integration needs strace");
    if !may {
        eprintln!("skipped: strace is not installed, or may not trace");
    }
    may
}

/// What happened to files before the first write to standard output, in order.
enum Event {
    /// A file came to be under the second name: linked or renamed from the first, or made under its own.
    Named(PathBuf, PathBuf),
    /// A folder came to be.
    Folder(PathBuf),
    /// A file or folder was synced.
    Synced(PathBuf),
    /// The whole file system was.
    SyncedAll,
}

/// Runs the program under strace and returns its events up to the moment when it says that it is done.
fn traced(repo: &Repo<'_>, args: &[&str]) -> Vec<Event> {
    let log = repo.world.path("strace.log");
    let calls = "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,open,openat,write";
    let mut command = isolated("strace", &repo.world.home());
    command.args(["-f", "-y", "-s", "200", "-e", calls, "-o"]).arg(&log).arg(env!("CARGO_BIN_EXE_pointsman"));
    let ended = command.arg("-C").arg(&repo.dir).args(args).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let text = std::fs::read_to_string(&log).unwrap();
    let main = text.split_whitespace().next().unwrap();
    let mut events = Vec::new();
    let mut begun: HashMap<&str, &str> = HashMap::new();
    for line in text.lines() {
        // A thread's id, then the call; one that another thread cut in two counts where it ended.
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if thread == main && call.starts_with("write(1<") {
            return events;
        }
        if let Some(first) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, first);
            continue;
        }
        let rest = call.strip_prefix("<... ").and_then(|rest| Some(rest.split_once(" resumed>")?.1));
        match (rest, begun.remove(thread)) {
            (Some(rest), Some(first)) => events.extend(event(&format!("{first}{rest}"))),
            _ => events.extend(event(call)),
        }
    }
    panic!("nothing was said on standard output:\n{text}");
}

/// The event of one call that succeeded; paths are absolute, as the program and `-y` write them.
fn event(call: &str) -> Option<Event> {
    let name = call.split_once('(')?.0;
    let result = call.rsplit_once(" = ")?.1;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let quoted: Vec<_> = call.split('"').skip(1).step_by(2).map(PathBuf::from).collect();
    let handle = || Some(PathBuf::from(call.split_once('<')?.1.split_once('>')?.0));
    let pair = |from: usize, to: usize| Some(Event::Named(quoted.get(from)?.clone(), quoted.get(to)?.clone()));
    match name {
        "fsync" | "fdatasync" => handle().map(Event::Synced),
        "syncfs" => Some(Event::SyncedAll),
        "mkdir" | "mkdirat" => quoted.first().cloned().map(Event::Folder),
        "rename" | "renameat" | "renameat2" | "link" | "linkat" => pair(0, 1),
        "open" | "openat" if call.contains("O_CREAT") => pair(0, 0),
        _ => None,
    }
}

fn files_below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { files_below(&path, found) } else { found.extend([path]) }
    }
}

/// Every object, pack and ref of the repository, as files.
fn kept_files(repo: &Repo<'_>) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for folder in ["objects", "refs"] {
        files_below(&repo.path(".git").join(folder).canonicalize().unwrap(), &mut found);
    }
    found
}

/// The identity and bytes of each file, to see which one was replaced.
fn content(files: &BTreeSet<PathBuf>) -> HashMap<PathBuf, Vec<u8>> {
    files.iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// The name under which what is last called `name` was written: the others were given to it by links and renames.
fn first_name(events: &[Event], name: &Path) -> PathBuf {
    let before = events.iter().enumerate().rev().find_map(|(at, event)| match event {
        Event::Named(first, new) if new == name && first != new => Some((at, first)),
        _ => None,
    });
    before.map_or_else(|| name.to_owned(), |(at, first)| first_name(&events[..at], first))
}

/// Asserts that every file that is new or other than in `before` was synced under one of its names, and its folder
/// after it got its name, all before the success was told.
#[track_caller]
fn all_synced(repo: &Repo<'_>, before: &HashMap<PathBuf, Vec<u8>>, events: &[Event]) {
    let files = kept_files(repo);
    let changed: Vec<_> = files.iter().filter(|path| before.get(*path) != std::fs::read(path).ok().as_ref()).collect();
    assert!(!changed.is_empty(), "nothing was written");
    let at = |wanted: &dyn Fn(&Event) -> bool| events.iter().rposition(wanted);
    for path in changed {
        let named = at(&|event| matches!(event, Event::Named(_, name) if name == path));
        let named = named.unwrap_or_else(|| panic!("{} came from nowhere", path.display()));
        let first = first_name(&events[..=named], path);
        let folder = path.parent().unwrap();
        let synced = |wanted: &Path| at(&|event| matches!(event, Event::Synced(name) if name == wanted));
        assert!(synced(folder).is_some_and(|at| at > named), "the folder of {} was not synced", path.display());
        // Its bytes went to disk under the temporary name that it was written as.
        let written = synced(&first).is_some_and(|at| first == *path || at < named);
        assert!(written, "{} got its name before its bytes were synced as {}", path.display(), first.display());
    }
    for (position, event) in events.iter().enumerate() {
        let Event::Folder(folder) = event else { continue };
        let kept = ["objects", "refs"].iter().any(|part| folder.starts_with(repo.path(".git").join(part)));
        let after = &events[position..];
        let parent = folder.parent().unwrap();
        let synced = after.iter().any(|event| matches!(event, Event::Synced(name) if name == parent));
        assert!(
            !kept || synced || !folder.exists(),
            "{} was made and {} not synced",
            folder.display(),
            parent.display()
        );
    }
}

#[test]
fn publish_and_promote_sync_every_object_ref_and_folder_before_they_say_so() {
    if !may_trace() {
        return;
    }
    let world = World::new();
    let repo = world.repository("shop");
    // The draft differs from HEAD, so that there is a commit to make too.
    repo.write("agents/support/persona.md", "Changed.\n");
    for args in [
        &["publish", "support", "--local"][..],
        &["promote", "support", "--to", "pre-release", "--local"],
        &["promote", "support", "--to", "live", "--confirm", "--local"],
    ] {
        let before = content(&kept_files(&repo));
        let events = traced(&repo, args);
        all_synced(&repo, &before, &events);
    }
    repo.git(&["fsck", "--strict"]).ok();
}

#[test]
fn many_new_objects_are_one_synced_pack() {
    if !may_trace() {
        return;
    }
    let world = World::new();
    let repo = world.repository("shop");
    for number in 0..100 {
        repo.write(&format!("agents/support/notes/{number}.txt"), format!("note {number}\n"));
    }
    let before = content(&kept_files(&repo));
    let events = traced(&repo, &["publish", "support", "--local"]);
    all_synced(&repo, &before, &events);
    let packs = kept_files(&repo).into_iter().filter(|path| path.extension().is_some_and(|end| end == "pack"));
    assert_eq!(packs.count(), 1);
    let counted = repo.git_out(&["count-objects"]);
    let loose: u32 = counted.split(' ').next().unwrap().parse().unwrap();
    assert!(loose < 40, "{counted}");
    repo.git(&["fsck", "--strict"]).ok();
    assert_eq!(
        repo.git_out(&["rev-parse", "support/v1:agents/support"]),
        repo.git_out(&["rev-parse", "env/sandbox:agents/support/source"])
    );
}

#[test]
fn what_the_user_committed_a_moment_ago_is_synced_with_the_version_that_names_it() {
    if !may_trace() {
        return;
    }
    for files in [1, 200] {
        let world = World::new();
        let repo = world.repository("shop");
        for number in 0..files {
            repo.write(&format!("agents/support/notes/{number}.txt"), format!("note {number}\n"));
        }
        repo.git(&["add", "-A"]).ok();
        // Git does not sync the loose objects of this one.
        repo.git(&["commit", "-qm", "Notes"]).ok();
        let objects = repo.path(".git/objects").canonicalize().unwrap();
        let theirs: Vec<_> = kept_files(&repo).into_iter().filter(|path| path.starts_with(&objects)).collect();
        assert!(theirs.len() > files, "{theirs:?}");
        let events = traced(&repo, &["publish", "support", "--local"]);
        let tag = repo.path(".git/refs/tags/support/v1").canonicalize().unwrap();
        let tagged = events.iter().position(|event| matches!(event, Event::Named(_, name) if *name == tag)).unwrap();
        let before = &events[..tagged];
        let all = before.iter().any(|event| matches!(event, Event::SyncedAll));
        for path in theirs {
            let synced = before.iter().any(|event| matches!(event, Event::Synced(name) if *name == path));
            assert!(all || synced, "{} was not synced before the tag", path.display());
        }
        // Only once: the next command has nothing of that left to do.
        let events = traced(&repo, &["promote", "support", "--to", "pre-release", "--local"]);
        assert!(!events.iter().any(|event| matches!(event, Event::SyncedAll)));
    }
}
