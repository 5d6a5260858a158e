//! `pointsman chat`: talking to a draft or to what is live, without a server.

mod paper;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use tokio::runtime::Runtime;

use super::{Done, Session};
use crate::chat::{Line, OFFLINE, Role, Sandbox, Session as Conversation, Wish};
use crate::domain::EnvironmentName;
use crate::operator::Settings;
use crate::ops::pinned::{self, Pinned};
use crate::ops::side::SideName;
use crate::ops::{Problem, Workspace};
use crate::present::escape::escape;
use paper::Paper;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is one only
    agent: Option<String>,
    /// Talk to the draft, compiled now; with a name, to that branch's
    #[arg(long, value_name = "BRANCH", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    draft: Option<String>,
    /// Talk to what this environment serves; by default the published one
    #[arg(long, value_name = "ENV", conflicts_with = "draft")]
    environment: Option<EnvironmentName>,
    /// Go on with this conversation
    #[arg(long, value_name = "ID", conflicts_with_all = ["agent", "draft", "environment"])]
    session: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Where models and conversations are.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The operator's file, which has the model endpoints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder that keeps conversations; by default that of a controller in this repository
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Answer by the offline responder, whatever model the agent names
    #[arg(long)]
    offline: bool,
}

/// The sandbox and the threads it runs on.
pub(super) struct Room {
    pub(super) runtime: Runtime,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) offline: bool,
}

impl Place {
    /// The sandbox that the options name.
    pub(super) fn room(&self, session: &Session) -> Result<Room, Problem> {
        let settings = match &self.config {
            Some(path) => super::serve::operators_file(path)?,
            None => Settings::default(),
        };
        let state = match self.state.clone().or_else(|| settings.state.clone()) {
            Some(state) => state,
            None => session.workspace()?.repository.own_dir(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Problem::refused("io", format!("cannot start threads: {error}")))?;
        Ok(Room { runtime, sandbox: Sandbox::new(state, &settings), offline: self.offline || self.config.is_none() })
    }

    /// Tells that a model which the agent names is not asked.
    pub(super) fn tell_offline(&self, pinned: &Pinned, session: &Session) {
        let endpoint = pinned.config.get("llm").and_then(|llm| llm.get("endpoint")?.as_str());
        if let (Some(endpoint), false, None) = (endpoint, self.offline, &self.config) {
            let endpoint = escape(endpoint);
            session.tell(&format!(
                "note: the offline responder answers; --config FILE names the operator's file, which has `{endpoint}`"
            ));
        }
    }
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let room = args.place.room(session)?;
    let (conversation, lines) = match &args.session {
        Some(id) => (room.sandbox.session(id)?, room.sandbox.lines(id)?),
        None => {
            let workspace = session.workspace()?;
            let pinned = session.during("compiling", || args.pinned(&workspace))?;
            args.place.tell_offline(&pinned, session);
            let wish = Wish { offline: room.offline, caller: "cli".to_owned(), key: None };
            let (conversation, lines, _) = room.sandbox.begin(&pinned, &wish)?;
            (conversation, lines)
        }
    };
    let mut paper = Paper::new(&conversation, session);
    open(&conversation, &lines, args.session.is_some(), &mut paper, session);
    let people = session.terminal && std::io::stdin().is_terminal() && !session.global.json;
    let mut input = std::io::stdin().lock();
    loop {
        if people {
            paper.ask();
        }
        let mut line = String::new();
        let read = input.read_line(&mut line).map_err(|error| {
            Problem::usage("bad_input", format!("the input cannot be read: {error}")).hint("send lines of UTF-8 text")
        })?;
        if read == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        match exchange(&room, &conversation, line.trim_end_matches(['\r', '\n']), &mut paper, session) {
            Ok(()) => {}
            Err(problem) if people => {
                session.print("\n");
                session.fail(&problem);
            }
            Err(problem) => return Err(problem),
        }
    }
    if people {
        session.print("\n");
        session.tell(&format!("pointsman chat --session {} goes on with it", conversation.id));
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn pinned(&self, workspace: &Workspace) -> Result<Pinned, Problem> {
        let agent = workspace.agent(self.agent.as_deref())?;
        match self.draft.as_deref() {
            Some("") => pinned::pin(workspace, &agent, &SideName::Draft),
            Some(branch) => pinned::pin(workspace, &agent, &SideName::NamedDraft(branch.to_owned())),
            None => pinned::live(workspace, &agent, self.environment.as_ref()),
        }
    }
}

/// Says who is there, and what was said before.
fn open(conversation: &Conversation, lines: &[Line], again: bool, paper: &mut Paper<'_>, session: &Session) {
    if session.global.json {
        let mut shown = json!(conversation);
        shown["messages"] = json!(lines);
        session.print(&format!("{shown}\n"));
        return;
    }
    let what = match (conversation.version, &conversation.environment) {
        (None, _) => "the draft".to_owned(),
        (Some(version), Some(environment)) => format!("{version}, live in {environment} when this began"),
        (Some(version), None) => version.to_string(),
    };
    let digest: String = conversation.digest.hex().chars().take(12).collect();
    let by = match conversation.responder.as_str() {
        OFFLINE => "answered offline".to_owned(),
        endpoint => format!("answered by `{}`", escape(endpoint)),
    };
    session.tell(&format!("{}: {what} ({digest}), {by}", conversation.agent_id));
    session.tell(&format!("session {}", conversation.id));
    // What reads a pipe has the old lines already.
    if session.terminal || !again {
        for line in lines {
            paper.line(line);
        }
    }
}

/// One message and its reply.
fn exchange(
    room: &Room,
    conversation: &Conversation,
    text: &str,
    paper: &mut Paper<'_>,
    session: &Session,
) -> Result<(), Problem> {
    room.runtime.block_on(async {
        let mut talk = room.sandbox.say(&conversation.id, text, None)?;
        if session.terminal && !session.global.json {
            paper.begin(Role::Assistant);
            while let Some(words) = talk.words.recv().await {
                paper.words(&words);
            }
        }
        let spoken = talk.end().await?;
        if session.global.json {
            session.print(&format!("{}\n", json!(spoken)));
        } else if session.terminal {
            paper.end(&spoken.line.said);
        } else {
            paper.line(&spoken.line);
        }
        Ok(())
    })
}
