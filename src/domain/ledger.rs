//! The documents that the ledger and the environment branches hold beside the frozen configs.
//!
//! They are written as pretty JSON in a fixed key order, so that two controllers that decide the same write the same
//! bytes and a `git diff` of them reads well.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::Action;
use super::{AgentId, Digest, EnvironmentName, Identity, ObjectId, VersionNumber};

/// `version.json`: a pure function of the tag object, the tagged commit and the compiler's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VersionRecord {
    /// The agent.
    pub agent: AgentId,
    /// Its number.
    pub number: VersionNumber,
    /// What the publisher wrote, without the trailers; may be empty.
    pub note: String,
    /// The tagger.
    pub publisher: Identity,
    /// The tagger's time.
    pub time: jiff::Timestamp,
    /// The tag object.
    pub tag: ObjectId,
    /// The commit that was tagged.
    pub commit: ObjectId,
    /// The agent's folder in that commit; empty for the root.
    pub folder: String,
    /// Digest of `config.json`.
    pub digest: Digest,
    /// The compiler that froze it.
    pub compiler: String,
    /// The kind it was read as.
    pub kind: String,
    /// The version that was newest when this one was made, if the publisher's tool wrote it down.
    pub parent: Option<VersionNumber>,
    /// The version this one's content was taken from, if any.
    pub source: Option<VersionNumber>,
    /// The named draft it was published from, if any.
    pub draft: Option<String>,
    /// A short name given at publish.
    pub label: Option<String>,
    /// A longer description given at publish.
    pub description: Option<String>,
}

/// `marks.json`: what may change about an agent's versions after they were published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Marks {
    /// Marks by number.
    pub versions: BTreeMap<VersionNumberKey, VersionMarks>,
    /// What may change about the agent itself.
    #[serde(skip_serializing_if = "AgentMarks::is_empty")]
    pub agent: AgentMarks,
}

/// What may change about an agent without a version of its own: nothing of it is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AgentMarks {
    /// Hidden from lists since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<jiff::Timestamp>,
    /// What people call it in lists, in place of the name in its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for, in place of the description in its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What other platforms keep about an agent, by their names for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
}

impl AgentMarks {
    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        *self == AgentMarks::default()
    }
}

/// What is to change about the marks of an agent; what says nothing stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentMarkChange {
    /// Whether it is hidden from lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// What people call it; empty for what its files say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for; empty for what its files say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Settings by name; null takes one away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
}

impl AgentMarks {
    /// These marks after `change`, made at `now`.
    #[must_use]
    pub fn changed(mut self, change: &AgentMarkChange, now: jiff::Timestamp) -> Self {
        match change.archived {
            Some(true) => self.archived = self.archived.or(Some(now)),
            Some(false) => self.archived = None,
            None => {}
        }
        let text = |new: &Option<String>, old: Option<String>| match new {
            Some(new) => Some(new.clone()).filter(|new| !new.is_empty()),
            None => old,
        };
        self.name = text(&change.name, self.name);
        self.description = text(&change.description, self.description);
        self.settings.extend(change.settings.clone());
        self.settings.retain(|_, value| !value.is_null());
        self
    }
}

/// A version number as a JSON key: `v7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionNumberKey(pub VersionNumber);

impl Serialize for VersionNumberKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VersionNumberKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(VersionNumberKey).map_err(serde::de::Error::custom)
    }
}

/// The marks of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct VersionMarks {
    /// Pinned to the top of lists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub starred: bool,
    /// Hidden from lists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// No environment may move to it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
    /// Overrides the label given at publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Overrides the description given at publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What is to change about the marks of one version; what says nothing stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkChange {
    /// The label; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The description; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is pinned to the top of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starred: Option<bool>,
    /// Whether it is hidden from lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

impl VersionMarks {
    /// These marks after `change`. A label or description that is taken away stays as an empty one, which hides the one
    /// given at publish.
    #[must_use]
    pub fn changed(mut self, change: &MarkChange) -> Self {
        let MarkChange { label, description, starred, archived } = change;
        self.label = label.clone().or(self.label);
        self.description = description.clone().or(self.description);
        self.starred = starred.unwrap_or(self.starred);
        self.archived = archived.unwrap_or(self.archived);
        self
    }
}

