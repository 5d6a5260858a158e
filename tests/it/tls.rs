//! HTTPS: certificates as `openssl` makes them, callers as `curl` is one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::daemon::{Daemon, PATIENCE};
use crate::env::{Ended, World};
use crate::servers::{Http, PASSWORD, USER};

/// An authority of its own, and what it signs.
struct Authority(PathBuf);

impl Authority {
    fn new(world: &World) -> Self {
        let dir = world.home().join("ca");
        std::fs::create_dir(&dir).unwrap();
        let authority = Authority(dir);
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "2",
            "-subj",
            "/CN=Test authority",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ]);
        authority
    }

    #[track_caller]
    fn openssl(&self, args: &[&str]) {
        let done = Command::new("openssl").current_dir(&self.0).args(args).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Signs a certificate for localhost with `serial`, into `cert.pem` and `key.pem`.
    fn sign(&self, serial: &str) {
        std::fs::write(self.0.join("san"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        let key = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"];
        self.openssl(&[&key[..], &["-out", "request.pem", "-subj", "/CN=localhost"]].concat());
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            "request.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-set_serial",
            serial,
            "-days",
            "2",
            "-extfile",
            "san",
            "-out",
            "cert.pem",
        ]);
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

fn curl(ca: &str, address: &str, more: &[&str]) -> Output {
    let port = address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/healthz");
    Command::new("curl").args(["-sS", "--max-time", "60", "--cacert", ca]).args(more).arg(url).output().unwrap()
}

/// The serial number of the certificate that is answered with.
fn serial(address: &str, ca: &str) -> String {
    let script = format!(
        "openssl s_client -connect {address} -servername localhost -CAfile {ca} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    );
    let told = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}

fn start(world: &World, dir: &Path, authority: &Authority) -> Daemon {
    Daemon::start(world, dir, &["--tls-cert", &authority.path("cert.pem"), "--tls-key", &authority.path("key.pem")])
}

#[test]
fn a_caller_that_trusts_the_authority_is_answered_and_others_are_not() {
    let world = World::new();
    let authority = Authority::new(&world);
    authority.sign("11");
    let repo = world.repository("shop");
    let daemon = start(&world, &repo.dir, &authority);
    let ca = authority.path("ca.pem");
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let (option, value) = version.split_once('=').unwrap_or((version, ""));
        let more: Vec<&str> = [option, value, "-v"].into_iter().filter(|word| !word.is_empty()).collect();
        let told = curl(&ca, &daemon.address, &more);
        assert_eq!(String::from_utf8_lossy(&told.stdout), "ok\n", "{}", String::from_utf8_lossy(&told.stderr));
        // HTTP/1.1 is agreed on, so that no caller begins with another.
        let said = String::from_utf8_lossy(&told.stderr).to_lowercase();
        assert!(said.contains("http/1.1"), "{said}");
    }
    let untrusting = curl("/etc/hostname", &daemon.address, &[]);
    assert!(!untrusting.status.success());
    // Who speaks plain HTTP, or nothing that is TLS, is hung up on.
    let mut plain = TcpStream::connect(&daemon.address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut told = Vec::new();
    let _ = plain.read_to_end(&mut told);
    assert!(!String::from_utf8_lossy(&told).contains("HTTP/1.1"));
    // And one that says nothing keeps nobody else waiting.
    let _silent = TcpStream::connect(&daemon.address).unwrap();
    assert!(curl(&ca, &daemon.address, &[]).status.success());
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn the_command_line_trusts_an_authority_that_it_is_told_of() {
    let world = World::new();
    let authority = Authority::new(&world);
    authority.sign("11");
    let repo = world.repository("shop");
    let daemon = start(&world, &repo.dir, &authority);
    let server = format!("https://localhost:{}", daemon.address.rsplit(':').next().unwrap());
    let words = ["status", "--server", &server];
    let mut command = repo.command(&words);
    let trusting = Ended::of(command.env("SSL_CERT_FILE", authority.path("ca.pem")).output().unwrap()).ok();
    assert!(trusting.stdout.contains("support"), "{trusting:?}");
    let untrusting = repo.pointsman(&words);
    assert!(untrusting.code == 1 && untrusting.stderr.contains("cannot reach"), "{untrusting:?}");
}

#[test]
fn a_renewed_certificate_needs_no_restart_and_a_broken_one_changes_nothing() {
    let world = World::new();
    let authority = Authority::new(&world);
    authority.sign("11");
    let repo = world.repository("shop");
    let daemon = start(&world, &repo.dir, &authority);
    let ca = authority.path("ca.pem");
    assert_eq!(serial(&daemon.address, &ca), "serial=0B");
    authority.sign("12");
    assert_eq!(serial(&daemon.address, &ca), "serial=0B");
    daemon.signal("HUP");
    daemon.eventually("the new certificate is answered with", || serial(&daemon.address, &ca) == "serial=0C");
    std::fs::write(authority.path("key.pem"), "nothing").unwrap();
    daemon.signal("HUP");
    daemon.eventually("the broken key is told", || daemon.log().contains("the old certificate stays"));
    assert_eq!(serial(&daemon.address, &ca), "serial=0C");
}

#[test]
fn files_that_are_no_certificate_stop_the_start_with_a_hint() {
    let world = World::new();
    let authority = Authority::new(&world);
    authority.sign("11");
    let repo = world.repository("shop");
    let cert = authority.path("cert.pem");
    for (cert, key, said) in [
        (cert.as_str(), cert.as_str(), "cannot read a private key"),
        ("/dev/null", cert.as_str(), "there is no certificate"),
        ("/nowhere", cert.as_str(), "cannot read a certificate"),
        (cert.as_str(), &authority.path("ca.key"), "cannot answer with the certificate"),
    ] {
        let run = repo.pointsman(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(said) && run.stderr.contains("hint"), "{}", run.stderr);
    }
    let run = repo.pointsman(&["serve", "--tls-cert", &cert]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--tls-key"), "{}", run.stderr);
}

#[test]
fn targets_over_https_trust_an_authority_that_the_controller_is_told_of() {
    let world = World::new();
    let authority = Authority::new(&world);
    authority.sign("11");
    let repo = world.repository("shop");
    repo.publish_support("One");
    world.bare("edge.git");
    world.git("edge.git", &["config", "http.receivepack", "true"]).ok();
    let server = Http::start_tls(&world, &authority.path("cert.pem"), &authority.path("key.pem"));
    let base = format!("https://localhost:{}", server.port);
    let helper =
        format!("[credential]\n\thelper = \"!f() {{ echo username={USER}; echo password={PASSWORD}; }}; f\"\n");
    let known = std::fs::read_to_string(world.path("home/.gitconfig")).unwrap();
    world.write("home/.gitconfig", known + &helper);
    world.write("secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n");
    let told = format!(
        "outgoing.allow = [\"localhost\", \"127.0.0.0/8\", \"::1\"]\n\
         [targets.told]\nkind = \"webhook\"\nurl = \"{base}/hook\"\nsecret = {{ file = \"{}\" }}\n\
         [targets.copy]\nkind = \"git\"\nurl = \"{base}/edge.git\"\n",
        world.path("secret").display(),
    );
    world.write("serve.toml", told);
    let args = ["--config", world.path("serve.toml").to_str().unwrap()].map(str::to_owned);
    let args = args.each_ref().map(String::as_str);
    let hooks = || std::fs::read_to_string(world.path("hooks.log")).unwrap_or_default();
    let tip = |branch: &str| world.git("edge.git", &["rev-parse", "--verify", "-q", branch]).stdout;

    let daemon = Daemon::start(&world, &repo.dir, &args);
    daemon.eventually("strangers are not trusted", || {
        let metrics = daemon.get("/metrics").body;
        ["told", "copy"].iter().all(|target| {
            metrics.lines().any(|line| {
                line.starts_with("pointsman_target_deliveries_total")
                    && line.contains(&format!("target=\"{target}\",environment=\"sandbox\",result=\"failed\""))
                    && !line.ends_with(" 0")
            })
        })
    });
    assert!(hooks().is_empty() && tip("live/sandbox").is_empty(), "{}", hooks());
    assert_eq!(daemon.stop(), Some(0));

    let ca = authority.path("ca.pem");
    let trusting = [("SSL_CERT_FILE", ca.as_str()), ("GIT_SSL_CAINFO", ca.as_str())];
    let daemon = Daemon::start_with(&world, &repo.dir, &args, &trusting);
    let told = || hooks().lines().any(|line| line.contains(" POST sandbox_2_"));
    daemon.eventually("the webhook was told", told);
    daemon.eventually("the branch is there", || tip("live/sandbox") == repo.git(&["rev-parse", "env/sandbox"]).stdout);
    assert!(!daemon.log().contains(PASSWORD));
}
