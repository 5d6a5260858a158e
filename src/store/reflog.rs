//! The log of a ref's moves, as git writes it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::error::Doing as _;
use super::{Repository, Result};
use crate::domain::ObjectId;

impl Repository {
    /// Appends to the log of the ref `name`, where git would keep one, and to HEAD's if that is what HEAD names.
    pub(super) fn log_move(&self, name: &str, old: Option<ObjectId>, new: ObjectId, words: &str) -> Result<()> {
        let (old, who) = (old.unwrap_or(ObjectId::ZERO), self.log_identity());
        let line = format!("{old} {new} {who}\t{words}\n");
        let mut names = vec![name];
        if self.read_symbolic("HEAD").as_deref() == Some(name) {
            names.push("HEAD");
        }
        for name in names {
            let dir = if name == "HEAD" { self.git_dir() } else { self.common_dir() };
            let file = dir.join("logs").join(name);
            append(&file, &line, self.wants_log(name)).doing(|| format!("write `{}`", file.display()))?;
        }
        Ok(())
    }

    /// Whether a log is begun for `name`; one that is there is always written on.
    fn wants_log(&self, name: &str) -> bool {
        let kept = ["refs/heads/", "refs/remotes/", "refs/notes/"];
        match self.log_setting().as_deref() {
            Some("always") => true,
            Some("false" | "no" | "off" | "0") => false,
            None if self.work_dir().is_none() => false,
            _ => name == "HEAD" || kept.iter().any(|kept| name.starts_with(kept)),
        }
    }

    fn log_setting(&self) -> Option<String> {
        let setting = self.git.config().ok()?.get_string("core.logAllRefUpdates").ok()?;
        Some(setting.to_lowercase())
    }

    fn log_identity(&self) -> String {
        let unknown = || git2::Signature::now("unknown", "unknown");
        let Ok(who) = self.git.signature().or_else(|_| unknown()) else { return String::new() };
        let when = who.when();
        let minutes = when.offset_minutes().unsigned_abs();
        let (name, email) = (String::from_utf8_lossy(who.name_bytes()), String::from_utf8_lossy(who.email_bytes()));
        format!("{name} <{email}> {} {}{:02}{:02}", when.seconds(), when.sign(), minutes / 60, minutes % 60)
    }
}

/// A log is not synced: it decides nothing, and git does not sync its own.
fn append(file: &Path, line: &str, begin: bool) -> std::io::Result<()> {
    if begin && !file.exists() {
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    }
    match File::options().append(true).create(begin).open(file) {
        Err(error) if !begin && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        opened => opened?.write_all(line.as_bytes()),
    }
}
