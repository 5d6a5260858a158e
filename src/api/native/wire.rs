//! The bodies and answers of the native surface, as both ends know them: the handlers here, the client of the command
//! line, and the description that is made of their schemas.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{Line, Session, Usage};
use crate::compare::Comparison;
use crate::compile::Finding;
use crate::domain::{AgentId, Digest, EnvironmentName, Identity, VersionNumber};
use crate::ops::Problem;
use crate::ops::inspect::{ComparedAgent, HistoryEntry, VersionView};
use crate::ops::moves::Moved;
use crate::ops::publish::Published;
use crate::ops::status::{AgentStatus, EnvironmentStatus};
use crate::plan::Wait;

/// A version as clients write it: 7, "7", "v7", or its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionName(pub String);

impl From<VersionNumber> for VersionName {
    fn from(number: VersionNumber) -> Self {
        VersionName(number.to_string())
    }
}

impl<'de> Deserialize<'de> for VersionName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(VersionName(text)),
            // JSON knows no difference between 7 and 7.0.
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0 && number >= 1.0) => {
                Ok(VersionName(format!("{:.0}", number.as_f64().unwrap_or_default())))
            }
            _ => Err(serde::de::Error::custom("a version is written 7, \"v7\", or as its id")),
        }
    }
}

impl JsonSchema for VersionName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VersionName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A version: its number as 7, \"7\" or \"v7\", or its id.",
            "type": ["integer", "string"], "minimum": 1, "maximum": 999_999_999, "examples": [7, "v7"],
        })
    }
}

/// `version` is also called `versionId`, as other products call it; one of the words, not both.
fn either_word(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut).expect("a body has properties");
    let mut other = properties["version"].clone();
    other["description"] = "Another word for `version`.".into();
    properties.insert("versionId".to_owned(), other);
    let alone = serde_json::json!({ "versionId": { "properties": { "version": false } } });
    schema.insert("dependentSchemas".to_owned(), alone);
}

/// What a publish says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Publish {
    /// What is new, in the publisher's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A short name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A longer description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A named draft, a branch or `pr/<n>`, in place of the working tree or the default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// Publish although the newest version's content is not in the history of what is published.
    pub over: bool,
    /// Whether to promote it to the published environment as well; yes by default where there is one environment only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activate: Option<bool>,
    /// Says that activation is meant, where the environment asks.
    pub confirm: bool,
}

/// What a promotion says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = either_word)]
pub struct Promotion {
    /// Which version; by default the one that the environment before it serves.
    #[serde(alias = "versionId", skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionName>,
    /// Where to; by default the environment after the highest one that serves the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<EnvironmentName>,
    /// Says that it is meant, where the environment asks.
    pub confirm: bool,
    /// Why.
    pub reason: String,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What a rollback says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = either_word)]
pub struct Rollback {
    /// Which version; by default the newest that was there before and was not itself rolled back from.
    #[serde(alias = "versionId", skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionName>,
    /// Where; the published environment by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Why.
    pub reason: String,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What a call says that needs no more than a place and a reason.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Change {
    /// Where; the published environment by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Why.
    pub reason: String,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What a call says that needs no place.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Reason {
    /// Why.
    pub reason: String,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What a release says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Release {
    /// Where to.
    pub to: EnvironmentName,
    /// The agents, each with its version; null for the one to be expected.
    #[schemars(extend("minProperties" = 1))]
    pub agents: BTreeMap<AgentId, Option<VersionName>>,
    /// Says that it is meant, where the environment asks.
    #[serde(default)]
    pub confirm: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// A page of agents.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agents {
    /// The agents, by id.
    pub agents: Vec<AgentStatus>,
    /// How many there are that fit, on all pages together.
    pub total: usize,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<AgentId>,
}

/// A draft, compiled at the moment of the call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// The agent.
    pub agent: AgentId,
    /// Digest of `config`.
    pub digest: Option<Digest>,
    /// The frozen config that a publish would make; null while there are errors.
    pub config: Option<Value>,
    /// What the compiler found.
    pub findings: Vec<Finding>,
}

/// What a publish came to: the version, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PublishAnswer")]
pub struct PublishAnswer {
    /// The version.
    #[serde(flatten)]
    pub version: VersionView,
    /// Whether it was made now; false if it was there already.
    pub created: bool,
    /// Where it went by itself.
    pub deployed: Vec<EnvironmentName>,
    /// What waits, and why.
    pub waits: Vec<Wait>,
    /// Warnings and notes of the compiler.
    pub findings: Vec<Finding>,
    /// What is wrong with pointsman.toml on the default branch, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What its activation came to; null if none was asked for.
    pub activation: Option<Activation>,
}

/// What an activation came to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Activation {
    /// It was refused; the version is there all the same.
    Refused {
        /// Why.
        refused: Vec<RefusedActivation>,
    },
    /// It moved, or was there already.
    Moved(Moved),
}

/// Why an activation was refused.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RefusedActivation {
    /// A stable word, such as `gate_unmet`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Facts for programs.
    #[serde(skip_serializing_if = "Value::is_null", default)]
    pub details: Value,
}

