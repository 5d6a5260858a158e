//! Names of lines: any text of people as the last part of a branch's name, and back.

use super::super::Problem;
use super::MAIN;

/// The longest name, in characters.
const LONGEST: usize = 100;

/// The name of a line that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineName(String);

impl LineName {
    /// `text` as a name: 1 to 100 characters, without control characters, and not the main line's.
    pub fn new(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        let fits = (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !fits {
            return Err(Problem::usage("invalid_name", format!("a name has 1 to {LONGEST} printable characters"))
                .hint("give another name"));
        }
        if text.eq_ignore_ascii_case(MAIN) {
            return Err(Problem::usage("reserved_name", format!("`{MAIN}` is the name of the default branch"))
                .hint("give another name"));
        }
        Ok(LineName(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of its branch: what git or a file system may not take is percent-encoded.
    pub fn to_branch(&self) -> String {
        let bytes = self.0.as_bytes();
        let plain = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        let mut branch = String::new();
        for (at, byte) in bytes.iter().enumerate() {
            let inner_dot = *byte == b'.' && at > 0 && plain(at - 1) && plain(at + 1) && !self.0[at..].eq(".lock");
            match byte {
                byte if byte.is_ascii_alphanumeric() || inner_dot => branch.push(char::from(*byte)),
                b'-' | b'_' if at > 0 => branch.push(char::from(*byte)),
                byte => branch.push_str(&format!("%{byte:02X}")),
            }
        }
        branch
    }

    /// The name behind the last part of a branch.
    pub fn of_branch(part: &str) -> String {
        percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_a_branch_that_git_takes_and_comes_back() {
        for (name, branch) in [
            ("feature-x", "feature-x"),
            ("NLP Improvements", "NLP%20Improvements"),
            ("release-1.2", "release-1.2"),
            ("..", "%2E%2E"),
            ("a.lock", "a%2Elock"),
            ("-rf", "%2Drf"),
            ("team/x", "team%2Fx"),
            ("100%", "100%25"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("@{1}~^:?*[\\", "%40%7B1%7D%7E%5E%3A%3F%2A%5B%5C"),
        ] {
            assert_eq!(LineName::new(name).unwrap().to_branch(), branch);
            assert_eq!(LineName::of_branch(branch), name);
        }
        for bad in ["", "  ", "Main", "main", "a\nb", &"x".repeat(101)] {
            assert!(LineName::new(bad).is_err(), "{bad}");
        }
    }
}
