//! Real remotes: what works over a folder works over ssh and http, for the command line and for the controller.

use std::path::Path;
use std::process::Command;

use crate::daemon::Daemon;
use crate::env::{Ended, Repo, World, isolated};
use crate::faults::shop::Shop;
use crate::servers::{Http, PASSWORD, Ssh, USER};

const PINS: &str = "[[environments]]\nname = \"sandbox\"\ndeploy = \"latest\"\n[[environments]]\nname = \"live\"\nfrom = \"sandbox\"\n";

/// How the origin is reached.
struct Reached<'w> {
    shop: &'w Shop<'w>,
    url: String,
    environment: Vec<(&'w str, String)>,
}

impl<'w> Reached<'w> {
    fn run(&self, mut command: Command) -> Ended {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ended::of(command.output().unwrap())
    }

    fn clone(&self, name: &str) -> Repo<'w> {
        let world = self.shop.world;
        let mut command = isolated("git", &world.home());
        command.args(["clone", "-q", &self.url]).arg(world.path(name));
        self.run(command).ok();
        Repo { world, dir: world.path(name) }
    }

    fn git(&self, repo: &Repo<'_>, args: &[&str]) -> Ended {
        let mut command = isolated("git", &repo.world.home());
        command.arg("-C").arg(&repo.dir).args(args);
        self.run(command)
    }

    fn pointsman(&self, repo: &Repo<'_>, args: &[&str]) -> Ended {
        self.run(repo.command(args))
    }

    fn serve(&self) -> Daemon {
        let environment: Vec<_> = self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.shop.serve_with("state", &self.url, &environment)
    }

    fn commit(&self, repo: &Repo<'_>, file: &str, text: &str) {
        repo.write(file, text);
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-qm", file]).ok();
        self.git(repo, &["push", "-q", "origin", "main"]).ok();
    }

    /// The story that every remote must tell.
    fn works(&self) {
        let Reached { shop, .. } = self;
        // The command line, in a clone.
        let ada = self.clone("ada");
        ada.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"one\"\n");
        self.pointsman(&ada, &["publish", "support"]).ok();
        self.pointsman(&ada, &["promote", "support", "--to", "pre-release"]).ok();
        shop.has("sandbox", "support", "v1");
        shop.has("pre-release", "support", "v1");

        // The controller: a pushed tag, another one, and a merged pin.
        let daemon = self.serve();
        self.commit(&ada, "agents/support/agent.toml", "name = \"Support\"\ngreeting = \"two\"\n");
        ada.git(&["tag", "-a", "support/v2", "-m", "Two"]).ok();
        self.git(&ada, &["push", "-q", "origin", "support/v2"]).ok();
        shop.comes(&daemon, "sandbox", "support", "v2");
        self.commit(&ada, "agents/support/agent.toml", "name = \"Support\"\ngreeting = \"three\"\n");
        ada.git(&["tag", "-a", "support/v3", "-m", "Three"]).ok();
        self.git(&ada, &["push", "-q", "origin", "support/v3"]).ok();
        shop.comes(&daemon, "sandbox", "support", "v3");
        self.commit(&ada, "pointsman.toml", &format!("{PINS}[environments.pins]\nsupport = 2\n"));
        shop.comes(&daemon, "live", "support", "v2");
        self.pointsman(&ada, &["verify"]).ok();
        assert_eq!(daemon.stop(), Some(0));
        shop.whole();
    }
}

#[test]
fn a_folder_is_a_remote() {
    let world = World::new();
    let shop = Shop::new(&world);
    Reached { url: shop.url(), shop: &shop, environment: Vec::new() }.works();
}

#[test]
fn ssh_is_a_remote_and_an_unknown_host_is_refused_at_once() {
    let world = World::new();
    let shop = Shop::new(&world);
    let ssh = Ssh::start(&world);
    let url = ssh.url(&shop.origin);
    let stranger =
        Reached { url: url.clone(), shop: &shop, environment: vec![("GIT_SSH_COMMAND", ssh.client("nobody"))] };
    let daemon = stranger.serve();
    daemon.eventually("the host is not believed", || daemon.log().contains("Host key verification failed"));
    assert_eq!(daemon.stop(), Some(0));
    Reached { url, shop: &shop, environment: vec![("GIT_SSH_COMMAND", ssh.client("known_hosts"))] }.works();
}

#[test]
fn http_is_a_remote_with_the_password_in_the_address() {
    let world = World::new();
    let shop = Shop::new(&world);
    let http = Http::start(&world);
    let url = http.url(&format!("{USER}:{PASSWORD}@"), "origin.git");
    Reached { url, shop: &shop, environment: Vec::new() }.works();
    // Git keeps the address where it keeps addresses, for nobody else to read; we keep it nowhere.
    let config = world.path("state/mirror.git/config");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&config).unwrap()) & 0o077, 0);
    says_nowhere(&world.path("state"), &[&config], PASSWORD);
}

#[test]
fn http_is_a_remote_with_a_credential_helper() {
    let world = World::new();
    let shop = Shop::new(&world);
    let http = Http::start(&world);
    world.write("home/password", PASSWORD);
    let helper = format!(
        "[credential]\n\thelper = \"!f() {{ echo username={USER}; echo password=$(cat {}/password); }}; f\"\n",
        world.home().display()
    );
    let known = std::fs::read_to_string(world.path("home/.gitconfig")).unwrap();
    world.write("home/.gitconfig", known + &helper);
    Reached { url: http.url("", "origin.git"), shop: &shop, environment: Vec::new() }.works();
    says_nowhere(&world.path("state"), &[], PASSWORD);
}

#[test]
fn a_wrong_password_fails_at_once_is_told_without_it_and_asks_nobody() {
    let world = World::new();
    let shop = Shop::new(&world);
    let http = Http::start(&world);
    for (login, state) in [(format!("{USER}:wr0ng-secret@"), "wrong"), (String::new(), "none")] {
        let url = http.url(&login, "origin.git");
        let daemon = shop.serve_with(state, &url, &[]);
        let note = world.path(&format!("{state}/mirror.git/pointsman/controller.json"));
        daemon.eventually("the refusal is told", || {
            std::fs::read_to_string(&note).is_ok_and(|note| note.contains("failure\":\""))
        });
        let note = std::fs::read_to_string(&note).unwrap();
        let told = note.contains("Authentication failed") || note.contains("terminal prompts disabled");
        assert!(told, "{note}");
        assert!(!daemon.log().contains("wr0ng-secret"), "{}", daemon.log());
        assert_eq!(daemon.stop(), Some(0));
        says_nowhere(&world.path(state), &[&world.path(&format!("{state}/mirror.git/config"))], "wr0ng-secret");
    }
    // The command line says so too.
    let ada = world.clone_of(&shop.origin, "ada");
    ada.git(&["remote", "set-url", "origin", &http.url(&format!("{USER}:wr0ng-secret@"), "origin.git")]).ok();
    let refused = ada.pointsman(&["publish", "support"]);
    assert!(!refused.stderr.contains("wr0ng-secret"), "{}", refused.stderr);
    refused.refused("Authentication failed", "");
}

/// No file below `dir` but `except` holds `secret`.
#[track_caller]
fn says_nowhere(dir: &Path, except: &[&Path], secret: &str) {
    let found = Command::new("grep").args(["-rlFa", "--", secret]).arg(dir).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    let found: Vec<_> =
        found.lines().filter(|path| !except.iter().any(|allowed| Path::new(path) == *allowed)).collect();
    assert!(found.is_empty(), "{found:?}");
}
