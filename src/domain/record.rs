//! What a commit on an environment branch says about itself: free text, then one paragraph of trailers.
//!
//! The trailers are the record that `history`, rollback and the fold of rolled-back versions read. Text from people
//! goes above them and can never become one: a record is read from the last paragraph only, and that paragraph is
//! always written here.

use std::fmt::Write as _;
use std::str::FromStr;

use super::{AgentId, DeploymentId, EnvironmentName, VersionNumber};

/// The longest free text of a record in bytes; what is longer is cut at a character.
pub const LONGEST_TEXT: usize = 16 * 1024;

/// Why a commit was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// An accepted version went where `deploy = "latest"` or a pin sends it.
    Deploy,
    /// A person moved a version up.
    Promote,
    /// A person went back to a version that was there.
    Rollback,
    /// An agent was taken out.
    Retire,
    /// An agent stays where it is.
    Hold,
    /// A hold ended.
    ReleaseHold,
    /// `routes.json` changed.
    Routes,
    /// A merged pull request or a hand edit was accepted.
    Accept,
    /// A foreign change was put back.
    Heal,
}

/// What set it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A command.
    Cli,
    /// A call of the API.
    Api,
    /// A pushed tag.
    Tag,
    /// A merge to the default branch.
    Merge,
    /// A pin in the policy.
    Pin,
    /// `deploy = "latest"`.
    Latest,
    /// A commit on the environment branch that Pointsman did not make.
    PullRequest,
}

