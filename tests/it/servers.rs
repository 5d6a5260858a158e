//! Real git servers on the loopback: OpenSSH, nginx with `git http-backend`, `git daemon`, and a TCP proxy that misbehaves.
//!
//! Each is a child of the test with its own files and port, and ends with it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::env::{World, isolated};

/// A program of this test in a process group of its own, which ends with it.
pub struct Server {
    child: Child,
}

impl Server {
    fn start(mut command: Command) -> Server {
        let child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Server { child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens on `port`.
#[track_caller]
fn answers(port: u16) {
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Where a daemon's program is: the folders for administrators are not on everybody's path.
fn sbin(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("`{name}` is not installed; .ci/run installs it"))
}

/// OpenSSH's server with keys of its own.
pub struct Ssh {
    _server: Server,
    dir: PathBuf,
    port: u16,
}

impl Ssh {
    /// Lets the holder of a fresh key run git on this machine.
    pub fn start(world: &World) -> Ssh {
        let dir = world.path("ssh");
        std::fs::create_dir_all(&dir).unwrap();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"])
                .arg(dir.join(key))
                .status();
            assert!(made.unwrap().success());
        }
        std::fs::copy(dir.join("user.pub"), dir.join("authorized_keys")).unwrap();
        let port = free_port();
        let shown = dir.display();
        let home = world.home().display().to_string();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nPidFile none\nAuthorizedKeysFile {shown}/authorized_keys\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             SetEnv GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL={home}/.gitconfig\n"
        );
        std::fs::write(dir.join("config"), config).unwrap();
        // Where it runs as root it wants this folder, which a running one has made already.
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut command = Command::new(sbin("sshd"));
        command.arg("-D").arg("-E").arg(dir.join("log")).arg("-f").arg(dir.join("config"));
        let server = Server::start(command);
        answers(port);
        let key = std::fs::read_to_string(dir.join("host.pub")).unwrap();
        std::fs::write(dir.join("known_hosts"), format!("[127.0.0.1]:{port} {key}")).unwrap();
        Ssh { _server: server, dir, port }
    }

    pub fn url(&self, origin: &Path) -> String {
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, origin.display())
    }

    /// The client for `GIT_SSH_COMMAND`, which believes the hosts that the file `known` lists.
    pub fn client(&self, known: &str) -> String {
        let dir = self.dir.display();
        format!(
            "ssh -F /dev/null -i {dir}/user -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
             -o UserKnownHostsFile={dir}/{known}"
        )
    }
}

/// `git http-backend` behind nginx and fcgiwrap, with basic authentication.
pub struct Http {
    _backend: Server,
    nginx: Option<Server>,
    config: PathBuf,
    pub port: u16,
}

/// The one who may use the [`Http`] server.
pub const USER: &str = "robot";
pub const PASSWORD: &str = "correct-horse-7";

impl Http {
    /// Serves the repositories of `world`.
    pub fn start(world: &World) -> Http {
        Self::start_with(world, "", "")
    }

    /// The same over TLS with `cert` and `key`; what is posted to `/hook` is taken with a 204 and noted in `hooks.log`.
    pub fn start_tls(world: &World, cert: &str, key: &str) -> Http {
        let certificate = format!("ssl_certificate {cert};\nssl_certificate_key {key};\n");
        let log = world.path("hooks.log");
        let hook = format!("location = /hook {{\naccess_log {} told;\nreturn 204;\n}}\n", log.display());
        Self::start_with(world, " ssl", &format!("{certificate}{hook}"))
    }

