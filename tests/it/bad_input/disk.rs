//! A disk that is full, and one that cannot be written.
//!
//! Both need a mount of their own, in a namespace that any user may make where the kernel allows it.

use std::process::Command;

use crate::env::{Ended, Repo, World, isolated};

/// Whether this machine lets a user mount in a namespace; says so where it does not.
fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["-Urm", "sh", "-c", "mount -t tmpfs none /mnt"]).output();
    let may = tried.is_ok_and(|out| out.status.success());
    if !may {
        eprintln!("skipped: this machine does not permit `unshare -Urm` with a mount");
    }
    may
}

/// Runs a shell script in a namespace of its own, with the program as `$P` and the repository's folder as `$R`.
fn in_namespace(repo: &Repo<'_>, script: &str) -> Ended {
    let out = isolated("unshare", &repo.world.home())
        .args(["-Urm", "sh", "-euc", script])
        .env("P", env!("CARGO_BIN_EXE_pointsman"))
        .env("R", &repo.dir)
        .env("M", repo.world.path("mount"))
        .output()
        .unwrap();
    Ended {
        code: out.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
    }
}

#[test]
fn a_full_disk_is_told_leaves_nothing_half_done_and_is_no_trouble_later() {
    if !may_mount() {
        return;
    }
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    std::fs::create_dir(world.path("mount")).unwrap();
    // The disk is filled up to a few kilobytes, a bit less each time, so that it becomes full at every possible step.
    let script = r#"
        mount -t tmpfs -o size=4m none "$M"
        cp -a "$R" "$M/shop"
        cd "$M/shop"
        full=0 good=0
        # Nobody but the publisher may be in the way: what is free differs by one page each time.
        for free in $(seq 0 60); do
            echo "You help, $free." > agents/support/persona.md
            left=$(df --output=avail -k . | tail -1)
            head -c $(( (left - free * 4) * 1024 )) /dev/zero > "$M/ballast"
            if TMPDIR=/tmp "$P" publish support > "$M.out" 2> "$M.err"; then
                good=$((good + 1))
            else
                full=$((full + 1))
                grep -q "No space left on device" "$M.err" || { cat "$M.err" >&2; exit 1; }
                grep -q "hint: free some space" "$M.err"
            fi
            rm "$M/ballast"
            git fsck --strict
            if ls .git/*.lock .git/refs/*/*.lock .git/refs/*/*/*.lock .git/objects/*/tmp_* 2> /dev/null; then
                echo "left behind" >&2; exit 1
            fi
            "$P" publish support
            "$P" reconcile --once | grep -x "nothing to do"
            test -z "$(git status --porcelain)"
            if test "$good" -ge 3; then break; fi
        done
        echo "full $full good $good"
    "#;
    let ended = in_namespace(&repo, script);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let sum = ended.stdout.lines().last().unwrap_or_default().to_owned();
    let full: u32 = sum.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(full >= 3 && sum.ends_with("good 3"), "{sum}");
}

#[test]
fn a_read_only_repository_is_told_and_can_still_be_read() {
    if !may_mount() {
        return;
    }
    let world = World::new();
    let repo = world.repository("shop");
    repo.pointsman(&["publish", "support"]).ok();
    repo.write("agents/support/persona.md", "Changed.\n");
    let before = super::state(&repo);
    let read_only = r#"mount --bind "$R" "$R"; mount -o remount,bind,ro "$R"; cd "$R"; "#;
    for verb in ["publish support", "promote support --to pre-release", "rollback support --env sandbox"] {
        let ended = in_namespace(&repo, &format!("{read_only} \"$P\" {verb}"));
        if verb.starts_with("rollback") {
            // Nothing to go back to: refused before anything would be written.
            ended.refused("go back to", "retire");
        } else {
            ended.refused("Read-only file system", "read-only");
        }
        assert_eq!(super::state(&repo), before);
    }
    for verb in ["versions support", "history", "compare sandbox live"] {
        in_namespace(&repo, &format!("{read_only} \"$P\" {verb}")).ok();
    }
    repo.pointsman(&["publish", "support"]).ok();
}