impl From<Problem> for RefusedActivation {
    fn from(problem: Problem) -> Self {
        let Problem { code, message, hint, details, .. } = problem;
        RefusedActivation { code, message, hint, details }
    }
}

impl PublishAnswer {
    /// The answer for `published`.
    pub fn of(published: Published, activation: Option<Activation>) -> Self {
        let Published { version, created, deployed, waits, findings, policy } = published;
        PublishAnswer { version, created, deployed, waits, findings, policy, activation }
    }

    /// What was published.
    pub fn published(self) -> Published {
        let PublishAnswer { version, created, deployed, waits, findings, policy, .. } = self;
        Published { version, created, deployed, waits, findings, policy }
    }
}

/// A page of versions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// The versions, newest first.
    pub versions: Vec<VersionView>,
    /// How many there are on all pages together.
    pub total: usize,
    /// Where the next page begins, as `v7`; null on the last one.
    pub next_cursor: Option<String>,
}

/// A version with its frozen config.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionDetail {
    /// The version.
    #[serde(flatten)]
    pub version: VersionView,
    /// Its frozen config.
    pub compiled_config: Option<Value>,
}

/// A rollback, and the version that is live again, in the words that other products answer a rollback with.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RolledBack {
    /// What moved.
    #[serde(flatten)]
    pub moved: Moved,
    /// The version; nothing where nothing moved and none was named.
    #[serde(flatten)]
    pub version: Option<Repointed>,
}

/// A version, as much of it as a rollback says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Repointed {
    /// Its id.
    pub id: String,
    /// The agent.
    pub agent_id: AgentId,
    /// Its number.
    pub version: VersionNumber,
    /// When it was published.
    pub published_at: jiff::Timestamp,
    /// By whom.
    pub published_by: Identity,
}

impl From<VersionView> for Repointed {
    fn from(view: VersionView) -> Self {
        let VersionView { id, agent_id, version, published_at, published_by, .. } = view;
        Repointed { id, agent_id, version, published_at, published_by }
    }
}

/// What differs: field by field and file by file, and as a unified diff where that is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Fields and files.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Sides that do not compile, so that their fields are not compared.
    pub broken: Vec<String>,
    /// The files as a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unified: Option<String>,
}

/// All environments, in the order of promotion.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Environments {
    /// The environments.
    pub environments: Vec<ServingEnvironment>,
}

/// An environment and what it serves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ServingEnvironment {
    /// How it stands.
    #[serde(flatten)]
    pub status: EnvironmentStatus,
    /// The version of each agent that it serves.
    pub serves: BTreeMap<AgentId, VersionNumber>,
}

/// Two environments side by side.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ComparedEnvironments {
    /// One.
    pub before: EnvironmentName,
    /// The other.
    pub after: EnvironmentName,
    /// Each agent that either of them serves.
    pub agents: Vec<ComparedAgent>,
}

/// The audit trail, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Its lines.
    pub history: Vec<HistoryEntry>,
}

/// What begins a conversation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BeginSession {
    /// The agent.
    pub agent_id: AgentId,
    /// Whether to talk to the draft, compiled now. That is never billed.
    #[serde(default)]
    pub draft_mode: bool,
    /// With `draftMode`: a named draft, a branch or `pr/<n>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// Without `draftMode`: the environment; the published one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Whether the offline responder answers, whatever model the agent names.
    #[serde(default)]
    pub offline: bool,
}

