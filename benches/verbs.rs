//! Whole commands against plain git, in the same run and in copies of one repository; figures are kept in BENCHMARKS.md.
//!
//! `cargo bench` runs all; `cargo bench --bench verbs -- publish status` runs some. Sizes can be made smaller with
//! `POINTSMAN_BENCH_AGENTS`. Machines are noisy, so only ratios of medians of alternating runs are worth keeping.

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{at, folder, git, init, run, timed};

/// How often each command is timed.
const ROUNDS: usize = 21;

struct Shop {
    dir: tempfile::TempDir,
    /// The program as it is installed, copied: the pages of a file that a linker wrote are slower to come by.
    installed: tempfile::TempDir,
    count: usize,
    edits: usize,
}

impl Shop {
    /// A repository with `count` agents and `rounds` versions of the first `tagged` of them, accepted and packed; ids
    /// carry a group where `grouped`. It is made in memory and copied: making it deletes thousands of files, and for
    /// minutes the disk would be slow to make new ones.
    fn new(count: usize, rounds: usize, tagged: usize, grouped: bool) -> Self {
        let shop = Shop::in_folder(common::folder_in_memory(), count, 0);
        init(shop.path());
        for round in 1..=rounds {
            for index in 0..count {
                let folder = shop.path().join("agents").join(agent(index, grouped));
                std::fs::create_dir_all(folder.join("knowledge")).expect("folders can be made");
                let manifest = format!("name = \"Agent {index}\"\ngreeting = \"Hello, round {round}\"\n");
                std::fs::write(folder.join("agent.toml"), manifest).expect("files can be written");
                if round == 1 {
                    let persona = format!("You are agent {index}.\n{}", "You are kind and brief.\n".repeat(40));
                    std::fs::write(folder.join("persona.md"), persona).expect("files can be written");
                    let article =
                        format!("---\ntitle: Hours of {index}\nquestions: [When are you open?]\n---\nNine to five.\n");
                    std::fs::write(folder.join("knowledge/hours.md"), article).expect("files can be written");
                }
            }
            run(git(shop.path()).args(["add", "-A"]));
            run(git(shop.path()).args(["commit", "-qm", &format!("Round {round}")]));
            shop.tag_all(round, tagged, grouped);
            shop.reconcile();
        }
        run(git(shop.path()).args(["repack", "-adq"]));
        run(git(shop.path()).args(["pack-refs", "--all"]));
        shop.copy()
    }

    fn in_folder(dir: tempfile::TempDir, count: usize, edits: usize) -> Self {
        let installed = folder();
        run(Command::new("cp").arg(env!("CARGO_BIN_EXE_pointsman")).arg(installed.path()));
        Shop { dir, installed, count, edits }
    }

    /// The same once more, so that what git writes there is not ours to sync.
    fn copy(&self) -> Self {
        let dir = folder();
        run(Command::new("cp").arg("-a").arg(self.path().join(".")).arg(dir.path()));
        // The index remembers the files that were copied.
        std::thread::sleep(Duration::from_secs(1));
        run(git(dir.path()).args(["update-index", "-q", "--refresh"]));
        Shop::in_folder(dir, self.count, self.edits)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn tag_all(&self, round: usize, tagged: usize, grouped: bool) {
        let mut input = String::new();
        for index in 0..tagged {
            writeln!(
                input,
                "tag {}/v{round}\nfrom refs/heads/main\ntagger Ada <ada@example.com> 1760000000 +0000\ndata 5\nround",
                agent(index, grouped)
            )
            .expect("writing to a string cannot fail");
        }
        let mut child =
            git(self.path()).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git starts");
        child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("git reads");
        assert!(child.wait().expect("git ends").success());
    }

    fn pointsman(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.installed.path().join("pointsman"));
        command.arg("-C").arg(self.path()).arg("--local").args(args);
        command
    }

    fn reconcile(&self) {
        run(&mut self.pointsman(&["reconcile", "--once"]));
    }

    /// Changes one agent's draft and returns its id and folder.
    fn edit(&mut self) -> (String, PathBuf) {
        self.edits += 1;
        let id = agent(self.edits % self.count, false);
        let folder = self.path().join("agents").join(&id);
        let text = format!("name = \"Agent\"\ngreeting = \"Edit {}\"\n", self.edits);
        std::fs::write(folder.join("agent.toml"), text).expect("files can be written");
        (id, folder)
    }