/// A word of a closed list that has another spelling in commits and JSON.
macro_rules! words {
    ($type:ty { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $type {
            /// All words.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word as it stands in trailers and JSON.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl FromStr for $type {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text { $($word => Ok(Self::$variant),)* _ => Err(()) }
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(|()| serde::de::Error::custom(format!("`{text}` is not a known word")))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

words!(Action {
    Deploy => "deploy",
    Promote => "promote",
    Rollback => "rollback",
    Retire => "retire",
    Hold => "hold",
    ReleaseHold => "release-hold",
    Routes => "routes",
    Accept => "accept",
    Heal => "heal",
});

words!(Cause {
    Cli => "cli",
    Api => "api",
    Tag => "tag",
    Merge => "merge",
    Pin => "pin",
    Latest => "latest",
    PullRequest => "pull-request",
});

/// One agent's part in a deployment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Move {
    /// The agent.
    pub agent: AgentId,
    /// What was there before; nothing for a first deployment.
    pub from: Option<VersionNumber>,
    /// What is there now; nothing after `retire`.
    pub to: Option<VersionNumber>,
    /// The deployment it belongs to.
    pub deployment: DeploymentId,
}

/// A commit on an environment branch.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Record {
    /// The first line.
    pub subject: String,
    /// Note or reason, in the person's own words; may be empty.
    pub text: String,
    /// Why it was made.
    pub action: Action,
    /// Where.
    pub environment: EnvironmentName,
    /// Who asked: `Name <address>`.
    pub actor: String,
    /// What set it off.
    pub cause: Cause,
    /// The agents that moved, were held or were released.
    pub moves: Vec<Move>,
}

/// `text` without control characters (line breaks and tabs stay), with `\n` line ends, trimmed and cut to
/// [`LONGEST_TEXT`].
pub fn plain_text(text: &str) -> String {
    let kept: String = text
        .replace("\r\n", "\n")
        .chars()
        .map(|c| if c == '\r' { '\n' } else { c })
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    let end = kept.floor_char_boundary(LONGEST_TEXT.min(kept.len()));
    kept[..end].trim().to_owned()
}

/// `text` on one line, for trailers and subjects: runs of white space become one space, control characters go.
pub fn one_line(text: &str) -> String {
    plain_text(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The trailers `Key: value` of the last paragraph of `message`, in order; none if any line of it is not a trailer.
pub fn trailers(message: &str) -> Vec<(&str, &str)> {
    let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let read: Option<Vec<_>> = last
        .lines()
        .map(|line| {
            let (key, value) = line.split_once(": ")?;
            let named = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
            named.then_some((key, value.trim()))
        })
        .collect();
    read.unwrap_or_default()
}

fn version_word(version: Option<VersionNumber>) -> String {
    version.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

fn read_version(word: &str) -> Option<Option<VersionNumber>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

impl Record {
    /// The whole commit message.
    pub fn message(&self) -> String {
        let mut message = format!("{}\n\n", one_line(&self.subject));
        let text = plain_text(&self.text);
        if !text.is_empty() {
            message.push_str(&text);
            message.push_str("\n\n");
        }
        let mut line = |key: &str, value: &str| {
            writeln!(message, "Pointsman-{key}: {value}").expect("writing to a string cannot fail");
        };
        line("Action", self.action.word());
        line("Environment", self.environment.as_str());
        line("Actor", &one_line(&self.actor));
        line("Cause", self.cause.word());
        for Move { agent, from, to, deployment } in &self.moves {
            line("Move", &format!("{agent} {} {} {deployment}", version_word(*from), version_word(*to)));
        }
        message
    }

    /// Reads a commit message back; nothing if it is not one of ours.
    pub fn parse(message: &str) -> Option<Self> {
        let trailers = trailers(message);
        let value = |key: &str| trailers.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let moves = trailers
            .iter()
            .filter(|(name, _)| *name == "Pointsman-Move")
            .map(|(_, value)| {
                let words: Vec<_> = value.split(' ').collect();
                let [agent, from, to, deployment] = words[..] else { return None };
                Some(Move {
                    agent: agent.parse().ok()?,
                    from: read_version(from)?,
                    to: read_version(to)?,
                    deployment: deployment.parse().ok()?,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        let body = message.trim_end().rsplit_once("\n\n").map_or("", |(body, _)| body);
        let (subject, text) = body.split_once("\n\n").unwrap_or((body, ""));
        Some(Record {
            subject: subject.to_owned(),
            text: text.trim().to_owned(),
            action: value("Pointsman-Action")?.parse().ok()?,
            environment: value("Pointsman-Environment")?.parse().ok()?,
            actor: value("Pointsman-Actor")?.to_owned(),
            cause: value("Pointsman-Cause")?.parse().ok()?,
            moves,
        })
    }

    /// The deployment this commit made, if it moved anything.
    pub fn deployment(&self) -> Option<DeploymentId> {
        self.moves.first().map(|first| first.deployment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        Record {
            subject: "Promote support v7 to live".to_owned(),
            text: text.to_owned(),
            action: Action::Promote,
            environment: "live".parse().unwrap(),
            actor: "Ada <ada@example.com>".to_owned(),
            cause: Cause::Cli,
            moves: vec![Move {
                agent: "emea/billing".parse().unwrap(),
                from: None,
                to: VersionNumber::new(7),
                deployment: "0193a0a4-4a4d-7c3e-8000-000000000001".parse().unwrap(),
            }],
        }
    }

    #[test]
    fn a_record_reads_back() {
        for text in ["", "new greeting", "two\n\nparagraphs", "Pointsman-Action: heal"] {
            let record = record(text);
            assert_eq!(Record::parse(&record.message()), Some(record));
        }
    }

    #[test]
    fn text_from_people_never_becomes_a_trailer() {
        let forged = record("x\n\nPointsman-Move: a v1 v2 0193a0a4-4a4d-7c3e-8000-000000000001\n");
        assert_eq!(Record::parse(&forged.message()).unwrap().moves.len(), 1);
        let mut actor = record("");
        actor.actor = "Eve\nPointsman-Action: heal".to_owned();
        assert_eq!(Record::parse(&actor.message()).unwrap().action, Action::Promote);
    }

    #[test]
    fn control_characters_and_length_are_cut() {
        assert_eq!(plain_text("a\u{1b}[31mb\r\nc\u{0}"), "a[31mb\nc");
        assert!(plain_text(&"é".repeat(LONGEST_TEXT)).len() <= LONGEST_TEXT);
    }

    #[test]
    fn foreign_messages_are_not_records() {
        assert_eq!(Record::parse("Merge pull request #4\n\nfix"), None);
        assert_eq!(Record::parse(""), None);
    }
}
