//! Two controllers and several people on one remote: one line of history, nothing lost, nothing twice.

use std::sync::Mutex;

use super::shop::{Shop, soak};
use crate::env::{Repo, World};

/// What one person was told is done.
#[derive(Default)]
struct Told {
    /// Version tags with the first digits of their objects' ids.
    versions: Vec<(String, String)>,
    /// Environments with the commits that moved them.
    commits: Vec<(String, String)>,
}

/// Publishes an agent of one's own and moves it on, `rounds` times; everybody also moves `support` about.
fn work(repo: &Repo<'_>, agent: &str, rounds: usize) -> Told {
    let mut told = Told::default();
    for round in 0..rounds {
        let text = format!("name = \"{agent}\"\ngreeting = \"Round {round}\"\n");
        repo.write(&format!("agents/{agent}/agent.toml"), text);
        let ended = repo.pointsman(&["publish", agent, "--json"]);
        if ended.code == 0 {
            let version = ended.json()["version"].clone();
            let id = version["id"].as_str().unwrap().to_owned();
            told.versions.push((format!("{agent}/v{}", version["version"]), id));
        }
        let version = if round % 2 == 0 { "1" } else { "2" };
        for args in [
            vec!["promote", agent, "--to", "pre-release"],
            vec!["promote", "support", "--to", "pre-release", "--version", version],
        ] {
            let ended = repo.pointsman(&[&args[..], &["--json"]].concat());
            if ended.code != 0 {
                continue;
            }
            if let Some(commit) = ended.json()["commit"].as_str() {
                told.commits.push(("pre-release".to_owned(), commit.to_owned()));
            }
        }
    }
    told
}

#[test]
fn two_controllers_and_their_users_agree_on_one_line() {
    let world = World::new();
    let shop = Shop::new(&world);
    // Each round is ten requests: of three people a publish, which deploys, and two promotions, and a pushed tag.
    let rounds = if soak() { 100 } else { 5 };
    shop.desk.publish_support("one");
    shop.desk.publish_support("two");
    let daemons = [shop.serve_with("one", &shop.url(), &[]), shop.serve_with("two", &shop.url(), &[])];
    let people: Vec<_> = ["ann", "ben", "cleo"].map(|name| (name, world.clone_of(&shop.origin, name))).into();
    let told = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (name, repo) in &people {
            let told = &told;
            scope.spawn(move || told.lock().unwrap().push(work(repo, name, rounds)));
        }
        // Plain git beside them.
        scope.spawn(|| (3..3 + u64::try_from(rounds).unwrap()).for_each(|number| shop.push_version(number)));
    });
    let last = format!("v{}", 2 + rounds);
    daemons.iter().for_each(|daemon| shop.comes(daemon, "sandbox", "support", &last));
    shop.whole();
    let told = told.into_inner().unwrap();
    let tags = shop.origin(&["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/tags"]);
    let mut names = std::collections::BTreeSet::new();
    for (name, id) in told.iter().flat_map(|told| &told.versions) {
        assert!(names.insert(name), "{name} was given twice");
        assert!(tags.lines().any(|line| line.starts_with(&format!("{name} {id}"))), "{name} {id} is lost: {tags}");
    }
    assert!(names.len() > rounds, "only {names:?} were published");
    let line = shop.origin(&["rev-list", "--first-parent", "env/pre-release"]);
    let mut commits = std::collections::BTreeSet::new();
    for (environment, commit) in told.iter().flat_map(|told| &told.commits) {
        assert!(commits.insert(commit), "{commit} was told twice");
        assert!(line.lines().any(|found| found == commit), "{commit} of {environment} is lost");
    }
    assert!(!commits.is_empty());
    // Each version was accepted once: entries and tags are the same set.
    let entries = shop.origin(&["ls-tree", "-rd", "--name-only", "pointsman/ledger", "agents/"]);
    let entries = entries.lines().filter_map(|path| path.strip_prefix("agents/")).filter(|path| {
        path.split_once("/v").is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    assert_eq!(entries.count(), tags.lines().count());
    // Both serve the very same, in every environment.
    for environment in ["sandbox", "pre-release", "live"] {
        let path = format!("/config/{environment}");
        daemons[0].eventually("both serve what the remote has, and the same", || {
            let served = daemons.each_ref().map(|daemon| daemon.get(&path));
            let head = shop.origin(&["rev-parse", &format!("env/{environment}")]);
            served[0].body == served[1].body && served[0].json()["head"] == head.as_str()
        });
    }
}