/// A conversation and what was said in it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SessionDetail {
    /// The conversation.
    #[serde(flatten)]
    pub session: Session,
    /// What was said, in order.
    pub messages: Vec<Line>,
}

/// A page of conversations.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sessions {
    /// The conversations, newest first.
    pub sessions: Vec<Session>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

/// Something to say.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = message_or_content)]
pub struct Message {
    /// The words.
    #[serde(alias = "message")]
    #[schemars(regex(pattern = r"\S"), length(max = 16_000))]
    pub content: String,
    /// Whether the reply comes word by word, as server-sent events.
    #[serde(default)]
    pub stream: bool,
}

/// `content` is also called `message`; one of the words, not both.
fn message_or_content(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut).expect("a body has properties");
    let mut other = properties["content"].clone();
    other["description"] = "Another word for `content`.".into();
    properties.insert("message".to_owned(), other);
    schema.remove("required");
    schema.insert("oneOf".to_owned(), serde_json::json!([{ "required": ["content"] }, { "required": ["message"] }]));
}

/// Words of a reply, as they come.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Words {
    /// The words.
    pub content: String,
}

/// Which tests to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunTests {
    /// What is tested: `draft`, `draft:<branch>`, a version, or an environment; the draft by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(draft:.+|v?[1-9][0-9]{0,8}|[0-9a-f]{24}|(env:)?[a-z0-9][a-z0-9_-]{0,39})$"))]
    pub against: Option<String>,
    /// Whether the offline responder answers, whatever model the agent names.
    pub offline: bool,
}

/// What was used.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UsageReport {
    /// By agent, version and day, in the order of days.
    pub billed: Vec<Usage>,
    /// What drafts used, which is never billed.
    pub draft: Vec<Usage>,
    /// All of it together.
    pub total: UsageTotals,
}

/// Sums of usage.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UsageTotals {
    /// What is billed.
    pub billed: UsageTotal,
    /// What drafts used.
    pub draft: UsageTotal,
}

/// A sum of usage.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UsageTotal {
    /// Sessions that began.
    pub sessions: u64,
    /// Messages that were answered.
    pub messages: u64,
}

/// A conversation that the caller keeps, by OpenAI's protocol. What else it says is about models, and not read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct CompletionRequest {
    /// The agent's id.
    pub model: String,
    /// What was said so far, a user's message last.
    #[schemars(length(min = 1, max = 1_000))]
    pub messages: Vec<CompletionMessage>,
    /// Whether the reply comes word by word, as server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
}

/// Something that was said.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct CompletionMessage {
    /// `user` or `assistant`; what others say is the agent's business and not read.
    pub role: String,
    /// Text, or parts that have one.
    #[serde(default)]
    pub content: Value,
}

/// A reply by OpenAI's protocol, or a part of one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Completion {
    /// `chatcmpl-` and the id of the exchange.
    pub id: String,
    /// `chat.completion`, or `chat.completion.chunk` for a part.
    pub object: &'static str,
    /// When it began, in seconds since 1970.
    pub created: i64,
    /// The agent's id.
    pub model: AgentId,
    /// The same as `digest`, where programs look for it.
    pub system_fingerprint: Digest,
    /// The version that answered.
    pub version: Option<VersionNumber>,
    /// Digest of the frozen config that answered.
    pub digest: Digest,
    /// The reply; always one.
    pub choices: [CompletionChoice; 1],
}

/// The reply: `message` when it is whole, else `delta`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CompletionChoice {
    /// 0.
    pub index: u32,
    /// All of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<CompletionWords>,
    /// A part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<CompletionWords>,
    /// Null.
    pub logprobs: Option<Value>,
    /// `stop` at the end, null before it.
    pub finish_reason: Option<&'static str>,
}

/// Words of a reply.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CompletionWords {
    /// `assistant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// The body of a change of marks; a null label or description takes it away.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Marks {
    /// A short name.
    #[serde(deserialize_with = "or_taken_away")]
    pub label: Option<String>,
    /// A longer description.
    #[serde(deserialize_with = "or_taken_away")]
    pub description: Option<String>,
    /// Whether it is pinned to the top of lists.
    pub starred: Option<bool>,
    /// Whether lists leave it out.
    pub archived: Option<bool>,
}

fn or_taken_away<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|said| Some(said.unwrap_or_default()))
}
