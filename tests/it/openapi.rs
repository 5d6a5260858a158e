//! The description at `/openapi.json` and the page at `/docs`, held against what the controller really does: by a
//! validator of OpenAPI, and by schemathesis, which makes calls of the description and looks whether the answers are
//! among those that it tells.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::Daemon;
use crate::env::{Repo, World};

/// A Python program of `.ci/requirements-clients.txt`; nothing, with a reason, where it is not installed.
fn client(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/bin").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "`{name}` is missing; .ci/run installs it");
    eprintln!("skipped: `{name}` is not installed; .ci/run installs it below target/clients");
    None
}

/// A program of `.ci/clients/package.json`, in the same way.
fn node_client(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/npm/node_modules/.bin").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "`{name}` is missing; .ci/run installs it");
    eprintln!("skipped: `{name}` is not installed; .ci/run installs it below target/clients");
    None
}

/// A controller that has something to say at every route.
fn serving(world: &World) -> (Repo<'_>, Daemon) {
    let repo = world.repository("shop");
    repo.write("agents/emea/billing/agent.toml", "name = \"Billing\"\n");
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qm", "Add billing"]);
    repo.pointsman(&["publish", "support"]).ok();
    repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Two\"\n");
    for verb in ["publish support", "publish emea/billing", "promote support --to pre-release"] {
        repo.pointsman(&verb.split(' ').collect::<Vec<_>>()).ok();
    }
    repo.pointsman(&["promote", "support", "--to", "live", "--confirm"]).ok();
    repo.write("agents/support/agent.toml", "name = \"Support\"\ngreeting = \"Draft\"\n");
    let file = world.home().join("operator.toml");
    let hooks = ["github", "gitlab", "gitea"].map(|forge| format!("{forge}.secret = {{ env = \"HOOK\" }}\n")).concat();
    std::fs::write(&file, format!("[hooks]\n{hooks}")).unwrap();
    let args = ["--config", file.to_str().unwrap()];
    let daemon = Daemon::start_with(world, &repo.dir, &args, &[("HOOK", "0123456789abcdef-hook")]);
    (repo, daemon)
}

#[test]
fn the_description_is_openapi_and_open_to_all() {
    let world = World::new();
    let (_repo, daemon) = serving(&world);
    let answer = daemon.get("/openapi.json");
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
    assert_eq!(answer.json()["openapi"], "3.1.1");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let held = format!(
        "GET /openapi.json HTTP/1.1\r\nHost: x\r\nIf-None-Match: {}\r\nConnection: close\r\n\r\n",
        answer.headers["etag"]
    );
    assert_eq!(daemon.request(&held).status, 304);
    let file = world.home().join("openapi.json");
    std::fs::write(&file, &answer.body).unwrap();
    if let Some(validator) = client("openapi-spec-validator") {
        let checked = Command::new(validator).arg(&file).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    if let Some(redocly) = node_client("redocly") {
        let mut lint = Command::new(redocly);
        lint.current_dir(world.home()).env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        let linted =
            lint.args(["lint", "--extends", "recommended", "--format", "json", "openapi.json"]).output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&linted.stdout).unwrap();
        assert_eq!((&told["totals"]["errors"], &told["totals"]["warnings"]), (&0.into(), &0.into()), "{told}");
    }
}

#[test]
fn a_stranger_with_the_description_meets_nothing_that_it_does_not_tell() {
    let Some(schemathesis) = client("st") else { return };
    let world = World::new();
    let (repo, daemon) = serving(&world);
    let admin = std::fs::read_to_string(repo.path(".git/pointsman/admin-token")).unwrap();
    let history = repo.pointsman(&["history", "support", "--json"]).ok().stdout;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let deployment = history[0]["moves"][0]["deployment"].as_str().unwrap();
    let begin = "{\"agentId\": \"support\"}";
    let begun = daemon.request(&format!(
        "POST /api/v1/chat/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{begin}",
        admin.trim(),
        begin.len()
    ));
    let begun = begun.json();
    let session = begun["data"]["id"].as_str().unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/clients/schemathesis.toml");
    let config = std::fs::read_to_string(config).unwrap();
    let config =
        config.replace("{token}", admin.trim()).replace("{deployment}", deployment).replace("{session}", session);
    let file = world.home().join("schemathesis.toml");
    std::fs::write(&file, config).unwrap();
    // More examples take longer and find more; the same seed makes the same calls, so that a failure can be repeated.
    let examples = std::env::var("POINTSMAN_EXAMPLES").unwrap_or_else(|_| "10".to_owned());
    let seed = std::env::var("POINTSMAN_SEED").unwrap_or_else(|_| "1".to_owned());
    let run = Command::new(schemathesis)
        .current_dir(world.home())
        .arg("--config-file")
        .arg(&file)
        .args(["run", &format!("http://{}/openapi.json", daemon.address), "--checks", "all", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", &examples, "--seed", &seed])
        // That one shows wrong tokens in numbers, and would only meet their limit.
        .args(["--exclude-checks", "ignored_auth", "--generation-database", "none"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    // What it did to the repository was done by the rules.
    repo.pointsman(&["verify"]).ok();
    assert!(!daemon.log().contains("panicked") && !daemon.log().contains(admin.trim()));
}