    /// What plain git needs for the same refs: add, commit, tag, and a commit on the ledger and on one environment.
    fn git_publish(&mut self) -> Duration {
        let (id, folder) = self.edit();
        let durable = |args: &[&str]| {
            let mut command = git(self.path());
            command.args(["-c", "core.fsync=all"]).args(args);
            command
        };
        let started = Instant::now();
        run(durable(&["add", "-A", "--"]).arg(&folder));
        run(&mut durable(&["commit", "-qm", "Publish"]));
        run(&mut durable(&["tag", "-a", &format!("plain/{id}-{}", self.edits), "-m", "note"]));
        for branch in ["refs/heads/plain/ledger", "refs/heads/plain/sandbox"] {
            let output =
                durable(&["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "move"]).output().expect("git starts");
            let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            run(&mut durable(&["update-ref", branch, &commit]));
        }
        started.elapsed()
    }
}

fn agent(index: usize, grouped: bool) -> String {
    if grouped { format!("team{:03}/agent{index:05}", index / 100) } else { format!("agent{index:05}") }
}

fn agents() -> usize {
    std::env::var("POINTSMAN_BENCH_AGENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// One line: medians in milliseconds, and their ratio.
fn row(name: &str, ours: Vec<Duration>, peer_name: &str, peer: Vec<Duration>) {
    let (ours, peer) = (at(ours, 0.5), at(peer, 0.5));
    let ratio = if ours * 10.0 < peer { format!("1/{:.0}", peer / ours) } else { format!("{:.2}", ours / peer) };
    println!("{name:<52} {ours:>9.1} ms   {peer_name:<34} {peer:>9.1} ms   ratio {ratio}");
}

/// A repository of some size, the same for plain git, and what each command took there.
struct Timed {
    tags: usize,
    shop: Shop,
    plain: Shop,
    peer: Vec<Duration>,
    publish: Vec<Duration>,
    promote: Vec<Duration>,
    rollback: Vec<Duration>,
}

impl Timed {
    fn new(rounds: usize, tagged: usize) -> Self {
        let shop = Shop::new(agents(), rounds, tagged, false);
        let plain = shop.copy();
        let (peer, publish, promote, rollback) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Timed { tags: tagged * rounds, shop, plain, peer, publish, promote, rollback }
    }

    fn round(&mut self) {
        let shop = &mut self.shop;
        self.peer.push(self.plain.git_publish());
        let (id, folder) = shop.edit();
        self.publish.push(timed(&mut shop.pointsman(&["publish", &id, "--note", "bench"])));
        self.promote.push(timed(&mut shop.pointsman(&["promote", &id, "--to", "pre-release"])));
        std::fs::write(folder.join("persona.md"), format!("Persona {}\n", shop.edits)).expect("files can be written");
        run(&mut shop.pointsman(&["publish", &id, "--note", "bench"]));
        run(&mut shop.pointsman(&["promote", &id, "--to", "pre-release"]));
        self.rollback.push(timed(&mut shop.pointsman(&["rollback", &id, "--env", "pre-release"])));
    }
}

/// publish, promote and rollback of one agent among many, at several numbers of tags. The sizes take turns: making a
/// repository leaves the file system slow for minutes, which would look as if the last and largest were.
fn publish() {
    let mut sizes: Vec<_> =
        [(1, 100), (1, agents()), (20, agents())].map(|(rounds, tagged)| Timed::new(rounds, tagged)).into();
    run(&mut Command::new("sync"));
    for _ in 0..ROUNDS {
        sizes.iter_mut().for_each(Timed::round);
    }
    for Timed { tags, peer, publish, promote, rollback, .. } in sizes {
        let same = "git add commit tag, 2x(commit update)";
        row(&format!("publish, {} agents, {tags} tags", agents()), publish, same, peer.clone());
        row(&format!("promote, {tags} tags"), promote, "the same git commands", peer.clone());
        row(&format!("rollback, {tags} tags"), rollback, "the same git commands", peer);
    }
}

fn status() {
    let count = agents();
    let shop = Shop::new(count, 10, count, false);
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = timed(git(shop.path()).args(["status", "--porcelain"]));
        peer.push(one + timed(git(shop.path()).args(["for-each-ref"])));
        ours.push(timed(&mut shop.pointsman(&["status"])));
    }
    row(&format!("status, {count} agents x 10 versions"), ours, "git status + git for-each-ref", peer);
}

/// A pass in which nothing changed since the last one.
fn pass() {
    let count = agents() * 10;
    let shop = Shop::new(count, 1, count, true);
    for environment in ["pre-release", "live"] {
        for chunk in 0..count / 1_000 {
            let ids: Vec<_> = (chunk * 1_000..(chunk + 1) * 1_000).map(|index| agent(index, true)).collect();
            let mut command = shop.pointsman(&["release", "--to", environment, "--confirm"]);
            run(command.args(ids));
        }
    }
    run(git(shop.path()).args(["repack", "-adq"]));
    run(git(shop.path()).args(["pack-refs", "--all"]));
    shop.reconcile();
    std::thread::sleep(Duration::from_millis(200));
    shop.reconcile();
    let times = (0..ROUNDS).map(|_| timed(&mut shop.pointsman(&["reconcile", "--once"]))).collect();
    let peer = (0..ROUNDS).map(|_| timed(git(shop.path()).args(["for-each-ref"]))).collect();
    row(&format!("a pass that changes nothing, {count} agents x 3"), times, "git for-each-ref", peer);
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%M", env!("CARGO_BIN_EXE_pointsman"), "--local", "-C"])
        .arg(shop.path())
        .args(["reconcile", "--once"])
        .output();
    if let Ok(output) = output {
        println!("  its peak memory: {} KB", String::from_utf8_lossy(&output.stderr).trim());
    }
}

/// Five versions of a hundred artifacts, each on a commit of its own (GTO wants that of the versions of one artifact),
/// and a stage for each: a thousand annotated tags, packed.
fn import_gto(dir: &Path) {
    let mut input = String::new();
    let tagger = "tagger Ada <a@b> 1760000000 +0000\ndata 1\nx\n";
    for mark in 1..=500 {
        let from = if mark == 1 { String::new() } else { format!("from :{}\n", mark - 1) };
        let head =
            format!("commit refs/heads/main\nmark :{mark}\ncommitter Ada <a@b> {} +0000\n", 1_760_000_000 + mark);
        write!(input, "{head}data 1\nx\n{from}\n").expect("writing to a string cannot fail");
    }
    for mark in 1..=500 {
        let (artifact, version) = ((mark - 1) % 100, (mark - 1) / 100 + 1);
        for name in [format!("agent{artifact}@v0.0.{version}"), format!("agent{artifact}#live#{version}")] {
            write!(input, "tag {name}\nfrom :{mark}\n{tagger}").expect("writing to a string cannot fail");
        }
    }
    let mut child = git(dir).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git starts");
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("git reads");
    assert!(child.wait().expect("git ends").success());
    run(git(dir).args(["reset", "-q", "--hard"]));
    run(git(dir).args(["pack-refs", "--all"]));
}

/// GTO (PyPI `gto`) on the same number of tags: register, assign and show against publish, promote and status.
fn gto() {
    let Ok(program) = std::env::var("GTO") else {
        println!("gto: skipped (set GTO=<its program>, as installed by `pip install gto`)");
        return;
    };
    let mut shop = Shop::new(100, 10, 100, false);
    let dir = folder();
    init(dir.path());
    import_gto(dir.path());
    let commit = ["commit", "-q", "--allow-empty", "-m", "x"];
    let gto = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(dir.path()).args(args);
        command
    };
    run(&mut Command::new("sync"));
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for round in 0..7 {
        run(git(dir.path()).args(commit));
        let started = Instant::now();
        run(&mut gto(&["register", &format!("agent{round}")]));
        run(&mut gto(&["assign", &format!("agent{round}"), "--version", "v0.0.1", "--stage", "prod"]));
        run(&mut gto(&["show"]));
        peer.push(started.elapsed());
        let (id, _) = shop.edit();
        let started = Instant::now();
        run(&mut shop.pointsman(&["publish", &id]));
        run(&mut shop.pointsman(&["promote", &id, "--to", "pre-release"]));
        run(&mut shop.pointsman(&["status"]));
        ours.push(started.elapsed());
    }
    row("publish + promote + status, 1000 tags", ours, "gto register + assign + show", peer);
}

fn main() {
    common::run_asked(&[("publish", publish), ("status", status), ("pass", pass), ("gto", gto)]);
}