    fn start_with(world: &World, listen: &str, more: &str) -> Http {
        let dir = world.path("nginx");
        std::fs::create_dir_all(&dir).unwrap();
        let (port, shown) = (free_port(), dir.display());
        std::fs::write(dir.join("users"), format!("{USER}:{{PLAIN}}{PASSWORD}\n")).unwrap();
        let root = world.path("");
        let config = format!(
            "{}daemon off;\nmaster_process off;\npid {shown}/pid;\nerror_log {shown}/error.log;\nevents {{ worker_connections 64; }}\n\
             http {{\naccess_log off;\nclient_max_body_size 0;\nclient_body_temp_path {shown}/body;\nproxy_temp_path {shown}/proxy;\n\
             fastcgi_temp_path {shown}/fastcgi;\nuwsgi_temp_path {shown}/uwsgi;\nscgi_temp_path {shown}/scgi;\n\
             log_format told '$ssl_protocol $request_method $http_webhook_id';\n\
             server {{\nlisten 127.0.0.1:{port}{listen};\n{more}location / {{\nauth_basic git;\nauth_basic_user_file {shown}/users;\n\
             fastcgi_pass unix:{shown}/socket;\nfastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;\n\
             fastcgi_param GIT_PROJECT_ROOT {};\nfastcgi_param GIT_HTTP_EXPORT_ALL 1;\nfastcgi_param PATH_INFO $uri;\n\
             fastcgi_param QUERY_STRING $query_string;\nfastcgi_param REQUEST_METHOD $request_method;\n\
             fastcgi_param CONTENT_TYPE $content_type;\nfastcgi_param CONTENT_LENGTH $content_length;\n\
             fastcgi_param REMOTE_USER $remote_user;\nfastcgi_param GIT_PROTOCOL $http_git_protocol;\n\
             fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;\n}}\n}}\n}}\n",
            // Root's repositories can only be read by root.
            if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" { "user root;\n" } else { "" },
            root.display()
        );
        let file = dir.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut backend = isolated(sbin("fcgiwrap").to_str().unwrap(), &world.home());
        backend.args(["-c", "4", "-s"]).arg(format!("unix:{shown}/socket")).stderr(Stdio::null());
        let backend = Server::start(backend);
        let mut http = Http { _backend: backend, nginx: None, config: file, port };
        http.go_on();
        http
    }

    /// Stops answering.
    pub fn stop(&mut self) {
        self.nginx = None;
    }

    /// Answers, again.
    pub fn go_on(&mut self) {
        let mut nginx = Command::new(sbin("nginx"));
        nginx.arg("-c").arg(&self.config).stderr(Stdio::null());
        self.nginx = Some(Server::start(nginx));
        answers(self.port);
    }

    /// The address of the repository `name`, with what stands before the host.
    pub fn url(&self, login: &str, name: &str) -> String {
        format!("http://{login}127.0.0.1:{}/{name}", self.port)
    }
}

/// `git daemon` for everything in `world`: anybody may push.
pub struct GitDaemon {
    _server: Server,
    pub port: u16,
}

impl GitDaemon {
    pub fn start(world: &World) -> GitDaemon {
        let port = free_port();
        let mut command = isolated("git", &world.home());
        command.args(["daemon", "--export-all", "--enable=receive-pack", "--reuseaddr", "--listen=127.0.0.1"]);
        command.arg(format!("--port={port}")).arg(format!("--base-path={}", world.path("").display()));
        let server = Server::start(command);
        answers(port);
        GitDaemon { _server: server, port }
    }
}

/// What a [`Proxy`] does with what the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Hands it on.
    Good,
    /// Hands on so many bytes at a time, with pauses.
    Slow(usize, Duration),
    /// Closes the connection after so many bytes.
    Cut(usize),
    /// Takes the connection and says nothing.
    Silent,
}

/// A TCP proxy on a port of its own.
pub struct Proxy {
    pub port: u16,
    line: Arc<Mutex<Line>>,
}

impl Proxy {
    /// A proxy before the server on `port`.
    pub fn before(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let line = Arc::new(Mutex::new(Line::Good));
        let shared = Arc::clone(&line);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let line = *shared.lock().unwrap();
                std::thread::spawn(move || carry(client, port, line));
            }
        });
        Proxy { port: own, line }
    }

    /// From the next connection on.
    pub fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }
}

fn carry(client: TcpStream, port: u16, line: Line) {
    if line == Line::Silent {
        let mut client = client;
        let _ = std::io::copy(&mut client, &mut std::io::sink());
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut server, mut client) = (server, client);
    let mut left = if let Line::Cut(bytes) = line { bytes } else { usize::MAX };
    let mut buffer = vec![0; if let Line::Slow(bytes, _) = line { bytes } else { 16 * 1024 }];
    loop {
        let most = left.min(buffer.len());
        let read = server.read(&mut buffer[..most]).unwrap_or(0);
        if read == 0 || client.write_all(&buffer[..read]).is_err() {
            break;
        }
        left -= read;
        if let Line::Slow(_, pause) = line {
            std::thread::sleep(pause);
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
