//! `pointsman diff`

use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;

use super::place::{Compared, Place};
use super::{Done, Session};
use crate::compare::{AgentDifference, AgentDifferenceKind, Comparison};
use crate::domain::AgentId;
use crate::ops::Problem;
use crate::ops::diff::{diff_all, published};
use crate::ops::side::SideName;
use crate::present::comparison::{Parts, comparison};
use crate::present::environments::environments;
use crate::present::markdown;
use crate::present::terminal::{Style, counted};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; may be left out inside its folder or where there is only one
    agent: Option<String>,
    /// One side; the newest version by default, with --all the published environment
    a: Option<String>,
    /// The other side; the draft by default
    b: Option<String>,
    /// Compare every agent
    #[arg(long)]
    all: bool,
    /// How to print: for people, for programs, as a pull request comment, or as a patch that `git apply` takes
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Show fields only
    #[arg(long, conflicts_with = "lines")]
    fields: bool,
    /// Show lines only
    #[arg(long)]
    lines: bool,
    /// End with exit code 1 if anything differs, as git does
    #[arg(long)]
    exit_code: bool,
}

/// How differences are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// As --json.
    Json,
    /// As a pull request comment.
    Markdown,
    /// As a patch.
    Unified,
}

/// What to compare: one agent or all, and the sides that are named.
struct Wanted {
    agent: Option<AgentId>,
    before: Option<SideName>,
    after: Option<SideName>,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    session.only_one_format(args.format.is_some_and(|format| format != Format::Json))?;
    let format = args.format.unwrap_or(if session.global.json { Format::Json } else { Format::Text });
    if format == Format::Unified && args.fields {
        return Err(Problem::usage("two_formats", "a patch has no fields").hint("leave out --fields"));
    }
    let parts = Parts { fields: !args.lines, lines: !args.fields };
    let place = session.place()?;
    let wanted = wanted(&place, args)?;
    let Wanted { agent, before, after } = &wanted;
    let differ = match agent {
        Some(agent) => {
            let patch = format == Format::Unified;
            let compared = session.during("comparing", || place.diff(agent, before.as_ref(), after.as_ref(), patch))?;
            print_one(&compared, format, parts, session);
            !compared.comparison.identical
        }
        None => {
            let workspace = place.only_here("this compares every agent file by file")?;
            let published = if before.is_none() { Some(published(workspace)?) } else { None };
            let before = before.as_ref().or(published.as_ref()).unwrap_or(&SideName::Draft);
            let after = after.as_ref().unwrap_or(&SideName::Draft);
            if format == Format::Unified {
                return Err(Problem::usage("two_formats", "a patch is about one agent")
                    .hint("name the agent, or: git diff <environment branch> <environment branch>"));
            }
            let agents = session.during("comparing", || diff_all(workspace, before, after))?;
            print_all(before, after, &agents, format, parts, session);
            agents.iter().any(|agent| agent.kind != AgentDifferenceKind::Identical)
        }
    };
    Ok(ExitCode::from(u8::from(args.exit_code && differ)))
}

/// Tells agent and sides apart. What can be a side is one: an agent called `draft` is named by its folder.
fn wanted(place: &Place, args: &Args) -> Result<Wanted, Problem> {
    let words: Vec<&str> = [&args.agent, &args.a, &args.b].into_iter().flatten().map(String::as_str).collect();
    let is_side = |word: &&str| word.contains(':') || word.parse::<SideName>().is_ok();
    let (named, sides) = match words.split_first() {
        Some((first, rest)) if !is_side(first) => (Some(*first), rest),
        _ => (None, &words[..]),
    };
    if sides.len() > 2 {
        return Err(Problem::usage("unknown_side", "there are three sides, and two are compared")
            .hint("pointsman diff [agent] [A] [B]"));
    }
    let sides = sides.iter().map(|side| side.parse()).collect::<Result<Vec<SideName>, _>>()?;
    if args.all && named.is_some() {
        return Err(
            Problem::usage("which_agent", "one agent is named, and --all means every one").hint("leave one out")
        );
    }
    let of_environments = sides.len() == 2 && sides.iter().all(|side| matches!(side, SideName::Environment(_)));
    let agent = match named {
        _ if args.all => None,
        Some(named) => Some(place.agent(Some(named))?),
        None if of_environments => place.agent_in_this_folder()?,
        None => Some(place.agent(None)?),
    };
    let mut sides = sides.into_iter();
    Ok(Wanted { agent, before: sides.next(), after: sides.next() })
}

fn print_one(compared: &Compared, format: Format, parts: Parts, session: &Session) {
    let Compared { agent, comparison: found, broken, patch } = compared;
    match format {
        Format::Text => session.print(&comparison(found, parts, &style(session))),
        Format::Json => session.print_json(&of_agent(agent, found, parts)),
        Format::Markdown => session.print(&markdown::diff(agent.as_str(), found, parts)),
        Format::Unified => session.print(patch.as_deref().unwrap_or_default()),
    }
    for side in broken.iter().filter(|_| parts.fields && format == Format::Text) {
        session.tell(&format!("{side} does not compile: pointsman check {agent}"));
    }
}

fn print_all(
    before: &SideName,
    after: &SideName,
    agents: &[AgentDifference],
    format: Format,
    parts: Parts,
    session: &Session,
) {
    let (before, after) = (before.to_string(), after.to_string());
    match format {
        Format::Json => {
            let agents: Vec<_> = agents.iter().map(|agent| without(agent, "/comparison", parts)).collect();
            session.print_json(&json!({ "before": before, "after": after, "agents": agents }));
        }
        Format::Markdown => session.print(&markdown::environments(&before, &after, agents, parts)),
        Format::Text | Format::Unified => {
            let style = style(session);
            let differing: Vec<_> =
                agents.iter().filter(|agent| agent.kind != AgentDifferenceKind::Identical).cloned().collect();
            session.tell(&format!("{} of {} differ", differing.len(), counted(agents.len(), "agent")));
            if !differing.is_empty() {
                session.print(&environments(&before, &after, &differing, &style));
            }
            for (agent, found) in agents.iter().filter_map(|agent| Some((&agent.agent, agent.comparison.as_ref()?))) {
                session.print(&format!("\n{}", style.heading(agent)));
                session.print(&format!(" {}", comparison(found, parts, &style)));
            }
        }
    }
}

fn of_agent(agent: &AgentId, comparison: &Comparison, parts: Parts) -> serde_json::Value {
    let mut value = without(comparison, "", parts);
    if let Some(entries) = value.as_object_mut() {
        entries.insert("agent".to_owned(), json!(agent));
    }
    value
}

/// A result as JSON, of which the comparison at `place` has only what is asked for.
fn without<T: Serialize>(result: &T, place: &str, parts: Parts) -> serde_json::Value {
    let mut value = serde_json::to_value(result).expect("results have string keys only");
    if let Some(comparison) = value.pointer_mut(place).and_then(serde_json::Value::as_object_mut) {
        for (key, wanted) in [("changes", parts.fields), ("moreChanges", parts.fields), ("files", parts.lines)] {
            if !wanted {
                comparison.remove(key);
            }
        }
    }
    value
}

/// Two columns help people; what reads a pipe wants one.
fn style(session: &Session) -> Style {
    let width = if session.terminal { session.style.width } else { session.style.width.min(99) };
    Style { width, ..session.style }
}
