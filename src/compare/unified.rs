//! A unified diff of the files themselves, byte for byte what `git apply` takes.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Side;
use super::cover::covered;
use super::files::{mode, renames, shown_text};
use super::lines::hunks;
use super::words::Part;
use crate::compile::{FileMode, SourceFile};

/// The unified diff of all files of two sides; empty where they are the same. Secrets are covered.
pub fn unified(before: &Side, after: &Side) -> String {
    let (before, after) = &covered(before, after);
    let renamed = renames(&before.files, &after.files);
    let moved_away: BTreeSet<&str> = renamed.values().copied().collect();
    let paths: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
    let mut text = String::new();
    for path in paths {
        let (old, new) = (before.files.get(path), after.files.get(path));
        if let Some(from) = renamed.get(path.as_str()) {
            header(&mut text, from, path);
            modes(&mut text, before.files.get(*from), new);
            line(&mut text, "similarity index 100%");
            line(&mut text, &format!("rename from {}", name("", from)));
            line(&mut text, &format!("rename to {}", name("", path)));
        } else if !(moved_away.contains(path.as_str()) && new.is_none()) && old != new {
            let other_type = old.zip(new).is_some_and(|(old, new)| file_type(old) != file_type(new));
            if other_type {
                file(&mut text, path, old, None);
                file(&mut text, path, None, new);
            } else {
                file(&mut text, path, old, new);
            }
        }
    }
    text
}

/// Git tells a file that became a link as one file gone and another come.
fn file_type(file: &SourceFile) -> u8 {
    match file.mode {
        FileMode::Regular | FileMode::Executable => 0,
        FileMode::Symlink => 1,
        FileMode::Submodule => 2,
    }
}

fn file(text: &mut String, path: &str, old: Option<&SourceFile>, new: Option<&SourceFile>) {
    header(text, path, path);
    modes(text, old, new);
    if old.map(|file| &file.content) == new.map(|file| &file.content) {
        return;
    }
    let side = |prefix, file: Option<&SourceFile>| file.map_or("/dev/null".to_owned(), |_| name(prefix, path));
    let (from, to) = (side("a/", old), side("b/", new));
    let (Some(before), Some(after)) = (shown_text(old), shown_text(new)) else {
        return line(text, &format!("Binary files {from} and {to} differ"));
    };
    let hunks = hunks(before, after);
    if hunks.is_empty() {
        return;
    }
    // A blank in a name would end it for `patch`, hence git's tab.
    let end = |name: &str| if name.contains(' ') && !name.starts_with('"') { "\t" } else { "" };
    line(text, &format!("--- {from}{}", end(&from)));
    line(text, &format!("+++ {to}{}", end(&to)));
    for hunk in hunks {
        let (old, new) = (range(hunk.before_start, hunk.before_lines), range(hunk.after_start, hunk.after_lines));
        line(text, &format!("@@ -{old} +{new} @@"));
        for shown in hunk.lines {
            text.push(match shown.kind {
                Part::Equal => ' ',
                Part::Delete => '-',
                Part::Insert => '+',
            });
            line(text, &shown.text);
            if shown.unterminated {
                line(text, "\\ No newline at end of file");
            }
        }
    }
}

fn header(text: &mut String, from: &str, to: &str) {
    line(text, &format!("diff --git {} {}", name("a/", from), name("b/", to)));
}

fn modes(text: &mut String, old: Option<&SourceFile>, new: Option<&SourceFile>) {
    match (old, new) {
        (Some(old), Some(new)) if old.mode != new.mode => {
            line(text, &format!("old mode {}", mode(old.mode)));
            line(text, &format!("new mode {}", mode(new.mode)));
        }
        (None, Some(new)) => line(text, &format!("new file mode {}", mode(new.mode))),
        (Some(old), None) => line(text, &format!("deleted file mode {}", mode(old.mode))),
        _ => {}
    }
}

fn range(start: usize, lines: usize) -> String {
    if lines == 1 { start.to_string() } else { format!("{start},{lines}") }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A path as git writes it: quoted where it holds a quote, a backslash or a control character.
fn name(prefix: &str, path: &str) -> String {
    if !path.chars().any(|letter| letter.is_control() || letter == '"' || letter == '\\') {
        return format!("{prefix}{path}");
    }
    let mut quoted = format!("\"{prefix}");
    for letter in path.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    write!(quoted, "\\{byte:03o}").expect("writing to a string does not fail");
                }
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::tests::{executable, file, side};
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn reads_like_gits() {
        let before = side(&[("gone.txt", "x\n"), ("kept.txt", "a\nb\nc"), ("old name.md", "same\n")]);
        let mut after = side(&[("kept.txt", "a\nB\nc\n"), ("new.txt", "y"), ("new name.md", "same\n")]);
        after.files.insert("run.sh".into(), executable("#!\n"));
        insta::assert_snapshot!(unified(&before, &after), @r"
        diff --git a/gone.txt b/gone.txt
        deleted file mode 100644
        --- a/gone.txt
        +++ /dev/null
        @@ -1 +0,0 @@
        -x
        diff --git a/kept.txt b/kept.txt
        --- a/kept.txt
        +++ b/kept.txt
        @@ -1,3 +1,3 @@
         a
        -b
        -c
        \ No newline at end of file
        +B
        +c
        diff --git a/old name.md b/new name.md
        similarity index 100%
        rename from old name.md
        rename to new name.md
        diff --git a/new.txt b/new.txt
        new file mode 100644
        --- /dev/null
        +++ b/new.txt
        @@ -0,0 +1 @@
        +y
        \ No newline at end of file
        diff --git a/run.sh b/run.sh
        new file mode 100755
        --- /dev/null
        +++ b/run.sh
        @@ -0,0 +1 @@
        +#!
        ");
    }

    #[test]
    fn binary_files_are_named_only() {
        let before = side(&[("logo.png", "\0a")]);
        let after = side(&[("logo.png", "\0b")]);
        assert!(unified(&before, &after).ends_with("Binary files a/logo.png and b/logo.png differ\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn git_applies_it(
            before in prop::collection::btree_map("[ab] ?[c\"é]", "([xyz]\n){0,12}[xyz]?", 0..4),
            after in prop::collection::btree_map("[ab] ?[c\"é]", "([xyz]\n){0,12}[xyz]?", 0..4),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let texts = |texts: &std::collections::BTreeMap<String, String>| Side {
                files: texts.iter().map(|(path, text)| (path.clone(), file(text))).collect(),
                ..side(&[])
            };
            for (path, text) in &before {
                std::fs::write(folder.path().join(path), text).unwrap();
            }
            let patch = unified(&texts(&before), &texts(&after));
            if !patch.is_empty() {
                let place = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(place.path(), &patch).unwrap();
                let git = Command::new("git").arg("apply").arg("--whitespace=nowarn").arg(place.path())
                    .current_dir(folder.path()).env("GIT_CEILING_DIRECTORIES", "/").output().unwrap();
                prop_assert!(git.status.success(), "{}\n{patch}", String::from_utf8_lossy(&git.stderr));
            }
            let mut found = std::collections::BTreeMap::new();
            for entry in std::fs::read_dir(folder.path()).unwrap() {
                let entry = entry.unwrap();
                let text = std::fs::read_to_string(entry.path()).unwrap();
                found.insert(entry.file_name().into_string().unwrap(), text);
            }
            prop_assert_eq!(found, after);
        }
    }
}
