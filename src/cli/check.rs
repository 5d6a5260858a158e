//! `pointsman check`

use std::process::ExitCode;

use clap::ValueEnum;

use super::watch::{Watch, Woken};
use super::{Done, Session};
use crate::compile::Finding;
use crate::ops::check::{Checked, Which, check, which};
use crate::ops::{Problem, Workspace};
use crate::policy;
use crate::present::findings::{listed, summary};
use crate::present::terminal::{Style, counted};
use crate::present::{github, markdown};
use crate::watch::Places;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent; all of them if left out, unless the command is started in an agent's folder
    agent: Option<String>,
    /// Check every agent, wherever the command is started
    #[arg(long, conflicts_with = "agent")]
    all: bool,
    /// How to print: for people, for programs, as annotations of a GitHub workflow, or as a pull request comment
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Check the tip of a branch, or of a pull request (pr/<n>), in place of the working tree
    #[arg(long, value_name = "BRANCH")]
    draft: Option<String>,
    /// Check again whenever a file changes, until Ctrl-C; JSON is then one document a line
    #[arg(long, conflicts_with = "draft")]
    watch: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// As --json.
    Json,
    /// As annotations of a GitHub workflow.
    Github,
    /// As a pull request comment.
    Markdown,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    session.only_one_format(args.format.is_some_and(|format| format != Format::Json))?;
    let format = args.format.unwrap_or(if session.global.json { Format::Json } else { Format::Text });
    let workspace = session.workspace()?;
    let which = which(&workspace, args.agent.as_deref(), args.all)?;
    if args.watch {
        return watch(&workspace, &which, format, session);
    }
    let checked = session.during("checking", || check(&workspace, &which, args.draft.as_deref()))?;
    print(&checked, format, session);
    Ok(ExitCode::from(u8::from(checked.errors > 0)))
}

fn print(checked: &Checked, format: Format, session: &Session) {
    let findings: Vec<Finding> = checked.findings().cloned().collect();
    match format {
        Format::Json => session.print_json(checked),
        Format::Text => session.print(&text(checked, &findings, &session.style)),
        Format::Markdown => {
            let agents: Vec<&str> = checked.agents.iter().map(|agent| agent.agent.as_str()).collect();
            session.print(&markdown::check(&agents, &findings));
        }
        Format::Github => {
            session.print(&github::annotations(&findings));
            session.tell(&last_line(checked, &findings));
        }
    }
}

fn text(checked: &Checked, findings: &[Finding], style: &Style) -> String {
    format!("{}{}\n", listed(findings, style), last_line(checked, findings))
}

/// Who was checked, and what came of it.
fn last_line(checked: &Checked, findings: &[Finding]) -> String {
    let who = match &checked.agents[..] {
        [only] => only.agent.to_string(),
        [] => policy::FILE.to_owned(),
        many => counted(many.len(), "agent"),
    };
    format!("{who}: {}", summary(findings))
}

/// Checks again and again. Each round registers for changes before it looks, or an edit in between would be missed.
fn watch(workspace: &Workspace, which: &Which, format: Format, session: &Session) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::refused("io", format!("cannot wait for changes: {error}")))?;
    let mut last: Option<Checked> = None;
    let mut started = false;
    let mut watch = Watch::new(session)?;
    runtime.block_on(async {
        watch.end_on_ctrl_c();
        let mut places = places(workspace, None);
        loop {
            watch.follow(&places)?;
            match check(workspace, which, None) {
                Ok(checked) => {
                    // Agents that were not known before are watched before they are read.
                    let found = self::places(workspace, Some(&checked));
                    if found != places {
                        places = found;
                        continue;
                    }
                    started = true;
                    tell_round(last.as_ref(), &checked, format, session);
                    last = Some(checked);
                }
                // Ctrl-C reaches git too, so its failure may only mean that the end has come.
                Err(_) if watch.is_over().await => return Ok(ExitCode::SUCCESS),
                Err(problem) if !started => return Err(problem),
                Err(problem) => {
                    session.fail(&problem);
                    last = None;
                }
            }
            if watch.changed().await == Woken::Ended {
                return Ok(ExitCode::SUCCESS);
            }
        }
    })
}

fn tell_round(last: Option<&Checked>, checked: &Checked, format: Format, session: &Session) {
    let time = jiff::Zoned::now().strftime("%H:%M:%S");
    if last == Some(checked) {
        let findings: Vec<Finding> = checked.findings().cloned().collect();
        return session.tell(&format!("{time} nothing new; {}", last_line(checked, &findings)));
    }
    if last.is_some() {
        session.tell(&format!("{time} changed"));
    }
    match format {
        Format::Json => {
            let line = serde_json::to_string(checked).expect("results have string keys only");
            session.print(&format!("{line}\n"));
        }
        other => print(checked, other, session),
    }
}

/// What a check reads: the folders of agents and around them, included files, and pointsman.toml at the root.
fn places(workspace: &Workspace, checked: Option<&Checked>) -> Places {
    let Some(root) = workspace.repository.work_dir() else { return Places::default() };
    let mut places = Places::default();
    places.alone(root.to_owned());
    let Some(checked) = checked else { return places };
    // The folder around an agent's is where the next agent will appear.
    let misplaced = checked.repository.iter().map(|finding| &finding.path).filter(|path| *path != policy::FILE);
    for folder in checked.agents.iter().map(|agent| &agent.folder).chain(misplaced) {
        let around = folder.rsplit_once('/').map_or(folder.as_str(), |(around, _)| around);
        places.deep(root.join(around));
    }
    for folder in checked.agents.iter().flat_map(|agent| &agent.include_folders) {
        places.deep(root.join(folder));
    }
    places
}
