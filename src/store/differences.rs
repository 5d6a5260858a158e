//! Which files of the working tree may differ from the index, told by how they look and without reading one.
//!
//! It is what `git status` does first. Git goes on and reads what looks different, and asks its ignore rules about files
//! that it does not know; here both just *may* differ, and where there are many of them git is asked instead.

use std::collections::HashMap;
use std::fs::read_dir;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::index::{Child, FileTime, Row, StatData, children};

/// Past so many it is cheaper to ask git, which tells them apart.
const MOST: usize = 32;

/// What may differ from the index.
#[derive(Default)]
pub(super) struct Differences<'r, 'b> {
    /// Files of the index that do not look as they did.
    pub(super) changed: Vec<&'r Row<'b>>,
    /// Paths of which only one of the two knows, or knows as a folder; folders end in a slash.
    pub(super) others: Vec<String>,
}

impl<'r, 'b> Differences<'r, 'b> {
    /// Compares the folder `dir` with the files `rows` of an index that was `written` then; `path` is the folder's,
    /// empty or with a slash at its end. Nothing where git has to be asked.
    pub(super) fn of(dir: &Path, path: &str, rows: &'r [Row<'b>], written: FileTime) -> Option<Self> {
        let mut found = Differences::default();
        found.look(dir, path, rows, written)?;
        Some(found)
    }

    fn look(&mut self, dir: &Path, path: &str, rows: &'r [Row<'b>], written: FileTime) -> Option<()> {
        let mut known = children(rows, path.len()).collect::<Option<HashMap<_, _>>>()?;
        for entry in read_dir(dir).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let is_folder = entry.file_type().ok()?.is_dir();
            match known.remove(name.as_bytes()) {
                Some(Child::File(row)) => {
                    if !row.stat.is_surely(&StatData::of(&entry.metadata().ok()?), written) {
                        self.changed.push(row);
                    }
                }
                Some(Child::Folder(inside)) if is_folder => {
                    self.look(&entry.path(), &format!("{path}{}/", name.to_str()?), inside, written)?;
                }
                None if path.is_empty() && name == ".git" => {}
                Some(Child::Folder(_)) => self.others.push(format!("{path}{}/", name.to_str()?)),
                None => self.others.push(format!("{path}{}{}", name.to_str()?, if is_folder { "/" } else { "" })),
            }
            self.are_few()?;
        }
        for (name, child) in known {
            let end = if matches!(child, Child::Folder(_)) { "/" } else { "" };
            self.others.push(format!("{path}{}{end}", str::from_utf8(name).ok()?));
        }
        self.are_few()
    }

    fn are_few(&self) -> Option<()> {
        (self.changed.len() + self.others.len() <= MOST).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::super::index::{self, IndexFile};
    use super::*;

    struct Work(tempfile::TempDir);

    impl Work {
        /// Files in an index; all of them older than it.
        fn new(files: &[&str]) -> Self {
            let work = Work(tempfile::tempdir().unwrap());
            work.git(&["init", "-q"]);
            for path in files {
                work.write(path, path);
                work.set_age(path, 1_000);
            }
            work.git(&["add", "-A"]);
            work
        }

        fn git(&self, args: &[&str]) {
            assert!(Command::new("git").arg("-C").arg(self.0.path()).args(args).status().unwrap().success());
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn set_age(&self, path: &str, seconds: u64) {
            let file = std::fs::File::options().write(true).open(self.0.path().join(path)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        }

        fn differences(&self) -> Option<Vec<String>> {
            let index = self.0.path().join(".git/index");
            let (bytes, written) = index::read(&index).unwrap();
            let index = IndexFile::read(&bytes).unwrap();
            let found = Differences::of(self.0.path(), "", index.below(""), written)?;
            let changed = found.changed.iter().map(|row| String::from_utf8(row.path.to_vec()).unwrap());
            let mut all: Vec<_> = changed.chain(found.others).collect();
            all.sort();
            Some(all)
        }
    }

    #[test]
    fn what_nobody_touched_is_no_difference() {
        let work = Work::new(&["a/b/c", "a-b/x", "a.txt", "z"]);
        assert_eq!(work.differences().unwrap(), [""; 0]);
        std::fs::create_dir(work.0.path().join(".git/x")).unwrap();
        assert_eq!(work.differences().unwrap(), [""; 0]);
    }

    #[test]
    fn whatever_may_differ_is_told() {
        let work = Work::new(&["a/b/c", "a/d", "a/gone", "link", "mode", "same", "swapped/x", "went/x"]);
        let at = |path: &str| work.0.path().join(path);
        work.write("a/b/c", "a/b/C");
        work.set_age("a/b/c", 1_000);
        work.write("a/new", "");
        work.write("new/deep/er", "");
        std::fs::remove_file(at("a/gone")).unwrap();
        std::fs::remove_file(at("link")).unwrap();
        std::os::unix::fs::symlink("same", at("link")).unwrap();
        std::fs::set_permissions(at("mode"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::rename(at("swapped"), at("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", at("swapped")).unwrap();
        std::fs::remove_dir_all(at("went")).unwrap();
        let told = ["a/b/c", "a/gone", "a/new", "elsewhere/", "link", "mode", "new/", "swapped/", "went/"];
        assert_eq!(work.differences().unwrap(), told);
    }

    /// Written, added and written again within one tick of the clock: nothing about the file tells.
    #[test]
    fn a_file_as_young_as_the_index_may_differ() {
        let work = Work::new(&["old", "young"]);
        let index = work.0.path().join(".git/index");
        let young = work.0.path().join("young").metadata().unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(index).unwrap().set_modified(young).unwrap();
        // Both were given nearly the same time; only the later one is as young as the index.
        assert_eq!(work.differences().unwrap(), ["young"]);
    }

    #[test]
    fn of_many_differences_git_tells_more() {
        let work = Work::new(&["a"]);
        for index in 0..=MOST {
            work.write(&format!("new{index}"), "");
        }
        assert_eq!(work.differences(), None);
    }
}
