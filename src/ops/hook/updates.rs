//! What git tells a `pre-receive` hook: one line `<old> <new> <ref>` for each ref of the push (githooks(5)).

use std::collections::BTreeSet;
use std::io::Read;

use super::Refused;
use crate::domain::ObjectId;
use crate::ops::Problem;

/// The most that is read: some 150,000 refs.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// A ref that a push would move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The full name; bytes that are not UTF-8 became U+FFFD.
    pub name: String,
    /// What the push expects there; nothing if it makes the ref.
    pub old: Option<ObjectId>,
    /// What it puts there; nothing if it deletes the ref.
    pub new: Option<ObjectId>,
}

impl Update {
    pub(super) fn refused(&self, reason: impl Into<String>, hint: impl Into<String>) -> Refused {
        Refused { name: self.name.clone(), reason: reason.into(), hint: hint.into() }
    }
}

/// Reads all updates of a push.
pub fn read_updates(input: impl Read) -> Result<Vec<Update>, Problem> {
    let mut bytes = Vec::new();
    let read = input.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Problem::refused("io", format!("what git says of the push cannot be read: {error}"))
            .hint("run it as git's hook: echo 'exec pointsman hook pre-receive' in hooks/pre-receive")
    })?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Problem::refused("too_much", "the push names more refs than are judged at once")
            .hint("push some of them first, and the rest after"));
    }
    let mut names = BTreeSet::new();
    let mut updates = Vec::new();
    for line in bytes.split(|&c| c == b'\n').filter(|line| !line.is_empty()) {
        let line = String::from_utf8_lossy(line);
        let update = parse(&line).ok_or_else(|| {
            Problem::refused("not_an_update", format!("`{}` is not a line `<old> <new> <ref>`", shortened(&line)))
                .hint("git itself calls it, from hooks/pre-receive in a repository with SHA-1 ids")
        })?;
        // Git would carry them out one after the other, so the last one need not be the one that stays.
        if !names.insert(update.name.clone()) {
            return Err(Problem::refused("named_twice", format!("the push names `{}` twice", shortened(&update.name)))
                .hint("name every ref once"));
        }
        updates.push(update);
    }
    Ok(updates)
}

fn parse(line: &str) -> Option<Update> {
    let mut words = line.splitn(3, ' ');
    let mut id = || words.next()?.parse::<ObjectId>().ok();
    let (old, new) = (id()?, id()?);
    let name = words.next().filter(|name| !name.is_empty())?.to_owned();
    let some = |id: ObjectId| (id != ObjectId::ZERO).then_some(id);
    Some(Update { name, old: some(old), new: some(new) })
}

fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOME: &str = "26201a95943434735325c1f49ee7522b49650e00";
    const NONE: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn lines_become_updates() {
        let text = format!("{NONE} {SOME} refs/heads/a b\n{SOME} {NONE} refs/tags/support/v1\n");
        let updates = read_updates(text.as_bytes()).unwrap();
        let some = Some(SOME.parse().unwrap());
        assert_eq!(updates[0], Update { name: "refs/heads/a b".into(), old: None, new: some });
        assert_eq!(updates[1], Update { name: "refs/tags/support/v1".into(), old: some, new: None });
        assert!(read_updates(&b""[..]).unwrap().is_empty());
    }

    #[test]
    fn what_git_never_writes_is_an_error() {
        for text in [
            "x".to_owned(),
            format!("{SOME} {SOME}\n"),
            format!("{SOME} {SOME} \n"),
            format!("{SOME}00 {SOME} refs/heads/main\n"),
            format!("{NONE} {SOME} refs/heads/a\n{SOME} {NONE} refs/heads/a\n"),
        ] {
            assert!(read_updates(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_push_without_end_is_an_error() {
        let problem = read_updates(std::io::repeat(b'a')).unwrap_err();
        assert_eq!(problem.code, "too_much");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in any::<Vec<u8>>()) {
            let _ = read_updates(&bytes[..]);
        }
    }
}