/// Who revoked a version, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Revocation {
    /// `Name <address>`.
    pub actor: String,
    /// When.
    pub time: jiff::Timestamp,
    /// In their words; may be empty.
    pub reason: String,
}

/// `rejected/v<N>.json`: a tag that was refused, so that it is not judged again and its number is not reused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rejection {
    /// The object the tag named.
    pub object: ObjectId,
    /// A stable word, such as `lightweight-tag` or `findings`.
    pub code: String,
    /// One sentence or more for the person who pushed it.
    pub reason: String,
    /// The compiler that judged it; a newer one judges again.
    pub compiler: String,
}

/// `environments/<env>.json`: the accepted head of an environment branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AcceptedHead {
    /// The commit.
    pub head: ObjectId,
    /// How many commits its first-parent line has, the root included.
    pub height: u64,
    /// Versions that were rolled back from since the last explicit promotion, per agent: nothing automatic returns
    /// to them. A fold of the branch's own history, kept so that no pass has to walk it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rolled_back: BTreeMap<AgentId, Vec<VersionNumber>>,
}

/// Takes one move of `agent` into the versions that were rolled back from: a rollback adds the one it left, an explicit
/// promotion forgets them all. Taking an agent out forgets nothing.
pub fn fold_rollbacks(
    rolled_back: &mut BTreeMap<AgentId, Vec<VersionNumber>>,
    action: Action,
    agent: &AgentId,
    from: Option<VersionNumber>,
    to: Option<VersionNumber>,
) {
    match action {
        Action::Promote | Action::Accept if to.is_some() => drop(rolled_back.remove(agent)),
        Action::Rollback if from != to => {
            let Some(from) = from else { return };
            let versions = rolled_back.entry(agent.clone()).or_default();
            if !versions.contains(&from) {
                versions.push(from);
            }
        }
        _ => {}
    }
}

/// `holds/<agent>.json` on an environment branch: the agent stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hold {
    /// Who: `Name <address>`.
    pub actor: String,
    /// When.
    pub time: jiff::Timestamp,
    /// Why, in their words; may be empty.
    pub reason: String,
    /// The version that was rolled back from, if the hold came with a rollback.
    pub rolled_back_from: Option<VersionNumber>,
}

/// `keys/<2>/<62>.json`: the answer given to an idempotency key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyRecord {
    /// Digest of the request the key came with.
    pub request: Digest,
    /// When it was answered; it is forgotten [`KEY_DAYS`] days later.
    pub time: jiff::Timestamp,
    /// The answer.
    pub answer: serde_json::Value,
}

/// How long an idempotency key is remembered, in days.
pub const KEY_DAYS: i64 = 30;

/// The answer that is kept for a publish: what the ledger does not know from the version's entry already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PublishAnswer {
    /// The version.
    pub version: VersionNumber,
    /// Whether it was made then, or had the draft's content already.
    pub created: bool,
    /// Where it went by itself.
    pub deployed: Vec<EnvironmentName>,
}

impl KeyRecord {
    /// Whether it is forgotten at `now`.
    pub fn is_expired(&self, now: jiff::Timestamp) -> bool {
        now.duration_since(self.time) > jiff::SignedDuration::from_hours(24 * KEY_DAYS)
    }
}

/// `value` as the ledger writes it: pretty JSON and a final line break.
pub fn to_document(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("ledger documents have string keys only");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_only_what_is_set() {
        let mut marks = Marks::default();
        let key = VersionNumberKey(VersionNumber::FIRST);
        marks.versions.insert(key, VersionMarks { starred: true, ..Default::default() });
        let text = String::from_utf8(to_document(&marks)).unwrap();
        assert_eq!(text, "{\n  \"versions\": {\n    \"v1\": {\n      \"starred\": true\n    }\n  }\n}\n");
        assert_eq!(serde_json::from_str::<Marks>(&text).unwrap(), marks);
    }
}
