//! `pointsman new`

use clap::ValueEnum;

use super::{Done, Session};
use crate::domain::AgentId;
use crate::ops::Problem;
use crate::ops::new::{Begun, Template, begin};
use crate::present::terminal::Style;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent's id, such as support or emea/billing; its folder is agents/<id>
    agent: String,
    /// Which kind of folder
    #[arg(long, value_enum, default_value = "native")]
    kind: KindWord,
    /// How a native agent leads its conversations
    #[arg(long, value_enum, default_value = "single_prompt")]
    workflow: WorkflowWord,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindWord {
    /// Pointsman's own layout, in TOML, YAML or JSON
    Native,
    /// A project of PolyAI's agent development kit
    Polyai,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum WorkflowWord {
    /// One prompt
    SinglePrompt,
    /// A graph of steps
    WorkflowGraph,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let template = match (args.kind, args.workflow) {
        (KindWord::Native, WorkflowWord::SinglePrompt) => Template::SinglePrompt,
        (KindWord::Native, WorkflowWord::WorkflowGraph) => Template::WorkflowGraph,
        (KindWord::Polyai, WorkflowWord::SinglePrompt) => Template::PolyAi,
        (KindWord::Polyai, WorkflowWord::WorkflowGraph) => {
            return Err(Problem::usage("workflow", "a PolyAI project has flows of its own, so no `--workflow`")
                .hint(format!("pointsman new {} --kind polyai", args.agent)));
        }
    };
    let workspace = session.workspace()?;
    let trimmed = args.agent.trim_end_matches('/');
    let agent: AgentId = trimmed.strip_prefix("agents/").unwrap_or(trimmed).parse().map_err(Problem::from)?;
    let begun = begin(&workspace, &agent, template)?;
    Ok(session.show(&begun, |style| text(&begun, style)))
}

fn text(begun: &Begun, _: &Style) -> String {
    let Begun { agent, folder, files } = begun;
    let mut text = format!("wrote {folder}\n");
    for file in files {
        text.push_str(&format!("  {file}\n"));
    }
    text.push_str(&format!("\nnext:\n  pointsman check {agent}\n  pointsman publish {agent} --note \"First\"\n"));
    text
}
