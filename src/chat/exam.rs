//! Running an agent's own tests: each is a conversation with expectations, or questions that its knowledge must answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::agent::Agent;
use super::said::Said;
use super::sandbox::{Sandbox, moment};
use super::store::{Line, Role};
use crate::domain::{AgentId, Digest, EnvironmentName, VersionNumber};
use crate::ops::Problem;
use crate::ops::pinned::Pinned;
use crate::report::frozen::{list, name, text, texts};

/// Tests, and turns of each, that are run.
const MOST_TESTS: usize = 500;
const MOST_TURNS: usize = 50;

/// Conversations that are held at once.
const AT_ONCE: usize = 4;

/// How long all of them may take.
const WITHIN: Duration = Duration::from_secs(600);

/// What came of an agent's tests.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TestRun")]
pub struct Exam {
    /// The agent.
    pub agent_id: AgentId,
    /// The version that was tested; nothing for a draft.
    pub version: Option<VersionNumber>,
    /// The environment that served it, where one was named.
    pub environment: Option<EnvironmentName>,
    /// Digest of the frozen config that was tested.
    pub digest: Digest,
    /// `offline`, or the name of a model endpoint.
    pub responder: String,
    /// How many tests passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Each of them, in the order of their names.
    pub tests: Vec<Outcome>,
}

/// What came of one test.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TestOutcome")]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether everything came as expected.
    pub passed: bool,
    /// What did not, a sentence each.
    pub failures: Vec<String>,
    /// What was said.
    pub transcript: Vec<Line>,
}

/// Runs the tests in `pinned`.
pub(super) async fn examine(
    sandbox: &Arc<Sandbox>,
    agent: Arc<Agent>,
    pinned: &Pinned,
    responder: &str,
) -> Result<Exam, Problem> {
    let tests: Vec<Value> = list(&pinned.config, "tests").take(MOST_TESTS).cloned().collect();
    let run = stream::iter(tests)
        .map(|test| outcome(Arc::clone(sandbox), Arc::clone(&agent), test, responder.to_owned()))
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>();
    let tests = tokio::time::timeout(WITHIN, run).await.unwrap_or_else(|_| {
        Err(Problem::refused("model_timeout", format!("the tests took longer than {} minutes", WITHIN.as_secs() / 60))
            .hint("run them by the offline responder, or against a faster model"))
    })?;
    let passed = tests.iter().filter(|test| test.passed).count();
    Ok(Exam {
        agent_id: pinned.agent.clone(),
        version: pinned.version,
        environment: pinned.environment.clone(),
        digest: pinned.digest,
        responder: responder.to_owned(),
        passed,
        failed: tests.len() - passed,
        tests,
    })
}

async fn outcome(sandbox: Arc<Sandbox>, agent: Arc<Agent>, test: Value, responder: String) -> Result<Outcome, Problem> {
    let (mut lines, mut failures): (Vec<Line>, _) = (Vec::new(), Vec::new());
    let add = |lines: &mut Vec<Line>, role, said| {
        let sequence = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        lines.push(Line { sequence, role, said, at: moment() });
    };
    for turn in list(&test, "turns").take(MOST_TURNS) {
        let heard = text(turn, "user").unwrap_or_default().to_owned();
        add(&mut lines, Role::User, Said { content: heard.clone(), ..Said::default() });
        let (words, _) = mpsc::unbounded_channel();
        let said = sandbox.reply(Arc::clone(&agent), &responder, lines.clone(), &words).await?;
        if let Some(expect) = turn.get("expect") {
            failures.extend(unmet(expect, &said).into_iter().map(|what| format!("after “{heard}”: {what}")));
        }
        add(&mut lines, Role::Assistant, said);
    }
    for question in texts(&test, "questions") {
        if agent.answer(&question).is_none() {
            failures.push(format!("no article answers “{question}”"));
        }
    }
    Ok(Outcome {
        name: name(&test).to_owned(),
        description: text(&test, "description").map(str::to_owned),
        passed: failures.is_empty(),
        failures,
        transcript: lines,
    })
}

/// What of `expect` did not come.
fn unmet(expect: &Value, said: &Said) -> Vec<String> {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let reply = plain(&said.content);
    let mut unmet = Vec::new();
    for words in texts(expect, "says").iter().filter(|words| !reply.contains(&plain(words))) {
        unmet.push(format!("the answer does not say “{words}”"));
    }
    for words in texts(expect, "never_says").iter().filter(|words| reply.contains(&plain(words))) {
        unmet.push(format!("the answer says “{words}”"));
    }
    if let Some(skill) = text(expect, "skill").filter(|skill| !said.skills.iter().any(|used| used == skill)) {
        unmet.push(format!("the skill `{skill}` is not used"));
    }
    match expect.get("handoff").and_then(Value::as_bool) {
        Some(true) if !said.handoff => unmet.push("no person takes over".to_owned()),
        Some(false) if said.handoff => unmet.push("a person takes over".to_owned()),
        _ => {}
    }
    unmet
}
