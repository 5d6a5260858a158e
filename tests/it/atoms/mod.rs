//! The Atoms dialect over real sockets, and with the vendor's own clients.

mod agents;
mod clients;
mod drafts;
mod remote;
mod revisions;

use std::path::Path;

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::env::{Repo, World};

/// One environment that asks for confirmation.
pub const ONE: &str = "[[environments]]\nname = \"live\"\nconfirm = true\n";

/// A daemon over a repository, and the token of its administrator.
pub struct Atoms<'w> {
    pub repo: Repo<'w>,
    pub daemon: Daemon,
    pub admin: String,
}

impl<'w> Atoms<'w> {
    /// A shop whose agent `support` was published once and is live, where `policy` lets it.
    pub fn new(world: &'w World, policy: &str) -> Self {
        let repo = world.repository("shop");
        repo.write("pointsman.toml", policy);
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-qm", "Policy"]).ok();
        let daemon = Daemon::start(world, &repo.dir, &[]);
        let admin = admin_token(&repo.path(".git/pointsman"));
        Atoms { repo, daemon, admin }
    }

    pub fn token(&self, scopes: &str) -> String {
        self.repo.pointsman(&["token", "create", "--name", "ci", "--scope", scopes]).ok().stdout.trim().to_owned()
    }

    pub fn call(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        call(&self.daemon, token, method, path, body)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        data(&self.call(&self.admin, "GET", path, None), 200)
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call(&self.admin, method, path, Some(body))
    }

    /// The id on the wire of the agent called `name`.
    #[track_caller]
    pub fn id(&self, name: &str) -> String {
        let listed = self.get("/agent?page=1&offset=100");
        let found = listed["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name);
        found.unwrap_or_else(|| panic!("{listed}"))["_id"].as_str().unwrap().to_owned()
    }

    /// The id of the default branch of the agent with the id `agent`.
    #[track_caller]
    pub fn main(&self, agent: &str) -> String {
        let listed = self.get(&format!("/agent/{agent}/branches"));
        let found = listed["branches"].as_array().unwrap().iter().find(|it| it["branch"]["isDefault"] == true);
        found.unwrap()["branch"]["_id"].as_str().unwrap().to_owned()
    }

    /// Everything holds, in Pointsman's eyes and in git's.
    #[track_caller]
    pub fn holds(&self) {
        self.repo.pointsman(&["verify"]).ok();
        let checked = self.repo.git(&["fsck", "--strict", "--no-dangling"]).ok();
        assert!(!checked.stderr.contains("error") && !checked.stdout.contains("missing"), "{checked:?}");
    }
}

pub fn admin_token(state: &Path) -> String {
    std::fs::read_to_string(state.join("admin-token")).unwrap().trim().to_owned()
}

pub fn call(daemon: &Daemon, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    daemon.request(&format!(
        "{method} /atoms/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        daemon.address,
        body.len()
    ))
}

#[track_caller]
pub fn data(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], true, "{body}");
    body["data"].clone()
}

#[track_caller]
pub fn refused(answer: &Answer, status: u16, error_type: &str) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    let body = answer.json();
    assert_eq!((&body["status"], &body["error_type"]), (&json!(false), &json!(error_type)), "{body}");
    assert!(body["errors"][0].is_string() && body["message"].is_string(), "{body}");
    body
}

/// The text of a field.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// Whether `value` is an id on the wire.
pub fn is_id(value: &Value) -> bool {
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    value.as_str().is_some_and(|id| id.len() == 24 && id.bytes().all(hex))
}
