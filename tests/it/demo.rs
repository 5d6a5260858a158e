//! The guided tour.

use std::path::Path;
use std::process::Command;

use crate::env::World;

/// The program with nothing in its environment but the PATH and a temporary folder.
fn bare_program(temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TMPDIR", temporary);
    command
}

#[test]
fn the_tour_needs_no_configuration_fits_eighty_columns_and_leaves_nothing_behind() {
    let world = World::new();
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let output = bare_program(&temporary)
        .args(["demo", "--once"])
        .env("COLUMNS", "80")
        .current_dir(&temporary)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "{long:#?}");
    for told in [
        "front-desk/v2",
        "asks for confirmation",
        "v2 -> v1 in live",
        "$ git fsck --strict",
        "checked 4 versions of 3 agents",
        "draft/front-desk is the new greeting,",
        "sandbox/front-desk is v3,",
        "live/front-desk is v3,",
    ] {
        assert!(text.contains(told), "`{told}` is missing in {text}");
    }
}

#[test]
fn what_the_tour_shows_is_what_git_says() {
    let world = World::new();
    let kept = world.path("kept");
    let run = || bare_program(&world.path(".")).args(["demo", "--json", "--keep"]).arg(&kept).output().unwrap();
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stops: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let commands: Vec<_> = stops
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|stop| stop["commands"].as_array().unwrap())
        .map(|command| (command["command"].as_str().unwrap(), command["output"].as_str().unwrap()))
        .collect();
    let printed = |line: &str| -> Vec<&str> {
        commands.iter().filter(|(command, _)| *command == line).map(|(_, output)| output.trim()).collect()
    };
    let live = printed("git rev-parse env/live:agents/front-desk");
    let second = printed("git rev-parse pointsman/ledger:agents/front-desk/v2")[0];
    let first = printed("git rev-parse pointsman/ledger:agents/front-desk/v1")[0];
    assert_eq!(live, [second, first]);
    let now = world.git("kept", &["rev-parse", "env/live:agents/front-desk"]).ok().stdout;
    let third = world.git("kept", &["rev-parse", "pointsman/ledger:agents/front-desk/v3"]).ok().stdout;
    assert_eq!(now, third);
    world.git("kept", &["fsck", "--strict"]).ok();

    let again = run();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"));
}

#[test]
fn the_tour_goes_the_same_way_on_a_machine_with_habits() {
    let world = World::new();
    world.write(
        "home/.gitconfig",
        "[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n[core]\n\tautocrlf = true\n\
         \thooksPath = /nowhere\n\texcludesFile = ~/ignored\n[init]\n\tdefaultBranch = trunk\n[color]\n\tui = always\n\
         [diff]\n\texternal = false\n[log]\n\tshowSignature = true\n[safe]\n\tbareRepository = explicit\n",
    );
    world.write("home/ignored", "*.toml\n*.yaml\n");
    let mut command = bare_program(&world.path("."));
    let output = command
        .args(["demo", "--once", "--color", "never"])
        .env("HOME", world.home())
        // A tour that is started by a git alias or hook must not touch that repository.
        .env("GIT_DIR", world.path("nowhere/.git"))
        .env("GIT_INDEX_FILE", world.path("nowhere/index"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_controller_of_the_tour_goes_on_until_ctrl_c_and_leaves_nothing_behind() {
    use std::io::{BufRead as _, BufReader};
    let world = World::new();
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut child = bare_program(&temporary).arg("demo").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told: Vec<_> = lines.take_while(|line| !line.starts_with("Ctrl-C ends it")).collect();
    let url = told.iter().find_map(|line| line.trim().strip_prefix("http://")?.strip_suffix("/config/live"));
    let address = url.unwrap_or_else(|| panic!("no address in {told:#?}"));
    let answer = crate::daemon::get(address, "/config/live/front-desk");
    assert_eq!(answer.headers["x-agent-version"], "v3");
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}
